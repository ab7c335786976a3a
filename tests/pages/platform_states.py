"""The states of the pages that connect platforms: those of our administrators, and those that an LMS opens to register."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from kernel.ids import derived_uuid
from lti_tool.lti.blocks import BlockedPerson
from lti_tool.lti.dynamic_registration import SCOPES, PlatformConfiguration
from lti_tool.lti.products import CANVAS, MOODLE
from lti_tool.lti.registering import Offer
from lti_tool.lti.registrations import PlatformCheck, PlatformInvalid, PlatformView
from lti_tool.lti.tool_keys import ToolKeyView
from lti_tool.views import platforms, registration
from lti_tool.web.principal import Role

TOOL = "https://kaona.opdc.example.go.th"
LMS = "https://lms.civil-service-learning.example.go.th"

VIEW = PlatformView(
    id=1,
    uuid=derived_uuid("platform", "1"),
    tenant="opdc",
    issuer=LMS,
    client_id="AbCdEf123456789",
    auth_url=f"{LMS}/mod/lti/auth.php",
    token_url=f"{LMS}/mod/lti/token.php",
    jwks_url=f"{LMS}/mod/lti/certs.php",
    token_audience=None,
    deployments=("1",),
    frame_origins=(LMS, "https://portal.example.go.th"),
    approved_hosts=("lms.civil-service-learning.example.go.th:443",),
    product="moodle",
    keeps_names=True,
    learns_deployment_until=None,
    is_pending=False,
    is_enabled=True,
)


def moodle(**changes: Any) -> PlatformConfiguration:
    """A Moodle as it describes itself."""
    values: dict[str, Any] = {
        "url": f"{LMS}/mod/lti/openid-configuration.php",
        "issuer": LMS,
        "authorization_endpoint": VIEW.auth_url,
        "token_endpoint": VIEW.token_url,
        "jwks_uri": VIEW.jwks_url,
        "registration_endpoint": f"{LMS}/mod/lti/openid-registration.php",
        "family": "moodle",
        "version": "4.5.6 (Build: 20250811)",
        "account_name": "",
        "token_audience": None,
        **changes,
    }
    return PlatformConfiguration(**values)


def offer(configuration: PlatformConfiguration, *, invite_id: int | None = 1, is_known: bool = False) -> dict[str, Any]:
    """What the first page shows."""
    agency = {"th": "สำนักงานคณะกรรมการพัฒนาระบบราชการ", "en": "Office of the Public Sector Development Commission"}
    made = Offer("t", 1, agency, invite_id, configuration, "https://school.instructure.com", "token")
    return {
        **registration.offer_values(made, "sealed"),
        "is_known": is_known,
        "change": "either" if is_known else "new",
        "public_url": TOOL,
    }


def done(view: PlatformView, **changes: Any) -> dict[str, Any]:
    """What the last page shows."""
    return {"platform": view, "product": MOODLE, "origins": [LMS], "fault": None, "change": "new", **changes}


def platform_states(state: Any, now: datetime, launch: UUID) -> Iterator[Any]:
    """The states. state: the class of one; now, launch: of the pages' world."""
    at, administrator = f"/admin/{launch}/platforms/", Role.ADMINISTRATOR
    keys = [ToolKeyView("nV3x_key", now + timedelta(hours=20), None), ToolKeyView("Qq81_key", now, now + timedelta(days=8))]
    pending = replace(VIEW, client_id="waits", product=None, is_pending=True, is_enabled=False, deployments=(), learns_deployment_until=now)
    off = replace(VIEW, client_id="off", is_enabled=False)
    blocked = [BlockedPerson("4711", "นายสมชาย ใจดี", now), BlockedPerson("4712", None, now - timedelta(days=3))]
    faults = (
        {"th": f"อ่านชุดกุญแจไม่ได้ (timeout): {VIEW.jwks_url}", "en": f"The key set cannot be read (timeout): {VIEW.jwks_url}"},
        {"th": "เวลาของ LMS ต่างจากเวลาของระบบ -95 วินาที", "en": "The clock of the platform differs from ours by -95 s."},
    )
    well, ill = PlatformCheck(2, {}, 0.4, SCOPES, ()), PlatformCheck(None, {}, -95.0, None, faults)
    invited = {"invite_url": f"{TOOL}/lti/register?invite=" + "x" * 43, "invite_expires_at": now + timedelta(days=7)}
    fault = PlatformInvalid([{"th": "auth url ไม่ใช่ที่อยู่เว็บ", "en": "the auth url is not a web address"}])
    typed = dict.fromkeys(platforms.FIELDS, LMS)

    for name, template, values in [
        ("platforms", "platforms", platforms.home_values([VIEW, pending, off], keys)),
        ("platforms-none", "platforms", platforms.home_values([], keys[1:], **invited)),
        ("platforms-by-hand", "by_hand", platforms.by_hand_values(TOOL)),
        ("platforms-by-hand-wrong", "by_hand", platforms.by_hand_values(TOOL) | {"given": typed, "fault": fault}),
        ("platform", "platform", platforms.platform_values(VIEW, [], well)),
        ("platform-ill", "platform", platforms.platform_values(off, blocked, ill)),
        ("platform-pending", "platform", platforms.platform_values(pending, [])),
        *((f"platforms-{lms}", "instructions", platforms.instruction_values(lms, TOOL)) for lms in platforms.LMSS),
    ]:
        yield state(name, at, f"admin/{template}.html", lambda values=values: values, administrator)

    canvas = moodle(family="canvas", issuer="https://canvas.instructure.com", account_name="Test University", version="vCloud")
    assert canvas.product is CANVAS
    for name, template, values in [
        ("register-offer", "offer", offer(moodle())),
        ("register-offer-open", "offer", offer(canvas, invite_id=None, is_known=True)),
        ("register-offer-again", "offer", offer(moodle(), is_known=True)),
        ("register-done", "done", done(VIEW)),
        ("register-done-again", "done", done(VIEW, change="update")),
        ("register-done-pending", "done", done(pending, fault="timeout", product=CANVAS)),
        ("register-by-hand", "by_hand", {"agency": VIEW_AGENCY, "address": invited["invite_url"]}),
    ]:
        yield state(name, "/lti/register", f"registration/{template}.html", lambda values=values: values, None, in_both=True)


VIEW_AGENCY = {"th": "สำนักงาน ก.พ.ร.", "en": "OPDC"}
