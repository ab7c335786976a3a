import pytest

from kernel.strictjson import InvalidJson, dumps, loads, loads_with_texts


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[1,]", '{"a":1,}', "NaN", "[Infinity]", "-Infinity", "01", "1.", "'a'", '{"a":1}{"b":2}', "\ufeff{}", "// c\n1",
        '{"a":1,"a":1}', '{"x":{"b":1,"b":2}}', '[{"a":1,"\\u0061":2}]',
        '"\\u0000"', '{"a\\u0000b":1}', '"\\ud800"', '"\\udc00\\ud800"',
        "[" * 101 + "]" * 101, "[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_not_one_clean_json_text_is_refused(text):
    with pytest.raises(InvalidJson):
        loads(text)
    with pytest.raises(InvalidJson):
        loads_with_texts(text.encode())
    with pytest.raises(InvalidJson):
        loads_with_texts(f"[{text}]".encode() if text else b"[,]")


@pytest.mark.parametrize("data", [b'"\xff"', b'"\xed\xa0\x80"', b'"\x00"'])
def test_broken_utf8_and_raw_nul_are_refused(data):
    for read in (loads, loads_with_texts):
        with pytest.raises(InvalidJson):
            read(data)


def test_what_is_clean_comes_through_unchanged():
    assert loads('{"ชื่อ":"ก้าวหน้า","n":[1,2.50,true,null],"escaped":"\\\\u0000"}') == {
        "ชื่อ": "ก้าวหน้า",
        "n": [1, 2.5, True, None],
        "escaped": "\\u0000",
    }


def test_nesting_up_to_the_bound_is_read():
    assert loads("[" * 100 + "]" * 100)

    assert loads_with_texts(b"[" * 100 + b"]" * 100)
    with pytest.raises(InvalidJson):
        loads_with_texts(b'[{"a":"[[{{"},' + b"[" * 100 + b"]" * 100 + b"]")


def test_the_texts_of_a_list_are_its_elements_letter_for_letter():
    value, texts = loads_with_texts(' [ {"n": 1.50, "ก" : "]},"} ,\n[1,\t2] , "a,b",null]\r\n'.encode())

    assert value == [{"n": 1.5, "ก": "]},"}, [1, 2], "a,b", None]
    assert texts == ['{"n": 1.50, "ก" : "]},"}', "[1,\t2]", '"a,b"', "null"]
    assert loads_with_texts(b"[ ]") == ([], [])
    assert loads_with_texts(b' {"a": 1} \n') == ({"a": 1}, ['{"a": 1}'])
    assert loads_with_texts('[{"n":1.5,"ก":"]},"},[1,2],null]'.encode()) == (
        [{"n": 1.5, "ก": "]},"}, [1, 2], None],
        ['{"n":1.5,"ก":"]},"}', "[1,2]", "null"],
    )
    assert loads_with_texts(b'{"a":1}') == ({"a": 1}, ['{"a":1}'])
    assert loads_with_texts(b'[{"a":1e2,"b":"\\u0e01"}]') == ([{"a": 100.0, "b": "ก"}], ['{"a":1e2,"b":"\\u0e01"}'])


@pytest.mark.parametrize(
    "text", ['[{"a":1,"a":1}]', '{"a":{"b":1,"b":1}}', '[{"a":100.0},{"b":1,"a":1e2,"a":1}]', '[{"a b":1,"ab":2,"a b":3}]']
)
def test_a_member_that_is_given_twice_in_compact_text_is_refused(text):
    with pytest.raises(InvalidJson, match="twice"):
        loads_with_texts(text.encode())


def test_what_is_written_can_be_read_again():
    value = {"th": "ก", "numbers": [0, -1, 1.5]}

    assert loads(dumps(value)) == value
