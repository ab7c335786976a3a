"""Calls to a platform's services: an access token by a signed assertion, then the service, through the guarded client.

PyLTI1p3's service classes run on the connector here; its own would wait for ever, keep tokens for ever and lower-case links.
Source   1EdTech security framework 1.0, section 4.1; RFC 7523
"""

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode

from pylti1p3.service_connector import ServiceConnector, TServiceConnectorResponse

from kernel.clock import Clock
from kernel.http import MAX_BYTES, GuardedClient, HttpResponse, retry_after
from kernel.ids import new_token
from kernel.strictjson import InvalidJson
from lti_tool.lti.errors import HostForeign, ScopeMissing, ServiceRefused, TokenRefused
from lti_tool.lti.message import host_of
from lti_tool.lti.pylti import library_registration
from lti_tool.lti.storage import Platform
from lti_tool.lti.tool_keys import SigningKey

CLOCK_ALLOWANCE = timedelta(seconds=5)
"""Assertions say that they were made so long ago: platforms refuse what comes from their future."""
ASSERTION_SECONDS = 60
RENEW_BEFORE = timedelta(seconds=60)
DEFAULT_LIFE_SECONDS = 300
MAX_LIFE_SECONDS = 3600
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LINK = re.compile(r'<([^>]*)>\s*;[^,<]*\brel="?([a-z]+)"?', re.IGNORECASE)
MAX_PAGES = 100
"""Pages of one list: a platform whose next page is always another one is not followed for ever."""
MAX_PAGE_BYTES = 5_000_000
"""Bytes of one page: a platform may send a whole course at once."""
OAUTH_WORD = re.compile(r"[a-z_]{1,40}")
OK, UNAUTHORIZED = 200, 401


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token, what it is good for, and until when we use it."""

    value: str = field(repr=False)
    scopes: frozenset[str]
    renew_at: datetime


class AccessTokens:
    """The tokens of one process, by token URL, client and scopes."""

    def __init__(self) -> None:
        self._tokens: dict[tuple[str, str, frozenset[str]], AccessToken] = {}
        self._lock = threading.Lock()

    def find(self, platform: Platform, scopes: frozenset[str], now: datetime) -> AccessToken | None:
        """A token that still lives."""
        with self._lock:
            token = self._tokens.get((platform.token_url, platform.client_id, scopes))
        return token if token and now < token.renew_at else None

    def keep(self, platform: Platform, scopes: frozenset[str], token: AccessToken) -> None:
        """Keeps a token for the next call."""
        with self._lock:
            self._tokens[platform.token_url, platform.client_id, scopes] = token

    def drop(self, platform: Platform, scopes: frozenset[str]) -> None:
        """Forgets a token that the platform no longer takes."""
        with self._lock:
            self._tokens.pop((platform.token_url, platform.client_id, scopes), None)


@dataclass(frozen=True, slots=True)
class PlatformServices:
    """The services of one platform, spoken to with our key; holds no transaction."""

    platform: Platform
    http: GuardedClient
    key: SigningKey
    tokens: AccessTokens
    clock: Clock

    def call(
        self,
        method: str,
        url: str,
        *,
        scopes: Sequence[str],
        accept: str | None = None,
        content: tuple[str, bytes] | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> HttpResponse:
        """One call with a bearer token; a 401 gets one new token and one more try.

        content   media type and body
        Raises    HostForeign before anything is sent, TokenRefused, ScopeMissing, OutboundRefused, OutboundFailed; any HTTP status
                  is returned
        """
        if host_of(url) not in self.platform.approved_hosts:
            raise HostForeign(host=host_of(url) or "?")
        wanted = frozenset(scopes)
        headers = ({"Accept": accept} if accept else {}) | ({"Content-Type": content[0]} if content else {})

        def once() -> HttpResponse:
            token = self.access_token(wanted)
            if not wanted <= token.scopes:
                self.tokens.drop(self.platform, wanted)  # an administrator may grant it meanwhile
                raise ScopeMissing(scopes=", ".join(sorted(scope.rsplit("/", 1)[-1] for scope in wanted - token.scopes)))
            bearer = {"Authorization": f"Bearer {token.value}"}
            return self.http.request(method, url, headers=headers | bearer, body=content[1] if content else None, max_bytes=max_bytes)

        response = once()
        if response.status == UNAUTHORIZED:
            self.tokens.drop(self.platform, wanted)
            response = once()
        return response

    def access_token(self, scopes: frozenset[str]) -> AccessToken:
        """A token for these scopes, kept or new. Raises TokenRefused, OutboundRefused, OutboundFailed."""
        now = self.clock()
        kept = self.tokens.find(self.platform, scopes, now)
        if kept is not None:
            return kept
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self._assertion(now),
            "scope": " ".join(sorted(scopes)),
        }
        response = self.http.request(
            "POST",
            self.platform.token_url,
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            body=urlencode(form).encode(),
        )
        token = _token_in(response, scopes, now)
        self.tokens.keep(self.platform, scopes, token)
        return token

    def _assertion(self, now: datetime) -> str:
        issued_at = now - CLOCK_ALLOWANCE
        return self.key.sign({
            "iss": self.platform.client_id,
            "sub": self.platform.client_id,
            "aud": self.platform.token_audience or self.platform.token_url,
            "iat": int(issued_at.timestamp()),
            "exp": int(issued_at.timestamp()) + ASSERTION_SECONDS,
            "jti": new_token(16),
        })  # fmt: skip


@dataclass(frozen=True, slots=True)
class Container:
    """The members of a list that came in pages, and whether it is all there is."""

    members: tuple[Mapping[str, Any], ...]
    is_complete: bool


def read_container(services: PlatformServices, url: str, *, accept: str, scopes: Sequence[str]) -> Container:
    """Every member of a list. A next page that was read before, lies on a foreign host, or cannot be read from its link is not followed.

    accept   one media type: some platforms refuse lists
    Raises   ServiceRefused for an error status or an answer that is no list; else as `PlatformServices.call`
    """
    members: list[Mapping[str, Any]] = []
    seen: set[str] = set()
    following: str | None = url
    while following is not None and following not in seen and len(seen) < MAX_PAGES:
        seen.add(following)
        response = services.call("GET", following, scopes=scopes, accept=accept, max_bytes=MAX_PAGE_BYTES)
        refuse_error(response, services.clock())
        try:
            page = response.json()
        except InvalidJson:
            page = None
        if not isinstance(page, list):
            raise ServiceRefused(status_code=response.status)
        members += [member for member in page if isinstance(member, Mapping)]
        following = next_link(response.headers)
        if following is None:
            return Container(tuple(members), is_complete="next" not in response.headers.get("link", "").lower())
        if host_of(following) not in services.platform.approved_hosts:
            break
    return Container(tuple(members), is_complete=False)


class Connector(ServiceConnector):
    """The library's connector with our tokens and our client beneath it."""

    def __init__(self, services: PlatformServices, *, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(library_registration(services.platform), cast(Any, object()))
        self._services = services
        self._max_bytes = max_bytes

    def get_access_token(self, scopes: Sequence[str]) -> str:
        """A bearer token."""
        return self._services.access_token(frozenset(scopes)).value

    def make_service_request(  # noqa: PLR0917  the library's signature
        self,
        scopes: Sequence[str],
        url: str,
        is_post: bool = False,
        data: str | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        case_insensitive_headers: bool = False,
    ) -> TServiceConnectorResponse:
        """One call of the library's. Raises ServiceRefused for an error status or an answer that is no JSON."""
        del case_insensitive_headers  # ours are lower-case
        response = self._services.call(
            "POST" if is_post else "GET",
            url,
            scopes=scopes,
            accept=accept,
            content=(content_type, (data or "").encode()) if is_post else None,
            max_bytes=self._max_bytes,
        )
        refuse_error(response, self._services.clock())
        try:
            body = response.json() if response.body else None
        except InvalidJson:
            raise ServiceRefused(status_code=response.status) from None
        return {"headers": dict(response.headers), "body": body, "next_page_url": next_link(response.headers)}


def refuse_error(response: HttpResponse, now: datetime) -> None:
    """Raises ServiceRefused unless the status is one of success."""
    if not OK <= response.status < 300:  # noqa: PLR2004  the class of success
        raise ServiceRefused(status_code=response.status, retry_after_seconds=retry_after(response.headers, now))


def next_link(headers: Mapping[str, str]) -> str | None:
    """The next page's address, letter for letter (RFC 8288); None on the last one."""
    return find_link(headers, "next")


def find_link(headers: Mapping[str, str], relation: str) -> str | None:
    """The address that a Link header gives for a relation, letter for letter; None when it gives none.

    Source  RFC 8288, section 3
    """
    links = LINK.findall(headers.get("link", ""))
    return next((url for url, found in links if found.lower() == relation), None)


def _token_in(response: HttpResponse, scopes: frozenset[str], now: datetime) -> AccessToken:
    try:
        answer = response.json()
    except InvalidJson:
        answer = None
    if not isinstance(answer, dict):
        hint = "no JSON; can the platform read our key set?"
        raise TokenRefused(status_code=response.status, reason=hint, retry_after_seconds=retry_after(response.headers, now))
    value, life = answer.get("access_token"), answer.get("expires_in")
    if response.status != OK or not isinstance(value, str) or not value.isascii() or not value.isprintable():
        word = answer.get("error")
        known = word if isinstance(word, str) and OAUTH_WORD.fullmatch(word) else "unknown"
        raise TokenRefused(status_code=response.status, reason=known, retry_after_seconds=retry_after(response.headers, now))
    seconds = min(life, MAX_LIFE_SECONDS) if isinstance(life, int) and not isinstance(life, bool) and life > 0 else DEFAULT_LIFE_SECONDS
    granted = answer.get("scope")
    return AccessToken(
        value,
        frozenset(granted.split()) if isinstance(granted, str) and granted.strip() else scopes,
        now + max(timedelta(seconds=seconds) - RENEW_BEFORE, timedelta(0)),
    )
