"""The rate gate: no more requests than the custodian allows, counted over all kernels of the user.

Three windows, as PG&E has them: so many a second for one vendor over all its client ids, so many in any hour for one client id, and so
many from one reset (17:00 Pacific, on the wall clock) to the next. What was used is in a file that all share; who must wait, waits.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as wall_time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from smd_notebook.access.custodian import Limits
from smd_notebook.access.files import locked, read_private, write_private

__all__ = ["GateStatus", "RateGate"]

_HOUR = 3600.0
#: The hour's requests are counted in buckets this wide; one counts until its last request is an hour old [s].
_BUCKET = 10.0
#: Requests keep this much more distance than they must, because they do not all take equally long to arrive.
_MARGIN = 1.01
#: How far clocks of machines that share a folder may be apart; a time that is further ahead is that of a clock that was wrong [s].
_SKEW = 60.0
#: Nobody sleeps longer than this without a look at the clock, which may have been set [s].
_NAP = 300.0
_PATIENCE = 120.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GateStatus:
    """How much of the limits is used.

    Parameters
    ----------
    next_at : float
        When the next request may go [s since 1970-01-01T00:00Z].
    used_second : int
        Requests in the last second, of the vendor.
    used_hour : int
        Requests in the last hour, of the client id.
    used_day : int
        Requests since the last reset, of the client id.
    resets_at : float
        When the day's count begins anew [s since 1970-01-01T00:00Z].
    """

    next_at: float
    used_second: int
    used_hour: int
    used_day: int
    resets_at: float


class _State:
    """What was used, as the file has it, put right for the time that it is now."""

    def __init__(self, content: Any, client: str, now: float, limits: Limits) -> None:
        self.content = content if isinstance(content, dict) else {}
        mine = self.content.setdefault("clients", {}).get(client, {})
        # A clock that was wrong and has been set back must lock nobody out: what it did "later" was done by now. That is written down
        # at once (`moved`), or it would be done by now for ever.
        self.last = float(self.content.get("last", 0.0))
        hour = [(float(start), int(count)) for start, count in mine.get("hour", [])]
        if not all(math.isfinite(one) for one in (self.last, *(start for start, _count in hour))):
            raise ValueError("no time is infinite")
        self.moved = max([self.last, *(start for start, _count in hour)]) > now + _SKEW
        self.last = self.last if self.last <= now + _SKEW else now
        self.hour: dict[float, int] = {}
        for start, count in sorted((start if start <= now + _SKEW else now // _BUCKET * _BUCKET, count) for start, count in hour):
            if now < start + _BUCKET + _HOUR:
                self.hour[start] = self.hour.get(start, 0) + count
        self.began, self.resets = _day(now, limits)
        # after a reset the count begins anew; a day that begins later than this one is that of a wrong clock
        self.day = int(mine.get("count", 0)) if float(mine.get("day", 0.0)) >= self.began else 0

    def next_at(self, now: float, limits: Limits) -> float:
        """Return when the next request may go."""
        times = [now]
        if limits.per_second is not None:
            times.append(self.last + _MARGIN / limits.per_second)
        if limits.per_hour is not None:
            over = sum(self.hour.values()) - limits.per_hour
            for start, count in self.hour.items():
                if over < 0:
                    break
                over -= count
                times.append(start + _BUCKET + _HOUR)
        if limits.per_day is not None and self.day >= limits.per_day:
            times.append(self.resets)
        return max(times)

    def count(self, now: float) -> None:
        """Count one request."""
        bucket = now // _BUCKET * _BUCKET
        self.hour[bucket] = self.hour.get(bucket, 0) + 1
        self.last = max(now, self.last)
        self.day += 1

    def written(self, client: str) -> bytes:
        """Return what the file holds from now on."""
        self.content["last"] = self.last
        self.content["clients"][client] = {"hour": list(self.hour.items()), "day": self.began, "count": self.day}
        return json.dumps(self.content).encode()


class RateGate:
    """Lets requests through one by one, as fast as the custodian allows and no faster.

    Parameters
    ----------
    limits : Limits
        What the custodian allows.
    vendor : str
        Who shares the limit per second.
    client_id : str
        Who has the other two.
    folder : str or Path, optional
        Where what was used is kept; by default in the user's own data folder. A folder that several machines see counts for all of them,
        if it can be locked and their clocks agree.
    clock : callable, default time.time
        Tells the time [s since 1970-01-01T00:00Z].
    sleep : callable, default time.sleep
        Waits [s].
    """

    def __init__(
        self,
        limits: Limits,
        *,
        vendor: str,
        client_id: str,
        folder: str | Path | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        if folder is None:
            from platformdirs import user_data_dir

            folder = Path(user_data_dir("smd_notebook", appauthor=False)) / "limits"
        self.limits, self._clock, self._sleep = limits, clock, sleep
        self._client = hashlib.sha256(client_id.encode()).hexdigest()[:12]
        self._path = Path(folder) / f"{hashlib.sha256(vendor.encode()).hexdigest()[:12]}.json"
        self._free = limits.per_second is limits.per_hour is limits.per_day is None

    def acquire(self) -> None:
        """Wait until a request may go, and count it.

        Raises
        ------
        ConfigurationError
            Where the folder cannot be written or locked.
        """
        told = False
        while not self._free:
            with locked(self._path.with_suffix(".lock"), _PATIENCE):
                now = self._clock()
                state = self._read(now)
                wait = state.next_at(now, self.limits) - now
                if wait <= 0:
                    state.count(now)
                if wait <= 0 or state.moved:
                    write_private(self._path, state.written(self._client), durable=False)
            if wait <= 0:
                return
            if wait > _NAP and not told:
                _log.info("the utility's limit is reached; the next request may go in %.0f s", wait)
                told = True
            self._sleep(min(wait, _NAP))

    def status(self) -> GateStatus:
        """Return how much is used, and when the next request may go.

        Raises
        ------
        ConfigurationError
            Where the file of what was used cannot be read.
        """
        now = self._clock()
        state = self._read(now)
        return GateStatus(
            next_at=state.next_at(now, self.limits),
            used_second=int(now - 1 < state.last <= now),
            used_hour=sum(state.hour.values()),
            used_day=state.day,
            resets_at=state.resets,
        )

    def _read(self, now: float) -> _State:
        try:
            return _State(json.loads(read_private(self._path)), self._client, now, self.limits)
        except FileNotFoundError:
            return _State({}, self._client, now, self.limits)
        except (ValueError, TypeError, AttributeError, RecursionError, OverflowError):
            _log.warning("what was used of the utility's limits cannot be read; it is counted anew")
        state = _State({"last": now}, self._client, now, self.limits)
        state.moved = True
        return state


def _day(now: float, limits: Limits) -> tuple[float, float]:
    """Return the last reset and the next one; they are 23, 24 or 25 hours apart."""
    zone = ZoneInfo(limits.zone)
    today = datetime.fromtimestamp(now, zone).date()

    def reset(day: date) -> float:
        return datetime.combine(day, wall_time.fromisoformat(limits.reset), zone).timestamp()

    one = timedelta(days=1)
    return (reset(today), reset(today + one)) if reset(today) <= now else (reset(today - one), reset(today))
