"""An answer as the form of its item sends it, turned into the value that the assessment room takes. It judges nothing: the room does."""

from typing import Any, ClassVar
from uuid import UUID

from werkzeug.datastructures import MultiDict

import assessment.api as assessment
from kernel.errors import Invalid

MAX_ACTIVE_DIGITS = 12


class AnswerUnreadable(Invalid):
    """The form does not say which item it answers, or answers it in part only."""

    code = "answer_unreadable"
    message: ClassVar = {
        "th": "คำตอบยังไม่ครบ จึงยังไม่ได้บันทึก",
        "en": "The answer is not complete, so it was not saved.",
    }
    way_on: ClassVar = {"th": "โปรดตอบให้ครบแล้วส่งอีกครั้ง", "en": "Please complete it and send it again."}


def read_answer(form: MultiDict[str, str]) -> assessment.Answer:
    """One answer.

    form     fields `presentation`, `kind`, `client_id`, `active_ms`, and by kind `value`, `order-<id>` or `match-<id>`;
             any other field (a score, a flag) is ignored. The kind says only how the fields are read: the room judges the value
             by the kind of the item that it has shown
             `flag` twice at the most: "0" for a form that asks, "1" for yes; `go`, see `read_place`
    Returns  the answer; its value is None, which the room refuses for every kind, when it is there in part or not at all
    Raises   AnswerUnreadable when the form does not name the item
    """
    try:
        presentation = UUID(form.get("presentation", ""))
    except ValueError:
        raise AnswerUnreadable from None
    value = _value(form)
    flags = form.getlist("flag")
    return assessment.Answer(
        presentation_uuid=presentation,
        client_id=form.get("client_id", ""),
        value=value,
        is_flagged="1" in flags if flags else None,
        is_leaving=read_place(form.get("go")) is not None and (value is not None or not _is_begun(form)),
        active_ms=_whole(form.get("active_ms", "")),
        away_count=_whole(form.get("away_count", "")),
        away_ms=_whole(form.get("away_ms", "")),
    )


def read_place(text: str | None) -> int | None:
    """The place in the test that a person goes to next, 0 for its summary; None for the one that follows, and for what is no place."""
    return _whole(text or "")


def fields_of(kind: str, value: Any) -> MultiDict[str, str]:
    """The fields with which a form of this kind gives this value; none for no value."""
    match kind, value:
        case _, None:
            return MultiDict()
        case "multiple_choice", list():
            return MultiDict([("value", one) for one in value])
        case "true_false", bool():
            return MultiDict({"value": "true" if value else "false"})
        case "ordering", list():
            return MultiDict({f"order-{one}": str(place) for place, one in enumerate(value, start=1)})
        case "matching", dict():
            return MultiDict({f"match-{one}": target for one, target in value.items()})
        case _:
            return MultiDict({"value": str(value)})


def _is_begun(form: MultiDict[str, str]) -> bool:
    """Whether something was put down, if only in part."""
    return any(value.strip() for name, value in form.items(multi=True) if name == "value" or name.startswith(("match-", "order-")))


def _whole(text: str) -> int | None:
    """A number as a script sends it; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_ACTIVE_DIGITS else None


def _value(form: MultiDict[str, str]) -> Any:
    match form.get("kind"):
        case "multiple_choice":
            value: Any = form.getlist("value")
        case "true_false":
            value = {"true": True, "false": False}.get(form.get("value", ""))
        case "ordering":
            value = _ordered(_behind(form, "order-"))
        case "matching":
            value = _behind(form, "match-")
        case "single_choice" | "numeric" | "short_text":
            value = form.get("value", "").strip()
        case _:
            value = None
    return None if value in ("", [], {}) else value


def _ordered(places: dict[str, str] | None) -> list[str] | None:
    """Ids by their place; every place from 1 on must be taken once, else None."""
    if places is None or sorted(places.values()) != sorted(str(n) for n in range(1, len(places) + 1)):
        return None
    return sorted(places, key=lambda one: int(places[one]))


def _behind(form: MultiDict[str, str], prefix: str) -> dict[str, str] | None:
    """Fields of one prefix, by what stands behind it; None when one of them is empty."""
    fields = {name.removeprefix(prefix): value for name, value in form.items() if name.startswith(prefix)}
    return fields if all(fields.values()) else None
