"""One strict reader and one writer of JSON for every boundary.

orjson refuses NaN, trailing commas and lone surrogates written as escapes; what it lets pass and we refuse:
members given twice, NUL in a text, nesting beyond a bound.
"""

import json
import re
from typing import Any, ClassVar

import orjson

from kernel.errors import Invalid

MAX_DEPTH = 100
"""Levels of nesting that any of our documents may need, with room to spare."""


_SPACES = " \t\n\r"
_space = re.compile(rf"[{_SPACES}]*").match


class InvalidJson(Invalid):
    """The bytes are not one well-formed JSON text by RFC 8259 and I-JSON (RFC 7493)."""

    code = "invalid_json"
    message: ClassVar = {
        "th": "ข้อมูล JSON ไม่ถูกต้อง: {reason}",
        "en": "The JSON text is not valid: {reason}",
    }


def loads(data: bytes | str, *, max_depth: int = MAX_DEPTH) -> Any:
    """One JSON value.

    data       UTF-8 bytes or text
    max_depth  levels of arrays and objects, 1 or more
    Raises     InvalidJson for bad syntax or UTF-8, a member given twice, NaN, NUL or a lone surrogate, nesting too deep
    Source     RFC 8259; RFC 7493, section 2.3 (unique member names)
    """
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    value = _parsed(raw)
    _refuse_depth(value, raw.count(b"{") + raw.count(b"["), max_depth)
    _refuse_repeated_members(raw)
    return value


def loads_with_texts(data: bytes, *, max_depth: int = MAX_DEPTH) -> tuple[Any, list[str]]:
    """One JSON value, and the texts of its elements if it is an array, else its own; without the white space around them.

    The same rules as those of `loads`. A text that is compact, as programs write it, equals what its values are written as: then no member
    was given twice, and nothing is left to look for.
    """
    value = _parsed(data)
    elements, bound = (value, max_depth - 1) if isinstance(value, list) else ([value], max_depth)
    try:
        texts = [orjson.dumps(element) for element in elements]
        is_compact = data == (b"[" + b",".join(texts) + b"]" if elements is value else texts[0])
        found = [text.decode() for text in texts] if is_compact else _texts(data.decode(), is_list=elements is value)
    except (RecursionError, orjson.JSONEncodeError):
        raise InvalidJson(reason=f"nested deeper than {max_depth} levels") from None
    for element, text in zip(elements, found, strict=True):
        _refuse_depth(element, text.count("{") + text.count("["), bound)
    return value, found


def dumps(value: Any, *, sort_keys: bool = False) -> bytes:
    """One value as compact UTF-8 JSON; UUIDs and aware times are written by their standard forms."""
    options = orjson.OPT_UTC_Z | (orjson.OPT_SORT_KEYS if sort_keys else 0)
    return orjson.dumps(value, option=options)


def _parsed(raw: bytes) -> Any:
    if b"\\u0000" in raw or b"\x00" in raw:
        _refuse_nul(raw)
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(reason=str(error)) from None


def _refuse_depth(value: Any, n_brackets: int, bound: int) -> None:
    """Passes a value nested no deeper than a bound; few brackets cannot be deep."""
    if n_brackets > bound and _depth_exceeds(value, bound):
        raise InvalidJson(reason=f"nested deeper than {bound} levels")


def _refuse_nul(raw: bytes) -> None:
    try:
        text = raw.decode()
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise InvalidJson(reason="nested too deeply") from None
    except ValueError as error:
        raise InvalidJson(reason=str(error)) from None
    stack = [value]
    while stack:
        part = stack.pop()
        if isinstance(part, str) and "\x00" in part:
            raise InvalidJson(reason="a text holds the character NUL")
        if isinstance(part, dict):
            stack.extend(part.keys())
            stack.extend(part.values())
        elif isinstance(part, list):
            stack.extend(part)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _depth_exceeds(value: Any, bound: int) -> bool:
    containers = [value] if isinstance(value, dict | list) else []
    for _ in range(bound):
        if not containers:
            return False
        containers = [
            child
            for container in containers
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, dict | list)
        ]
    return bool(containers)


def _refuse_repeated_members(raw: bytes) -> None:
    json.loads(raw, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) == len(pairs):
        return
    names = [name for name, _ in pairs]
    repeated = next(name for place, name in enumerate(names) if name in names[:place])
    raise InvalidJson(reason=f"the member {repeated!r} is given twice")


_scan = json.JSONDecoder(object_pairs_hook=_unique).raw_decode


def _texts(text: str, *, is_list: bool) -> list[str]:
    """The texts of the elements of an array, or that of the one value; refuses a member that is given twice."""
    at = _skip(text, 0)
    if not is_list:
        return [text[at : _scan(text, at)[1]]]
    at = _skip(text, at + 1)
    texts = []
    while text[at] != "]":
        end = _scan(text, at)[1]
        texts.append(text[at:end])
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return texts


def _skip(text: str, at: int) -> int:
    return _space(text, at).end()  # type: ignore[union-attr]  # the pattern matches the empty text too
