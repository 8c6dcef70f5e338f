"""What the starts of a feed really mean: evidence for and against each way of writing a clock wrong, verdicts, and repairs.

A wrong clock that shifts everything by a constant leaves no trace in the readings. What leaves one is daylight saving time: a clock that
is written by other rules than it was read makes holes and doubled hours, or takes them away, at known instants. So each hypothesis is
tried by undoing it: it explains what becomes regular, and is refuted by what becomes irregular. Only a hypothesis that explains
something, breaks nothing, and has no rival is conclusive.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from smd_notebook.clock import PRINCIPAL_ZONES, valid_zone
from smd_notebook.errors import ConfigurationError, Finding, TimeZoneError
from smd_notebook.espi.channels import concatenated
from smd_notebook.espi.merge import instant
from smd_notebook.espi.model import LATEST, MISSING, Block, Channel, Column, Readings

__all__ = ["HYPOTHESES", "Verdict", "diagnose", "repaired", "undo"]

#: How the clock may have been written: right, as local wall-clock or standard time labelled UTC, by another zone's rules (``as:ZONE``),
#: or not at all: the time of the download.
HYPOTHESES = ("utc", "wall", "standard", "as:ZONE", "download")
_DAY = 86_400
#: How much clocks change by [s].
_CHANGES = (1800, 3600)
#: Instants that zones are known for well enough.
_FROM, _TO = datetime(1990, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
_TITLE = re.compile(r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2})(?::(\d{2}))?(?!\s*(?:Z|UTC|GMT|[+-]\d{2}))")

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is thought of a channel's clock.

    Parameters
    ----------
    hypothesis : str
        ``"utc"`` (as declared), ``"wall"``, ``"standard"``, ``"as:ZONE"`` or ``"download"``.
    conclusive : bool
        Whether it is proved, so that `clock="auto"` acts on it.
    evidence : tuple of str
        What speaks for it, in words and numbers.
    settles : str
        What would settle it, where it is not conclusive.
    """

    hypothesis: str
    conclusive: bool
    evidence: tuple[str, ...] = ()
    settles: str = ""


# -- zones as arrays -----------------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _transitions(zone: str) -> tuple[Column, Column]:
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


def _offsets(zone: str, seconds: Column) -> Column:
    """Return the offset from UTC [s] at each UTC second."""
    instants, offsets = _transitions(zone)
    return offsets[np.searchsorted(instants, seconds, side="right") - 1]


def _standard_offset(zone: str) -> int:
    """Return the offset from UTC without DST [s], as it has been of late."""
    return int(_transitions(zone)[1][-4:].min())


def _localized(zone: str, wall: Column, second: Flags) -> Column:
    """Return the UTC seconds of wall-clock seconds; `second` says which of a repeated hour is meant, a skipped hour is moved on."""
    before, after = _offsets(zone, wall - _DAY), _offsets(zone, wall + _DAY)
    early, late = wall - before, wall - after
    instants, _ = _transitions(zone)
    change = instants[np.minimum(np.searchsorted(instants, wall - _DAY, side="right"), len(instants) - 1)]
    use_late = (before != after) & np.where(early < change, (late >= change) & second, late >= change)
    return np.where(use_late, late, early)


def _repeats(values: Column) -> Flags:
    """Return which values stood before, in the order of the file."""
    order = np.argsort(values, kind="stable")
    again = np.zeros(len(values), dtype=bool)
    again[order[1:]] = values[order[1:]] == values[order[:-1]]
    return again


# -- undoing -------------------------------------------------------------------------------------------------------------------------------


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
        return start - _standard_offset(zone)
    again = _repeats(start)
    if hypothesis == "wall":
        return _localized(zone, start, again)
    if not hypothesis.startswith("as:"):
        raise ConfigurationError(
            f"no clock is called {hypothesis!r}", hint="Say 'declared', 'auto', 'utc', 'wall', 'standard' or 'as:ZONE'."
        )
    other = hypothesis[3:]
    offset = _offsets(other, start)
    instants, offsets = _transitions(other)
    place = np.searchsorted(instants, start, side="right") - 1
    since = start - instants[place]
    gained = offsets[place] - offsets[np.maximum(place - 1, 0)]
    # the first of two at an instant just after the clock sprang forward was a time that the other zone does not have
    first_of_two = np.isin(start, start[again]) & ~again
    skipped = (gained > 0) & (since >= 0) & (since < gained) & first_of_two & (place > 0)
    wall = start + np.where(skipped, offset - gained, offset)
    repeated = (gained < 0) & (since >= 0) & (since < -gained) & (place > 0)
    return _localized(zone, wall, (repeated | _repeats(wall)) & ~skipped)


# -- evidence ------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Trial:
    """What undoing a hypothesis does to the irregularities of a series, and whether its clock begins days at midnight."""

    hypothesis: str
    true: Column
    explained: int
    changes: int
    broken: int
    midnights: bool


def _irregular(start: Column, duration: Column, zone: str) -> set[tuple[int, int]]:
    """Return the pairs of rows, next to each other in time, that begin together or have a gap or overlap as long as clocks change by.

    A gap that lies within the hour that `zone` repeats in autumn does not count: many exports lose one of the two.
    """
    order = np.argsort(start, kind="stable")
    begin, end = start[order], (start + duration)[order]
    step = begin[1:] - end[:-1]
    rows = np.flatnonzero(np.isin(np.abs(step), _CHANGES) | (begin[1:] == begin[:-1]))
    if len(rows):
        instants, offsets = _transitions(zone)
        lost = offsets[:-1] - offsets[1:]
        for change, size in zip(instants[1:][lost > 0], lost[lost > 0], strict=True):
            within = (end[rows] >= change - size) & (begin[rows + 1] <= change + size)
            rows = rows[~(within & (step[rows] > 0) & (step[rows] <= size))]
    return {(int(order[row]), int(order[row + 1])) for row in rows}


def _midnights(clock: Column, seasons: Column) -> bool:
    """Whether days begin at midnight of a clock in both seasons: some in each, and nearly all."""
    at = clock % _DAY == 0
    return all(len(at[seasons == season]) and at[seasons == season].mean() >= 0.9 for season in (True, False))


def _try(hypothesis: str, start: Column, duration: Column, zone: str, bounds: Column, odd: set[tuple[int, int]]) -> _Trial:
    true = undo(hypothesis, start, zone)
    now = _irregular(true, duration, zone)
    explained = odd - now
    instants, _ = _transitions(zone)
    near = {int(np.abs(instants[1:] - true[row]).argmin()) for row, _ in explained} if len(instants) > 1 else set()
    rules = hypothesis[3:] if hypothesis.startswith("as:") else None
    clock = bounds + _offsets(rules, bounds) if rules else bounds
    summer = _offsets(zone, bounds) != _standard_offset(zone)
    return _Trial(hypothesis, true, len(explained), len(near), len(now - odd), _midnights(clock, summer))


def diagnose(channel: Channel, zone: str | None) -> Verdict:
    """Return what is thought of a channel's clock.

    Parameters
    ----------
    channel : Channel
        The channel.
    zone : str or None
        IANA zone of the place; None where it is not known, and then little can be.
    """
    start, duration = _once(channel)
    if len(start) < 2:
        return Verdict("utc", conclusive=False)
    if stamped := _downloaded(channel, start):
        return stamped
    if zone is None:
        return _without_zone(start, duration)
    if titled := _titled(channel, zone):
        return titled
    odd = _irregular(start, duration, zone)
    bounds = _bounds(channel, start, duration)
    if not odd:
        return _suspected(start, duration, zone, bounds)
    names = ["wall", *(f"as:{other}" for other in PRINCIPAL_ZONES if other not in (zone, "UTC"))]
    trials = [_try(name, start, duration, zone, bounds, odd) for name in names]
    declared = _midnights(bounds + _offsets(zone, bounds), _offsets(zone, bounds) != _standard_offset(zone))
    proved = [one for one in trials if one.explained and not one.broken and (one.changes > 1 or one.midnights) and not declared]
    long = int(np.median(duration))
    if long >= _DAY - 7200:
        # a change of the clock somewhere within long intervals tells the rules but not the hour, which only midnight can; and days
        # of gas do not begin at midnight everywhere
        proved = [one for one in proved if one.midnights and (long > 2 * _DAY or one.hypothesis == "wall")]
    if proved and all(np.array_equal(one.true, proved[0].true) for one in proved):
        found = proved[0]
        text = f"undoing it makes {found.explained} gaps or overlaps at {found.changes} changes of the clock regular and none irregular"
        also = ("days begin at midnight of that clock in winter and in summer",) if found.midnights else ()
        return Verdict(found.hypothesis, conclusive=True, evidence=(text, *also))
    if any(one.explained and not one.broken for one in trials):
        some = ", ".join(one.hypothesis for one in trials if one.explained and not one.broken)
        return Verdict(
            next(one.hypothesis for one in trials if one.explained and not one.broken),
            conclusive=False,
            evidence=(f"gaps or overlaps at a change of the clock would be regular if it were written otherwise ({some})",),
            settles="more data, over a change of the clock in spring and one in autumn; or the utility's word",
        )
    return _suspected(start, duration, zone, bounds)


def _once(channel: Channel) -> tuple[Column, Column]:
    """Return starts and durations as one source gives them: what files that overlap give twice is no doubled hour."""
    start, duration = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for blocks in _by_source(channel).values():
        readings = concatenated(replace(channel, blocks=blocks))
        new = _plausible(readings.start) & ~np.isin(readings.start, np.concatenate(start))
        start.append(readings.start[new])
        duration.append(readings.duration[new])
    return np.concatenate(start), np.concatenate(duration)


def _plausible(start: Column) -> Flags:
    """Return which starts are there, and of a time that clocks can mean."""
    return (start > -LATEST) & (start < LATEST)


def _by_source(channel: Channel) -> dict[str, tuple[Block, ...]]:
    found: dict[str, tuple[Block, ...]] = {}
    for block in channel.blocks:
        found[block.entry.source] = (*found.get(block.entry.source, ()), block)
    return found


def _bounds(channel: Channel, start: Column, duration: Column) -> Column:
    """Return the instants at which the utility began or ended something: blocks, long intervals, the file."""
    edges = [np.array([start.min(), (start + duration).max()])]
    edges += [block.readings.start[:1] for block in channel.blocks if len(block.readings) and block.readings.start[0] != MISSING]
    long = duration >= _DAY - 7200
    edges.append(start[long])
    return np.unique(np.concatenate(edges))


def _downloaded(channel: Channel, start: Column) -> Verdict | None:
    """Tell whether all intervals begin at one instant, near to when the feed was made: then it is the time of the download."""
    if len(np.unique(start)) > 1:
        return None
    made = [at for block in channel.blocks for at in (instant(block.updated), instant(block.entry.published)) if np.isfinite(at)]
    near = min((abs(at - float(start[0])) for at in made), default=float("inf"))
    text = f"all {len(start)} intervals begin at the same instant"
    when = f", {near / 3600:.1f} hours from when the feed was made" if near < 3 * _DAY else ""
    return Verdict("download", conclusive=True, evidence=(text + when,), settles="nothing in the file can; ask the utility for the dates")


def _without_zone(start: Column, duration: Column) -> Verdict:
    order = np.argsort(start, kind="stable")
    step = start[order][1:] - (start + duration)[order][:-1]
    hours = int(np.isin(np.abs(step), (1800, 3600)).sum())
    if not hours:
        return Verdict("utc", conclusive=False)
    text = f"{hours} gaps or overlaps are as long as clocks change by, so that the times may be a local clock's; its zone is not known"
    return Verdict("wall", conclusive=False, evidence=(text,), settles="the zone: smd.read(..., tz='America/Los_Angeles', clock='auto')")


def _suspected(start: Column, duration: Column, zone: str, bounds: Column) -> Verdict:
    """Return the declared clock, and what makes one wonder: a file that begins and ends at midnight, but another clock's."""
    edges = np.array([start.min(), (start + duration).max()])
    if ((edges + _offsets(zone, edges)) % _DAY == 0).any():
        return Verdict("utc", conclusive=False)
    _, ours = _transitions(zone)
    like = [
        other for other in PRINCIPAL_ZONES if other not in (zone, "UTC") and np.array_equal(np.diff(_transitions(other)[1]), np.diff(ours))
    ]
    shifts = {"wall": np.zeros_like(edges)} | {f"as:{other}": _offsets(other, edges) for other in like}
    fits = [name for name, shift in shifts.items() if (edges[0] + shift[0]) % _DAY == 0]
    settles = "data over a change of the clock, or the utility's word"
    if not fits or (len(bounds) > 2 and ((bounds + shifts[fits[0]][0]) % _DAY == 0).mean() <= 0.5):
        text = f"the file neither begins nor ends at midnight in {zone}, and nothing else in it speaks for or against its clock"
        return Verdict("utc", conclusive=False, evidence=(text,), settles=settles)
    text = f"the file does not begin at midnight in {zone}, but would if the clock were written otherwise ({', '.join(fits)})"
    return Verdict(fits[0], conclusive=False, evidence=(text,), settles=f"{settles}; then clock='{fits[-1]}' puts it right")


def _titled(channel: Channel, zone: str) -> Verdict | None:
    """Compare the starts that titles of blocks carry, in local time, with the starts of the blocks."""
    as_utc = as_local = 0
    true: set[str] = {"standard", "wall"}
    for block in channel.blocks:
        match = _TITLE.search(block.entry.title)
        begin = block.interval.start if block.interval and block.interval.start is not None else None
        if not match or begin is None or not len(block.readings):
            continue
        titled = int(datetime.fromisoformat(f"{match[1]}T{match[2]}:{match[3] or '00'}+00:00").timestamp())
        offset = int(_offsets(zone, np.array([begin]))[0])
        as_local += begin + offset == titled
        as_utc += begin == titled and offset != 0 and titled % _DAY == 0
        both = [undo(name, block.readings.start, zone) for name in ("standard", "wall")]
        if not np.array_equal(both[0], both[1]):
            true &= {channel.dialect.clock} if channel.dialect.clock else set()
    if not as_utc or as_local:
        return None
    text = f"the titles of {as_utc} blocks give their local start, midnight, and the blocks begin at just that time, but as UTC"
    if len(true) == 2 and channel.dialect.clock in true:
        true = {channel.dialect.clock}
    if not true:
        return Verdict("wall", conclusive=False, evidence=(text,), settles="whether the clock keeps standard time in summer")
    return Verdict("standard" if "standard" in true else "wall", conclusive=True, evidence=(text,))


# -- repairs -------------------------------------------------------------------------------------------------------------------------------


def repaired(channel: Channel, hypothesis: str, zone: str | None) -> Channel:
    """Return the channel with the instants that were meant.

    Parameters
    ----------
    channel : Channel
        The channel.
    hypothesis : str
        As `undo` takes it.
    zone : str or None
        IANA zone of the place.

    Raises
    ------
    TimeZoneError
        Where the zone is not known, or that of ``as:ZONE`` is none.
    """
    if hypothesis == "utc":
        return channel
    if zone is None:
        raise TimeZoneError("a clock cannot be put right without the zone of the place", hint="Name it: tz='America/Los_Angeles'.")
    if hypothesis.startswith("as:"):
        valid_zone(hypothesis[3:])
    true: dict[int, Column] = {}
    for blocks in _by_source(channel).values():
        written = np.concatenate([block.readings.start for block in blocks])
        known = _plausible(written)
        meant = written.copy()
        meant[known] = undo(hypothesis, written[known], zone)
        ends = np.cumsum([len(block.readings) for block in blocks])
        true |= {id(block): part for block, part in zip(blocks, np.split(meant, ends[:-1]), strict=True)}
    blocks = tuple(replace(block, readings=replace(block.readings, start=true[id(block)])) for block in channel.blocks)
    return replace(channel, blocks=blocks)


def _with_starts(channel: Channel, starts: Column) -> Channel:
    return _with(channel, lambda readings, rows: replace(readings, start=starts[rows]))


def _with(channel: Channel, change: object) -> Channel:
    blocks: list[Block] = []
    place = 0
    for block in channel.blocks:
        rows = slice(place, place + len(block.readings))
        blocks.append(replace(block, readings=change(block.readings, rows)))  # type: ignore[operator]
        place += len(block.readings)
    return replace(channel, blocks=tuple(blocks))


def with_durations(channel: Channel) -> tuple[Channel, list[Finding]]:
    """Return the channel with durations put right that cannot be meant: 0, one second short, or two steps where the next reading follows.

    The interval length of the ReadingType says what is meant, and the step between readings must agree (espi:ReadingType,
    intervalLength).
    """
    length = channel.reading_type.interval_length if channel.reading_type else None
    readings: Readings = concatenated(channel)
    duration = readings.duration
    known = readings.start != MISSING
    if not length or not known.any():
        return channel, []
    order = np.argsort(readings.start, kind="stable")
    follows = np.full(len(order), np.iinfo(np.int64).max)
    follows[order[:-1]] = readings.start[order[1:]] - readings.start[order[:-1]]
    wrong = known & (follows >= length) & np.isin(duration, (0, length - 1))
    wrong |= known & (follows == length) & (duration == 2 * length)
    if not wrong.any():
        return channel, []
    fixed = np.where(wrong, length, duration)
    text = (
        "durations were 0, a second short or doubled; the ReadingType's interval length was taken, which the step between readings confirms"
    )
    finding = Finding("duration-repaired", "warning", text, channel=channel.label, n=int(wrong.sum()))
    return _with(channel, lambda part, rows: replace(part, duration=fixed[rows])), [finding]


def with_floored_starts(channel: Channel) -> tuple[Channel, list[Finding]]:
    """Return the channel with starts that are a second past the minute put on it, as the caller asked."""
    starts = concatenated(channel).start
    late = (starts != MISSING) & (starts % 60 == 1)
    if not late.any():
        return channel, []
    text = "starts a second past the minute were put on the minute, as asked"
    finding = Finding("start-floored", "info", text, channel=channel.label, n=int(late.sum()))
    return _with_starts(channel, np.where(late, starts - 1, starts)), [finding]


def findings_of(verdict: Verdict, channel: Channel, *, acted: bool) -> Iterator[Finding]:
    """Yield what a verdict has to say: that a clock was repaired, is disproved, is suspect, or cannot be recovered."""
    said = "; ".join(verdict.evidence)
    if verdict.hypothesis == "download":
        text = f"the times are not the meter's but those of the download: {said}; the dates cannot be recovered"
        yield Finding("clock-unrecoverable", "error", text, verdict.settles.capitalize() + ".", channel=channel.label, n=len(channel))
    elif acted:
        text = f"the clock was written wrong ({_words(verdict.hypothesis)}) and was put right: {said}"
        yield Finding("clock-repaired", "warning", text, "Compare with clock='declared'.", channel=channel.label, n=len(channel))
    elif verdict.conclusive:
        text = f"the clock is written wrong ({_words(verdict.hypothesis)}): {said}"
        yield Finding(
            "clock-disproved", "error", text, "Read it with clock='auto', which puts it right.", channel=channel.label, n=len(channel)
        )
    elif verdict.hypothesis == "utc" and verdict.evidence:
        text = f"the clock is not confirmed: {said}"
        yield Finding("clock-unconfirmed", "info", text, f"What would settle it: {verdict.settles}.", channel=channel.label, n=len(channel))
    elif verdict.evidence:
        text = f"the clock may be written wrong ({_words(verdict.hypothesis)}): {said}"
        yield Finding("clock-suspect", "info", text, f"What would settle it: {verdict.settles}.", channel=channel.label, n=len(channel))


def _words(hypothesis: str) -> str:
    return {"wall": "local wall-clock time as UTC", "standard": "local standard time as UTC"}.get(
        hypothesis, f"local wall-clock time converted by the rules of {hypothesis[3:]}"
    )


def with_clock(
    channels: Sequence[Channel], zones: Sequence[str | None], clock: str, *, floor: bool = False
) -> tuple[list[Channel], list[Finding]]:
    """Return channels with their clocks as `clock` says, and what was found.

    Parameters
    ----------
    channels : sequence of Channel
        The channels.
    zones : sequence of str or None
        Zone of each; None where it is not known.
    clock : str
        ``"declared"``: nothing is changed, wrong clocks are told. ``"auto"``: what is proved is put right. ``"utc"``: nothing is even
        looked at. ``"wall"``, ``"standard"``, ``"as:ZONE"``: taken as that.
    floor : bool
        Whether starts a second past the minute are put on it.

    Raises
    ------
    ConfigurationError
        Where `clock` is none of these.
    TimeZoneError
        Where a zone is needed and not known.
    """
    if clock not in ("declared", "auto", "utc", "wall", "standard") and not clock.startswith("as:"):
        raise ConfigurationError(f"clock={clock!r} is not known", hint="Say 'declared', 'auto', 'utc', 'wall', 'standard' or 'as:ZONE'.")
    found: list[Finding] = []
    kept: list[Channel] = []
    for channel, zone in zip(channels, zones, strict=True):
        if clock in ("declared", "auto"):
            noticed: list[Finding] = []
            if clock == "auto":
                channel, noticed = with_durations(channel)
            verdict = diagnose(channel, zone)
            acted = clock == "auto" and verdict.conclusive and verdict.hypothesis not in ("utc", "download")
            found += [*noticed, *findings_of(verdict, channel, acted=acted)]
            channel = repaired(channel, verdict.hypothesis, zone) if acted else channel
        elif clock != "utc":
            channel = repaired(channel, clock, zone)
            text = f"the clock was taken as {_words(clock)}, as asked, and put right"
            found.append(Finding("clock-repaired", "warning", text, channel=channel.label, n=len(channel)))
        if floor:
            channel, noticed = with_floored_starts(channel)
            found += noticed
        kept.append(channel)
    return kept, found
