"""Files of scores, groups, parameters and blueprints as psychometricians keep them: read whole or refused with the places. Pure.

A response file has a line of item names, then one line a person: 1, 0, a partial credit, or nothing for an item that was not seen.
"""

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any, ClassVar, Final

from assessment.blueprint import DomainRule
from assessment.errors import DocumentInvalid, Fault, InvalidItemParams
from assessment.irt import ItemParams, mean_step
from kernel import strictjson
from kernel.errors import KaonaError

NOT_SEEN: Final = math.nan
MAX_TOLD: Final = 20
"""Faults that a refusal names one by one."""

SHARE_ROUNDING: Final = 1e-6
PARAMETER_COLUMNS: Final = ("item", "a", "b", "c", "steps", "domain", "testlet", "enemies")
"""Of a bank file, beside step1, step2 ..."""

_STEP: Final = re.compile(r"step([1-9]\d?)")


class TableInvalid(DocumentInvalid):
    """A file cannot be read as what it should be; nothing was computed from it."""

    code = "table_invalid"
    message: ClassVar = {
        "th": "อ่านไฟล์ไม่ได้ มีข้อผิดพลาด {n_faults} จุด จึงไม่ได้คำนวณ: {faults}",
        "en": "The file cannot be read, so nothing was computed; {n_faults} faults: {faults}",
    }

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(faults)
        told = "; ".join(map(str, self.faults[:MAX_TOLD]))
        rest = len(self.faults) - MAX_TOLD
        self.details["faults"] = f"{told}; ... {rest} more" if rest > 0 else told


@dataclass(frozen=True, slots=True)
class Responses:
    """Scores of persons on items.

    items   names, in the order of the columns
    rows    one a person, one score an item, >= 0; NaN for an item that was not seen
    """

    items: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class BankRow:
    """One item of a bank file. testlet: the name that the items have in common that come together, in the order of their lines."""

    item: str
    params: ItemParams
    domain: str
    testlet: str = ""
    enemies: tuple[str, ...] = ()


def read_responses(content: bytes, *, dichotomous: bool = False) -> Responses:
    """A response file.

    dichotomous   whether 0 and 1 alone are scores
    Raises        TableInvalid with row (the first person is row 1) and column of each fault
    """
    header, lines = _table(content)
    faults: list[Fault] = []
    known: dict[str, float] = {"": NOT_SEEN, "0": 0.0, "1": 1.0}
    rows = []
    for number, cells in enumerate(lines, 1):
        if len(cells) != len(header):
            faults.append(Fault(f"row {number}", f"{len(cells)} cells where the heading has {len(header)}"))
            continue
        try:
            scores = tuple(map(known.__getitem__, cells))
        except KeyError:
            scores = tuple(_score(cell, known) for cell in cells)
            faults += [
                Fault(f"row {number}, column {header[place]}", f"{cells[place]!r} is no score")
                for place, score in enumerate(scores)
                if score == -1
            ]
        rows.append(scores)
    if dichotomous and not faults:
        faults = [
            Fault(f"row {number}, column {header[place]}", f"{score:g}: this model takes 0 and 1 alone")
            for number, scores in enumerate(rows, 1)
            for place, score in enumerate(scores)
            if score > 0 and score != 1
        ]
    if not rows and not faults:
        faults = [Fault("row 1", "there is nobody in the file")]
    _refuse(faults)
    return Responses(header, tuple(rows))


def read_groups(content: bytes, *, n_persons: int) -> tuple[str, ...]:
    """A group file: a heading, then one label a person in the order of the responses. Raises TableInvalid."""
    header, lines = _table(content)
    faults = [Fault("heading", f"{len(header)} columns where one is expected")] if len(header) != 1 else []
    faults += [
        Fault(f"row {number}", "there is no group" if len(cells) == 1 else f"{len(cells)} cells where one is expected")
        for number, cells in enumerate(lines, 1)
        if len(cells) != 1 or not cells[0]
    ]
    if len(lines) != n_persons:
        faults.append(Fault(f"row {min(len(lines), n_persons) + 1}", f"{len(lines)} groups for {n_persons} persons"))
    if len({cells[0] for cells in lines if cells}) == 1:
        faults.append(Fault("column 1", "everybody is in the same group"))
    _refuse(faults)
    return tuple(cells[0] for cells in lines)


def read_answers(content: bytes, responses: Responses) -> tuple[tuple[str, ...], ...]:
    """A file of what was answered, shaped as the responses that it goes with: the same heading, as many lines.

    Returns  one row a person; empty where nothing was answered
    Raises   TableInvalid
    """
    header, lines = _table(content)
    _refuse([] if header == responses.items else [Fault("heading", "the names are not those of the responses, in the same order")])
    faults = [
        Fault(f"row {number}", f"{len(cells)} cells where the heading has {len(header)}")
        for number, cells in enumerate(lines, 1)
        if len(cells) != len(header)
    ]
    if len(lines) != len(responses.rows):
        faults.append(Fault(f"row {min(len(lines), len(responses.rows)) + 1}", f"{len(lines)} lines for {len(responses.rows)} persons"))
    _refuse(faults)
    return tuple(map(tuple, lines))


def read_keys(content: bytes, *, items: Sequence[str]) -> dict[str, frozenset[str]]:
    """A file with the columns item and key: what is right; an item with several right answers has a line for each. Raises TableInvalid."""
    header, lines = _table(content)
    _refuse([] if header == ("item", "key") else [Fault("heading", "the columns item and key are expected")])
    faults = []
    found: dict[str, frozenset[str]] = {}
    for number, cells in enumerate(lines, 1):
        if len(cells) != len(header) or not all(cells):
            faults.append(Fault(f"row {number}", "an item and its key are expected"))
        elif cells[0] not in items:
            faults.append(Fault(f"row {number}", f"the responses have no item {cells[0]}"))
        else:
            found[cells[0]] = found.get(cells[0], frozenset()) | {cells[1]}
    _refuse(faults)
    return found


def read_estimates(content: bytes) -> tuple[tuple[float, float], ...]:
    """A file with the columns theta and se: one ability a line, logits, with its standard error above 0. Raises TableInvalid."""
    header, lines = _table(content)
    _refuse([] if header == ("theta", "se") else [Fault("heading", "the columns theta and se are expected")])
    faults, found = [], []
    for number, cells in enumerate(lines, 1):
        try:
            theta, se = map(float, cells)
        except ValueError:
            theta, se = math.nan, math.nan
        if not (math.isfinite(theta) and math.isfinite(se) and se > 0):
            faults.append(Fault(f"row {number}", "a number and a standard error above 0 are expected"))
        found.append((theta, se))
    if not lines:
        faults.append(Fault("row 1", "there is nobody in the file"))
    _refuse(faults)
    return tuple(found)


def read_bank(content: bytes) -> tuple[BankRow, ...]:
    """A bank file with the columns item, a, b, c, domain; a is 1, c is 0 and the domain is one where the column is missing.

    Partial credit is told by the steps of the generalised partial credit model, logits: in one column `steps`, with semicolons
    or blanks between them, or in the columns step1, step2 ... as far as an item has them; b may then be left out, being their
    mean. The columns `testlet` and `enemies` (names with semicolons or blanks between them) may be there, too.
    Raises   TableInvalid
    """
    header, lines = _table(content)
    numbered = sorted((name for name in header if _STEP.fullmatch(name)), key=lambda name: int(name[4:]))
    has_steps = bool(numbered) or "steps" in header
    faults = [Fault("heading", "there is no column item")] if "item" not in header else []
    faults += [Fault("heading", "there is no column b")] if "b" not in header and not has_steps else []
    faults += [Fault("heading", "the steps are either in one column or in several")] if numbered and "steps" in header else []
    faults += [
        Fault(f"column {name}", f"not one of {', '.join(PARAMETER_COLUMNS)}, step1, step2 ...")
        for name in header
        if name not in PARAMETER_COLUMNS and name not in numbered
    ]
    _refuse(faults)
    found: dict[str, BankRow] = {}
    for number, cells in enumerate(lines, 1):
        if len(cells) != len(header):
            faults.append(Fault(f"row {number}", f"{len(cells)} cells where the heading has {len(header)}"))
            continue
        row = dict(zip(header, cells, strict=True))
        if not row["item"] or row["item"] in found:
            faults.append(
                Fault(f"row {number}, column item", "the name is missing" if not row["item"] else f"{row['item']} stands there twice")
            )
            continue
        try:
            params = _params(row, [row[name] for name in numbered] if numbered else _several(row.get("steps", "")))
        except (ValueError, InvalidItemParams):
            reason = "a must be above 0, b a number, c from 0 to below 1"
            faults.append(Fault(f"row {number} ({row['item']})", reason + ("; c is 0 and b the mean of the steps" * has_steps)))
            continue
        found[row["item"]] = BankRow(
            row["item"], params, row.get("domain", ""), row.get("testlet", ""), tuple(_several(row.get("enemies", "")))
        )
    if not found and not faults:
        faults.append(Fault("row 1", "there is no item in the file"))
    faults += [
        Fault(f"column enemies ({one.item})", f"there is no item {enemy}")
        for one in found.values()
        for enemy in one.enemies
        if enemy not in found
    ]
    _refuse(faults)
    return tuple(found.values())


def _params(row: Mapping[str, str], cells: Sequence[str]) -> ItemParams:
    """Parameters of one line. cells: its steps, the empty ones at the end. Raises ValueError, InvalidItemParams."""
    steps = tuple(_number(cell) for cell in cells if cell)
    if any(cells[len(steps) :]):
        raise ValueError("a step is missing between others")
    b = _number(row.get("b"), mean_step(steps)) if steps else _number(row.get("b"))
    return ItemParams(_number(row.get("a"), 1.0), b, _number(row.get("c"), 0.0), steps)


def _several(cell: str) -> list[str]:
    return cell.replace(";", " ").split()


def read_blueprint(content: bytes, *, domains: Sequence[str]) -> dict[str, DomainRule]:
    """A blueprint file: shares of the domains that sum to 1, and minima and maxima where there are any.

    domains   those that the bank has
    Raises    TableInvalid
    """
    try:
        document = strictjson.loads(content)
    except KaonaError as error:
        raise TableInvalid([Fault("file", str(error))]) from None
    faults: list[Fault] = []
    parts: dict[str, Mapping[str, Any]] = {}
    if not isinstance(document, dict):
        raise TableInvalid([Fault("file", "an object with shares is expected")])
    faults += [Fault(name, "not one of shares, min, max") for name in document if name not in ("shares", "min", "max")]
    for name in ("shares", "min", "max"):
        value = document.get(name, {})
        parts[name] = value if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            faults.append(Fault(name, "an object from domain to number is expected"))
        for domain, number in parts[name].items():
            if domain not in domains:
                faults.append(Fault(f"{name}.{domain}", "the bank has no item of this domain"))
            elif (
                isinstance(number, bool)
                or not isinstance(number, int | float)
                or number < 0
                or (name != "shares" and number != int(number))
            ):
                faults.append(Fault(f"{name}.{domain}", f"{number!r} is no {'share' if name == 'shares' else 'count'}"))
    faults += [Fault(f"shares.{domain}", "there is no share") for domain in domains if domain not in parts["shares"]]
    if not faults and not math.isclose(sum(parts["shares"].values()), 1, abs_tol=SHARE_ROUNDING):
        faults.append(Fault("shares", f"they sum to {sum(parts['shares'].values()):g}, not to 1"))
    faults += [
        Fault(f"min.{domain}", "it is above the maximum")
        for domain in domains
        if not faults and parts["min"].get(domain, 0) > parts["max"].get(domain, math.inf)
    ]
    _refuse(faults)
    return {
        domain: DomainRule(parts["shares"][domain], int(parts["min"].get(domain, 0)), int(parts["max"].get(domain, 1_000_000)))
        for domain in domains
    }


def known_items(responses: Responses, bank: Mapping[str, ItemParams]) -> tuple[ItemParams, ...]:
    """The parameters of each column. Raises TableInvalid when the bank lacks one, or a score is none that its item has."""
    _refuse(Fault(f"column {name}", "the bank has no such item") for name in responses.items if name not in bank)
    items = tuple(bank[name] for name in responses.items)
    _refuse(
        Fault(f"row {number}, column {name}", f"{score:g}: the item has the scores 0 to {item.n_points}")
        for number, scores in enumerate(responses.rows, 1)
        for name, item, score in zip(responses.items, items, scores, strict=True)
        if score > item.n_points or (score >= 0 and score != int(score))
    )
    return items


def _table(content: bytes) -> tuple[tuple[str, ...], list[list[str]]]:
    """The heading and the lines that hold something; cells without blanks around them."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableInvalid([Fault(f"byte {error.start + 1}", "the file is not UTF-8")]) from None
    try:
        lines = [[cell.strip() for cell in line] for line in csv.reader(StringIO(text), strict=True)]
    except csv.Error as error:
        raise TableInvalid([Fault("file", f"no comma separated values: {error}")]) from None
    while lines and not lines[-1]:
        lines.pop()
    if not lines or not any(lines[0]):
        raise TableInvalid([Fault("heading", "the file has no line of names")])
    header = tuple(lines[0])
    faults = [Fault("heading", f"column {place} has no name") for place, name in enumerate(header, 1) if not name]
    faults += [Fault("heading", f"{name} stands there twice") for place, name in enumerate(header) if name and name in header[:place]]
    _refuse(faults)
    is_single = len(header) == 1
    return header, [[""] if is_single and not line else line for line in lines[1:]]


def _score(cell: str, known: dict[str, float]) -> float:
    """A score >= 0, or -1 for what is none."""
    if cell not in known:
        try:
            value = float(cell)
        except ValueError:
            value = -1.0
        known[cell] = value if math.isfinite(value) and value >= 0 and cell.isascii() and "_" not in cell else -1.0
    return known[cell]


def _number(cell: str | None, default: float | None = None) -> float:
    return default if not cell and default is not None else float(cell or "")


def _refuse(faults: Iterable[Fault]) -> None:
    found = list(faults)
    if found:
        raise TableInvalid(found)
