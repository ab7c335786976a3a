"""`test`, `check`, `bench`: what a developer runs before landing a change."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).parents[2]
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BENCHES = ("launch", "cat", "answer", "exam", "core_form", "roster", "scores", "lrs", "calibrate", "analyse")

PASS_THROUGH = {"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []}


HANGS_AFTER_SECONDS = 240


@click.command(context_settings=PASS_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(arguments: tuple[str, ...]) -> None:
    """Run the tests on SQLite, PostgreSQL and in Chromium; ARGUMENTS go to pytest."""
    ensure_chromium()
    alone = any(part.startswith(("-n", "--numprocesses", "--pdb", "--help")) for part in arguments)
    spread = [] if alone else ["-n", str(os.cpu_count() or 2), "--dist", "worksteal"]
    if not alone and "--long" not in arguments:  # a test that hangs fails, and its process is replaced
        spread += ["--timeout", str(HANGS_AFTER_SECONDS), "--timeout-method", "thread"]
    sys.exit(subprocess.call([sys.executable, "-m", "pytest", *spread, *arguments], cwd=ROOT))  # noqa: S603  our own command


@click.command()
def check() -> None:
    """Check format, lint, types, import contracts, translations and links."""
    steps = {
        "format": [sys.executable, "-m", "ruff", "format", "--check", "--quiet", "."],
        "lint": [sys.executable, "-m", "ruff", "check", "--quiet", "."],
        "types": [sys.executable, "-m", "mypy", "--no-error-summary"],
        "imports": [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--config", "pyproject.toml"],
        "translations and links": [sys.executable, "-m", "pytest", "-q", "--no-header", "tests/arch", "tests/docs"],
    }
    failed = []
    for name, command in steps.items():
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603  our own commands
        click.echo(f"{'ok    ' if done.returncode == 0 else 'FAILED'} {name}")
        if done.returncode:
            failed.append(name)
            click.echo(done.stdout + done.stderr)
    if failed:
        raise click.ClickException("failed: " + ", ".join(failed))


@click.command()
@click.argument("name", type=click.Choice(BENCHES), required=False)
@click.option("--size", type=click.IntRange(100), help="Scores that `scores` delivers.  [default: 15000]")
@click.option(
    "--database", type=click.Choice(("sqlite", "postgresql")), help="What they run on.  [default: postgresql for exam, else sqlite]"
)
@click.option("--minutes", type=click.IntRange(1), help="How long `exam` holds its rate.  [default: 2]")
@click.option("--statements", type=click.IntRange(0), help="Among how many statements `lrs` reads; 0: none.  [default: 1000000]")
@click.option("--burst", is_flag=True, help="Add a minute of 50 launches a second to `launch`.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def bench(
    name: str | None, *, size: int | None, database: str | None, statements: int | None, minutes: int | None, burst: bool, as_json: bool
) -> None:
    """Measure one of launch, cat, answer, exam, core_form, roster, scores, lrs, calibrate, analyse, or all, each beside its baseline."""
    from lti_tool.cli.common import print_json

    sized: dict[str, dict[str, Any]] = {
        "scores": {"size": size} if size else {},
        "launch": {"database": database or "sqlite", "burst": burst},
        "answer": {"database": database or "sqlite"},
        "exam": {"database": database or "postgresql"} | ({"seconds": 60.0 * minutes} if minutes else {}),
        "lrs": {"database": database or "sqlite"} | ({"statements": statements} if statements is not None else {}),
    }
    chosen = [name] if name else BENCHES
    results = {each: importlib.import_module(f"bench.{each}").run(json=as_json, **sized.get(each, {})) for each in chosen}
    if as_json:
        print_json(results)


def ensure_chromium() -> None:
    """Finds a Chromium or installs one: by the system's packages as root on Debian, else by Playwright."""
    if any(map(shutil.which, CHROMIUM_NAMES)) or os.environ.get("KAONA_TEST_CHROMIUM"):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        click.echo("kaona: installing Chromium from the system's packages (a minute or two) ...", err=True)
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"]):
            if subprocess.call(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):  # noqa: S603  fixed words
                raise click.ClickException("Chromium could not be installed; run: apt-get update && apt-get install chromium")
        return
    click.echo("kaona: fetching Chromium by Playwright (once) ...", err=True)
    if subprocess.call([sys.executable, "-m", "playwright", "install", "chromium"]):
        raise click.ClickException(
            "Chromium was not found and could not be fetched; install the package chromium and run the command again"
        )
