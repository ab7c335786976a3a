"""The straight way in on PostgreSQL: a batch of which nothing is known takes its turn and is stored in one statement.

A writer of a tenant keeps all others of it waiting from its turn to its commit. Between two statements of a transaction it waits for the
network and for a thread of Python to be let on; here it waits for the database alone, and on a connection where each statement is
committed by itself a request costs one round trip, the proof that its credential still stands as it did included. What is out of the
ordinary (a known id, a statement that refers or is referred to, a definition that changes) goes the long way of `store`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from xapi import timestamps

if TYPE_CHECKING:
    from xapi.activities import Definition
    from xapi.store import Prepared

STORED = "\x01"
"""Stands in a document for the moment of storing; no JSON text holds this character."""

_SAME = "SELECT FROM xapi_key WHERE key = %s AND xmin::text = %s"
_CALL = "SELECT xapi_take_in(%s, %s, %s, %s, %b, %b::uuid[], %b::text[], %b::bytea[], %b::bytea[], %b::bytea[], %b::text[])"
_CHANGED = -1


@dataclass(slots=True)
class Proof:
    """What a credential's row was when a process read it; whoever acts on that proves in its own transaction that it is the same still.

    as_of    `xmin` of the row: the transaction that wrote it, so a rotation, a revocation or any other change makes it another one
    stands   whether it was proved in this request
    """

    key: str
    as_of: str
    stands: bool = False


class CredentialChanged(Exception):
    """The row of a credential is not the one that was read before."""


def prove(db: Connection, proof: Proof) -> None:
    """Passes when the row of a credential is the one that was read. Raises CredentialChanged."""
    if db.exec_driver_sql(_SAME, (proof.key, proof.as_of)).first() is None:
        raise CredentialChanged
    proof.stands = True


def take_in(
    db: Connection,
    batch: Sequence["Prepared"],
    *,
    tenant_id: int,
    now: datetime,
    proof: Proof | None = None,
    definitions: Mapping[bytes, "Definition"] | None = None,
) -> int | None:
    """Stores a batch as `store.store` does, and gives its first place; None, with nothing stored, when it has to go the long way.

    now           the moment of storing, if nothing was stored later
    proof         what is to be proved of the credential in the same statement
    definitions   of activities, by key: learned with the batch where nothing was known
    Raises        CredentialChanged
    """
    given = definitions or {}
    if db.dialect.name != "postgresql" or not _is_plain(batch) or any(one.is_disputed for one in given.values()):
        return None
    values = (
        tenant_id,
        *((proof.key, proof.as_of) if proof is not None else (None, None)),
        timestamps.place_of(now) + len(batch) - 1,
        batch[0].authority_key,
        [prepared.id for prepared in batch],
        [STORED.join(prepared.pieces) for prepared in batch],
        [prepared.found_by for prepared in batch],
        list(given),
        [one.digest for one in given.values()],
        [one.text for one in given.values()],
    )
    first = int(db.exec_driver_sql(_CALL, values).scalar_one())
    if first == _CHANGED:
        raise CredentialChanged
    if proof is not None:
        proof.stands = True
    return first or None


def _is_plain(batch: Sequence["Prepared"]) -> bool:
    """Whether no statement refers to another one, all are on the same word, and no id comes twice."""
    by = batch[0].authority_key
    is_plain = all(prepared.target_id is None and prepared.authority_key == by for prepared in batch)
    return is_plain and len({prepared.id for prepared in batch}) == len(batch)
