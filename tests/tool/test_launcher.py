"""The launcher `./kaona`, with stand-ins for Python and apt so that each kind of bare machine can be met."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

OLD_PYTHON = "#!/bin/sh\nexit 1\n"
PYTHON_WITHOUT_VENV = """#!/bin/sh
case "$*" in
*"import ensurepip, venv"*) exit 1 ;;
*"print("*) echo 3.11 ;;
*) exit 0 ;;
esac
"""
PYTHON_WITHOUT_NETWORK = """#!/bin/sh
case "$*" in
*"-m venv"*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; chmod +x "$3/bin/python" ;;
*"-m pip"*) echo "Temporary failure in name resolution"; exit 1 ;;
*) exit 0 ;;
esac
"""
WORKING_PYTHON = """#!/bin/sh
case "$*" in
*"-m venv"*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; chmod +x "$3/bin/python" ;;
*"-m pip"*) echo "$*" >> "$KAONA_TEST_CALLS" ;;
*"-m lti_tool"*) echo "ran: $* in $KAONA_DATA_DIR" ;;
*) exit 0 ;;
esac
"""


@pytest.fixture
def machine(tmp_path):
    """A clone and a PATH that holds only a shell's tools and the stand-ins."""
    clone, programs = tmp_path / "clone", tmp_path / "bin"
    (clone / "requirements").mkdir(parents=True)
    programs.mkdir()
    shutil.copy(ROOT / "kaona", clone / "kaona")
    for name in ("runtime", "dev"):
        (clone / "requirements" / f"{name}.txt").write_text("x==1\n")
    for tool in ("sh", "dirname", "cksum", "cat", "mkdir", "rm", "cp", "chmod", "grep", "tail", "id", "printf", "env", "readlink"):
        found = shutil.which(tool)
        if found:
            (programs / tool).symlink_to(found)

    def run(*arguments, python=None, shell="sh", program=clone / "kaona", cwd=tmp_path, **environment):
        if python is not None:
            (programs / "python3").write_text(python)
            (programs / "python3").chmod(0o755)
        return subprocess.run(
            [shutil.which(shell), str(program), *arguments],
            cwd=cwd,
            env={"PATH": str(programs), "HOME": str(tmp_path), "KAONA_TEST_CALLS": str(tmp_path / "calls")} | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    run.calls = tmp_path / "calls"
    run.clone = clone
    run.folder = tmp_path
    return run


def test_without_python_there_is_one_sentence_with_the_cure(machine):
    done = machine("demo")

    assert done.returncode == 1
    assert "Python 3.11 or later is needed" in done.stderr


def test_an_old_python_is_as_good_as_none(machine):
    assert "Python 3.11 or later is needed" in machine("demo", python=OLD_PYTHON).stderr


def test_a_python_without_venv_names_the_package(machine):
    done = machine("demo", python=PYTHON_WITHOUT_VENV)

    assert done.returncode == 1
    assert "apt-get install python3.11-venv" in done.stderr


def test_a_missing_network_is_named_as_such(machine):
    done = machine("demo", python=PYTHON_WITHOUT_NETWORK)

    assert done.returncode == 1
    assert "the package index was not reached" in done.stderr


def test_a_second_start_installs_nothing_and_a_changed_lock_installs_again(machine):
    first = machine("doctor", "--json", python=WORKING_PYTHON)
    second = machine("doctor")
    (machine.clone / "requirements" / "runtime.txt").write_text("x==2\n")
    third = machine("doctor")

    assert "ran: -m lti_tool doctor --json" in first.stdout
    assert first.returncode == second.returncode == third.returncode == 0
    assert len(machine.calls.read_text().splitlines()) == 2
    assert "--require-hashes" in machine.calls.read_text()


def test_the_test_command_installs_the_development_set(machine):
    machine("test", python=WORKING_PYTHON)
    machine("demo")

    calls = machine.calls.read_text().splitlines()
    assert len(calls) == 1
    assert calls[0].endswith("requirements/dev.txt")


def test_the_launcher_is_executable_and_plain_posix():
    assert os.access(ROOT / "kaona", os.X_OK)
    assert (ROOT / "kaona").read_text().startswith("#!/bin/sh\n")


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "busybox"])
def test_it_finds_its_clone_from_any_folder_and_through_links(machine, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"this machine has no {shell}")
    elsewhere = machine.folder / "else where"
    elsewhere.mkdir()
    (elsewhere / "kaona").symlink_to("../first")
    (machine.folder / "first").symlink_to(machine.clone / "kaona")
    for program in (machine.clone / "kaona", elsewhere / "kaona", "kaona", "../clone/kaona"):
        words = ("sh", program) if shell == "busybox" else (program,)
        done = machine(*words[1:], "doctor", python=WORKING_PYTHON, program=words[0], shell=shell, cwd=elsewhere)
        assert f"ran: -m lti_tool doctor in {machine.clone / 'var'}" in done.stdout, done.stderr

    assert len(machine.calls.read_text().splitlines()) == 1


def test_a_data_folder_that_is_set_is_kept(machine):
    assert "in /srv/kaona" in machine("doctor", python=WORKING_PYTHON, KAONA_DATA_DIR="/srv/kaona").stdout
