"""One real Chromium for all tests of a process: the system's, else the one that Playwright keeps.

Playwright can be started once in a process only, so there is one fixture of it: `chromium`, in `tests/conftest.py`.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--in-process-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Chromium from now until the end of the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        yield browser
        browser.close()


def chromium_path() -> str | None:
    """The program: the one that KAONA_TEST_CHROMIUM names, else the system's; None lets Playwright take its own."""
    return os.environ.get("KAONA_TEST_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
