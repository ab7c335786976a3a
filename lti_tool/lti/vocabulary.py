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
AGS_ENDPOINT = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
NRPS_SERVICE = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"

RESOURCE_LINK_REQUEST = "LtiResourceLinkRequest"
LTI_VERSION = "1.3.0"

SCOPE_LINE_ITEM = "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem"
SCOPE_LINE_ITEM_READ = "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem.readonly"
SCOPE_RESULT_READ = "https://purl.imsglobal.org/spec/lti-ags/scope/result.readonly"
SCOPE_SCORE = "https://purl.imsglobal.org/spec/lti-ags/scope/score"
SCOPE_MEMBERS = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
AGS_SCOPES = frozenset({SCOPE_LINE_ITEM, SCOPE_LINE_ITEM_READ, SCOPE_RESULT_READ, SCOPE_SCORE})

MEDIA_SCORE = "application/vnd.ims.lis.v1.score+json"
MEDIA_RESULTS = "application/vnd.ims.lis.v2.resultcontainer+json"
MEDIA_MEMBERS = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"


class Role(StrEnum):
    """What a person may be to us."""

    LEARNER = "learner"
    INSTRUCTOR = "instructor"
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
    "Learner": Role.LEARNER,  # simple names of the two principal roles (LTI 1.3 core, A.2.3: deprecated, still sent)
    "Instructor": Role.INSTRUCTOR,
    f"{MEMBERSHIP}#Learner": Role.LEARNER,
    f"{MEMBERSHIP}#Instructor": Role.INSTRUCTOR,
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
}  # fmt: skip
"""Every spelling of a context role that gives a right; whatever is not here, to the letter, gives none.

Source   LTI 1.3 core, appendix A.2.3 (context roles) and A.2.3.1 (sub-roles)
"""


def context_roles(spelled: list[str]) -> frozenset[Role]:
    """Rights in the course by the roles of one message. System and institution roles give none."""
    return frozenset(CONTEXT_ROLES[role] for role in spelled if role in CONTEXT_ROLES)
