"""What a client asked for, read strictly: version, method, parameters, headers, content.

The alternate request syntax (POST with `?method=`, the rest in a form) exists in 1.0.3 only; 2.0 has dropped it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NoReturn, Protocol
from urllib.parse import parse_qsl, quote

from flask import Request
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header, parse_options_header

from kernel import strictjson
from xapi import links, timestamps
from xapi.errors import MethodRefused, RequestInvalid, StatementInvalid, TooLarge, VersionRefused
from xapi.query import Filter
from xapi.schema import IRI, UUID
from xapi.validation import validate_agent
from xapi.vocabulary import JSON, MAX_BATCH, MAX_BODY_BYTES, MAX_MULTIPART_BYTES, MULTIPART, V1, V2, VERSION_HEADER


class AgentKey(Protocol):
    """Gives the key of the index for an agent that a query names."""

    def __call__(self, agent: Mapping[str, Any], *, related: bool) -> bytes:
        """`related`: wherever a statement names it, not as actor or object alone."""


_VERSION = re.compile(r"([12])\.0(?:\.\d+)?", re.ASCII)
_FORM_HEADERS = {"authorization", "x-experience-api-version", "content-type", "content-length", "if-match", "if-none-match"}
_FORM = "application/x-www-form-urlencoded"
_METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")


@dataclass(frozen=True)
class XapiRequest:
    """One request in plain terms.

    headers     names in small letters
    mount       where the LRS stands, as the client sees it: `/xapi` below whatever the application is mounted at
    read_body   reads the content, once
    """

    method: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    mount: str
    read_body: Callable[[], bytes]

    @property
    def body(self) -> bytes:
        """The content, at most 5 MB, with attachments 25 MB; read when first asked for, so that who is not known sends it in vain.

        Raises   TooLarge, each time
        """
        if isinstance(self._read, TooLarge):
            raise self._read
        return self._read

    @cached_property
    def _read(self) -> bytes | TooLarge:
        try:
            return self.read_body()
        except TooLarge as error:
            return error

    @cached_property
    def version(self) -> str:
        """The terms in which the request is answered, `2.0.0` or `1.0.3`. Raises VersionRefused."""
        version = served_version(self.headers.get(VERSION_HEADER.lower()))
        if version is None:
            raise VersionRefused
        return version

    @property
    def media_type(self) -> str:
        """Type and subtype of the content in small letters; empty when the request names none."""
        return media_type_of(self.headers.get("content-type"))

    @property
    def languages(self) -> list[str]:
        """What the reader prefers, best first (`Accept-Language`)."""
        accepted = parse_accept_header(self.headers.get("accept-language", ""), LanguageAccept)
        return [tag for tag, quality in accepted if quality > 0]


def served_version(header: str | None) -> str | None:
    """The version in whose terms a header's value is answered: the latest patch of it; None when it is not served."""
    found = _VERSION.fullmatch((header or "").strip())
    return None if found is None else {"1": V1, "2": V2}[found[1]]


def read_request(request: Request, mount: str) -> XapiRequest:
    """The request that Flask holds, the alternate syntax undone. Raises RequestInvalid, TooLarge, MethodRefused."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    params = _pairs(_utf8(request.query_string, "query string"), "query string")
    asked = XapiRequest(request.method, params, headers, quote(request.script_root) + mount, lambda: _read_body(request))
    if "method" not in params or request.method != "POST" or served_version(headers.get(VERSION_HEADER.lower())) == V2:
        return asked
    return _alternate(asked)


def media_type_of(content_type: str | None) -> str:
    """Type and subtype of a `Content-Type` in small letters; empty when there is none."""
    return parse_options_header(content_type)[0].lower()


def _alternate(asked: XapiRequest) -> XapiRequest:
    """The request that an alternate one means: method from the query, headers, parameters and content from the form.

    Source   xAPI 1.0.3, Communication 1.3
    """
    method = asked.params["method"]
    if len(asked.params) != 1:
        raise RequestInvalid("alternate_parameters", "query string")
    if method not in _METHODS:
        raise MethodRefused(method=method)
    form = _pairs(_utf8(asked.body, "form"), "form")
    given = {name.lower(): value for name, value in form.items() if name.lower() in _FORM_HEADERS}
    merged = {**{name: value for name, value in asked.headers.items() if name != "content-type"}, **given}
    if served_version(merged.get(VERSION_HEADER.lower())) == V2:
        raise RequestInvalid("alternate_refused", "method")
    if method in ("PUT", "POST"):
        if "content" not in form:
            raise RequestInvalid("missing_parameter", "content")
        merged.setdefault("content-type", JSON)
    params = {name: value for name, value in form.items() if name != "content" and name.lower() not in _FORM_HEADERS}
    content = form.get("content", "").encode()
    return XapiRequest(method, params, merged, asked.mount, lambda: content)


def read_statements(body: bytes) -> tuple[list[str], list[dict[str, Any]], bool]:
    """The statements of a POST or PUT: their texts, the same parsed, and whether they came as a list.

    Raises   InvalidJson, TooLarge, StatementInvalid (an entry is no object)
    """
    value, texts = strictjson.loads_with_texts(body)
    is_list = isinstance(value, list)
    if is_list and len(value) > MAX_BATCH:
        raise TooLarge(bound=f"{MAX_BATCH} statements")
    statements = value if is_list else [value]
    for place, statement in enumerate(statements):
        if not isinstance(statement, dict):
            raise StatementInvalid("wrong_type", f"/{place}" if is_list else "")
    return texts, statements, is_list


def read_filter(params: Mapping[str, str], version: str, agent_key: AgentKey) -> Filter:
    """The filter that the parameters of a GET name. Raises RequestInvalid with the parameter's name.

    agent_key   what the reader finds an agent by (`auth.Sight.agent_key`)
    """
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
    keys: list[bytes] = []
    if "registration" in params:
        keys.append(links.registration_key(uuid(params, "registration")))
    related = boolean(params, "related_agents")
    if "agent" in params:
        keys.append(agent_key(agent(params), related=related))
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
        since=moment(params, "since", version),
        until=moment(params, "until", version),
        limit=int(limit),
        ascending=boolean(params, "ascending"),
        format=statement_format(params),
        attachments=boolean(params, "attachments"),
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


def required(params: Mapping[str, str], name: str) -> str:
    """A parameter that must be there and say something."""
    if not params.get(name):
        _refuse("missing_parameter", name)
    return params[name]


def statement_format(params: Mapping[str, str]) -> str:
    """The parameter `format`: `exact` (default), `ids` or `canonical`."""
    value = params.get("format", "exact")
    if value not in ("ids", "exact", "canonical"):
        _refuse("not_format", "format")
    return value


def agent(params: Mapping[str, str]) -> dict[str, Any]:
    """The parameter `agent`: an agent or an identified group."""
    value = strictjson.loads(required(params, "agent"))
    try:
        validate_agent(value)
    except StatementInvalid as error:
        raise error.within("/agent") from None
    return value  # type: ignore[no-any-return]  # validated: an object


def single_agent(params: Mapping[str, str]) -> dict[str, Any]:
    """The parameter `agent` where a group is none (xAPI 1.0.3, Communication 2.4 and 2.6)."""
    value = agent(params)
    if value.get("objectType", "Agent") != "Agent":
        _refuse("not_single_agent", "agent")
    return value


def moment(params: Mapping[str, str], name: str, version: str) -> datetime | None:
    """A parameter that is a timestamp; None when it is absent."""
    if name not in params:
        return None
    return timestamps.parse(params[name], version) or _refuse("not_timestamp", name)


def require_json(content_type: str | None, place: str = "Content-Type") -> None:
    """Passes the `Content-Type` of JSON in UTF-8. Raises RequestInvalid."""
    media_type, options = parse_options_header(content_type)
    if media_type.lower() != JSON:
        _refuse("not_json", place)
    if options.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        _refuse("not_utf8", place)


def _read_body(request: Request) -> bytes:
    bound = MAX_MULTIPART_BYTES if media_type_of(request.headers.get("Content-Type")) == MULTIPART else MAX_BODY_BYTES
    body = request.stream.read(bound + 1) if (request.content_length or 0) <= bound else b""
    if len(body) > bound or (request.content_length or 0) > bound:
        raise TooLarge(bound=f"{bound} bytes")
    return body


def _pairs(text: str, place: str) -> dict[str, str]:
    """Names and values of a query string or form, each name once."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        _refuse("bad_encoding", place)
    params: dict[str, str] = {}
    for name, value in pairs:
        if "\x00" in name + value:
            _refuse("bad_encoding", place)
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
