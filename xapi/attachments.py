"""Attachments: multipart/mixed in and out, contents matched with statements by their SHA-2 alone and kept once in a tenant.

Source   xAPI 1.0.3, Communication 1.5.2; Data 2.4.11; IEEE 9274.1.1, 4.1.3; RFC 2046, section 5.1
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from email.parser import BytesHeaderParser
from itertools import islice, pairwise
from typing import Any, NoReturn

import orjson
from sqlalchemy import Connection, delete, exists, func, select
from werkzeug.http import parse_options_header

from kernel.ids import new_token
from xapi.bulk import insert_rows
from xapi.errors import RequestInvalid, StatementInvalid, TooLarge
from xapi.models import attachment as content_table
from xapi.models import attachment_link, head
from xapi.request import require_json
from xapi.vocabulary import HASH_HEADER, JSON, MAX_ATTACHMENT_BYTES, MAX_PARTS, MULTIPART, OCTETS

_ALGORITHMS = {56: hashlib.sha224, 64: hashlib.sha256, 96: hashlib.sha384, 128: hashlib.sha512}
"""SHA-2 by the number of hexadecimal digits that it gives."""
_MAX_HEADER_BYTES = 2_048
"""Of the headers of one part: three of 100 bytes are needed, and each costs the parser."""
_MAX_BOUNDARY_CHARACTERS = 70
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_SAFE_HEADER = re.compile(r"[\x20-\x7e]+")


def of_statement(statement: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The attachments of a statement and of its sub-statement, each with its place."""
    for number, one in enumerate(statement.get("attachments", ())):
        yield f"/attachments/{number}", one
    for number, one in enumerate(statement["object"].get("attachments", ())):
        yield f"/object/attachments/{number}", one


def read_multipart(content_type: str, body: bytes) -> tuple[bytes, dict[str, bytes]]:
    """The text of the statements, and the contents of the further parts by their hash in small letters.

    Raises   RequestInvalid (its place names the part), TooLarge
    """
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    if not 0 < len(boundary) <= _MAX_BOUNDARY_CHARACTERS:
        _refuse("no_boundary", "Content-Type")
    first, *others = _parts(body, boundary.encode())
    headers, text = _headers(first, "part 1")
    require_json(headers.get("content-type"), "Content-Type of part 1")
    contents: dict[str, bytes] = {}
    for number, part in enumerate(others, 2):
        headers, content = _headers(part, f"part {number}")
        contents[_hash(headers, content, f"part {number}")] = content
    if sum(map(len, contents.values())) > MAX_ATTACHMENT_BYTES:
        raise TooLarge(bound=f"{MAX_ATTACHMENT_BYTES} bytes of attachments")
    return text, contents


def match(statements: Sequence[tuple[str, Mapping[str, Any]]], contents: Mapping[str, bytes]) -> None:
    """Passes a batch whose attachments and contents fit: each attachment has a `fileUrl` or its contents, and no contents are left over.

    statements   valid, each with its place
    contents     by hash
    Raises       StatementInvalid, RequestInvalid
    """
    named = set()
    for place, statement in statements:
        for where, one in of_statement(statement):
            sha2 = one["sha2"].lower()
            named.add(sha2)
            if sha2 not in contents and "fileUrl" not in one:
                raise StatementInvalid("attachment_missing", place + where)
    for number, sha2 in enumerate(contents, 2):
        if sha2 not in named:
            _refuse("part_left_over", f"part {number}")


def multipart(body: bytes, documents: Iterable[str], contents: Mapping[str, bytes]) -> tuple[str, bytes]:
    """A `multipart/mixed` message of statements and the contents of their attachments: its `Content-Type` and its bytes.

    body        JSON of a statement, a list or a result
    documents   the statements in it, which say of what type each content is
    contents    by hash; one that no document names is left out
    """
    boundary = new_token(24)
    pieces = [f"--{boundary}\r\nContent-Type: {JSON}\r\n\r\n".encode(), body]
    for sha2, content_type in _types(documents).items():
        if sha2 in contents:
            safe = content_type if _SAFE_HEADER.fullmatch(content_type) else OCTETS
            headers = f"Content-Type: {safe}\r\nContent-Transfer-Encoding: binary\r\n{HASH_HEADER}: {sha2}"
            pieces += [f"\r\n--{boundary}\r\n{headers}\r\n\r\n".encode(), contents[sha2]]
    pieces.append(f"\r\n--{boundary}--\r\n".encode())
    return f'{MULTIPART}; boundary="{boundary}"', b"".join(pieces)


def keep(db: Connection, statements: Iterable[tuple[int, Mapping[str, Any]]], contents: Mapping[str, bytes], *, tenant_id: int) -> None:
    """Keeps the contents that new statements came with, within the transaction that stores them.

    statements   each with its place in the sequence
    """
    links = {(seq, one["sha2"].lower()) for seq, statement in statements for _where, one in of_statement(statement)}
    links = {(seq, sha2) for seq, sha2 in links if sha2 in contents}
    kept = sorted({sha2 for _seq, sha2 in links})
    insert_rows(db, content_table, [(tenant_id, sha2, len(contents[sha2]), contents[sha2]) for sha2 in kept], skip_known=True)
    insert_rows(db, attachment_link, [(tenant_id, seq, sha2) for seq, sha2 in sorted(links)])


def of(db: Connection, *, tenant_id: int, seqs: Sequence[int]) -> dict[str, bytes]:
    """The contents that the statements at these places came with, by hash."""
    query = (
        select(content_table.c.sha2, content_table.c.contents)
        .join(attachment_link, _same_content())
        .where(attachment_link.c.tenant_id == tenant_id, attachment_link.c.seq.in_(seqs))
        .distinct()
    )
    return {row.sha2: bytes(row.contents) for row in db.execute(query)}


def within_bound(db: Connection, *, tenant_id: int, seqs: Sequence[int]) -> int:
    """How many of these statements, from the first on, an answer may hold for its attachments not to grow over 20 MB; at least one."""
    query = (
        select(attachment_link.c.seq, func.sum(content_table.c.length).label("bytes"))
        .join(content_table, _same_content())
        .where(attachment_link.c.tenant_id == tenant_id, attachment_link.c.seq.in_(seqs))
        .group_by(attachment_link.c.seq)
    )
    sizes = {row.seq: row.bytes for row in db.execute(query)}
    total = 0
    for count, seq in enumerate(seqs):
        total += sizes.get(seq, 0)
        if total > MAX_ATTACHMENT_BYTES and count:
            return count
    return len(seqs)


def forget(db: Connection, *, tenant_id: int, seqs: Sequence[int], only: Collection[str] | None = None) -> None:
    """Removes what the statements at these places came with, but for contents that other statements share.

    It takes the tenant's turn, so that nobody keeps the same contents meanwhile.
    only   hashes of the contents that go, small letters; None for all
    """
    db.execute(select(head.c.seq).where(head.c.tenant_id == tenant_id).with_for_update())
    mine = [attachment_link.c.tenant_id == tenant_id, attachment_link.c.seq.in_(seqs)]
    if only is not None:
        mine.append(attachment_link.c.sha2.in_(only))
    touched = list(db.scalars(select(attachment_link.c.sha2).where(*mine).distinct()))
    db.execute(delete(attachment_link).where(*mine))
    shared = exists().where(_same_content())
    db.execute(delete(content_table).where(content_table.c.tenant_id == tenant_id, content_table.c.sha2.in_(touched), ~shared))


def _same_content() -> Any:
    return (content_table.c.tenant_id == attachment_link.c.tenant_id) & (content_table.c.sha2 == attachment_link.c.sha2)


def _parts(body: bytes, boundary: bytes) -> list[bytes]:
    """What stands between the delimiters, each with the line end before its headers; what is before and after them is nobody's.

    Line ends may be LF alone: a wrong cut cannot pass, for each content is proved by its hash.
    """
    delimiter = re.compile(rb"(?:\A|\r?\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r?\n|\Z)")
    found = list(islice(delimiter.finditer(body), MAX_PARTS + 2))
    last = next((number for number, one in enumerate(found) if one[1]), None)
    if last is None and len(found) > MAX_PARTS:
        raise TooLarge(bound=f"{MAX_PARTS} parts")
    if not last:
        _refuse("not_multipart", "body")
    return [body[one.end() : following.start()] for one, following in pairwise(found[: last + 1])]


def _headers(part: bytes, place: str) -> tuple[dict[str, str], bytes]:
    """The headers of a part, names in small letters, and its content."""
    blank = _BLANK_LINE.search(part, 0, _MAX_HEADER_BYTES)
    if blank is None:
        _refuse("part_without_headers", place)
    headers = BytesHeaderParser().parsebytes(part[: blank.start()].lstrip(b"\r\n"))
    return {name.lower(): str(value) for name, value in headers.items()}, part[blank.end() :]


def _hash(headers: Mapping[str, str], content: bytes, place: str) -> str:
    """The hash that a part's header names, in small letters, proved by its content."""
    if headers.get("content-transfer-encoding", "binary").strip().lower() != "binary":
        _refuse("not_binary", f"Content-Transfer-Encoding of {place}")
    sha2 = headers.get(HASH_HEADER.lower(), "").strip().lower()
    algorithm = _ALGORITHMS.get(len(sha2))
    if algorithm is None or algorithm(content).hexdigest() != sha2:
        _refuse("hash_differs", f"{HASH_HEADER} of {place}")
    return sha2


def _types(documents: Iterable[str]) -> dict[str, str]:
    """The media type of each attachment that documents name, by hash, in the order in which they come."""
    types: dict[str, str] = {}
    for document in documents:
        if '"attachments"' in document:
            for _where, one in of_statement(orjson.loads(document)):
                types.setdefault(one["sha2"].lower(), one["contentType"])
    return types


def _refuse(rule: str, place: str) -> NoReturn:
    raise RequestInvalid(rule, place)
