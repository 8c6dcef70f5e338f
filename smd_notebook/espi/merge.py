"""Documents to one, and the duplicates rule: idempotent, and independent of the order in which files are given.

Identical readings collapse. Of readings that share start and duration but not the value, the one whose block was updated later wins,
else the better quality, else the higher hash of what it says; never the order of the files.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from smd_notebook.errors import Finding
from smd_notebook.espi.channels import blocks_as, concatenated, label
from smd_notebook.espi.codes import QUALITY_RANK
from smd_notebook.espi.dialects import TABLE
from smd_notebook.espi.links import link, point_key_of, usage_point_key
from smd_notebook.espi.model import (
    COLUMNS,
    MISSING,
    MISSING_SMALL,
    Block,
    Channel,
    Column,
    Document,
    Entry,
    LocalTime,
    Readings,
    Summary,
    UsagePoint,
    path_of,
)

T = TypeVar("T")

_MIX = np.uint64(0x9E3779B97F4A7C15)


@lru_cache(maxsize=1 << 12)
def instant(text: str) -> float:
    """Return an Atom date as seconds since 1970-01-01T00:00Z; minus infinity where there is none.

    >>> instant("2019-10-06T04:04:52.743Z"), instant("")
    (1570334692.743, -inf)
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return float("-inf")
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


# -- the duplicates rule -----------------------------------------------------------------------------------------------------------------


def resolve(readings: Readings, updated: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int64]]:
    """Return which rows stand, by start, and how many conflicting rows were given up for each of these.

    Parameters
    ----------
    readings : Readings
        All readings of a channel.
    updated : array of float64, shape (n,)
        When each reading's block was updated [s since 1970-01-01T00:00Z].

    Returns
    -------
    rows : array of intp
        Rows that stand, in the order of start and duration; rows without a start come last, all of them.
    conflicting : array of int64, same length
        How many rows of the same start and duration that have another value were given up.
    """
    start, duration, value = readings.start, readings.duration, readings.value
    if len(start) < 2 or bool((start[1:] > start[:-1]).all() and start[0] != MISSING):
        return np.arange(len(start)), np.zeros(len(start), dtype=np.int64)
    # the value comes in once more, as amounts that differ by a power of ten alone have the same hash
    order = np.lexsort((value, _hash(readings), _rank(readings), updated, value != MISSING, duration, start))
    order = np.concatenate([order[start[order] != MISSING], np.flatnonzero(start == MISSING)])
    same = (start[order][1:] == start[order][:-1]) & (duration[order][1:] == duration[order][:-1]) & (start[order][1:] != MISSING)
    last = np.append(~same, True)
    group = np.cumsum(np.concatenate([[True], ~same])) - 1
    kept = value[order][last][group]
    conflict = (value[order] != kept) & (value[order] != MISSING)
    return order[last], np.bincount(group[conflict], minlength=int(last.sum()))


def _rank(readings: Readings) -> npt.NDArray[np.int16]:
    """Return how good each reading's quality is; a reading without one ranks with the valid."""
    ranks = np.full(1 << 16, QUALITY_RANK[16], dtype=np.int16)
    for code, rank in QUALITY_RANK.items():
        ranks[code] = rank
    ranks[MISSING_SMALL & 0xFFFF] = QUALITY_RANK[0]
    return ranks[readings.quality.view(np.uint16)]


def _hash(readings: Readings) -> npt.NDArray[np.uint64]:
    """Return a hash of what each reading says, the same on every machine and in whatever power of ten the amounts are held."""
    mixed = np.zeros(len(readings), dtype=np.uint64)
    for name in COLUMNS:
        column = getattr(readings, name).astype(np.int64)
        if name == "value":
            for zeros in (16, 8, 4, 2, 1):  # any number of zeros at the end
                column = np.where(column % 10**zeros == 0, column // 10**zeros, column)
        mixed = (mixed ^ column.view(np.uint64)) * _MIX
        mixed ^= mixed >> np.uint64(29)
    return mixed


def updated_of(channel: Channel) -> npt.NDArray[np.float64]:
    """Return when each reading's block was updated [s since 1970-01-01T00:00Z]."""
    when = [instant(block.updated) for block in channel.blocks]
    return np.repeat(np.array(when), [len(block.readings) for block in channel.blocks])


# -- documents ---------------------------------------------------------------------------------------------------------------------------


def merge_documents(documents: Iterable[Document]) -> Document:
    """Return one document that holds what all of them hold, each thing once.

    What one lacks (the ReadingType of its blocks, a UsagePoint, a clock) is taken from the others where its links name it.
    """
    given = list(documents)
    if len(given) == 1:
        return given[0]
    unlike = {_digest_document(document): document for document in given}
    ordered = [unlike[digest] for digest in sorted(unlike)]
    if len(ordered) == 1:
        return ordered[0]
    completed = [_completed(document, ordered) for document in ordered]
    together: dict[tuple[object, ...], list[Channel]] = {}
    for document in completed:
        for channel in document.channels:
            together.setdefault(channel.key, []).append(channel)
    channels, noticed = _without_tables([_joined(same) for _, same in sorted(together.items(), key=lambda item: repr(item[0]))])
    dialects = {document.dialect.name: document.dialect for document in ordered}
    points: dict[str, UsagePoint] = {}
    for document in completed:
        for point in document.usage_points:
            key = usage_point_key(point.entry.path, document.dialect) or _said(point)
            points[key] = max(points.get(key, point), point, key=lambda one: (instant(one.entry.updated), _said(one)))
    return Document(
        sources=tuple(sorted({source for document in ordered for source in document.sources})),
        feeds=_distinct(feed for document in ordered for feed in document.feeds),
        usage_points=tuple(points[key] for key in sorted(points)),
        meter_readings=_distinct(one for document in ordered for one in document.meter_readings),
        reading_types=_distinct(one for document in ordered for one in document.reading_types),
        local_times=_distinct(one for document in ordered for one in document.local_times),
        summaries=_bills(ordered),
        quality_summaries=_distinct(one for document in ordered for one in document.quality_summaries),
        program_mappings=_distinct(one for document in ordered for one in document.program_mappings),
        others=_distinct(one for document in ordered for one in document.others),
        blocks=tuple(block for channel in channels for block in channel.blocks),
        channels=tuple(label(_on_one_clock(channels))),
        dialect=dialects[min(dialects)],
        findings=tuple(dict.fromkeys([*(finding for document in completed for finding in document.findings), *noticed])),
    )


def _completed(document: Document, others: Sequence[Document]) -> Document:
    """Return the document with what its channels lack and only other documents have, where its links name it."""
    lacking = [channel for channel in document.channels if None in (channel.reading_type, channel.local_time, channel.service)]
    taken = _named_elsewhere(document, others) if lacking else {}
    if not taken:
        return document
    groups: dict[str, Any] = {name: (*getattr(document, name), *items) for name, items in taken.items()}
    blocks = tuple(block for channel in lacking for block in channel.blocks)
    part = link(replace(document, channels=(), blocks=blocks, findings=(), **groups), document.dialect)
    channels = tuple(channel for channel in document.channels if channel not in lacking) + part.channels
    before = tuple(finding for finding in document.findings if finding.code != "reading-type-missing")
    points = part.usage_points
    return replace(document, channels=channels, usage_points=points, findings=tuple(dict.fromkeys(before + part.findings)))


def _named_elsewhere(document: Document, others: Sequence[Document]) -> dict[str, list[Any]]:
    """Return what the document's links name, and the links of that name in turn, that it does not have itself."""
    own = {one.entry.path for group in _linked(document) for one in group}
    named = _named(document)
    taken: dict[str, list[Any]] = {}
    pool = [
        (name, one)
        for other in others
        if other is not document
        for name, group in zip(_LINKED, _linked(other), strict=True)
        for one in group
    ]
    while found := [(name, one) for name, one in pool if one.entry.path and one.entry.path in named and one.entry.path not in own]:
        for name, one in found:
            if one.entry.path not in own:
                own.add(one.entry.path)
                taken.setdefault(name, []).append(one)
                named |= {path_of(href) for href in one.entry.related}
    return taken


def _without_tables(channels: list[Channel]) -> tuple[list[Channel], list[Finding]]:
    """Leave out the channels of a portal's table whose energy an XML feed holds as well, unrounded."""
    findings, kept = [], []
    exact = [channel for channel in channels if channel.dialect.name != TABLE]
    for channel in channels:
        twin = next((other for other in exact if _says_the_same(channel, other)), None) if channel.dialect.name == TABLE else None
        if twin is None:
            kept.append(channel)
            continue
        text = "a CSV table holds the same readings as an XML feed, only rounded; the XML was taken"
        findings.append(Finding("table-left-out", "info", text, n=len(channel), source=channel.blocks[0].entry.source))
    return kept, findings


def _says_the_same(table: Channel, other: Channel) -> bool:
    """Whether at least nine in ten rows of a table stand in another channel, and these agree with it but for rounding."""
    if (table.service, table.measure, table.unit) != (other.service, other.measure, other.unit):
        return False
    if "unstated" not in (table.flow, other.flow) and table.flow != other.flow:
        return False
    ours, theirs = concatenated(table), concatenated(other)
    _, at, there = np.intersect1d(ours.start, theirs.start, return_indices=True)
    if len(at) < 0.9 * len(ours):
        return False
    powers = [table.power_of_ten + ours.exponent, other.power_of_ten + theirs.exponent]
    step, scale = (10.0 ** min(max(power, -99), 99) for power in powers)
    there_value = theirs.value[there] * scale
    agree = (np.abs(ours.value[at] * step - there_value) <= 0.5000001 * step) & (ours.duration[at] == theirs.duration[there])
    return bool(agree.mean() >= 0.95)


_LINKED = ("usage_points", "meter_readings", "reading_types", "local_times")


def _linked(document: Document) -> list[Sequence[Any]]:
    return [getattr(document, name) for name in _LINKED]


def _named(document: Document) -> set[str]:
    """Return every path that a document's links name, with the paths of the things above them."""
    named: set[str] = set()
    for group in (*_linked(document), document.blocks, document.summaries):
        for one in group:
            for href in (one.entry.href, one.entry.up, *one.entry.related):
                parts = path_of(href).split("/")
                named |= {"/".join(parts[:n]) for n in range(2, len(parts) + 1)}
    return named


def _joined(same: list[Channel]) -> Channel:
    """Return one channel of several with the same identity."""
    if len(same) == 1:
        return same[0]
    same = sorted(same, key=lambda one: (instant(one.meter_reading.entry.updated), _said(replace(one, blocks=()))), reverse=True)
    blocks = {_digest_block(block): block for channel in same for block in blocks_as(channel, same[0])}
    ordered = sorted(blocks.items(), key=lambda item: (_first(item[1]), item[0]))
    local_time = _clock(channel.local_time for channel in same if channel.local_time)
    return replace(same[0], local_time=local_time, blocks=tuple(block for _, block in ordered))


def _on_one_clock(channels: list[Channel]) -> list[Channel]:
    """Give all channels of a usage point one clock, whichever files state it."""
    clocks: dict[str, list[LocalTime]] = {}
    for channel in channels:
        if channel.local_time is not None and channel.usage_point:
            clocks.setdefault(channel.usage_point, []).append(channel.local_time)
    chosen = {point: _clock(stated) for point, stated in clocks.items()}
    return [replace(channel, local_time=chosen.get(channel.usage_point, channel.local_time)) for channel in channels]


def _clock(stated: Iterable[LocalTime]) -> LocalTime | None:
    """Return the clock that was updated last; of several, the one that says more in the order of letters, never of files."""
    return max(stated, key=lambda one: (instant(one.entry.updated), _said(_placeless(one))), default=None)


def _first(block: Block) -> int:
    start: Column = block.readings.start
    return int(start[start != MISSING].min(initial=np.iinfo(np.int64).max))


def _digest_block(block: Block) -> str:
    """Return a hash of what a block says, not of where it stood; its update counts, as it decides between conflicting readings."""
    digest = hashlib.sha256()
    for name in COLUMNS:
        digest.update(getattr(block.readings, name).tobytes())
    digest.update(repr((block.readings.exponent, sorted(block.readings.extra.items()), block.interval, block.updated)).encode())
    return digest.hexdigest()


def _digest_document(document: Document) -> str:
    digest = hashlib.sha256(repr(document.dialect).encode())
    for name in ("feeds", *_LINKED, "summaries", "quality_summaries", "program_mappings", "others"):
        digest.update("".join(_said(_placeless(one)) for one in getattr(document, name)).encode())
    for block in document.blocks:
        digest.update(_digest_block(block).encode())
        digest.update(block.entry.href.encode())
    return digest.hexdigest()


def _said(thing: Any) -> str:
    """Return everything a resource says, what its repr leaves out included."""
    return repr(asdict(thing))


def _placeless(thing: Any) -> Any:
    """Return a resource, or an entry, without the file that it stood in."""
    if isinstance(thing, Entry):
        return replace(thing, source="")
    return replace(thing, entry=replace(thing.entry, source=""))


def _distinct(things: Iterable[T]) -> tuple[T, ...]:
    """Return the things that differ in content or address, each once, in an order of their own."""
    return tuple(thing for _, thing in sorted({_said(_bare(thing)): thing for thing in things}.items()))


def _bills(documents: Iterable[Document]) -> tuple[Summary, ...]:
    """Return each bill of each usage point once, whatever its address; as often as the document says it that says it most often.

    When a bill's status was written is no part of it: PG&E's statusTimeStamp is the moment of the download.
    """
    found: dict[tuple[str, str, int], Summary] = {}
    for document in documents:
        seen: Counter[tuple[str, str]] = Counter()
        for summary in document.summaries:
            said = (point_key_of(summary.entry, document), _said(replace(summary, entry=Entry(), status_time_stamp=None)))
            place = (*said, seen[said])
            seen[said] += 1
            found[place] = max(found.get(place, summary), summary, key=_last)
    return tuple(found[place] for place in sorted(found))


def _last(bill: Summary) -> tuple[float, int, str]:
    return instant(bill.entry.updated), bill.status_time_stamp or 0, _said(_placeless(bill))


def _bare(thing: Any) -> Any:
    if isinstance(thing, Entry):
        return _placeless(thing)
    return replace(thing, entry=Entry(href=thing.entry.href, up=thing.entry.up, related=thing.entry.related))
