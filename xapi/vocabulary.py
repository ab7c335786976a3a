"""The words of xAPI that the LRS reads and writes: versions, headers, IRIs, scopes, bounds. Spelled as the standard spells them."""

from typing import Final

V1: Final = "1.0.3"
V2: Final = "2.0.0"
VERSIONS: Final = (V2, "1.0.3", "1.0.2", "1.0.1", "1.0.0")
"""What the About resource names, newest first."""
MOUNTS: Final = {"/xapi": V2, "/xapi/1.0.3": V1}
"""Where the LRS stands, and in whose terms it refuses a request without version there."""
FEEDS_MOUNT: Final = "/xapi"
"""Feeds are our own and know no versions of the standard: they stand at one address."""
DEFAULT_STATEMENT_VERSION: Final = {V1: "1.0.0", V2: V2}
"""The `version` of a statement that came without one (xAPI 1.0.3, Data 2.4.10; IEEE 9274.1.1, 4.2.4.3)."""

VERSION_HEADER: Final = "X-Experience-API-Version"
CONSISTENT_THROUGH_HEADER: Final = "X-Experience-API-Consistent-Through"

HASH_HEADER: Final = "X-Experience-API-Hash"
JSON: Final = "application/json"
MULTIPART: Final = "multipart/mixed"
OCTETS: Final = "application/octet-stream"

SIGNATURE: Final = "http://adlnet.gov/expapi/attachments/signature"
"""`usageType` of an attachment that signs its statement."""
VERB_VOIDED: Final = "http://adlnet.gov/expapi/verbs/voided"
CREDENTIAL_HOME_PAGE: Final = "https://w3id.org/kaona/xapi/credentials"
"""`homePage` of the account that stands for a credential in `authority`; the account's name is its public key."""

SCOPE_WRITE: Final = "statements/write"
SCOPE_READ: Final = "statements/read"
SCOPE_READ_MINE: Final = "statements/read/mine"
SCOPE_STATE: Final = "state"
SCOPE_PROFILE: Final = "profile"
SCOPE_DEFINE: Final = "define"
SCOPE_ALL_READ: Final = "all/read"
SCOPE_ALL: Final = "all"
SCOPES: Final = (SCOPE_WRITE, SCOPE_READ_MINE, SCOPE_READ, SCOPE_STATE, SCOPE_PROFILE, SCOPE_DEFINE, SCOPE_ALL_READ, SCOPE_ALL)
"""xAPI 1.0.3, Communication 4.2."""

TOKEN_PATH: Final = "/oauth/token"  # noqa: S105  an address
"""Where a credential gets a token (RFC 6749, 3.2)."""

MAX_BODY_BYTES: Final = 5 * 1024 * 1024
MAX_ATTACHMENT_BYTES: Final = 20 * 1024 * 1024
"""Contents of attachments in one request, and in one answer to several statements."""
MAX_MULTIPART_BYTES: Final = MAX_BODY_BYTES + MAX_ATTACHMENT_BYTES
MAX_PARTS: Final = 1_001
"""Parts of one request: the statements, and as many contents as there may be statements."""
MAX_BATCH: Final = 1_000
"""Statements in one request."""
MAX_PAGE: Final = 500
"""Statements in one answer; also what `limit=0` asks for."""
OUTBOUND_SECONDS: Final = 30.0
"""A call to another LRS or a webhook that takes longer is given up: the other side may have done its work."""
MAX_SLICE_VALUES: Final = 50
"""Values in one list of a slice: each is one more range of the index to read."""
MAX_WAIT_SECONDS: Final = 60
"""How long a request to a feed may wait for the first statement."""
FEED_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
MORE_SECONDS: Final = 24 * 60 * 60
"""How long a `more` link lives."""
