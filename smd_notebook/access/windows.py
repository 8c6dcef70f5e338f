"""Spans of time to ask for: half-open, in seconds of UTC, cut into chunks with no seam lost and none asked for twice."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from smd_notebook.access.custodian import Custodian
from smd_notebook.errors import ConfigurationError

__all__ = ["Moment", "Window", "chunks", "gaps", "instant", "midnight", "parameters", "stamp"]

#: What a person may write for an instant.
Moment: TypeAlias = str | int | float | date | datetime
#: From the first second to the one after the last [s since 1970-01-01T00:00Z].
Window: TypeAlias = tuple[int, int]
_FORMS = "Write '2025-01-01', '2025-01-01T00:00-08:00', a datetime, or seconds since 1970."


def instant(value: Moment, zone: str | None) -> int:
    """Return an instant as whole seconds since 1970-01-01T00:00Z.

    Parameters
    ----------
    value : str, int, float, date or datetime
        A date is its midnight in `zone`; a time without an offset is one in `zone`.
    zone : str or None
        IANA zone of the custodian; None where it has none.

    Raises
    ------
    ConfigurationError
        Where it is none of them, or needs a zone that is not known.

    Examples
    --------
    >>> instant("2025-01-01", "America/Los_Angeles"), instant("2025-01-01T00:00Z", None), instant(1735718400, None)
    (1735718400, 1735689600, 1735718400)
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ConfigurationError("this cannot be taken as a time", hint=_FORMS) from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - it gets its zone below
    if isinstance(value, datetime):
        if value.tzinfo is None:
            if zone is None:
                raise ConfigurationError("this utility has no time zone, so a time needs its offset", hint=_FORMS)
            value = value.replace(tzinfo=ZoneInfo(zone))
        return int(value.timestamp() // 1)
    number: Any = value
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not abs(number) < 1e11:  # nor milliseconds, nor NaN
        raise ConfigurationError("this cannot be taken as a time", hint=_FORMS)
    return int(number // 1)


def midnight(at: float, zone: str | None) -> int:
    """Return when the day of an instant began in `zone`, or without one in UTC [s since 1970-01-01T00:00Z].

    >>> midnight(1735732800, "America/Los_Angeles"), midnight(1735732800, None)
    (1735718400, 1735689600)
    """
    place = _place(zone)
    return _begins(datetime.fromtimestamp(at, place).date(), place)


def _begins(day: date, place: tzinfo) -> int:
    return int(datetime.combine(day, datetime.min.time(), place).timestamp())


def _place(zone: str | None) -> tzinfo:
    return ZoneInfo(zone) if zone else UTC


def chunks(window: Window, days: int, zone: str | None) -> list[Window]:
    """Cut a window at midnights of `zone`, every `days` days; together the chunks are the window, and none overlaps another.

    Parameters
    ----------
    window : tuple of (int, int)
        What to cut [s].
    days : int
        How many days a chunk has at most.
    zone : str or None
        IANA zone; utilities hold a block for each local day, so that a cut at midnight cuts none. None: UTC.

    Examples
    --------
    >>> chunks((0, 86400 * 5 // 2), 1, None)
    [(0, 86400), (86400, 172800), (172800, 216000)]
    """
    start, end = window
    place = _place(zone)
    first = datetime.fromtimestamp(start, place).date()
    cuts, number = [start], 1
    while (cut := _begins(first + timedelta(days * number), place)) < end:
        cuts.append(cut)
        number += 1
    return list(zip(cuts, [*cuts[1:], end], strict=True)) if start < end else []


def gaps(window: Window, covered: Iterable[Window]) -> list[Window]:
    """Return what of a window is not covered, in order.

    >>> gaps((0, 10), [(2, 4), (3, 5), (9, 20)])
    [(0, 2), (5, 9)]
    """
    at, end = window
    found = []
    for low, high in sorted(covered):
        if low > at:
            found.append((at, min(low, end)))
        at = max(at, high)
        if at >= end:
            return [gap for gap in found if gap[0] < gap[1]]
    return [gap for gap in (*found, (at, end)) if gap[0] < gap[1]]


def parameters(custodian: Custodian, window: Window) -> dict[str, str]:
    """Return the parameters that ask a custodian for a window, written as it wants them; days are never cut short.

    >>> from smd_notebook.access.custodians import PGE
    >>> parameters(PGE, (1735718400, 1738310400))
    {'published-min': '1735718400', 'published-max': '1738310400'}
    """
    low, high = window
    earliest, latest = custodian.window_names[:2]
    if custodian.window == "iso":
        return {earliest: stamp(low), latest: stamp(high)}
    if custodian.window == "date":
        place = _place(custodian.zone)
        return {name: f"{datetime.fromtimestamp(at, place):%Y-%m-%d}" for name, at in ((earliest, low), (latest, high))}
    return {earliest: str(low), latest: str(high)}


def stamp(at: float) -> str:
    """Return an instant as ISO 8601 in UTC, to the second.

    >>> stamp(1735718400)
    '2025-01-01T08:00:00Z'
    """
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
