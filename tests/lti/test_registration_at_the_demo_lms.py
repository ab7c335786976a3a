"""The whole way of an administrator who has only the LMS's administration page and our invite, by HTTP and in Chromium."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from kernel.clock import system_clock
from kernel.db import Database
from lti_tool import models
from lti_tool.app import create_app
from lti_tool.dev.lms import listen, serve
from lti_tool.lti.invites import invite_url, make_invite
from lti_tool.lti.registrations import PlatformView, check_platform, list_platforms
from lti_tool.lti.tenants import add_tenant
from lti_tool.settings import Settings
from lti_tool.views.registration import HTTP
from lti_tool.web.edge import KaonaApp
from tests.lms_harness import ADMINISTRATOR, RunningLms, running_lms


@dataclass
class Opposite:
    """The real tool and the demo LMS, each on a port of its own."""

    app: KaonaApp
    url: str
    lms: RunningLms

    def invite(self) -> str:
        with self.app.database.transaction() as db:
            tenant = db.query(models.Tenant).one()
            return invite_url(self.url, make_invite(db, tenant_id=tenant.id, now=system_clock()).token)

    def platforms(self) -> list[PlatformView]:
        with self.app.database.reading() as db:
            return list_platforms(db)

    def registers(self, *, choice: str = "", names: str = "yes") -> None:
        """The invite pasted, and the button pressed."""
        with self.lms.browser(ADMINISTRATOR) as browser:
            page = browser.open_registration(self.invite(), choice=choice)
            assert page.status_code == 200, page.text
            done = browser.submit_form(page, {"names": names}, form=1)
            assert "data-close-now" in done.text


@pytest.fixture
def opposite(database: Database, installation: Path) -> Iterator[Opposite]:
    listener = listen()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with database.transaction() as db:
        add_tenant(db, key="opdc", name={"th": "หน่วยงาน", "en": "Agency"}, home_page="https://one.example.go.th", now=system_clock())
    app = create_app(Settings(public_url=url, data_dir=installation), database=database)
    server = serve(app, listener=listener)
    try:
        with running_lms(tools=(), courses=()) as lms:
            yield Opposite(app, url, lms)
    finally:
        server.close()


@pytest.mark.browser
def test_u9_an_administrator_with_nothing_but_the_invite_connects_the_lms_in_three_screens(opposite: Opposite, chromium: Browser):
    context = chromium.new_context(locale="th-TH")
    page = context.new_page()
    page.goto(f"{opposite.lms.url}/")
    page.click(f"button[value='{ADMINISTRATOR}']")
    page.goto(f"{opposite.lms.url}/administration")
    page.fill("#url", opposite.invite())
    page.click("#register button")
    page.frame_locator("iframe").get_by_role("button", name="เชื่อมต่อ").click()
    page.wait_for_url(f"{opposite.lms.url}/administration#tools")
    context.close()

    (platform,) = opposite.platforms()
    (tool,) = opposite.lms.lms.tools
    assert (platform.issuer, platform.client_id, platform.deployments) == (opposite.lms.url, tool.client_id, (tool.deployment_id,))
    assert (platform.product, tool.login_url, tool.is_active) == ("moodle", f"{opposite.url}/lti/login", False)
    assert (tool.shares_name, tool.shares_email) == (True, False)


def test_u9_an_activated_platform_passes_the_check(opposite: Opposite):
    opposite.registers()
    (tool,) = opposite.lms.lms.tools
    with opposite.lms.browser(ADMINISTRATOR) as browser:
        activated = browser.request("POST", f"{opposite.lms.url}/administration/tools/{tool.client_id}/activate")
        assert activated.status_code in {200, 303}

    (platform,) = opposite.platforms()
    found = check_platform(
        opposite.app.database,
        issuer=platform.issuer,
        client_id=platform.client_id,
        http=opposite.app.extensions[HTTP],
        secret=opposite.app.secret,
        clock=system_clock,
    )
    assert found.faults == ()


def test_q11_an_update_from_the_lms_keeps_client_id_and_deployment(opposite: Opposite):
    opposite.registers()
    (first,) = opposite.platforms()

    opposite.registers(choice=first.deployments[0], names="no")

    (second,) = opposite.platforms()
    assert (second.uuid, second.client_id, second.deployments) == (first.uuid, first.client_id, first.deployments)
    assert not second.keeps_names
    assert [tool.shares_name for tool in opposite.lms.lms.tools] == [False]


def test_q3_the_tool_registered_twice_is_two_platforms_of_one_issuer(opposite: Opposite):
    opposite.registers()
    opposite.registers(choice="new")

    first, second = opposite.platforms()
    assert first.issuer == second.issuer
    assert first.client_id != second.client_id
