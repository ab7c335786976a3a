"""The pages served on loopback, and a real Chromium to look at them."""

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from werkzeug.serving import make_server

from lti_tool.web.edge import KaonaApp
from tests.pages import states

ROOT = Path(__file__).resolve().parents[2]
AXE_VERSION = "4.14.1"
AXE = ROOT / "build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = "/usr/bin/chromium"
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def pages_app(tmp_path_factory: pytest.TempPathFactory) -> KaonaApp:
    """Our pages in every state, without the doors."""
    return states.create_pages_app(tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="session")
def pages_url(pages_app: KaonaApp) -> Iterator[str]:
    """Where a browser finds them."""
    server = make_server("127.0.0.1", 0, pages_app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A real Chromium: the system's, else the one that Playwright keeps."""
    with sync_playwright() as playwright:
        path = CHROMIUM if Path(CHROMIUM).exists() else None
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe_source() -> str:
    """The judge of accessibility, installed on first use; a missing one fails, it never skips."""
    if not AXE.exists():
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(ROOT / "build" / "npm"), f"axe-core@{AXE_VERSION}"]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=300)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.fail(f"axe-core {AXE_VERSION} is needed and could not be installed ({error}); run: {' '.join(command)}")
    source = AXE.read_text()
    if f"axe v{AXE_VERSION}" not in source[:200]:
        pytest.fail(f"{AXE} is not axe-core {AXE_VERSION}; remove build/npm and run the test again")
    return source
