"""The outcome of an attempt as xAPI statements: their parts are built with tincan, each once, and put right where tincan blurs them.

Nobody is named: the actor is an account of the agency with a random id. Stems, option texts and correct responses stay in the bank,
and what a person typed freely stays in the attempt, unless the caller asks for them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any
from uuid import UUID

from tincan import (
    Activity,
    ActivityDefinition,
    Agent,
    AgentAccount,
    Context,
    ContextActivities,
    Extensions,
    LanguageMap,
    Result,
    Score,
    Statement,
    Verb,
)
from tincan.serializable_base import SerializableBase

from assessment.api import AreaOutcome, Outcome, ResponseView
from kernel.clock import rfc3339
from kernel.ids import derived_uuid
from kernel.langmap import LangMap
from lti_tool.statements import vocabulary as words

PLATFORM = "Kaona"
VERSION = "1.0.3"
"""The version that tincan writes; the LRS takes it in the terms of 1.0.3 and of 2.0.0."""

DEFAULT_PASS_LEVEL = 1

ITEMS_KEPT = 4_096
"""Items whose activities are kept for the next sitting: a large bank, some 4 MB."""

_AREA_NAME = {"th": "{form} ด้าน {area}", "en": "{area} in {form}"}
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,12})?")
"""Digits may be of any script; commas between thousands are gone by then."""


def statements_of(
    outcome: Outcome,
    *,
    public_url: str,
    home_page: str,
    pass_levels: Mapping[str, int],
    competency_names: Mapping[str, LangMap] | None = None,
    with_item_texts: bool = False,
    with_free_text: bool = False,
) -> list[dict[str, Any]]:
    """The statements of one finished attempt, in the order in which things happened.

    outcome           of a finished attempt; the same one always gives the same statements, ids included
    public_url        where this tool is reached; activity ids begin with it
    home_page         of the tenant; with the person's random UUID it makes the actor
    pass_levels       node key to the level that counts as passed; 1 where none is given
    competency_names  node key to its label, for the names of areas and competencies; else their codes are shown
    with_item_texts   adds stems and option texts, for a bank that is not secret
    with_free_text    adds what the learner typed as short text
    Returns           initialized, answered for each item, completed, then passed, failed, or scored where it cannot be told yet, for
                      each area with an answer; of an attempt without any answer initialized and terminated. They share parts: do
                      not change them in place
    """
    writer = _Writer(outcome, public_url, home_page, competency_names or {}, with_item_texts, with_free_text)
    return [
        writer.initialized(),
        *(writer.answered(response) for response in outcome.responses),
        writer.ended(),
        *(writer.judged(area, pass_levels.get(area.competency, DEFAULT_PASS_LEVEL)) for area in outcome.areas if area.n_items),
    ]


def iso_duration(duration: timedelta) -> str:
    """A duration in hours, minutes and seconds with at most two decimals: `PT42S`, `PT1H5M`, `PT3.25S`. Below zero counts as zero.

    Source   ISO 8601, 4.4.3; xAPI 1.0.3, Data 4.6
    """
    hundredths = max(0, round(duration.total_seconds() * 100))
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest / 100:.2f}".rstrip("0").rstrip(".")
    parts = (f"{hours}H" if hours else "", f"{minutes}M" if minutes else "", f"{seconds}S" if rest or not (hours or minutes) else "")
    return "PT" + "".join(parts)


def response_pattern(kind: str, value: Any) -> str | None:
    """A response as xAPI writes it; None when it is no value of its kind.

    kind     of the item, `single_choice` ... `short_text`
    value    as the learner gave it, JSON
    Source   xAPI 1.0.3, Data 2.4.4.1, response patterns: `[,]` between parts, `[.]` between the ends of a pair
    """
    match kind, value:
        case ("single_choice" | "short_text", str(text)):
            return text
        case ("multiple_choice" | "ordering", [*ids]):
            return "[,]".join(map(str, ids))
        case "true_false", bool(answer):
            return "true" if answer else "false"
        case "matching", {**pairs}:
            return "[,]".join(f"{source}[.]{target}" for source, target in sorted(pairs.items()))
        case "numeric", (str() | int() | float()) as number:
            return _number_text(number)
    return None


@dataclass(frozen=True)
class _Writer:
    """What all statements of one attempt have in common; the parts that recur are made once and shared."""

    outcome: Outcome
    public_url: str
    home_page: str
    competency_names: Mapping[str, LangMap]
    with_item_texts: bool
    with_free_text: bool

    @cached_property
    def _frame(self) -> dict[str, Any]:
        """Actor, context and version, as they stand in every statement."""
        category = [Activity(id=words.PROFILE.iri, definition=_definition(words.PROFILE_TYPE, words.PROFILE.label))]
        frame = Statement(
            actor=Agent(account=AgentAccount(home_page=self.home_page, name=str(self.outcome.person_uuid))),
            context=Context(
                registration=self.outcome.attempt_uuid,
                platform=PLATFORM,
                context_activities=ContextActivities(category=category),
            ),
        )
        return _plain(frame)

    @cached_property
    def _assessment(self) -> dict[str, Any]:
        form = self.outcome.form
        return _activity(words.assessment_iri(self.public_url, form.uuid), _definition(words.ASSESSMENT, form.title))

    @cached_property
    def _competencies(self) -> dict[str, dict[str, Any]]:
        """The competency of each area of the form."""
        return {
            domain.code: _activity(
                words.competency_iri(self.public_url, domain.competency),
                _definition(words.COMPETENCY, self.competency_names.get(domain.competency)),
            )
            for domain in self.outcome.form.domains
        }

    def initialized(self) -> dict[str, Any]:
        return self._statement("initialized", words.INITIALIZED, self._assessment, self.outcome.started_at)

    def answered(self, response: ResponseView) -> dict[str, Any]:
        told = response.kind != "short_text" or self.with_free_text
        pattern = response_pattern(response.kind, response.value) if told else None
        taken = response.answered_at - response.shown_at
        if response.active_ms is not None:  # the browser counts only while the page is in front, but its word is not taken for more
            taken = min(taken, timedelta(milliseconds=response.active_ms))
        result = _answered(response.score) | ({} if pattern is None else {"response": pattern}) | {"duration": iso_duration(taken)}
        return self._statement(
            f"answered {response.presentation_uuid}",
            words.ANSWERED,
            self._item(response),
            response.answered_at,
            result=result,
            activities={"parent": [self._assessment], "grouping": [self._competencies[response.domain]]},
            revision=str(response.item_version),
        )

    def ended(self) -> dict[str, Any]:
        """`completed` with the score; `terminated` without one when nothing was answered."""
        outcome, is_answered = self.outcome, bool(self.outcome.responses)
        result = _result(
            completion=is_answered,
            score=Score(scaled=_share(outcome.scaled)) if is_answered else None,
            extensions=Extensions({words.ITEMS.iri: outcome.n_items, words.FINISH_REASON.iri: outcome.finish_reason}),
        )
        return self._statement(
            "completed" if is_answered else "terminated",
            words.COMPLETED if is_answered else words.TERMINATED,
            self._assessment,
            outcome.finished_at,
            result=result | {"duration": iso_duration(outcome.finished_at - outcome.started_at)},
        )

    def judged(self, area: AreaOutcome, pass_level: int) -> dict[str, Any]:
        """`passed`, `failed` or, where the third verdict stands against a failure, `scored` in one area, with all that evidence reads."""
        form, is_passed = self.outcome.form, area.level >= pass_level
        verdict = area.verdicts[pass_level - 1] if 0 < pass_level <= len(area.verdicts) else None
        is_open = not is_passed and verdict == "undecided"
        top_level = max((cut.level for cut in form.cuts), default=0)
        extensions = {
            words.LEVEL.iri: area.level,
            words.THETA.iri: round(area.theta, 4),
            words.STANDARD_ERROR.iri: round(area.se, 4),
            words.ITEMS.iri: area.n_items,
            words.BORDERLINE.iri: area.borderline,
            words.INDICATIVE.iri: area.indicative,
            **({words.VERDICT.iri: verdict} if verdict else {}),
            words.CUT_SET.iri: f"{form.key}/{form.version}",
            words.FRAMEWORK.iri: form.framework,
            words.COMPETENCY_KEY.iri: area.competency,
            words.EVIDENCE_KIND.iri: "test",
        }
        return self._statement(
            f"area {area.domain}",
            words.SCORED if is_open else words.PASSED if is_passed else words.FAILED,
            self._area(area),
            self.outcome.finished_at,
            result=_result(
                success=None if is_open else is_passed,
                score=Score(scaled=_share(area.level / top_level)) if top_level else None,
                extensions=Extensions(extensions),
            ),
            activities={"parent": [self._assessment], "grouping": [self._competencies[area.domain]]},
        )

    def _statement(
        self,
        role: str,
        verb: words.Term,
        activity: dict[str, Any],
        timestamp: datetime,
        *,
        result: dict[str, Any] | None = None,
        activities: Mapping[str, Any] | None = None,
        revision: str | None = None,
    ) -> dict[str, Any]:
        context = self._frame["context"]
        return {
            **self._frame,
            "id": str(_statement_id(self.outcome.attempt_uuid, role)),
            "verb": _VERBS[verb.iri],
            "object": activity,
            **({"result": result} if result else {}),
            "context": {
                **context,
                **({"revision": revision} if revision else {}),
                "contextActivities": {**context["contextActivities"], **(activities or {})},
            },
            "timestamp": rfc3339(timestamp),
        }

    def _item(self, response: ResponseView) -> dict[str, Any]:
        iri = words.item_iri(self.public_url, response.item_uuid)
        # by id, not in the order in which this learner saw them: the definition is the same for all
        options, targets = (tuple(sorted(option.id for option in shown)) for shown in (response.options, response.targets))
        item = _item_activity(iri, response.item_key, response.kind, options, targets)
        return _with_texts(item, response) if self.with_item_texts else item

    def _area(self, area: AreaOutcome) -> dict[str, Any]:
        form = self.outcome.form
        label = self.competency_names.get(area.competency, {})
        name = {
            language: text.format(area=label.get(language, area.domain), form=form.title.get(language, form.key))
            for language, text in _AREA_NAME.items()
        }
        return _activity(words.area_iri(self.public_url, form.uuid, area.domain), _definition(words.ASSESSMENT, name))


def _statement_id(attempt: UUID, role: str) -> UUID:
    """The same role of the same attempt is the same statement, however often it is made."""
    return derived_uuid("statement", str(attempt), role)


@lru_cache(maxsize=ITEMS_KEPT)
def _item_activity(iri: str, key: str, kind: str, options: tuple[str, ...], targets: tuple[str, ...]) -> dict[str, Any]:
    """An item by its key and the ids of its parts; the same items are met in sitting after sitting."""
    components: dict[str, list[dict[str, Any]]] = {}
    if kind in ("single_choice", "multiple_choice", "ordering"):
        components["choices"] = [{"id": one} for one in options]
    elif kind == "matching":
        components["source"] = [{"id": one} for one in options]
        components["target"] = [{"id": one} for one in targets]
    definition = ActivityDefinition(
        name=LanguageMap(th=key, en=key), type=words.INTERACTION.iri, interaction_type=words.INTERACTION_TYPES[kind], **components
    )
    return _activity(iri, definition)


def _with_texts(item: dict[str, Any], response: ResponseView) -> dict[str, Any]:
    """The item with its stem and the texts of its parts."""
    definition: dict[str, Any] = {**item["definition"], "description": dict(response.stem)}
    for name, shown in (("choices", response.options), ("source", response.options), ("target", response.targets)):
        if name in definition:
            texts = {option.id: dict(option.text) for option in shown}
            definition[name] = [{**part, "description": texts[part["id"]]} for part in definition[name]]
    return {**item, "definition": definition}


def _activity(iri: str, definition: ActivityDefinition) -> dict[str, Any]:
    return _plain(Activity(id=iri, definition=definition))


def _definition(kind: words.Term, name: LangMap | None) -> ActivityDefinition:
    return ActivityDefinition(type=kind.iri, name=LanguageMap(name) if name else None)


def _result(**fields: Any) -> dict[str, Any]:
    """A result without its duration, which tincan would pad; whole numbers are whole, which tincan makes fractions."""
    plain = _plain(Result(**fields))
    score = plain.get("score", {})
    score.update({name: int(value) for name, value in score.items() if value == int(value)})
    return plain


def _plain(thing: SerializableBase) -> dict[str, Any]:
    plain: dict[str, Any] = thing.as_version(VERSION)
    return plain


def _share(value: float) -> float:
    return round(min(max(value, 0.0), 1.0), 4)


_VERBS = {term.iri: _plain(Verb(id=term.iri, display=LanguageMap(term.label))) for term in words.VERBS}


@lru_cache(maxsize=256)
def _answered(score: float) -> dict[str, Any]:
    """What one answer earned. score: share of the full credit, 0..1."""
    return _result(success=score == 1, score=Score(scaled=_share(score), raw=_share(score), min=0, max=1))


def _number_text(number: str | float) -> str | None:
    """A number in plain decimal digits, those of Thai folded; None when the text is no number."""
    written = str(number).strip().replace(",", "").replace("−", "-").replace("–", "-")
    return format(Decimal(written), "f") if _NUMBER.fullmatch(written) else None
