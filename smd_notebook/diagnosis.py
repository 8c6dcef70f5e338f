"""What the starts of a feed really mean: evidence for and against each way of writing a clock wrong, and verdicts.

A wrong clock that shifts everything by a constant leaves no trace in the readings. What leaves one is daylight saving time: a clock that
is written by other rules than it was read makes holes and doubled hours, or takes them away, at known instants. So each hypothesis is
tried by undoing it: it explains what becomes regular, and is refuted by what becomes irregular. Only a hypothesis that explains
something, breaks nothing, and has no rival is conclusive.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from smd_notebook.clock import PRINCIPAL_ZONES
from smd_notebook.espi.channels import concatenated
from smd_notebook.espi.merge import instant
from smd_notebook.espi.model import LATEST, MISSING, Block, Channel, Column
from smd_notebook.offsets import Flags, offsets_at, standard_offset, transitions, undo
from smd_notebook.shapes import shape_of

__all__ = ["Verdict", "by_source", "diagnose", "plausible"]

_DAY = 86_400
#: How much clocks change by [s].
_CHANGES = (1800, 3600)
#: So many intervals of one instant and one value may be the same one.
_FEW = 5
#: Days of a wrong clock begin between these hours as declared, where neither days of electricity nor of gas do; how many it takes in
#: winter and in summer, and what share may begin elsewhere (after an outage).
_FIRST_HOUR, _LAST_HOUR, _FEWEST_DAYS, _OTHERS = 12, 22, 3, 0.01
_TITLE = re.compile(r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2})(?::(\d{2}))?(?!\s*(?:Z|UTC|GMT|[+-]\d{2}))")


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
    by_days : bool
        Whether it rests on where days begin alone.
    """

    hypothesis: str
    conclusive: bool
    evidence: tuple[str, ...] = ()
    settles: str = ""
    by_days: bool = False


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
        instants, offsets = transitions(zone)
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
    instants, _ = transitions(zone)
    near = {int(np.abs(instants[1:] - true[row]).argmin()) for row, _ in explained} if len(instants) > 1 else set()
    rules = hypothesis[3:] if hypothesis.startswith("as:") else None
    clock = bounds + offsets_at(rules, bounds) if rules else bounds
    summer = offsets_at(zone, bounds) != standard_offset(zone)
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
    verdict = _verdict(channel, zone)
    if zone is None or not verdict.evidence or verdict.hypothesis == "download":
        return verdict
    shape = shape_of(channel, verdict.hypothesis, zone)
    if shape is None or (shape.flat and not verdict.by_days):
        return verdict
    # shapes support; where days begin could also be an odd habit of the utility's, and is not enough against the night, nor where
    # hours are there to show one and do not
    conclusive = verdict.conclusive and not (verdict.by_days and (shape.flat or shape.fits is False))
    return replace(verdict, conclusive=conclusive, evidence=(*verdict.evidence, shape.words))


def _verdict(channel: Channel, zone: str | None) -> Verdict:
    """Return the verdict, the daily shape apart."""
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
        return _by_days(bounds, zone) or _suspected(start, duration, zone, bounds)
    names = ["wall", *(f"as:{other}" for other in PRINCIPAL_ZONES if other not in (zone, "UTC"))]
    trials = [_try(name, start, duration, zone, bounds, odd) for name in names]
    declared = _midnights(bounds + offsets_at(zone, bounds), offsets_at(zone, bounds) != standard_offset(zone))
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
    return _by_days(bounds, zone) or _suspected(start, duration, zone, bounds)


def _by_days(bounds: Column, zone: str) -> Verdict | None:
    """Tell standard time written as UTC by where days begin: all at local midnight when it is undone, in winter and in summer.

    As written they begin at 00:00Z in winter and at 23:00Z in summer, which no day of a right clock does: neither days of UTC, which begin
    alike all year, nor local ones, but where that is midnight, or the morning hour at which days of gas begin.
    """
    standard = standard_offset(zone)
    if not _FIRST_HOUR * 3600 <= standard % _DAY <= _LAST_HOUR * 3600:
        return None
    true = bounds[1:-1] - standard  # but for the ends of the file, which may lie anywhere
    offsets = offsets_at(zone, true)
    summer, midnight = offsets != standard, (true + offsets) % _DAY == 0
    n = [int((midnight & season).sum()) for season in (~summer, summer)]
    if min(n) < _FEWEST_DAYS or (~midnight).sum() > _OTHERS * len(true):
        return None
    hour = f"{standard % _DAY // 3600:02}:{standard % 3600 // 60:02}"
    days = f"{n[0]} blocks, days or bills in winter and {n[1]} in summer"
    text = f"taken as standard time, {days} begin at midnight in {zone}; as declared, they would begin at {hour}"
    return Verdict("standard", conclusive=True, evidence=(text,), settles="the utility's word", by_days=True)


def _once(channel: Channel) -> tuple[Column, Column]:
    """Return starts and durations as one source gives them: what files that overlap give twice is no doubled hour."""
    start, duration = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    sources = by_source(channel)
    for blocks in sources.values():
        readings = concatenated(channel if len(sources) == 1 else replace(channel, blocks=blocks))
        new = plausible(readings.start)
        if len(start) > 1:
            new &= ~np.isin(readings.start, np.concatenate(start))
        start.append(readings.start[new])
        duration.append(readings.duration[new])
    return np.concatenate(start), np.concatenate(duration)


def plausible(start: Column) -> Flags:
    """Return which starts are there, and of a time that clocks can mean."""
    return (start > -LATEST) & (start < LATEST)


def by_source(channel: Channel) -> dict[str, tuple[Block, ...]]:
    """Return the blocks of each file: repeated hours are told apart by their order in it."""
    found: dict[str, list[Block]] = {}
    for block in channel.blocks:
        found.setdefault(block.entry.source, []).append(block)
    return {source: tuple(blocks) for source, blocks in found.items()}


def _bounds(channel: Channel, start: Column, duration: Column) -> Column:
    """Return the instants at which the utility began or ended something: blocks, long intervals, the file."""
    edges = [np.array([start.min(), (start + duration).max()])]
    edges += [block.readings.start[:1] for block in channel.blocks if len(block.readings) and block.readings.start[0] != MISSING]
    long = duration >= _DAY - 7200
    edges.append(start[long])
    return np.unique(np.concatenate(edges))


def _downloaded(channel: Channel, start: Column) -> Verdict | None:
    """Tell whether all intervals begin at one instant, near to when the feed was made: then it is the time of the download."""
    if (start != start[:1]).any():
        return None
    values = np.unique(concatenated(channel).value)
    made = [at for block in channel.blocks for at in (instant(block.updated), instant(block.entry.published)) if np.isfinite(at)]
    near = min((abs(at - float(start[0])) for at in made), default=float("inf"))
    if (len(start) == 2 and near >= 3 * _DAY) or (len(start) <= _FEW and len(values) == 1):
        return None  # one interval, given several times
    text = f"all {len(start)} intervals begin at the same instant"
    when = f", {near / 3600:.1f} hours from when the feed was made" if near < 3 * _DAY else ""
    return Verdict("download", conclusive=True, evidence=(text + when,), settles="nothing in the file can; ask the utility for the dates")


def _without_zone(start: Column, duration: Column) -> Verdict:
    order = np.argsort(start, kind="stable")
    step = start[order][1:] - (start + duration)[order][:-1]
    hours = int(np.isin(np.abs(step), (1800, 3600)).sum())
    if not hours:
        return Verdict("utc", conclusive=False)
    text = f"gaps or overlaps as long as clocks change by ({hours}) suggest that the times are a local clock's, whose zone is not known"
    return Verdict("wall", conclusive=False, evidence=(text,), settles="the zone: smd.read(..., tz='America/Los_Angeles', clock='auto')")


def _suspected(start: Column, duration: Column, zone: str, bounds: Column) -> Verdict:
    """Return the declared clock, and what makes one wonder: a file that begins and ends at midnight, but another clock's."""
    edges = np.array([start.min(), (start + duration).max()])
    if ((edges + offsets_at(zone, edges)) % _DAY == 0).any():
        return Verdict("utc", conclusive=False)
    _, ours = transitions(zone)
    like = [
        other for other in PRINCIPAL_ZONES if other not in (zone, "UTC") and np.array_equal(np.diff(transitions(other)[1]), np.diff(ours))
    ]
    shifts = {"wall": np.zeros_like(edges)} | {f"as:{other}": offsets_at(other, edges) for other in like}
    in_summer = offsets_at(zone, edges - standard_offset(zone)) - standard_offset(zone)
    if in_summer.any():
        shifts["standard"] = in_summer
    fits = [name for name, shift in shifts.items() if (edges[0] + shift[0]) % _DAY == 0]
    settles = "data over a change of the clock, or the utility's word" if len(ours) > 1 else "the utility's word"
    if not fits or (len(bounds) > 2 and ((bounds + shifts[fits[0]][0]) % _DAY == 0).mean() <= 0.5):
        text = f"the file neither begins nor ends at midnight in {zone}, and nothing else in it speaks for or against its clock"
        return Verdict("utc", conclusive=False, evidence=(text,), settles=settles)
    text = f"the file does not begin at midnight in {zone}, but would if the clock were written otherwise ({', '.join(fits)})"
    puts_right = " or ".join(f"clock='{name}'" for name in fits)
    return Verdict(fits[0], conclusive=False, evidence=(text,), settles=f"{settles}; then {puts_right} puts it right")


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
        offset = int(offsets_at(zone, np.array([begin]))[0])
        as_local += begin + offset == titled
        as_utc += begin == titled and offset != 0 and titled % _DAY == 0
        both = [undo(name, block.readings.start, zone) for name in ("standard", "wall")]
        if not np.array_equal(both[0], both[1]):
            true &= {channel.dialect.clock} if channel.dialect.clock else set()
    if not as_utc or as_local:
        return None
    text = f"titles of blocks ({as_utc}) give their local start, midnight, and the blocks begin at just that time, but as UTC"
    if len(true) == 2 and channel.dialect.clock in true:
        true = {channel.dialect.clock}
    if not true:
        return Verdict("wall", conclusive=False, evidence=(text,), settles="whether the clock keeps standard time in summer")
    return Verdict("standard" if "standard" in true else "wall", conclusive=True, evidence=(text,))
