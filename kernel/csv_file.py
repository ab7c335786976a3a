"""Tables for spreadsheets, in which a text that looks like a formula stays a text."""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO

FORMULA_STARTS = tuple("=+-@\t\r\n\0＝＋－＠")
"""First characters that make a spreadsheet run a cell."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Stands before a file in UTF-8, so that Thai opens well everywhere."""


def csv_bytes(rows: Iterable[Sequence[object]]) -> bytes:
    """Rows as a whole file: UTF-8 with a byte order mark; see `csv_lines`."""
    return BYTE_ORDER_MARK + csv_lines(rows)


def csv_lines(rows: Iterable[Sequence[object]]) -> bytes:
    """Rows as CSV in UTF-8; a risky cell gets a quote before it.

    rows     cells of any kind; None is an empty one, a number stays a number
    Source   RFC 4180; OWASP, CSV injection
    """
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    if value is None or isinstance(value, int | float):
        return value
    shown = str(value)
    return f"'{shown}" if shown.startswith(FORMULA_STARTS) else shown
