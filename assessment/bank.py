"""Bank documents: format `kaona-bank`, version 1. Reads one into drafts, or tells every fault with its place. Pure.

An item names its kind, and the kind says what else it has. What the shapes cannot say (ids that meet, parameters that
fit their model) each kind checks in `contradictions`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, model_validator
from typing_extensions import override

from assessment.documents import Key, Shape, Text, Texts, checksum, faults_of, join_place, repeated
from assessment.errors import BankInvalid, Fault, InvalidItemParams
from assessment.irt import ItemParams, mean_step, params_of
from assessment.scoring import most_points, parse_number
from assessment.thai_text import fold

Contradiction = tuple[str, str]
"""Place within the item, and what is wrong."""

OptionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,16}$")]


class Option(Shape):
    """A choice, a part to order, or a target."""

    id: OptionId
    text: Texts


class Params(Shape):
    """Item parameters; what the model does not free may be left out, and so may b where there are steps."""

    model: Literal["rasch", "2pl", "3pl", "gpcm"]
    a: float = 1.0
    b: float
    c: float = 0.0
    steps: Annotated[list[float], Field(default_factory=list, max_length=12)]
    """Of partial credit, logits: one a point."""
    se_a: float | None = None
    se_b: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_b(cls, given: Any) -> Any:
        """B of partial credit is the mean of its steps."""
        steps = given.get("steps") if isinstance(given, dict) else None
        if not isinstance(steps, list) or not steps or "b" in given or not all(isinstance(step, int | float) for step in steps):
            return given
        return {**given, "b": mean_step(steps)}

    def values(self) -> ItemParams:
        """Parameters for the engine. Raises InvalidItemParams."""
        return params_of(self.model, a=self.a, b=self.b, c=self.c, steps=self.steps)


class TestletPart(Shape):
    """The items that come together with this one, and where it stands among them."""

    key: Key
    place: Annotated[int, Field(ge=1, le=50)]


class _Item(Shape):
    key: Key
    domain: Key
    topic: Texts
    params: Params
    time_guide_seconds: Annotated[int, Field(ge=5, le=3600)]
    time_limit_seconds: Annotated[int, Field(ge=5, le=3600)] | None = None
    """What the item may take, whatever its form says."""
    stem: Texts
    rationale: Texts
    enemies: Annotated[list[Key], Field(default_factory=list)]
    testlet: TestletPart | None = None
    state: Literal["live", "pilot"] = "live"
    """A pilot is only tried out: shown in forms that carry pilots, and counted for nothing."""

    def contradictions(self) -> Iterator[Contradiction]:
        """What the shapes cannot say."""
        try:
            self.params.values()
        except InvalidItemParams as error:
            yield "params", str(error)
        if self.params.model == "gpcm" and not self.gives_parts():
            yield "params.model", "only an item with `partial: true` has partial credit"
        if self.key in self.enemies:
            yield "enemies", "an item cannot be its own enemy"
        if self.testlet is not None and self.state == "pilot":
            yield "state", "an item of a testlet cannot be tried out alone"

    def gives_parts(self) -> bool:
        """Whether a part of the answer earns a part of the credit."""
        return False


class _WithOptions(_Item):
    options: Annotated[list[Option], Field(min_length=2, max_length=12)]

    @override
    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        yield from _repeated_options("options", self.options)

    def ids(self) -> set[str]:
        """Ids of the options."""
        return {option.id for option in self.options}


class _WithParts(_WithOptions):
    partial: bool = False
    """Whether a part of the answer earns a part of the credit; the model is then gpcm, with a step for each point."""
    kind: str
    correct: Any

    @override
    def gives_parts(self) -> bool:
        return self.partial

    @override
    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if self.partial and len(self.params.steps) != (most := most_points(self.kind, self.correct)):
            yield "params.steps", f"the item has {most} points, so it needs the model gpcm with {most} steps"


class SingleChoice(_WithOptions):
    """One of the options is right."""

    kind: Literal["single_choice"]
    correct: OptionId

    @override
    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if self.correct not in self.ids():
            yield "correct", f"no option has the id {self.correct!r}"


class MultipleChoice(_WithParts):
    """Some of the options are right, and all of these must be chosen."""

    kind: Literal["multiple_choice"]
    correct: Annotated[list[OptionId], Field(min_length=1)]

    @override
    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        for unknown in sorted(set(self.correct) - self.ids()):
            yield "correct", f"no option has the id {unknown!r}"
        for again in repeated(self.correct):
            yield "correct", f"{again!r} is given twice"


class TrueFalse(_Item):
    """A sentence that is true or false."""

    kind: Literal["true_false"]
    correct: bool


class Ordering(_WithParts):
    """Parts to be put in one order."""

    kind: Literal["ordering"]
    correct: list[OptionId]

    @override
    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if sorted(self.correct) != sorted(option.id for option in self.options):
            yield "correct", "the order must name every option once"


class Matching(_WithParts):
    """Options on the left, each with one target on the right."""

    kind: Literal["matching"]
    targets: Annotated[list[Option], Field(min_length=2, max_length=12)]
    correct: dict[OptionId, OptionId]

    @override
    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        yield from _repeated_options("targets", self.targets)
        if set(self.correct) != self.ids():
            yield "correct", "every option needs its target, and nothing else may have one"
        for unknown in sorted(set(self.correct.values()) - {target.id for target in self.targets}):
            yield "correct", f"no target has the id {unknown!r}"


class NumericCorrect(Shape):
    """A number and how far an answer may be from it, as texts so that no digit is lost."""

    value: Text
    tolerance: Text = "0"


class Numeric(_Item):
    """A number to be written."""

    kind: Literal["numeric"]
    correct: NumericCorrect
    unit: Texts | None = None

    @override
    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if parse_number(self.correct.value) is None:
            yield "correct.value", f"{self.correct.value!r} is not a number"
        tolerance = parse_number(self.correct.tolerance)
        if tolerance is None or tolerance < 0:
            yield "correct.tolerance", f"{self.correct.tolerance!r} is not a number of 0 or more"


class Accepted(Shape):
    """Answers that count, in either language."""

    th: Annotated[list[Text], Field(default_factory=list)]
    en: Annotated[list[Text], Field(default_factory=list)]


class ShortTextCorrect(Shape):
    """What counts as right."""

    accepted: Accepted


class ShortText(_Item):
    """A word or a few to be written."""

    kind: Literal["short_text"]
    correct: ShortTextCorrect

    @override
    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        accepted = [*self.correct.accepted.th, *self.correct.accepted.en]
        if not accepted:
            yield "correct.accepted", "no answer is accepted"
        if any(fold(answer) == "" for answer in accepted):
            yield "correct.accepted", "an accepted answer has nothing that can be seen"


BankItem = SingleChoice | MultipleChoice | TrueFalse | Ordering | Matching | Numeric | ShortText
_ITEM: TypeAdapter[BankItem] = TypeAdapter(Annotated[BankItem, Field(discriminator="kind")])


class ParametersNote(Shape):
    """Where the parameters come from."""

    status: Literal["provisional", "calibrated"]
    note: Texts


class _Envelope(Shape):
    format: Literal["kaona-bank"]
    format_version: Literal[1]
    framework: Key
    licence: Text
    parameters: ParametersNote
    items: Annotated[list[Any], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class ItemDraft:
    """One item of a document, ready to be stored. content: all but key, state and parameters, as JSON; checksum: of the content."""

    key: str
    content: Mapping[str, Any]
    params: Params
    checksum: str
    is_pilot: bool = False


@dataclass(frozen=True, slots=True)
class BankDraft:
    """A whole document without a fault."""

    framework: str
    parameter_status: str
    items: tuple[ItemDraft, ...]


def read_bank(document: Any) -> BankDraft:
    """A bank document as drafts.

    document   a JSON value, format `kaona-bank` 1
    Raises     BankInvalid with every fault and its place; a document with a fault is refused whole
    """
    try:
        envelope = _Envelope.model_validate(document)
    except ValidationError as error:
        raise BankInvalid([*faults_of(error), *_item_faults(document)]) from None
    items: list[BankItem] = []
    faults: list[Fault] = []
    for number, part in enumerate(envelope.items):
        item = _read_item(part, _place(number, part), faults)
        if item is not None:
            items.append(item)
    faults.extend(_faults_between(envelope.items, items))
    if faults:
        raise BankInvalid(faults)
    return BankDraft(envelope.framework, envelope.parameters.status, tuple(_draft(item, envelope.licence) for item in items))


def _item_faults(document: Any) -> list[Fault]:
    """Faults of the items of a document whose envelope is broken."""
    parts = document.get("items") if isinstance(document, Mapping) else None
    faults: list[Fault] = []
    for number, part in enumerate(parts if isinstance(parts, list) else []):
        _read_item(part, _place(number, part), faults)
    return faults


def _read_item(part: Any, place: str, faults: list[Fault]) -> BankItem | None:
    try:
        item = _ITEM.validate_python(part)
    except ValidationError as error:
        faults.extend(faults_of(error, place, n_skipped=1))
        return None
    faults.extend(Fault(join_place(place, where), reason) for where, reason in item.contradictions())
    return item


def _faults_between(parts: list[Any], items: list[BankItem]) -> Iterator[Fault]:
    keys = [part.get("key") for part in parts if isinstance(part, Mapping)]
    named = [key for key in keys if isinstance(key, str)]
    for key in repeated(named):
        yield Fault("items", f"the key {key!r} is given twice")
    for item in items:
        for unknown in sorted(set(item.enemies) - set(named)):
            yield Fault(f"items ({item.key}).enemies", f"no item has the key {unknown!r}")
    yield from _testlet_faults(items)


def _testlet_faults(items: list[BankItem]) -> Iterator[Fault]:
    testlets: dict[str, list[BankItem]] = {}
    for item in items:
        if item.testlet is not None:
            testlets.setdefault(item.testlet.key, []).append(item)
    for key, members in testlets.items():
        places = sorted(item.testlet.place for item in members if item.testlet)
        if len(members) < 2 or places != list(range(1, len(members) + 1)):  # noqa: PLR2004  one item alone is no testlet
            yield Fault(f"items (testlet {key})", f"two or more items with the places 1, 2, ... are needed, there are {places}")
        own = {item.key for item in members}
        for item in members:
            for enemy in sorted(own & set(item.enemies)):
                yield Fault(f"items ({item.key}).enemies", f"{enemy!r} comes in the same testlet")


def _place(number: int, part: Any) -> str:
    key = part.get("key") if isinstance(part, Mapping) else None
    return f"items[{number}] ({key})" if isinstance(key, str) else f"items[{number}]"


def _repeated_options(place: str, options: list[Option]) -> Iterator[Contradiction]:
    for again in repeated(option.id for option in options):
        yield place, f"the id {again!r} is given twice"


_BODY: Final = ("stem", "options", "targets", "unit", "time_limit_seconds")
"""Members of an item that its version keeps together."""


def _draft(item: BankItem, licence: str) -> ItemDraft:
    written = item.model_dump(mode="json")
    if isinstance(item, Numeric):
        written["correct"] = {name: str(parse_number(number)) for name, number in written["correct"].items()}
    content: dict[str, Any] = {
        "kind": item.kind,
        "domain": item.domain,
        "topic": written["topic"],
        "body": {name: written[name] for name in _BODY if written.get(name) is not None},
        "correct": written["correct"],
        "rationale": written["rationale"],
        "enemies": sorted(item.enemies),
        "time_guide_seconds": item.time_guide_seconds,
        "licence": licence,
    }
    # left out where an item has neither, so that what was loaded before these were known keeps its checksum
    if item.gives_parts():
        content["is_partial"] = True
    if item.testlet is not None:
        content |= {"testlet": item.testlet.key, "testlet_place": item.testlet.place}
    return ItemDraft(item.key, content, item.params, checksum(content), item.state == "pilot")
