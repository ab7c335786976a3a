"""What an id_token of this platform says: the claims of each message as Moodle 4.5 sends them."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import Any

from kernel.langmap import text_in
from lti_tool.dev.lms import names
from lti_tool.dev.lms.config import Activity, Course, CourseRole, LmsConfig, Person, Tool

TOKEN_LIFE_SECONDS = 60
"""`exp` minus `iat`."""
COURSE_BEGINS, COURSE_ENDS = "2026-10-01T00:00:00+00:00", "2027-09-30T00:00:00+00:00"
"""Every course of the LMS lasts the Thai fiscal year 2570."""


@dataclass(frozen=True, slots=True)
class Launch:
    """One opening of an activity by one person, as far as its token is concerned."""

    config: LmsConfig
    tool: Tool
    person: Person
    course: Course
    activity: Activity | None
    """The link; None for a message that has none."""
    locale: str
    document_target: str
    return_url: str
    """Where the tool sends its user, or its content items, when it is done."""
    target_link_uri: str
    line_item_ids: Sequence[int] = ()
    """Line items that belong to the link."""
    more_custom: Mapping[str, str] = field(default_factory=dict)
    """Parameters of a submission review beside those of the link."""

    @property
    def service_root(self) -> str:
        """Address below which the course's services lie."""
        return f"{self.config.base_url}/mod/lti/services.php/{self.course.id}"

    @property
    def line_items_url(self) -> str:
        """The course's line items, as this tool may see them."""
        return f"{self.service_root}/lineitems?type_id={self.tool.deployment_id}"

    @property
    def line_item_url(self) -> str | None:
        """The link's line item; None when it has none or several."""
        if len(self.line_item_ids) != 1:
            return None
        return f"{self.service_root}/lineitems/{self.line_item_ids[0]}/lineitem?type_id={self.tool.deployment_id}"

    @property
    def members_url(self) -> str:
        """The course's members."""
        root = f"{self.config.base_url}/mod/lti/services.php/CourseSection/{self.course.id}"
        return f"{root}/bindings/{self.tool.deployment_id}/memberships"


def roles_in_launch(person: Person, course_id: str) -> list[str]:
    """Role URIs, sorted; assistants and managers are Instructor as Moodle makes them."""
    if person.is_administrator:
        return sorted([names.INSTITUTION_ADMINISTRATOR, names.INSTRUCTOR, names.SYSTEM_ADMINISTRATOR])
    return [names.LEARNER if person.roles.get(course_id, "learner") == "learner" else names.INSTRUCTOR]


def role_in_members(role: CourseRole) -> str:
    """The bare word of the members list, where Moodle counts the assistant among the learners."""
    return "Instructor" if role in {"instructor", "manager"} else "Learner"


def name_parts(person: Person, locale: str) -> tuple[str, str]:
    """Given and family name: what stands before and after the last space."""
    given, _, family = text_in(locale, person.name).rpartition(" ")
    return (given, family) if given else (family, "")


def resource_link_claims(launch: Launch, *, nonce: str, issued_at: int) -> dict[str, Any]:
    """All claims of a resource link launch.

    nonce       of the authentication request, echoed
    issued_at   seconds since 1970
    Source      LTI 1.3 core, section 5.3; Moodle 4.5 as measured for what stands in each
    """
    claims = _message_claims(launch, names.RESOURCE_LINK_REQUEST, nonce, issued_at) | _link_claims(launch)
    activity = launch.activity
    if activity is not None and activity.score_maximum is not None:
        claims[names.BASIC_OUTCOME] = {
            "lis_result_sourcedid": json.dumps({"data": {"instanceid": activity.id, "userid": launch.person.id}, "hash": ""}),
            "lis_outcome_service_url": f"{launch.config.base_url}/mod/lti/service.php",
        }
    return claims | _service_claims(launch)


def submission_review_claims(launch: Launch, *, for_user: str, nonce: str, issued_at: int) -> dict[str, Any]:
    """All claims of a submission review: those of the link, and of whom it is about nothing but the id.

    Source   LTI submission review 1.0, section 3; Moodle 4.5 as measured (Q25)
    """
    claims = _message_claims(launch, names.SUBMISSION_REVIEW_REQUEST, nonce, issued_at) | _link_claims(launch)
    return claims | {names.FOR_USER: {"user_id": for_user}} | _service_claims(launch)


def deep_linking_claims(launch: Launch, *, title: str, text: str, nonce: str, issued_at: int) -> dict[str, Any]:
    """All claims of a deep linking request; no `data` and no `accept_lineitem`, of the presentation the language alone.

    title, text   of the activity form
    Source        LTI deep linking 2.0, section 4.4; Moodle 4.5 as measured
    """
    claims = _message_claims(launch, names.DEEP_LINKING_REQUEST, nonce, issued_at)
    claims[names.LAUNCH_PRESENTATION] = {"locale": launch.locale}
    claims[names.DEEP_LINKING_SETTINGS] = {
        "accept_types": ["ltiResourceLink"],
        "accept_presentation_document_targets": ["frame", "iframe", "window"],
        "accept_copy_advice": False,
        "accept_multiple": True,
        "accept_unsigned": False,
        "auto_create": False,
        "can_confirm": False,
        "deep_link_return_url": launch.return_url,
        "title": title,
        "text": text,
    }
    return claims | _service_claims(launch)


def data_privacy_claims(launch: Launch, *, nonce: str, issued_at: int) -> dict[str, Any]:
    """All claims of a data privacy launch: no course, no link, about the person who opens it.

    Source   LTI data privacy launch 1.0 (Moodle has none)
    """
    claims = _message_claims(launch, names.DATA_PRIVACY_REQUEST, nonce, issued_at)
    del claims[names.CONTEXT]
    claims[names.LIS] = {"person_sourcedid": launch.person.sourcedid}
    return claims | {names.FOR_USER: {"user_id": launch.person.id}}


def _message_claims(launch: Launch, message_type: str, nonce: str, issued_at: int) -> dict[str, Any]:
    """What every message of this platform says."""
    config, tool, course, person = launch.config, launch.tool, launch.course, launch.person
    claims: dict[str, Any] = {
        "iss": config.base_url,
        "aud": tool.client_id,
        "iat": issued_at,
        "exp": issued_at + TOKEN_LIFE_SECONDS,
        "nonce": nonce,
        "sub": person.id,
        names.MESSAGE_TYPE: message_type,
        names.VERSION: "1.3.0",
        names.DEPLOYMENT_ID: tool.deployment_id,
        names.TARGET_LINK_URI: launch.target_link_uri,
        names.ROLES: roles_in_launch(person, course.id),
        names.CONTEXT: {
            "id": course.id,
            "label": course.short_name,
            "title": text_in(launch.locale, course.title),
            "type": ["CourseSection"],
        },
        names.LIS: {"person_sourcedid": person.sourcedid, "course_section_sourcedid": course.sourcedid},
        names.LAUNCH_PRESENTATION: {
            "locale": launch.locale,
            "document_target": launch.document_target,
            "return_url": launch.return_url,
        },
        names.EXT: {"lms": "moodle-2"},
        names.TOOL_PLATFORM: {
            "product_family_code": config.product_family_code,
            "version": config.product_version,
            "guid": config.base_url.split("://", 1)[1],
            "name": text_in(launch.locale, config.name),
            "description": text_in(launch.locale, config.name),
        },
        names.CUSTOM: custom_parameters(launch),
    }
    claims |= _personal_claims(launch)
    if tool.shares_name:
        claims[names.EXT]["user_username"] = person.username
    return claims


def _link_claims(launch: Launch) -> dict[str, Any]:
    activity = launch.activity
    assert activity is not None
    description = text_in(launch.locale, activity.description) if activity.description else ""
    return {
        names.RESOURCE_LINK: {
            "id": activity.id,
            "title": text_in(launch.locale, activity.title),
            "description": html_as_text(description) if activity.has_html else description,
        }
    }


def html_as_text(html: str) -> str:
    """A description of the editor as launches carry it: bold in capitals, tags gone, lines ended by CR LF."""
    bold = re.sub(r"(?is)<(b|strong)\b[^>]*>(.*?)</\1>", lambda found: found.group(2).upper(), html)
    broken = re.sub(r"(?i)<br\s*/?>|</p>|</div>|</li>", "\n", bold)
    text = unescape(re.sub(r"<[^>]*>", "", broken)).strip()
    return re.sub(r"\r\n|\r|\n", "\r\n", text)


def custom_parameters(launch: Launch) -> dict[str, str | None]:
    """Custom parameters of registration and link, substituted, each name also in lower case with `_`.

    The registration's value wins over the link's. A variable is replaced only when it is the whole value;
    one that is not known stays as its literal text, one that privacy withholds becomes null.
    """
    variables = _variables(launch)
    of_link = launch.activity.custom if launch.activity is not None else {}
    merged = {**of_link, **launch.more_custom, **launch.tool.custom}
    values = {name: variables.get(value, value) for name, value in merged.items()}
    plain = {re.sub(r"[^a-z0-9]", "_", name.lower()): value for name, value in values.items()}
    return {**plain, **values}


def _personal_claims(launch: Launch) -> dict[str, str]:
    claims: dict[str, str] = {}
    if launch.tool.shares_name:
        given, family = name_parts(launch.person, launch.locale)
        claims |= {"given_name": given, "family_name": family, "name": text_in(launch.locale, launch.person.name)}
    if launch.tool.shares_email and launch.person.email:
        claims["email"] = launch.person.email
    return claims


def _service_claims(launch: Launch) -> dict[str, Any]:
    claims: dict[str, Any] = {}
    grading = sorted(set(launch.tool.scopes) & set(names.AGS_SCOPES))
    if grading:
        claims[names.AGS_ENDPOINT] = {"scope": grading, "lineitems": launch.line_items_url}
        if launch.line_item_url:
            claims[names.AGS_ENDPOINT]["lineitem"] = launch.line_item_url
    if names.SCOPE_MEMBERS in launch.tool.scopes:
        claims[names.NRPS_SERVICE] = {"context_memberships_url": launch.members_url, "service_versions": ["1.0", "2.0"]}
    return claims


def _variables(launch: Launch) -> Mapping[str, str | None]:
    person, course, activity = launch.person, launch.course, launch.activity
    given, family = name_parts(person, launch.locale) if launch.tool.shares_name else (None, None)
    word = "Learner" if roles_in_launch(person, course.id) == [names.LEARNER] else "Instructor"
    return {
        "$User.id": person.id,
        "$User.username": person.username,
        "$Person.name.full": text_in(launch.locale, person.name) if launch.tool.shares_name else None,
        "$Person.name.given": given,
        "$Person.name.family": family,
        "$Person.email.primary": person.email if launch.tool.shares_email else None,
        "$Person.sourcedId": person.sourcedid,
        "$Person.address.timezone": launch.config.time_zone,
        "$CourseSection.timeFrame.begin": COURSE_BEGINS,
        "$CourseSection.timeFrame.end": COURSE_ENDS,
        "$Moodle.Person.userGroupIds": "",
        "$Context.id": course.id,
        "$Context.title": text_in(launch.locale, course.title),
        "$Context.label": course.short_name,
        "$Context.longDescription": text_in(launch.locale, course.summary) if course.summary else "",
        "$Context.id.history": ",".join(course.history),
        "$CourseSection.sourcedId": course.sourcedid,
        "$ResourceLink.id": activity.id if activity else None,
        "$ResourceLink.title": text_in(launch.locale, activity.title) if activity else None,
        "$Membership.role": word,
        "$LineItem.url": launch.line_item_url or "",
        "$LineItems.url": launch.line_items_url,
        "$ToolProxyBinding.memberships.url": launch.members_url,
    }
