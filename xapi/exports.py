"""The statements of a day as a file: flat columns for CSV and Parquet, whole statements for NDJSON. Pure, but for the package of Parquet.

Each writer takes the statements in batches and gives the file in pieces, so that a day of any size takes the memory of one batch.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any, Final

import orjson

from kernel.csv_file import BYTE_ORDER_MARK, csv_lines
from xapi import links, timestamps
from xapi.errors import ParquetMissing
from xapi.vocabulary import V1

Row = Mapping[str, Any]
Batches = Iterable[Sequence[str]]
"""Texts of statements, some at a time."""

_LANGUAGES = ("th", "en")
_FIRST_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the flat form.

    kind      `text`, `moment`, `number` or `flag`
    read      the value in a statement; None when it has none
    """

    name: str
    kind: str
    meaning: str
    read: Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Export:
    """One form of file."""

    media_type: str
    write: Callable[[Batches], Iterator[bytes]]


def day_of(day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """The day in a zone as the times of a slice: after the first moment, not after the second; whole microseconds."""
    begin = datetime.combine(day, time(), zone)
    end = datetime.combine(day + timedelta(days=1), time(), zone)
    return begin - _FIRST_MOMENT, end - _FIRST_MOMENT


def ndjson_line(document: str) -> str:
    """The text of a statement on one line: line breaks stand between the parts of JSON only, never within a text."""
    return document.replace("\r", " ").replace("\n", " ") + "\n"


def _ndjson(batches: Batches) -> Iterator[bytes]:
    for documents in batches:
        yield "".join(map(ndjson_line, documents)).encode()


def _csv(batches: Batches) -> Iterator[bytes]:
    yield BYTE_ORDER_MARK + csv_lines([[column.name for column in COLUMNS]])
    for documents in batches:
        yield csv_lines([_cell(column, value) for column, value in zip(COLUMNS, row, strict=True)] for row in map(_flat, documents))


def _parquet(batches: Batches) -> Iterator[bytes]:
    """Refuses at once when the package is missing, not when the first piece is asked for."""
    try:
        import pyarrow as pa  # noqa: PLC0415  an extra: only who asks for Parquet needs it
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise ParquetMissing from None
    kinds = {"text": pa.string(), "moment": pa.timestamp("us", tz="UTC"), "number": pa.float64(), "flag": pa.bool_()}
    schema = pa.schema([(column.name, kinds[column.kind]) for column in COLUMNS])
    return _parquet_pieces(batches, pa, parquet, schema)


def _parquet_pieces(batches: Batches, pa: Any, parquet: Any, schema: Any) -> Iterator[bytes]:
    pieces = _Pieces()
    with parquet.ParquetWriter(pieces, schema, compression="zstd") as writer:
        for documents in batches:
            if documents:
                columns = zip(*map(_flat, documents), strict=True)
                arrays = [pa.array(values, kind) for values, kind in zip(columns, schema.types, strict=True)]
                writer.write_table(pa.table(arrays, schema=schema))
            yield pieces.taken()
    yield pieces.taken()


class _Pieces:
    """A file that is taken away as it is written."""

    closed = False

    def __init__(self) -> None:
        self._written: list[bytes] = []
        self._length = 0

    def write(self, data: Any) -> int:
        self._written.append(bytes(data))
        self._length += len(self._written[-1])
        return len(self._written[-1])

    def tell(self) -> int:
        return self._length

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is to be closed."""

    def taken(self) -> bytes:
        """What was written since the last call."""
        data = b"".join(self._written)
        self._written.clear()
        return data


EXPORTS: Final[Mapping[str, Export]] = {
    "csv": Export("text/csv; charset=utf-8", _csv),
    "ndjson": Export("application/x-ndjson", _ndjson),
    "parquet": Export("application/vnd.apache.parquet", _parquet),
}
"""The forms of file by their endings."""


def _flat(document: str) -> list[Any]:
    statement = {**orjson.loads(document), "": document}
    return [column.read(statement) for column in COLUMNS]


def _cell(column: Column, value: Any) -> Any:
    if column.kind == "moment" and value is not None:
        return timestamps.written(value)
    return {True: "true", False: "false"}[value] if column.kind == "flag" and value is not None else value


def _at(*path: str) -> Callable[[Mapping[str, Any]], Any]:
    """Reads what stands at the end of a path of members."""

    def read(value: Any) -> Any:
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    return read


def _moment(name: str) -> Callable[[Mapping[str, Any]], datetime | None]:
    return lambda statement: timestamps.parse(statement[name], V1)


def _number(name: str) -> Callable[[Mapping[str, Any]], float | None]:
    read = _at("result", "score", name)

    def read_number(statement: Mapping[str, Any]) -> float | None:
        value = read(statement)
        return None if value is None else float(value)

    return read_number


def _words(*path: str) -> Callable[[Mapping[str, Any]], str | None]:
    """Reads a language map: in Thai, else in English, else in the first language that is there."""
    read = _at(*path)

    def read_words(statement: Mapping[str, Any]) -> str | None:
        words = read(statement) or {}
        return next((words[tag] for wanted in _LANGUAGES for tag in words if tag.lower().split("-")[0] == wanted), None) or next(
            iter(words.values()), None
        )

    return read_words


def _ids(kind: str) -> Callable[[Mapping[str, Any]], str | None]:
    read = _at("context", "contextActivities", kind)
    return lambda statement: " ".join(activity["id"] for activity in read(statement) or ()) or None


def _object_id(statement: Mapping[str, Any]) -> str | None:
    target = statement["object"]
    if target.get("objectType") in ("Agent", "Group"):
        return _who(target)
    return target.get("id")  # type: ignore[no-any-return]  # a text, or none for a sub-statement


def _who(actor: Mapping[str, Any]) -> str | None:
    """An agent's or group's identifier in one line, its kind left out."""
    identifier = links.identifier_of(actor)
    return identifier and " ".join(identifier.split("\n")[1:])


COLUMNS: Final = (
    Column("id", "text", "The statement's id, to deduplicate by.", _at("id")),
    Column("stored", "moment", "When it arrived, UTC; grows from line to line.", _moment("stored")),
    Column("timestamp", "moment", "When it happened, UTC.", _moment("timestamp")),
    Column("actor_type", "text", "`Agent` or `Group`.", lambda statement: statement["actor"].get("objectType", "Agent")),
    Column("actor_name", "text", "Name, if the statement gives one.", _at("actor", "name")),
    Column("actor_account_home_page", "text", "Account: whose.", _at("actor", "account", "homePage")),
    Column("actor_account_name", "text", "Account: which.", _at("actor", "account", "name")),
    Column("actor_mbox", "text", "`mailto:` address.", _at("actor", "mbox")),
    Column("actor_mbox_sha1sum", "text", "SHA-1 of the address.", _at("actor", "mbox_sha1sum")),
    Column("actor_openid", "text", "OpenID.", _at("actor", "openid")),
    Column("verb", "text", "IRI of the verb.", _at("verb", "id")),
    Column("verb_display", "text", "The verb in Thai, else in English, else in the first language given.", _words("verb", "display")),
    Column(
        "object_type",
        "text",
        "`Activity`, `Agent`, `Group`, `StatementRef` or `SubStatement`.",
        lambda statement: statement["object"].get("objectType", "Activity"),
    ),
    Column(
        "object_id", "text", "IRI of the activity, id of the statement, or identifier of the agent; empty for a sub-statement.", _object_id
    ),
    Column("object_name", "text", "Name of the activity, language as above.", _words("object", "definition", "name")),
    Column("object_activity_type", "text", "IRI of the activity's type.", _at("object", "definition", "type")),
    Column("success", "flag", "`true` or `false`.", _at("result", "success")),
    Column("completion", "flag", "`true` or `false`.", _at("result", "completion")),
    Column("score_scaled", "number", "-1 to 1.", _number("scaled")),
    Column("score_raw", "number", "Points.", _number("raw")),
    Column("score_min", "number", "Points.", _number("min")),
    Column("score_max", "number", "Points.", _number("max")),
    Column("duration", "text", "ISO 8601.", _at("result", "duration")),
    Column("response", "text", "The answer given.", _at("result", "response")),
    Column("registration", "text", "UUID of the sitting or course run.", _at("context", "registration")),
    Column("parent", "text", "IRIs of context activities, separated by spaces.", _ids("parent")),
    Column("grouping", "text", "As above.", _ids("grouping")),
    Column("category", "text", "As above.", _ids("category")),
    Column("other", "text", "As above.", _ids("other")),
    Column("platform", "text", "Where it happened.", _at("context", "platform")),
    Column("language", "text", "Language tag of the experience.", _at("context", "language")),
    Column("authority", "text", "Who vouches for it: identifier in one line.", lambda statement: _who(statement["authority"])),
    Column("statement", "text", "The whole statement, JSON as stored.", _at("")),
)
"""The flat form, in this order."""
