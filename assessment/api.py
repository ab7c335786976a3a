"""The door of the room: whatever another room may ask of it. Every function works within the caller's transaction."""

from assessment.catalogue import load_bank, load_form
from assessment.commands import close_overdue, get_step, keep_late_answer, start_attempt, submit_response
from assessment.queries import find_attempt, get_form, get_outcome, list_forms, list_outcomes
from assessment.views import (
    Answer,
    AreaOutcome,
    AttemptStart,
    AttemptSummary,
    BankReport,
    Cut,
    DomainView,
    FormView,
    ItemView,
    OptionView,
    Outcome,
    PersonProgress,
    ResponseView,
    Step,
)

__all__ = [
    "Answer",
    "AreaOutcome",
    "AttemptStart",
    "AttemptSummary",
    "BankReport",
    "Cut",
    "DomainView",
    "FormView",
    "ItemView",
    "OptionView",
    "Outcome",
    "PersonProgress",
    "ResponseView",
    "Step",
    "close_overdue",
    "find_attempt",
    "get_form",
    "get_outcome",
    "get_step",
    "keep_late_answer",
    "list_forms",
    "list_outcomes",
    "load_bank",
    "load_form",
    "start_attempt",
    "submit_response",
]
