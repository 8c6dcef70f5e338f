"""Clocks and durations put right: what the diagnosis proves, or the caller asks for, and nothing without a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from smd_notebook.clock import valid_zone
from smd_notebook.diagnosis import Verdict, by_source, diagnose, plausible
from smd_notebook.errors import ConfigurationError, Finding, TimeZoneError
from smd_notebook.espi.channels import concatenated
from smd_notebook.espi.model import MISSING, Block, Channel, Column, Readings, Summary
from smd_notebook.espi.resources import Interval
from smd_notebook.offsets import offsets_at, undo

__all__ = ["findings_of", "repaired", "with_bills", "with_clock", "with_durations", "with_floored_starts"]

_DAY = 86_400


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
    for blocks in by_source(channel).values():
        written = np.concatenate([block.readings.start for block in blocks])
        known = plausible(written)
        meant = written.copy()
        meant[known] = undo(hypothesis, written[known], zone)
        ends = np.cumsum([len(block.readings) for block in blocks])
        true |= {id(block): part for block, part in zip(blocks, np.split(meant, ends[:-1]), strict=True)}
    moved: list[Block] = []
    for block in channel.blocks:
        interval = _moved(block, true[id(block)], hypothesis, zone)
        moved.append(replace(block, interval=interval, readings=replace(block.readings, start=true[id(block)])))
    return replace(channel, blocks=tuple(moved))


def _moved(block: Block, meant: Column, hypothesis: str, zone: str) -> Interval | None:
    """Return the interval of a block by the clock that its readings have now, if they lay within it as they were written.

    Left as written it would be the one thing with the wrong clock: time seems not to have been sent, and who reads what `to_espi` wrote
    finds the clock disproved, and puts it right a second time.
    """
    interval, written, length = block.interval, block.readings.start, block.readings.duration
    if interval is None or not len(written):
        return interval
    edges = _spans(interval)
    if edges is None or written.min() < edges[0] or (written + length).max() > edges[1]:
        return interval
    begin, end = undo(hypothesis, np.array(edges), zone).tolist()
    # where readings begin and end with it, their order in the file tells which of a repeated hour is meant
    first, last = meant[written == edges[0]], (meant + length)[written + length == edges[1]]
    begin, end = int(first.min()) if first.size else begin, int(last.max()) if last.size else end
    return replace(interval, start=begin, duration=end - begin)


def _with(channel: Channel, change: Callable[[Readings, slice], Readings]) -> Channel:
    """Return the channel with its blocks' readings changed; `change` also takes which rows of all of them they are."""
    blocks: list[Block] = []
    place = 0
    for block in channel.blocks:
        rows = slice(place, place + len(block.readings))
        blocks.append(replace(block, readings=change(block.readings, rows)))
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
    return _with(channel, lambda part, rows: replace(part, start=(starts - late)[rows])), [finding]


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


def with_bills(
    summaries: Sequence[Summary], points: Sequence[str], undone: Mapping[str, tuple[str, str]]
) -> tuple[tuple[Summary, ...], list[Finding]]:
    """Return bills by the clock that the readings of their usage point have now, if that is what puts them on midnight, and what was done.

    Parameters
    ----------
    summaries : sequence of Summary
        The bills.
    points : sequence of str
        The key of each one's usage point.
    undone : mapping
        Key of each usage point whose clock was put right to the hypothesis and the zone.
    """
    found: list[Finding] = []
    out = list(summaries)
    for point, (hypothesis, zone) in undone.items():
        places = [place for place, one in enumerate(summaries) if points[place] == point and _spans(one.billing_period)]
        edges = np.array([_spans(summaries[place].billing_period) for place in places], dtype=np.int64).ravel()
        meant = undo(hypothesis, edges, zone)
        if not edges.size or _at_midnight(edges, zone) or not _at_midnight(meant, zone):
            continue
        for place in places:
            one = out[place]
            lines = tuple(replace(line, item_period=_undone(line.item_period, hypothesis, zone)) for line in one.lines)
            out[place] = replace(one, billing_period=_undone(one.billing_period, hypothesis, zone), lines=lines)
        text = (
            f"bills were written by the same clock ({_words(hypothesis)}) and were put right: their periods begin and end at midnight now"
        )
        found.append(Finding("clock-repaired", "warning", text, "Compare with clock='declared'.", n=len(places)))
    return tuple(out), found


def _at_midnight(seconds: Column, zone: str) -> bool:
    return bool(((seconds + offsets_at(zone, seconds)) % _DAY == 0).all())


def _spans(interval: Interval | None) -> tuple[int, int] | None:
    """Return where an interval begins and ends; None where it does not say, or no clock can mean it."""
    if interval is None or interval.start is None or not interval.duration:
        return None
    edges = interval.start, interval.start + interval.duration
    return edges if plausible(np.array(edges)).all() else None


def _undone(interval: Interval | None, hypothesis: str, zone: str) -> Interval | None:
    """Return the interval that was meant."""
    edges = _spans(interval)
    if interval is None or edges is None:
        return interval
    begin, end = undo(hypothesis, np.array(edges), zone).tolist()
    return replace(interval, start=begin, duration=end - begin)


def with_clock(
    channels: Sequence[Channel], zones: Sequence[str | None], clock: str, *, floor: bool = False
) -> tuple[list[Channel], list[Finding], dict[str, tuple[str, str]]]:
    """Return channels with their clocks as `clock` says, what was found, and what was undone for which usage points, in which zone.

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
    undone: dict[str, tuple[str, str]] = {}
    for channel, zone in zip(channels, zones, strict=True):
        if clock in ("declared", "auto"):
            noticed: list[Finding] = []
            if clock == "auto":
                channel, noticed = with_durations(channel)
            verdict = diagnose(channel, zone)
            acted = clock == "auto" and verdict.conclusive and verdict.hypothesis not in ("utc", "download")
            found += [*noticed, *findings_of(verdict, channel, acted=acted)]
            if acted:
                channel = repaired(channel, verdict.hypothesis, zone)
                undone[channel.usage_point] = verdict.hypothesis, str(zone)
        elif clock != "utc":
            channel = repaired(channel, clock, zone)
            undone[channel.usage_point] = clock, str(zone)
            text = f"the clock was taken as {_words(clock)}, as asked, and put right"
            found.append(Finding("clock-repaired", "warning", text, channel=channel.label, n=len(channel)))
        if floor:
            channel, noticed = with_floored_starts(channel)
            found += noticed
        kept.append(channel)
    return kept, found, undone
