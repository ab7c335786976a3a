"""Bringing statements in: lines of NDJSON from a file or from another LRS, landed batch by batch, each batch whole.

A statement keeps its id and its timestamp; `stored` is always ours, so places follow the order in which statements come in. Its
authority becomes that of whoever brings it in, unless an administrator says that the source's word is to be taken: then it keeps the
authority that it came with, and a voiding statement of the source holds whomever it voids, as it held there. An id that is known with
the same meaning is passed over; every line that cannot be taken in is told with its number and the rule it breaks, and the rest lands.
Contents of attachments do not travel in a line of JSON, but another LRS is asked for them, statement by statement. An attachment whose
contents are not to be had comes by its `fileUrl`, or the statement is refused.
"""

import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import urljoin

from sqlalchemy.orm import Session

from kernel import strictjson
from kernel.errors import KaonaError
from kernel.http import GuardedClient, OutboundFailed
from xapi import activities, attachments, rawtext, store, timestamps
from xapi.errors import RequestInvalid, SourceAway, SourceUnusable, StatementConflict, StatementInvalid, TooLarge, VoidingForbidden
from xapi.request import media_type_of
from xapi.signatures import verify_signatures
from xapi.validation import validate_statement
from xapi.vocabulary import MAX_ATTACHMENT_BYTES, MAX_BODY_BYTES, MAX_MULTIPART_BYTES, MULTIPART, V1, V2

if TYPE_CHECKING:
    from xapi.remote import OutsideLrs

BATCH: Final = 500
"""Lines that land together."""
PAGE: Final = 200
"""Statements that another LRS is asked for at once."""
MAX_PAGE_BYTES: Final = 64 * 1024 * 1024

_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"
_OVERLAP: Final = timedelta(seconds=1)
"""How far back a new query begins when a `more` link no longer holds: another LRS may give one moment to several statements."""


@dataclass(frozen=True, slots=True)
class Line:
    """One statement as it came: its number in the source, from 1, and its bytes; too long ones are cut.

    contents   of its attachments, as far as they came, by hash in small letters
    """

    number: int
    text: bytes
    contents: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a line was not taken in.

    code    of the refusal; `rule` and `place` as in an answer to a request
    """

    line: Line
    statement_id: str | None
    code: str
    rule: str | None
    place: str | None


@dataclass(frozen=True, slots=True)
class Landed:
    """What became of a batch.

    statements   the new ones as they are given back, those apart that are void from the start
    """

    n_new: int
    n_known: int
    faults: tuple[Fault, ...]
    statements: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class RemotePage:
    """One page of another LRS: its lines, and the position after it."""

    lines: list[Line]
    position: dict[str, Any]
    is_last: bool


def land_lines(
    db: Session, lines: Sequence[Line], *, tenant_id: int, authority: Mapping[str, Any], keeps_authority: bool, now: datetime
) -> Landed:
    """Stores what can be stored of a batch within the caller's transaction.

    authority         of whoever brings the statements in
    keeps_authority   a statement that names an authority keeps it; only an administrator may say so
    now               read after the transaction began
    """
    faults: list[Fault] = []
    batch: list[tuple[Line, store.Prepared]] = []
    for line in lines:
        statement: Any = None
        try:
            statement = _read(line)
            batch.append((line, _prepared(line, statement, authority, keeps_authority=keeps_authority)))
        except KaonaError as error:
            faults.append(_fault(line, statement, error))
    new, refused = _stored(db, batch, tenant_id=tenant_id, now=now)
    contents = {sha2: content for line, _ in batch for sha2, content in line.contents.items()}
    if contents:
        attachments.keep(db.connection(), [(one.seq, one.statement) for one in new], contents, tenant_id=tenant_id)
    activities.learn(db.connection(), (one.statement for one in new), tenant_id=tenant_id)
    n_known = len(batch) - len(new) - len(refused)
    told = tuple(one.statement for one in new if not one.voided)
    return Landed(len(new), n_known, tuple(sorted([*faults, *refused], key=lambda fault: fault.line.number)), told)


def read_lines(file: IO[bytes], *, after: int = 0) -> Iterator[list[Line]]:
    """The lines of an NDJSON file in batches, empty lines left out; a file that is packed by gzip is unpacked on the way.

    file    open for reading, buffered
    after   lines that are done with
    Raises  SourceUnusable for a packed file that is damaged
    """
    buffered: Any = file if hasattr(file, "peek") else io.BufferedReader(file)
    source: Any = gzip.GzipFile(fileobj=buffered) if buffered.peek(2)[:2] == _GZIP else buffered
    batch: list[Line] = []
    number = 0
    try:
        while text := source.readline(MAX_BODY_BYTES + 1):
            number += 1
            while not text.endswith(b"\n") and (rest := source.readline(MAX_BODY_BYTES + 1)):
                text = text[: MAX_BODY_BYTES + 1] + rest[-1:]
            if number > after and text.strip():
                batch.append(Line(number, text.removeprefix(_BOM).strip()))
            if len(batch) == BATCH:
                yield batch
                batch = []
    except (EOFError, gzip.BadGzipFile, OSError) as error:
        raise SourceUnusable(reason=type(error).__name__) from None
    if batch:
        yield batch


def open_remote(http: GuardedClient, *, endpoint: str, key: str | None, secret: str) -> "OutsideLrs":
    """Another LRS as `read_remote` takes it, spoken to in 2.0.0 if it knows that, else in 1.0.3.

    Raises   OutboundRefused, OutboundFailed; TargetUnusable when no LRS answers there
    """
    from xapi.remote import OutsideLrs  # noqa: PLC0415  tincan takes long to load, and only who calls an LRS needs it

    versions = OutsideLrs(http, endpoint=endpoint).versions()
    version = V2 if any(one.startswith("2.") for one in versions) else V1
    return OutsideLrs(http, endpoint=endpoint, version=version, key=key, secret=secret)


def read_remote(lrs: "OutsideLrs", position: Mapping[str, Any]) -> RemotePage:
    """One page of the statements of another LRS, the oldest first, voided ones apart (they cannot be listed); with their attachments.

    position   as the page before gave it; empty for the first. A `more` link that no longer holds is followed by a new query from the
               last `stored` that was seen. A page whose attachments are too large together comes in parts
    Raises     OutboundRefused, OutboundFailed; SourceUnusable; SourceAway for what may pass
    """
    if position.get("more"):
        answer = lrs.call("GET", urljoin(lrs.endpoint, position["more"]), max_bytes=MAX_PAGE_BYTES)
        if 400 <= answer.status < 500 and answer.status not in (401, 403, 429) and position.get("since"):  # noqa: PLR2004
            return read_remote(lrs, {**position, "more": "", "after": None})
    else:
        params = {"ascending": "true", "limit": str(PAGE), **({"since": position["since"]} if position.get("since") else {})}
        answer = lrs.call("GET", "statements", params=params, max_bytes=MAX_PAGE_BYTES)
    _refuse_away(answer.status)
    if answer.status != 200:  # noqa: PLR2004
        raise SourceUnusable(reason=f"status {answer.status}")
    return _with_contents(lrs, _page(answer.body, position), position)


def _with_contents(lrs: "OutsideLrs", page: RemotePage, position: Mapping[str, Any]) -> RemotePage:
    """The page with the contents of attachments; as much of it as they allow, but one statement at least."""
    lines: list[Line] = []
    n_bytes = 0
    for line in page.lines:
        statement_id, hashes = _attached(line)
        contents = _contents(lrs, statement_id, hashes) if hashes else {}
        n_bytes += sum(map(len, contents.values()))
        if lines and n_bytes > MAX_ATTACHMENT_BYTES:
            return RemotePage(lines, {**position, "after": _attached(lines[-1])[0]}, is_last=False)
        lines.append(replace(line, contents=contents))
    return replace(page, lines=lines)


def _attached(line: Line) -> tuple[str | None, set[str]]:
    """The id of a statement that nobody has judged yet, and the hashes that its attachments name."""
    try:
        statement = strictjson.loads(line.text)
        hashes = {one["sha2"].lower() for _, one in attachments.of_statement(statement)} if b'"attachments"' in line.text else set()
        return str(statement["id"]), hashes
    except (KaonaError, KeyError, TypeError, AttributeError):
        return None, set()  # the rule that it breaks is told when it lands


def _contents(lrs: "OutsideLrs", statement_id: str | None, hashes: set[str]) -> dict[str, bytes]:
    """Those contents that the source gives with one statement, each proved by its hash."""
    params = {"statementId": str(statement_id), "attachments": "true"}
    try:
        answer = lrs.call("GET", "statements", params=params, max_bytes=MAX_MULTIPART_BYTES)
    except OutboundFailed as error:
        if error.details["reason"] == "too large":
            return {}
        raise
    _refuse_away(answer.status)
    content_type = answer.headers.get("content-type", "")
    if answer.status != 200 or media_type_of(content_type) != MULTIPART:  # noqa: PLR2004
        return {}
    with suppress(RequestInvalid, TooLarge):
        return {sha2: content for sha2, content in attachments.read_multipart(content_type, answer.body)[1].items() if sha2 in hashes}
    return {}


def _refuse_away(status: int) -> None:
    """Passes an answer of a store that is there. Raises SourceAway."""
    if status == 429 or status >= 500:  # noqa: PLR2004
        raise SourceAway(reason=f"status {status}")


def _page(body: bytes, position: Mapping[str, Any]) -> RemotePage:
    number = position.get("line", 0)
    try:
        value = strictjson.loads(body)
        text = body.decode().strip()
        start, end = rawtext.members(text)["statements"]
        texts = rawtext.split_batch(text[start:end])
        more = value.get("more") or ""
        moments = [moment for one in value["statements"] if (moment := timestamps.parse(one.get("stored", ""), V1))]
    except (KaonaError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise SourceUnusable(reason="no page of statements") from None
    if not isinstance(more, str) or (more and more == position.get("more")):
        raise SourceUnusable(reason="no way on")
    lines = [Line(number + place, one.encode()) for place, one in enumerate(texts, start=1)]
    ids = [str(one.get("id")) for one in value["statements"]]
    done = ids.index(position["after"]) + 1 if position.get("after") in ids else 0
    since = timestamps.written(moments[-1] - _OVERLAP) if moments else position.get("since")
    return RemotePage(lines[done:], {"more": more, "since": since, "line": number + len(lines)}, is_last=not more)


def _read(line: Line) -> Any:
    if len(line.text) > MAX_BODY_BYTES:
        raise TooLarge(bound=f"{MAX_BODY_BYTES} bytes")
    return strictjson.loads(line.text)


def _prepared(line: Line, statement: Any, authority: Mapping[str, Any], *, keeps_authority: bool) -> store.Prepared:
    if not isinstance(statement, dict):
        raise StatementInvalid("wrong_type")
    version = V1 if str(statement.get("version", "")).startswith("1.") else V2
    validate_statement(statement, version)
    attachments.match([("", statement)], line.contents)
    verify_signatures(statement, line.contents, version)
    is_kept = keeps_authority and "authority" in statement
    author = store.Author(statement["authority"], voids_any=True) if is_kept else store.Author(authority)
    return store.prepare(line.text.decode(), statement, author, version=version)


def _stored(
    db: Session, batch: Sequence[tuple[Line, store.Prepared]], *, tenant_id: int, now: datetime
) -> tuple[list[store.Stored], list[Fault]]:
    """Stores a batch; where it is refused its halves are tried, down to the one statement that is the reason."""
    if not batch:
        return [], []
    try:
        with db.begin_nested():
            return store.store(db.connection(), [prepared for _, prepared in batch], tenant_id=tenant_id, now=now), []
    except (StatementInvalid, StatementConflict, VoidingForbidden) as error:
        if len(batch) == 1:
            line, prepared = batch[0]
            return [], [_fault(line, prepared.stamped, error)]
    middle = len(batch) // 2
    first, of_first = _stored(db, batch[:middle], tenant_id=tenant_id, now=now)
    second, of_second = _stored(db, batch[middle:], tenant_id=tenant_id, now=now)
    return first + second, of_first + of_second


def _fault(line: Line, statement: Any, error: KaonaError) -> Fault:
    id_ = statement.get("id") if isinstance(statement, Mapping) else None
    known = id_ if isinstance(id_, str) and len(id_) == 36 else None  # noqa: PLR2004  the length of a UUID
    return Fault(line, known, error.code, getattr(error, "rule", None), getattr(error, "place", None))
