"""The utility's own count of requests, as PG&E states its limits: 1 a second, 2000 in any hour, 20000 from 17:00 Pacific to 17:00."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock
from zoneinfo import ZoneInfo

__all__ = ["Counter", "day_of"]

_ZONE = ZoneInfo("America/Los_Angeles")
PER_HOUR, PER_DAY = 2000, 20_000
_SECOND = 0.9  # a tenth of grace: two requests that left a second apart may arrive closer


def day_of(moment: float) -> tuple[float, float]:
    """Return when the day of the daily limit began and when it ends [s since 1970-01-01T00:00Z].

    >>> [end - start for start, end in map(day_of, (1741500000, 1762056000))]  # the nights on which clocks change
    [82800.0, 90000.0]
    """
    local = datetime.fromtimestamp(moment, _ZONE)
    begin = local.replace(hour=17, minute=0, second=0, microsecond=0, fold=0)
    if begin > local:
        begin -= timedelta(days=1)
    return begin.timestamp(), (begin + timedelta(days=1)).timestamp()


class Counter:
    """Counts the requests of one client."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._hour: deque[float] = deque()
        self._day = (0.0, 0)

    def wait(self) -> float:
        """Count a request; return 0, or for how long it is too early [s], which is not counted."""
        with self._lock:
            now = self._clock()
            while self._hour and self._hour[0] <= now - 3600:
                self._hour.popleft()
            begin, end = day_of(now)
            used = self._day[1] if self._day[0] == begin else 0
            if used >= PER_DAY:
                return end - now
            if len(self._hour) >= PER_HOUR:
                return self._hour[0] + 3600 - now
            if self._hour and now < self._hour[-1] + _SECOND:
                return self._hour[-1] + _SECOND - now
            self._hour.append(now)
            self._day = begin, used + 1
            return 0.0
