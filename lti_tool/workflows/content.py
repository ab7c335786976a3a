"""The content that comes with Kaona: frameworks, item bank, test form, catalogue of learning resources."""

from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any

from sqlalchemy.orm import Session

import assessment.api as assessment
import learning.api as learning
import roadmap.api as roadmap
from kernel.strictjson import loads


@dataclass(frozen=True, slots=True)
class ContentReport:
    """What was loaded, or stood there already."""

    frameworks: tuple[roadmap.FrameworkView, ...]
    bank: assessment.BankReport
    form: assessment.FormView
    catalogue: learning.CatalogueReport


def default_frameworks() -> Any:
    """The document of the Thai frameworks and their crosswalk."""
    return _read("roadmap", "ocsc-digital-skills.json")


def load_defaults(db: Session, *, now: datetime) -> ContentReport:
    """Loads everything that comes with Kaona; loading it again changes nothing."""
    return ContentReport(
        frameworks=tuple(roadmap.load_frameworks(db, default_frameworks(), now=now)),
        bank=assessment.load_bank(db, _read("assessment", "bank-core-2567.json"), now=now),
        form=assessment.load_form(db, _read("assessment", "form-core-2567.json"), now=now),
        catalogue=learning.load_catalogue(db, _read("learning", "catalogue-core-2567.json"), now=now),
    )


def _read(room: str, name: str) -> Any:
    return loads((files(room) / "data" / name).read_bytes())
