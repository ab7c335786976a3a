"""What a client asked for, read strictly: version, method, parameters, headers, content. Flask ends here.

The alternate request syntax (POST with `?method=`, the rest in a form) exists in 1.0.3 only; 2.0 has dropped it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from flask import Request

from kernel import strictjson
from xapi import links, rawtext, timestamps
from xapi.errors import MediaTypeRefused, MethodRefused, RequestInvalid, StatementInvalid, TooLarge, VersionRefused
from xapi.query import Filter
from xapi.schema import IRI, UUID
from xapi.validation import validate_agent
from xapi.vocabulary import MAX_BATCH, MAX_BODY_BYTES, V1, V2, VERSION_HEADER

_VERSION = re.compile(r"([12])\.0(?:\.\d+)?", re.ASCII)
_FORM_HEADERS = {"authorization", "x-experience-api-version", "content-type", "content-length", "if-match", "if-none-match"}
_FORM = "application/x-www-form-urlencoded"
_METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")


@dataclass(frozen=True, slots=True)
class XapiRequest:
    """One request in plain terms.

    headers   names in small letters
    body      content, at most 5 MB
    """

    method: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def version(self) -> str:
        """The terms in which the request is answered, `2.0.0` or `1.0.3`. Raises VersionRefused."""
        version = served_version(self.headers.get(VERSION_HEADER.lower()))
        if version is None:
            raise VersionRefused
        return version


def served_version(header: str | None) -> str | None:
    """The version in whose terms a header's value is answered: the latest patch of it; None when it is not served."""
    found = _VERSION.fullmatch((header or "").strip())
    return None if found is None else {"1": V1, "2": V2}[found[1]]


def read_request(request: Request) -> XapiRequest:
    """The request that Flask holds, the alternate syntax undone. Raises RequestInvalid, TooLarge, MethodRefused."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    params = _pairs(_utf8(request.query_string, "query string"), "query string")
    body = _read_body(request)
    version = headers.get(VERSION_HEADER.lower())
    if "method" not in params or request.method != "POST" or served_version(version) == V2:
        return XapiRequest(request.method, params, headers, body)
    return _alternate(params, headers, body)


def _alternate(query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> XapiRequest:
    """The request that an alternate one means: method from the query, headers, parameters and content from the form.

    Source   xAPI 1.0.3, Communication 1.3
    """
    if len(query) != 1:
        raise RequestInvalid("alternate_parameters", "query string")
    if query["method"] not in _METHODS:
        raise MethodRefused(method=query["method"])
    form = _pairs(_utf8(body, "form"), "form")
    given = {name.lower(): value for name, value in form.items() if name.lower() in _FORM_HEADERS}
    merged = {**{name: value for name, value in headers.items() if name != "content-type"}, **given}
    if served_version(merged.get(VERSION_HEADER.lower())) == V2:
        raise RequestInvalid("alternate_refused", "method")
    content = form.get("content", "")
    if query["method"] in ("PUT", "POST"):
        if "content" not in form:
            raise RequestInvalid("missing_parameter", "content")
        merged.setdefault("content-type", "application/json")
    params = {name: value for name, value in form.items() if name != "content" and name.lower() not in _FORM_HEADERS}
    return XapiRequest(query["method"], params, merged, content.encode())


def read_statements(asked: XapiRequest) -> tuple[list[str], list[dict[str, Any]], bool]:
    """The statements that a POST or PUT carries: their texts, the same parsed, and whether they came as a list.

    Raises   MediaTypeRefused, RequestInvalid, InvalidJson, TooLarge, StatementInvalid (an entry is no object)
    """
    _require_json(asked.headers.get("content-type"))
    value = strictjson.loads(asked.body)
    text = asked.body.decode().strip(" \t\r\n")
    is_list = isinstance(value, list)
    if is_list and len(value) > MAX_BATCH:
        raise TooLarge(bound=f"{MAX_BATCH} statements")
    texts, statements = (rawtext.split_batch(text), value) if is_list else ([text], [value])
    for place, statement in enumerate(statements):
        if not isinstance(statement, dict):
            raise StatementInvalid("wrong_type", f"/{place}" if is_list else "")
    return texts, statements, is_list


def read_filter(params: Mapping[str, str], version: str) -> Filter:
    """The filter that the parameters of a GET name. Raises RequestInvalid with the parameter's name."""
    known = {
        "agent",
        "verb",
        "activity",
        "registration",
        "related_activities",
        "related_agents",
        "since",
        "until",
        "limit",
        "format",
        "attachments",
        "ascending",
    }
    refuse_unknown(params, known)
    boolean(params, "attachments")
    keys: list[bytes] = []
    if "registration" in params:
        keys.append(links.registration_key(uuid(params, "registration")))
    related = boolean(params, "related_agents")
    if "agent" in params:
        keys.append(links.agent_key(_agent(params["agent"]), related=related))
    related = boolean(params, "related_activities")
    if "activity" in params:
        keys.append(links.activity_key(iri(params, "activity"), related=related))
    if "verb" in params:
        keys.append(links.verb_key(iri(params, "verb")))
    limit = params.get("limit", "0")
    if not re.fullmatch(r"\d{1,9}", limit, re.ASCII):
        _refuse("not_number", "limit")
    return Filter(
        keys=tuple((key,) for key in keys),
        since=_moment(params, "since", version),
        until=_moment(params, "until", version),
        limit=int(limit),
        ascending=boolean(params, "ascending"),
        format=statement_format(params),
    )


def refuse_unknown(params: Mapping[str, str], known: set[str]) -> None:
    """Passes parameters that are all known. Raises RequestInvalid."""
    for name in params:
        if name not in known:
            _refuse("unknown_parameter", name)


def boolean(params: Mapping[str, str], name: str) -> bool:
    """A parameter that is `true` or `false`; absent is false."""
    value = params.get(name, "false")
    if value not in ("true", "false"):
        _refuse("not_boolean", name)
    return value == "true"


def uuid(params: Mapping[str, str], name: str) -> str:
    """A parameter that is a UUID."""
    if not re.fullmatch(UUID.rstrip("$"), params[name]):
        _refuse("not_uuid", name)
    return params[name]


def iri(params: Mapping[str, str], name: str) -> str:
    """A parameter that is an IRI with a scheme."""
    if not re.fullmatch(IRI.rstrip("$"), params[name]):
        _refuse("not_iri", name)
    return params[name]


def statement_format(params: Mapping[str, str]) -> str:
    """The parameter `format`: `exact` (default), `ids` or `canonical`."""
    value = params.get("format", "exact")
    if value not in ("ids", "exact", "canonical"):
        _refuse("not_format", "format")
    return value


def _agent(text: str) -> str:
    agent = strictjson.loads(text)
    try:
        validate_agent(agent)
    except StatementInvalid as error:
        raise error.within("/agent") from None
    return links.identifier_of(agent) or _refuse("not_agent", "agent")


def _moment(params: Mapping[str, str], name: str, version: str) -> Any:
    if name not in params:
        return None
    return timestamps.parse(params[name], version) or _refuse("not_timestamp", name)


def _require_json(content_type: str | None) -> None:
    header = Message()
    header["content-type"] = content_type or "none/none"
    media_type = header.get_content_type()
    if media_type == "multipart/mixed":
        raise MediaTypeRefused(media_type=media_type)
    if media_type != "application/json" or not content_type:
        _refuse("not_json", "Content-Type")
    if (header.get_content_charset() or "utf-8") not in ("utf-8", "utf8"):
        _refuse("not_utf8", "Content-Type")


def _read_body(request: Request) -> bytes:
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise TooLarge(bound=f"{MAX_BODY_BYTES} bytes")
    body = request.stream.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(bound=f"{MAX_BODY_BYTES} bytes")
    return body


def _pairs(text: str, place: str) -> dict[str, str]:
    """Names and values of a query string or form, each name once."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        _refuse("bad_encoding", place)
    params: dict[str, str] = {}
    for name, value in pairs:
        if name in params:
            _refuse("repeated_parameter", name)
        params[name] = value
    return params


def _utf8(body: bytes, place: str) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        _refuse("not_utf8", place)


def _refuse(rule: str, place: str) -> NoReturn:
    raise RequestInvalid(rule, place)
