"""What a statement shows about a person's competencies. Pure, deterministic, and never surprised by a statement.

Two kinds of statement are understood. Our own `passed`, `failed` and `scored` carry a measured level for one area: evidence of kind
test. `completed` and `passed` from anywhere else, when they name a competency, are evidence of kind course.
Ours are told from others by the authority, which the LRS stamps and no client can choose.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from kernel.ids import derived_uuid
from roadmap.framework import TOP_RANK, uuid_of_key

OWN_AUTHORITY: Final = "kaona"
"""Account name of the authority on statements that the tool itself stored; a client's authority is named by its key."""

PASSED: Final = "http://adlnet.gov/expapi/verbs/passed"
FAILED: Final = "http://adlnet.gov/expapi/verbs/failed"
SCORED: Final = "http://adlnet.gov/expapi/verbs/scored"
COMPLETED: Final = "http://adlnet.gov/expapi/verbs/completed"
VOIDED: Final = "http://adlnet.gov/expapi/verbs/voided"

EXTENSION: Final = "https://w3id.org/kaona/xapi/ext/"
"""Base of the result extensions of our profile."""

KINDS: Final = {"test": "test", "self-report": "self_report"}
"""Value of the extension `evidence-kind` to the kind of evidence."""

COURSE_LEVEL: Final = 1
"""What finishing a course claims: the person has met the subject; only an assessment shows more."""

MAX_COMPETENCIES: Final = 50
"""Competencies of one statement that are heard; a list beyond this describes a catalogue, not what a person did."""

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Before the frameworks and before e-learning here: a timestamp below this is a fault of a clock."""
MAX_AHEAD: Final = timedelta(days=1)
"""How far a client's clock may run ahead of the LRS; what is said to happen later has not happened."""

MAX_ITEMS: Final = 10_000
MAX_NAME: Final = 255
COMPETENCY_IRI = re.compile(r"https?://[^\s/?#]+(?:/[^\s?#]*)?/CFItems/([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})")


@dataclass(frozen=True, slots=True)
class EvidenceDraft:
    """One piece of evidence, complete: every value comes from the statement."""

    uuid: UUID
    statement_id: UUID
    person_uuid: UUID
    node_uuid: UUID
    kind: str
    level: int
    theta: float | None
    se: float | None
    n_items: int | None
    borderline: bool
    indicative: bool
    cut_set: str | None
    attempt_uuid: UUID | None
    """Our own sitting it comes from."""
    observed_at: datetime


def evidence_from(statement: Mapping[str, Any], *, home_page: str | None = None) -> list[EvidenceDraft]:
    """Every piece of evidence in one statement; nothing when it shows nothing or cannot be read.

    statement  a statement as stored, or as we built it before it was stored (no authority yet)
    home_page  where the accounts of the agency's people live: an account of any other is nobody we know; None takes any
    Returns    drafts in the order in which the statement names the competencies; the same for the same statement, always
    """
    statement_id, person_uuid, observed_at = _uuid(_in(statement, "id")), _person(statement, home_page), _moment(statement)
    if statement_id is None or person_uuid is None or observed_at is None:
        return []
    verb = _in(statement, "verb", "id")
    if is_own(statement):
        return _measured(statement, statement_id, person_uuid, observed_at) if verb in (PASSED, FAILED, SCORED) else []
    if verb not in (PASSED, COMPLETED) or _in(statement, "result", "success") is False or _in(statement, "result", "completion") is False:
        return []
    return [
        EvidenceDraft(
            uuid=_evidence_uuid(statement_id, node_uuid),
            statement_id=statement_id,
            person_uuid=person_uuid,
            node_uuid=node_uuid,
            kind="course",
            level=COURSE_LEVEL,
            theta=None,
            se=None,
            n_items=None,
            borderline=False,
            indicative=False,
            cut_set=None,
            attempt_uuid=None,
            observed_at=observed_at,
        )
        for node_uuid in _competencies(statement, "grouping", "parent", "object")
    ]


def voided_by(statement: Mapping[str, Any]) -> UUID | None:
    """The statement that this one voids; None when it voids nothing.

    Source   xAPI 2.0 (IEEE 9274.1.1), 4.2.2: verb `voided`, object a StatementRef
    """
    if _in(statement, "verb", "id") != VOIDED or _in(statement, "object", "objectType") != "StatementRef":
        return None
    return _uuid(_in(statement, "object", "id"))


def authority_of(statement: Mapping[str, Any]) -> str:
    """Who vouches for a statement, as a name to compare: the same for our own before and after it is stored.

    Members of a group (an application and its user) count in any order, as the LRS has it.
    """
    authority = _in(statement, "authority")
    if is_own(statement):
        return OWN_AUTHORITY
    members = _in(authority, "member")
    names = [_identifier(authority), *sorted(_identifier(member) for member in (members if isinstance(members, list) else []))]
    return str(derived_uuid("authority", *names))


def _identifier(actor: Any) -> str:
    """What identifies an agent or group, as one text; empty for an anonymous group."""
    account = _in(actor, "account")
    if account is not None:
        return f"account {_in(account, 'homePage')} {_in(account, 'name')}"
    if isinstance(mailbox := _in(actor, "mbox"), str):
        name, _, domain = mailbox.rpartition("@")
        return f"mbox {name}@{domain.lower()}"
    return f"{_in(actor, 'mbox_sha1sum')} {_in(actor, 'openid')}"


def is_own(statement: Mapping[str, Any]) -> bool:
    """The tool itself said it: no authority yet (not stored), or the tool's own."""
    authority = _in(statement, "authority")
    return authority is None or _in(authority, "account", "name") == OWN_AUTHORITY


def _measured(statement: Mapping[str, Any], statement_id: UUID, person_uuid: UUID, observed_at: datetime) -> list[EvidenceDraft]:
    kind = KINDS.get(str(_extension(statement, "evidence-kind")))
    level = _whole(_extension(statement, "level"), TOP_RANK)
    node_uuid = _measured_node(statement)
    if kind is None or level is None or node_uuid is None:
        return []
    return [
        EvidenceDraft(
            uuid=_evidence_uuid(statement_id, node_uuid),
            statement_id=statement_id,
            person_uuid=person_uuid,
            node_uuid=node_uuid,
            kind=kind,
            level=level,
            theta=_number(_extension(statement, "theta")),
            se=_number(_extension(statement, "standard-error")),
            n_items=_whole(_extension(statement, "items"), MAX_ITEMS),
            borderline=_extension(statement, "borderline") is True,
            indicative=_extension(statement, "indicative") is True,
            cut_set=_name(_extension(statement, "cut-set")),
            attempt_uuid=_uuid(_in(statement, "context", "registration")),
            observed_at=observed_at,
        )
    ]


def _measured_node(statement: Mapping[str, Any]) -> UUID | None:
    """The one competency that was measured: named in grouping, and by the extension `competency` when that is given."""
    grouped = _competencies(statement, "grouping")
    named = _extension(statement, "competency")
    if named is None:
        return grouped[0] if len(grouped) == 1 else None
    node_uuid = uuid_of_key(named) if isinstance(named, str) else None
    return node_uuid if node_uuid in grouped else None


def _competencies(statement: Mapping[str, Any], *places: str) -> list[UUID]:
    found: dict[UUID, None] = {}
    for place in places:
        for activity in _activities(statement, place):
            iri = _in(activity, "id")
            node_uuid = _competency(iri) if isinstance(iri, str) else None
            if node_uuid is not None:
                found.setdefault(node_uuid)
    return list(found)[:MAX_COMPETENCIES]


def _activities(statement: Mapping[str, Any], place: str) -> Iterator[Any]:
    listed = _in(statement, "object") if place == "object" else _in(statement, "context", "contextActivities", place)
    for activity in listed if isinstance(listed, list) else [listed]:
        if _in(activity, "objectType") in (None, "Activity"):
            yield activity


def _competency(iri: str) -> UUID | None:
    match = COMPETENCY_IRI.fullmatch(iri)
    return UUID(match[1]) if match else uuid_of_key(iri)


def _person(statement: Mapping[str, Any], home_page: str | None) -> UUID | None:
    if _in(statement, "actor", "objectType") not in (None, "Agent"):
        return None
    if home_page is not None and _in(statement, "actor", "account", "homePage") != home_page:
        return None
    return _uuid(_in(statement, "actor", "account", "name"))


def _moment(statement: Mapping[str, Any]) -> datetime | None:
    """When it happened; when it was stored, if it does not say. None for a moment that cannot be."""
    stored = _instant(_in(statement, "stored"))
    moment = _instant(_in(statement, "timestamp")) if _in(statement, "timestamp") else stored
    if moment is None or moment < EARLIEST or (stored is not None and moment - stored > MAX_AHEAD):
        return None
    return moment


def _instant(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (TypeError, ValueError, OverflowError):
        return None


def _evidence_uuid(statement_id: UUID, node_uuid: UUID) -> UUID:
    return derived_uuid("evidence", str(statement_id), str(node_uuid))


def _extension(statement: Mapping[str, Any], name: str) -> Any:
    return _in(statement, "result", "extensions", EXTENSION + name)


def _in(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) and len(value) == 36 else None  # noqa: PLR2004  the canonical form only
    except ValueError:
        return None


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) and len(value) <= MAX_NAME and value.isprintable() else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _whole(value: Any, most: int) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number.is_integer() and 0 <= number <= most else None
