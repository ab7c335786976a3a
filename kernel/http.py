"""The one HTTP client: every call that leaves the tool passes this guard.

Addresses come from outside (a platform's key set, token endpoint, line items), so the guard resolves the name, judges the
address, and connects to that very address; it follows no redirect and never repeats what the other side answered.
"""

import socket
import ssl
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as ResolveTimeout
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, ClassVar, Protocol
from urllib.parse import SplitResult, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssl_match_hostname import CertificateError

from kernel import strictjson
from kernel.errors import KaonaError

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 10.0
MAX_BYTES = 1_000_000
MAX_POOLS = 64
USER_AGENT = "Kaona"
NAT64 = IPv6Network("64:ff9b::/96")

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolver = Callable[[str, int], Sequence[str]]
Observer = Callable[[str, str, int, float], None]
"""Told of each call: method, host, status (0 when none came), seconds."""


class OutboundRefused(KaonaError):
    """The address may not be called; nothing was sent."""

    code = "outbound_refused"
    message: ClassVar = {
        "th": "ระบบไม่อนุญาตให้เรียกที่อยู่นี้: {reason}",
        "en": "This address may not be called: {reason}",
    }
    way_on: ClassVar = {
        "th": "หากเป็นเครื่องภายในหน่วยงาน ผู้ดูแลระบบสามารถเพิ่มเครือข่ายนั้นใน KAONA_ALLOWED_NETWORKS",
        "en": "For a machine inside the agency, the administrator can list its network in KAONA_ALLOWED_NETWORKS.",
    }


class OutboundFailed(KaonaError):
    """The call was made and brought no usable answer."""

    code = "outbound_failed"
    message: ClassVar = {
        "th": "ติดต่อระบบปลายทางไม่สำเร็จ: {reason}",
        "en": "The other system could not be reached: {reason}",
    }


class OutboundSettings(Protocol):
    """The settings of an installation that say what it may call."""

    @property
    def dev_mode(self) -> bool: ...  # noqa: D102  as HttpPolicy has it
    @property
    def allowed_networks(self) -> Iterable[str]: ...  # noqa: D102  as HttpPolicy has it
    @property
    def allowed_ports(self) -> Iterable[str]: ...  # noqa: D102  as HttpPolicy has it


@dataclass(frozen=True, slots=True)
class HttpPolicy:
    """What may be called. The default lets out HTTPS to public addresses on the usual ports."""

    dev_mode: bool = False
    """Loopback may be called, by HTTP too and on any port."""
    allowed_networks: tuple[Network, ...] = ()
    """Networks that the administrator listed although they are not public."""
    allowed_ports: frozenset[int] = frozenset({443, 8443})

    def allows(self, address: Address) -> bool:
        """Whether an address may be connected to."""
        address = _real_address(address)
        if any(address in network for network in self.allowed_networks if network.version == address.version):
            return True
        if address.is_loopback:
            return self.dev_mode
        return address.is_global and not address.is_multicast


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What came back: status, headers by lower-case name (lines of one name joined by commas), the whole body, decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The body as JSON, whatever its content type says (Moodle sends tokens as text/html). Raises InvalidJson."""
        return strictjson.loads(self.body)


@dataclass(slots=True)
class _Call:
    """One judged call under its deadline: the timer cuts the connection that the thread hangs on."""

    method: str
    parts: SplitResult
    port: int
    addresses: list[Address]
    headers: dict[str, str]
    body: bytes | None
    max_bytes: int
    deadline: float
    connection: Any = None
    is_cut: bool = False

    def cut(self) -> None:
        self.is_cut = True
        sock = getattr(self.connection, "sock", None)
        if isinstance(sock, socket.socket):
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # below TLS, which would wait for the other side

    @property
    def seconds_left(self) -> float:
        return max(0.001, self.deadline - time.monotonic())


_this_thread = threading.local()


class _Plain(HTTPConnection):
    def request(self, *args: Any, **options: Any) -> None:
        _this_thread.call.connection = self
        super().request(*args, **options)


class _Secure(HTTPSConnection):
    def request(self, *args: Any, **options: Any) -> None:
        _this_thread.call.connection = self
        super().request(*args, **options)


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Secure


class GuardedClient:
    """Calls other systems under a policy; safe to share between threads, connections are pooled by address.

    policy   what may be called
    resolve  name and port to addresses; the system's resolver by default
    observe  told of every call, for metrics
    """

    def __init__(self, policy: HttpPolicy, *, resolve: Resolver | None = None, observe: Observer | None = None) -> None:
        self.policy = policy
        self._resolve = resolve or _system_resolve
        self._observe = observe
        self._pools: OrderedDict[tuple[str, str, int, str], urllib3.HTTPConnectionPool] = OrderedDict()
        self._lock = threading.Lock()
        self._resolvers = ThreadPoolExecutor(8, thread_name_prefix="resolve")

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """The system's trust, read when the first secure call needs it: that takes a tenth of a second."""
        return ssl.create_default_context()

    @classmethod
    def from_settings(cls, settings: OutboundSettings, *, observe: Observer | None = None) -> "GuardedClient":
        """A client under the policy of an installation's settings."""
        policy = HttpPolicy(
            dev_mode=settings.dev_mode,
            allowed_networks=tuple(ip_network(network) for network in settings.allowed_networks),
            allowed_ports=frozenset(int(port) for port in settings.allowed_ports),
        )
        return cls(policy, observe=observe)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        max_bytes: int = MAX_BYTES,
        total_seconds: float = TOTAL_SECONDS,
    ) -> HttpResponse:
        """One call, whole or not at all; a redirect comes back as its status.

        Raises   OutboundRefused before anything is sent; OutboundFailed with `reason`: one of timeout, unreachable,
                 certificate, broken, too large, encoding. Neither holds a word of the body.
        """
        parts, port = self._judged_url(url)
        started = time.monotonic()
        status = 0
        try:
            addresses = self._judged_addresses(parts, port, min(CONNECT_SECONDS, total_seconds))
            sent = {"Host": parts.netloc, "User-Agent": USER_AGENT, "Accept-Encoding": "identity"} | dict(headers or {})
            response = self._answered(_Call(method, parts, port, addresses, sent, body, max_bytes, started + total_seconds))
            status = response.status
            return response
        finally:
            if self._observe:
                self._observe(method, str(parts.hostname), status, time.monotonic() - started)

    def get(self, url: str, **options: Any) -> HttpResponse:
        """`request` with GET."""
        return self.request("GET", url, **options)

    def check_url(self, url: str) -> None:
        """Judges the form of an address without resolving or calling it. Raises OutboundRefused."""
        self._judged_url(url)

    def close(self) -> None:
        """Closes every pooled connection."""
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()
        self._resolvers.shutdown(wait=False)

    def _judged_url(self, url: str) -> tuple[SplitResult, int]:
        if not url.isascii() or any(character <= " " or character == "\\" for character in url):
            raise OutboundRefused(reason="it is not a plain web address")
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise OutboundRefused(reason="it is not a web address") from None
        if parts.scheme not in {"https", "http"} or not parts.hostname:
            raise OutboundRefused(reason="it is not a web address")
        if parts.username is not None or parts.password is not None:
            raise OutboundRefused(reason="it carries a user name")
        if parts.scheme == "http" and not self.policy.dev_mode:
            raise OutboundRefused(reason="it is not HTTPS")
        return parts, port

    def _judged_addresses(self, parts: SplitResult, port: int, seconds: float) -> list[Address]:
        host = str(parts.hostname)
        try:
            names = [str(ip_address(host))]
        except ValueError:
            names = self._resolved(host, port, seconds)
        allowed = [address for address in map(ip_address, names) if self.policy.allows(address)]
        if not allowed:
            raise OutboundRefused(reason="it lies on a private or reserved network")
        if self.policy.dev_mode and all(_real_address(address).is_loopback for address in allowed):
            return allowed
        if parts.scheme != "https":
            raise OutboundRefused(reason="it is not HTTPS")
        if port not in self.policy.allowed_ports:
            raise OutboundRefused(reason=f"port {port} is not listed")
        return allowed

    def _resolved(self, host: str, port: int, seconds: float) -> list[str]:
        try:
            return list(dict.fromkeys(self._resolvers.submit(self._resolve, host, port).result(seconds)))
        except ResolveTimeout:
            raise OutboundFailed(reason="timeout") from None
        except (OSError, UnicodeError):
            raise OutboundFailed(reason="the name is unknown") from None

    def _answered(self, call: _Call) -> HttpResponse:
        _this_thread.call = call
        timer = threading.Timer(call.seconds_left, call.cut)
        timer.daemon = True
        timer.start()
        try:
            raw = self._opened(call)
            payload = _decompressed(_read_capped(raw, call.max_bytes), raw.headers.get("content-encoding", ""), call.max_bytes)
        except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError) as error:
            raise OutboundFailed(reason=_reason_of(error, is_cut=call.is_cut)) from None
        finally:
            timer.cancel()
            _this_thread.call = None
        if call.is_cut:
            raise OutboundFailed(reason="timeout")
        return HttpResponse(raw.status, {name.lower(): value for name, value in raw.headers.itermerged()}, payload)

    def _opened(self, call: _Call) -> urllib3.response.BaseHTTPResponse:
        target = (call.parts.path or "/") + (f"?{call.parts.query}" if call.parts.query else "")
        for address in call.addresses:
            pool = self._pool(call.parts.scheme, str(call.parts.hostname), call.port, str(address))
            timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, call.seconds_left), read=call.seconds_left)
            try:
                return pool.urlopen(
                    call.method, target, body=call.body, headers=call.headers, redirect=False, retries=False, timeout=timeout,
                    preload_content=False, decode_content=False, assert_same_host=False,
                )  # fmt: skip
            except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError):
                if address is call.addresses[-1]:
                    raise
        raise OutboundFailed(reason="unreachable")

    def _pool(self, scheme: str, host: str, port: int, address: str) -> urllib3.HTTPConnectionPool:
        key = (scheme, host, port, address)
        with self._lock:
            pool = self._pools.get(key)
            if pool is None:
                pool = (
                    _SecurePool(address, port, maxsize=8, ssl_context=self._tls, server_hostname=host, assert_hostname=host)
                    if scheme == "https"
                    else _PlainPool(address, port, maxsize=8)
                )
                self._pools[key] = pool
            self._pools.move_to_end(key)
            while len(self._pools) > MAX_POOLS:
                self._pools.popitem(last=False)[1].close()
            return pool


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that the other side asks us to wait, a day at the most, by RFC 9110, section 10.2.3; None when it does not say."""
    value = headers.get("retry-after", "").strip()
    if value.isdigit():
        return float(min(int(value), 86_400))
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now).total_seconds()), 86_400.0)


def _real_address(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, else itself."""
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _reason_of(error: Exception, *, is_cut: bool) -> str:
    """Why a call brought nothing: the library counts a refused connection among its timeouts, so that is asked first."""
    if isinstance(error, urllib3.exceptions.NewConnectionError) and not is_cut:
        return "unreachable"
    if isinstance(error, urllib3.exceptions.SSLError) and isinstance(error.args[0], ssl.SSLCertVerificationError | CertificateError):
        return "certificate"
    if is_cut or isinstance(error, urllib3.exceptions.TimeoutError | TimeoutError):
        return "timeout"
    return "broken"


def _system_resolve(host: str, port: int) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _read_capped(raw: urllib3.response.BaseHTTPResponse, max_bytes: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := raw.read(65536, decode_content=False):
        size += len(piece)
        if size > max_bytes:
            raw.close()
            raise OutboundFailed(reason="too large")
        pieces.append(piece)
    raw.release_conn()
    return b"".join(pieces)


def _decompressed(payload: bytes, encoding: str, max_bytes: int) -> bytes:
    if encoding.lower() in {"", "identity"}:
        return payload
    if encoding.lower() not in {"gzip", "x-gzip", "deflate"}:
        raise OutboundFailed(reason="encoding")
    unpacker = zlib.decompressobj(47)  # finds out by itself: gzip or zlib
    try:
        plain = unpacker.decompress(payload, max_bytes + 1)
    except zlib.error:
        raise OutboundFailed(reason="encoding") from None
    if len(plain) > max_bytes:
        raise OutboundFailed(reason="too large")
    return plain
