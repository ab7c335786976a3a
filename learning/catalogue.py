"""The catalogue document: resources of five kinds and the prerequisites between levels, checked before anything is stored. Pure."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, TypeAdapter, ValidationError, field_validator

from learning.errors import CatalogueInvalid, PrerequisiteCycle
from learning.graph import MAX_LEVEL, Milestone, collect_edges, find_cycle

NodeKey = Field(pattern=r"^[a-z0-9.-]+#[A-Za-z0-9.-]+$", max_length=160)
Level = Field(ge=1, le=MAX_LEVEL)
_WEB_ADDRESS = TypeAdapter(HttpUrl)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Text(_Part):
    """The same text in Thai and English; both are required."""

    th: str = Field(min_length=1)
    en: str = Field(min_length=1)


class ResourceRecord(_Part):
    """One resource as the document gives it."""

    key: str = Field(pattern=r"^[A-Za-z0-9.-]+$", max_length=64)
    competency: str = NodeKey
    level: int = Level
    """The level that it helps to reach."""
    kind: Literal["course", "reading", "practice", "coaching", "project"]
    title: Text
    summary: Text
    provider: Text
    hours: float = Field(gt=0, le=400)
    language: str = Field(pattern=r"^[a-z]{2}$")
    url: str | None

    @field_validator("url")
    @classmethod
    def _is_web_address(cls, url: str | None) -> str | None:
        if url is not None:
            _WEB_ADDRESS.validate_python(url)
        return url


class Point(_Part):
    """A competency at a level."""

    competency: str = NodeKey
    level: int = Level

    @property
    def milestone(self) -> Milestone:
        """The same, as the graph knows it."""
        return Milestone(self.competency, self.level)


class PrerequisiteRecord(Point):
    """One edge: the level of the competency asks for the level of another one."""

    needs: Point


class Catalogue(_Part):
    """A whole catalogue."""

    format: Literal["kaona-catalogue"]
    format_version: Literal[1]
    framework: str
    licence: str
    note: Text
    resources: tuple[ResourceRecord, ...]
    prerequisites: tuple[PrerequisiteRecord, ...]

    @property
    def edges(self) -> list[tuple[Milestone, Milestone]]:
        """Pairs (milestone, what it needs), in the document's order."""
        return [(one.milestone, one.needs.milestone) for one in self.prerequisites]


def read_catalogue(document: Mapping[str, Any]) -> Catalogue:
    """The checked catalogue.

    document  parsed JSON
    Raises    CatalogueInvalid, with the place of the first fault; PrerequisiteCycle, with every milestone of the ring
    """
    try:
        catalogue = Catalogue.model_validate(document, strict=False)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise CatalogueInvalid(place="/".join(map(str, fault["loc"])) or "/", reason=fault["msg"]) from None
    seen: set[str] = set()
    for place, resource in enumerate(catalogue.resources):
        if resource.key in seen:
            raise CatalogueInvalid(place=f"resources/{place}", reason=f"the key {resource.key} is given twice")
        seen.add(resource.key)
    ring = find_cycle(collect_edges(catalogue.edges))
    if ring:
        raise PrerequisiteCycle(cycle=" > ".join(map(str, ring)))
    return catalogue
