"""Every message that a platform may send: what it must be, what is read of it, where it leads, what is refused and in which words."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event

import learning.api as learning
from lti_tool import models
from lti_tool.dev.lms.shapes import SHAPES
from lti_tool.lti import vocabulary as v
from lti_tool.lti.grants import grant_role
from lti_tool.lti.message import Message, read_message
from lti_tool.lti.storage import Platform as Registered
from lti_tool.lti.tenants import add_tenant
from tests.lti.lti_world import CLIENT_ID, TOOL, Moment, Platform, Tool, assert_refused, code_of, register, sign
from tests.stock import stock

pytestmark = [pytest.mark.stocked, pytest.mark.one_database]

LMS = "https://lms.example.go.th"
REGISTERED = Registered(1, 1, LMS, CLIENT_ID, f"{LMS}/auth", f"{LMS}/token", f"{LMS}/jwks", None, ("lms.example.go.th:443",), (LMS,))
LEARNER = f"{v.MEMBERSHIP}#Learner"
INSTRUCTOR = f"{v.MEMBERSHIP}#Instructor"
INSTITUTION_ADMINISTRATOR = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#Administrator"
SYSTEM_ADMINISTRATOR = "http://purl.imsglobal.org/vocab/lis/v2/system/person#Administrator"


def settings(**changes: Any) -> dict[str, Any]:
    """Deep linking settings as a real Moodle sends them."""
    return {
        "accept_types": ["ltiResourceLink"],
        "accept_presentation_document_targets": ["frame", "iframe", "window"],
        "accept_copy_advice": False,
        "accept_multiple": True,
        "accept_unsigned": False,
        "auto_create": False,
        "can_confirm": False,
        "deep_link_return_url": f"{LMS}/mod/lti/contentitem_return.php?course=2&id=3&sesskey=AbC",
        "title": "แบบประเมิน",
        "text": "",
        **changes,
    }


def moodle_claims(**changes: Any) -> dict[str, Any]:
    """A resource link launch as a real Moodle 4.5 sends it, privacy open; None takes a claim out."""
    claims = {
        "iss": LMS, "aud": CLIENT_ID, "iat": 1_790_000_000, "exp": 1_790_000_060, "nonce": "n", "sub": "5",
        "given_name": "สมชาย", "family_name": "ใจดี", "name": "สมชาย ใจดี", "email": "somchai@example.go.th",
        v.MESSAGE_TYPE: v.RESOURCE_LINK_REQUEST, v.VERSION: "1.3.0", v.DEPLOYMENT_ID: "1", v.TARGET_LINK_URI: f"{TOOL}/open/roadmap?a=1",
        v.ROLES: [LEARNER],
        v.CONTEXT: {"id": "2", "label": "DS101", "title": "ทักษะดิจิทัล", "type": ["CourseSection"]},
        v.RESOURCE_LINK: {"id": "3", "title": "แบบประเมิน", "description": "TEXT\r\n"},
        v.CLAIM + "lis": {"person_sourcedid": "", "course_section_sourcedid": ""},
        v.LAUNCH_PRESENTATION: {"locale": "th", "document_target": "iframe", "return_url": f"{LMS}/mod/lti/return.php?sesskey=AbC"},
        v.CLAIM + "ext": {"lms": "moodle-2", "user_username": "somchai"},
        v.TOOL_PLATFORM: {"product_family_code": "moodle", "version": "2024100706", "guid": "x", "name": "LMS", "description": ""},
        v.CUSTOM: {"Item-ID": "7", "context_history": "", "link_history": "$ResourceLink.id.history", "activity": "roadmap"},
        "https://purl.imsglobal.org/spec/lti-bo/claim/basicoutcome": {"lis_result_sourcedid": "{}", "lis_outcome_service_url": LMS},
        v.AGS_ENDPOINT: {
            "scope": sorted(v.AGS_SCOPES),
            "lineitems": f"{LMS}/mod/lti/services.php/2/lineitems?type_id=1",
            "lineitem": f"{LMS}/mod/lti/services.php/2/lineitems/4/lineitem?type_id=1",
        },
        v.NRPS_SERVICE: {
            "context_memberships_url": f"{LMS}/mod/lti/services.php/CourseSection/2/bindings/1/memberships",
            "service_versions": ["1.0", "2.0"],
        },
        **changes,
    }  # fmt: skip
    return {name: value for name, value in claims.items() if value is not None}


def deep_linking_claims(**changes: Any) -> dict[str, Any]:
    """A deep linking request as a real Moodle 4.5 sends it."""
    return moodle_claims(**{
        v.MESSAGE_TYPE: v.DEEP_LINKING_REQUEST, v.RESOURCE_LINK: None, v.ROLES: [INSTRUCTOR], v.LAUNCH_PRESENTATION: {"locale": "th"},
        v.DEEP_LINKING_SETTINGS: settings(), **changes,
    })  # fmt: skip


def read(claims: dict[str, Any]) -> Message:
    return read_message(claims, platform=REGISTERED, public_url=TOOL)


# --- reading --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_a_launch_in_the_shape_of_each_platform_is_read_alike(shape: str):
    message = read(SHAPES[shape](moodle_claims()))

    assert (message.message_type, message.sub, message.name, message.roles) == (v.RESOURCE_LINK_REQUEST, "5", "สมชาย ใจดี", {v.Role.LEARNER})
    assert (message.context_id, message.context_title, message.context_label) == ("2", "ทักษะดิจิทัล", "DS101")
    assert (message.link_id, message.link_title, message.activity, message.locale) == ("3", "แบบประเมิน", "roadmap", message.locale)
    assert message.locale is None if shape == "openedx" else str(message.locale).startswith("th")
    assert message.line_items_url == f"{LMS}/mod/lti/services.php/2/lineitems?type_id=1"
    assert message.memberships_url is not None
    assert message.product == {"brightspace": "desire2learn", "blackboard": "BlackboardLearn", "openedx": None}.get(shape, shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_deep_linking_request_in_the_shape_of_each_platform_is_read_alike(shape: str):
    message = read(SHAPES[shape](deep_linking_claims()))

    wanted = message.deep_linking
    assert wanted is not None
    is_edx = shape == "openedx"
    assert wanted.accept_types == (("ltiResourceLink", "link", "html", "image") if is_edx else ("ltiResourceLink",))
    assert (wanted.accept_multiple, wanted.auto_create) == (True, is_edx)
    assert (message.link_id, message.roles) == (None, {v.Role.INSTRUCTOR})
    assert wanted.has_data is (shape not in {"moodle", "openedx"})
    assert wanted.accept_lineitem is (None if shape in {"moodle", "openedx"} else True)


def test_canvas_sends_numbers_nulls_and_a_link_without_a_title():
    message = read(moodle_claims(**{
        v.RESOURCE_LINK: {"id": "3", "title": None, "description": None},
        v.CUSTOM: {"canvas_user_id": 42, "canvas_score": 1.5, "is_admin": True, "nothing": None, "list": ["x"], "long": "x" * 3000},
        v.LAUNCH_PRESENTATION: {"document_target": "iframe", "return_url": None, "width": 800, "height": 400},
        "locale": "th",
    }))  # fmt: skip

    assert dict(message.custom) == {"canvas_user_id": "42", "canvas_score": "1.5"}
    assert (message.link_title, message.locale, message.return_url) == (None, "th", None)


def test_brightspace_tells_the_history_of_copies_in_a_claim_of_its_own():
    message = read(moodle_claims(**{"http://www.brightspace.com": {"Context.id.history": "a%2C1,b", "ResourceLink.id.history": "r1"}}))

    assert (message.context_history, message.link_history) == (("a,1", "b"), ("r1",))


def test_q26_a_custom_value_that_was_not_substituted_is_absent_and_names_are_read_in_lower_case():
    message = read(moodle_claims(**{v.CUSTOM: {
        "Activity": "path", "LINK_HISTORY": "r2, r1", "context_history": "$Context.id.history", "placement": "$x", "q": "",
    }}))  # fmt: skip

    assert dict(message.custom) == {"activity": "path", "link_history": "r2, r1"}
    assert (message.activity, message.placement, message.link_history, message.context_history) == ("path", None, ("r2", "r1"), ())


@pytest.mark.parametrize("hostile", ["%00", "a%00b", "x" * 300, "%0A", ",,,", "%ff%fe", "'; DROP TABLE placement; --"])
def test_a_history_that_no_platform_has_does_no_harm(tool: Tool, hostile: str):
    custom = {v.CUSTOM: {"context_history": hostile, "link_history": hostile, "activity": "roadmap"}}

    assert tool.launch(**custom, **{v.RESOURCE_LINK: {"id": "new", "title": "x"}, v.CONTEXT: {"id": "new"}}).status_code == 303


@pytest.mark.parametrize(
    "path", ["/open/" + "x" * 3000, "/open/path/" + "y" * 3900, "/open/path/%00", "/open/<script>", "/open/path/" + "ก" * 900]
)
def test_an_address_that_is_none_of_ours_names_nothing(tool: Tool, path: str):
    assert page_of(tool.launch(**{v.TARGET_LINK_URI: TOOL + path})) == "learn/resources/none-yet"


def test_q26_where_two_spellings_of_a_name_meet_the_lower_case_one_counts():
    for custom in ({"Activity": "path", "activity": "roadmap"}, {"activity": "roadmap", "Activity": "path"}):
        assert read(moodle_claims(**{v.CUSTOM: custom})).activity == "roadmap"


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ("/open/roadmap?x=1", "roadmap"),
        ("/open/assessment/11111111-1111-4111-8111-111111111111", "assessment:11111111-1111-4111-8111-111111111111"),
        ("/open/path/", "path"),
        ("/", None),
        ("/open/", None),
        ("/open/a/b/c", None),
        ("/openpath", None),
    ],
)
def test_q13_without_a_parameter_the_address_of_the_claim_names_the_activity(target: str, named: str | None):
    assert read(moodle_claims(**{v.CUSTOM: None, v.TARGET_LINK_URI: TOOL + target})).activity == named


def test_q20_words_of_the_context_type_in_any_form_are_accepted():
    for spelled in (["CourseSection"], ["http://purl.imsglobal.org/vocab/lis/v2/course#CourseSection"], ["Group"], []):
        assert read(moodle_claims(**{v.CONTEXT: {"id": "2", "type": spelled}})).context_id == "2"


ROLES = [
    ([LEARNER], {v.Role.LEARNER}),
    (["Learner"], {v.Role.LEARNER}),
    (["Instructor"], {v.Role.INSTRUCTOR}),
    ([f"{v.MEMBERSHIP}/Instructor#TeachingAssistant"], {v.Role.INSTRUCTOR}),
    (["ContentDeveloper"], {v.Role.DESIGNER}),
    ([f"{v.MEMBERSHIP}#ContentDeveloper"], {v.Role.DESIGNER}),
    ([f"{v.MEMBERSHIP}#Administrator"], {v.Role.DESIGNER}),
    (["Administrator"], set()),
    ([INSTITUTION_ADMINISTRATOR, SYSTEM_ADMINISTRATOR], set()),
    (["http://purl.imsglobal.org/vocab/lis/v2evil/membership#Instructor"], set()),
    ([f"{v.MEMBERSHIP}#instructor", f" {INSTRUCTOR}", f"{INSTRUCTOR}#", "urn:lti:role:ims/lis/Instructor"], set()),
    ([f"{v.MEMBERSHIP}/Learner#Instructor"], {v.Role.LEARNER}),
    ([f"{v.MEMBERSHIP}#Mentor", "Member"], set()),
]


@pytest.mark.parametrize(("spelled", "roles"), ROLES)
def test_q20_h18_a_role_counts_by_the_vocabulary_to_the_letter(spelled: list[str], roles: set[v.Role]):
    assert read(moodle_claims(**{v.ROLES: spelled})).roles == roles


def test_who_administers_the_platform_may_choose_content_and_ask_what_is_kept_and_nothing_else():
    for spelled in (INSTITUTION_ADMINISTRATOR, SYSTEM_ADMINISTRATOR):
        assert read(deep_linking_claims(**{v.ROLES: [spelled]})).roles == {v.Role.DESIGNER}
        assert read(privacy_claims(**{v.ROLES: [spelled]})).roles == {v.Role.STEWARD}
        assert read(moodle_claims(**{v.ROLES: [spelled]})).roles == set()


def privacy_claims(**changes: Any) -> dict[str, Any]:
    return moodle_claims(**{
        v.MESSAGE_TYPE: v.DATA_PRIVACY_REQUEST, v.RESOURCE_LINK: None, v.CONTEXT: None, v.AGS_ENDPOINT: None, **changes,
    })  # fmt: skip


@pytest.mark.parametrize("name", [v.DATA_PRIVACY_REQUEST, v.DATA_PRIVACY_REQUEST_OF_FIRST_DRAFT])
@pytest.mark.parametrize("for_user", [None, {"user_id": "9"}, {"id": "9", "name": "x", "roles": []}])
def test_a_data_privacy_launch_has_two_names_and_may_name_a_person_by_either_word(name: str, for_user: dict[str, Any] | None):
    message = read(privacy_claims(**{v.MESSAGE_TYPE: name, v.FOR_USER: for_user}))

    assert message.message_type == v.DATA_PRIVACY_REQUEST
    assert message.for_user_sub == ("9" if for_user else None)


def test_a_review_names_the_person_by_the_id_alone_as_moodle_does():
    message = read(moodle_claims(**{v.MESSAGE_TYPE: v.SUBMISSION_REVIEW_REQUEST, v.FOR_USER: {"user_id": "9"}, v.AGS_ENDPOINT: None}))

    assert (message.for_user_sub, message.link_id, message.line_item_url) == ("9", "3", None)


def test_for_user_of_another_message_is_not_read():
    assert read(moodle_claims(**{v.FOR_USER: {"user_id": "9"}})).for_user_sub is None


def test_services_on_a_foreign_host_are_left_out():
    message = read(moodle_claims(**{
        v.AGS_ENDPOINT: {"scope": [v.SCOPE_SCORE, "x"], "lineitems": "https://evil.example/i", "lineitem": "https://evil.example/i/1"},
        v.NRPS_SERVICE: {"context_memberships_url": "https://evil.example/m"},
    }))  # fmt: skip

    assert (message.line_items_url, message.line_item_url, message.memberships_url) == (None, None, None)
    assert message.ags_scopes == (v.SCOPE_SCORE,)


def test_deep_linking_words_of_booleans_are_booleans_and_what_is_not_said_is_the_careful_choice():
    wanted = read(deep_linking_claims(**{v.DEEP_LINKING_SETTINGS: settings(
        accept_multiple="true", accept_lineitem="false", auto_create="true", accept_media_types="text/html, application/pdf", data=None,
    )})).deep_linking  # fmt: skip
    assert wanted is not None
    assert (wanted.accept_multiple, wanted.accept_lineitem, wanted.auto_create) == (True, False, True)
    assert (wanted.accept_media_types, wanted.has_data, wanted.data) == (("text/html", "application/pdf"), True, None)

    bare = {name: value for name, value in settings().items() if name.startswith(("deep", "accept_types", "accept_pres"))}
    wanted = read(deep_linking_claims(**{v.DEEP_LINKING_SETTINGS: bare})).deep_linking
    assert wanted is not None
    assert (wanted.accept_multiple, wanted.accept_lineitem, wanted.auto_create, wanted.has_data) == (False, None, False, False)


def test_a_deep_linking_request_may_come_without_a_target_link():
    assert read(deep_linking_claims(**{v.TARGET_LINK_URI: None})).target_link_uri == TOOL


# --- refusals -------------------------------------------------------------------------------------------------------------------

DEEP = {v.MESSAGE_TYPE: v.DEEP_LINKING_REQUEST, v.RESOURCE_LINK: None, v.ROLES: [INSTRUCTOR]}
REVIEW = {v.MESSAGE_TYPE: v.SUBMISSION_REVIEW_REQUEST, v.ROLES: [INSTRUCTOR], v.FOR_USER: {"user_id": "u-1"}}
PRIVACY = {v.MESSAGE_TYPE: v.DATA_PRIVACY_REQUEST, v.RESOURCE_LINK: None, v.CONTEXT: None}

WRONG: list[tuple[dict[str, Any], str, int]] = [
    ({v.MESSAGE_TYPE: "LtiStartProctoring"}, "message_unknown", 400),
    ({v.MESSAGE_TYPE: "ltiresourcelinkrequest"}, "message_unknown", 400),
    ({v.MESSAGE_TYPE: "<img src=x onerror=alert(1)>"}, "message_unknown", 400),
    ({v.MESSAGE_TYPE: 5}, "message_invalid", 400),
    ({v.RESOURCE_LINK: {"title": "no id"}}, "message_invalid", 400),
    ({v.TARGET_LINK_URI: None}, "message_invalid", 400),
    ({v.ROLES: None}, "message_invalid", 400),
    ({v.CUSTOM: ["x"]}, "message_invalid", 400),
    ({v.TOOL_PLATFORM: "moodle"}, "message_invalid", 400),
    (DEEP, "message_invalid", 400),
    (DEEP | {v.DEEP_LINKING_SETTINGS: []}, "message_invalid", 400),
    (DEEP | {v.DEEP_LINKING_SETTINGS: settings(accept_types=None)}, "message_invalid", 400),
    (DEEP | {v.DEEP_LINKING_SETTINGS: settings(accept_types=[])}, "message_invalid", 400),
    (DEEP | {v.DEEP_LINKING_SETTINGS: settings(accept_types="ltiResourceLink")}, "message_invalid", 400),
    (DEEP | {v.DEEP_LINKING_SETTINGS: settings(accept_multiple="yes")}, "message_invalid", 400),
    (DEEP | {v.DEEP_LINKING_SETTINGS: settings(deep_link_return_url="")}, "message_invalid", 400),
    (DEEP | {v.DEEP_LINKING_SETTINGS: settings(deep_link_return_url=7)}, "message_invalid", 400),
    (DEEP | {v.DEEP_LINKING_SETTINGS: settings(accept_types=["link", "html"])}, "links_not_accepted", 400),
    (REVIEW | {v.FOR_USER: None}, "message_invalid", 400),
    (REVIEW | {v.FOR_USER: {"name": "x"}}, "message_invalid", 400),
    (REVIEW | {v.FOR_USER: {"user_id": ""}}, "message_invalid", 400),
    (REVIEW | {v.CONTEXT: None}, "message_invalid", 400),
    (REVIEW | {v.ROLES: [LEARNER]}, "may_not_review", 403),
    (REVIEW | {v.ROLES: [f"{v.MEMBERSHIP}#ContentDeveloper"]}, "may_not_review", 403),
    (REVIEW | {v.ROLES: [SYSTEM_ADMINISTRATOR]}, "may_not_review", 403),
    (PRIVACY | {v.FOR_USER: "u-1"}, "message_invalid", 400),
    (PRIVACY | {"sub": None}, "anonymous_launch", 400),
    ({"sub": None}, "anonymous_launch", 400),
]


@pytest.mark.parametrize(("changes", "code", "status"), WRONG)
def test_s4_a_message_that_is_not_what_its_type_must_be_is_refused(tool: Tool, changes: dict[str, Any], code: str, status: int):
    response = tool.launch(**changes)

    assert_refused(tool, response, code, status)
    assert "<img src=x" not in response.text
    assert tool.rows(models.User) == []


def test_an_unknown_message_is_refused_by_its_name_and_links_that_are_not_accepted_with_what_is(tool: Tool):
    unknown = tool.launch(**{v.MESSAGE_TYPE: "LtiStartProctoring"})
    links = tool.launch(**DEEP, **{v.DEEP_LINKING_SETTINGS: settings(accept_types=["link", "html"])})

    assert "LtiStartProctoring" in unknown.text
    assert "link, html" in links.text
    assert "เมนูเพิ่มกิจกรรม" in links.text


HOSTILE_RETURNS = [
    "javascript:alert(1)",
    "https://evil.example/return",
    "data:text/html,x",
    "//evil.example/x",
    "{lms}@evil.example/",
    '{lms}/return?x="><script>alert(1)</script>',
    "{lms}/return?x=`y`",
    "{lms}.evil.example/return",
    "{lms}/re turn",
    "{lms}\\@evil.example",
]


@pytest.mark.parametrize("url", HOSTILE_RETURNS)
def test_h36_s9_a_return_address_that_is_not_the_platforms_or_holds_markup_is_refused(tool: Tool, url: str):
    return_url = url.replace("{lms}", tool.platform.url)

    response = tool.launch(**DEEP, **{v.DEEP_LINKING_SETTINGS: settings(deep_link_return_url=return_url)})

    assert_refused(tool, response, "return_foreign")
    assert "evil.example" not in response.text
    assert "<script>alert" not in response.text


@pytest.mark.parametrize("roles", [[LEARNER], ["Learner"], [f"{v.MEMBERSHIP}#Mentor"], []])
def test_content_is_chosen_by_who_teaches_or_designs_the_course_alone(tool: Tool, roles: list[str]):
    asked = {v.DEEP_LINKING_SETTINGS: settings(deep_link_return_url=f"{tool.platform.url}/return")}

    assert_refused(tool, tool.launch(**DEEP | asked | {v.ROLES: roles}), "may_not_place", 403)


# --- where it leads ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def form(tool: Tool) -> UUID:
    with tool.database.transaction() as db:
        return stock(db, now=tool.moment.now).uuid


def page_of(response: Any) -> str:
    """Where a launch led, without the launch."""
    assert response.status_code == 303, response.text[:3000]
    kind, launch, *rest = response.headers["Location"].strip("/").split("/")
    assert UUID(launch)
    return "/".join([kind, *rest])


BARE = {v.TARGET_LINK_URI: f"{TOOL}/", v.CUSTOM: None}


def test_a_link_without_an_activity_asks_its_teacher_and_tells_its_learner_kindly(tool: Tool, form: UUID):
    for roles, page in (([INSTRUCTOR], "design/choose"), (["ContentDeveloper"], "design/choose"), ([LEARNER], "learn/resources/none-yet")):
        assert page_of(tool.launch(**BARE, **{v.ROLES: roles})) == page

    told = tool.browser.get(tool.launch(**BARE).headers["Location"], base_url=TOOL)
    assert told.status_code == 200
    assert str(form) not in told.text


@pytest.mark.parametrize("activity", ["nonsense", "assessment2:x", "$activity", ""])
def test_a_link_that_names_no_activity_that_there_is_counts_as_one_without(tool: Tool, form: UUID, activity: str):
    custom = {v.TARGET_LINK_URI: TOOL, v.CUSTOM: {"activity": activity}}

    assert page_of(tool.launch(**custom)) == "learn/resources/none-yet"


def test_who_has_no_part_in_a_course_comes_for_the_page_that_was_granted(tool: Tool):
    for role, page in (("executive", "executive"), ("administrator", "admin")):
        with tool.database.transaction() as db:
            grant_role(db, issuer=tool.platform.url, client_id=CLIENT_ID, sub=role, role=role, now=tool.moment.now)
        claims = {**BARE, v.ROLES: [SYSTEM_ADMINISTRATOR], v.CONTEXT: None, v.LAUNCH_PRESENTATION: {"document_target": "window"}}
        launched = tool.launch(tool.new_browser(), sub=role, **claims)
        assert page_of(launched) == page


def test_each_activity_leads_learners_and_teachers_to_their_own_page(tool: Tool, form: UUID):
    with tool.database.reading() as db:
        resource = learning.list_resources(db)[0].uuid
    wanted = [
        (f"assessment:{form}", f"learn/assessment/{form}", f"teach/activities/{form}", "design/choose"),
        ("roadmap", "learn/roadmap", "design/choose", "design/choose"),
        ("path", "learn/path", "design/choose", "design/choose"),
        (f"resource:{resource}", f"learn/resources/{resource}", "design/choose", "design/choose"),
        (f"teach:{form}", f"teach/activities/{form}", f"teach/activities/{form}", f"teach/activities/{form}"),
    ]
    for activity, *pages in wanted:
        for roles, page in zip(([LEARNER], [INSTRUCTOR], ["ContentDeveloper"]), pages, strict=True):
            by_parameter = tool.launch(**{v.CUSTOM: {"activity": activity}, v.TARGET_LINK_URI: TOOL, v.ROLES: roles})
            by_address = tool.launch(**{v.TARGET_LINK_URI: f"{TOOL}/open/{activity.replace(':', '/')}", v.ROLES: roles})
            assert (page_of(by_parameter), page_of(by_address)) == (page, page)


@pytest.mark.parametrize("activity", ["assessment:{other}", "assessment:x", "resource:{other}", "resource:", "teach:{other}"])
def test_h15_q27_an_activity_that_the_agency_does_not_have_is_not_found(tool: Tool, form: UUID, activity: str):
    response = tool.launch(**{v.CUSTOM: {"activity": activity.replace("{other}", str(uuid4()))}})

    assert response.status_code == 404
    assert tool.rows(models.Launch) == []


@pytest.mark.parametrize("placement", ["{other}", "x", "1"])
def test_h15_q27_a_placement_that_the_agency_does_not_have_is_not_found(tool: Tool, placement: str):
    response = tool.launch(**{v.CUSTOM: {"activity": "roadmap", "placement": placement.replace("{other}", str(uuid4()))}})

    assert (response.status_code, code_of(response)) == (404, "not_found")


def test_h15_s23_a_placement_of_another_agency_is_not_found(tool: Tool, other_platform: Platform, moment: Moment):
    with tool.database.transaction() as db:
        add_tenant(db, key="two", name={"th": "สอง", "en": "Two"}, home_page="https://two.example.go.th", now=moment.now)
        register(db, other_platform, moment, tenant="two")
    tool.launched(**{v.ROLES: [INSTRUCTOR]})
    (user,), (registration, _) = tool.rows(models.User), sorted(tool.rows(models.Registration), key=lambda row: row.id)
    with tool.database.transaction() as db:
        mine = models.Placement(
            tenant_id=registration.tenant_id, registration_id=registration.id, created_by_id=user.id, activity="path", title="x",
            created_at=moment.now, changed_at=moment.now,
        )  # fmt: skip
        db.add(mine)
        db.flush()
        uuid = str(mine.uuid)

    own = tool.launch(**{v.CUSTOM: {"placement": uuid}, v.RESOURCE_LINK: {"id": "new"}})
    login = tool.login(iss=other_platform.url)
    foreign = tool.post(
        login.state, sign(tool.claims(login, iss=other_platform.url, **{v.CUSTOM: {"placement": uuid}, v.AGS_ENDPOINT: None}))
    )

    assert page_of(own) == "learn/path"
    assert (foreign.status_code, code_of(foreign)) == (404, "not_found")


def test_s32_a_launch_without_any_name_opens_every_page_of_a_learner(tool: Tool, form: UUID):
    nameless = {"name": None, "given_name": None, "family_name": None, "email": None}
    launched = tool.launched(**nameless, **{v.CUSTOM: {"activity": f"assessment:{form}"}})

    for path in (f"assessment/{form}", "roadmap", "path", "resources/none-yet"):
        assert tool.browser.get(f"/learn/{launched}/{path}", base_url=TOOL).status_code == 200
    assert tool.browser.get(f"/privacy/{launched}/", base_url=TOOL).status_code == 200
    assert [user.display_name for user in tool.rows(models.User)] == [None]


def test_h17_a_launch_that_names_nobody_is_told_kindly_and_makes_nobody(tool: Tool):
    response = tool.launch(sub=None)

    assert_refused(tool, response, "anonymous_launch")
    assert "เข้าสู่ระบบ LMS ด้วยบัญชีของท่าน" in response.text
    assert tool.rows(models.User) == []


@pytest.mark.parametrize(
    ("locale", "browser", "shown"),
    [
        ("th", "en", "th"),
        ("th_TH", "en", "th"),
        ("TH", "en", "th"),
        ("en_us", "th", "en"),
        ("zh_cn", "en", "en"),
        ("zh_cn", "fr", "th"),
        ("", "en", "en"),
        (None, "th", "th"),
    ],
)
def test_q24_the_language_is_the_launches_then_the_browsers_then_thai(tool: Tool, locale: str | None, browser: str, shown: str):
    login = tool.login()
    claims = tool.claims(login, **{v.LAUNCH_PRESENTATION: {"locale": locale}})
    data = {"state": login.state, "id_token": sign(claims)}
    tool.browser.post("/lti/launch", data=data, base_url=TOOL, headers={"Accept-Language": browser})

    assert [row.locale for row in tool.rows(models.Launch)] == [shown]


@pytest.mark.parametrize(
    ("due", "shown"),
    [
        ("2026-11-30T16:59:00Z", "30 พ.ย. 2569 เวลา 23.59 น."),
        ("2026-11-30T23:59:00+07:00", "30 พ.ย. 2569 เวลา 23.59 น."),
        ("2026-11-30T23:59:00", None),
        ("$ResourceLink.submission.endDateTime", None),
        ("soon", None),
        ("9999-12-31T23:59:59-12:00", None),
    ],
)
def test_the_date_that_the_course_wants_it_by_is_shown_before_the_start(tool: Tool, form: UUID, due: str, shown: str | None):
    launched = tool.launched(**{v.CUSTOM: {"activity": f"assessment:{form}", "due": due}})

    page = tool.browser.get(f"/learn/{launched}/assessment/{form}", base_url=TOOL)

    assert page.status_code == 200
    assert ("กำหนดส่งในรายวิชา" in page.text) is (shown is not None)
    assert shown is None or shown in page.text


# --- copies of links --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def placed(tool: Tool) -> str:
    """UUID of a placement that shows the path, behind link-1 of course-1."""
    tool.launched(**{v.ROLES: [INSTRUCTOR]})
    (user,), (registration,), (link,) = tool.rows(models.User), tool.rows(models.Registration), tool.rows(models.ResourceLink)
    with tool.database.transaction() as db:
        made = models.Placement(
            tenant_id=registration.tenant_id, registration_id=registration.id, created_by_id=user.id, activity="path", title="x",
            created_at=tool.moment.now, changed_at=tool.moment.now,
        )  # fmt: skip
        db.add(made)
        db.flush()
        db.get_one(models.ResourceLink, link.id).placement_id = made.id
        return str(made.uuid)


def test_what_was_chosen_for_a_link_stays_until_the_link_itself_is_changed(tool: Tool, placed: str):
    assert page_of(tool.launch()) == "learn/path"
    assert page_of(tool.launch(**{v.CUSTOM: {"activity": "roadmap"}})) == "learn/path"  # it named the roadmap before, by its address
    assert page_of(tool.launch(**{v.CUSTOM: {"placement": placed, "activity": "path"}})) == "learn/path"

    assert page_of(tool.launch(**{v.CUSTOM: {"activity": "assessment2"}, v.TARGET_LINK_URI: TOOL})) == "learn/resources/none-yet"
    (link,) = tool.rows(models.ResourceLink)
    assert (link.placement_id, link.named) == (None, "assessment2")


COPY = {v.CONTEXT: {"id": "course-2"}, v.RESOURCE_LINK: {"id": "link-2", "title": "กิจกรรม"}, v.TARGET_LINK_URI: TOOL}


@pytest.mark.parametrize(
    "custom",
    [
        {"link_history": "link-1"},
        {"link_history": "link-0, link-1"},
        {"link_history": "link-1", "context_history": "course-1", "activity": "roadmap"},
        {"context_history": "course-0,course-1"},
    ],
)
def test_a_copy_of_a_link_shows_what_stands_behind_the_link_that_it_was_copied_from(tool: Tool, placed: str, custom: dict[str, str]):
    assert page_of(tool.launch(**COPY, **{v.CUSTOM: custom})) == "learn/path"

    copy = tool.rows(models.ResourceLink)[1]
    (made,) = tool.rows(models.Placement)
    assert (copy.placement_id, str(made.uuid)) == (made.id, placed)
    assert copy.history == [part.strip() for part in custom.get("link_history", "").split(",") if part]
    assert page_of(tool.launch(**COPY, **{v.CUSTOM: custom})) == "learn/path"


def test_the_history_of_the_course_alone_maps_only_a_link_of_the_same_title(tool: Tool, placed: str):
    other = {**COPY, v.RESOURCE_LINK: {"id": "link-2", "title": "อื่น"}, v.CUSTOM: {"context_history": "course-1"}}

    assert page_of(tool.launch(**other)) == "learn/resources/none-yet"


def test_the_history_of_another_platform_maps_nothing(tool: Tool, placed: str, other_platform: Platform, moment: Moment):
    with tool.database.transaction() as db:
        register(db, other_platform, moment)
    login = tool.login(iss=other_platform.url)
    claims = tool.claims(login, iss=other_platform.url, **COPY, **{v.CUSTOM: {"link_history": "link-1"}, v.AGS_ENDPOINT: None})

    assert page_of(tool.post(login.state, sign(claims))) == "learn/resources/none-yet"


def test_the_course_keeps_what_a_launch_without_services_does_not_say(tool: Tool):
    services = {
        v.CONTEXT: {"id": "course-1", "label": "DS", "title": "รายวิชา"},
        v.AGS_ENDPOINT: {"scope": [v.SCOPE_LINE_ITEM], "lineitems": f"{tool.platform.url}/items"},
        v.NRPS_SERVICE: {"context_memberships_url": f"{tool.platform.url}/members"},
        v.CUSTOM: {"context_history": "course-0"},
    }
    tool.launched(**services)
    tool.launched(**{v.CONTEXT: {"id": "course-1"}, v.AGS_ENDPOINT: None})

    (course,) = tool.rows(models.Context)
    assert (course.label, course.title, course.history) == ("DS", "รายวิชา", ["course-0"])
    assert course.line_items_url == f"{tool.platform.url}/items"
    assert (course.memberships_url, course.ags_scopes) == (f"{tool.platform.url}/members", [v.SCOPE_LINE_ITEM])


def test_a_plain_returning_learner_costs_one_look_and_no_write_beside_the_session(tool: Tool, placed: str):
    told = {v.CUSTOM: {"placement": placed, "activity": "path", "link_history": "$ResourceLink.id.history"}}
    tool.launched(**told)
    statements: list[str] = []
    event.listen(tool.database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    tool.launched(**told)

    tables = ("placement", "resource_link", "context", "enrolment", "lti_user", "line_item")
    writes = [
        one for one in statements if one.lstrip().upper().startswith(("UPDATE", "INSERT")) and any(f" {name} " in one for name in tables)
    ]
    looks = [one for one in statements if "FROM deployment" in one]
    assert (writes, len(looks)) == ([], 1)


def test_a_platform_that_was_registered_by_hand_tells_its_product_with_its_first_launch_and_keeps_it(tool: Tool):
    def product() -> str | None:
        (registration,) = tool.rows(models.Registration)
        return registration.product

    before = product()
    tool.launch(**{v.TOOL_PLATFORM: {"guid": "x"}})
    unsaid = product()
    tool.launch(**{v.TOOL_PLATFORM: {"guid": "x", "product_family_code": "moodle"}})
    told = product()
    tool.launch(**{v.TOOL_PLATFORM: {"guid": "x", "product_family_code": "canvas"}})

    assert (before, unsaid, told, product()) == (None, None, "moodle", "moodle")
