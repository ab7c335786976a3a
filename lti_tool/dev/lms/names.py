"""The words of LTI 1.3 that a platform speaks: claims, roles, scopes and media types, spelled as 1EdTech spells them."""

from typing import Final

_LTI: Final = "https://purl.imsglobal.org/spec/lti/claim/"
_MEMBERSHIP: Final = "http://purl.imsglobal.org/vocab/lis/v2/membership#"

MESSAGE_TYPE: Final = _LTI + "message_type"
VERSION: Final = _LTI + "version"
DEPLOYMENT_ID: Final = _LTI + "deployment_id"
TARGET_LINK_URI: Final = _LTI + "target_link_uri"
ROLES: Final = _LTI + "roles"
CONTEXT: Final = _LTI + "context"
RESOURCE_LINK: Final = _LTI + "resource_link"
LIS: Final = _LTI + "lis"
LAUNCH_PRESENTATION: Final = _LTI + "launch_presentation"
EXT: Final = _LTI + "ext"
TOOL_PLATFORM: Final = _LTI + "tool_platform"
CUSTOM: Final = _LTI + "custom"
FOR_USER: Final = _LTI + "for_user"
LEGACY_USER: Final = _LTI + "lti11_legacy_user_id"
LTI_1P1: Final = _LTI + "lti1p1"
DEEP_LINKING_SETTINGS: Final = "https://purl.imsglobal.org/spec/lti-dl/claim/deep_linking_settings"
CONTENT_ITEMS: Final = "https://purl.imsglobal.org/spec/lti-dl/claim/content_items"
BASIC_OUTCOME: Final = "https://purl.imsglobal.org/spec/lti-bo/claim/basicoutcome"
AGS_ENDPOINT: Final = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
NRPS_SERVICE: Final = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"

RESOURCE_LINK_REQUEST: Final = "LtiResourceLinkRequest"
DEEP_LINKING_REQUEST: Final = "LtiDeepLinkingRequest"
SUBMISSION_REVIEW_REQUEST: Final = "LtiSubmissionReviewRequest"
DATA_PRIVACY_REQUEST: Final = "LtiDataPrivacyLaunchRequest"

LEARNER: Final = _MEMBERSHIP + "Learner"
INSTRUCTOR: Final = _MEMBERSHIP + "Instructor"
INSTITUTION_ADMINISTRATOR: Final = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#Administrator"
SYSTEM_ADMINISTRATOR: Final = "http://purl.imsglobal.org/vocab/lis/v2/system/person#Administrator"

_AGS: Final = "https://purl.imsglobal.org/spec/lti-ags/scope/"
SCOPE_LINE_ITEM: Final = _AGS + "lineitem"
SCOPE_LINE_ITEM_READ: Final = _AGS + "lineitem.readonly"
SCOPE_RESULT_READ: Final = _AGS + "result.readonly"
SCOPE_SCORE: Final = _AGS + "score"
SCOPE_MEMBERS: Final = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
SCOPE_TOOL_SETTING: Final = "https://purl.imsglobal.org/spec/lti-ts/scope/toolsetting"
SCOPE_BASIC_OUTCOME: Final = "https://purl.imsglobal.org/spec/lti-bo/scope/basicoutcome"
AGS_SCOPES: Final = (SCOPE_LINE_ITEM, SCOPE_LINE_ITEM_READ, SCOPE_RESULT_READ, SCOPE_SCORE)

TOOL_CONFIGURATION: Final = "https://purl.imsglobal.org/spec/lti-tool-configuration"
PLATFORM_CONFIGURATION: Final = "https://purl.imsglobal.org/spec/lti-platform-configuration"

MEDIA_LINE_ITEM: Final = "application/vnd.ims.lis.v2.lineitem+json"
MEDIA_LINE_ITEMS: Final = "application/vnd.ims.lis.v2.lineitemcontainer+json"
MEDIA_RESULTS: Final = "application/vnd.ims.lis.v2.resultcontainer+json"
MEDIA_SCORE: Final = "application/vnd.ims.lis.v1.score+json"
MEDIA_MEMBERS: Final = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
