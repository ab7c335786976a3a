"""A page that names a test as its proof names one that there is; the counts of a table are those of its lines."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("README*.md")])
NAMED = re.compile(r"(tests/[\w/]+\.py)(?:::(\w+))?")
VERDICTS = ("shown", "not applicable", "not yet")


@cache
def names_in(path: Path) -> frozenset[str]:
    """Names of the tests of one file, those of classes too."""
    tree = ast.parse(path.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds) and node.name.startswith("test_"))


def missing_in(page: str, root: Path = ROOT) -> list[str]:
    """What a page names and is not there: files, and tests of files that are."""
    missing = []
    for match in NAMED.finditer(page):
        path, name = root / match[1], match[2]
        if not path.is_file() or (name is not None and name not in names_in(path)):
            missing.append(match[0])
    return missing


def verdict(cell: str) -> str:
    """What a line of the table of ASVS says."""
    kind = next((word for word in VERDICTS[1:] if cell.startswith(word + ":")), "shown")
    assert kind != "shown" or NAMED.search(cell), cell
    return kind


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_test_that_a_page_names_exists(page: Path):
    assert missing_in(page.read_text()) == []


def test_a_name_that_does_not_exist_is_found(tmp_path: Path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_a.py").write_text("def test_one(): ...\nclass A:\n    def test_two(self): ...\ndef helper(): ...\n")
    there = "`tests/test_a.py::test_one` `tests/test_a.py::test_two` `tests/test_a.py`"
    missing = ["tests/test_a.py::test_no", "tests/test_b.py::test_one", "tests/test_a.py::helper"]

    assert missing_in(f"{there} {' '.join(missing)}", tmp_path) == missing


def test_the_counts_of_the_asvs_table_are_those_of_its_lines():
    text = (ROOT / "docs/asvs.md").read_text()
    lines = re.findall(r"^\| (V\d+\.\d+(?:\.\d+)?) \| ([\d]+) \| .* \| (.+) \|$", text, re.MULTILINE)
    counts: Counter[str] = Counter()
    for _, n, cell in lines:
        counts[verdict(cell)] += int(n)

    told = {kind: int(n) for kind, n in re.findall(r"^\| (shown|not applicable|not yet) \| (\d+) \|$", text, re.MULTILINE)}
    assert told == dict(counts)
    assert sum(counts.values()) == 253
    assert len({name for name, _, _ in lines}) == len(lines)
