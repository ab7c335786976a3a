"""Texts of pages: every message has its Thai, with the same places; nothing in the translation is left over."""

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from lti_tool.web import pages

ROOT = Path(__file__).resolve().parents[2]
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}
OUTSIDE = {"build", "var", "node_modules", "dev", "migrations", "__pycache__"}
PLACE = re.compile(r"%\((\w+)\)[sd]")


def used_messages() -> dict[str | tuple[str, str], str]:
    """Every message in code and templates, with the place where it stands."""
    with (pages.TRANSLATIONS / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    found = extract_from_dir(
        str(ROOT),
        methods,
        options,
        keywords=KEYWORDS,
        directory_filter=lambda name: Path(name).name not in OUTSIDE and not Path(name).name.startswith("."),
    )
    return {message: f"{name}:{line}" for name, line, message, _comments, _context in found}


def thai_catalog():
    with (pages.TRANSLATIONS / "th" / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale="th", abort_invalid=True)


def test_the_extraction_reaches_templates_and_code():
    places = " ".join(used_messages().values())

    assert "templates/learner/item.html" in places
    assert "lti_tool/web/pictures.py" in places


def test_every_message_used_stands_in_the_translation():
    known = {message.id for message in thai_catalog()}

    assert {message: place for message, place in used_messages().items() if message not in known} == {}


def test_the_translation_holds_nothing_that_is_not_used():
    used = used_messages()

    assert [message.id for message in thai_catalog() if message.id and message.id not in used] == []


def test_every_message_is_translated_in_thai_letters_and_none_is_fuzzy():
    for message in thai_catalog():
        if message.id:
            (text,) = message.string if isinstance(message.string, tuple) else (message.string,)
            assert re.search("[ก-๙]", PLACE.sub("", text)) or not re.search("[A-Za-z]{3}", PLACE.sub("", text)), message.id
            assert text, message.id
            assert not message.fuzzy, message.id


def test_places_in_a_translation_are_those_of_its_message():
    for message in thai_catalog():
        if message.id:
            ids = message.id if isinstance(message.id, tuple) else (message.id,)
            texts = message.string if isinstance(message.string, tuple) else (message.string,)
            expected = set().union(*(PLACE.findall(one) for one in ids))
            for text in texts:
                assert set(PLACE.findall(text)) == expected, message.id
                assert text.count("%") == len(PLACE.findall(text)), message.id


def test_no_template_holds_a_sentence_outside_of_gettext():
    prose = re.compile(r">[^<>{}]*[A-Za-zก-๙]{3,}[^<>{}]*<")
    own_names = {">English<", ">ภาษาไทย<", ">Client ID: <"}

    loose = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in sorted((ROOT / "templates").rglob("*.html"))
        for text in prose.findall(re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}|<!doctype html>", "", path.read_text(), flags=re.DOTALL))
        if text not in own_names
    ]

    assert loose == []


def test_translations_are_compiled_once_and_again_when_the_source_changes(tmp_path, monkeypatch):
    source = tmp_path / "source" / "th" / "LC_MESSAGES" / "messages.po"
    source.parent.mkdir(parents=True)
    source.write_text('msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "True"\nmsgstr "ถูก"\n')
    monkeypatch.setattr(pages, "TRANSLATIONS", tmp_path / "source")

    first = pages.compile_translations(tmp_path / "data")
    made = (first / "th" / "LC_MESSAGES" / "messages.mo").stat()
    again = pages.compile_translations(tmp_path / "data")
    source.write_text(source.read_text().replace("ถูก", "จริง"))
    changed = pages.compile_translations(tmp_path / "data")

    assert again == first
    assert (again / "th" / "LC_MESSAGES" / "messages.mo").stat() == made
    assert changed != first
    assert "จริง".encode() in (changed / "th" / "LC_MESSAGES" / "messages.mo").read_bytes()


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "–"), (0, "0%"), (0.001, "< 1%"), (0.0051, "1%"), (0.5, "50%"), (0.994, "99%"), (0.999, "> 99%"), (1, "100%")],
)
def test_a_percentage_is_nought_or_a_hundred_only_when_it_is_exactly_so(share, text):
    assert pages.percent_filter(share) == text


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (-0.001, "0.00"), (-1.5, "−1.50"), (2, "2.00")])
def test_a_number_has_a_real_minus_and_no_minus_before_nothing(value, text):
    assert pages.decimal_filter(value) == text
