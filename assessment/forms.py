"""Form documents: format `kaona-form`, version 1. Reads one, or tells every fault with its place. Pure."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from assessment.admission import AdmissionRules
from assessment.blueprint import DomainRule
from assessment.documents import Key, Shape, Text, Texts, faults_of, repeated
from assessment.errors import Fault, FormInvalid
from assessment.pilots import PilotRule
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
    by_verdict: bool = False
    """Also as soon as each of its cuts is met or not met, by `decision`."""


class Exposure(Shape):
    """How the bank is spared."""

    r_max: Annotated[float, Field(gt=0, le=1)]
    randomesque_first: Annotated[int, Field(ge=1, le=100)]
    randomesque_later: Annotated[int, Field(ge=1, le=100)]
    progressive_items: Annotated[int, Field(ge=0, le=500)] = 0
    """Items over which information takes the place of chance; 0 is randomesque from the start."""


class Parallel(Shape):
    """Forms that are assembled from the bank: of equal information at the cuts, by the shares of the areas."""

    forms: Annotated[int, Field(ge=2, le=20)]
    items: Annotated[int, Field(ge=1, le=200)]
    """Of each form."""
    anchors: Annotated[list[Key], Field(default_factory=list)]
    """Items of every form; the forms share no others."""


class Decision(Shape):
    """How a verdict on a cut follows from P(theta >= cut)."""

    rule: Literal[1] = 1
    """1: met at `confidence` or above, not met at 1 - confidence or below, else undecided."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.90


class Pauses(Shape):
    """Pauses that everybody may take."""

    number: Annotated[int, Field(ge=1, le=20)]
    minutes: Annotated[int, Field(ge=1, le=240)]
    """Each, at the most."""


class Pilots(Shape):
    """Items that are only tried out, among those that count; of an adaptive form."""

    number: Annotated[int, Field(ge=1, le=10)]
    first: Annotated[int, Field(ge=2)] = 2
    """Earliest position."""
    last: Annotated[int, Field(ge=2)] | None = None
    """Latest position; where nothing is said, the latest after which an item that counts must still come."""


class CutScore(Shape):
    """Where a level begins, and how that was found."""

    domain: Key
    level: Annotated[int, Field(ge=1, le=3)]
    theta: Annotated[float, Field(ge=-5, le=5)]
    method: Text


class FormDocument(Shape):
    """One form: adaptive, of a fixed list of items, or one of several that are parallel."""

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
    type: Literal["adaptive", "linear", "parallel"] = "adaptive"
    stop: Stop | None = None
    """Of an adaptive form."""
    exposure: Exposure | None = None
    """Of an adaptive form."""
    items: Annotated[list[Key], Field(default_factory=list, max_length=500)]
    """Of a linear form, in order."""
    parallel: Parallel | None = None
    """Of parallel forms."""
    review: bool = False
    """Whether answers may be changed until the sitting is handed in; not of an adaptive form."""
    secure: bool = True
    """Whether its items are used again and therefore kept: else a person sees after the end which answers were right, and why."""
    decision: Decision = Decision()
    pilots: Pilots | None = None
    cuts: list[CutScore]
    clock_while_away: Literal["runs", "stops"] = "runs"
    """Whether time runs while the person's page is closed or has no connection."""
    away_minutes: Annotated[int, Field(ge=1, le=240)] = 10
    """Where it stops: for so long at the most, all absences together."""
    pauses: Pauses | None = None
    item_seconds: Annotated[int, Field(ge=5, le=3600)] | None = None
    """What one item may take, unless it says otherwise itself."""
    admission: AdmissionRules | None = None
    """Who may begin, unless a placement in a course says otherwise."""

    @model_validator(mode="before")
    @classmethod
    def _with_counts(cls, given: Any) -> Any:
        """Where the items stand fast, their number is known; areas are then bounded by their shares alone."""
        if not isinstance(given, dict) or not isinstance(given.get("domains"), list):
            return given
        n = {"linear": _length(given.get("items")), "parallel": _count(given.get("parallel"))}.get(given.get("type", ""))
        if n is None:
            return given
        n = n or 1  # an empty list is refused by its own fault
        domains = [{"min": 0, "max": n, **domain} if isinstance(domain, dict) else domain for domain in given["domains"]]
        return {"min_items": n, "max_items": n, **given, "domains": domains}

    def cuts_of(self, domain: str) -> list[CutScore]:
        """Cuts of one area by level."""
        return sorted((cut for cut in self.cuts if cut.domain == domain), key=lambda cut: cut.level)

    def rules(self) -> Rules:
        """What the engine goes by: each area is an ability of its own."""
        total = sum(domain.share for domain in self.domains)
        stop = self.stop or Stop(se=1e-9)
        exposure = self.exposure or Exposure(r_max=1.0, randomesque_first=1, randomesque_later=1)
        return Rules(
            domains=tuple(DomainRule(domain.share / total, domain.min, domain.max) for domain in self.domains),
            stopping=StoppingRule(
                self.min_items, self.max_items, stop.se, stop.clear_of_cuts_z, self.decision.confidence if stop.by_verdict else None
            ),
            scales=tuple(range(len(self.domains))),
            cuts=tuple(tuple(cut.theta for cut in self.cuts_of(domain.code)) for domain in self.domains),
            randomesque_first=exposure.randomesque_first,
            randomesque_later=exposure.randomesque_later,
            r_max=exposure.r_max,
            progressive_items=exposure.progressive_items,
            pilots=self.pilot_rule(),
        )

    def pilot_rule(self) -> PilotRule | None:
        """How many items are only tried out, and where."""
        if self.pilots is None:
            return None
        return PilotRule(self.pilots.number, self.pilots.first, self.pilots.last or self.last_for_pilots())

    def last_for_pilots(self) -> int:
        """The latest position of a pilot after which an item that counts must still come."""
        return self.min_items + (self.pilots.number if self.pilots else 0) - 1


def _length(items: Any) -> int | None:
    return len(items) if isinstance(items, list) else None


def _count(parallel: Any) -> Any:
    return parallel.get("items") if isinstance(parallel, dict) else None


def read_form(document: Any, domain_of: Mapping[str, str] | None = None) -> FormDocument:
    """A form document as a value.

    document   a JSON value, format `kaona-form` 1
    domain_of  key of each item that the bank of its framework holds to its area; None: not asked
    Raises     FormInvalid with every fault and its place
    """
    try:
        form = FormDocument.model_validate(document)
    except ValidationError as error:
        raise FormInvalid(faults_of(error)) from None
    faults = [*_contradictions(form), *_shortages(form, domain_of)]
    if faults:
        raise FormInvalid(faults)
    return form


def _contradictions(form: FormDocument) -> Iterator[Fault]:
    for again in repeated(domain.code for domain in form.domains):
        yield Fault("domains", f"the code {again!r} is given twice")
    if abs(sum(domain.share for domain in form.domains) - 1) > _SHARE_ROUNDING:
        yield Fault("domains", "the shares do not sum to 1")
    yield from _wrong_for_its_type(form)
    yield from _pilots_out_of_place(form)
    yield from _bounds_that_cross(form)
    yield from _cuts_out_of_order(form)


def _wrong_for_its_type(form: FormDocument) -> Iterator[Fault]:
    is_adaptive = form.type == "adaptive"
    for name, value, is_wanted in (
        ("stop", form.stop, is_adaptive),
        ("exposure", form.exposure, is_adaptive),
        ("items", form.items or None, form.type == "linear"),
        ("parallel", form.parallel, form.type == "parallel"),
    ):
        if (value is not None) != is_wanted:
            yield Fault(name, f"{'must' if is_wanted else 'must not'} be there in a form of the type {form.type}")
    if is_adaptive and form.review:
        yield Fault("review", "in an adaptive form each item hangs on the answers before it, so these cannot change")
    if form.review and form.item_seconds is not None:
        yield Fault("item_seconds", "where answers can be changed until the end, no item has a time of its own")
    for again in repeated(form.items):
        yield Fault("items", f"{again!r} is given twice")
    n = len(form.items) if form.type == "linear" else form.parallel.items if form.parallel else None
    if n is not None and (form.min_items, form.max_items) != (n, n):
        yield Fault("max_items", f"the form has {n} items")


def _pilots_out_of_place(form: FormDocument) -> Iterator[Fault]:
    rule = form.pilot_rule()
    if rule is None:
        return
    if form.type != "adaptive":
        yield Fault("pilots", f"must not be there in a form of the type {form.type}")
    if rule.last > form.last_for_pilots():
        yield Fault("pilots.last", f"beyond {form.last_for_pilots()} a pilot could be the last item")
    if rule.last - rule.first + 1 < rule.number:
        yield Fault("pilots", f"{rule.number} do not fit between the positions {rule.first} and {rule.last}")


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


def _shortages(form: FormDocument, domain_of: Mapping[str, str] | None) -> Iterator[Fault]:
    if domain_of is None:
        return
    codes = [domain.code for domain in form.domains]
    for key in (*form.items, *(form.parallel.anchors if form.parallel else ())):
        if domain_of.get(key) not in codes:
            yield Fault("items", f"no area of the form has an item {key!r}")
    for number, domain in enumerate(form.domains):
        own = [key for key, code in domain_of.items() if code == domain.code]
        held = len(own if form.type != "linear" else set(own) & set(form.items))
        if held < max(domain.min, 1):
            holder = "the form" if form.type == "linear" else "the bank"
            yield Fault(f"domains[{number}] ({domain.code})", f"{holder} holds {held} items, the blueprint needs {max(domain.min, 1)}")
