"""Answers of 1,000 people to section 6 of the Law School Admission Test: Bock & Lieberman (1970), table 1."""

from assessment.score_tables import Responses

COUNTS = {
    "00000": 3, "00001": 6, "00010": 2, "00011": 11, "00100": 1, "00101": 1, "00110": 3, "00111": 4,
    "01000": 1, "01001": 8, "01011": 16, "01101": 3, "01110": 2, "01111": 15, "10000": 10, "10001": 29,
    "10010": 14, "10011": 81, "10100": 3, "10101": 28, "10110": 15, "10111": 80, "11000": 16, "11001": 56,
    "11010": 21, "11011": 173, "11100": 11, "11101": 61, "11110": 28, "11111": 298,
}  # fmt: skip


def lsat6() -> Responses:
    rows = [tuple(map(float, pattern)) for pattern, count in COUNTS.items() for _ in range(count)]
    return Responses(tuple(f"item{place}" for place in range(1, 6)), tuple(rows))


def lsat6_csv() -> str:
    table = lsat6()
    return "\n".join([",".join(table.items), *(",".join(f"{score:.0f}" for score in row) for row in table.rows)]) + "\n"
