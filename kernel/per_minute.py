"""How often something happened in the present minute, counted in this process."""

import threading
from datetime import datetime
from typing import Final

WINDOW_SECONDS: Final = 60


class PerMinute:
    """Counts by name; all begin again with each minute, so that names of the past take no room."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._minute = 0
        self._counts: dict[str, int] = {}

    def count(self, name: str, now: datetime) -> int:
        """Counts one more of a name. Returns how many it were in this minute, this one included."""
        minute = int(now.timestamp()) // WINDOW_SECONDS
        with self._lock:
            if minute != self._minute:
                self._minute, self._counts = minute, {}
            self._counts[name] = count = self._counts.get(name, 0) + 1
            return count

    def __len__(self) -> int:
        """How many names were counted in the newest minute."""
        return len(self._counts)


def seconds_to_next_minute(now: datetime) -> int:
    """After how many seconds the counts begin again, 1 to 60."""
    return WINDOW_SECONDS - int(now.timestamp()) % WINDOW_SECONDS
