"""A made-up official who answers: knows an item by its stem, as a reader would, and is right as often as the ability says."""

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from typing import Any

from kernel.langmap import LangMap
from kernel.strictjson import loads


@dataclass(frozen=True, slots=True)
class ItemText:
    """One item of the bank as its author wrote it."""

    key: str
    kind: str
    domain: str
    stem: LangMap
    discrimination: float
    difficulty: float
    correct: Any
    option_ids: tuple[str, ...]


class Respondent:
    """Answers items of the bank that comes with Kaona.

    abilities   area code to ability, logits
    seed        same seed and items, same answers
    """

    def __init__(self, abilities: Mapping[str, float], seed: int, bank: Mapping[str, ItemText] | None = None) -> None:
        self._abilities = abilities
        self._random = random.Random(seed)  # noqa: S311  made-up answers are no secret
        self._bank = bank if bank is not None else read_bank()

    def find(self, page_text: str) -> ItemText:
        """The item whose Thai or English stem stands in a text. Raises LookupError when there is none."""
        folded = _fold(page_text)
        found = [item for item in self._bank.values() if any(_fold(stem) in folded for stem in item.stem.values())]
        if not found:
            raise LookupError("no stem of the bank stands on the page")
        return max(found, key=lambda item: len(item.stem["th"]))

    def answer_to(self, stem: LangMap) -> Any:
        """The response value to the item with this stem, JSON by its kind."""
        return self.answer(self._bank[stem["th"]])

    def answer(self, item: ItemText) -> Any:
        """A right or a wrong response, by the two-parameter model."""
        ability = self._abilities[item.domain]
        chance = 1 / (1 + math.exp(-item.discrimination * (ability - item.difficulty)))
        return right_answer(item) if self._random.random() < chance else wrong_answer(item)


def read_bank() -> dict[str, ItemText]:
    """The bank that comes with Kaona, by Thai stem."""
    document = loads((files("assessment") / "data" / "bank-core-2567.json").read_bytes())
    return {
        each["stem"]["th"]: ItemText(
            each["key"],
            each["kind"],
            each["domain"],
            each["stem"],
            each["params"]["a"],
            each["params"]["b"],
            each["correct"],
            tuple(option["id"] for option in each.get("options", ())),
        )
        for each in document["items"]
    }


def right_answer(item: ItemText) -> Any:
    """The response that scores."""
    match item.kind:
        case "numeric":
            return str(item.correct["value"])
        case "short_text":
            return item.correct["accepted"]["th"][0]
        case _:
            return item.correct


def wrong_answer(item: ItemText) -> Any:  # noqa: PLR0911  one for each kind
    """A well-formed response that does not score."""
    match item.kind:
        case "single_choice":
            return next(option for option in item.option_ids if option != item.correct)
        case "multiple_choice":
            return item.correct[:-1] or [option for option in item.option_ids if option not in item.correct][:1]
        case "true_false":
            return not item.correct
        case "ordering":
            return [*item.correct[1:], item.correct[0]]
        case "matching":
            sources = list(item.correct)
            return dict(zip(sources, [item.correct[source] for source in (*sources[1:], sources[0])], strict=True))
        case "numeric":
            return str(Decimal(item.correct["value"]) + Decimal(item.correct.get("tolerance", "0")) * 2 + 7)
        case _:
            return "ไม่ทราบ"


def form_fields(item: ItemText, value: Any) -> dict[str, str | list[str]]:
    """A response as the fields of the item page's form."""
    match item.kind:
        case "true_false":
            return {"value": "true" if value else "false"}
        case "ordering":
            return {f"order-{option}": str(place) for place, option in enumerate(value, start=1)}
        case "matching":
            return {f"match-{source}": target for source, target in value.items()}
        case _:
            return {"value": value}


def _fold(text: str | Iterable[str]) -> str:
    return " ".join("".join(text).split())
