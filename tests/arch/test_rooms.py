import importlib
import subprocess
import sys
from pathlib import Path

from kernel.db import Base

ROOT = Path(__file__).parents[2]
ROOMS = ("kernel", "xapi", "roadmap", "assessment", "learning", "lti_tool")


def test_the_import_contracts_hold():
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--config", "pyproject.toml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


def test_no_room_has_a_foreign_key_into_another():
    for module in ("assessment.models", "learning.models", "lti_tool.models", "roadmap.models"):
        importlib.import_module(module)

    room_of = {mapper.local_table.name: mapper.class_.__module__.split(".")[0] for mapper in Base.registry.mappers}
    crossing = [
        f"{table.name} -> {key.column.table.name}"
        for table in Base.metadata.tables.values()
        for key in table.foreign_keys
        if room_of.get(table.name) != room_of.get(key.column.table.name)
    ]

    assert crossing == []


def test_the_web_process_never_loads_the_demonstration_nor_numpy():
    code = (
        "import sys, lti_tool.app;"
        "print(sorted(m for m in sys.modules if m.startswith('lti_tool.dev') or m in {'numpy', 'scipy', 'pytest'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_no_word_is_left_undone():
    undone = [
        f"{path.relative_to(ROOT)}:{number}"
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if any(word in line for word in ("TODO", "FIXME", "XXX", "NotImplementedError"))
    ]

    assert undone == []
