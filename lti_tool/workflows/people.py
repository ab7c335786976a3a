"""One person, by whatever names them: found in the tool and in the record store, and handed out whole.

The tool knows a person by the platform's id; statements know them by an account of the agency with a random UUID; statements of other
systems by an account of theirs, an address, its SHA-1, or an OpenID. Who acts on a person says all that is known, and gets it together.
"""

import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, ClassVar
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

import xapi.api as xapi
from kernel.csv_file import csv_bytes
from kernel.errors import Invalid, NotFound
from kernel.langmap import text_in
from kernel.strictjson import InvalidJson, dumps, loads
from lti_tool.models import Registration, Tenant, User
from lti_tool.models.audit import append_audit
from lti_tool.workflows import privacy

_SHA1 = re.compile(r"[0-9a-fA-F]{40}")
_WEB = re.compile(r"https?://\S+")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class PersonUnknown(NotFound):
    """Neither the tool nor the record store of this agency knows anybody by these identifiers."""

    code = "person_unknown"
    message: ClassVar = {
        "th": "ไม่พบข้อมูลของบุคคลนี้ในหน่วยงาน",
        "en": "Nothing is stored of this person in this agency.",
    }
    way_on: ClassVar = {
        "th": "โปรดตรวจตัวระบุอีกครั้ง บัญชีต้องสะกดตรงตามที่อยู่ในบันทึกทุกตัวอักษร",
        "en": "Please check the identifiers: an account is spelled exactly as it stands in the statements.",
    }


class IdentifierInvalid(Invalid):
    """What was given identifies nobody."""

    code = "identifier_invalid"
    message: ClassVar = {
        "th": "ตัวระบุลำดับที่ {place} ไม่ใช่รูปแบบที่รู้จัก",
        "en": "Identifier number {place} has no form that is known here.",
    }
    way_on: ClassVar = {
        "th": "ใช้ UUID ของบุคคล อีเมล ค่า SHA-1 ของอีเมล ที่อยู่ OpenID หรือที่อยู่เว็บของระบบตามด้วยชื่อบัญชี",
        "en": "Give the person's UUID, an e-mail address, its SHA-1, an OpenID, or the home page of a system and the account's name there.",
    }


@dataclass(frozen=True, slots=True)
class ToolUser:
    """One person as one platform names them."""

    user_id: int
    tenant_id: int
    tenant_home_page: str
    registration_id: int
    person_uuid: UUID
    issuer: str
    sub: str
    display_name: str | None


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """One person in one agency: all agents that mean them in statements, and who they are on the platforms.

    uuids   by which our rooms know the person: those of the users, and those of accounts of the agency whom no platform ever sent
    """

    tenant_id: int
    home_page: str
    person: xapi.Person
    uuids: tuple[UUID, ...]
    users: tuple[ToolUser, ...]


def read_identifier(text: str, *, home_page: str) -> dict[str, Any]:
    """The agent that a person's words mean.

    text       a UUID (the tool's own person), an address, its SHA-1, an OpenID, `HOME_PAGE NAME`, or an agent as JSON
    home_page  where the accounts of the agency's own people live
    Raises     ValueError
    """
    text = text.strip()
    if text.startswith("{"):
        agent = loads(text)
        if isinstance(agent, dict):
            return agent
    elif _UUID.fullmatch(text):
        return account_of(UUID(text), home_page)
    elif _SHA1.fullmatch(text):
        return {"mbox_sha1sum": text.lower()}
    elif _WEB.match(text):
        page, _, name = text.partition(" ")
        return {"account": {"homePage": page, "name": name.strip()}} if name.strip() else {"openid": page}
    elif "@" in text and " " not in text:
        return {"mbox": "mailto:" + text.removeprefix("mailto:")}
    raise ValueError(text)


def account_of(person_uuid: UUID, home_page: str) -> dict[str, Any]:
    """The agent that the tool's statements name a person by."""
    return {"account": {"homePage": home_page, "name": str(person_uuid)}}


def accounts_of(person_uuid: UUID, home_page: str) -> list[dict[str, Any]]:
    """All agents that are evidence of a person: other systems may write the UUID in capital letters."""
    return [{"account": {"homePage": home_page, "name": name}} for name in (str(person_uuid), str(person_uuid).upper())]


def find_person(
    db: Session, *, tenant_id: int, identifiers: Sequence[str] = (), platform_users: Iterable[tuple[str, str]] = ()
) -> KnownPerson:
    """All that means one person in an agency.

    identifiers      as `read_identifier` takes them
    platform_users   (issuer, the person's id on that platform)
    Raises           IdentifierInvalid; PersonUnknown when nothing is stored under any of these
    """
    home_page = db.get_one(Tenant, tenant_id).home_page
    agents: list[Mapping[str, Any]] = []
    for place, text in enumerate(identifiers, start=1):
        try:
            agents.append(read_identifier(text, home_page=home_page))
            xapi.person_of(agents[-1:])
        except (ValueError, InvalidJson, xapi.StatementInvalid):
            raise IdentifierInvalid(place=place) from None
    known = known_person(db, tenant_id=tenant_id, agents=agents, platform_users=platform_users)
    if not known.users and not xapi.find_presence(db, known.person, tenant_id=tenant_id).is_there:
        raise PersonUnknown
    return known


def known_person(
    db: Session, *, tenant_id: int, agents: Sequence[Mapping[str, Any]], platform_users: Iterable[tuple[str, str]] = ()
) -> KnownPerson:
    """The person whom agents and ids on platforms mean together, whether anything is stored or not."""
    home_page = db.get_one(Tenant, tenant_id).home_page
    uuids = [
        UUID(agent["account"]["name"])
        for agent in agents
        if agent.get("account", {}).get("homePage") == home_page and _UUID.fullmatch(agent["account"]["name"])
    ]
    users = _users(db, tenant_id, home_page, uuids, list(platform_users))
    uuids = list(dict.fromkeys([*uuids, *(user.person_uuid for user in users)]))
    own = [agent for uuid in uuids for agent in accounts_of(uuid, home_page)]
    return KnownPerson(tenant_id, home_page, xapi.person_of([*agents, *own]), tuple(uuids), tuple(users))


def write_export(db: Session, known: KnownPerson, file: IO[bytes], *, now: datetime, actor: str) -> None:
    """Writes all that is kept of a person into a zip file: statements and documents as received, the rest to read and to count with.

    file    open for writing, seekable
    actor   as the audit log names whoever asked
    """
    told = [privacy.data_beside_statements(db, user, now=now) for user in known.users]
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("person.json", dumps({"made_at": now, "agents": known.person.agents, "kept": told}))
        for name, rows in _tables(told).items():
            packed.writestr(f"{name}.csv", csv_bytes(rows))
        with packed.open("statements.ndjson", "w") as out:
            for document in xapi.iter_documents_of(db, known.person, tenant_id=known.tenant_id):
                out.write(document.encode() + b"\n")
        for place, kept in enumerate(xapi.iter_kept_documents(db, known.person, tenant_id=known.tenant_id), start=1):
            about = {name: getattr(kept, name) for name in ("kind", "activity", "registration", "id", "content_type", "updated")}
            packed.writestr(f"documents/{place}.json", dumps(about))
            packed.writestr(f"documents/{place}.contents", kept.contents)
    append_audit(db, event="person_data.exported", actor=actor, now=now, tenant_id=known.tenant_id, details={"by": "administrator"})


def _users(db: Session, tenant_id: int, home_page: str, uuids: list[UUID], named: list[tuple[str, str]]) -> list[ToolUser]:
    by_platform = [(Registration.issuer == issuer) & (User.sub == sub) for issuer, sub in named]
    if not uuids and not by_platform:
        return []
    rows = db.execute(
        select(User, Registration.issuer)
        .join(Registration, Registration.id == User.registration_id)
        .where(User.tenant_id == tenant_id, or_(User.person_uuid.in_(uuids), *by_platform))
        .order_by(User.id)
    )
    return [
        ToolUser(user.id, tenant_id, home_page, user.registration_id, user.person_uuid, issuer, user.sub, user.display_name)
        for user, issuer in rows
    ]


def _tables(told: Sequence[Mapping[str, Any]]) -> dict[str, list[Sequence[object]]]:
    """Attempts, results and plan as tables, a heading first."""
    attempts: list[Sequence[object]] = [("attempt", "form", "state", "started_at", "finished_at", "answers")]
    results: list[Sequence[object]] = [("competency", "name", "level", "target")]
    plan: list[Sequence[object]] = [("position", "competency", "kind", "state", "due")]
    for kept in told:
        attempts += [
            (one["attempt_uuid"], one["form_key"], one["state"], one["started_at"], one["finished_at"], len(one["answers"]))
            for one in kept["attempts"]
        ]
        results += [(one["competency"], text_in("th", one["name"]), one["level"], one["target"]) for one in kept["levels"]]
        plan += [(one["position"], one["node_key"], one["kind"], one["state"], one["due"]) for one in kept["path"]]
    return {"attempts": attempts, "results": results, "plan": plan}
