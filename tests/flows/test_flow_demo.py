"""`kaona demo --once` itself: the eight steps over real HTTP with the processes of a real start."""

import os
import re
import subprocess
import sys

PEOPLE = 24


def test_the_demonstration_walks_its_eight_steps_without_a_person(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KAONA_")}

    done = subprocess.run(
        [sys.executable, "-m", "lti_tool", "demo", "--once", "--people", str(PEOPLE)],
        env=environment | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines if re.match(r"\d/8 ", line)] == [f"{number}/8" for number in range(1, 9)]
    assert re.fullmatch(r"8 steps walked over HTTP in \d+\.\d s", lines[-1])
    assert list(tmp_path.iterdir()) == []
