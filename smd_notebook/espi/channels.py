"""Channels as a whole: their labels, their rows, some of their time, and two of them made to say one thing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from smd_notebook.errors import ReadError
from smd_notebook.espi import codes
from smd_notebook.espi.model import COLUMNS, MISSING, MISSING_SMALL, Block, Channel, Readings
from smd_notebook.espi.readings import joined

_DAY = 86_400
#: What `concatenated` gave before, for as long as the channel is there.
_JOINED: WeakKeyDictionary[Channel, Readings] = WeakKeyDictionary()


# -- one channel of several ----------------------------------------------------------------------------------------------------------------


def blocks_as(channel: Channel, other: Channel) -> tuple[Block, ...]:
    """Return a channel's blocks as they read under the ReadingType of `other`: its power of ten and its default quality."""
    shift = channel.power_of_ten - other.power_of_ten
    mine, theirs = (one.reading_type.default_quality if one.reading_type else None for one in (channel, other))
    if not shift and mine == theirs:
        return channel.blocks
    blocks = []
    for block in channel.blocks:
        readings = replace(block.readings, exponent=block.readings.exponent + shift)
        if mine != theirs and mine is not None and 0 <= mine < -MISSING_SMALL:
            filled = np.where(readings.quality == MISSING_SMALL, np.int16(mine), readings.quality)
            readings = replace(readings, quality=filled)
        blocks.append(replace(block, readings=readings))
    return tuple(blocks)


# -- labels --------------------------------------------------------------------------------------------------------------------------------

_NAMES: Sequence[Callable[[Channel], str]] = (
    lambda channel: (
        " ".join(part for part in (channel.service or "", "" if channel.flow == "unstated" else channel.flow) if part) or "readings"
    ),
    lambda channel: "" if channel.measure in ("energy", "volume") else channel.measure,
    lambda channel: channel.unit or "unknown unit",
    lambda channel: _span(channel.interval_length),
    lambda channel: codes.PHASE.get((channel.reading_type.phase if channel.reading_type else 0) or 0, ""),
)


def _span(seconds: int | None) -> str:
    if not seconds:
        return ""
    for size, name in ((_DAY, "d"), (3600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"{seconds // size} {name}"
    return f"{seconds} s"


def label(channels: Iterable[Channel]) -> list[Channel]:
    """Return the channels with labels that are readable and unique, by as few of their properties as that takes.

    The labels of a usage point's channels do not depend on which other usage points there are, but where several share a label,
    the usage points are numbered in the order of their keys.
    """
    channels = list(channels)
    points = sorted({channel.usage_point for channel in channels})
    labels = [_NAMES[0](channel) for channel in channels]
    for name in _NAMES[1:]:
        seen = Counter((channel.usage_point, text) for channel, text in zip(channels, labels, strict=True))
        labels = [
            " ".join(part for part in (text, name(channel)) if part)
            if seen[channel.usage_point, text] > 1 or _always(name, channel)
            else text
            for channel, text in zip(channels, labels, strict=True)
        ]
    ranks: dict[tuple[str, str], list[str]] = {}
    for channel, text in zip(channels, labels, strict=True):
        ranks.setdefault((channel.usage_point, text), []).append(repr(channel.key))
    numbered = []
    across = Counter(labels)
    for channel, text in zip(channels, labels, strict=True):
        same = sorted(ranks[channel.usage_point, text])
        if len(same) > 1:
            text = f"{text} #{same.index(repr(channel.key)) + 1}"
        if len(points) > 1 and across[text.split(" #")[0]] > len(same):
            text = f"{text} ({points.index(channel.usage_point) + 1})"
        numbered.append(replace(channel, label=text))
    return numbered


def _always(name: Callable[[Channel], str], channel: Channel) -> bool:
    """Whether a property belongs in the label even where nothing else needs it: a power or register channel says that it is one."""
    return name is _NAMES[1] and channel.measure in ("power", "register", "other") and channel.unit is not None


def rows_of(readings: Readings, rows: npt.NDArray[np.intp]) -> Readings:
    """Return some rows of readings, in the order given."""
    where = {int(row): place for place, row in enumerate(rows)} if readings.extra else {}
    extra = {where[row]: node for row, node in readings.extra.items() if row in where}
    return replace(readings, extra=extra, **{name: getattr(readings, name)[rows] for name in COLUMNS})


def cut(channel: Channel, start: float | None, end: float | None) -> Channel:
    """Return the channel with the readings that start at or after `start` and before `end` [s since 1970-01-01T00:00Z]."""
    if start is None and end is None:
        return channel
    blocks = []
    for block in channel.blocks:
        begins = block.readings.start
        inside = begins != MISSING
        if start is not None:
            inside &= begins >= start
        if end is not None:
            inside &= begins < end
        rows = np.flatnonzero(inside)
        if len(rows):
            blocks.append(block if len(rows) == len(begins) else replace(block, readings=rows_of(block.readings, rows)))
    return replace(channel, blocks=tuple(blocks))


def concatenated(channel: Channel) -> Readings:
    """Return all readings of a channel, in document order.

    Raises
    ------
    ReadError
        Where decimals and very large integers do not fit one scale.
    """
    if channel in _JOINED:
        return _JOINED[channel]
    try:
        return _JOINED.setdefault(channel, joined([block.readings for block in channel.blocks]))
    except OverflowError as error:
        raise ReadError(str(error), source=channel.blocks[0].entry.source, hint="Select less time, or ask the utility.") from None
