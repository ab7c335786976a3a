"""What agencies say of their people for comparing groups: imported, one label an attribute; goes with its person."""

import csv
import re
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from assessment.errors import Fault
from assessment.models import PersonGroup
from assessment.score_tables import TableInvalid

COLUMNS: Final = ("person", "attribute", "label")
ATTRIBUTE: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
KNOWN_ANYWAY: Final = frozenset({"device", "accommodation"})
"""Attributes that the attempt itself tells; an import cannot set them."""

MAX_LABEL: Final = 100
AT_ONCE: Final = 500


class GroupRow(NamedTuple):
    """One line of a file: `person` as the agency names them."""

    number: int
    person: str
    attribute: str
    label: str


def read_group_file(content: bytes) -> tuple[GroupRow, ...]:
    """A file with the columns person, attribute, label; an empty label takes the person out of that attribute. Raises TableInvalid."""
    try:
        lines = list(csv.reader(StringIO(content.decode("utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableInvalid([Fault("file", f"no comma separated values in UTF-8: {type(error).__name__}")]) from None
    if not lines or tuple(cell.strip() for cell in lines[0]) != COLUMNS:
        raise TableInvalid([Fault("heading", f"the columns {', '.join(COLUMNS)} are expected")])
    faults, rows, seen = [], [], set()
    for number, cells in enumerate(lines[1:], 1):
        if not any(cells):
            continue
        person, attribute, label = (*(cell.strip() for cell in cells), "", "", "")[:3]
        if len(cells) != len(COLUMNS) or not person:
            faults.append(Fault(f"row {number}", "a person, an attribute and a label are expected"))
        elif not ATTRIBUTE.fullmatch(attribute) or attribute in KNOWN_ANYWAY:
            faults.append(
                Fault(f"row {number}, column attribute", "small Latin letters, digits and _ are expected, and not device or accommodation")
            )
        elif len(label) > MAX_LABEL:
            faults.append(Fault(f"row {number}, column label", f"it is longer than {MAX_LABEL} characters"))
        elif (person, attribute) in seen:
            faults.append(Fault(f"row {number}", "this person has a label of this attribute already"))
        seen.add((person, attribute))
        rows.append(GroupRow(number, person, attribute, label))
    if faults:
        raise TableInvalid(faults)
    return tuple(rows)


def set_groups(db: Session, *, tenant_id: int, labels: Mapping[UUID, Mapping[str, str]]) -> int:
    """Writes labels of people; what is not named stays. labels: person to attribute to label, empty to take it away. Returns how many."""
    n = 0
    for person_uuid, said in labels.items():
        for attribute, label in said.items():
            row = db.get(PersonGroup, (tenant_id, person_uuid, attribute))
            n += 1
            if not label:
                if row is not None:
                    db.delete(row)
            elif row is None:
                db.add(PersonGroup(tenant_id=tenant_id, person_uuid=person_uuid, attribute=attribute, label=label))
            else:
                row.label = label
    db.flush()  # counted by whoever asks next in this transaction
    return n


def count_groups(db: Session, *, tenant_id: int) -> list[tuple[str, str, int]]:
    """Attribute, label and how many of an agency's people have it, in order."""
    counted = select(PersonGroup.attribute, PersonGroup.label, func.count()).where(PersonGroup.tenant_id == tenant_id)
    return [(attribute, label, n) for attribute, label, n in db.execute(counted.group_by(PersonGroup.attribute, PersonGroup.label))]


def groups_of(db: Session, person_uuids: Sequence[UUID]) -> dict[UUID, dict[str, str]]:
    """Person to attribute to label."""
    found: dict[UUID, dict[str, str]] = {}
    for first in range(0, len(person_uuids), AT_ONCE):
        some = person_uuids[first : first + AT_ONCE]
        rows = select(PersonGroup.person_uuid, PersonGroup.attribute, PersonGroup.label).where(PersonGroup.person_uuid.in_(some))
        for person_uuid, attribute, label in db.execute(rows):
            found.setdefault(person_uuid, {})[attribute] = label
    return found


def rename_groups(db: Session, *, tenant_id: int, person_uuid: UUID, new_uuid: UUID) -> None:
    """Makes a person's labels those of another one."""
    mine = (PersonGroup.tenant_id == tenant_id, PersonGroup.person_uuid == person_uuid)
    db.execute(update(PersonGroup).where(*mine).values(person_uuid=new_uuid).execution_options(synchronize_session=False))


def forget_groups(db: Session, *, tenant_id: int, person_uuid: UUID) -> None:
    """Removes a person's labels."""
    mine = (PersonGroup.tenant_id == tenant_id, PersonGroup.person_uuid == person_uuid)
    db.execute(delete(PersonGroup).where(*mine).execution_options(synchronize_session=False))
