"""What is different at one vendor's platforms, as values; a platform that is not listed is taken at the standard's word.

Source   the vendors' public documents on LTI 1.3 registration, and what a real Moodle did
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from lti_tool.lti.message import host_of, origin_of


@dataclass(frozen=True, slots=True)
class Product:
    """One LMS product.

    name              as its vendor writes it
    family            product family code in lower case, by which registrations and launches name it; "" for any other
    shared_issuers    issuers that stand for all its customers, and so are no host of a customer's own
    hosts             hosts of the vendor that its platforms' addresses may lie on; a leading dot takes every name below
    token_audience    `aud` of token requests where it is not the token URL
    message_types     message types that it takes in a registration; None takes all
    placements        where the dialogue of deep linking appears
    tool_settings     members of the vendor's own in the tool configuration, by whether names are asked for
    """

    name: str
    family: str = ""
    shared_issuers: frozenset[str] = frozenset()
    hosts: tuple[str, ...] = ()
    token_audience: str | None = None
    message_types: frozenset[str] | None = None
    placements: tuple[str, ...] = ("ContentArea",)
    tool_settings: tuple[tuple[str, str, str], ...] = ()

    def has_host(self, url: str) -> bool:
        """Whether an address lies on a host of the vendor."""
        name = urlsplit(url).hostname or ""
        return any(name.endswith(host) if host.startswith(".") else name == host for host in self.hosts)


MOODLE = Product("Moodle", "moodle")
CANVAS = Product(
    "Canvas",
    "canvas",
    shared_issuers=frozenset({
        "https://canvas.instructure.com", "https://canvas.beta.instructure.com", "https://canvas.test.instructure.com",
    }),
    hosts=(".instructure.com", ".canvaslms.com"),
    message_types=frozenset({"LtiResourceLinkRequest", "LtiDeepLinkingRequest"}),
    placements=("assignment_selection", "link_selection"),
    tool_settings=(("https://canvas.instructure.com/lti/privacy_level", "name_only", "anonymous"),),
)  # fmt: skip
BRIGHTSPACE = Product(
    "Brightspace",
    "desire2learn",
    hosts=("auth.brightspace.com", "api.brightspace.com"),
    token_audience="https://api.brightspace.com/auth/token",  # noqa: S106  an address
)
BLACKBOARD = Product(
    "Blackboard",
    "blackboardlearn",
    shared_issuers=frozenset({"https://blackboard.com"}),
    hosts=("developer.blackboard.com", "developer.anthology.com"),
)
SAKAI = Product("Sakai", "sakai")
OPEN_EDX = Product("Open edX", "openedx")
OTHER = Product("LMS")

PRODUCTS: dict[str, Product] = {
    "moodle": MOODLE,
    "canvas": CANVAS,
    "desire2learn": BRIGHTSPACE,
    "brightspace": BRIGHTSPACE,
    "blackboard": BLACKBOARD,
    "blackboardlearn": BLACKBOARD,
    "sakai": SAKAI,
    "sakailms.org": SAKAI,
    "openedx": OPEN_EDX,
}
"""By product family code, in lower case, in every spelling that is known."""


def product_of(family: str | None) -> Product:
    """The product of a family code."""
    return PRODUCTS.get((family or "").lower(), OTHER)


def safe_audience(wanted: str, token_url: str, product: Product) -> str | None:
    """`aud` of token requests where it is not the token URL; None where it is.

    An assertion made out to somebody else could be handed on to them by whoever receives it, so the audience must be on the
    host that receives it, or both must be the vendor's.

    wanted   as the platform names it; one that is no web address counts as absent
    Source   LTI Dynamic Registration 1.0, section 3.5 (`authorization_server`); RFC 7523, section 3
    """
    for audience in (wanted, product.token_audience):
        if audience and audience != token_url and is_safe_audience(audience, token_url, product):
            return audience
    return None


def is_safe_audience(audience: str, token_url: str, *products: Product) -> bool:
    """Whether an assertion made out to `audience` may be handed to `token_url`: one host, or two of one of these vendors."""
    if origin_of(audience) is None:
        return False
    is_vendors = any(product.has_host(audience) and product.has_host(token_url) for product in products)
    return is_vendors or host_of(audience) == host_of(token_url)
