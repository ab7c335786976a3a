"""Requirements of OWASP ASVS 5.0.0 that no other test shows; docs/asvs.md names each."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.ids import MIN_SECRET_BYTES, new_token
from lti_tool.app import create_app
from lti_tool.settings import Settings

ROOT = Path(__file__).parents[2]
PACKAGES = ("assessment", "kernel", "learning", "lti_tool", "roadmap", "xapi")
SCRIPTS = sorted(ROOT.glob("lti_tool/static/*.js"))
TEMPLATES = sorted(ROOT.glob("templates/**/*.html"))

FORBIDDEN_CALLS = {
    "eval", "exec", "os.system", "os.popen", "pickle.loads", "pickle.load", "marshal.loads", "yaml.load", "hashlib.md5", "hashlib.sha1",
    "flask.render_template_string", "render_template_string",
}  # fmt: skip
UNSAFE_SCRIPT = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|localStorage|indexedDB|document\.cookie"
)
KEEPERS = {"answer.js", "unsaved.js"}
"""Scripts that use a store of the browser: what an attempt has not saved yet, for its tab, until it is saved or somebody else is here."""
RE_CALLS = {f"re.{name}" for name in ("compile", "match", "fullmatch", "search", "sub", "split", "findall", "finditer")}
OWN_NAMES = {"lti_tool/migrate.py", "xapi/lags.py", "xapi/partitions.py", "xapi/retention.py"}
"""Where SQL is put together from names of our own tables and from months, which no parameter can stand for."""
OWN_PATTERNS = {"learning/reasons.py", "roadmap/framework.py", "xapi/persons.py", "xapi/slices.py"}
"""Where a pattern or a format is put together from texts of the code, or from names that are escaped one by one."""
CHANCE = {"assessment/simulate.py", "kernel/outbox.py", "lti_tool/workflows/gradebook.py", "xapi/delivery.py"}
"""Where chance is no secret: simulated people, and pauses that shall not coincide."""


def forbidden_in(source: str) -> Iterator[str]:
    """Calls that run text as code, read objects from bytes, start a shell or hash by a broken function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            is_mere_checksum = any(word.arg == "usedforsecurity" and ast.unparse(word.value) == "False" for word in node.keywords)
            if (name in FORBIDDEN_CALLS and not is_mere_checksum) or any(word.arg == "shell" for word in node.keywords):
                yield name


def built_sql_in(source: str) -> Iterator[str]:
    """SQL texts that are put together from values."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    texts = (node.args[0] for node in calls if ast.unparse(node.func) in {"text", "sa.text", "sqlalchemy.text"} and node.args)
    yield from (ast.unparse(text) for text in texts if not isinstance(text, ast.Constant | ast.Name | ast.Attribute))


def modules() -> list[Path]:
    """The code that an installation runs; the demo LMS is for trying things out."""
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return [path for path in files if not path.is_relative_to(ROOT / "lti_tool/dev")]


@pytest.fixture
def official(migrated_database, installation, now):
    """The tool as it stands behind its proxy, not in development mode."""
    settings = Settings(data_dir=installation, public_url="https://kaona.example.go.th")
    return create_app(settings, clock=lambda: now, database=migrated_database).test_client()


def test_v1_no_code_runs_texts_reads_objects_starts_a_shell_or_hashes_by_a_broken_function():
    found = {f"{path.relative_to(ROOT)}: {name}" for path in modules() for name in forbidden_in(path.read_text())}

    assert found == set()


def test_v1_no_sql_is_put_together_from_values():
    found = {str(path.relative_to(ROOT)) for path in modules() for _ in built_sql_in(path.read_text())}

    assert found == OWN_NAMES


def patterns_and_formats_in(source: str) -> Iterator[str]:
    """Patterns and formats that are no constants of the module: what a person wrote could be one."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name, first = ast.unparse(node.func), node.args[0]
        if name in RE_CALLS and not _is_fixed(first):
            yield ast.unparse(node)
        if name.endswith("format_map") or (isinstance(node.func, ast.Attribute) and node.func.attr == "__mod__"):
            yield ast.unparse(node)


def _is_fixed(node: ast.AST) -> bool:
    """A text that stands in the source, or is put together from names in capitals."""
    if isinstance(node, ast.BinOp):
        return _is_fixed(node.left) and _is_fixed(node.right)
    if isinstance(node, ast.JoinedStr):
        return all(_is_fixed(part.value) for part in node.values if isinstance(part, ast.FormattedValue))
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) == "re.escape" or (isinstance(node.func, ast.Attribute) and _is_fixed(node.func.value))
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node).rsplit(".", 1)[-1].isupper())


def test_v1_no_pattern_is_made_from_a_text_of_a_person():
    found = {str(path.relative_to(ROOT)) for path in modules() for _ in patterns_and_formats_in(path.read_text())}

    assert found == OWN_PATTERNS


def test_the_rules_can_fail():
    bad = "import os, hashlib\nos.system('ls')\nhashlib.md5(b'')\nrun(c, shell=True)\ndb.execute(text(f'SELECT {x}'))\ntext('a' + b)\n"

    assert list(patterns_and_formats_in("re.compile(name)\nre.compile(A + r'x')\ntext.format_map(given)")) == [
        "re.compile(name)",
        "text.format_map(given)",
    ]
    assert set(forbidden_in(bad)) == {"os.system", "hashlib.md5", "run"}
    assert len(list(built_sql_in(bad))) == 2


def test_v1_no_template_switches_escaping_off():
    for path in TEMPLATES:
        assert not re.search(r"\|\s*safe\b|autoescape\s+false", path.read_text()), path


def test_v3_no_script_writes_html_or_keeps_anything_in_the_browsers_stores_but_answers_not_saved_yet():
    assert SCRIPTS
    for path in SCRIPTS:
        assert UNSAFE_SCRIPT.search(path.read_text()) is None, path
    assert {path.name for path in SCRIPTS if "sessionStorage" in path.read_text()} == KEEPERS


def test_v11_chance_that_can_be_guessed_is_used_for_no_secret():
    imports = re.compile(r"^(import random|from random)", re.MULTILINE)
    users = {str(path.relative_to(ROOT)) for path in modules() if imports.search(path.read_text())}

    assert users == CHANCE


def test_v11_a_secret_has_128_bits_or_more():
    made = {new_token(MIN_SECRET_BYTES) for _ in range(1000)}

    assert (len(made), MIN_SECRET_BYTES * 8) == (1000, 128)
    with pytest.raises(ValueError, match="128 bits"):
        new_token(MIN_SECRET_BYTES - 1)


@pytest.mark.parametrize("path", ["/", "/healthz", "/nowhere", "/lti/keys", "/static/kaona.css", "/xapi/about"])
def test_v3_v4_every_answer_names_its_type_asks_for_https_and_invites_no_other_origin(official, path):
    answer = official.get(path, headers={"Origin": "https://evil.example"})

    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-")]
    kind = answer.headers["Content-Type"]
    assert kind.startswith("application/json") or "charset=utf-8" in kind.lower()


@pytest.mark.parametrize("path", ["/static/", "/.git/config", "/static/../app.py", "/static/%2e%2e/app.py", "/templates/base.html"])
def test_v13_neither_listings_nor_files_beside_the_public_ones_are_given_out(official, path):
    assert official.get(path).status_code == 404


def test_v13_trace_is_refused_and_nothing_is_echoed(official):
    answer = official.open("/", method="TRACE", headers={"X-Secret": "abc123"})

    assert answer.status_code == 405
    assert "abc123" not in answer.text


def test_v13_an_installation_runs_without_debugging(official):
    assert (official.application.debug, official.application.testing) == (False, False)
    assert official.get("/console").status_code == 404


def test_h59_v16_line_breaks_and_escapes_of_strangers_stay_inside_one_line_on_standard_error_alone(official, capfd):
    forged = '%0d%0a{"event":"launched","user":1}%0d%0a%1b[31mred%00'

    official.get(f"/nowhere{forged}", headers={"User-Agent": "a\tb", "X-Forwarded-For": "1.2.3.4"})
    official.post("/lti/login", data={"iss": "https://lms.example\r\n{}\x1b[2J", "login_hint": "x", "target_link_uri": "x"})

    out, err = capfd.readouterr()
    lines = [json.loads(line) for line in err.splitlines()]
    assert out == ""
    assert [line["event"] for line in lines] == ["refused", "refused"]
    assert lines[0]["path"].startswith("/nowhere\r\n{")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", err)


def test_v11_no_weak_mode_or_padding_of_encryption_is_used():
    weak = re.compile(r"\bECB\b|modes\.(CBC|CFB|OFB)|padding\.PKCS1v15|RSA1_5|\bARC4\b|TripleDES")

    assert [path for path in modules() if weak.search(path.read_text())] == []
