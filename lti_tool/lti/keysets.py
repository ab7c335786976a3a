"""Platforms' public keys: loaded once a process, shared through the database, fetched at most once a minute a platform.

A platform whose key set hangs delays its own launches only: one thread fetches, a few wait a moment, the rest are told to
try again.
"""

import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from sqlalchemy import or_, update
from sqlalchemy.dialects import postgresql, sqlite

from kernel.clock import Clock
from kernel.db import Database
from kernel.http import GuardedClient, OutboundFailed, OutboundRefused
from kernel.strictjson import InvalidJson
from lti_tool.lti.errors import KeySetUnreachable, KeyUnknown, KeyUnsafe
from lti_tool.lti.storage import Platform
from lti_tool.models import KeySet

FRESH = timedelta(minutes=15)
"""After this the set is fetched again, so that a key that was withdrawn stops working."""
USABLE = timedelta(hours=24)
"""So long a set serves when the platform cannot be reached."""
PAUSE = timedelta(seconds=60)
"""At most one fetch in this time, whatever key ids come."""
FETCH_SECONDS = 10.0
REFRESH_SECONDS = 2.0
WAIT_SECONDS = 1.5
WAITING_THREADS = 4
FETCHING = "fetching"
MAX_KEYS = 100
MIN_BITS, MAX_BITS = 2048, 8192
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SafeKeys:
    """The keys of one set that passed, and why the others did not."""

    keys: dict[str, dict[str, Any]]
    """Key id to its modulus and exponent."""
    refused: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Loaded:
    jwks_url: str
    keys: Mapping[str, RSAPublicKey]
    refused: Mapping[str, str]
    fetched_at: datetime


class KeySets:
    """The key sets of all platforms, for one process."""

    def __init__(self, database: Database, http: GuardedClient, clock: Clock) -> None:
        self._database = database
        self._http = http
        self._clock = clock
        self._loaded: dict[int, _Loaded] = {}
        self._lock = threading.Lock()
        self._waiting: dict[int, int] = {}

    def find_key(self, platform: Platform, kid: str) -> RSAPublicKey:
        """The platform's key of this id. Opens transactions of its own and may call the platform: hold none meanwhile.

        Raises   KeyUnknown, KeyUnsafe (the set has it, our rules do not), KeySetUnreachable
        """
        now = self._clock()
        loaded = self._loaded.get(platform.id)
        if loaded and loaded.jwks_url == platform.jwks_url and kid in loaded.keys and now - loaded.fetched_at < FRESH:
            return loaded.keys[kid]
        row = self._read(platform)
        loaded = self._loaded.get(platform.id) if row and row.fetched_at else None
        usable = loaded is not None and kid in loaded.keys and now - loaded.fetched_at < USABLE
        if loaded and usable and now - loaded.fetched_at < FRESH:
            return loaded.keys[kid]
        if self._claim(platform, now):
            row = self._fetch(platform, REFRESH_SECONDS if usable else FETCH_SECONDS)
        elif not usable and row and row.last_error == FETCHING:
            row = self._wait(platform)
        return self._chosen(platform, kid, row)

    def refresh(self, platform: Platform) -> tuple[int, Mapping[str, str]]:
        """Fetches now, whatever was tried before. Returns the number of safe keys and the refused ones; raises KeySetUnreachable."""
        self._claim(platform, self._clock(), pause=timedelta(0))
        row = self._fetch(platform, FETCH_SECONDS)
        if row.last_error:
            raise KeySetUnreachable(registration_id=platform.id, tenant_id=platform.tenant_id, reason=row.last_error)
        return len(row.keys), row.refused

    def _chosen(self, platform: Platform, kid: str, row: KeySet | None) -> RSAPublicKey:
        loaded = self._loaded.get(platform.id)
        whose: dict[str, Any] = {"registration_id": platform.id, "tenant_id": platform.tenant_id}
        if loaded and loaded.jwks_url == platform.jwks_url and self._clock() - loaded.fetched_at < USABLE:
            if kid in loaded.keys:
                return loaded.keys[kid]
            if kid in loaded.refused:
                raise KeyUnsafe(reason=loaded.refused[kid], **whose)
        if row is None or row.last_error:
            raise KeySetUnreachable(**whose)
        raise KeyUnknown(**whose)

    def _read(self, platform: Platform) -> KeySet | None:
        with self._database.reading() as db:
            row = db.get(KeySet, platform.id)
            db.expunge_all()  # it is read after the transaction
        if row is None or row.jwks_url != platform.jwks_url:
            self._loaded.pop(platform.id, None)
            return None
        self._load(row)
        return row

    def _load(self, row: KeySet) -> None:
        known = self._loaded.get(row.registration_id)
        if row.fetched_at is None or (known and known.jwks_url == row.jwks_url and known.fetched_at >= row.fetched_at):
            return
        keys = {key["kid"]: _public_key(key) for key in row.keys}
        self._loaded[row.registration_id] = _Loaded(row.jwks_url, keys, row.refused, row.fetched_at)

    def _claim(self, platform: Platform, now: datetime, pause: timedelta = PAUSE) -> bool:
        """Whether this thread is the one, of all processes, that may fetch in this minute."""
        with self._database.transaction() as db:
            insert = postgresql.insert if db.get_bind().dialect.name == "postgresql" else sqlite.insert
            values = {
                "registration_id": platform.id, "tenant_id": platform.tenant_id, "jwks_url": platform.jwks_url, "keys": [],
                "refused": {}, "tried_at": now, "last_error": FETCHING,
            }  # fmt: skip
            if db.execute(insert(KeySet).values(values).on_conflict_do_nothing().returning(KeySet.registration_id)).first():
                return True
            due = or_(KeySet.tried_at <= now - pause, KeySet.jwks_url != platform.jwks_url)
            claimed = db.execute(update(KeySet).where(KeySet.registration_id == platform.id, due).values(tried_at=now, last_error=FETCHING))
            return bool(claimed.rowcount)  # type: ignore[attr-defined]

    def _fetch(self, platform: Platform, seconds: float) -> KeySet:
        values: dict[str, Any]
        try:
            response = self._http.get(platform.jwks_url, headers={"Accept": "application/json"}, total_seconds=seconds)
            safe = safe_keys(response.json()) if response.status == 200 else None  # noqa: PLR2004  OK
        except (OutboundFailed, OutboundRefused) as error:
            values = {"last_error": str(error.details["reason"])[:64]}
        except InvalidJson:
            values = {"last_error": "no key set"}
        else:
            values = {"last_error": f"status {response.status}" if response.status != 200 else "no key set"}  # noqa: PLR2004  OK
            values["clock_difference_seconds"] = clock_difference_seconds(response.headers, self._clock())
            if safe is not None:
                values |= {
                    "jwks_url": platform.jwks_url, "keys": list(safe.keys.values()), "refused": safe.refused,
                    "fetched_at": self._clock(), "last_error": None,
                }  # fmt: skip
                if safe.refused:
                    log.warning("key_set_unsafe", registration=platform.id, refused=safe.refused)
        if values["last_error"]:
            log.warning("key_set_unreachable", registration=platform.id, reason=values["last_error"])
        with self._database.transaction() as db:
            row = db.get_one(KeySet, platform.id)
            for name, value in values.items():
                setattr(row, name, value)
        self._load(row)
        return row

    def _wait(self, platform: Platform) -> KeySet | None:
        with self._lock:
            if self._waiting.get(platform.id, 0) >= WAITING_THREADS:
                return self._read(platform)
            self._waiting[platform.id] = self._waiting.get(platform.id, 0) + 1
        try:
            deadline = time.monotonic() + WAIT_SECONDS
            row = self._read(platform)
            while row and row.last_error == FETCHING and time.monotonic() < deadline:
                time.sleep(0.05)
                row = self._read(platform)
            return row
        finally:
            with self._lock:
                self._waiting[platform.id] -= 1


def clock_difference_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """A server's clock minus ours, by the Date of its answer and the Age that a cache adds; None where it tells none.

    Source   RFC 9110, 6.6.1 (Date); RFC 9111, 5.1 (Age)
    """
    try:
        theirs = parsedate_to_datetime(headers.get("date", "")) + timedelta(seconds=int(headers.get("age", "0")))
    except (ValueError, TypeError, OverflowError):
        return None
    return (theirs.replace(tzinfo=theirs.tzinfo or UTC) - now).total_seconds()


def safe_keys(document: Any) -> SafeKeys | None:
    """The keys of a published set that may check our launches; None when it is no key set.

    document   the JSON value that the platform published
    Returns    RSA of 2048 to 8192 bits, for signatures by RS256, without private members; the others with the reason
    Source     RFC 7517, sections 4 and 5; LTI 1.3 security framework, section 6.1
    """
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or len(keys) > MAX_KEYS:
        return None
    safe, refused = dict[str, dict[str, Any]](), dict[str, str]()
    for key in keys:
        kid = key.get("kid") if isinstance(key, dict) else None
        if not isinstance(kid, str):
            continue
        fault = _fault_of(key)
        if fault:
            refused[kid] = fault
        elif kid in safe:
            refused[kid] = "its id is given twice"
        else:
            safe[kid] = {"kid": kid, "n": key["n"], "e": key["e"]}
    for kid in refused:
        safe.pop(kid, None)
    return SafeKeys(safe, refused)


def _fault_of(key: Mapping[str, Any]) -> str | None:
    operations = key.get("key_ops", ["verify"])
    faults = (
        ("its private part is published", bool(PRIVATE_MEMBERS & key.keys())),
        ("it is not an RSA key", key.get("kty") != "RSA"),
        ("it is not for signatures", key.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations),
        ("it is not for RS256", key.get("alg", "RS256") != "RS256"),
    )
    for fault, is_so in faults:
        if is_so:
            return fault
    try:
        bits = _public_key(key).key_size
    except (KeyError, TypeError, ValueError, AttributeError):
        return "it is not well formed"
    return None if MIN_BITS <= bits <= MAX_BITS else f"it has {bits} bits"


def _public_key(key: Mapping[str, Any]) -> RSAPublicKey:
    modulus, exponent = (int.from_bytes(urlsafe_b64decode(key[name] + "=" * (-len(key[name]) % 4))) for name in ("n", "e"))
    return RSAPublicNumbers(e=exponent, n=modulus).public_key()
