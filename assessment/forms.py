"""Form documents: format `kaona-form`, version 1. Reads one, or tells every fault with its place. Pure."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from assessment.blueprint import DomainRule
from assessment.documents import Key, Shape, Text, Texts, faults_of, repeated
from assessment.errors import Fault, FormInvalid
from assessment.sitting import Rules
from assessment.stopping import StoppingRule

_SHARE_ROUNDING = 0.005


class Domain(Shape):
    """One area: its part of the test, and the competency that it tells about."""

    code: Key
    competency: Text
    share: Annotated[float, Field(gt=0, le=1)]
    min: Annotated[int, Field(ge=0)]
    max: Annotated[int, Field(ge=1)]


class Stop(Shape):
    """When an area is settled."""

    se: Annotated[float, Field(gt=0)]
    clear_of_cuts_z: Annotated[float, Field(gt=0)] | None = None


class Exposure(Shape):
    """How the bank is spared."""

    r_max: Annotated[float, Field(gt=0, le=1)]
    randomesque_first: Annotated[int, Field(ge=1, le=100)]
    randomesque_later: Annotated[int, Field(ge=1, le=100)]


class CutScore(Shape):
    """Where a level begins, and how that was found."""

    domain: Key
    level: Annotated[int, Field(ge=1, le=3)]
    theta: Annotated[float, Field(ge=-5, le=5)]
    method: Text


class FormDocument(Shape):
    """One adaptive form."""

    format: Literal["kaona-form"]
    format_version: Literal[1]
    key: Key
    framework: Key
    title: Texts
    description: Texts
    minutes: Annotated[int, Field(ge=1, le=600)]
    domains: Annotated[list[Domain], Field(min_length=1)]
    min_items: Annotated[int, Field(ge=1)]
    max_items: Annotated[int, Field(ge=1, le=500)]
    min_items_for_level: Annotated[int, Field(ge=1)]
    stop: Stop
    exposure: Exposure
    cuts: list[CutScore]

    def cuts_of(self, domain: str) -> list[CutScore]:
        """Cuts of one area by level."""
        return sorted((cut for cut in self.cuts if cut.domain == domain), key=lambda cut: cut.level)

    def rules(self) -> Rules:
        """What the engine goes by: each area is an ability of its own."""
        total = sum(domain.share for domain in self.domains)
        return Rules(
            domains=tuple(DomainRule(domain.share / total, domain.min, domain.max) for domain in self.domains),
            stopping=StoppingRule(self.min_items, self.max_items, self.stop.se, self.stop.clear_of_cuts_z),
            scales=tuple(range(len(self.domains))),
            cuts=tuple(tuple(cut.theta for cut in self.cuts_of(domain.code)) for domain in self.domains),
            randomesque_first=self.exposure.randomesque_first,
            randomesque_later=self.exposure.randomesque_later,
            r_max=self.exposure.r_max,
        )


def read_form(document: Any, n_items_by_domain: Mapping[str, int] | None = None) -> FormDocument:
    """A form document as a value.

    document           a JSON value, format `kaona-form` 1
    n_items_by_domain  what the bank of its framework holds; None: not asked
    Raises             FormInvalid with every fault and its place
    """
    try:
        form = FormDocument.model_validate(document)
    except ValidationError as error:
        raise FormInvalid(faults_of(error)) from None
    faults = [*_contradictions(form), *_shortages(form, n_items_by_domain)]
    if faults:
        raise FormInvalid(faults)
    return form


def _contradictions(form: FormDocument) -> Iterator[Fault]:
    for again in repeated(domain.code for domain in form.domains):
        yield Fault("domains", f"the code {again!r} is given twice")
    if abs(sum(domain.share for domain in form.domains) - 1) > _SHARE_ROUNDING:
        yield Fault("domains", "the shares do not sum to 1")
    yield from _bounds_that_cross(form)
    yield from _cuts_out_of_order(form)


def _bounds_that_cross(form: FormDocument) -> Iterator[Fault]:
    for number, domain in enumerate(form.domains):
        if domain.min > domain.max:
            yield Fault(f"domains[{number}] ({domain.code})", "min is above max")
    if form.min_items > form.max_items:
        yield Fault("min_items", "min_items is above max_items")
    if sum(domain.min for domain in form.domains) > form.max_items:
        yield Fault("max_items", "the areas' minimums do not fit into the test")
    if sum(domain.max for domain in form.domains) < form.min_items:
        yield Fault("min_items", "the areas' maximums do not allow so many items")


def _cuts_out_of_order(form: FormDocument) -> Iterator[Fault]:
    codes = [domain.code for domain in form.domains]
    for number, cut in enumerate(form.cuts):
        if cut.domain not in codes:
            yield Fault(f"cuts[{number}].domain", f"no area has the code {cut.domain!r}")
    for code in codes:
        cuts = form.cuts_of(code)
        if not cuts:
            yield Fault("cuts", f"{code} has no cut, so no level could be told")
        if [cut.level for cut in cuts] != list(range(1, len(cuts) + 1)):
            yield Fault("cuts", f"the levels of {code} must be 1, 2, ... without a gap, each once")
        if any(later.theta <= earlier.theta for earlier, later in pairwise(cuts)):
            yield Fault("cuts", f"the cuts of {code} must rise with the level")


def _shortages(form: FormDocument, n_items_by_domain: Mapping[str, int] | None) -> Iterator[Fault]:
    if n_items_by_domain is None:
        return
    for number, domain in enumerate(form.domains):
        held = n_items_by_domain.get(domain.code, 0)
        if held < max(domain.min, 1):
            yield Fault(f"domains[{number}] ({domain.code})", f"the bank holds {held} items, the blueprint needs {max(domain.min, 1)}")
