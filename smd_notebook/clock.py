"""Clocks: the DST rule bit field of ESPI, and the IANA zone that LocalTimeParameters mean."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from smd_notebook.errors import Finding, TimeZoneError
from smd_notebook.espi.model import LocalTime
from smd_notebook.offsets import offsets_at, transitions

__all__ = ["DstRule", "fixed_zone", "known_zones", "parse_dst_rule", "valid_zone", "zone_of"]

#: Where several zones keep the same clock today, the first here is taken unless the utility's or the caller's zone is one of them.
PRINCIPAL_ZONES = (
    "America/Los_Angeles",
    "America/Denver",
    "America/Phoenix",
    "America/Chicago",
    "America/Regina",
    "America/New_York",
    "America/Panama",
    "America/Halifax",
    "America/Puerto_Rico",
    "America/St_Johns",
    "America/Anchorage",
    "America/Adak",
    "Pacific/Honolulu",
    "America/Sao_Paulo",
    "America/Argentina/Buenos_Aires",
    "Europe/London",
    "Europe/Paris",
    "Europe/Athens",
    "Europe/Istanbul",
    "Asia/Dubai",
    "Asia/Karachi",
    "Asia/Kolkata",
    "Asia/Dhaka",
    "Asia/Bangkok",
    "Australia/Perth",
    "Asia/Tokyo",
    "Australia/Adelaide",
    "Australia/Darwin",
    "Australia/Sydney",
    "Australia/Brisbane",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "UTC",
)
#: The year in which rules and zones are compared first: most rules, of North America for one, have been in force since 2007.
_YEAR = 2024
#: The first and the last year of a feed that are looked at beside it.
_YEARS = (1990, 2039)
_DISABLED = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class DstRule:
    """When a DST change happens (espi:DstRuleType), on the wall clock before the change.

    Parameters
    ----------
    month : int
        1 to 12.
    operator : int
        0 on the day of the month, 1 on the weekday on or after it, 2 to 6 the first to fifth weekday of the month, 7 the last.
    day : int
        Day of the month, 0 where it does not matter.
    weekday : int
        1 Monday to 7 Sunday, 0 where it does not matter.
    hour, second : int
        Time of the day.
    """

    month: int
    operator: int
    day: int
    weekday: int
    hour: int
    second: int

    def at(self, year: int) -> datetime:
        """Return the change's wall-clock instant in a year.

        >>> parse_dst_rule("360E2000").at(2024), parse_dst_rule("B40E2000").at(2024)
        (datetime.datetime(2024, 3, 10, 2, 0), datetime.datetime(2024, 11, 3, 2, 0))
        """
        first = date(year, self.month, 1)
        if self.operator == 0:
            day = first + timedelta(days=self.day - 1)
        elif self.operator == 1:
            day = first + timedelta(days=max(self.day, 1) - 1)
            day += timedelta(days=(self.weekday - day.isoweekday()) % 7)
        elif self.operator == 7:
            last = date(year + self.month // 12, self.month % 12 + 1, 1) - timedelta(days=1)
            day = last - timedelta(days=(last.isoweekday() - self.weekday) % 7)
        else:
            day = first + timedelta(days=(self.weekday - first.isoweekday()) % 7 + 7 * (self.operator - 2))
        return datetime.combine(day, time()) + timedelta(hours=self.hour, seconds=self.second)


def parse_dst_rule(text: str | None) -> DstRule | None:
    """Decode a DST rule; None where DST is disabled (``FFFFFFFF``) or none is given.

    Parameters
    ----------
    text : str
        Eight hexadecimal digits: bits 0-11 second, 12-16 hour, 17-19 weekday, 20-24 day, 25-27 operator, 28-31 month.

    Raises
    ------
    TimeZoneError
        Where it is not eight hexadecimal digits that make a rule.

    >>> parse_dst_rule("360E2000")
    DstRule(month=3, operator=3, day=0, weekday=7, hour=2, second=0)
    >>> parse_dst_rule("FFFFFFFF")
    """
    if text is None or not text.strip():
        return None
    text = text.strip().removeprefix("0x").removeprefix("0X")
    bits = int(text, 16) if re.fullmatch("[0-9A-Fa-f]{8}", text) else -1
    if bits == _DISABLED:
        return None
    rule = DstRule(bits >> 28 & 15, bits >> 25 & 7, bits >> 20 & 31, bits >> 17 & 7, bits >> 12 & 31, bits & 4095)
    needs_weekday, needs_day = rule.operator != 0, rule.operator < 2
    if (
        bits < 0
        or not 1 <= rule.month <= 12
        or rule.hour > 23
        or rule.second > 3599
        or (needs_weekday and not rule.weekday)
        or (needs_day and not rule.day)
    ):
        raise TimeZoneError(
            "a DST rule is not eight hexadecimal digits that make a rule", hint="Name the zone yourself: tz='America/Los_Angeles'."
        )
    return rule


@lru_cache(maxsize=1)
def known_zones() -> tuple[str, ...]:
    """Return the names of all IANA zones, sorted; the same on every machine, as they are the tzdata package's own."""
    from importlib.resources import files

    return tuple(sorted(files("tzdata").joinpath("zones").read_text().split()))


def valid_zone(name: str) -> str:
    """Return the zone's name if it is an IANA zone's.

    Raises
    ------
    TimeZoneError
        Where it is not.

    >>> valid_zone("Europe/Paris")
    'Europe/Paris'
    """
    if name not in known_zones():
        raise TimeZoneError(f"no time zone is called {name!r}", hint="Use an IANA name such as 'America/Los_Angeles' or 'UTC'.")
    return name


@lru_cache(maxsize=1)
def _distinct_zones() -> tuple[str, ...]:
    """Return the zones whose clocks have differed since 1970, one name for each (tzdata's zone1970.tab)."""
    from importlib.resources import files

    lines = files("tzdata").joinpath("zoneinfo", "zone1970.tab").read_text(encoding="utf-8").splitlines()
    return tuple(line.split("\t")[2] for line in lines if not line.startswith("#"))


def zone_of(local_time: LocalTime, prefer: str | None = None, span: tuple[int, int] | None = None) -> tuple[str | None, list[Finding]]:
    """Return the IANA zone that LocalTimeParameters describe, and what was noticed.

    Parameters
    ----------
    local_time : LocalTime
        Offsets and coded rules (espi:LocalTimeParameters).
    prefer : str, optional
        The zone to take where it is among those that fit: the caller's or the utility's.
    span : tuple of int, optional
        When the first and the last reading begin [s since 1970-01-01T00:00Z]. Of several zones that fit, the one that kept the described
        clock in more of these years is taken, and a finding names the others if their clocks differed then.

    Returns
    -------
    zone : str or None
        IANA name; None where no zone fits.
    findings : list of Finding
        What was noticed about the offsets and rules.

    Examples
    --------
    >>> zone_of(LocalTime("B40E2000", 3600, "360E2000", -28800))
    ('America/Los_Angeles', [])
    >>> zone_of(LocalTime("FFFFFFFF", 0, "FFFFFFFF", -25200))[0]
    'America/Phoenix'
    """
    findings: list[Finding] = []
    offset = local_time.tz_offset
    if offset is None:
        return None, [_finding("zone-unknown", "warning", "LocalTimeParameters state no tzOffset")]
    rules: tuple[DstRule, ...] | None
    try:
        begin, end = parse_dst_rule(local_time.dst_start_rule), parse_dst_rule(local_time.dst_end_rule)
        rules = (begin, end) if begin and end and local_time.dst_offset else ()
    except TimeZoneError:
        rules = None
        text = "a DST rule of the LocalTimeParameters is not eight hexadecimal digits; the zone was found by its offset and by having DST"
        findings.append(_finding("dst-rule-broken", "warning", text))
    if rules and any(rule.second for rule in rules):
        rules = tuple(replace(rule, second=0) for rule in rules)
        text = "a DST rule changes the clock some seconds past the hour, as a spreadsheet's fill-down makes it; the full hour was taken"
        findings.append(_finding("dst-rule-broken", "info", text))
    for east in (offset, -offset):
        fitting = [name for name in ([prefer] if prefer else []) + list(PRINCIPAL_ZONES) if _fits(name, east, rules)]
        if not fitting:
            continue
        if east != offset:
            text = "the tzOffset of the LocalTimeParameters has the wrong sign; its opposite was taken"
            findings.append(_finding("tz-offset-sign", "warning", text))
        if fitting[0] == prefer or span is None:
            return fitting[0], findings
        return _likeliest(fitting, east, rules, span, findings), findings
    if rules == () and (fixed := fixed_zone(offset)):
        return fixed, findings
    fitting = [name for name in _distinct_zones() if _fits(name, offset, rules)]
    if fitting:
        return _likeliest(fitting, offset, rules, span, findings) if span else fitting[0], findings
    findings.append(_finding("zone-unknown", "warning", "no time zone keeps the clock that the LocalTimeParameters describe"))
    return None, findings


def _likeliest(fitting: list[str], offset: int, rules: tuple[DstRule, ...] | None, span: tuple[int, int], findings: list[Finding]) -> str:
    """Return the zone that kept the described clock in most years of a span, the first of equals, and tell if that was a guess.

    Where it kept that clock throughout, any other that did shows the same local times, and nothing is told.
    """
    first, last = (datetime.fromtimestamp(at, UTC).year for at in span)
    years = range(max(first, _YEARS[0]), min(last, _YEARS[1]) + 1)

    def years_kept(name: str) -> int:
        return sum(_fits(name, offset, rules, year) for year in years) if rules is not None else -1

    chosen = max(fitting, key=years_kept)
    kept = years_kept(chosen)
    if kept == len(years):
        return chosen
    others = [name for name in _distinct_zones() if _fits(name, offset, rules) and _differ(chosen, name, span) and years_kept(name) >= kept]
    if others:
        text = (
            f"the LocalTimeParameters fit {chosen}, which was taken, and {', '.join(others)}, whose clocks differed within the feed's span"
        )
        findings.append(_finding("zone-ambiguous", "info", text))
    return chosen


def _differ(zone: str, other: str, span: tuple[int, int]) -> bool:
    """Whether the clocks of two zones differ anywhere from the first to the last of two UTC seconds."""
    changes = np.concatenate([transitions(zone)[0], transitions(other)[0]])
    instants = np.concatenate([span, changes[(changes > span[0]) & (changes <= span[1])]])
    return bool((offsets_at(zone, instants) != offsets_at(other, instants)).any())


def fixed_zone(offset: int) -> str | None:
    """Return the IANA zone of a fixed whole-hour offset [s east of UTC], if there is one.

    >>> fixed_zone(-28800), fixed_zone(1800)
    ('Etc/GMT+8', None)
    """
    if offset % 3600 or not -12 <= offset // 3600 <= 14:
        return None
    return f"Etc/GMT{-offset // 3600:+d}" if offset else "UTC"


def _finding(code: str, severity: str, text: str) -> Finding:
    return Finding(code, severity, text, "Name the zone yourself if it is another: tz='America/Los_Angeles'.")  # type: ignore[arg-type]


@lru_cache(maxsize=1024)
def _habits(name: str, year: int) -> tuple[int, tuple[datetime, ...]]:
    """Return a zone's standard offset [s] and the wall-clock instants of its changes to and from DST in a year."""
    zone = ZoneInfo(name)
    day, quarter = timedelta(days=1), timedelta(minutes=15)

    def offset(at: datetime) -> timedelta:
        shift = at.astimezone(zone).utcoffset()
        return shift if shift is not None else timedelta()

    at = datetime(year, 1, 1, tzinfo=UTC)
    offsets, changes = {offset(at)}, []
    while at.year == year:
        before, after = offset(at), offset(at + day)
        if before != after:
            offsets.add(after)
            moment = next(at + k * quarter for k in range(1, 97) if offset(at + k * quarter) != before)
            # the wall clock just before the change, which is how DST rules are written
            changes.append((moment + before).replace(tzinfo=None))
        at += day
    return int(min(offsets).total_seconds()), tuple(changes)


def _fits(name: str, offset: int, rules: tuple[DstRule, ...] | None, year: int = _YEAR) -> bool:
    """Whether a zone keeps this standard offset [s] and changes by these rules in a year; None for rules that cannot be read."""
    standard, observed = _habits(name, year)
    if standard != offset:
        return False
    return bool(observed) if rules is None else sorted(observed) == sorted(rule.at(year) for rule in rules)
