"""Answers of a finished sitting in words: what was asked, what was given, what is right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import assessment.api as assessment
from kernel.langmap import LangMap
from lti_tool.web import pages

TRUE: LangMap = {"th": "ถูก", "en": "True"}
FALSE: LangMap = {"th": "ผิด", "en": "False"}


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """One answered question as the page says it; given, right: each part a text, in order."""

    number: int
    stem: LangMap
    area: LangMap
    is_right: bool
    is_partly_right: bool
    is_flagged: bool
    given: tuple[LangMap, ...]
    right: tuple[LangMap, ...]
    is_ordered: bool
    rationale: LangMap | None


def answer_lines(
    responses: Sequence[assessment.ResponseView], areas: Mapping[str, LangMap], rationales: Mapping[UUID, LangMap]
) -> list[AnswerLine]:
    """The lines of a finished sitting.

    areas       names, by code of the domain
    rationales  by presentation
    """
    return [_line(one, areas[one.domain], rationales.get(one.presentation_uuid)) for one in responses]


def _line(response: assessment.ResponseView, area: LangMap, rationale: LangMap | None) -> AnswerLine:
    return AnswerLine(
        number=response.position,
        stem=response.stem,
        area=area,
        is_right=response.score == 1,
        is_partly_right=0 < response.score < 1,
        is_flagged=response.is_flagged,
        given=answer_texts(response, response.value),
        right=answer_texts(response, response.correct_pattern),
        is_ordered=response.kind == "ordering",
        rationale=rationale,
    )


def answer_texts(response: assessment.ResponseView, value: Any) -> tuple[LangMap, ...]:
    """An answer, or the right one, in words: one text for each part.

    value   as the learner gave it, or as the item keeps what is right; None, where none was given, is no text
    """
    if value is None:
        return ()
    words = {option.id: option.text for option in (*response.options, *response.targets)}
    chosen = {option.id for option in response.options if isinstance(value, list | dict) and option.id in value}
    match response.kind, value:
        case "multiple_choice", list():
            texts = [words[option.id] for option in response.options if option.id in chosen]
        case "single_choice" | "ordering", str() | list():
            texts = [words[option] for option in ([value] if isinstance(value, str) else value)]
        case "matching", dict():
            texts = [_both(option.text, words[value[option.id]]) for option in response.options if option.id in chosen]
        case "true_false", bool():
            texts = [TRUE if value else FALSE]
        case "numeric", {"value": number, "tolerance": tolerance}:
            texts = [_same(str(number) if float(tolerance) == 0 else f"{number} ± {tolerance}")]
        case "short_text", {"accepted": dict(accepted)}:
            texts = [{language: spelled[0] for language, spelled in accepted.items() if spelled}]
        case _:
            texts = [_same(str(value))]
    return tuple(texts)


def _same(text: str) -> LangMap:
    return dict.fromkeys(pages.LANGUAGES, text)


def _both(left: LangMap, right: LangMap) -> LangMap:
    return {language: f"{left.get(language) or left['th']} → {right.get(language) or right['th']}" for language in pages.LANGUAGES}
