"""One real Chromium for all tests of a process: the system's, else the one that Playwright keeps.

Playwright can be started once in a process only, so everybody who needs a browser takes a share of the same one: a
`conftest.py` makes the fixture its own by `from tests.browser import chromium`.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip

_running: list[tuple[Playwright, Browser]] = []
_n_holders = 0


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A real Chromium, shared by all tests of this process."""
    with shared_chromium() as browser:
        yield browser


@contextmanager
def shared_chromium() -> Iterator[Browser]:
    """The one Chromium of this process; it ends with its last holder."""
    global _n_holders  # noqa: PLW0603  one browser a process is the point
    if not _running:
        playwright = sync_playwright().start()
        _running.append((playwright, playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))))
    _n_holders += 1
    try:
        yield _running[0][1]
    finally:
        _n_holders -= 1
        if not _n_holders:
            playwright, browser = _running.pop()
            browser.close()
            playwright.stop()


def chromium_path() -> str | None:
    """The program: the one that KAONA_TEST_CHROMIUM names, else the system's; None lets Playwright take its own."""
    return os.environ.get("KAONA_TEST_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
