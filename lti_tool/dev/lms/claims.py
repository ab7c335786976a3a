"""What an id_token of this platform says: the claims of a resource link launch as Moodle 4.5 sends them."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kernel.langmap import text_in
from lti_tool.dev.lms import names
from lti_tool.dev.lms.config import Activity, Course, CourseRole, LmsConfig, Person, Tool

TOKEN_LIFE_SECONDS = 60
"""`exp` minus `iat`."""


@dataclass(frozen=True, slots=True)
class Launch:
    """One opening of an activity by one person, as far as its token is concerned."""

    config: LmsConfig
    tool: Tool
    person: Person
    course: Course
    activity: Activity
    locale: str
    document_target: str
    return_url: str
    line_item_ids: Sequence[int]
    """Line items that belong to the link."""

    @property
    def target_link_uri(self) -> str:
        """Where the link wants to arrive."""
        return self.activity.url or self.tool.target_link_uri

    @property
    def service_root(self) -> str:
        """Address below which the course's services lie."""
        return f"{self.config.base_url}/lti/services/{self.course.id}"

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
        root = f"{self.config.base_url}/lti/services/CourseSection/{self.course.id}"
        return f"{root}/bindings/{self.tool.deployment_id}/memberships"


def roles_in_launch(person: Person, course_id: str) -> list[str]:
    """Role URIs, sorted; assistants and managers are Instructor as Moodle makes them."""
    if person.is_administrator:
        return sorted([names.INSTITUTION_ADMINISTRATOR, names.INSTRUCTOR, names.SYSTEM_ADMINISTRATOR])
    return [names.LEARNER if person.roles[course_id] == "learner" else names.INSTRUCTOR]


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
    config, tool, activity, course, person = launch.config, launch.tool, launch.activity, launch.course, launch.person
    claims: dict[str, Any] = {
        "iss": config.base_url,
        "aud": tool.client_id,
        "iat": issued_at,
        "exp": issued_at + TOKEN_LIFE_SECONDS,
        "nonce": nonce,
        "sub": person.id,
        names.MESSAGE_TYPE: "LtiResourceLinkRequest",
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
        names.RESOURCE_LINK: {
            "id": activity.id,
            "title": text_in(launch.locale, activity.title),
            "description": text_in(launch.locale, activity.description) if activity.description else "",
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
    if activity.score_maximum is not None:
        claims[names.BASIC_OUTCOME] = {
            "lis_result_sourcedid": json.dumps({"data": {"instanceid": activity.id, "userid": person.id}, "hash": ""}),
            "lis_outcome_service_url": f"{config.base_url}/lti/outcomes",
        }
    return claims | _service_claims(launch)


def custom_parameters(launch: Launch) -> dict[str, str | None]:
    """Custom parameters of registration and link, substituted, each name also in lower case with `_`.

    The registration's value wins over the link's. A variable is replaced only when it is the whole value;
    one that is not known stays as its literal text, one that privacy withholds becomes null.
    """
    variables = _variables(launch)
    merged = {**launch.activity.custom, **launch.tool.custom}
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
        "$Context.id": course.id,
        "$Context.title": text_in(launch.locale, course.title),
        "$Context.label": course.short_name,
        "$Context.longDescription": text_in(launch.locale, course.summary) if course.summary else "",
        "$Context.id.history": "",
        "$CourseSection.sourcedId": course.sourcedid,
        "$ResourceLink.id": activity.id,
        "$ResourceLink.title": text_in(launch.locale, activity.title),
        "$Membership.role": word,
        "$LineItem.url": launch.line_item_url or "",
        "$LineItems.url": launch.line_items_url,
        "$ToolProxyBinding.memberships.url": launch.members_url,
    }
