"""Erasing a person, or giving them another name in the record store: all rooms in one transaction, with a receipt (S34).

Three acts, from the mildest. `rename`: the statements and everything else go on under a new UUID; whoever had the old one knows nothing
of what comes. `unlink`: the identity, plan, sessions, scores, documents and free text are deleted; statements, finished attempts and
evidence stay as those of nobody. `delete`: the person's own statements, attempts and evidence go, too, and others' statements no longer
name them.

A receipt says what was done and nothing of whom. Beside it stand keyed digests of the identifiers; when a backup is restored that is
older than the receipt, they find the person again, and the act is done again (`again`). So the list must outlive the database: each
receipt is also a line of a file.
"""

import hmac
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

import assessment.api as assessment
import learning.api as learning
import roadmap.api as roadmap
import xapi.api as xapi
from kernel.clock import rfc3339
from kernel.errors import NotFound
from kernel.ids import new_uuid
from kernel.outbox import OutboxItem
from kernel.strictjson import InvalidJson, dumps, loads
from lti_tool.jobs.score_publish import outbox_keys_of
from lti_tool.keys import erasure_key
from lti_tool.models import AccessCode, CodeTry, CountedSitting, Enrolment, Erasure, Grant, Launch, Score, Tenant, User
from lti_tool.models.audit import append_audit
from lti_tool.workflows.people import KnownPerson, ToolUser, account_of, accounts_of, known_person
from lti_tool.workflows.preview import forget_previews_of

Act = Literal["rename", "unlink", "delete"]
ACTS: tuple[Act, ...] = ("rename", "unlink", "delete")

LIST_NAME = "erasures.ndjson"
"""Name of the list in the installation's folder."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was done, when and by whom; nothing of the person.

    counts       rows by kind; `statements_left`: statements that still hold an identifier in an address, for a person to look at
    recipients   names of the other stores that got statements of the person
    digests      keyed digests of the identifiers
    """

    uuid: UUID
    tenant: str
    act: Act
    at: datetime
    actor: str
    counts: Mapping[str, int]
    recipients: tuple[str, ...]
    digests: tuple[str, ...]
    again_at: datetime | None = None

    @property
    def line(self) -> dict[str, Any]:
        """The receipt as a line of the list."""
        values = {"receipt": self.uuid, "tenant": self.tenant, "act": self.act, "at": rfc3339(self.at), "actor": self.actor}
        return values | {"counts": self.counts, "recipients": list(self.recipients), "digests": list(self.digests)}


@dataclass(frozen=True, slots=True)
class Request:
    """What to hand to the operator of another store that got statements of the person; their ids are told here and never again."""

    name: str
    url: str
    document: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The document as JSON."""
        return dumps(self.document).decode()


@dataclass(frozen=True, slots=True)
class Erased:
    """A receipt, and what has to be asked of others."""

    receipt: Receipt
    requests: tuple[Request, ...]


def erase(db: Session, known: KnownPerson, *, act: Act, now: datetime, actor: str, secret: bytes) -> Erased:
    """Does one act on one person, in the caller's transaction, and writes the receipt and a line of the audit log.

    known    as `find_person` gives it
    actor    as the audit log names whoever asked
    secret   the installation's
    """
    counts, changed = _carry_out(db, known, act)
    key = erasure_key(secret)
    row = Erasure(
        tenant_id=known.tenant_id,
        act=act,
        at=now,
        actor=actor,
        digests=[_digest(key, one) for one in known.person.digests],
        counts=counts,
        recipients=[one.name for one in changed.recipients],
    )
    db.add(row)
    db.flush()  # the receipt's name is made
    event = {"rename": "person.renamed", "unlink": "person.unlinked", "delete": "person.deleted"}[act]
    append_audit(db, event=event, actor=actor, now=now, tenant_id=known.tenant_id, details=_told(row))
    receipt = _receipt(row, db.get_one(Tenant, known.tenant_id).key)
    return Erased(receipt, tuple(_request(receipt, one, changed.named) for one in changed.recipients))


def again(db: Session, receipts: Iterable[Receipt], *, now: datetime, actor: str, secret: bytes) -> list[Receipt]:
    """Does every act of a list again to whoever of it is found: data that came back with a backup, or arrived since.

    Returns   the receipts whose people were found, with the counts of this time
    """
    tenants = {tenant.key: tenant for tenant in db.scalars(select(Tenant))}
    by_tenant: dict[str, list[Receipt]] = defaultdict(list)
    for receipt in {receipt.uuid: receipt for receipt in receipts}.values():
        by_tenant[receipt.tenant].append(receipt)
    done = []
    for key, of_tenant in by_tenant.items():
        if key in tenants:
            done += _again_in(db, tenants[key], of_tenant, now=now, actor=actor, secret=secret)
    return done


def list_receipts(db: Session, *, tenant_id: int | None = None) -> list[Receipt]:
    """The receipts of an agency, or of all, newest first."""
    rows = select(Erasure, Tenant.key).join(Tenant, Tenant.id == Erasure.tenant_id).order_by(Erasure.id.desc())
    return [_receipt(row, key) for row, key in db.execute(rows if tenant_id is None else rows.where(Erasure.tenant_id == tenant_id))]


def missing_from(db: Session, receipts: Sequence[Receipt]) -> int:
    """How many of these receipts the database does not know: it may be an older one that was restored."""
    known = set(db.scalars(select(Erasure.uuid)))
    return len({receipt.uuid for receipt in receipts} - known)


def get_receipt(db: Session, uuid: UUID, *, tenant_id: int) -> Receipt:
    """One receipt of an agency. Raises NotFound."""
    row = db.scalars(select(Erasure).where(Erasure.uuid == uuid, Erasure.tenant_id == tenant_id)).first()
    if row is None:
        raise NotFound
    return _receipt(row, db.get_one(Tenant, tenant_id).key)


def write_down(folder: Path, receipts: Iterable[Receipt]) -> None:
    """Adds receipts to the list of the installation, on disk when this returns. Call it after the commit.

    folder   the installation's data folder
    """
    with (folder / LIST_NAME).open("ab") as file:
        for receipt in receipts:
            file.write(dumps(receipt.line) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_list(file: Path) -> list[Receipt]:
    """The receipts of a list; none when there is no such file.

    file     a receipt a line, or several as one JSON list (`kaona people receipts --json`)
    Raises   InvalidJson for one that was damaged
    """
    lines = [loads(line) for line in file.read_bytes().splitlines() if line.strip()] if file.exists() else []
    try:
        return [_read_line(one) for line in lines for one in (line if isinstance(line, list) else [line])]
    except (KeyError, TypeError, ValueError):
        raise InvalidJson(reason="a line of the list is no receipt") from None


def _carry_out(db: Session, known: KnownPerson, act: Act) -> tuple[dict[str, int], xapi.PersonChanged]:
    """The act in every room, in the order in which a finished sitting goes through them: no two can wait for each other."""
    tenant_id, names = known.tenant_id, {uuid: new_uuid() for uuid in known.uuids}
    counts = dict.fromkeys(("attempts", "evidence", "paths"), 0)
    for uuid, new in names.items():
        person: dict[str, Any] = {"tenant_id": tenant_id, "person_uuid": uuid}
        if act == "rename":
            counts["attempts"] += assessment.rename_person(db, **person, new_uuid=new)
        else:
            counts["attempts"] += assessment.forget_person(db, **person, keep_as=new if act == "unlink" else None)
    changed = xapi.change_person(db, known.person, tenant_id=tenant_id, accounts=_accounts(known, names), policy=act)
    for uuid, new in names.items():
        person = {"tenant_id": tenant_id, "person_uuid": uuid}
        if act == "rename":
            counts["evidence"] += roadmap.rename_person(db, **person, new_uuid=new)
            counts["paths"] += learning.rename_person(db, **person, new_uuid=new)
            db.execute(update(User).where(User.tenant_id == tenant_id, User.person_uuid == uuid).values(person_uuid=new))
        else:
            counts["evidence"] += roadmap.forget_person(db, **person, keep_as=new if act == "unlink" else None)
            counts["paths"] += learning.forget_person(db, **person)
    for user in known.users if act != "rename" else ():
        for kind, n in _forget_user(db, user).items():
            counts[kind] = counts.get(kind, 0) + n
    counts |= {
        "identities": len(known.users),
        "statements_renamed": changed.n_renamed,
        "statements_deleted": len(changed.deleted),
        "statements_left": changed.n_left,
        "documents": changed.n_documents,
    }
    return counts, changed


def _accounts(known: KnownPerson, names: Mapping[UUID, UUID]) -> dict[str, Mapping[str, str]]:
    """The accounts that take the place of a person's identifiers: the agency's own stay accounts of the agency, so that evidence stays."""
    chosen = {
        identifier: account_of(new, known.home_page)["account"]
        for uuid, new in names.items()
        for identifier in xapi.person_of(accounts_of(uuid, known.home_page)).identifiers
    }
    return xapi.make_pseudonyms(known.person, known=chosen)


def _forget_user(db: Session, user: ToolUser) -> dict[str, int]:
    """Deletes all that the tool itself keeps of a person of a platform. Returns how many rows of each kind.

    A teacher who set points by hand leaves a row behind that says nothing of them: the points stay marked as set by hand.
    """
    mine = User.id == user.user_id
    launches = list(db.scalars(select(Launch.id).where(Launch.user_id == user.user_id)))
    scores = list(db.scalars(select(Score.id).where(Score.user_id == user.user_id)))
    counts = {"queued": _deleted(db, OutboxItem, or_(*map(outbox_keys_of, scores)))} if scores else {"queued": 0}
    counts["scores"] = _deleted(db, Score, Score.id.in_(scores))
    counts["counted_sittings"] = _deleted(db, CountedSitting, CountedSitting.user_id == user.user_id)
    counts["codes"] = _deleted(db, AccessCode, or_(AccessCode.user_id == user.user_id, AccessCode.used_by_id == user.user_id))
    db.execute(delete(CodeTry).where(CodeTry.user_id == user.user_id))
    forget_previews_of(db, launches)
    db.execute(update(Launch).where(Launch.for_user_id == user.user_id).values(for_user_id=None))
    counts["visits"] = _deleted(db, Launch, Launch.id.in_(launches))
    counts["courses"] = _deleted(db, Enrolment, Enrolment.user_id == user.user_id)
    counts["rights"] = _deleted(db, Grant, Grant.registration_id == user.registration_id, Grant.sub == user.sub)
    if db.scalar(select(Score.id).where(Score.override_by_id == user.user_id).limit(1)) is None:
        db.execute(delete(User).where(mine))
    else:
        nobody = new_uuid()
        db.execute(update(User).where(mine).values(sub=f"erased {nobody}", person_uuid=nobody, display_name=None))
    return counts


def _deleted(db: Session, model: Any, *which: Any) -> int:
    return len(db.scalars(delete(model).where(*which).returning(model.id).execution_options(synchronize_session=False)).all())


def _again_in(db: Session, tenant: Tenant, receipts: Sequence[Receipt], *, now: datetime, actor: str, secret: bytes) -> list[Receipt]:
    key = erasure_key(secret)
    wanted = {digest for receipt in receipts for digest in receipt.digests}
    agents: dict[str, Mapping[str, Any]] = {}
    for uuid in db.scalars(select(User.person_uuid).where(User.tenant_id == tenant.id)):
        account = account_of(uuid, tenant.home_page)
        digest = _digest(key, xapi.person_of([account]).digests[0])
        if digest in wanted:
            agents[digest] = account
    in_store = {_digest(key, one): one for one in xapi.iter_digests(db, tenant_id=tenant.id)} if wanted else {}
    for digest in wanted & in_store.keys():
        for agent in xapi.list_agents_behind(db, [in_store[digest]], tenant_id=tenant.id):
            agents[digest] = agent
    done = []
    for receipt in receipts:
        row = _brought_back(db, tenant, receipt)
        found = [agents.pop(digest) for digest in receipt.digests if digest in agents]
        if found:
            counts, _ = _carry_out(db, known_person(db, tenant_id=tenant.id, agents=found), receipt.act)
            row.again_at = now
            details = {"receipt": str(receipt.uuid), **counts}
            append_audit(db, event="person.erased_again", actor=actor, now=now, tenant_id=tenant.id, details=details)
            done.append(replace(receipt, counts=counts, again_at=now))
    return done


def _brought_back(db: Session, tenant: Tenant, receipt: Receipt) -> Erasure:
    """The row of a receipt; one that the backup did not know is written again."""
    row = db.scalars(select(Erasure).where(Erasure.uuid == receipt.uuid)).first()
    if row is None:
        row = Erasure(
            uuid=receipt.uuid,
            tenant_id=tenant.id,
            act=receipt.act,
            at=receipt.at,
            actor=receipt.actor,
            digests=list(receipt.digests),
            counts=dict(receipt.counts),
            recipients=list(receipt.recipients),
        )
        db.add(row)
        db.flush()  # the list may name it twice
    return row


def _request(receipt: Receipt, recipient: xapi.Recipient, statements: Sequence[str]) -> Request:
    document = {
        "request": {"rename": "pseudonymise", "unlink": "erase", "delete": "erase"}[receipt.act],
        "receipt": receipt.uuid,
        "agency": receipt.tenant,
        "at": rfc3339(receipt.at),
        "to": {"name": recipient.name, "address": recipient.url},
        "statements": list(statements),
    }
    return Request(recipient.name, recipient.url, document)


def _told(row: Erasure) -> dict[str, Any]:
    return {"receipt": str(row.uuid), **row.counts}


def _receipt(row: Erasure, tenant: str) -> Receipt:
    act: Any = row.act
    return Receipt(row.uuid, tenant, act, row.at, row.actor, row.counts, tuple(row.recipients), tuple(row.digests), row.again_at)


def _read_line(line: Mapping[str, Any]) -> Receipt:
    return Receipt(
        uuid=UUID(line["receipt"]),
        tenant=line["tenant"],
        act=line["act"],
        at=datetime.fromisoformat(line["at"]),
        actor=line["actor"],
        counts=line["counts"],
        recipients=tuple(line["recipients"]),
        digests=tuple(line["digests"]),
    )


def _digest(key: bytes, digest: bytes) -> str:
    """What the list keeps in place of a digest of the index: of no use to who has not our secret."""
    return hmac.digest(key, digest, "sha256").hex()
