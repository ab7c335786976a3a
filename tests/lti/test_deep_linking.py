"""Deep linking 2.0: what may be chosen, what goes back to the platform, and that nothing else does."""

import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from flask import g
from joserfc import jwt
from joserfc.jwk import KeySet
from lti1p3platform.exceptions import LtiException
from lti1p3platform.ltiplatform import LTI1P3PlatformConfAbstract
from lti1p3platform.registration import Registration
from werkzeug.serving import make_server

import learning.api as learning
from kernel.errors import NotFound
from lti_tool import models
from lti_tool.lti import vocabulary as v
from lti_tool.lti.deep_linking import HandBack
from lti_tool.lti.sessions import end_other_sessions, sweep_sessions
from lti_tool.web import headers
from lti_tool.web.edge import without_transaction
from lti_tool.web.hand_back import hand_back_page
from lti_tool.web.headers import protect
from lti_tool.web.principal import Principal, Role
from lti_tool.workflows import placements
from lti_tool.workflows.placements import PlacementInvalid
from tests.lti.lti_world import CLIENT_ID, KEYS, SECRET, TOOL, Answer, Platform, Tool, sign
from tests.lti.test_messages import settings
from tests.pages import states
from tests.stock import stock

pytestmark = [pytest.mark.stocked, pytest.mark.one_database]

INSTRUCTOR = f"{v.MEMBERSHIP}#Instructor"
DATA = 'opaque {"ก": "&=<>"}'


class Designer:
    """A designer in a deep linking dialogue, by the doors; and the platform that gets the answer."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        with tool.database.transaction() as db:
            self.form = stock(db, now=tool.moment.now).uuid
        self.assessment = f"assessment:{self.form}"

    def ask(self, **changes: Any) -> Principal:
        """A deep linking request with these settings. Returns who chooses."""
        asked = settings(deep_link_return_url=f"{self.tool.platform.url}/return?id=3&sesskey=AbC", **changes)
        return self.open(**{v.MESSAGE_TYPE: v.DEEP_LINKING_REQUEST, v.RESOURCE_LINK: None, v.DEEP_LINKING_SETTINGS: asked})

    def open(self, **claims: Any) -> Principal:
        launch = self.tool.launched(**{v.ROLES: [INSTRUCTOR], **claims})
        return principal_of(self.tool, launch)

    def choose(self, who: Principal, *activities: str, maximum: float | None = 10, message: str | None = None) -> dict[str, Any]:
        """Places these activities and hands them back. Returns the claims as the platform reads them."""
        return self.read(self.hand_back(who, *activities, maximum=maximum, message=message).jwt)

    def hand_back(self, who: Principal, *activities: str, maximum: float | None = 10, message: str | None = None) -> Any:
        now = self.tool.moment.now
        with self.tool.database.transaction() as db:
            placed = [
                placements.place(db, who, activity=activity, title=f"กิจกรรม {n}", score_maximum=maximum, now=now)
                for n, activity in enumerate(activities)
            ]
            return placements.answer(db, who, placed, public_url=TOOL, secret=SECRET, now=now, message=message)

    def read(self, token: str) -> dict[str, Any]:
        """What the platform reads: checked against the published key set."""
        published = KeySet.import_key_set(self.tool.browser.get("/lti/jwks.json", base_url=TOOL).get_json())
        decoded = jwt.decode(token, published, algorithms=["RS256"])
        assert decoded.header["kid"] in {key.kid for key in published.keys}
        return decoded.claims


def principal_of(tool: Tool, launch: UUID) -> Principal:
    """Who is asking on the pages of a launch."""
    (row,) = [one for one in tool.rows(models.Launch) if one.uuid == launch]
    (user,) = [one for one in tool.rows(models.User) if one.id == row.user_id]
    return Principal(
        launch_uuid=launch,
        session_id=row.id,
        tenant_id=row.tenant_id,
        tenant_home_page="https://one.example.go.th",
        registration_id=row.registration_id,
        deployment_id=row.deployment_id,
        user_id=row.user_id,
        person_uuid=user.person_uuid,
        display_name=user.display_name,
        locale=row.locale,
        roles=frozenset(map(Role, row.roles)),
        context_id=row.context_id,
        context_title=None,
        resource_link_id=row.resource_link_id,
        return_url=row.return_url,
        platform_origin=tool.platform.url,
        framed=row.framed,
    )


@pytest.fixture
def designer(tool: Tool) -> Designer:
    return Designer(tool)


# --- the response -----------------------------------------------------------------------------------------------------------------


def test_s9_q31_the_response_says_who_it_is_from_for_whom_and_for_how_long(designer: Designer):
    claims = designer.choose(designer.ask(), designer.assessment)

    now = int(designer.tool.moment.now.timestamp())
    assert (claims["iss"], claims["aud"], claims["sub"]) == (CLIENT_ID, designer.tool.platform.url, CLIENT_ID)
    assert now - 60 < claims["iat"] < now  # behind a platform's clock that lags a little
    assert now + 60 < claims["exp"] <= claims["iat"] + 600
    assert len(claims["nonce"]) >= 22
    assert (claims[v.DEPLOYMENT_ID], claims[v.MESSAGE_TYPE], claims[v.VERSION]) == ("1", "LtiDeepLinkingResponse", "1.3.0")


def test_s9_no_two_responses_share_a_nonce(designer: Designer):
    who = designer.ask()

    assert designer.choose(who, "path")["nonce"] != designer.choose(who, "path")["nonce"]


@pytest.mark.parametrize("data", [DATA, "", None, {"a": [1, "ข", None]}, "x" * 4000])
def test_s9_h37_data_comes_back_as_it_came(designer: Designer, data: Any):
    assert designer.choose(designer.ask(data=data), "path")[v.DATA] == data


def test_q30_without_data_in_the_request_the_response_has_none(designer: Designer):
    claims = designer.choose(designer.ask(), "path")

    assert v.DATA not in claims
    assert not {v.MSG, v.ERRORMSG} & claims.keys()


def test_a_choice_of_nothing_is_an_answer_too(designer: Designer):
    claims = designer.choose(designer.ask(data=DATA), message="ยกเลิกแล้ว")

    assert (claims[v.CONTENT_ITEMS], claims[v.MSG], claims[v.DATA]) == ([], "ยกเลิกแล้ว", DATA)


def test_h37_a_platform_that_takes_one_item_gets_the_first_with_the_data_unchanged(designer: Designer):
    for asked in ({"accept_multiple": False}, {"accept_multiple": "false"}, {"accept_multiple": None}):
        claims = designer.choose(designer.ask(data=DATA, **asked), designer.assessment, "path", "roadmap")
        assert [item["custom"]["activity"] for item in claims[v.CONTENT_ITEMS]] == [designer.assessment]
        assert claims[v.DATA] == DATA

    several = designer.choose(designer.ask(), designer.assessment, "path", "roadmap")
    assert len(several[v.CONTENT_ITEMS]) == 3


def test_q29_an_item_is_a_link_to_us_with_plain_texts_lower_case_parameters_and_a_column_that_can_be_found_again(designer: Designer):
    (item,) = designer.choose(designer.ask(), designer.assessment, maximum=20)[v.CONTENT_ITEMS]

    (placed,) = designer.tool.rows(models.Placement)
    assert (item["type"], item["title"], item["url"]) == ("ltiResourceLink", "กิจกรรม 0", f"{TOOL}/open/assessment/{designer.form}")
    assert item["text"]
    assert not re.search(r"[<>]", item["text"])
    assert all(re.fullmatch("[a-z_]+", name) and isinstance(value, str) for name, value in item["custom"].items())
    assert {name: item["custom"][name] for name in ("activity", "placement", "context_history", "link_history")} == {
        "activity": designer.assessment,
        "placement": str(placed.uuid),
        "context_history": "$Context.id.history",
        "link_history": "$ResourceLink.id.history",
    }
    column = item["lineItem"]
    assert (column["scoreMaximum"], column["label"], column["resourceId"], column["tag"]) == (20, "กิจกรรม 0", str(placed.uuid), "whole")
    assert isinstance(column["scoreMaximum"], int)
    assert urlsplit(column["submissionReview"]["url"]).netloc == urlsplit(TOOL).netloc


@pytest.mark.parametrize(
    ("asked", "maximum", "activity", "has_column"),
    [
        ({}, 10, "assessment", True),
        ({"accept_lineitem": True}, 10, "assessment", True),
        ({"accept_lineitem": False}, 10, "assessment", False),
        ({}, None, "assessment", False),
        ({}, 10, "path", False),
        ({}, 10, "roadmap", False),
    ],
)
def test_a_column_is_asked_for_where_something_is_graded_and_the_platform_takes_it(
    designer: Designer, asked: dict[str, Any], maximum: float | None, activity: str, *, has_column: bool
):
    named = designer.assessment if activity == "assessment" else activity

    (item,) = designer.choose(designer.ask(**asked), named, maximum=maximum)[v.CONTENT_ITEMS]

    assert ("lineItem" in item) is has_column


@pytest.mark.parametrize(
    ("targets", "presentation"),
    [(["frame", "iframe", "window"], "iframe"), (["frame"], "iframe"), (["window"], "window"), (["embed"], None), ([], None)],
)
def test_an_item_wants_a_frame_where_there_is_one_else_a_window(designer: Designer, targets: list[str], presentation: str | None):
    (item,) = designer.choose(designer.ask(accept_presentation_document_targets=targets), "path")[v.CONTENT_ITEMS]

    assert {name for name in ("iframe", "window") if name in item} == ({presentation} if presentation else set())


def test_a_long_title_is_cut_where_platforms_end_one(designer: Designer):
    who = designer.ask()
    with designer.tool.database.transaction() as db:
        placed = placements.place(db, who, activity="path", title="ก" * 255, score_maximum=None, now=designer.tool.moment.now)
        placed.title = "ก" * 300
        answer = placements.answer(db, who, [placed], public_url=TOOL, secret=SECRET, now=designer.tool.moment.now)

    (item,) = designer.read(answer.jwt)[v.CONTENT_ITEMS]
    assert len(item["title"]) == 255


def test_a_launch_that_asked_for_nothing_gets_no_response(designer: Designer):
    who = designer.open()

    with designer.tool.database.transaction() as db, pytest.raises(NotFound):
        placements.answer(db, who, [], public_url=TOOL, secret=SECRET, now=designer.tool.moment.now)


def test_q23_the_return_address_goes_when_the_session_goes(designer: Designer):
    ended, swept = designer.ask(), designer.ask()
    with designer.tool.database.transaction() as db:
        end_other_sessions(db, user_id=ended.user_id, token="")
    designer.tool.moment.pass_by(hours=13)
    with designer.tool.database.transaction() as db:
        sweep_sessions(db, now=designer.tool.moment.now)
        assert placements.find_request(db, ended) is None
        assert placements.find_request(db, swept) is None


# --- the page that carries it ---------------------------------------------------------------------------------------------------------


def shown(designer: Designer, answer: Any, who: Principal) -> Any:
    """The page of an answer, with its headers."""
    app = designer.tool.app
    with app.test_request_context(f"/design/{who.launch_uuid}/choose", base_url=TOOL):
        g.principal, g.now, g.db = who, designer.tool.moment.now, None
        response = protect(app.make_response(hand_back_page(answer)))
    return SimpleNamespace(text=response.get_data(as_text=True), headers=response.headers)


def test_q29_the_form_has_the_one_field_goes_to_the_platform_alone_and_runs_no_script_in_the_page(designer: Designer):
    who = designer.ask()
    answer = designer.hand_back(who, "path")

    page = shown(designer, answer, who)

    assert re.findall(r'<form method="post" action="([^"]+)"', page.text)[-1] == answer.return_url.replace("&", "&amp;")
    assert re.findall(r'name="([^"]+)" value="([^"]+)"', page.text)[-1] == ("JWT", answer.jwt)
    assert "<button" in page.text
    assert not re.search(r"<script(?![^>]+src=)", page.text)
    policy = dict(part.strip().partition(" ")[::2] for part in page.headers["Content-Security-Policy"].split(";"))
    assert policy["form-action"] == f"'self' {designer.tool.platform.url}"
    assert page.headers["Referrer-Policy"] == "strict-origin"
    assert page.headers["Cache-Control"] == "no-store"


def test_s21_no_other_page_may_send_a_form_to_the_platform(designer: Designer):
    launch = designer.tool.launched()

    page = designer.tool.browser.get(f"/learn/{launch}/roadmap", base_url=TOOL)

    assert "form-action 'self';" in page.headers["Content-Security-Policy"]
    assert page.headers["Referrer-Policy"] == "same-origin"


# --- what may be chosen ---------------------------------------------------------------------------------------------------------------


def test_the_choice_holds_assessments_the_roadmap_the_path_and_every_resource(designer: Designer):
    with designer.tool.database.reading() as db:
        choices = placements.list_choices(db, tenant_id=1)
        resources = learning.list_resources(db)

    assert [one.activity for one in choices[:3]] == [designer.assessment, "roadmap", "path"]
    assert {one.activity for one in choices[3:]} == {f"resource:{one.uuid}" for one in resources}
    assert {one.activity for one in choices if one.is_gradable} == {designer.assessment}
    assert all(one.title["th"] and one.summary["th"] for one in choices)
    assert choices[0].minutes
    assert choices[0].areas


@pytest.mark.parametrize("activity", ["assessment:11111111-1111-4111-8111-111111111111", "executive", "admin", "teach", "x", ""])
def test_what_is_no_choice_cannot_be_placed(designer: Designer, activity: str):
    who = designer.ask()

    with designer.tool.database.transaction() as db, pytest.raises(NotFound):
        placements.place(db, who, activity=activity, title="x", score_maximum=None, now=designer.tool.moment.now)

    assert designer.tool.rows(models.Placement) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": "ก" * 256}, "title"),
        ({"title": "a\x00b"}, "title"),
        ({"score_maximum": 0}, "score_maximum"),
        ({"score_maximum": -1}, "score_maximum"),
        ({"score_maximum": float("nan")}, "score_maximum"),
        ({"score_maximum": float("inf")}, "score_maximum"),
        ({"score_maximum": 100_001}, "score_maximum"),
        ({"attempts_policy": "any"}, "attempts_policy"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_the_name_of_the_field(designer: Designer, changes: dict[str, Any], field: str):
    who = designer.ask()
    wanted = {"activity": designer.assessment, "title": "x", "score_maximum": 10.0, "now": designer.tool.moment.now, **changes}

    with designer.tool.database.transaction() as db, pytest.raises(PlacementInvalid) as refused:
        placements.place(db, who, **wanted)

    assert refused.value.details == {"field": field}


def test_an_empty_title_becomes_the_activitys_own_in_the_designers_language(designer: Designer):
    who = designer.ask()
    with designer.tool.database.transaction() as db:
        placed = placements.place(db, who, activity="path", title=" \n ", score_maximum=None, now=designer.tool.moment.now)

    assert placed.title == placements.PATH[0]["th"]


# --- what stands behind a link ------------------------------------------------------------------------------------------------------


def put(designer: Designer, who: Principal, activity: str, **changes: Any) -> None:
    wanted = {"title": "", "score_maximum": None, "now": designer.tool.moment.now, "resource_link_id": who.resource_link_id, **changes}
    with designer.tool.database.transaction() as db:
        placements.place(db, who, activity=activity, **wanted)


def lead(designer: Designer, **claims: Any) -> str:
    location = designer.tool.launch(designer.tool.new_browser(), sub="learner", **claims).headers["Location"]
    return location.split("/", 3)[3]


BARE = {v.TARGET_LINK_URI: f"{TOOL}/"}


def test_what_a_teacher_chooses_for_a_link_is_what_its_learners_see_next(designer: Designer):
    who = designer.open(**BARE)
    with designer.tool.database.reading() as db:
        assert placements.placement_of(db, who) is None

    put(designer, who, "path")
    assert lead(designer, **BARE) == "path"

    put(designer, who, designer.assessment, score_maximum=5.0, attempts_policy="last", has_area_columns=True)
    assert lead(designer, **BARE) == f"assessment/{designer.form}"
    with designer.tool.database.reading() as db:
        now_there = placements.placement_of(db, who)
    assert now_there is not None
    assert (now_there.activity, now_there.score_maximum, now_there.attempts_policy) == (designer.assessment, 5.0, "last")
    assert (now_there.has_area_columns, now_there.is_shared) == (True, False)


def test_a_copy_of_the_link_keeps_what_it_shows_when_the_other_one_is_changed(designer: Designer):
    (item,) = designer.choose(designer.ask(), "path")[v.CONTENT_ITEMS]
    first, copy = ({**BARE, v.RESOURCE_LINK: {"id": link}, v.CUSTOM: item["custom"]} for link in ("link-1", "link-2"))
    who = designer.open(**first)
    assert lead(designer, **copy) == "path"
    with designer.tool.database.reading() as db:
        standing = placements.placement_of(db, who)
    assert standing is not None
    assert standing.is_shared

    put(designer, who, "roadmap")

    assert (lead(designer, **first), lead(designer, **copy)) == ("roadmap", "path")


def test_content_that_the_designer_picks_anew_on_the_platform_counts_over_what_was_chosen_here(designer: Designer):
    items = designer.choose(designer.ask(), "path", "roadmap")[v.CONTENT_ITEMS]
    who = designer.open(**BARE, **{v.CUSTOM: items[0]["custom"]})
    put(designer, who, designer.assessment)
    assert lead(designer, **BARE, **{v.CUSTOM: items[0]["custom"]}) == f"assessment/{designer.form}"

    assert lead(designer, **BARE, **{v.CUSTOM: items[1]["custom"]}) == "roadmap"


def test_the_link_of_another_course_cannot_be_changed(designer: Designer):
    other = designer.open(**{v.CONTEXT: {"id": "course-2"}, v.RESOURCE_LINK: {"id": "link-2"}})
    who = designer.open()

    with pytest.raises(NotFound):
        put(designer, who, "path", resource_link_id=other.resource_link_id)

    assert {link.placement_id for link in designer.tool.rows(models.ResourceLink)} == {None}


@pytest.mark.parametrize(
    ("services", "is_graded", "fate"),
    [
        ({"scope": [v.SCOPE_LINE_ITEM, v.SCOPE_SCORE], "lineitems": "{lms}/items", "lineitem": "{lms}/items/1"}, True, "kept"),
        ({"scope": [v.SCOPE_LINE_ITEM, v.SCOPE_SCORE], "lineitems": "{lms}/items", "lineitem": "{lms}/items/1"}, False, "idle"),
        ({"scope": [v.SCOPE_LINE_ITEM, v.SCOPE_SCORE], "lineitems": "{lms}/items"}, True, "made"),
        ({"scope": [v.SCOPE_SCORE], "lineitems": "{lms}/items"}, True, "missing"),
        (None, True, "missing"),
        (None, False, "none"),
    ],
)
def test_the_designer_is_told_what_becomes_of_the_column(
    designer: Designer, services: dict[str, Any] | None, fate: str, *, is_graded: bool
):
    lms = designer.tool.platform.url
    told = services and {name: value.replace("{lms}", lms) if isinstance(value, str) else value for name, value in services.items()}
    who = designer.open(**{v.AGS_ENDPOINT: told})

    with designer.tool.database.reading() as db:
        assert placements.column_fate(db, who, is_graded=is_graded) == fate


def test_a_column_that_is_only_asked_for_is_told_as_new(designer: Designer):
    services = {"scope": [v.SCOPE_LINE_ITEM, v.SCOPE_SCORE], "lineitems": f"{designer.tool.platform.url}/items"}
    who = designer.open(**{v.AGS_ENDPOINT: services})

    put(designer, who, designer.assessment, score_maximum=5.0)

    assert [column.url for column in designer.tool.rows(models.LineItem)] == [None]
    with designer.tool.database.reading() as db:
        assert placements.column_fate(db, who, is_graded=True) == "made"


def test_a_placement_leaves_one_line_in_the_audit_log(designer: Designer):
    put(designer, designer.open(), "path")

    (line,) = [entry for entry in designer.tool.rows(models.AuditEntry) if entry.event == "placement.made"]
    assert line.details["activity"] == "path"


# --- a platform that somebody else wrote ----------------------------------------------------------------------------------------------


class Conf(LTI1P3PlatformConfAbstract):
    """The published package `lti1p3platform` as the platform that receives the answer."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        super().__init__()

    def init_platform_config(self, **kwargs: Any) -> None:
        """Nothing to read."""

    def get_registration_by_params(self, **_: Any) -> Registration:
        registration = Registration().set_iss(self.tool.platform.url).set_client_id(CLIENT_ID).set_deployment_id("1")
        return registration.set_tool_key_set(self.tool.browser.get("/lti/jwks.json", base_url=TOOL).get_json())  # type: ignore[no-any-return]


def test_the_published_platform_library_takes_the_response(designer: Designer):
    designer.tool.moment.now = datetime.now(UTC)  # the library has no clock but the machine's
    answer = designer.hand_back(designer.ask(), designer.assessment, "path")
    conf = Conf(designer.tool)
    conf.get_registration()

    items = conf.validate_deeplinking_resp({"JWT": answer.jwt})

    assert [item["title"] for item in items] == ["กิจกรรม 0", "กิจกรรม 1"]


def test_the_published_platform_library_refuses_a_response_that_another_key_signed(designer: Designer):
    conf = Conf(designer.tool)
    conf.get_registration()
    now = int(time.time())
    forged = sign({"iss": CLIENT_ID, "iat": now, "exp": now + 60, v.MESSAGE_TYPE: v.DEEP_LINKING_RESPONSE, v.CONTENT_ITEMS: []}, KEYS[2])

    with pytest.raises(LtiException):
        conf.validate_deeplinking_resp({"JWT": forged})


# --- in a browser ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def handing_back(platform: Platform, tmp_path: Path) -> Iterator[str]:
    """Address of the page that hands a choice to the platform, which takes it."""
    app = states.create_pages_app(tmp_path)
    headers.register(app)
    answer = HandBack(f"{platform.url}/return?id=3&sesskey=AbC", platform.url, "header.payload.signature")

    @without_transaction
    def page() -> str:
        g.principal = states.PRINCIPAL
        return hand_back_page(answer)

    app.add_url_rule("/hand-back", view_func=page)
    platform.answers["/return"] = lambda _: Answer(body=b"<h1>taken</h1>", headers={"Content-Type": "text/html"})
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize("has_script", [True, False])
def test_the_choice_reaches_the_platform_with_script_and_without(handing_back: str, platform: Platform, chromium: Any, *, has_script: bool):
    context = chromium.new_context(java_script_enabled=has_script)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))

    page.goto(f"{handing_back}/hand-back", wait_until="commit")
    if not has_script:
        page.get_by_role("button", name="ส่งให้รายวิชา").click()
    page.wait_for_url(f"{platform.url}/return?id=3&sesskey=AbC")

    (call,) = [one for one in platform.calls if one.path.startswith("/return")]
    assert (call.method, call.path, call.body) == ("POST", "/return?id=3&sesskey=AbC", b"JWT=header.payload.signature")
    assert call.headers["origin"] == handing_back  # some platforms look from where a form comes
    assert not [one for one in complaints if "Security Policy" in one]
    context.close()


def test_where_the_script_does_not_come_the_page_has_a_button_and_no_barrier(handing_back: str, platform: Platform, chromium: Any):
    context = chromium.new_context(viewport={"width": 320, "height": 640})
    page = context.new_page()
    page.route("**/hand_back.js*", lambda route: route.abort())

    page.goto(f"{handing_back}/hand-back")

    assert page.locator("main").get_by_role("button").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text())
    assert page.evaluate("async () => (await axe.run()).violations.map((one) => one.id)") == []
    assert not [one for one in platform.calls if one.path.startswith("/return")]
    context.close()
