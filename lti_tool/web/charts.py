"""Charts as SVG made on the server: no script, no inline style, good in print and in forced colours.

Every chart has a title and a description, says nothing by colour alone, and stands beside a table with the same numbers.
Colours come from the style sheet by class; shapes, numbers and texts are here. Texts are escaped.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

WIDTH = 320
"""Width of every chart in its own units: the narrowest screen, so that texts there keep their size."""

MIN_AXES, MAX_AXES = 3, 8
"""Axes of a radar: fewer say nothing, more cannot be read."""

LINE = 20
"""Height of a line of text."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One corner of a radar. value, target: 0 to the chart's maximum; None = not known, drawn as no point."""

    label: str
    value: float | None
    target: float | None = None
    text: str = ""
    """What stands under the label; the value by default."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. low, high: ends of the error bar, on the value's scale."""

    label: str
    value: float | None
    text: str
    """The value as it stands in the table."""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A named line across the bars (a cut score, a target)."""

    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Track:
    """One row of steps: where a person stands and what is asked. None = not known."""

    label: str
    level: int | None
    target: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Share:
    """One part of a stacked bar. tone: class of its colour and pattern (`level-0` ... `level-4`, `unknown`)."""

    label: str
    count: int
    tone: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One heatmap cell. value: 0..1 or None (hidden or unknown); text: what is written in it."""

    value: float | None
    text: str


def radar(axes: Sequence[Axis], *, maximum: int, title: str, description: str, name: str) -> Markup:
    """Values on three to eight axes, the target as a dashed polygon.

    maximum  value at the outer ring; every whole value has a ring with its number
    name     unique in the page; the base of the element ids
    Raises   ValueError with fewer than three or more than eight axes: such a shape says nothing
    """
    if not MIN_AXES <= len(axes) <= MAX_AXES:
        raise ValueError("a radar needs three to eight axes")
    radius, centre_x, centre_y = 96.0, WIDTH / 2, 168.0
    height = 300 if len(axes) == MIN_AXES else 352  # the lower corners of a triangle lie high

    def point(index: int, value: float) -> tuple[float, float]:
        angle = 2 * math.pi * index / len(axes) - math.pi / 2
        reach = radius * max(0.0, min(value, maximum)) / maximum
        return centre_x + reach * math.cos(angle), centre_y + reach * math.sin(angle)

    def polygon(values: Sequence[float], css: str) -> Markup:
        corners = " ".join(f"{_n(x)},{_n(y)}" for x, y in (point(i, v) for i, v in enumerate(values)))
        return Markup('<polygon class="{}" points="{}"/>').format(css, corners)

    parts = [polygon([ring] * len(axes), "grid") for ring in range(1, maximum + 1)]
    parts += [_line(*point(i, 0), *point(i, maximum), "grid") for i in range(len(axes))]
    known_targets = [axis.target for axis in axes if axis.target is not None]
    if len(known_targets) == len(axes):
        parts.append(polygon(known_targets, "target"))
    values = [axis.value for axis in axes]
    if all(value is not None for value in values):
        parts.append(polygon([value or 0.0 for value in values], "area"))
    for index, axis in enumerate(axes):
        if axis.value is not None:
            x, y = point(index, axis.value)
            parts.append(Markup('<circle class="dot" cx="{}" cy="{}" r="5"/>').format(_n(x), _n(y)))
        parts.append(_corner_label(axis, point(index, maximum), centre_x, centre_y))
    parts += [_text(centre_x + 7, centre_y - radius * ring / maximum + 4, str(ring), "ring") for ring in range(1, maximum + 1)]
    return _svg(parts, height=height, title=title, description=description, name=name, css="radar")


def bars(
    rows: Sequence[Bar],
    *,
    lowest: float,
    highest: float,
    marks: Sequence[Mark] = (),
    title: str,
    description: str,
    name: str,
) -> Markup:
    """Horizontal bars from `lowest`, each with its error bar and its number; marks are lines across all of them."""
    top = (LINE * len(marks) + 8) if marks else 4
    row_height = LINE + 30
    height = top + row_height * len(rows)

    def x(value: float) -> float:
        return WIDTH * (max(lowest, min(value, highest)) - lowest) / (highest - lowest)

    parts = []
    for index, mark in enumerate(marks):
        right_half = x(mark.value) > WIDTH * 0.6
        parts.append(_line(x(mark.value), LINE * index + 6, x(mark.value), LINE * (index + 1) + 2, "mark"))
        anchor, shift = ("end", -5) if right_half else ("start", 5)
        parts.append(_text(x(mark.value) + shift, LINE * index + 18, mark.label, "small", anchor=anchor))
    for index, row in enumerate(rows):
        y = top + row_height * index
        parts.append(_text(0, y + 16, row.label, "label"))
        parts.append(Markup('<rect class="rail" x="0.5" y="{}" width="{}" height="16"/>').format(_n(y + 24), _n(WIDTH - 1)))
        if row.value is not None:
            parts.append(Markup('<rect class="bar" x="0" y="{}" width="{}" height="16"/>').format(_n(y + 24), _n(x(row.value))))
        parts += [_line(x(mark.value), y + 20, x(mark.value), y + 44, "mark") for mark in marks]
        if row.low is not None and row.high is not None:
            low, high, middle = x(row.low), x(row.high), y + 32
            parts += [
                _line(low, middle, high, middle, "error-halo"),
                _line(low, middle, high, middle, "error"),
                _line(low, middle - 6, low, middle + 6, "error"),
                _line(high, middle - 6, high, middle + 6, "error"),
            ]
        parts.append(_text(WIDTH, y + 16, row.text, "value", anchor="end"))
    return _svg(parts, height=height, title=title, description=description, name=name, css="bars")


def tracks(rows: Sequence[Track], *, levels: Sequence[str], title: str, description: str, name: str) -> Markup:
    """A ladder of levels for each row: filled up to where the person stands, a flag where the target is.

    levels  names of the levels from rank 0 on; a row whose level is not known is hatched
    """
    row_height = LINE + 40
    height = row_height * len(rows) + LINE
    step = WIDTH / (len(levels) - 1)
    parts: list[Markup] = [_hatch(name)]
    for index, row in enumerate(rows):
        y = row_height * index
        parts.append(_text(0, y + 16, row.label, "label"))
        parts.append(_text(WIDTH, y + 16, row.text, "value", anchor="end"))
        for rank in range(1, len(levels)):
            css = "unknown" if row.level is None else ("reached" if rank <= row.level else "rail")
            parts.append(
                Markup('<rect class="{}" x="{}" y="{}" width="{}" height="16"{}/>').format(
                    css, _n(step * (rank - 1) + 1), _n(y + 24), _n(step - 2), _hatched(name, css)
                )
            )
        if row.target:
            flag_x = step * row.target - 2
            parts.append(_line(flag_x, y + 20, flag_x, y + 50, "flag-line"))
            parts.append(Markup('<path class="flag" d="M{0} {1} l-12 5 l12 5 z"/>').format(_n(flag_x), _n(y + 41)))
    parts += [_text(step * (rank - 0.5), height - 4, str(rank), "small", anchor="middle") for rank in range(1, len(levels))]
    return _svg(parts, height=height, title=title, description=description, name=name, css="tracks")


def stacked(shares: Sequence[Share], *, title: str, description: str, name: str) -> Markup:
    """One bar cut into shares, each with its number where it fits; the unknown part is hatched.

    Shares of 0 are left out. With no count at all the bar is an empty rail.
    """
    total = sum(share.count for share in shares)
    parts: list[Markup] = [_hatch(name), Markup('<rect class="rail" x="0.5" y="1" width="{}" height="28"/>').format(_n(WIDTH - 1))]
    left = 0.0
    for share in shares:
        if not share.count:
            continue
        width = WIDTH * share.count / total
        parts.append(
            Markup('<rect class="share {0}" x="{1}" y="1" width="{2}" height="28"{4}><title>{3}</title></rect>').format(
                share.tone, _n(left), _n(width), f"{share.label}: {share.count}", _hatched(name, share.tone)
            )
        )
        if width >= 9 * len(str(share.count)) + 6:
            parts.append(_text(left + width / 2, 20, str(share.count), f"inside {share.tone}", anchor="middle"))
        left += width
    return _svg(parts, height=30, title=title, description=description, name=name, css="stacked")


def heatmap(rows: Sequence[tuple[str, Sequence[Cell]]], columns: Sequence[str], *, title: str, description: str, name: str) -> Markup:
    """Rows by columns; each cell carries its text, its tone follows its value; a cell without a value is hatched."""
    head = 26 if all(column.isdigit() for column in columns) else 70
    row_height = LINE + 36
    height = head + row_height * len(rows)
    width = WIDTH / max(1, len(columns))
    parts: list[Markup] = [_hatch(name)]
    parts += [_box(width * i + 2, 0, width - 4, head, label, "column") for i, label in enumerate(columns)]
    for row_index, (label, cells) in enumerate(rows):
        y = head + row_height * row_index
        parts.append(_text(0, y + 15, label, "label"))
        for column, cell in enumerate(cells):
            tone = "unknown" if cell.value is None else f"heat-{min(4, int(max(0.0, cell.value) * 5))}"
            parts.append(
                Markup('<rect class="cell {0}" x="{1}" y="{2}" width="{3}" height="28"{4}/>').format(
                    tone, _n(width * column + 1), _n(y + 22), _n(width - 2), _hatched(name, tone)
                )
            )
            parts.append(_text(width * (column + 0.5), y + 41, cell.text, f"inside {tone}", anchor="middle"))
    return _svg(parts, height=height, title=title, description=description, name=name, css="heatmap")


def sparkline(
    points: Sequence[float],
    *,
    lowest: float,
    highest: float,
    band: Sequence[tuple[float, float]] = (),
    title: str,
    description: str,
    name: str,
) -> Markup:
    """A course of values from left to right, with the band of error around it when given (one low and high for each point)."""
    height = 80
    step = WIDTH / max(1, len(points) - 1)

    def at(index: int, value: float) -> str:
        y = 4 + (height - 8) * (1 - (max(lowest, min(value, highest)) - lowest) / (highest - lowest))
        return f"{_n(step * index)},{_n(y)}"

    parts: list[Markup] = []
    if band:
        upper = [at(i, high) for i, (_, high) in enumerate(band)]
        lower = [at(i, low) for i, (low, _) in enumerate(band)]
        parts.append(Markup('<polygon class="band" points="{}"/>').format(" ".join(upper + lower[::-1])))
    parts.append(Markup('<polyline class="line" points="{}"/>').format(" ".join(at(i, v) for i, v in enumerate(points))))
    return _svg(parts, height=height, title=title, description=description, name=name, css="sparkline")


def _svg(parts: Sequence[Markup], *, height: float, title: str, description: str, name: str, css: str) -> Markup:
    return Markup(
        '<svg class="chart {css}" viewBox="0 0 {width} {height}" role="img" aria-labelledby="{name}-title {name}-desc" focusable="false">'
        '<title id="{name}-title">{title}</title><desc id="{name}-desc">{desc}</desc>{body}</svg>'
    ).format(css=css, width=WIDTH, height=_n(height), name=name, title=title, desc=description, body=Markup("").join(parts))


def _corner_label(axis: Axis, corner: tuple[float, float], centre_x: float, centre_y: float) -> Markup:
    """The label of a radar axis, in a box of its own outside the outer ring, its lines broken by the browser (Thai too)."""
    x, y = corner
    box_width, box_height = 132.0, 62.0
    if abs(x - centre_x) < 1:
        left = centre_x - 100
        top = y - box_height - 4 if y < centre_y else y + 6
        return _box(left, top, 200, box_height, axis.label, "corner-top" if y < centre_y else "corner", axis.text)
    left = min(x - 40, WIDTH - box_width) if x > centre_x else max(x + 40 - box_width, 0)
    top = y + 8 if y > centre_y else y - box_height - 8
    return _box(left, top, box_width, box_height + 20, axis.label, "corner", axis.text)


def _box(x: float, y: float, width: float, height: float, label: str, css: str, strong: str = "") -> Markup:  # noqa: PLR0917  a shape
    extra = Markup("<strong>{}</strong>").format(strong) if strong else Markup("")
    return Markup('<foreignObject x="{}" y="{}" width="{}" height="{}"><div class="{}"><span>{} {}</span></div></foreignObject>').format(
        _n(x), _n(y), _n(width), _n(height), css, label, extra
    )


def _text(x: float, y: float, text: Any, css: str, *, anchor: str = "start") -> Markup:
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(css, _n(x), _n(y), anchor, text)


def _line(x1: float, y1: float, x2: float, y2: float, css: str) -> Markup:
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(css, _n(x1), _n(y1), _n(x2), _n(y2))


def _hatch(name: str) -> Markup:
    """The pattern of what is not known, under an id of this chart's own."""
    return Markup(
        '<defs><pattern id="{}-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect class="hatch-ground" width="6" height="6"/><rect class="hatch-line" width="2" height="6"/></pattern></defs>'
    ).format(name)


def _hatched(name: str, tone: str) -> Markup:
    return Markup(' fill="url(#{}-hatch)"').format(name) if tone == "unknown" else Markup("")


def _n(value: float) -> str:
    """A coordinate with at most one decimal, without a minus before nothing."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
