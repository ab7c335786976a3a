"""Dynamic registration as rules: a platform's OpenID configuration is judged, our client registration is built, its answer read.

No database, no network: `registering.py` brings those. Source: LTI Dynamic Registration 1.0; OpenID Connect Discovery 1.0;
OpenID Connect Dynamic Client Registration 1.0
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit

from kernel.http import HttpResponse
from kernel.strictjson import InvalidJson
from lti_tool.lti import vocabulary as v
from lti_tool.lti.deep_linking import SUBSTITUTED
from lti_tool.lti.errors import LtiRefused
from lti_tool.lti.message import host_of, origin_of
from lti_tool.lti.products import Product, product_of, safe_audience

PLATFORM_CONFIGURATION = "https://purl.imsglobal.org/spec/lti-platform-configuration"
TOOL_CONFIGURATION = "https://purl.imsglobal.org/spec/lti-tool-configuration"

ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint")
SCOPES = (v.SCOPE_LINE_ITEM, v.SCOPE_RESULT_READ, v.SCOPE_SCORE, v.SCOPE_MEMBERS)
"""What we ask for: each by its name, since a platform may give no more than is asked."""
SCOPE_WORDS: Mapping[str, Mapping[str, str]] = {
    v.SCOPE_LINE_ITEM: {"th": "สร้างและดูแลช่องคะแนนของกิจกรรม", "en": "make and keep the grade columns of its activities"},
    v.SCOPE_RESULT_READ: {"th": "อ่านคะแนนในช่องเหล่านั้น เพื่อตรวจว่าตรงกัน", "en": "read the results in those columns, to compare them"},
    v.SCOPE_SCORE: {"th": "ส่งคะแนนของผู้เรียนกลับไปยังรายวิชา", "en": "send learners' scores to the course"},
    v.SCOPE_MEMBERS: {"th": "อ่านรายชื่อสมาชิกและบทบาทในรายวิชา", "en": "read the members of a course and their roles"},
}
"""What each of them lets us do, in plain words."""
NAME_CLAIMS = ("name", "given_name", "family_name")
CUSTOM = {name: SUBSTITUTED[name] for name in ("context_history", "link_history")}
"""Parameters of every link, also of those that nobody chose through us: they let a copied course be known again."""

NAME = {"en": "Kaona", "th": "ก้าวหน้า"}
DESCRIPTION = {
    "en": "Assessment of digital skills and a personal learning path for civil servants.",
    "th": "แบบประเมินทักษะดิจิทัลและเส้นทางการเรียนรู้รายบุคคลสำหรับข้าราชการ",
}
DEEP_LINKING_LABEL = {"en": "Choose a Kaona activity", "th": "เลือกกิจกรรมจากระบบก้าวหน้า"}

MAX_SHOWN_CHARACTERS = 300
"""Longest piece of a platform's error text that the administrator is shown."""
MAX_NAME_CHARACTERS = 255
MARKUP = re.compile(rb"<\s*(!doctype|html|head|body|\?xml)", re.IGNORECASE)
SUCCESS = range(200, 300)


class RegistrationRefused(LtiRefused):
    """A registration with a real invite came to nothing; nothing was stored but a line of the audit log."""

    code = "registration_refused"
    event: ClassVar[str] = "registration.refused"
    way_on: ClassVar = {
        "th": "ยังไม่มีการบันทึกสิ่งใด โปรดเริ่มการลงทะเบียนใหม่จาก LMS หากยังไม่สำเร็จ ให้ลงทะเบียนด้วยตนเองตามคู่มือ",
        "en": "Nothing was stored. Please start again from your LMS; if it fails once more, register by hand as the guide says.",
    }


class ConfigurationUnreadable(RegistrationRefused):
    """The platform's OpenID configuration did not come, or is no JSON object."""

    code = "configuration_unreadable"
    message: ClassVar = {
        "th": "อ่านข้อมูลการเชื่อมต่อ (OpenID configuration) ของ LMS ไม่ได้",
        "en": "The OpenID configuration of the LMS could not be read.",
    }


class ConfigurationIncomplete(RegistrationRefused):
    """The OpenID configuration lacks what a registration needs."""

    code = "configuration_incomplete"
    message: ClassVar = {
        "th": "ข้อมูลการเชื่อมต่อของ LMS ไม่ครบหรือไม่ถูกต้อง: {name}",
        "en": "The OpenID configuration of the LMS is incomplete or malformed: {name}",
    }


class IssuerForeign(RegistrationRefused):
    """The configuration names an issuer that is not the host that it came from."""

    code = "issuer_foreign"
    message: ClassVar = {
        "th": "ข้อมูลการเชื่อมต่อนี้มาจากเครื่องแม่ข่าย {host} แต่อ้างว่าเป็นของ LMS อื่น จึงไม่ปลอดภัย",
        "en": "This configuration came from {host} and claims to be that of another LMS: that is not safe.",
    }


class EndpointForeign(RegistrationRefused):
    """An address in the configuration lies on a host that is not approved."""

    code = "endpoint_foreign"
    message: ClassVar = {
        "th": "ที่อยู่ {name} ของ LMS อยู่บนเครื่องแม่ข่าย {host} ซึ่งไม่อยู่ในรายการที่อนุญาต",
        "en": "The address {name} of the LMS lies on {host}, which is not an approved host.",
    }
    way_on: ClassVar = {
        "th": "หากเครื่องแม่ข่ายนี้เป็นของหน่วยงาน ให้ผู้ดูแลระบบสร้างลิงก์เชิญใหม่โดยระบุเครื่องแม่ข่ายนี้ไว้ด้วย",
        "en": "If that host is your own, have a new invite made that names it.",
    }


class RegistrationRejected(RegistrationRefused):
    """The platform answered our registration with an error.

    shown   its own words, as plain text; empty when it gave none that a person can read
    """

    code = "registration_rejected"
    message: ClassVar = {
        "th": "LMS ไม่รับการลงทะเบียน (รหัสสถานะ {status_code})",
        "en": "The LMS did not accept the registration (status {status_code}).",
    }

    def __init__(self, *, shown: str = "", **details: Any) -> None:
        super().__init__(**details)
        self.shown = shown

    def advice(self, language: str) -> str:
        """What the platform's word means, where it is known."""
        texts = KNOWN_REFUSALS.get(self.shown)
        return texts[language] if texts else super().advice(language)


_TOKEN_SPENT = {
    "th": "สิทธิ์ลงทะเบียนที่ LMS ให้มาถูกใช้ไปแล้วหรือหมดอายุ โปรดกลับไปที่หน้าจัดการเครื่องมือของ LMS แล้ววางลิงก์เชิญอีกครั้ง",
    "en": "The right to register that the LMS gave was used or has expired. "
    "Go back to the page of tools in your LMS and paste the invite again.",
}
_ADDRESS_DIFFERS = {
    "th": "LMS เห็นที่อยู่ของระบบนี้ไม่ตรงกับที่ตั้งไว้ โปรดให้ผู้ดูแลระบบตรวจค่า KAONA_PUBLIC_URL",
    "en": "The LMS sees another address of this system than the one that is set. Have its operator check KAONA_PUBLIC_URL.",
}
KNOWN_REFUSALS: Mapping[str, Mapping[str, str]] = {
    "token_already_used": _TOKEN_SPENT,
    "missing_registration_token": _TOKEN_SPENT,
    "invalid_token": _TOKEN_SPENT,
    "missing_domain": _ADDRESS_DIFFERS,
    "domain_targetlinkuri_mismatch": _ADDRESS_DIFFERS,
}
"""Moodle's plain-text errors of which the cure is known."""


class AnswerUnusable(RegistrationRefused):
    """The platform answered with success, but with nothing that names our client id."""

    code = "registration_answer_unusable"
    message: ClassVar = {
        "th": "LMS ตอบรับ แต่ไม่ได้แจ้งรหัสลูกข่าย (Client ID) ของระบบนี้",
        "en": "The LMS answered, but did not tell the client id of this tool.",
    }
    way_on: ClassVar = {
        "th": "โปรดตรวจใน LMS ว่ามีเครื่องมือนี้แล้วหรือไม่ หากมี ให้นำ Client ID มาลงทะเบียนด้วยตนเองตามคู่มือ",
        "en": "Look whether the tool is in your LMS now. If it is, register by hand with its client id, as the guide says.",
    }


@dataclass(frozen=True, slots=True)
class PlatformConfiguration:
    """What we keep of a platform's OpenID configuration, judged."""

    url: str
    """Where it was read."""
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    registration_endpoint: str
    family: str
    """Product family code as the platform writes it; may be empty."""
    version: str
    account_name: str
    """Name of the account or site, where the platform tells it; may be empty."""
    token_audience: str | None

    @property
    def product(self) -> Product:
        """The vendor's peculiarities."""
        return product_of(self.family)

    @property
    def has_shared_issuer(self) -> bool:
        """Whether the issuer stands for all the vendor's customers, so that it does not tell where people meet the LMS."""
        return self.issuer in self.product.shared_issuers


@dataclass(frozen=True, slots=True)
class RegistrationAnswer:
    """What a platform tells about our registration. Of the rest of its answer nothing is trusted (scopes are often wrong)."""

    client_id: str
    deployment_id: str | None


def read_configuration(body: object, *, url: str, extra_hosts: Sequence[str] = (), is_dev: bool = False) -> PlatformConfiguration:
    """A platform's OpenID configuration, every address of it on an approved host.

    body         the JSON document
    url          where it was read
    extra_hosts  host:port that the invite allows beside the issuer's own
    is_dev       plain HTTP will do
    Raises       ConfigurationUnreadable, ConfigurationIncomplete, IssuerForeign, EndpointForeign
    Source       LTI Dynamic Registration 1.0, section 3.5 (configuration), OpenID Connect Discovery 1.0, section 4.3 (issuer)
    """
    if not isinstance(body, dict):
        raise ConfigurationUnreadable
    platform = body.get(PLATFORM_CONFIGURATION)
    platform = platform if isinstance(platform, dict) else {}
    family = _text(platform.get("product_family_code"))[:64]
    addresses = {name: _address(body, name, is_dev=is_dev) for name in ("issuer", *ENDPOINTS)}
    configuration = PlatformConfiguration(
        url=url,
        **addresses,
        family=family,
        version=_text(platform.get("version"))[:64],
        account_name=_text(platform.get("https://canvas.instructure.com/lti/account_name")),
        token_audience=safe_audience(_text(body.get("authorization_server")), addresses["token_endpoint"], product_of(family)),
    )
    _check_hosts(configuration, extra_hosts)
    return configuration


def client_registration(configuration: PlatformConfiguration, *, public_url: str, with_names: bool) -> dict[str, Any]:
    """Our side of the registration, as it is posted to the platform.

    public_url   our origin
    with_names   whether names of people are asked for; e-mail never is
    Source       LTI Dynamic Registration 1.0, sections 4.2 (client) and 4.4 (tool configuration)
    """
    launch = f"{public_url}/lti/launch"
    product = configuration.product
    return {
        "application_type": "web",
        "response_types": ["id_token"],
        "grant_types": ["implicit", "client_credentials"],
        "initiate_login_uri": f"{public_url}/lti/login",
        "redirect_uris": [launch],
        "client_name": NAME["en"],
        "client_name#th": NAME["th"],
        "client_uri": public_url,
        "logo_uri": f"{public_url}/static/mark.svg",
        "jwks_uri": f"{public_url}/lti/jwks.json",
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": " ".join(SCOPES),
        TOOL_CONFIGURATION: {
            "domain": urlsplit(public_url).netloc,
            "description": DESCRIPTION["en"],
            "description#th": DESCRIPTION["th"],
            "target_link_uri": launch,
            "custom_parameters": CUSTOM,
            "claims": ["iss", "sub", *(NAME_CLAIMS if with_names else ())],
            "messages": _messages(product, public_url),
            **{name: named if with_names else nameless for name, named, nameless in product.tool_settings},
        },
    }


def read_answer(response: HttpResponse) -> RegistrationAnswer:
    """The platform's answer: any status of success will do, whatever its content type. Raises RegistrationRejected, AnswerUnusable."""
    try:
        body = response.json()
    except InvalidJson:
        body = None
    if response.status not in SUCCESS:
        raise RegistrationRejected(status_code=response.status, shown=_error_in(body, response.body))
    client_id = _text(body.get("client_id")) if isinstance(body, dict) else ""
    if not isinstance(body, dict) or not client_id:
        raise AnswerUnusable
    tool = body.get(TOOL_CONFIGURATION)
    deployment = tool.get("deployment_id") if isinstance(tool, dict) else None
    return RegistrationAnswer(client_id, _text(deployment) or None)


def _messages(product: Product, public_url: str) -> list[dict[str, Any]]:
    """The messages that we take, as far as the product takes their announcement."""
    launch = f"{public_url}/lti/launch"
    deep_linking: dict[str, Any] = {
        "type": v.DEEP_LINKING_REQUEST,
        "target_link_uri": f"{public_url}/open/choose",
        "label": DEEP_LINKING_LABEL["en"],
        "label#th": DEEP_LINKING_LABEL["th"],
        "placements": list(product.placements),
    }
    messages: list[dict[str, Any]] = [
        {"type": v.RESOURCE_LINK_REQUEST, "target_link_uri": launch},
        deep_linking,
        {"type": v.SUBMISSION_REVIEW_REQUEST, "target_link_uri": launch},
        {"type": v.DATA_PRIVACY_REQUEST, "target_link_uri": launch},
    ]
    return [message for message in messages if product.message_types is None or message["type"] in product.message_types]


def _check_hosts(configuration: PlatformConfiguration, extra_hosts: Sequence[str]) -> None:
    product = configuration.product
    own = {host_of(configuration.url), *extra_hosts}
    is_own = host_of(configuration.issuer) in own
    if not is_own and not (configuration.has_shared_issuer and product.has_host(configuration.url)):
        raise IssuerForeign(host=host_of(configuration.url))
    for name in ENDPOINTS:
        address = getattr(configuration, name)
        if host_of(address) not in own and not (address.startswith("https://") and product.has_host(address)):
            raise EndpointForeign(name=name, host=host_of(address))


def _address(body: Mapping[str, Any], name: str, *, is_dev: bool) -> str:
    value = body.get(name)
    if not isinstance(value, str) or len(value) > MAX_NAME_CHARACTERS * 8 or origin_of(value) is None:
        raise ConfigurationIncomplete(name=name)
    if not value.startswith("https://") and not is_dev:
        raise ConfigurationIncomplete(name=name)
    if name == "issuer" and (len(value) > MAX_NAME_CHARACTERS or set("?#") & set(value)):
        raise ConfigurationIncomplete(name=name)
    return value


def _text(value: object) -> str:
    """A short printable text; empty for anything else."""
    is_usable = isinstance(value, str) and len(value) <= MAX_NAME_CHARACTERS and value.isprintable()
    return str(value).strip() if is_usable else ""


def _error_in(body: object, raw: bytes) -> str:
    """What the platform says of its refusal, as one line of plain text; empty when it answers with a page or with nothing."""
    if isinstance(body, dict):
        listed = body.get("errors")
        first = listed[0] if isinstance(listed, list) and listed else listed
        words = first.get("message") if isinstance(first, dict) else first
        said = next(
            (word for word in (body.get("error_description"), body.get("error"), body.get("message"), words) if isinstance(word, str)), ""
        )
    elif MARKUP.search(raw[:2000]):
        said = ""
    else:
        said = raw[: MAX_SHOWN_CHARACTERS * 4].decode("utf-8", "replace")
    plain = "".join(character if character.isprintable() else " " for character in said)
    return " ".join(plain.split())[:MAX_SHOWN_CHARACTERS]
