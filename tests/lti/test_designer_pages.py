"""The designer's pages: the picker in an answer to a platform, behind a link and for a file; all of it by plain forms, without script."""

import html
import io
import re
import xml.etree.ElementTree as ET
import zipfile
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from werkzeug.test import TestResponse

import learning.api as learning
from lti_tool import models
from lti_tool.lti import vocabulary as v
from lti_tool.web.csrf import token_of
from tests.lti.lti_world import SECRET, TOOL, Login, Tool, sign
from tests.stock import stock

pytestmark = [pytest.mark.stocked, pytest.mark.one_database]

INSTRUCTOR = f"{v.MEMBERSHIP}#Instructor"
IMSCC = {
    "1.3": ("http://www.imsglobal.org/xsd/imsccv1p3/imscp_v1p1", "http://www.imsglobal.org/xsd/imslticc_v1p3", "imsbasiclti_xmlv1p3"),
    "1.1": ("http://www.imsglobal.org/xsd/imsccv1p1/imscp_v1p1", "http://www.imsglobal.org/xsd/imslticc_v1p0", "imsbasiclti_xmlv1p0"),
}
"""Namespaces of manifest and link, and the type of a link's resource, as the two versions of the standard have them."""
BLTI, LTICM = "{http://www.imsglobal.org/xsd/imsbasiclti_v1p0}", "{http://www.imsglobal.org/xsd/imslticm_v1p0}"
LTICP = "{http://www.imsglobal.org/xsd/imslticp_v1p0}"
ORDER_OF_A_LINK = ["title", "description", "custom", "launch_url", "vendor"]


class Designer:
    """A teacher with a browser without script."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        with tool.database.transaction() as db:
            self.form = stock(db, now=tool.moment.now)
            self.resources = learning.list_resources(db)
        self.assessment = f"assessment:{self.form.uuid}"
        self.practice = next(f"resource:{one.uuid}" for one in self.resources if one.kind == "practice")
        self.launch = UUID(int=0)
        self.browser, self.head = tool.browser, ""

    def ask(self, *, roles: tuple[str, ...] = (INSTRUCTOR,), **settings: Any) -> TestResponse:
        """A deep linking request of the platform. Returns the page that it leads to."""
        return self.follow(self.tool.launch(**self.request(roles, **settings)))

    def ask_without_cookie(self) -> TestResponse:
        """The same in a browser that keeps no cookie for us: the platform keeps the proof, the session stands in the path."""
        self.browser = self.tool.app.test_client(use_cookies=False)
        page = self.tool.login(self.browser, lti_storage_target="_parent").response
        kept = {name: html.unescape(value) for name, value in re.findall(r'data-(next|value)="([^"]*)"', page.text)}
        page.headers["Location"] = kept["next"]
        login = Login(page)
        token = sign(self.tool.claims(login, **self.request((INSTRUCTOR,))))
        data = {"state": login.state, "id_token": token, "stored": kept["value"]}
        return self.follow(self.browser.post("/lti/launch", base_url=TOOL, data=data, headers={"Origin": TOOL, "Accept": "text/html"}))

    def request(self, roles: tuple[str, ...], **settings: Any) -> dict[str, Any]:
        """The claims of a deep linking request."""
        wanted = {
            "deep_link_return_url": f"{self.tool.platform.url}/return?course=2",
            "accept_types": ["ltiResourceLink"],
            "accept_presentation_document_targets": ["iframe", "window"],
            "accept_multiple": True,
            **settings,
        }
        claims = {v.MESSAGE_TYPE: v.DEEP_LINKING_REQUEST, v.RESOURCE_LINK: None, v.AGS_ENDPOINT: None, v.ROLES: list(roles)}
        return claims | {v.DEEP_LINKING_SETTINGS: wanted}

    def open_link(self, **claims: Any) -> TestResponse:
        """A launch of the course's link. Returns the page that it leads to."""
        return self.follow(self.tool.launch(**{v.ROLES: [INSTRUCTOR], v.TARGET_LINK_URI: f"{TOOL}/lti/launch", **claims}))

    def follow(self, answer: TestResponse) -> TestResponse:
        assert answer.status_code == 303, answer.text[:1500]
        found = re.match(r"(/s/[^/]+)?/[a-z]+/([^/]+)/", answer.headers["Location"])
        assert found
        self.head, self.launch = found[1] or "", UUID(found[2])
        return self.get(answer.headers["Location"])

    def get(self, path: str, **query: Any) -> TestResponse:
        address = path + ("?" + urlencode(query, doseq=True) if query else "")
        return self.browser.get(address, base_url=TOOL, headers={"Accept": "text/html"})

    def design(self, page: str, **query: Any) -> TestResponse:
        """A page of the designer in the newest launch."""
        return self.get(f"{self.head}/design/{self.launch}/{page}", **query)

    def post(self, page: str, **fields: Any) -> TestResponse:
        data = {"csrf": token_of(self.launch, SECRET), **fields}
        headers = {"Origin": TOOL, "Accept": "text/html"}
        return self.browser.post(f"{self.head}/design/{self.launch}/{page}", base_url=TOOL, data=data, headers=headers)

    def place(self, *activities: str, **terms: str | None) -> TestResponse:
        """Sends the form of the page of terms as it is shown, some of its fields changed; None takes one out."""
        shown = self.design("confirm", chosen=activities)
        assert shown.status_code == 200
        (fields,) = [fields for action, fields in forms_of(shown) if action.endswith("/place")]
        changed = {f"{name} {activity}": value for name, value in terms.items() for activity in activities}
        kept = [(name, value) for name, value in fields if name not in changed]
        fields = kept + [(name, value) for name, value in changed.items() if value is not None]
        headers = {"Origin": TOOL, "Accept": "text/html"}
        return self.browser.post(f"{self.head}/design/{self.launch}/place", base_url=TOOL, data=as_query(fields), headers=headers)

    def returned(self, page: TestResponse) -> dict[str, Any]:
        """What the page hands back: the claims of the response, whose signature holds by our published keys."""
        assert page.status_code == 200, page.text[:1500]
        (form,) = [(action, dict(fields)) for action, fields in forms_of(page) if "JWT" in dict(fields)]
        assert form[0] == f"{self.tool.platform.url}/return?course=2"
        keys = self.tool.browser.get("/lti/jwks.json", base_url=TOOL).get_json()
        return dict(jwt.decode(form[1]["JWT"], KeySet.import_key_set(keys), algorithms=["RS256"]).claims)


@pytest.fixture
def designer(tool: Tool) -> Designer:
    return Designer(tool)


def test_u7_one_activity_reaches_the_platform_in_three_clicks_without_script(designer: Designer):
    picker = designer.ask()
    assert f'value="{designer.assessment}" formaction="/design/{designer.launch}/confirm"' in picker.text  # the first click

    hand_back = designer.place(designer.assessment)  # the second; the third is the button of the page that this gives

    claims = designer.returned(hand_back)
    (item,) = claims[v.CONTENT_ITEMS]
    (placed,) = designer.tool.rows(models.Placement)
    assert claims[v.MESSAGE_TYPE] == "LtiDeepLinkingResponse"
    assert (item["type"], item["title"]) == ("ltiResourceLink", designer.form.title["th"])
    assert item["url"] == f"{TOOL}/open/assessment/{designer.form.uuid}"
    assert (item["custom"]["activity"], item["custom"]["placement"]) == (designer.assessment, str(placed.uuid))
    assert (item["lineItem"]["scoreMaximum"], item["lineItem"]["resourceId"]) == (100, str(placed.uuid))
    assert item["lineItem"]["tag"]
    assert (placed.activity, placed.score_maximum, placed.attempts_policy, placed.has_area_columns) == (
        designer.assessment,
        100,
        "best",
        False,
    )
    assert f"form-action 'self' {designer.tool.platform.url};" in hand_back.headers["Content-Security-Policy"]


def test_u7_several_are_returned_each_on_its_own_terms(designer: Designer):
    designer.ask()

    page = designer.place(designer.assessment, "path", designer.practice, points="๒๕.๕", policy="first", areas="on")

    items = designer.returned(page)[v.CONTENT_ITEMS]
    assert [item["custom"]["activity"] for item in items] == [designer.assessment, "path", designer.practice]
    assert [item.get("lineItem", {}).get("scoreMaximum") for item in items] == [25.5, None, None]
    terms = [(row.score_maximum, row.attempts_policy, row.has_area_columns) for row in designer.tool.rows(models.Placement)]
    assert terms[0] == (25.5, "first", True)
    assert [one[0] for one in terms[1:]] == [None, None]
    assert [one[2] for one in terms[1:]] == [False, False]


def test_u7_what_shall_not_be_graded_has_no_column(designer: Designer):
    designer.ask()

    page = designer.place(designer.assessment, graded=None, points="nonsense")

    (item,) = designer.returned(page)[v.CONTENT_ITEMS]
    assert "lineItem" not in item
    assert designer.tool.rows(models.Placement)[0].score_maximum is None


def test_h37_where_one_is_accepted_one_is_offered_and_of_two_the_first_is_returned_with_the_data_unchanged(designer: Designer):
    picker = designer.ask(accept_multiple=False, data='{"op":"321 ü"}')
    fields = [("csrf", token_of(designer.launch, SECRET)), ("chosen", "path"), ("chosen", "roadmap")]

    page = designer.tool.browser.post(
        f"/design/{designer.launch}/place", base_url=TOOL, data=as_query(fields), headers={"Origin": TOOL, "Accept": "text/html"}
    )

    assert 'type="checkbox"' not in picker.text
    claims = designer.returned(page)
    assert [item["custom"]["activity"] for item in claims[v.CONTENT_ITEMS]] == ["roadmap"]  # the first of the list
    assert claims[v.DATA] == '{"op":"321 ü"}'
    assert len(designer.tool.rows(models.Placement)) == 1


def test_a_cancelled_choice_returns_an_empty_list(designer: Designer):
    designer.ask(data="d-1")

    claims = designer.returned(designer.post("cancel"))

    assert (claims[v.CONTENT_ITEMS], claims[v.DATA]) == ([], "d-1")
    assert designer.tool.rows(models.Placement) == []


def test_points_that_are_none_are_refused_with_a_sentence_and_nothing_is_placed(designer: Designer):
    designer.ask()

    for points in ("", "0", "-1", "nan", "1e12", "ร้อย"):
        page = designer.place(designer.assessment, points=points, policy="last")

        assert page.status_code == 422, points
        assert "โปรดระบุคะแนนเป็นตัวเลขที่มากกว่า 0" in page.text
        fields = dict(next(fields for action, fields in forms_of(page) if action.endswith("/place")))
        assert (fields[f"points {designer.assessment}"], fields[f"policy {designer.assessment}"]) == (points, "last")
    assert designer.tool.rows(models.Placement) == []


def test_u7_ticks_stay_while_a_designer_searches_filters_and_pages_without_script(designer: Designer):
    page = designer.ask()
    action, fields = picking_form(page)
    fields = [*fields, ("chosen", designer.assessment), ("chosen", "path")]

    searched = designer.get(action, **as_query([*fields, ("q", "อีเมล"), ("kind", "reading")]))
    action, fields = picking_form(searched)
    paged = designer.get(action, **as_query([("q", ""), *[pair for pair in fields if pair[0] == "chosen"], ("page", "3")]))
    confirmed = designer.design("confirm", chosen=[value for name, value in picking_form(paged)[1] if name == "chosen"])

    assert [value for name, value in fields if name == "chosen"] == [designer.assessment, "path"]
    assert 'aria-current="page">3</button>' in paged.text
    assert headings(confirmed) == [designer.form.title["th"], "เส้นทางการเรียนรู้ของฉัน"]


def test_the_list_is_narrowed_by_words_area_level_and_kind(designer: Designer):
    designer.ask()

    by_kind = designer.design("choose", kind="assessment")
    by_area = designer.design("choose", area="th-ds-2567#DGOV", level="3", kind="practice")
    nothing = designer.design("choose", q="ไม่มีสิ่งนี้แน่นอน")

    assert headings(by_kind) == [designer.form.title["th"]]
    wanted = [one.title["th"] for one in designer.resources if (one.node_key, one.level, one.kind) == ("th-ds-2567#DGOV", 3, "practice")]
    assert headings(by_area) == wanted
    assert wanted
    assert headings(nothing) == []
    assert "ไม่พบกิจกรรมที่ตรงเงื่อนไข" in nothing.text


def test_continuing_with_nothing_is_answered_with_a_sentence_on_the_list(designer: Designer):
    designer.ask()

    for page in (designer.design("confirm"), designer.design("confirm", chosen="resource:none"), designer.post("place")):
        assert page.status_code == 422
        assert "โปรดเลือกอย่างน้อยหนึ่งกิจกรรม" in page.text
        assert headings(page)
    assert designer.tool.rows(models.Placement) == []


def test_a_link_added_without_deep_linking_asks_its_teacher_and_tells_its_learner_kindly(designer: Designer):
    waiting = designer.open_link(**{v.ROLES: ["Learner"], "sub": "u-2"})
    picker = designer.open_link()

    kept = designer.place(designer.practice)
    learner = designer.open_link(**{v.ROLES: ["Learner"], "sub": "u-2"})

    assert "ผู้สอนยังไม่ได้เลือกกิจกรรม" in waiting.text
    assert 'type="checkbox"' not in picker.text
    assert kept.headers["Location"].endswith("/kept")
    title = next(one.title["th"] for one in designer.resources if f"resource:{one.uuid}" == designer.practice)
    assert html.escape(title, quote=False) in learner.text
    assert urlsplit(learner.request.path).path.split("/")[3:] == ["resources", designer.practice.partition(":")[2]]


def test_a_teacher_changes_what_the_link_shows_and_sees_what_becomes_of_the_column(designer: Designer):
    designer.open_link()
    designer.place(designer.assessment, points="20")
    graded = designer.design("kept")

    again = designer.design("choose")
    designer.place("path")
    ungraded = designer.design("kept")

    assert "เต็ม 20 คะแนน" in graded.text
    assert "ช่องคะแนนเดิมของลิงก์ยังคงอยู่และจะรับคะแนนใหม่" in graded.text
    assert f"ขณะนี้ลิงก์นี้แสดง: {designer.form.title['th']}" in again.text
    assert "จะไม่มีคะแนนใหม่" in ungraded.text
    assert "เส้นทางการเรียนรู้ของฉัน" in ungraded.text
    learner = designer.open_link(**{v.ROLES: ["Learner"], "sub": "u-2"})
    assert learner.request.path.endswith("/path")


def test_the_terms_of_now_are_shown_when_they_are_changed(designer: Designer):
    designer.open_link()
    designer.place(designer.assessment, points="12.5", policy="last", areas="on")

    shown = designer.design("confirm", chosen=designer.assessment)

    fields = dict(next(fields for action, fields in forms_of(shown) if action.endswith("/place")))
    assert fields[f"points {designer.assessment}"] == "12.5"
    assert fields[f"policy {designer.assessment}"] == "last"
    assert fields[f"areas {designer.assessment}"] == "on"


def test_a_content_developer_chooses_and_sees_no_class_and_a_learner_sees_no_page_of_designers(designer: Designer):
    picker = designer.ask(roles=(f"{v.MEMBERSHIP}#ContentDeveloper",))
    classes = designer.get(f"/teach/{designer.launch}/activities/{designer.form.uuid}")
    handed = designer.returned(designer.place("roadmap"))
    designer.launch = designer.tool.launched(sub="u-2")

    assert (picker.status_code, classes.status_code) == (200, 404)
    assert len(handed[v.CONTENT_ITEMS]) == 1
    for page in ("choose", "confirm", "kept"):
        assert designer.design(page).status_code == 404
    for action in ("place", "cancel", "preview"):
        assert designer.post(action, chosen="path", activity="path").status_code == 404
    assert len(designer.tool.rows(models.Placement)) == 1


def test_a_launch_that_asked_for_nothing_hands_nothing_back_and_an_unchosen_link_has_no_page_of_its_choice(designer: Designer):
    designer.open_link()

    assert designer.post("cancel").status_code == 404
    assert designer.design("kept").status_code == 404


def test_without_a_cookie_every_address_of_the_pages_keeps_the_session_that_stands_in_the_path(designer: Designer):
    first = designer.ask_without_cookie()
    head = first.request.path.split("/design/")[0]

    listed = designer.design("choose", q="อีเมล", chosen="path")
    look = designer.post("preview", activity="roadmap", back=f"/design/{designer.launch}/choose?q=x&chosen=path")
    seen = designer.get(look.headers["Location"])
    preview = UUID(look.headers["Location"].split("/")[4])
    fields = {"csrf": token_of(preview, SECRET)}
    ended = designer.browser.post(f"{head}/design/{preview}/preview/end", base_url=TOOL, data=fields, headers={"Origin": TOOL})
    handed = designer.returned(designer.place("path"))

    for page in (first, listed, seen):
        assert page.status_code == 200
        addresses = re.findall(r'(?:action|formaction|href)="(/[^"]*)"', re.sub(r"<link[^>]*>", "", page.text))
        assert addresses
        assert [one for one in addresses if not one.startswith(f"{head}/")] == []
    assert head.startswith("/s/")
    assert ended.headers["Location"] == f"{head}/design/{designer.launch}/choose?q=x&chosen=path"
    assert designer.get(ended.headers["Location"]).status_code == 200
    assert [item["custom"]["activity"] for item in handed[v.CONTENT_ITEMS]] == ["path"]


@pytest.mark.parametrize("version", ["1.3", "1.1"])
def test_a_cartridge_has_the_structure_of_the_standard_and_links_that_launch(designer: Designer, version: str):
    designer.ask()

    page = designer.tool.browser.post(
        f"/design/{designer.launch}/place",
        base_url=TOOL,
        headers={"Origin": TOOL},
        data={
            "csrf": token_of(designer.launch, SECRET),
            "for": "file",
            "profile": version,
            "chosen": [designer.assessment, designer.practice],
            f"graded {designer.assessment}": "on",
            f"points {designer.assessment}": "50",
        },
    )

    packaging, link_space, resource_type = IMSCC[version]
    assert page.status_code == 200
    assert page.headers["Content-Disposition"].endswith(".imscc")
    archive = zipfile.ZipFile(io.BytesIO(page.data))
    assert archive.testzip() is None
    manifest = ET.fromstring(archive.read("imsmanifest.xml"))
    name = {"p": packaging}
    assert manifest.tag == f"{{{packaging}}}manifest"
    assert [part.tag for part in manifest] == [f"{{{packaging}}}{part}" for part in ("metadata", "organizations", "resources")]
    assert manifest.findtext("p:metadata/p:schemaversion", namespaces=name) == f"{version}.0"
    assert "Common Cartridge" in str(manifest.findtext("p:metadata/p:schema", namespaces=name))
    (organization,) = manifest.iterfind("p:organizations/p:organization", name)
    assert organization.get("structure") == "rooted-hierarchy"
    (top,) = organization
    assert top.find("p:title", name) is None
    resources = {one.get("identifier"): one for one in manifest.iterfind("p:resources/p:resource", name)}
    assert {one.get("type") for one in resources.values()} == {resource_type}
    placements = designer.tool.rows(models.Placement)
    assert [item.findtext("p:title", namespaces=name) for item in top] == [one.title for one in placements]
    ids = [one.get("identifier") for one in manifest.iter() if one.get("identifier")]
    assert len(ids) == len(set(ids)) == 1 + 1 + 1 + 2 * 2
    hrefs = []
    for item, placed in zip(top, placements, strict=True):
        (file,) = resources[item.get("identifierref")]
        hrefs.append(file.get("href"))
        link = ET.fromstring(archive.read(file.get("href") or ""))
        assert link.tag == f"{{{link_space}}}cartridge_basiclti_link"
        assert [part.tag for part in link] == [BLTI + part for part in ORDER_OF_A_LINK]
        assert link.findtext(f"{BLTI}title") == placed.title
        assert link.findtext(f"{BLTI}launch_url") == f"{TOOL}/open/{placed.activity.replace(':', '/')}"
        custom = {one.get("name"): one.text for one in link.iterfind(f"{BLTI}custom/{LTICM}property")}
        assert (custom["activity"], custom["placement"]) == (placed.activity, str(placed.uuid))
        assert [part.tag for part in link.iterfind(f"{BLTI}vendor/*")] == [f"{LTICP}code", f"{LTICP}name"]
    assert sorted(archive.namelist()) == sorted(["imsmanifest.xml", *hrefs])
    assert placements[0].score_maximum == 50


def test_a_link_of_a_cartridge_shows_its_placement_when_a_platform_launches_it(designer: Designer):
    designer.open_link()
    page = designer.post("place", **{"for": "file", "chosen": designer.practice, "profile": "1.3"})
    archive = zipfile.ZipFile(io.BytesIO(page.data))
    link = ET.fromstring(next(archive.read(name) for name in archive.namelist() if name.startswith("links/")))
    custom = {one.get("name") or "": one.text or "" for one in link.iter(f"{LTICM}property")}

    target = {v.TARGET_LINK_URI: link.findtext(f"{BLTI}launch_url"), v.CUSTOM: custom}
    learner = designer.open_link(**target, **{v.RESOURCE_LINK: {"id": "from-a-file"}, v.ROLES: ["Learner"], "sub": "u-9"})

    assert learner.request.path.endswith(designer.practice.partition(":")[2])
    links = {row.lti_id: row.placement_id for row in designer.tool.rows(models.ResourceLink)}
    assert links["from-a-file"] == designer.tool.rows(models.Placement)[0].id
    assert links["link-1"] is None


def forms_of(page: TestResponse) -> list[tuple[str, list[tuple[str, str]]]]:
    """Action and fields of each form, as a browser without script sends them with no button."""
    made = []
    for attributes, inner in re.findall(r"<form([^>]*)>(.*?)</form>", page.text, re.DOTALL):
        fields = []
        for tag, rest, options in re.findall(r"<(input|select)([^>]*)>((?:(?!<select|<input).)*)", inner, re.DOTALL):
            name = attribute(rest, "name")
            if tag == "select":
                chosen = re.search(r'<option value="([^"]*)" selected', options) or re.search(r'<option value="([^"]*)"', options)
                fields.append((name, html.unescape(chosen.group(1)) if chosen else ""))
            elif 'type="checkbox"' not in rest or " checked" in rest:
                fields.append((name, attribute(rest, "value", "on")))
        made.append((attribute(attributes, "action"), fields))
    return made


def attribute(tag: str, name: str, default: str = "") -> str:
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return html.unescape(found.group(1)) if found else default


def picking_form(page: TestResponse) -> tuple[str, list[tuple[str, str]]]:
    """The form of the picker, with what is ticked."""
    return next((action, fields) for action, fields in forms_of(page) if action.endswith("/choose"))


def headings(page: TestResponse) -> list[str]:
    """Titles of the activities on a page."""
    return [html.unescape(re.sub(r"<[^>]+>", "", one)).strip() for one in re.findall(r"<h2[^>]*>(.*?)</h2>", page.text, re.DOTALL)]


def as_query(fields: list[tuple[str, str]]) -> dict[str, list[str]]:
    return parse_qs(urlencode(fields), keep_blank_values=True)
