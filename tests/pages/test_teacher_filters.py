"""What an address asks of the teacher's page, and what a spreadsheet gets: pure rules."""

import csv
import io

import pytest

from kernel.csv_file import csv_bytes
from lti_tool.views.teacher import read_asked
from lti_tool.workflows.roster import Asked


def test_an_address_says_state_order_name_and_page():
    asked = read_asked({"state": "open", "sort": "activity", "q": " ใจดี ", "page": "3"})

    assert asked == Asked("open", "activity", "ใจดี", 3)


@pytest.mark.parametrize(
    "query",
    [
        {"state": "x", "sort": "x", "page": "x"},
        {"page": "-1"},
        {"page": "1e9"},
        {"page": "9999999"},
        {"page": "๓"},
        {"q": " "},
        {"state": ""},
    ],
)
def test_what_an_address_says_that_is_unknown_counts_as_not_said(query):
    assert read_asked(query) == Asked()


def test_a_search_is_cut_and_holds_no_nul():
    assert read_asked({"q": "ก" * 500}).search == "ก" * 100
    assert read_asked({"q": "a\0b"}).search == "ab"


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "\0x", "＝1", "＋1", "－1", "＠x"])
def test_s25_a_name_that_looks_like_a_formula_stays_a_name(cell):
    ((read,),) = csv.reader(io.StringIO(csv_bytes([[cell]]).decode("utf-8-sig"), newline=""))

    assert read == f"'{cell}"


def test_s25_thai_numbers_and_quotes_come_through():
    made = csv_bytes([["ชื่อ", "คะแนน"], ['นางสาว "กมล", ใจดี\nบรรทัดสอง', 72.5], [None, -3]])

    assert made.startswith(b"\xef\xbb\xbf")
    assert made.count(b"\r\n") == 3
    rows = list(csv.reader(io.StringIO(made.decode("utf-8-sig"), newline="")))
    assert rows == [["ชื่อ", "คะแนน"], ['นางสาว "กมล", ใจดี\nบรรทัดสอง', "72.5"], ["", "-3"]]
