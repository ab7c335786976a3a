"""Two sites over TLS on this machine, `https://lms.test` and `https://tool.test`, in a Chromium that keeps no third-party cookies."""

import html
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

from playwright.sync_api import Browser, Frame, Page
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from kernel.db import Database
from lti_tool import models
from lti_tool.app import create_app
from lti_tool.lti import vocabulary as v
from lti_tool.lti.keysets import safe_keys
from lti_tool.lti.tenants import add_tenant
from lti_tool.settings import Settings
from lti_tool.web.edge import KaonaApp
from lti_tool.workflows import content
from tests.authority import Authority
from tests.browser import FLAGS, chromium_path
from tests.lti.lti_world import CLIENT_ID, KEYS, public, register, sign

NAMES = ("lms.test", "tool.test", "stranger.test")

WsgiApp = Callable[[dict[str, Any], Any], Any]

KEEPER = """
<script>
const kept = new Map(JSON.parse(localStorage.getItem("kept") ?? "[]"));
addEventListener("message", (event) => {
  const { subject, message_id, key, value } = event.data ?? {};
  if (event.origin !== TOOL || !["lti.put_data", "lti.get_data"].includes(subject)) return;
  fetch("/heard", { method: "POST", body: JSON.stringify({ subject, key, value }) });
  if (subject === "lti.put_data") kept.set(key, value);
  localStorage.setItem("kept", JSON.stringify([...kept]));
  event.source.postMessage({ subject: `${subject}.response`, message_id, key, value: kept.get(key) ?? null }, event.origin);
});
</script>
"""
"""A platform's storage, as the specification describes it."""

REFUSER = """
<script>
addEventListener("message", ({ data, source, origin }) => {
  if (!data?.message_id) return;
  source.postMessage({ subject: `${data.subject}.response`, message_id: data.message_id, error: { code: "storage_exhaustion" } }, origin);
});
</script>
"""

MUMBLER = """
<script>
addEventListener("message", ({ data, source, origin }) => {
  if (!data?.message_id) return;
  const right = { subject: `${data.subject}.response`, message_id: data.message_id, key: data.key, value: data.value ?? "x".repeat(43) };
  for (const wrong of [{ ...right, message_id: "another" }, { ...right, subject: "lti.put_data" }, "text", null, 5, [right]])
    source.postMessage(wrong, origin);
});
</script>
"""
"""A frame of the right origin that says nothing that answers the question."""


@dataclass
class Sites:
    """The tool, a platform and a stranger, each a site of its own, and a browser that visits them."""

    app: KaonaApp
    browser: Browser
    tool_url: str
    lms_url: str
    stranger_url: str
    form: Any
    pages: dict[str, str]
    heard: list[dict[str, Any]]
    answers: list[tuple[str, str, int]]
    """Every answer of the tool: method, path as the browser sent it, status."""
    hints_left: set[str]
    """Message hints that the platform still takes; each is good once, as in Moodle."""
    is_old: bool = False
    """Whether the browser knows no partitioned cookies: the tool's answers then come without that word."""
    custom: str = "roadmap"

    def course(self, *, storage: str | None = None, script: str = "", frames: str = "") -> str:
        """The address of a course page that frames the tool; `storage` is the frame that the platform says keeps values."""
        number = len(self.pages)
        hint = f"hint-{number}"
        self.hints_left.add(hint)
        login = {
            "iss": self.lms_url, "client_id": CLIENT_ID, "login_hint": "u-1", "lti_message_hint": hint,
            "target_link_uri": f"{self.tool_url}/open/roadmap",
        } | ({"lti_storage_target": storage} if storage else {})  # fmt: skip
        fields = "".join(f'<input type="hidden" name="{name}" value="{html.escape(value)}">' for name, value in login.items())
        self.pages[f"/course/{number}"] = (
            f"<!doctype html><title>Course</title>{script.replace('TOOL', json.dumps(self.tool_url))}{frames}"
            f'<iframe name="activity" width="900" height="700"></iframe>'
            f'<form method="post" target="activity" action="{self.tool_url}/lti/login">{fields}</form>'
            "<script>document.forms[0].submit()</script>"
        )
        return f"{self.lms_url}/course/{number}"

    def framed(self, page: Page, address: str, wanted: str) -> Frame:
        """The tool's frame on a course page, once its address holds the words that are wanted."""
        page.goto(address)
        if self._arriving(page, wanted, seconds=15) is None and f"hint-{address.rpartition('/')[2]}" in self.hints_left:
            page.goto(address)  # the browser had opened a connection and sent nothing on it: nobody has heard of this launch
        return self.arrived(page, wanted)

    def arrived(self, page: Page, wanted: str) -> Frame:
        """The tool's frame, once its address holds these words."""
        frame = self._arriving(page, wanted, seconds=60)
        assert frame is not None, ([one.url for one in page.frames], self.answers[-5:])
        return frame

    def _arriving(self, page: Page, wanted: str, *, seconds: int) -> Frame | None:
        for _ in range(seconds * 10):
            frame = page.frame("activity")
            if frame is not None and wanted in frame.url and frame.evaluate("document.readyState") == "complete":
                return frame
            page.wait_for_timeout(100)
        return None

    def platform(self, request: Request) -> Response:
        """The platform's web server."""
        if request.path == "/heard":
            self.heard.append(json.loads(request.get_data()))
            return Response(status=204)
        if request.path == "/auth":
            return self._sign_in({name: values[0] for name, values in parse_qs(request.query_string.decode()).items()})
        body = self.pages.get(request.path)
        return Response(body, mimetype="text/html") if body is not None else Response(status=404)

    def _sign_in(self, asked: dict[str, str]) -> Response:
        if asked["lti_message_hint"] not in self.hints_left:
            return Response("Invalid request", status=404)
        self.hints_left.discard(asked["lti_message_hint"])
        at = int(datetime.now(UTC).timestamp())
        claims = {
            "iss": self.lms_url, "aud": CLIENT_ID, "sub": "u-1", "nonce": asked["nonce"], "iat": at, "exp": at + 60, "name": "สมชาย ใจดี",
            v.VERSION: "1.3.0", v.MESSAGE_TYPE: "LtiResourceLinkRequest", v.DEPLOYMENT_ID: "1", v.RESOURCE_LINK: {"id": "1"},
            v.TARGET_LINK_URI: f"{self.tool_url}/open/roadmap", v.ROLES: [f"{v.MEMBERSHIP}#Learner"], v.CONTEXT: {"id": "c"},
            v.LAUNCH_PRESENTATION: {"document_target": "iframe", "locale": "en"}, v.CUSTOM: {"activity": self.custom},
        }  # fmt: skip
        form = (
            f'<form method="post" action="{self.tool_url}/lti/launch"><input name="state" value="{asked["state"]}">'
            f'<input name="id_token" value="{sign(claims)}"></form><script>document.forms[0].submit()</script>'
        )
        return Response(form, mimetype="text/html")

    def tool(self, environ: dict[str, Any], start: Any) -> Any:
        """The tool's web server."""

        def begin(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            self.answers.append(
                (environ["REQUEST_METHOD"], environ["PATH_INFO"] if "kaona.path_session" not in environ else "/s/", int(status[:3]))
            )
            if self.is_old:
                headers = [(name, value.replace("; Partitioned", "")) for name, value in headers]
            return start(status, headers, exc_info)

        return self.app(environ, begin)


@contextmanager
def knowing_browser(chromium: Browser, authority: Authority) -> Iterator[Browser]:
    """A browser that finds the sites on this machine and trusts the authority."""
    rules = ",".join(f"MAP {name} 127.0.0.1" for name in NAMES)
    browser = chromium.browser_type.launch(
        executable_path=chromium_path(),
        args=[*FLAGS, f"--host-resolver-rules={rules}", f"--ignore-certificate-errors-spki-list={authority.spki}"],
    )
    yield browser
    browser.close()


@contextmanager
def two_sites(database: Database, settings: Settings, browser: Browser, authority: Authority) -> Iterator[Sites]:
    """Everything up, the platform registered, its key set known, the default content loaded."""
    context = authority.server_side(NAMES)
    sites: Sites

    class Silent(WSGIRequestHandler):
        def log(self, *_: Any) -> None:
            pass

    def served(app: WsgiApp) -> Any:
        server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=context, request_handler=Silent)
        server.socket.do_handshake_on_connect = False  # in the connection's own thread: one that says nothing holds up nobody else
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    lms = served(lambda environ, start: sites.platform(Request(environ))(environ, start))
    stranger = served(lambda environ, start: sites.platform(Request(environ))(environ, start))
    tool = served(lambda environ, start: sites.tool(environ, start))  # noqa: PLW0108  the ports come before the sites
    lms_url, tool_url, stranger_url = (
        f"https://{name}:{server.server_port}" for name, server in zip(NAMES, (lms, tool, stranger), strict=True)
    )
    form = _furnish(database, lms_url)
    app = create_app(settings.model_copy(update={"public_url": tool_url}), clock=lambda: datetime.now(UTC), database=database)
    try:
        sites = Sites(app, browser, tool_url, lms_url, stranger_url, form, {}, [], [], set())
        yield sites
    finally:
        for server in (lms, tool, stranger):
            server.shutdown()
            server.server_close()


def _furnish(database: Database, lms_url: str) -> Any:
    now = datetime.now(UTC)
    with database.transaction() as db:
        tenant = add_tenant(db, key="opdc", name={"th": "หน่วยงาน", "en": "Agency"}, home_page="https://one.example", now=now)
        urls = {"auth_url": f"{lms_url}/auth", "token_url": f"{lms_url}/token", "jwks_url": f"{lms_url}/jwks"}
        registration = register(db, _Named(lms_url), _Still(now), issuer=lms_url, **urls)
        safe = safe_keys({"keys": [public(KEYS[0])]})
        assert safe
        db.add(
            models.KeySet(
                registration_id=registration, tenant_id=tenant.id, jwks_url=urls["jwks_url"], keys=list(safe.keys.values()), refused={},
                tried_at=now, fetched_at=now,
            )
        )  # fmt: skip
        return content.load_defaults(db, now=now).form


@dataclass
class _Named:
    url: str


@dataclass
class _Still:
    now: datetime


def as_query(values: dict[str, str]) -> str:
    return urlencode(values, quote_via=quote)
