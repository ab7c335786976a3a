"""How many requests a credential may make in a minute: counted in the process, or for all processes in Redis.

By credential, never by address: a whole agency stands behind one. When Redis is away each process counts alone; nothing is refused for it.
"""

import time
from datetime import datetime
from typing import Any, Final
from zlib import crc32

from kernel.per_minute import WINDOW_SECONDS, PerMinute, seconds_to_next_minute
from xapi.errors import Throttled

WRONG_TRIES: Final = 20
"""Wrong secrets for one credential in a minute; the right one passes all the same, so that nobody can lock out its owner."""
REDIS_SECONDS: Final = 0.2
"""How long Redis may take."""
AWAY_SECONDS: Final = 10.0
"""How long a Redis that failed is left alone."""
_PLACES: Final = 4096
"""Places to count wrong tries in: who makes up names of credentials cannot fill the memory."""


class Throttle:
    """The counts of this process.

    per_minute   requests of one credential that has no bound of its own; 0 for no bound
    redis_url    where all processes count together; empty for this process alone
    """

    def __init__(self, per_minute: int = 0, redis_url: str = "") -> None:
        self._per_minute = per_minute
        self._shared = _shared_counter(redis_url) if redis_url else None
        self._away_until = 0.0
        self._here = PerMinute()

    def pass_one(self, key: str, now: datetime, *, per_minute: int | None = None) -> None:
        """Counts a request of a credential; `per_minute`: its own bound. Raises Throttled."""
        bound = per_minute or self._per_minute
        if bound:
            self._count(key, bound, now)

    def wrong_try(self, key: str, now: datetime) -> None:
        """Counts a wrong secret for a credential, one that does not exist included. Raises Throttled."""
        self._count(f"wrong {crc32(key.encode()) % _PLACES}", WRONG_TRIES, now)

    def _count(self, name: str, bound: int, now: datetime) -> None:
        count = self._count_shared(name, now) if self._shared is not None else None
        if count is None:
            count = self._here.count(name, now)
        if count > bound:
            raise Throttled(seconds=seconds_to_next_minute(now), is_first=count == bound + 1)

    def _count_shared(self, name: str, now: datetime) -> int | None:
        """The count in Redis; None while it is away."""
        from limits.errors import StorageError  # noqa: PLC0415  loaded with a Redis only

        if time.monotonic() < self._away_until:
            return None
        try:
            assert self._shared is not None
            minute = int(now.timestamp()) // WINDOW_SECONDS
            return int(self._shared.incr(f"kaona lrs {minute} {name}", WINDOW_SECONDS))
        except StorageError:
            self._away_until = time.monotonic() + AWAY_SECONDS
            return None


def _shared_counter(url: str) -> Any:
    """The store of `limits` at an address: Redis, its sentinels or its cluster."""
    from limits.storage import storage_from_string  # noqa: PLC0415  loaded with a Redis only

    return storage_from_string(url, wrap_exceptions=True, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS)
