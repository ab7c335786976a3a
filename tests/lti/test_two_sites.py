"""The way into the tool in a frame of another site, in a real Chromium that keeps no third-party cookies.

Three rungs: a partitioned cookie; the platform's storage, for browsers that know no partitioned cookies; a tab of its own.
"""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from kernel.db import Database
from lti_tool import models
from lti_tool.dev.respondent import Respondent
from lti_tool.settings import Settings
from tests.authority import Authority
from tests.flows.clicks import choose, item_of, send, sit_to_the_end
from tests.flows.walker import BANK
from tests.lti.two_sites import KEEPER, MUMBLER, REFUSER, Sites, knowing_browser, two_sites

pytestmark = [pytest.mark.browser, pytest.mark.one_database]

ABLE = {"DLIT": 3.0, "DGOV": 3.0, "DLEAD": 3.0}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def browser(chromium: Browser, authority: Authority) -> Iterator[Browser]:
    with knowing_browser(chromium, authority) as browser:
        yield browser


@pytest.fixture
def sites(database: Database, settings: Settings, browser: Browser, authority: Authority) -> Iterator[Sites]:
    with two_sites(database, settings, browser, authority) as sites:
        yield sites


@pytest.fixture
def page(sites: Sites) -> Iterator[Page]:
    context = sites.browser.new_context()
    yield context.new_page()
    context.close()


def launches(sites: Sites) -> list[Any]:
    with sites.app.database.reading() as db:
        return list(db.query(models.Launch).all())


def test_this_chromium_keeps_no_plain_cookie_of_another_site(sites: Sites, page: Page):
    sites.is_old = True

    sites.framed(page, sites.course(), "cookie_asked")

    assert page.context.cookies(sites.tool_url) == []


def test_s17_a_partitioned_cookie_carries_a_launch_an_answer_and_a_change_of_language(sites: Sites, page: Page):
    sites.custom = f"assessment:{sites.form.uuid}"

    frame = sites.framed(page, sites.course(), "/learn/")
    frame.locator("main form button, main .actions a.button").first.click()
    frame.wait_for_selector("form[data-answer]")
    item = item_of(frame)
    choose(frame, item, Respondent(ABLE, seed=1, bank=BANK).answer(item))
    send(frame)
    with frame.page.expect_response(lambda response: response.url.endswith("/language")):
        frame.locator("button[name=language]").click()
    frame.wait_for_selector("html[lang=th]")

    assert "/s/" not in frame.url
    assert {cookie["name"] for cookie in page.context.cookies()} == {"__Host-kaona-login", "__Host-kaona-session"}
    assert frame.locator("form[data-answer]").count() == 1


def test_q16_a_browser_without_partitioned_cookies_is_told_before_the_platforms_hint_is_spent(sites: Sites, page: Page):
    sites.is_old = True

    frame = sites.framed(page, sites.course(), "cookie_asked")

    assert "binding_missing" in frame.inner_text("main")
    assert len(sites.hints_left) == 1
    assert launches(sites) == []


def test_s17_the_new_tab_launches_again_and_works(sites: Sites, page: Page):
    sites.is_old = True
    frame = sites.framed(page, sites.course(), "cookie_asked")

    with page.context.expect_page() as opened:
        frame.locator("a.button[target=_blank]").first.click()
    tab = opened.value
    tab.wait_for_url("**/learn/**")

    assert len(launches(sites)) == 1
    assert "/s/" not in tab.url
    tab.reload()
    assert "session_missing" not in tab.inner_text("body")


def test_a_second_launch_in_the_same_frame_is_not_sent_round_again(sites: Sites, page: Page):
    sites.framed(page, sites.course(), "/learn/")
    sites.answers.clear()

    sites.framed(page, sites.course(), "/learn/")

    assert [status for _, path, status in sites.answers if path == "/lti/login"] == [302]


@pytest.fixture
def old(sites: Sites) -> Sites:
    """The sites, visited by a browser that keeps no cookie for us in a frame."""
    sites.is_old = True
    return sites


def test_s17_where_no_cookie_is_kept_the_platform_keeps_the_proof_and_the_whole_assessment_works(old: Sites, page: Page):
    old.custom = f"assessment:{old.form.uuid}"

    frame = old.framed(page, old.course(storage="_parent", script=KEEPER), "/learn/")

    assert "/s/" in frame.url
    assert list(dict.fromkeys(message["subject"] for message in old.heard)) == ["lti.put_data", "lti.get_data"]
    assert len({message["key"] for message in old.heard}) == 1
    with page.expect_response(lambda response: response.url.endswith("/language")):
        frame.locator("button[name=language]").click()
    frame.wait_for_selector("html[lang=th]")
    assert "/s/" in frame.url
    frame.locator("main form button, main .actions a.button").first.click()
    frame.wait_for_selector("form[data-answer]")
    sit_to_the_end(SimpleNamespace(respondent=Respondent(ABLE, seed=1, bank=BANK)), frame)  # type: ignore[arg-type]
    assert "/s/" in frame.url
    assert page.context.cookies(old.tool_url) == []
    assert not any(path.startswith("/static/") and status != 200 for _, path, status in old.answers)


def test_s17_a_frame_of_the_platform_may_keep_it_in_the_pages_stead(old: Sites, page: Page):
    old.pages["/keeper"] = KEEPER.replace("TOOL", f'"{old.tool_url}"')

    frame = old.framed(page, old.course(storage="keeper", frames='<iframe name="keeper" src="/keeper"></iframe>'), "/learn/")

    assert "/s/" in frame.url
    assert {message["subject"] for message in old.heard} == {"lti.put_data", "lti.get_data"}


def test_what_a_platform_kept_for_one_launch_does_for_no_other(old: Sites, page: Page):
    first = old.framed(page, old.course(storage="_parent", script=KEEPER), "/learn/").url

    second = old.framed(page, old.course(storage="_parent", script=KEEPER), "/learn/").url

    assert first.split("/learn/")[0] != second.split("/learn/")[0]
    assert len({message["key"] for message in old.heard}) == 2


@pytest.mark.parametrize(("kind", "script"), [("refuses", REFUSER), ("says nothing", ""), ("says what does not answer", MUMBLER)])
def test_s17_a_platform_that_keeps_nothing_leads_to_the_offer_of_a_tab(old: Sites, page: Page, kind: str, script: str):
    frame = old.framed(page, old.course(storage="_parent", script=script), "cookie_asked")

    assert "binding_missing" in frame.inner_text("main")
    assert len(old.hints_left) == 1  # the tab may still use it
    assert launches(old) == []


FORWARDER = """
<script>
addEventListener("message", (event) => {
  if (event.origin === TOOL) frames.stranger.postMessage(event.data, "*");
});
</script>
"""
"""Lets a foreign frame hear what was meant for the platform: the worst that a careless platform could do."""

STRANGER = """
<script>
addEventListener("message", ({ data }) => {
  const subject = `${data.subject}.response`;
  const answer = data.subject === "lti.put_data" ? { error: { code: "no" } } : { value: "x".repeat(43) };
  parent.frames.activity.postMessage({ subject, message_id: data.message_id, key: data.key, ...answer }, "*");
});
</script>
"""

LATE = KEEPER.replace("event.source.postMessage(", "setTimeout((...told) => event.source.postMessage(...told), 400, ")


def test_h35_the_answer_of_a_foreign_frame_is_ignored_though_it_comes_first_and_knows_the_question(old: Sites, page: Page):
    old.pages["/stranger"] = STRANGER
    foreign = f'<iframe name="stranger" src="{old.stranger_url}/stranger"></iframe>'

    frame = old.framed(page, old.course(storage="_parent", script=FORWARDER + LATE, frames=foreign), "/learn/")

    assert "/s/" in frame.url


def test_h35_a_foreign_frame_alone_answers_nothing(old: Sites, page: Page):
    old.pages["/stranger"] = STRANGER
    foreign = f'<iframe name="stranger" src="{old.stranger_url}/stranger"></iframe>'

    frame = old.framed(page, old.course(storage="_parent", script=FORWARDER, frames=foreign), "cookie_asked")

    assert "binding_missing" in frame.inner_text("main")


def test_a_frame_of_another_site_is_told_nothing_though_the_login_names_it(old: Sites, page: Page):
    old.pages["/keeper"] = KEEPER.replace("TOOL", f'"{old.tool_url}"')
    foreign = f'<iframe name="keeper" src="{old.stranger_url}/keeper"></iframe>'

    old.framed(page, old.course(storage="keeper", frames=foreign), "cookie_asked")

    assert old.heard == []


def test_the_address_of_a_path_session_is_worth_nothing_outside_its_frame(old: Sites, page: Page):
    address = old.framed(page, old.course(storage="_parent", script=KEEPER), "/learn/").url
    tab = page.context.new_page()

    tab.goto(address)
    assert "session_missing" in tab.inner_text("main")
    old.framed(tab, old.course(script=f'<a id="go" target="activity" href="{address}">go</a>'), "cookie_asked")
    tab.locator("#go").click()
    assert "session_missing" in old.arrived(tab, "/s/").inner_text("main")


def test_without_script_the_button_leads_to_the_offer_of_a_tab(old: Sites):
    context = old.browser.new_context(java_script_enabled=False)
    page = context.new_page()
    login = f"{old.tool_url}/lti/login?iss={old.lms_url}&client_id=kaona-client&login_hint=u-1&lti_storage_target=_parent"
    old.pages["/plain"] = f'<iframe name="activity" src="{login}&target_link_uri={old.tool_url}/open/roadmap"></iframe>'
    page.goto(f"{old.lms_url}/plain")

    page.frame_locator("iframe").locator("main a.button").first.click()

    page.frame_locator("iframe").get_by_text("binding_missing").first.wait_for()
    context.close()
