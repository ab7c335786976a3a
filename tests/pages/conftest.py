"""The pages served on loopback, and a real Chromium to look at them."""

import threading
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from lti_tool.web.edge import KaonaApp
from tests.pages import states


@pytest.fixture(scope="session")
def pages_app(installation: Path) -> KaonaApp:
    """Our pages in every state, without the doors."""
    return states.create_pages_app(installation)


@pytest.fixture(scope="session")
def pages_url(pages_app: KaonaApp) -> Iterator[str]:
    """Where a browser finds them."""
    server = make_server("127.0.0.1", 0, pages_app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture(scope="session")
def axe_source() -> str:
    """The judge of accessibility, axe-core, as its Python wheel carries it."""
    return (files("axe_playwright_python") / "axe.min.js").read_text()
