"""A platform of our own, as bad as a test wants it, and the tool before it with a browser."""

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from joserfc import jws
from joserfc.jwk import RSAKey
from sqlalchemy import select, text
from werkzeug.test import Client, TestResponse

from kernel.db import Database
from lti_tool import models
from lti_tool.app import create_app
from lti_tool.lti import vocabulary as v
from lti_tool.lti.registrations import add_platform
from lti_tool.lti.tenants import add_tenant
from lti_tool.lti.tool_keys import rotate_tool_key
from lti_tool.settings import Settings
from lti_tool.web.edge import KaonaApp

TOOL = "http://127.0.0.1:8000"
CLIENT_ID = "kaona-client"
SECRET = b"0123456789abcdef0123456789abcdef"
KEYS = [RSAKey.generate_key(2048, parameters={"kid": f"key-{number}"}) for number in range(3)]
"""Real keys, made once: key-0 signs, key-1 comes after a rotation, key-2 belongs to somebody else."""


def public(key: RSAKey, **changes: Any) -> dict[str, Any]:
    """A key as a platform publishes it, with members changed; None takes one out."""
    members = {**key.as_dict(private=False), "alg": "RS256", "use": "sig", **changes}
    return {name: value for name, value in members.items() if value is not None}


@dataclass
class Answer:
    """What the platform answers to one call."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Call:
    """One call that reached the platform."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Platform:
    """A platform on loopback, in a thread: key set, tokens and services, each replaceable by a test."""

    def __init__(self) -> None:
        self.is_closed = False
        self.be_as_new()
        platform = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.answer()

            def do_POST(self) -> None:
                self.answer()

            def do_PUT(self) -> None:
                self.answer()

            def do_DELETE(self) -> None:
                self.answer()

            def answer(self) -> None:
                if platform.is_closed:  # somebody kept a line open
                    self.close_connection = True
                    return
                size = int(self.headers.get("Content-Length", 0))
                call = Call(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, self.rfile.read(size))
                platform.calls.append(call)
                answer = platform.answers.get(urlsplit(self.path).path, lambda _: Answer(404))(call)
                try:
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(answer.body)))
                    self.end_headers()
                    self.wfile.write(answer.body)
                except OSError:
                    pass  # the tool hung up

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def be_as_new(self) -> None:
        """Nobody has called, and the answers are those that a platform gives."""
        self.calls: list[Call] = []
        self.keys: list[dict[str, Any]] = [public(KEYS[0])]
        self.answers: dict[str, Callable[[Call], Answer]] = {
            "/jwks": lambda _: Answer(body=json.dumps({"keys": self.keys}).encode(), headers={"Content-Type": "application/json"}),
            "/token": lambda _: Answer(
                body=json.dumps({"access_token": "token-1", "expires_in": 3600, "scope": " ".join(v.AGS_SCOPES)}).encode()
            ),
        }

    def count(self, path: str) -> int:
        return sum(urlsplit(call.path).path == path for call in self.calls)

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self.server.shutdown()
            self.server.server_close()


@dataclass
class Moment:
    """A clock that stands still until a test moves it."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class Login:
    """One login that went out to the platform."""

    response: TestResponse

    @property
    def url(self) -> str:
        return self.response.headers["Location"]

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.url).query).items()}

    @property
    def state(self) -> str:
        return self.query["state"]

    @property
    def nonce(self) -> str:
        return self.query["nonce"]


def sign(claims: Any, key: RSAKey = KEYS[0], *, header: dict[str, Any] | None = None) -> str:
    """Claims (or any bytes) as a signed token; `header` replaces members of the header."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims, ensure_ascii=False).encode()
    return jws.serialize_compact(
        {"alg": "RS256", "kid": key.kid, "typ": "JWT"} | (header or {}), payload, key, algorithms=["RS256", "HS256"]
    )


def encode(part: Any) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


TOOL_KEY: list[dict[str, Any]] = []
"""The row of the tool's key; to make one takes a fifth of a second."""


class Tool:
    """The tool, and a browser before it."""

    def __init__(self, app: KaonaApp, platform: Platform, moment: Moment) -> None:
        self.app = app
        self.platform = platform
        self.moment = moment
        self.database: Database = app.database
        self.browser = self.new_browser()

    def new_browser(self) -> Client:
        return self.app.test_client()

    def login(self, browser: Client | None = None, **changes: Any) -> Login:
        parameters = {
            "iss": self.platform.url,
            "client_id": CLIENT_ID,
            "login_hint": "u-1",
            "target_link_uri": f"{TOOL}/open/roadmap",
            "lti_message_hint": '{"cmid":3,"launchid":"x"}',
            **changes,
        }
        parameters = {name: value for name, value in parameters.items() if value is not None}
        return Login((browser or self.browser).post("/lti/login", data=parameters, base_url=TOOL))

    def claims(self, login: Login, **changes: Any) -> dict[str, Any]:
        at = int(self.moment.now.timestamp())
        claims = {
            "iss": self.platform.url,
            "aud": CLIENT_ID,
            "sub": "u-1",
            "nonce": login.nonce,
            "iat": at,
            "exp": at + 60,
            "name": "สมชาย ใจดี",
            v.MESSAGE_TYPE: "LtiResourceLinkRequest",
            v.VERSION: "1.3.0",
            v.DEPLOYMENT_ID: "1",
            v.TARGET_LINK_URI: f"{TOOL}/open/roadmap",
            v.RESOURCE_LINK: {"id": "link-1", "title": "กิจกรรม"},
            v.CONTEXT: {"id": "course-1", "title": "รายวิชา", "type": ["CourseSection"]},
            v.ROLES: [f"{v.MEMBERSHIP}#Learner"],
            v.LAUNCH_PRESENTATION: {"locale": "th", "document_target": "iframe", "return_url": f"{self.platform.url}/return?sesskey=x"},
            v.AGS_ENDPOINT: {"scope": sorted(v.AGS_SCOPES), "lineitem": f"{self.platform.url}/items/1/lineitem?type_id=1"},
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def post(self, state: str, id_token: str, browser: Client | None = None, **more: Any) -> TestResponse:
        data = {"state": state, "id_token": id_token, **more}
        return (browser or self.browser).post("/lti/launch", data=data, base_url=TOOL, headers={"Accept": "text/html"})

    def launch(self, browser: Client | None = None, key: RSAKey = KEYS[0], **changes: Any) -> TestResponse:
        """Login and launch in one; `changes` are claims."""
        login = self.login(browser)
        return self.post(login.state, sign(self.claims(login, **changes), key), browser)

    def launched(self, browser: Client | None = None, **changes: Any) -> UUID:
        """A launch that must succeed. Returns its id, as the page's path names it."""
        response = self.launch(browser, **changes)
        assert response.status_code == 303, response.text
        return UUID(response.headers["Location"].split("/")[2])

    def rows(self, model: Any) -> list[Any]:
        with self.database.reading() as db:
            rows = list(db.scalars(select(model)))
            db.expunge_all()
        return rows


def code_of(response: TestResponse) -> str:
    """The stable code that an error page shows."""
    import re

    found = re.search(r"<dd>([a-z_]+) \(\d+\)</dd>", response.text)
    assert found, response.text[:2000]
    return found.group(1)


def assert_refused(tool: Tool, response: TestResponse, code: str, status: int = 400) -> None:
    """What every refusal means: its code and status, a page with a reference, no session, one line of the audit log."""
    assert (response.status_code, code_of(response)) == (status, code)
    assert not any("kaona-session" in cookie for cookie in response.headers.getlist("Set-Cookie"))
    entries = [entry for entry in tool.rows(models.AuditEntry) if entry.event == "launch.refused"]
    assert entries[-1].details["code"] == code
    assert entries[-1].reference in response.text


def new_tool(database: Database, settings: Settings, moment: Moment, platform: Platform) -> Tool:
    with database.transaction() as db:
        give_tool_key(db, moment)
        add_tenant(db, key="opdc", name={"th": "หน่วยงานหนึ่ง", "en": "Agency one"}, home_page="https://one.example.go.th", now=moment.now)
        register(db, platform, moment)
    return Tool(create_app(settings, clock=moment, database=database), platform, moment)


def give_tool_key(db: Any, moment: Moment) -> None:
    """The tool's key: made by the tool once in a test process, the same row from then on."""
    if not TOOL_KEY:
        rotate_tool_key(db, secret=SECRET, now=moment.now)
        db.flush()
        TOOL_KEY.append(dict(db.execute(select(models.ToolKey.__table__)).mappings().one()))
        return
    db.execute(models.ToolKey.__table__.insert(), {**TOOL_KEY[0], "created_at": moment.now, "signs_from": moment.now})
    if db.get_bind().dialect.name == "postgresql":
        db.execute(text("SELECT setval(pg_get_serial_sequence('tool_key', 'id'), 1)"))


def register(db: Any, platform: Platform, moment: Moment, *, tenant: str = "opdc", client_id: str = CLIENT_ID, **changes: Any) -> int:
    values = {
        "issuer": platform.url,
        "auth_url": f"{platform.url}/auth",
        "token_url": f"{platform.url}/token",
        "jwks_url": f"{platform.url}/jwks",
        "deployment": "1",
        **changes,
    }
    return add_platform(db, client_id=client_id, tenant=tenant, now=moment.now, **values).id
