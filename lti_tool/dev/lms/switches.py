"""The switches as a form: habits and faults read from its fields, scripts written as statuses in a row. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from lti_tool.dev.lms.config import Habits
from lti_tool.dev.lms.faults import SCRIPTS, Faults, ServiceFault

_WORDS: Final = ("id_token", "key_set", "configuration_kind", "auth_error")
_SECONDS: Final = ("clock_offset_seconds", "key_set_delay_seconds")
_FLAGS: Final = ("members_next_is_same_page", "tool_key_set_is_blocked")
_HABIT_FLAGS: Final = ("resizes_frame", "has_sound_links", "has_differences", "has_privacy_launch")


def read(form: Mapping[str, str], more: Any) -> tuple[Habits, Faults]:
    """Habits and faults as a filled form has them.

    more     switches that have no field of their own, as a control document
    Raises   ValueError for a switch, name or script that does not exist
    """
    if not isinstance(more, dict):
        raise ValueError("further switches are one JSON object")  # noqa: TRY004  one class of refusal for the whole form
    document: dict[str, Any] = {**more, **{name: form.get(name, "") for name in _WORDS}}
    document |= {name: float(form.get(name) or 0) for name in _SECONDS}
    document |= {name: name in form for name in _FLAGS}
    document |= {name: read_script(form.get(name, "")) for name in SCRIPTS if form.get(name)}
    habits = Habits(
        shape=form.get("shape", "moodle"),
        storage_frame=form.get("storage_frame", "").strip(),
        **{name: name in form for name in _HABIT_FLAGS},
    )
    return habits, Faults.from_json(document)


def read_script(text: str) -> list[dict[str, Any]]:
    """A script of statuses in a row: `500 503 429:2 200+` is an error, another, "later" with Retry-After 2, and a lost answer."""
    return [_entry(word) for word in text.split()]


def script_text(script: list[ServiceFault]) -> str:
    """What is left of a script, as `read_script` takes it."""
    return " ".join(
        f"{fault.status}{f':{fault.retry_after}' if fault.retry_after else ''}{'+' if fault.is_stored else ''}" for fault in script
    )


def beyond_the_form(faults: Faults) -> dict[str, Any]:
    """The switches that are on and have no field of their own."""
    inert = Faults().to_json()
    shown = {*_WORDS, *_SECONDS, *_FLAGS, *SCRIPTS}
    return {name: value for name, value in faults.to_json().items() if name not in shown and value != inert[name]}


def _entry(word: str) -> dict[str, Any]:
    status, _, retry_after = word.removesuffix("+").partition(":")
    if not status.isdecimal():
        raise ValueError(f"not a status: {word}")
    return {"status": int(status), "retry_after": retry_after, "is_stored": word.endswith("+")}
