"""A launch from a platform that we did not write: the published package `lti1p3platform` builds every message."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from lti1p3platform.ltiplatform import LTI1P3PlatformConfAbstract
from lti1p3platform.message_launch import LTIAdvantageMessageLaunchAbstract
from lti1p3platform.oidc_login import OIDCLoginAbstract
from lti1p3platform.registration import Registration

from kernel import outbox
from kernel.http import GuardedClient, HttpPolicy
from lti_tool import models
from lti_tool.jobs import score_publish
from lti_tool.lti import vocabulary as v
from lti_tool.lti.services import AccessTokens
from tests.lti.lti_world import CLIENT_ID, KEYS, TOOL, Answer, Call, Tool, code_of


class Conf(LTI1P3PlatformConfAbstract):
    """The platform's side as its library wants it: one registration of our tool."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        super().__init__()

    def init_platform_config(self, **kwargs: Any) -> None:
        """Nothing to read."""

    def get_registration_by_params(self, **_: Any) -> Registration:
        registration = Registration().set_iss(self.tool.platform.url).set_client_id(CLIENT_ID).set_deployment_id("1")
        registration.set_oidc_login_url(f"{TOOL}/lti/login").set_launch_url(f"{TOOL}/open/roadmap")
        registration.set_platform_private_key(KEYS[0].as_pem(private=True).decode())
        registration.set_platform_public_key(KEYS[0].as_pem(private=False).decode())
        registration.set_tool_key_set(self.tool.browser.get("/lti/jwks.json", base_url=TOOL).get_json())
        return registration


class Request:
    """What the library reads of a request."""

    def __init__(self, values: dict[str, str]) -> None:
        self.get_data: dict[str, str] = values
        self.form_data: dict[str, str] = {}


class Login(OIDCLoginAbstract):
    def set_lti_message_hint(self, **_: Any) -> None:
        self._lti_message_hint = "hint-1"

    def get_redirect(self, url: str) -> str:
        return url


class Launch(LTIAdvantageMessageLaunchAbstract):
    def get_launch_url(self) -> str:
        return f"{TOOL}/open/roadmap"

    def prepare_launch(self, preflight_response: dict[str, Any]) -> None:  # noqa: ARG002  the library's signature
        self.set_user_data("learner-1", [f"{v.MEMBERSHIP}#Learner"], full_name="สมชาย ใจดี")
        self.set_resource_link_claim("link-1", title="แบบประเมิน")
        url = self._registration.get_iss()  # type: ignore[union-attr]
        self.set_ags(lineitems_url=f"{url}/items", lineitem_url=f"{url}/items/1")
        self.set_extra_claims({v.CONTEXT: {"id": "course-1", "title": "รายวิชา"}})

    def render_launch_form(self, launch_data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return launch_data


@pytest.fixture
def conf(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Conf:
    from datetime import UTC, datetime

    tool.moment.now = datetime.now(UTC)  # the library has no clock but the machine's
    monkeypatch.setattr(score_publish, "TOKENS", AccessTokens())
    conf = Conf(tool)
    conf.get_registration()
    tool.platform.keys = conf.get_jwks()["keys"]
    return conf


def walk(tool: Tool, conf: Conf) -> Any:
    """From the platform's course page to our answer to the launch."""
    login = Login(Request({}), conf)
    login.set_lti_message_hint()
    started = tool.browser.get(login.initiate_login("learner-1"), base_url=TOOL)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(started.headers["Location"]).query).items()}
    posted = Launch(Request(asked), conf).lti_launch()  # type: ignore[arg-type]
    path = urlsplit(posted["launch_url"]).path
    data = {"id_token": posted["id_token"], "state": posted["state"]}
    return tool.browser.post(path, data=data, base_url=TOOL, headers={"Accept": "text/html"}), data


def test_a_launch_of_the_published_platform_is_accepted_once(tool: Tool, conf: Conf):
    response, data = walk(tool, conf)

    assert response.status_code == 303, response.text
    (user,), (line_item,) = tool.rows(models.User), tool.rows(models.LineItem)
    assert (user.sub, user.display_name) == ("learner-1", "สมชาย ใจดี")
    assert line_item.url == f"{tool.platform.url}/items/1"
    again = tool.browser.post("/lti/launch", data=data, base_url=TOOL, headers={"Accept": "text/html"})
    assert code_of(again) == "state_used"


def test_the_published_platform_gives_us_a_token_and_takes_our_score(tool: Tool, conf: Conf):
    walk(tool, conf)

    def token(call: Call) -> Answer:
        form = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        from kernel.strictjson import dumps

        return Answer(body=dumps(library_token(conf, form)))

    posted: list[Call] = []

    def scores(call: Call) -> Answer:
        posted.append(call)
        bearer = call.headers["authorization"].removeprefix("Bearer ")
        return Answer(200 if conf.validate_token(bearer, [v.SCOPE_SCORE]) else 401)

    tool.platform.answers |= {"/token": token, "/items/1/scores": scores}
    with tool.database.transaction() as db:
        line_item, user = db.query(models.LineItem).one(), db.query(models.User).one()
        score_publish.enqueue_score(
            db, line_item=line_item, user=user, score_given=8.0, score_maximum=10.0, comment=None, now=tool.moment.now
        )
        (item,) = outbox.claim(db, kinds=[score_publish.KIND], now=tool.moment.now)

    outcome = score_publish.publish_score(
        tool.database, item, http=GuardedClient(HttpPolicy(dev_mode=True)), settings=tool.app.settings, clock=tool.moment
    )

    assert (outcome, len(posted)) == ("done", 1)


def library_token(conf: Conf, form: dict[str, str]) -> dict[str, Any]:
    """The library's own token answer; it checks our assertion against our key set."""
    conf._jwt = {"header": None, "body": None}
    conf._jwt_verify_options = {"verify_aud": False}
    return dict(conf.get_access_token(form))
