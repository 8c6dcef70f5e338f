"""When readings are (espi:IntervalReading, timePeriod): what a feed leaves out, and what its blocks contradict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from smd_notebook.errors import Finding
from smd_notebook.espi.model import MISSING, Block, Column, ReadingType

__all__ = ["outside", "with_times"]


def with_times(block: Block, reading_type: ReadingType | None, findings: list[Finding]) -> Block:
    """Return the block with every start and duration that its interval and ReadingType determine (espi:IntervalReading, timePeriod)."""
    readings = block.readings
    if not len(readings) or min(readings.start.min(), readings.duration.min()) > MISSING:
        return block
    no_start, no_duration = readings.start == MISSING, readings.duration == MISSING
    length = reading_type.interval_length if reading_type else None
    interval = block.interval
    if not length and interval and interval.duration and len(readings) and interval.duration % len(readings) == 0:
        length = interval.duration // len(readings)
    duration: Column = readings.duration.copy()
    if length:
        duration[no_duration] = length
    start: Column = readings.start.copy()
    follows = interval.start if interval else None
    for row in range(len(readings)):
        if start[row] == MISSING and follows is not None and abs(follows) < -MISSING:
            start[row] = follows
        known = start[row] != MISSING and duration[row] != MISSING
        follows = int(start[row]) + int(duration[row]) if known else None
    filled = int((no_start & (start != MISSING)).sum())
    source = block.entry.source
    if filled:
        text = "readings have no timePeriod; their times were counted from the block's start in steps of the interval length"
        findings.append(Finding("times-from-block", "info", text, n=filled, source=source))
    if lost := int((start == MISSING).sum()):
        text = "readings have no time and nothing says what it is; they have no start and are left out of resampling and plots"
        findings.append(Finding("time-missing", "error", text, "Ask the utility for the block's interval.", n=lost, source=source))
    if gone := int((no_duration & (duration != MISSING) & ~no_start).sum()):
        text = "readings have no duration; the interval length of their ReadingType or block was taken"
        findings.append(Finding("duration-missing", "warning", text, n=gone, source=source))
    if left := int((duration == MISSING).sum()):
        text = "readings have no duration and nothing says what it is; it counts as 0"
        findings.append(Finding("duration-unknown", "error", text, "Ask the utility for the interval length.", n=left, source=source))
        duration[duration == MISSING] = 0
    return replace(block, readings=replace(readings, start=start, duration=duration))


def outside(blocks: Sequence[Block], starts: Column, durations: Column) -> Iterator[Finding]:
    """Tell of readings that lie outside their block's own interval; the times are those of all blocks, one after another."""
    if not blocks:
        return
    places = np.cumsum([0, *(len(block.readings) for block in blocks[:-1])])
    edges = [np.minimum.reduceat(starts, places), np.maximum.reduceat(starts, places), np.maximum.reduceat(durations, places)]
    for block, first, last, longest in zip(blocks, *(edge.tolist() for edge in edges), strict=True):
        interval = block.interval
        if interval is None or interval.start is None or interval.duration is None:
            continue
        end = interval.start + interval.duration
        if first >= interval.start and first > MISSING and last <= end - longest:
            continue
        start, duration = block.readings.start, block.readings.duration
        known = (start != MISSING) & (duration != MISSING)
        if n := int((known & ((start < interval.start) | (start + duration > end))).sum()):
            text = "readings lie outside the interval that their IntervalBlock states; their own times were taken"
            yield Finding("outside-block", "info", text, n=n, source=block.entry.source)
