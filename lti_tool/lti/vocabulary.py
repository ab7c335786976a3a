"""The words of LTI, spelled as 1EdTech spells them."""

from enum import StrEnum

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
MESSAGE_TYPE = CLAIM + "message_type"
VERSION = CLAIM + "version"
DEPLOYMENT_ID = CLAIM + "deployment_id"
TARGET_LINK_URI = CLAIM + "target_link_uri"
ROLES = CLAIM + "roles"
CONTEXT = CLAIM + "context"
RESOURCE_LINK = CLAIM + "resource_link"
LAUNCH_PRESENTATION = CLAIM + "launch_presentation"
CUSTOM = CLAIM + "custom"
TOOL_PLATFORM = CLAIM + "tool_platform"
FOR_USER = CLAIM + "for_user"
BRIGHTSPACE = "http://www.brightspace.com"
"""Claim of one platform, read for the history of copies."""
DEEP_LINKING_CLAIM = "https://purl.imsglobal.org/spec/lti-dl/claim/"
DEEP_LINKING_SETTINGS = DEEP_LINKING_CLAIM + "deep_linking_settings"
CONTENT_ITEMS = DEEP_LINKING_CLAIM + "content_items"
DATA = DEEP_LINKING_CLAIM + "data"
MSG = DEEP_LINKING_CLAIM + "msg"
ERRORMSG = DEEP_LINKING_CLAIM + "errormsg"
LOG = DEEP_LINKING_CLAIM + "log"
AGS_ENDPOINT = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
NRPS_SERVICE = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"

RESOURCE_LINK_REQUEST = "LtiResourceLinkRequest"
DEEP_LINKING_REQUEST = "LtiDeepLinkingRequest"
DEEP_LINKING_RESPONSE = "LtiDeepLinkingResponse"
SUBMISSION_REVIEW_REQUEST = "LtiSubmissionReviewRequest"
DATA_PRIVACY_REQUEST = "LtiDataPrivacyLaunchRequest"
DATA_PRIVACY_REQUEST_OF_FIRST_DRAFT = "DataPrivacyLaunchRequest"
LTI_RESOURCE_LINK = "ltiResourceLink"
LTI_VERSION = "1.3.0"

SCOPE_LINE_ITEM = "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem"
SCOPE_LINE_ITEM_READ = "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem.readonly"
SCOPE_RESULT_READ = "https://purl.imsglobal.org/spec/lti-ags/scope/result.readonly"
SCOPE_SCORE = "https://purl.imsglobal.org/spec/lti-ags/scope/score"
SCOPE_MEMBERS = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
AGS_SCOPES = frozenset({SCOPE_LINE_ITEM, SCOPE_LINE_ITEM_READ, SCOPE_RESULT_READ, SCOPE_SCORE})

MEDIA_SCORE = "application/vnd.ims.lis.v1.score+json"
MEDIA_RESULTS = "application/vnd.ims.lis.v2.resultcontainer+json"
MEDIA_LINE_ITEM = "application/vnd.ims.lis.v2.lineitem+json"
MEDIA_LINE_ITEMS = "application/vnd.ims.lis.v2.lineitemcontainer+json"
MEDIA_MEMBERS = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"


class Role(StrEnum):
    """What a person may be to us."""

    LEARNER = "learner"
    INSTRUCTOR = "instructor"
    DESIGNER = "designer"
    """Chooses and sets up activities; sees nobody's results. An instructor may do the same."""
    STEWARD = "steward"
    """Answers for the data of people at the platform's institution: sees what is kept of how many, nobody's record."""
    EXECUTIVE = "executive"
    ADMINISTRATOR = "administrator"


GRANTS: dict[str, Role] = {
    "executive": Role.EXECUTIVE,
    "central_executive": Role.EXECUTIVE,
    "administrator": Role.ADMINISTRATOR,
}
"""Rights that our own administrators give, by the name of the grant."""

MEMBERSHIP = "http://purl.imsglobal.org/vocab/lis/v2/membership"

CONTEXT_ROLES: dict[str, Role] = {
    "Learner": Role.LEARNER,  # simple names of the principal roles (LTI 1.3 core, A.2.3: deprecated, still sent)
    "Instructor": Role.INSTRUCTOR,
    "ContentDeveloper": Role.DESIGNER,
    f"{MEMBERSHIP}#Learner": Role.LEARNER,
    f"{MEMBERSHIP}#Instructor": Role.INSTRUCTOR,
    f"{MEMBERSHIP}#ContentDeveloper": Role.DESIGNER,
    f"{MEMBERSHIP}#Administrator": Role.DESIGNER,
    **{
        f"{MEMBERSHIP}/Learner#{name}": Role.LEARNER
        for name in ("ExternalLearner", "GuestLearner", "Instructor", "Learner", "NonCreditLearner")
    },
    **{
        f"{MEMBERSHIP}/Instructor#{name}": Role.INSTRUCTOR
        for name in (
            "ExternalInstructor", "Grader", "GuestInstructor", "Lecturer", "PrimaryInstructor", "SecondaryInstructor",
            "TeachingAssistant", "TeachingAssistantGroup", "TeachingAssistantOffering", "TeachingAssistantSection",
            "TeachingAssistantTemplate",
        )
    },
    **{
        f"{MEMBERSHIP}/ContentDeveloper#{name}": Role.DESIGNER
        for name in ("ContentDeveloper", "ContentExpert", "ExternalContentExpert", "Librarian")
    },
    **{f"{MEMBERSHIP}/Administrator#{name}": Role.DESIGNER for name in ("Administrator", "SystemAdministrator")},
}  # fmt: skip
"""Every spelling of a context role that gives a right; whatever is not here, to the letter, gives none.

Source   LTI 1.3 core, appendix A.2.3 (context roles) and A.2.3.1 (sub-roles)
"""


PLATFORM_ADMINISTRATORS = frozenset({
    "http://purl.imsglobal.org/vocab/lis/v2/institution/person#Administrator",
    "http://purl.imsglobal.org/vocab/lis/v2/system/person#Administrator",
    "http://purl.imsglobal.org/vocab/lis/v2/system/person#SysAdmin",
})  # fmt: skip
"""Roles of people who administer the platform. They give no right in a course; only what `message_roles` says.

Source   LTI 1.3 core, appendix A.2.1 (system roles) and A.2.2 (institution roles)
"""

EXTRA_ROLE: dict[str, Role] = {DEEP_LINKING_REQUEST: Role.DESIGNER, DATA_PRIVACY_REQUEST: Role.STEWARD}
"""What the platform's administrators are in the messages that are meant for them, though they have no part in the course."""


def message_roles(spelled: list[str], message_type: str) -> frozenset[Role]:
    """Rights by the roles of one message: those of the course, and the platform's administrators' own."""
    extra = EXTRA_ROLE.get(message_type)
    is_administrator = not PLATFORM_ADMINISTRATORS.isdisjoint(spelled)
    return context_roles(spelled) | (frozenset({extra}) if extra and is_administrator else frozenset())


def context_roles(spelled: list[str]) -> frozenset[Role]:
    """Rights in the course by the roles of one message. System and institution roles give none."""
    return frozenset(CONTEXT_ROLES[role] for role in spelled if role in CONTEXT_ROLES)
