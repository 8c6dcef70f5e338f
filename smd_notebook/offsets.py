"""Offsets from UTC for whole columns at once: what wall-clock times mean, and what was meant by clocks that were written wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from smd_notebook.errors import ConfigurationError
from smd_notebook.espi.model import Column

__all__ = ["Flags", "localized", "offsets_at", "standard_offset", "transitions", "undo"]

_DAY = 86_400
#: Instants that zones are known for well enough.
_FROM, _TO = datetime(1990, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)

Flags = npt.NDArray[np.bool_]


@lru_cache(maxsize=64)
def transitions(zone: str) -> tuple[Column, Column]:
    """Return a zone's changes: the UTC second of each, and the offset from UTC [s] from then on; the first holds since ever."""
    rules = ZoneInfo(zone)

    def offset(at: datetime) -> int:
        shift = at.astimezone(rules).utcoffset()
        return int(shift.total_seconds()) if shift is not None else 0

    instants, offsets = [np.iinfo(np.int64).min], [offset(_FROM)]
    at, step = _FROM, timedelta(days=7)
    while at < _TO:
        if offset(at + step) != offsets[-1]:
            early, late = at, at + step
            while late - early > timedelta(seconds=1):
                middle = early + (late - early) // 2
                middle = middle.replace(microsecond=0)
                if middle <= early:
                    break
                early, late = (middle, late) if offset(middle) == offsets[-1] else (early, middle)
            instants.append(int(late.timestamp()))
            offsets.append(offset(late))
        at += step
    return np.array(instants, dtype=np.int64), np.array(offsets, dtype=np.int64)


def offsets_at(zone: str, seconds: Column) -> Column:
    """Return the offset from UTC [s] at each UTC second."""
    instants, offsets = transitions(zone)
    return offsets[np.searchsorted(instants, seconds, side="right") - 1]


def standard_offset(zone: str) -> int:
    """Return the offset from UTC without DST [s], as it has been of late."""
    return int(transitions(zone)[1][-4:].min())


def localized(zone: str, wall: Column, second: Flags) -> Column:
    """Return the UTC seconds of wall-clock seconds; `second` says which of a repeated hour is meant, a skipped hour is moved on."""
    before, after = offsets_at(zone, wall - _DAY), offsets_at(zone, wall + _DAY)
    early, late = wall - before, wall - after
    instants, _ = transitions(zone)
    change = instants[np.minimum(np.searchsorted(instants, wall - _DAY, side="right"), len(instants) - 1)]
    use_late = (before != after) & np.where(early < change, (late >= change) & second, late >= change)
    return np.where(use_late, late, early)


def _repeats(values: Column) -> Flags:
    """Return which values stood before, in the order of the file."""
    order = np.argsort(values, kind="stable")
    again = np.zeros(len(values), dtype=bool)
    again[order[1:]] = values[order[1:]] == values[order[:-1]]
    return again


def undo(hypothesis: str, start: Column, zone: str) -> Column:
    """Return the instants that were meant, if the clock was written as `hypothesis` says.

    Parameters
    ----------
    hypothesis : str
        ``"utc"``, ``"wall"``, ``"standard"`` or ``"as:ZONE"``.
    start : array of int64
        Starts as written, in the order of the file [s since 1970-01-01T00:00Z].
    zone : str
        IANA zone of the place.

    Raises
    ------
    ConfigurationError
        Where there is no such hypothesis.

    >>> undo("wall", np.array([1720000800]), "America/Los_Angeles") - 1720000800
    array([25200])
    """
    if hypothesis == "utc":
        return start
    if hypothesis == "standard":
        return start - standard_offset(zone)
    again = _repeats(start)
    if hypothesis == "wall":
        return localized(zone, start, again)
    if not hypothesis.startswith("as:"):
        raise ConfigurationError(
            f"no clock is called {hypothesis!r}", hint="Say 'declared', 'auto', 'utc', 'wall', 'standard' or 'as:ZONE'."
        )
    other = hypothesis[3:]
    offset = offsets_at(other, start)
    instants, offsets = transitions(other)
    place = np.searchsorted(instants, start, side="right") - 1
    since = start - instants[place]
    gained = offsets[place] - offsets[np.maximum(place - 1, 0)]
    # the first of two at an instant just after the clock sprang forward was a time that the other zone does not have
    first_of_two = np.isin(start, start[again]) & ~again
    skipped = (gained > 0) & (since >= 0) & (since < gained) & first_of_two & (place > 0)
    wall = start + np.where(skipped, offset - gained, offset)
    repeated = (gained < 0) & (since >= 0) & (since < -gained) & (place > 0)
    return localized(zone, wall, (repeated | _repeats(wall)) & ~skipped)
