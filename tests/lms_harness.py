"""A demo LMS that really serves, for tests: a small course, people with Thai names, and a bare tool to stand opposite.

`running_lms(tool_url)` gives an LMS that knows the tool of that address; `running_pair()` adds a `BareTool`, which
only notes what it is sent, so that the platform can be judged alone.
"""

import functools
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any
from urllib.parse import urlencode

import jwt
import requests
from flask import Flask, Response, redirect, request

from lti_tool.dev.lms import Activity, Course, LmsConfig, Person, RunningServer, Tool, create_lms, listen, names, serve
from lti_tool.dev.lms.client import Browser
from lti_tool.dev.lms.keys import SigningKey
from lti_tool.dev.lms.lms import Lms

COURSE_ID = "2"
GRADED, UNGRADED, FOR_EXECUTIVES = "3", "4", "5"
LEARNER, OTHER_LEARNER, TEACHER, ASSISTANT, EXECUTIVE, ADMINISTRATOR = "11", "12", "21", "22", "31", "41"

PEOPLE = (
    Person(LEARNER, "somchai", {"th": "สมชาย ใจดี", "en": "Somchai Jaidee"}, {COURSE_ID: "learner"}, email="somchai@example.go.th"),
    Person(OTHER_LEARNER, "malee", {"th": "มาลี ศรีสุข", "en": "Malee Srisuk"}, {COURSE_ID: "learner"}, sourcedid="1103700000011"),
    Person(TEACHER, "wipa", {"th": "วิภา สอนดี", "en": "Wipa Sondee"}, {COURSE_ID: "instructor"}, kind="teacher"),
    Person(ASSISTANT, "anan", {"th": "อนันต์ ช่วยสอน", "en": "Anan Chuaison"}, {COURSE_ID: "assistant"}, kind="teacher"),
    Person(EXECUTIVE, "prasert", {"th": "ประเสริฐ นำทาง", "en": "Prasert Namthang"}, {COURSE_ID: "manager"}, kind="executive"),
    Person(ADMINISTRATOR, "admin", {"th": "ผู้ดูแล ระบบ", "en": "Site Admin"}, kind="administrator", is_administrator=True),
)


@functools.cache
def signing_keys() -> tuple[str, ...]:
    """Two keys for every LMS of this test process: making them takes longer than most tests."""
    return SigningKey.generate().pem(), SigningKey.generate().pem()


def make_tool(tool_url: str, **overrides: Any) -> Tool:
    """A registration of the tool at an address, with the paths that the real tool has."""
    values: dict[str, Any] = {
        "name": {"th": "ก้าวหน้า", "en": "Kaona"},
        "login_url": f"{tool_url}/lti/login",
        "target_link_uri": f"{tool_url}/lti/launch",
        "redirect_uris": (f"{tool_url}/lti/launch",),
        "key_set_url": f"{tool_url}/lti/jwks.json",
    }
    return Tool(**{**values, **overrides})


def make_course(tool_url: str, **overrides: Any) -> Course:
    """A course with a graded, an ungraded and a reserved activity."""
    values: dict[str, Any] = {
        "id": COURSE_ID,
        "short_name": "DIGI-101",
        "title": {"th": "การพัฒนาทักษะดิจิทัลสำหรับข้าราชการ", "en": "Digital skills for government officials"},
        "activities": (
            Activity(
                GRADED,
                {"th": "แบบประเมิน", "en": "Assessment"},
                f"{tool_url}/open/assessment/6f0c6d0a-6f9e-4b7a-9c57-2f4c1f0f2567",
                score_maximum=100,
                resource_id="core-2567",
                tag="assessment",
            ),
            Activity(UNGRADED, {"th": "เส้นทางของฉัน", "en": "My roadmap"}, f"{tool_url}/open/roadmap"),
            Activity(
                FOR_EXECUTIVES,
                {"th": "ภาพรวมผู้บริหาร", "en": "Executive overview"},
                f"{tool_url}/open/executive",
                audience=frozenset({"executive"}),
            ),
        ),
    }
    return Course(**{**values, **overrides})


def make_config(base_url: str, tool_url: str = "https://tool.example", **overrides: Any) -> LmsConfig:
    """A whole LMS as data, every field overridable."""
    values: dict[str, Any] = {
        "base_url": base_url,
        "tools": (make_tool(tool_url),),
        "people": PEOPLE,
        "courses": (make_course(tool_url),),
        "signing_keys": signing_keys(),
        "control": True,
    }
    return LmsConfig(**{**values, **overrides})


@dataclass
class RunningLms:
    """A demo LMS that serves on loopback."""

    url: str
    config: LmsConfig
    lms: Lms
    """The inside, for switching faults and reading the gradebook without HTTP."""
    server: RunningServer

    def browser(self, person_id: str | None = None, *, language: str = "th") -> Browser:
        """A new browser, signed in when a person is named."""
        browser = Browser(self.url, language=language)
        if person_id is not None:
            browser.sign_in(person_id)
        return browser

    @property
    def tool(self) -> Tool:
        return self.config.tools[0]


@contextmanager
def running_lms(tool_url: str = "https://tool.example", **overrides: Any) -> Iterator[RunningLms]:
    """An LMS on a free port that knows the tool of this address; it ends with the block."""
    listener = listen()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = make_config(url, tool_url, **overrides)
    app = create_lms(config)
    server = serve(app, listener=listener)
    try:
        yield RunningLms(url=url, config=config, lms=app.extensions["lms"], server=server)
    finally:
        server.close()
        app.extensions["lms"].store.close()


@dataclass
class BareTool:
    """The least a tool can be: answers login initiation by a redirect and notes what its launch address receives."""

    url: str
    key: SigningKey
    auth_url: str = ""
    logins: list[dict[str, str]] = field(default_factory=list)
    launches: list[dict[str, str]] = field(default_factory=list)
    changes: dict[str, str | None] = field(default_factory=dict)
    """Laid over the authentication request; a None leaves the parameter out."""
    is_key_set_up: bool = True
    published: list[SigningKey] = field(default_factory=list)
    n_key_set_requests: int = 0
    content: list[dict[str, Any]] = field(default_factory=list)
    """What a deep linking request is answered with."""
    answer_changes: dict[str, Any] = field(default_factory=dict)
    """Laid over the claims of that answer."""
    registrations: list[dict[str, str]] = field(default_factory=list)
    """Queries that the registration address received."""

    def app(self) -> Flask:
        app = Flask("bare_tool")

        @app.route("/lti/login", methods=["GET", "POST"])
        def login() -> Any:
            sent = request.values.to_dict()
            self.logins.append(sent)
            return redirect(f"{self.auth_url}?{urlencode(self.authentication_request(sent))}")

        @app.post("/lti/launch")
        def launch() -> Any:
            self.launches.append(request.form.to_dict())
            claims = _unverified_claims(request.form.get("id_token", ""))
            return self.picker(claims) if names.DEEP_LINKING_SETTINGS in claims else redirect("/page", 303)

        @app.get("/lti/register")
        def register() -> Any:
            self.registrations.append(request.args.to_dict())
            return (
                "<!doctype html><title>Registration</title><h1>ลงทะเบียนแล้ว</h1><script>"
                "(window.opener || window.parent).postMessage({subject: 'org.imsglobal.lti.close'}, '*')</script>"
            )

        @app.get("/page")
        def page() -> str:
            return "<!doctype html><title>Tool</title><h1>หน้าของเครื่องมือ</h1>"

        @app.get("/lti/jwks.json")
        def key_set() -> Any:
            self.n_key_set_requests += 1
            if not self.is_key_set_up:
                return Response("down", status=503)
            return {"keys": [key.jwk() for key in (self.published or [self.key])]}

        return app

    def picker(self, claims: dict[str, Any]) -> str:
        """A page whose one form hands the content back."""
        address = escape(claims[names.DEEP_LINKING_SETTINGS]["deep_link_return_url"])
        token = self.content_answer(claims)
        return (
            "<!doctype html><title>Picker</title><h1>เลือกเนื้อหา</h1>"
            f'<form method="post" action="{address}"><input type="hidden" name="JWT" value="{token}"><button>ส่ง</button></form>'
        )

    def content_answer(self, claims: dict[str, Any], *, key: SigningKey | None = None, kid: str | None = None) -> str:
        """The deep linking response that a right tool signs, with this tool's changes."""
        moment = int(time.time())
        answer = {
            "iss": claims["aud"],
            "aud": claims["iss"],
            "iat": moment - 5,
            "exp": moment + 300,
            "nonce": str(uuid.uuid4()),
            names.DEPLOYMENT_ID: claims[names.DEPLOYMENT_ID],
            names.MESSAGE_TYPE: "LtiDeepLinkingResponse",
            names.VERSION: "1.3.0",
            names.CONTENT_ITEMS: self.content,
        } | self.answer_changes
        key = key or self.key
        kept = {name: value for name, value in answer.items() if value is not None}
        return jwt.encode(kept, key.private, "RS256", headers={"kid": kid or key.kid})

    def client_metadata(self, **changes: Any) -> dict[str, Any]:
        """A registration document as a right tool posts it; changes by name, those of the tool configuration under `configuration`."""
        configuration = {
            "domain": self.url.partition("://")[2],
            "target_link_uri": f"{self.url}/lti/launch",
            "description": "แบบประเมิน",
            "claims": ["iss", "sub", "name", "email"],
            "messages": [{"type": "LtiDeepLinkingRequest", "target_link_uri": f"{self.url}/lti/pick", "label": "Pick"}],
            "custom_parameters": {"context_history": "$Context.id.history"},
        } | changes.pop("configuration", {})
        document = {
            "application_type": "web",
            "response_types": ["id_token"],
            "grant_types": ["client_credentials", "implicit"],
            "initiate_login_uri": f"{self.url}/lti/login",
            "redirect_uris": [f"{self.url}/lti/launch"],
            "client_name": "ก้าวหน้า",
            "jwks_uri": f"{self.url}/lti/jwks.json",
            "token_endpoint_auth_method": "private_key_jwt",
            "scope": " ".join([*names.AGS_SCOPES, names.SCOPE_MEMBERS]),
            names.TOOL_CONFIGURATION: configuration,
        } | changes
        return {name: value for name, value in document.items() if value is not None}

    def authentication_request(self, login: dict[str, str]) -> dict[str, str]:
        """What a right tool asks after this login initiation, with this tool's changes."""
        values: dict[str, str | None] = {
            "scope": "openid",
            "response_type": "id_token",
            "response_mode": "form_post",
            "prompt": "none",
            "client_id": login["client_id"],
            "redirect_uri": f"{self.url}/lti/launch",
            "login_hint": login["login_hint"],
            "lti_message_hint": login["lti_message_hint"],
            "state": "state-of-this-login",
            "nonce": "nonce-of-this-login",
            **self.changes,
        }
        return {name: value for name, value in values.items() if value is not None}

    def assertion(self, *, now: float | None = None, key: SigningKey | None = None, kid: str | None = None, **claims: Any) -> str:
        """A client assertion as a right tool signs it, with changes."""
        moment = int(now if now is not None else time.time())
        key = key or self.key
        values = {"iss": "kaonaDemoTool01", "sub": "kaonaDemoTool01", "aud": "token", "iat": moment - 5, "exp": moment + 60}
        headers = {"kid": kid if kid is not None else key.kid}
        return jwt.encode(
            {**values, "jti": str(uuid.uuid4()), **claims}, key.private, "RS256", headers={n: v for n, v in headers.items() if v}
        )


@dataclass
class Pair:
    """A running LMS and the bare tool opposite."""

    running: RunningLms
    tool: BareTool

    @property
    def url(self) -> str:
        return self.running.url

    @property
    def lms(self) -> Lms:
        return self.running.lms

    def launch(self, person_id: str, activity_id: str, **changes: str | None) -> dict[str, str]:
        """What the tool's launch address received when this person opened this activity."""
        self.tool.changes = changes
        with self.running.browser(person_id) as browser:
            browser.open_activity(activity_id)
        return self.tool.launches[-1]

    def claims(self, person_id: str, activity_id: str) -> dict[str, Any]:
        """The claims of a launch, verified against the published key set by PyJWT."""
        return verified_claims(self.running, self.launch(person_id, activity_id)["id_token"])

    def registration_token(self, choice: str = "new") -> str:
        """The token that the LMS puts into the address of the registration frame."""
        with self.running.browser(ADMINISTRATOR) as browser:
            browser.open_registration(f"{self.tool.url}/lti/register", choice=choice)
        return self.tool.registrations[-1]["registration_token"]

    def register(self, token: str, method: str = "POST", **changes: Any) -> requests.Response:
        """The registration endpoint's answer to the tool's document with changes."""
        document = self.tool.client_metadata(**changes) if method != "GET" else None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.request(method, f"{self.url}/mod/lti/openid-registration.php", json=document, headers=headers, timeout=10)

    def pick(self, *items: dict[str, Any], activity_id: str = "", person_id: str = TEACHER, **answer: Any) -> requests.Response:
        """The activity form as the LMS fills it from what the tool's picker returned."""
        self.tool.content, self.tool.answer_changes = list(items), answer
        with self.running.browser(person_id) as browser:
            return browser.return_content(browser.open_picker(COURSE_ID, "1", activity_id=activity_id))

    def place(self, *items: dict[str, Any]) -> list[str]:
        """Ids of the activities that a teacher made of these items by saving the form."""
        before = set(self.lms.catalogue.activities)
        form = self.pick(*items)
        with self.running.browser(TEACHER) as browser:
            browser.submit_form(form, form="activity")
        return [each for each in self.lms.catalogue.activities if each not in before]

    def ask_token(self, scopes: list[str] | None = None, **changes: Any) -> requests.Response:
        """The token endpoint's answer; changes go into the form."""
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": names.ASSERTION_TYPE,
            "client_assertion": self.tool.assertion(),
            "scope": " ".join(scopes if scopes is not None else [*names.AGS_SCOPES, names.SCOPE_MEMBERS]),
            **changes,
        }
        return requests.post(f"{self.url}/mod/lti/token.php", data=form, timeout=10)

    def call(
        self, method: str, url: str, *, scopes: list[str] | None = None, token: str | None = None, **options: Any
    ) -> requests.Response:
        """A service call with a token for these scopes."""
        token = token if token is not None else self.ask_token(scopes).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
        return requests.request(method, url, headers=headers, timeout=10, **options)


@contextmanager
def running_pair(**overrides: Any) -> Iterator[Pair]:
    """An LMS and a bare tool that know each other; they end with the block."""
    listener = listen()
    tool = BareTool(url=f"http://127.0.0.1:{listener.getsockname()[1]}", key=_tool_key())
    server = serve(tool.app(), listener=listener)
    try:
        with running_lms(tool.url, **overrides) as running:
            tool.auth_url = f"{running.url}/mod/lti/auth.php"
            yield Pair(running=running, tool=tool)
    finally:
        server.close()


def verified_claims(running: RunningLms, id_token: str, **options: Any) -> dict[str, Any]:
    """The claims of an id_token that PyJWT, a library of other people's, accepts against the published key set."""
    published = requests.get(f"{running.url}/mod/lti/certs.php", timeout=10).json()
    key = jwt.PyJWKSet.from_dict(published)[jwt.get_unverified_header(id_token)["kid"]]
    return jwt.decode(id_token, key, algorithms=["RS256"], audience=running.tool.client_id, issuer=running.url, **options)


def with_person(config_people: tuple[Person, ...], person_id: str, **changes: Any) -> tuple[Person, ...]:
    """The same people, one of them changed."""
    return tuple(replace(person, **changes) if person.id == person_id else person for person in config_people)


@functools.cache
def _tool_key() -> SigningKey:
    return SigningKey.generate()


def _unverified_claims(token: str) -> dict[str, Any]:
    try:
        return jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return {}
