"""docs/security.md says what runs: rights, bounds, events, parts."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import lti_tool.models  # noqa: F401  all tables
from kernel.db import Base, Database
from lti_tool.app import create_app
from lti_tool.settings import Settings
from lti_tool.web.principal import roles_of
from xapi.models import metadata as xapi_metadata

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text()
ROOMS = ("assessment", "kernel", "learning", "lti_tool", "roadmap", "xapi")
BOUND = re.compile(r"^\| [^|]+ \| ([\d,]+)[^|]*\| `([\w.]+):(\w+)` \|$", re.MULTILINE)
AUDITED = re.compile(r"[a-z_]+\.[a-z_]+")
NOTES = {"append_audit", "_note", "_audit"}
LEVELS = {"debug", "info", "warning", "error", "exception"}


def modules() -> Iterator[ast.Module]:
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        if not path.is_relative_to(ROOT / "lti_tool/dev"):
            yield ast.parse(path.read_text())


def texts_in(node: ast.AST) -> Iterator[str]:
    yield from (one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str))


def audited() -> set[str]:
    """Every event that some line of the code writes into the audit log."""
    found = set()
    for tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rsplit(".", 1)[-1] in NOTES:
                given = [*node.args, *(word.value for word in node.keywords if word.arg == "event")]
                found |= {text for part in given if not isinstance(part, ast.Call) for text in texts_in(part) if AUDITED.fullmatch(text)}
            if isinstance(node, ast.Assign | ast.AnnAssign) and ast.unparse(node).startswith("event"):
                found |= {text for text in texts_in(node) if AUDITED.fullmatch(text)}
    return found


def logged() -> set[str]:
    calls = (node for tree in modules() for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args)
    names = ((call.func, call.args[0]) for call in calls)
    return {
        first.value
        for name, first in names
        if isinstance(name, ast.Attribute) and name.attr in LEVELS and ast.unparse(name.value) == "log" and isinstance(first, ast.Constant)
    }


def listed(name: str) -> set[str]:
    part = PAGE.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]
    return set(re.findall(r"`([^`]+)`", part))


@pytest.mark.parametrize(("written", "module", "name"), BOUND.findall(PAGE), ids=lambda part: part)
def test_v2_a_bound_is_what_the_code_says(written: str, module: str, name: str):
    assert float(written.replace(",", "")) == getattr(import_module(module), name)


def test_v2_the_bounds_are_read_from_the_page():
    assert len(BOUND.findall(PAGE)) > 20


def test_v16_every_event_of_the_audit_log_is_listed():
    assert listed("audit") == audited()


def test_v16_every_event_of_the_log_is_listed():
    assert listed("log") == logged()


def test_v8_the_table_of_rights_is_that_of_the_pages(tmp_path: Path):
    table = dict(re.findall(r"^\| ([\w ]+) \| [^|]+ \| ([^|]+) \|$", PAGE.split("## Who is who")[1].split("## Sessions")[0], re.MULTILINE))
    said = {(role, page) for role, pages in table.items() for page in re.findall(r"`(\w+)`", pages)}
    app = create_app(Settings(data_dir=tmp_path), database=Database(f"sqlite:///{tmp_path / 'none.sqlite'}"))
    found, of_its_own = set(), set()
    for rule in app.url_map.iter_rules():
        if "launch" in rule.arguments and not hasattr(app.view_functions[rule.endpoint], "kaona_roles"):
            of_its_own.add(rule.endpoint)
        elif "launch" in rule.arguments:
            page = rule.endpoint.split(".")[0].replace("learner", "learn")
            found |= {(role.value, page) for role in roles_of(app.view_functions[rule.endpoint])} or {("everybody with a launch", page)}

    assert said - {("steward", "privacy")} == found - BESIDE
    assert of_its_own == {"platforms.check"}  # it asks for the right within its first transaction


CRYPTOGRAPHY = {"cryptography", "hashlib", "hmac", "joserfc", "secrets", "ssl"}


def importing(names: set[str]) -> set[str]:
    """Modules of production that import one of these packages, or such a name from anywhere."""
    found = set()
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            if not module.startswith("lti_tool.dev."):
                for node in ast.walk(ast.parse(path.read_text())):
                    if isinstance(node, ast.Import) and names & {alias.name.partition(".")[0] for alias in node.names}:
                        found.add(module)
                    if isinstance(node, ast.ImportFrom) and names & {(node.module or "").partition(".")[0], *(a.name for a in node.names)}:
                        found.add(module)
    return found


def test_v11_the_inventory_of_cryptography_is_that_of_the_code():
    assert listed("cryptography") == importing(CRYPTOGRAPHY)


def test_v13_the_list_of_who_calls_other_systems_is_that_of_the_code():
    assert listed("calls") == importing({"GuardedClient"})


def test_v14_every_table_has_a_class():
    assert listed("data") == set(Base.metadata.tables) | set(xapi_metadata.tables)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("Keys and algorithms", "rotate-keys"),
        ("Keys and algorithms", "What to do when a secret is out"),
        ("Bounds", "Costly work"),
        ("Bounds", "judged together"),
        ("What the tool talks to", "a host of its own"),
        ("What the tool talks to", "If one of them is away"),
        ("Parts of others", "within 7 days"),
    ],
)
def test_v15_the_page_holds_what_has_to_be_written_down(section: str, said: str):
    assert said in PAGE.split(f"## {section}\n")[1].split("\n## ")[0]


BESIDE = {("learner", "designer"), ("designer", "resource")}
"""The way back from a preview is the learner's of the preview."""


def test_v15_every_part_has_its_digest_and_no_list_names_an_index():
    lists = sorted((ROOT / "requirements").glob("*.txt"))

    assert lists
    for path in lists:
        text = re.sub(r"\\\n", " ", path.read_text())
        parts = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
        assert [line for line in parts if not re.match(r"[\w.\[\]-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)] == [], path
        assert "://" not in text.replace("# via", "")
