"""The picker's rules: what a designer's search, filters, ticks and terms make of the activities that there are. Pure."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lti_tool.workflows.placements import MAX_POINTS, POLICIES, Choice, PlacementView

ROWS_A_PAGE = 10
MAX_CHOSEN = 20
"""Activities that go to a course at once."""
MAX_QUERY_CHARACTERS = 200
MAX_DIGITS = 6
DEFAULT_POINTS = "100"
_TONES = re.compile("[\u0e47-\u0e4c\u200b-\u200d\u2060\ufeff]")
"""Marks above a Thai letter that change its tone or length or silence it, and characters that nobody sees."""
_SARA_AM = re.compile("\u0e4d([\u0e48-\u0e4b]?)\u0e32")
"""Sara am typed in parts."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the picker's form asks for; an empty part asks for nothing.

    area    node key of a competency area
    chosen  activities that are ticked, here or on other pages
    """

    query: str = ""
    area: str = ""
    level: int | None = None
    kind: str = ""
    page: int = 1
    chosen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Picked:
    """One page of the list; elsewhere is what is ticked and not on this page."""

    shown: tuple[Choice, ...]
    elsewhere: tuple[Choice, ...]
    n_found: int
    page: int
    n_pages: int


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms an activity goes into the course. points: as the person wrote them."""

    choice: Choice
    is_graded: bool
    points: str
    policy: str
    has_area_columns: bool

    @property
    def score_maximum(self) -> float | None:
        """Points of the column; None for what is not graded, and where no points can be read."""
        return read_points(self.points) if self.is_graded else None

    @property
    def is_sound(self) -> bool:
        """Whether what is graded has its points."""
        return not self.is_graded or self.score_maximum is not None


def read_wish(fields: Mapping[str, str], chosen: Iterable[str]) -> Wish:
    """The wish of a form; what it does not say, or says beyond all sense, asks for nothing."""
    level, page = (_whole(fields.get(name, "")) for name in ("level", "page"))
    return Wish(
        query=fields.get("q", "").strip()[:MAX_QUERY_CHARACTERS],
        area=fields.get("area", ""),
        level=level or None,
        kind=fields.get("kind", ""),
        page=page or 1,
        chosen=tuple(dict.fromkeys(chosen))[:MAX_CHOSEN],
    )


def pick(choices: Sequence[Choice], wish: Wish) -> Picked:
    """The page that a wish asks for; one beyond the last is the last."""
    found = [choice for choice in choices if _fits(choice, wish)]
    n_pages = max(1, -(-len(found) // ROWS_A_PAGE))
    page = min(max(1, wish.page), n_pages)
    shown = found[(page - 1) * ROWS_A_PAGE : page * ROWS_A_PAGE]
    elsewhere = [choice for choice in chosen_of(choices, wish.chosen) if choice not in shown]
    return Picked(tuple(shown), tuple(elsewhere), len(found), page, n_pages)


def chosen_of(choices: Iterable[Choice], activities: Collection[str]) -> list[Choice]:
    """The choices of these activities, each once, in the order of the list; what is not offered is left out."""
    return [choice for choice in choices if choice.activity in activities]


def first_terms(choice: Choice, placed: PlacementView | None = None) -> Terms:
    """The terms that a designer starts from: those of now where the activity stays, else what most want."""
    if placed is None or placed.activity != choice.activity:
        return Terms(choice, is_graded=choice.is_gradable, points=DEFAULT_POINTS, policy=POLICIES[0], has_area_columns=False)
    points = DEFAULT_POINTS if placed.score_maximum is None else f"{placed.score_maximum:g}"
    return Terms(choice, placed.score_maximum is not None, points, placed.attempts_policy, placed.has_area_columns)


def read_terms(choice: Choice, fields: Mapping[str, str]) -> Terms:
    """The terms as a form gives them; its fields are named by the activity."""
    return Terms(
        choice=choice,
        is_graded=choice.is_gradable and f"graded {choice.activity}" in fields,
        points=fields.get(f"points {choice.activity}", ""),
        policy=fields.get(f"policy {choice.activity}", POLICIES[0]),
        has_area_columns=f"areas {choice.activity}" in fields,
    )


def read_points(text: str) -> float | None:
    """Points as a person writes them, in Thai or Arabic digits; None for what is no number above 0, or beyond all sense."""
    try:
        points = float(text.strip().replace(",", ""))
    except ValueError:
        return None
    return points if 0 < points <= MAX_POINTS else None  # no comparison holds for NaN


def fold(text: str) -> str:
    """A text as it is searched: in one case and form, without tone marks and what nobody sees.

    So a word is found by who leaves out or mistakes a tone mark, as happens on telephones.
    """
    composed = _SARA_AM.sub("\\1\u0e33", unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold()))
    digits = "".join(str(unicodedata.decimal(one)) if one.isdecimal() else one for one in composed)
    return " ".join(_TONES.sub("", digits).split())


def _fits(choice: Choice, wish: Wish) -> bool:
    if wish.kind and choice.kind != wish.kind:
        return False
    if (wish.area and wish.area not in choice.areas) or (wish.level is not None and wish.level not in choice.levels):
        return False
    texts = fold(" ".join((*choice.title.values(), *choice.summary.values())))
    return all(word in texts for word in fold(wish.query).split())


def _whole(text: str) -> int:
    """A number of the address; 0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else 0
