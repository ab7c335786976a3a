"""Framework documents: read, checked whole, and turned into nodes, roles and typed links. Pure.

A document holds any number of framework versions and the crosswalk between them. One fault anywhere refuses all of it,
with every place named. Nothing is added to what the document says but the default scale, which is marked provisional.
"""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from kernel.ids import derived_uuid
from kernel.langmap import LangMap
from kernel.strictjson import dumps
from roadmap.errors import FrameworkRefused

FORMAT: Final = "roadmap-seed"

GROUP_MEMBERS: Final = ("skill_groups", "areas")
"""Members of a framework that list groups (areas)."""

COMPETENCY_MEMBERS: Final = ("competencies", "units")
"""Members of a framework that list competencies."""

ROLE_AXES: Final = {"role_groups": "role_group", "role_levels": "role_level", "personnel_groups": "personnel_group", "stages": "stage"}
"""Member of a framework to the axis that its codes stand on."""

RELATIONS: Final = frozenset({"exactMatch", "replacedBy", "closeMatch", "relatedMatch", "isPartOf"})
CARRYING_RELATIONS: Final = frozenset({"exactMatch", "replacedBy"})
"""The only relations along which an attainment may be carried to another framework, once a person has reviewed them."""

CONFIDENCES: Final = ("high", "medium", "low")

AWAITED: Final = {
    "confidence": "record",
    "group_confidence": "group",
    "code_confidence": "code",
    "label_wording_confidence": "label",
}
"""Member that states a confidence to the aspect of the node that it is about."""

FRAMEWORK_ID = re.compile(r"[a-z][a-z0-9.-]{0,62}")
NODE_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
NODE_KEY = re.compile(rf"({FRAMEWORK_ID.pattern})#({NODE_CODE.pattern})")


@dataclass(frozen=True, slots=True)
class Level:
    """One rank of a scale."""

    rank: int
    code: str
    label: LangMap


DEFAULT_SCALE: Final = (
    Level(0, "NOT_YET", {"th": "ยังไม่ถึงเกณฑ์", "en": "Not yet"}),
    Level(1, "AWARE", {"th": "รู้จัก", "en": "Aware"}),
    Level(2, "WORKING", {"th": "ใช้งานได้", "en": "Working"}),
    Level(3, "PRACTISED", {"th": "ชำนาญ", "en": "Practised"}),
    Level(4, "EXPERT", {"th": "เชี่ยวชาญ", "en": "Expert"}),
)
"""Four levels above zero. A proposal of this project, not a fact of any framework: provisional wherever it is shown."""

TOP_RANK: Final = DEFAULT_SCALE[-1].rank


@dataclass(frozen=True, slots=True)
class NodeDraft:
    """One group or competency as the document states it."""

    uuid: UUID
    key: str
    code: str
    kind: str
    """`group` or `competency`."""
    parent: str | None
    """Key of the group it belongs to."""
    position: int
    """Its place in the document's order, from 0."""
    label: LangMap
    core: bool
    confidence: str
    awaiting: tuple[str, ...]
    """Aspects of low confidence (`record`, `group`, `code`, `label`) that an expert has still to confirm."""
    role_groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RoleDraft:
    """One code of one axis: a role group, a role level, a personnel group or a stage of an agency."""

    axis: str
    code: str
    position: int
    label: LangMap


@dataclass(frozen=True, slots=True)
class FrameworkDraft:
    """One framework version, checked."""

    id: str
    version: str
    title: LangMap
    issuer: str
    status: str
    alignment_only: bool
    """A framework without a Thai title: kept to compare with, never adopted."""
    nodes: tuple[NodeDraft, ...]
    roles: tuple[RoleDraft, ...]
    digest: str
    """SHA-256 of the record: the same id with another digest is another document."""
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LinkDraft:
    """One typed link of the crosswalk; its end is a node of ours or a name in somebody else's house."""

    uuid: UUID
    from_key: str
    to_key: str | None
    to_external: str | None
    relation: str
    source: str
    confidence: str
    basis: str


@dataclass(frozen=True, slots=True)
class DocumentDraft:
    """Everything a document holds, checked."""

    frameworks: tuple[FrameworkDraft, ...]
    links: tuple[LinkDraft, ...]


def node_key(framework_id: str, code: str) -> str:
    """The human key of a node: `th-ds-2567#DLIT`."""
    return f"{framework_id}#{code}"


def node_uuid(framework_id: str, code: str) -> UUID:
    """The stable name of a node: the same on every machine and in every export."""
    return derived_uuid("framework-node", framework_id, code)


def uuid_of_key(key: str) -> UUID | None:
    """The uuid that belongs to an exact node key; None when the text is no key."""
    match = NODE_KEY.fullmatch(key)
    return node_uuid(match[1], match[2]) if match else None


def parse_document(document: Mapping[str, Any], *, known_keys: Collection[str] = ()) -> DocumentDraft:
    """Reads and checks a whole document.

    known_keys  keys of nodes that are loaded already: links may end there
    Raises      FrameworkRefused naming every fault: wrong format, bad or repeated id or code, missing Thai label, unknown
                parent, parents in a ring, unknown role, relation, confidence or link end
    """
    faults: list[str] = []
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        raise FrameworkRefused([f"format: must be {FORMAT!r}"])
    frameworks: list[FrameworkDraft] = []
    for place, record in _records(document, "frameworks", faults):
        draft = _framework(record, place, faults)
        if any(draft.id == other.id for other in frameworks):
            faults.append(f"{place}.id: {draft.id!r} is given twice")
        frameworks.append(draft)
    keys = {node.key for framework in frameworks for node in framework.nodes} | set(known_keys)
    links: dict[UUID, LinkDraft] = {}
    for place, record in _records(document, "crosswalks", faults):
        link = _link(record, place, keys, faults)
        if link.uuid in links:
            faults.append(f"{place}: the same link is given twice")
        links[link.uuid] = link
    if faults:
        raise FrameworkRefused(faults)
    return DocumentDraft(tuple(frameworks), tuple(links.values()))


def _records(owner: Mapping[str, Any], member: str, faults: list[str], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    listed = owner.get(member, [])
    if not isinstance(listed, list):
        faults.append(f"{prefix}{member}: must be a list")
        return
    for index, record in enumerate(listed):
        place = f"{prefix}{member}[{index}]"
        if isinstance(record, Mapping):
            yield place, record
        else:
            faults.append(f"{place}: must be an object")


def _framework(record: Mapping[str, Any], place: str, faults: list[str]) -> FrameworkDraft:
    framework_id = _text(record, "id", place, faults)
    if not FRAMEWORK_ID.fullmatch(framework_id):
        faults.append(f"{place}.id: {framework_id!r} is no framework id")
    given_title = record.get("title")
    language = "en" if isinstance(given_title, Mapping) and "th" not in given_title else "th"
    status = record.get("status", {})
    roles = tuple(_roles(record, place, language, faults))
    nodes = tuple(_nodes(record, framework_id, place, language, faults))
    _check_tree(nodes, place, faults)
    role_groups = {role.code for role in roles if role.axis == "role_group"}
    faults.extend(
        f"{place}.{node.code}.role_groups: {code!r} is no role group of this framework"
        for node in nodes
        for code in node.role_groups
        if code not in role_groups
    )
    return FrameworkDraft(
        id=framework_id,
        version=_text(record, "version", place, faults),
        title=_label(record, "title", place, language, faults),
        issuer=_text(record, "issuer", place, faults),
        status=str(status.get("value", "reference")) if isinstance(status, Mapping) else str(status),
        alignment_only=language == "en",
        nodes=nodes,
        roles=roles,
        digest=hashlib.sha256(dumps(record, sort_keys=True)).hexdigest(),
        record=record,
    )


def _roles(record: Mapping[str, Any], place: str, language: str, faults: list[str]) -> Iterator[RoleDraft]:
    for member, axis in ROLE_AXES.items():
        seen: set[str] = set()
        for position, (where, role) in enumerate(_records(record, member, faults, f"{place}.")):
            code = _code(role, where, seen, faults)
            yield RoleDraft(axis, code, position, _label(role, "label", where, language, faults))


def _nodes(record: Mapping[str, Any], framework_id: str, place: str, language: str, faults: list[str]) -> Iterator[NodeDraft]:
    seen: set[str] = set()
    position = 0
    for kind, members in (("group", GROUP_MEMBERS), ("competency", COMPETENCY_MEMBERS)):
        for member in members:
            for where, node in _records(record, member, faults, f"{place}."):
                code = _code(node, where, seen, faults)
                parent = node.get("group")
                yield NodeDraft(
                    uuid=node_uuid(framework_id, code),
                    key=node_key(framework_id, code),
                    code=code,
                    kind=kind,
                    parent=None if parent is None else node_key(framework_id, str(parent)),
                    position=position,
                    label=_label(node, "label", where, language, faults),
                    core=node.get("kind") == "core",
                    confidence=_confidence(node, where, faults),
                    awaiting=tuple(aspect for name, aspect in AWAITED.items() if str(node.get(name, "")).startswith("low")),
                    role_groups=tuple(str(role) for role in node.get("role_groups") or ()),
                )
                position += 1


def _check_tree(nodes: tuple[NodeDraft, ...], place: str, faults: list[str]) -> None:
    groups = {node.key: node for node in nodes if node.kind == "group"}
    for node in nodes:
        if node.parent is not None and node.parent not in groups:
            faults.append(f"{place}.{node.code}.group: {node.parent!r} is no group of this framework")
        above, trail = node.parent, {node.key}
        while above in groups and above not in trail:
            trail.add(above)
            above = groups[above].parent
        if above == node.key:
            faults.append(f"{place}.{node.code}.group: the parents run in a ring")


def _link(record: Mapping[str, Any], place: str, keys: Collection[str], faults: list[str]) -> LinkDraft:
    start, end = _end(_text(record, "from", place, faults)), _end(_text(record, "to", place, faults))
    relation = _text(record, "relation", place, faults)
    if start not in keys:
        faults.append(f"{place}.from: {start!r} is no node that is known")
    if relation not in RELATIONS:
        faults.append(f"{place}.relation: {relation!r} is none of {', '.join(sorted(RELATIONS))}")
    inside = "#" in end
    if inside and end not in keys:
        faults.append(f"{place}.to: {end!r} is no node that is known")
    if start == end:
        faults.append(f"{place}.to: a node cannot be linked with itself")
    return LinkDraft(
        uuid=derived_uuid("crosswalk", start, end, relation),
        from_key=start,
        to_key=end if inside else None,
        to_external=None if inside else end,
        relation=relation,
        source=_text(record, "source", place, faults),
        confidence=_confidence(record, place, faults),
        basis=str(record.get("basis", "")),
    )


def _end(name: str) -> str:
    """A link's end as a node key: `id#group:CODE` and `id#area:CODE` say the same as `id#CODE`."""
    framework_id, mark, code = name.partition("#")
    return name if not mark else node_key(framework_id, code.removeprefix("group:").removeprefix("area:"))


def _text(record: Mapping[str, Any], member: str, place: str, faults: list[str]) -> str:
    value = record.get(member)
    if isinstance(value, str) and value.strip() and "\n" not in value:
        return value
    faults.append(f"{place}.{member}: a text of one line is needed")
    return "missing"


def _code(record: Mapping[str, Any], place: str, seen: set[str], faults: list[str]) -> str:
    code = _text(record, "code", place, faults)
    if not NODE_CODE.fullmatch(code):
        faults.append(f"{place}.code: {code!r} is no code")
    elif code in seen:
        faults.append(f"{place}.code: {code!r} is given twice")
    seen.add(code)
    return code


def _label(record: Mapping[str, Any], member: str, place: str, language: str, faults: list[str]) -> LangMap:
    value = record.get(member)
    if not isinstance(value, Mapping):
        faults.append(f"{place}.{member}: a text by language is needed")
        return {}
    if not str(value.get(language) or "").strip():
        faults.append(f"{place}.{member}.{language}: the text is missing")
    return {str(code): str(text) for code, text in value.items()}


def _confidence(record: Mapping[str, Any], place: str, faults: list[str]) -> str:
    value = record.get("confidence")
    if value in CONFIDENCES:
        return str(value)
    faults.append(f"{place}.confidence: must be one of {', '.join(CONFIDENCES)}")
    return "low"
