"""What a real Chromium makes of our cookies and headers when a platform frames us on this machine."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from werkzeug.serving import make_server

from kernel.db import Database
from lti_tool.app import create_app
from lti_tool.lti import vocabulary as v
from lti_tool.lti.tenants import add_tenant
from lti_tool.settings import Settings
from tests.lti.lti_world import CLIENT_ID, Answer, Call, Moment, Platform, Tool, register, sign

pytestmark = pytest.mark.browser


@pytest.fixture
def served(database: Database, settings: Settings, platform: Platform) -> Iterator[Tool]:
    """The tool on a port of its own; the platform's sign-in answers at once with a launch of its one person."""
    server = make_server("127.0.0.1", 0, lambda environ, start: app(environ, start), threaded=True)  # noqa: PLW0108  the port comes before the app
    url = f"http://127.0.0.1:{server.server_port}"
    moment = Moment(datetime.now(UTC))
    app = create_app(settings.model_copy(update={"public_url": url}), clock=moment, database=database)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    tool = Tool(app, platform, moment)
    yield tool
    server.shutdown()


def frame_of(browser: Any, tool: Tool, host: str, *, registered: bool = True) -> str:
    """What a person sees in the frame of a course page at this host."""
    platform, url = tool.platform, tool.app.settings.public_url
    issuer = platform.url.replace("127.0.0.1", host)
    with tool.database.transaction() as db:
        add_tenant(db, key="opdc", name={"th": "ก", "en": "A"}, home_page="https://one.example", now=tool.moment.now)
        register(db, replace_url(platform, issuer), tool.moment, jwks_url=f"{platform.url}/jwks")

    def auth(call: Call) -> Answer:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(call.path).query).items()}
        at = int(tool.moment.now.timestamp())
        claims = {
            "iss": issuer, "aud": CLIENT_ID, "sub": "u-1", "nonce": asked["nonce"], "iat": at, "exp": at + 60, v.VERSION: "1.3.0",
            v.MESSAGE_TYPE: "LtiResourceLinkRequest", v.DEPLOYMENT_ID: "1", v.TARGET_LINK_URI: f"{url}/open/path",
            v.RESOURCE_LINK: {"id": "1"}, v.ROLES: ["Learner"], v.LAUNCH_PRESENTATION: {"document_target": "iframe", "locale": "en"},
        }  # fmt: skip
        form = (
            f'<form method="post" action="{url}/lti/launch"><input name="state" value="{asked["state"]}">'
            f'<input name="id_token" value="{sign(claims)}"></form><script>document.forms[0].submit()</script>'
        )
        return Answer(body=form.encode(), headers={"Content-Type": "text/html"})

    course = f'<iframe src="{url}/lti/login?iss={issuer}&client_id={CLIENT_ID}&login_hint=u-1&target_link_uri={url}/open/path"></iframe>'
    stranger = Platform()
    stranger.answers["/course"] = platform.answers["/course"] = lambda _: Answer(
        body=course.encode(), headers={"Content-Type": "text/html"}
    )
    platform.answers["/auth"] = auth
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"{issuer if registered else stranger.url}/course")
        page.wait_for_timeout(2500)
        (frame,) = page.main_frame.child_frames
        return json.dumps([frame.url, frame.content()], ensure_ascii=False)
    finally:
        context.close()
        stranger.close()


def replace_url(platform: Platform, url: str) -> Any:
    """The same platform under another name of this machine."""
    named = object.__new__(Platform)
    named.__dict__.update(platform.__dict__, url=url)
    return named


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_launch_in_a_frame_keeps_its_cookies_on_the_same_site_and_across_sites(chromium: Any, served: Tool, host: str):
    seen = frame_of(chromium, served, host)

    assert "/learn/" in seen
    assert "session_missing" not in seen
    assert "binding_missing" not in seen


def test_h27_chromium_shows_nothing_of_ours_in_the_frame_of_an_unregistered_origin(chromium: Any, served: Tool):
    seen = frame_of(chromium, served, "127.0.0.1", registered=False)

    assert "chrome-error://" in seen
    assert "Kaona" not in seen
