"""Files of scores, groups, parameters and blueprints: what is read, and what is refused with its place."""

import math

import pytest

from assessment.irt import ItemParams
from assessment.score_tables import MAX_TOLD, TableInvalid, read_bank, read_blueprint, read_groups, read_responses


def places(refused: pytest.ExceptionInfo[TableInvalid]) -> list[str]:
    return [fault.place for fault in refused.value.faults]


def test_a_response_file_is_read_with_what_nobody_saw():
    table = read_responses("\ufeffข้อ1, q2 ,q3\r\n1,0,\r\n0,0.5,2\r\n\r\n".encode())

    assert table.items == ("ข้อ1", "q2", "q3")
    assert table.rows[0][:2] == (1, 0)
    assert math.isnan(table.rows[0][2])
    assert table.rows[1] == (0, 0.5, 2)


def test_a_file_of_one_column_may_have_lines_that_are_empty():
    assert len(read_responses(b"q1\n1\n\n0\n").rows) == 3


def test_ragged_rows_and_letters_are_told_together_with_their_rows_and_columns():
    with pytest.raises(TableInvalid) as refused:
        read_responses(b"q1,q2\n1,0\n1\n1,x\n-1,0\n0,1,1\n1,nan\n1,1_0\n")

    assert places(refused) == ["row 2", "row 3, column q2", "row 4, column q1", "row 5", "row 6, column q2", "row 7, column q2"]
    assert "nothing was computed" in str(refused.value)
    assert "ไม่ได้คำนวณ" in refused.value.sentence("th")


def test_a_model_of_two_answers_refuses_partial_credit_with_its_place():
    with pytest.raises(TableInvalid) as refused:
        read_responses(b"q1,q2\n1,0\n0,2\n", dichotomous=True)

    assert places(refused) == ["row 2, column q2"]


def test_of_many_faults_the_first_are_told_and_the_rest_are_counted():
    with pytest.raises(TableInvalid) as refused:
        read_responses(b"q1,q2\n" + b"1\n" * 100)

    assert len(refused.value.faults) == 100
    assert str(refused.value).count("row ") == MAX_TOLD
    assert "80 more" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"", "heading"),
        (b"\n", "heading"),
        (b"q1,\n1,1\n", "heading"),
        (b"q1,q1\n1,1\n", "heading"),
        (b"q1\n", "row 1"),
        (b"\xff\xfe", "byte 1"),
        (b'q1\n"1\n', "file"),
    ],
)
def test_what_is_no_table_is_refused_with_its_reason(content: bytes, place: str):
    with pytest.raises(TableInvalid) as refused:
        read_responses(content)

    assert places(refused) == [place]


def test_groups_are_read_in_the_order_of_people():
    assert read_groups("กลุ่ม\nชาย\nหญิง\n".encode(), n_persons=2) == ("ชาย", "หญิง")


@pytest.mark.parametrize(
    ("content", "place"), [(b"g\na\nb\n", "row 3"), (b"g\na\nb\na\nb\n", "row 4"), (b"g\na\n\nb\n", "row 2"), (b"g\na\na\na\n", "column 1")]
)
def test_groups_that_do_not_fit_are_refused(content: bytes, place: str):
    with pytest.raises(TableInvalid) as refused:
        read_groups(content, n_persons=3)

    assert place in places(refused)


def test_a_bank_may_leave_out_what_a_simpler_model_lacks():
    full, short = read_bank(b"item,a,b,c,domain\nx,1.2,-0.5,0.2,DLIT\n"), read_bank(b"b,item\n0.3,y\n")

    assert (full[0].params, full[0].domain) == (ItemParams(1.2, -0.5, 0.2), "DLIT")
    assert short[0].params == ItemParams(1, 0.3, 0)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"item,a\nx,1\n", "heading"),
        (b"item,b,colour\nx,1,red\n", "column colour"),
        (b"item,a,b\nx,-1,0\n", "row 1 (x)"),
        (b"item,b,c\nx,0,1\n", "row 1 (x)"),
        (b"item,b\nx,zero\n", "row 1 (x)"),
        (b"item,b\nx,0\nx,1\n", "row 2, column item"),
        (b"item,b\n,0\n", "row 1, column item"),
        (b"item,b\nx\n", "row 1"),
        (b"item,b\n", "row 1"),
    ],
)
def test_a_bank_that_breaks_its_form_is_refused_with_the_place(content: bytes, place: str):
    with pytest.raises(TableInvalid) as refused:
        read_bank(content)

    assert places(refused) == [place]


def test_a_blueprint_gives_each_domain_its_part():
    rules = read_blueprint(b'{"shares": {"A": 0.6, "B": 0.4}, "min": {"A": 3}, "max": {"B": 8}}', domains=["A", "B"])

    assert (rules["A"].share, rules["A"].minimum, rules["B"].maximum) == (0.6, 3, 8)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"[", "file"),
        (b"[]", "file"),
        (b'{"shares": []}', "shares"),
        (b'{"shares": {"A": 0.6, "B": 0.6}}', "shares"),
        (b'{"shares": {"A": 1}}', "shares.B"),
        (b'{"shares": {"A": 0.5, "B": 0.5}, "minimum": {}}', "minimum"),
        (b'{"shares": {"A": 0.5, "B": 0.4, "C": 0.1}}', "shares.C"),
        (b'{"shares": {"A": 0.5, "B": "x"}}', "shares.B"),
        (b'{"shares": {"A": 0.5, "B": 0.5}, "min": {"A": 1.5}}', "min.A"),
        (b'{"shares": {"A": 0.5, "B": 0.5}, "min": {"A": 5}, "max": {"A": 4}}', "min.A"),
    ],
)
def test_a_blueprint_that_contradicts_itself_or_the_bank_is_refused(content: bytes, place: str):
    with pytest.raises(TableInvalid) as refused:
        read_blueprint(content, domains=["A", "B"])

    assert place in places(refused)
