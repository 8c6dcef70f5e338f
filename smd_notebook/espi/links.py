"""Which block belongs to which MeterReading, ReadingType and UsagePoint; and so which channels a document has.

Links are followed as written where they lead somewhere. Where they do not, the order of resort is: the path of the block's self or up
link, a MeterReading's related link, the only MeterReading there is, the nearest one before the block. A ReadingType that is named but
is not in the feed is left open, for `merge` to complete; one that is not named at all is the feed's only one, if it has one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from smd_notebook.errors import Finding
from smd_notebook.espi import codes
from smd_notebook.espi.channels import blocks_as, label
from smd_notebook.espi.dialects import STANDARD, TABLE, Dialect, dialect_of
from smd_notebook.espi.model import (
    EMPTY,
    MISSING,
    Block,
    Channel,
    Document,
    Entry,
    LocalTime,
    MeterReading,
    ReadingType,
    UsagePoint,
    path_of,
)
from smd_notebook.espi.periods import outside, with_times

R = TypeVar("R", UsagePoint, MeterReading, ReadingType, LocalTime)

_BLOCK = re.compile(r"/IntervalBlock(/|$)", re.IGNORECASE)
_METER_READING = re.compile(r"/MeterReading(/|$)", re.IGNORECASE)
_READING_TYPE = re.compile(r"(^|/)ReadingType(/|$)", re.IGNORECASE)
_USAGE_POINT = re.compile(r"^(.*?(?:^|/)UsagePoint/[^/]+)(/|$)", re.IGNORECASE)
_DAY = 86_400


@dataclass
class _Series:
    """A MeterReading and the blocks that were found to be its own."""

    meter_reading: MeterReading
    path: str
    blocks: list[Block] = field(default_factory=list)


def link(document: Document, dialect: Dialect | None = None) -> Document:
    """Return the document with its channels.

    Parameters
    ----------
    document : Document
        One feed, as `reader.read_document` gives it.
    dialect : Dialect, optional
        The utility's habits; by default found by the host in the links.

    Returns
    -------
    Document
        The same, with `channels`, `dialect` and what was noticed on the way in `findings`.
    """
    dialect = dialect or _dialect(document)
    findings: list[Finding] = []
    channels: dict[tuple[object, ...], Channel] = {}
    found = _series(document, findings)
    named = {_usage_point_path(series) for series in found}
    with_readings = [block for block in document.blocks if len(block.readings)]
    starts = np.concatenate([EMPTY.start, *(block.readings.start for block in with_readings)])
    durations = np.concatenate([EMPTY.duration, *(block.readings.duration for block in with_readings)])
    timed = min(starts.min(initial=0), durations.min(initial=0)) > MISSING
    for series in found:
        reading_type = _reading_type(series, document, findings)
        usage_point = _usage_point(series, document, named)
        path = usage_point.entry.path if usage_point else _usage_point_path(series)
        # a table's row without a start has one that never was; there is nothing to count it from
        blocks = tuple(series.blocks)
        if dialect.name != TABLE and not timed:
            blocks = tuple(with_times(block, reading_type, findings) for block in blocks)
        channel = _channel(series.meter_reading, blocks, reading_type, usage_point, path, dialect, document)
        same = channels.get(channel.key)
        channels[channel.key] = replace(same, blocks=same.blocks + blocks_as(channel, same)) if same else channel
    findings += outside(with_readings, starts, durations)
    return replace(
        document,
        channels=tuple(label(channels.values())),
        dialect=dialect,
        findings=document.findings + tuple(_counted(findings)),
    )


def _dialect(document: Document) -> Dialect:
    for entry in _entries(document):
        for href in (entry.href, entry.up, *entry.related):
            if found := dialect_of(href):
                return found
    return STANDARD


def _entries(document: Document) -> Iterator[Entry]:
    yield from document.feeds
    for group in (
        document.usage_points,
        document.meter_readings,
        document.blocks,
        document.reading_types,
        document.summaries,
        document.local_times,
    ):
        for one in group:
            yield one.entry


# -- blocks to MeterReadings -----------------------------------------------------------------------------------------------------------


def _owner_paths(block: Block) -> Iterator[str]:
    """Yield the MeterReading paths that a block's self and up links claim, the self link's first."""
    for href in (block.entry.href, block.entry.up):
        path = path_of(href)
        match = _BLOCK.search(path)
        if match and match.start():
            yield path[: match.start()]


def _series(document: Document, findings: list[Finding]) -> list[_Series]:
    by_path: dict[str, _Series] = {}
    in_order: list[_Series] = []
    for meter_reading in document.meter_readings:
        path = meter_reading.entry.path
        if path and path in by_path:
            first = by_path[path].meter_reading
            both = tuple(dict.fromkeys(first.entry.related + meter_reading.entry.related))
            by_path[path].meter_reading = replace(first, entry=replace(first.entry, related=both))
            continue
        series = _Series(meter_reading, path)
        in_order.append(series)
        if path:
            by_path[path] = series
    named = len(in_order)
    related: dict[str, _Series] = {path_of(href): series for series in reversed(in_order) for href in series.meter_reading.entry.related}
    orphans: dict[str, list[Block]] = {}
    for block in document.blocks:
        owner = next((by_path[path] for path in _owner_paths(block) if path in by_path), None)
        if owner is None:
            owner = next(
                (related[path] for href in (block.entry.href, block.entry.up) if (path := path_of(href)) and path in related), None
            )
        if owner is None:
            orphans.setdefault(next(_owner_paths(block), ""), []).append(block)
        else:
            owner.blocks.append(block)
    for path, blocks in orphans.items():
        for block in blocks:
            owner = by_path.get(path)
            if owner is None and named == 1 and (not path or (len(orphans) == 1 and not _claims(in_order[0], document))):
                owner = in_order[0]
                findings.append(_guess("block", block, "the only MeterReading of the feed"))
            elif owner is None and named and not path:
                before = [one for one in in_order[:named] if one.meter_reading.entry.number <= block.entry.number]
                owner = before[-1] if before else in_order[0]
                findings.append(_guess("block", block, "the MeterReading nearest before it"))
            elif owner is None:
                owner = by_path[path] = _Series(MeterReading(entry=Entry(href=path, source=block.entry.source)), path)
                in_order.append(owner)
            owner.blocks.append(block)
    for series in in_order:
        series.blocks.sort(key=lambda block: block.entry.number)
    return [series for series in in_order if series.blocks]


def _claims(series: _Series, document: Document) -> bool:
    """Whether some block claims this MeterReading by its path."""
    return any(series.path in _owner_paths(block) for block in document.blocks)


def _guess(what: str, block: Block, taken: str) -> Finding:
    return Finding(
        "link-guessed",
        "info",
        f"a {what}'s links lead nowhere in the feed; it was given to {taken}",
        "See whether the channel is the one you expect.",
        source=block.entry.source,
    )


# -- MeterReadings to ReadingTypes, UsagePoints, LocalTimeParameters ---------------------------------------------------------------------


def _reading_type(series: _Series, document: Document, findings: list[Finding]) -> ReadingType | None:
    hrefs = [path_of(href) for href in series.meter_reading.entry.related if _READING_TYPE.search(path_of(href))]
    for path in hrefs:
        found = [one for one in document.reading_types if one.entry.path == path]
        if not found:
            found = [one for one in document.reading_types if path_of(one.entry.up) == path and path]
            found = found if len(found) == 1 else []
        if found:
            return _one_of(found, path, series, document, findings)
    if not hrefs and document.reading_types and len({one.codes for one in document.reading_types}) == 1:
        if not (series.meter_reading.entry.number == 0 and not document.meter_readings):
            findings.append(_guess("MeterReading", series.blocks[0], "the only ReadingType of the feed"))
        return document.reading_types[0]
    findings.append(
        Finding(
            "reading-type-missing",
            "warning",
            "the ReadingType of some readings is not in the feed; their unit and power of ten are unknown and the values are raw",
            "Read it together with the feed that has it: smd.read([this, that]).",
            n=len(series.blocks),
            source=series.blocks[0].entry.source,
        )
    )
    return None


def _one_of(found: list[ReadingType], path: str, series: _Series, document: Document, findings: list[Finding]) -> ReadingType:
    """Choose between ReadingTypes that share an href: the same, else the one of the readings' length, else the k-th for the k-th."""
    if len({one.codes for one in found}) == 1:
        return found[0]
    findings.append(_guess("MeterReading", series.blocks[0], "one of several unlike ReadingTypes with the same address"))
    length = _usual_length(series.blocks)
    fitting = [one for one in found if one.interval_length == length and length]
    if len({one.codes for one in fitting}) == 1:
        return fitting[0]
    sharing = [one for one in document.meter_readings if any(path_of(href) == path for href in one.entry.related)]
    position = next((k for k, one in enumerate(sharing) if one.entry.path == series.path), 0)
    return found[min(position, len(found) - 1)]


def _usual_length(blocks: Iterable[Block]) -> int | None:
    """Return the most common duration of the readings [s]."""
    counts: Counter[int] = Counter()
    for block in blocks:
        values, numbers = np.unique(block.readings.duration, return_counts=True)
        counts.update(dict(zip(values.tolist(), numbers.tolist(), strict=True)))
    counts.pop(MISSING, None)
    counts.pop(0, None)
    return min(counts, key=lambda length: (-counts[length], length)) if counts else None


def _usage_point_path(series: _Series) -> str:
    """Return the UsagePoint's path as the MeterReading's or a block's own path spells it."""
    for path in (series.path, series.blocks[0].entry.path, path_of(series.blocks[0].entry.up)):
        if match := _USAGE_POINT.match(path):
            return match[1]
    return ""


def _usage_point(series: _Series, document: Document, named: set[str]) -> UsagePoint | None:
    """Return the UsagePoint of a series: by path, by either's related links, or the only one where no series names it."""
    path = _usage_point_path(series)
    for one in document.usage_points:
        if path and one.entry.path == path:
            return one
    for one in document.usage_points:
        related = {path_of(href) for href in one.entry.related}
        collection = _METER_READING.split(series.path)[0] + "/MeterReading" if _METER_READING.search(series.path) else ""
        if related & ({series.path, collection} - {""}):
            return one
    back = {path_of(href) for href in series.meter_reading.entry.related}
    for one in document.usage_points:
        if one.entry.path in back - {""}:
            return one
    paths = {one.entry.path for one in document.usage_points}
    return document.usage_points[0] if len(paths) == 1 and (not path or not paths & named) else None


def point_key_of(entry: Entry, document: Document) -> str:
    """Return the key of the UsagePoint that a summary belongs to: by its path, by the UsagePoints' links, or the only one."""
    path = ""
    for href in (entry.href, entry.up):
        if match := _USAGE_POINT.match(path_of(href)):
            path = match[1]
            break
    if not path:
        own = {path_of(href) for href in (entry.href, entry.up)} - {""}
        named = [one.entry.path for one in document.usage_points if own & {path_of(href) for href in one.entry.related}]
        paths = {one.entry.path for one in document.usage_points}
        path = named[0] if named else (paths.pop() if len(paths) == 1 else "")
    keys, last = document.dialects, path.rpartition("/")[2]
    if path in keys:
        return path
    if last in keys and keys[last].unique_usage_points:
        return last
    # feeds of several utilities may have been merged, so an entry's own host comes before the document's dialect
    return usage_point_key(path, dialect_of(entry.href) or dialect_of(entry.up) or document.dialect)


def find_by_links(found: Sequence[R], *entries: Entry | None) -> R | None:
    """Return the resource that one of the entries' related links names, else the only one there is (copies count once)."""
    for entry in entries:
        paths = {path_of(href) for href in entry.related} if entry else set()
        for one in found:
            if one.entry.path and one.entry.path in paths:
                return one
    contents = {repr(replace(one, entry=Entry())) for one in found}
    return found[0] if len(contents) == 1 else None


def usage_point_key(path: str, dialect: Dialect) -> str:
    """Return what a UsagePoint is known by: its whole path, or the last part where that is unique for ever.

    It is at some utilities, and in what `Feed.alias` names and writes, so that a published file is the home that it was.

    >>> from smd_notebook.espi.dialects import STANDARD, dialect_named
    >>> usage_point_key("User/1/UsagePoint/01", STANDARD), usage_point_key("x/Subscription/9/UsagePoint/539", dialect_named("pge"))
    ('User/1/UsagePoint/01', '539')
    """
    last = path.rpartition("/")[2]
    return last if dialect.unique_usage_points or (last.startswith("home-") and path == f"UsagePoint/{last}") else path


def _channel(
    meter_reading: MeterReading,
    blocks: tuple[Block, ...],
    reading_type: ReadingType | None,
    usage_point: UsagePoint | None,
    path: str,
    dialect: Dialect,
    document: Document,
) -> Channel:
    service = usage_point.service if usage_point else None
    if service is None and reading_type is not None:
        service = codes.SERVICE_OF_COMMODITY.get(reading_type.commodity or 0)
    unit = codes.unit_of(reading_type.uom) if reading_type else None
    measure: codes.Measure = reading_type.measure if reading_type else "other"
    flow = reading_type.flow if reading_type else "unstated"
    length = (reading_type.interval_length if reading_type else None) or _usual_length(blocks)
    # Bills have as many lengths as months; only a step that clocks keep tells channels apart.
    step = length if length and (length <= _DAY or (reading_type and reading_type.interval_length)) else None
    rest: tuple[object, ...] = ()
    if reading_type is None:
        # What it measures is unknown, so only its MeterReading tells it apart until the ReadingType is there.
        rest = (meter_reading.entry.path,)
    else:
        rest = (
            reading_type.phase or 0,
            reading_type.data_qualifier,
            reading_type.tier,
            reading_type.tou,
            reading_type.cpp,
            reading_type.kind,
        )
    key = usage_point_key(path, dialect)
    return Channel(
        label="",
        key=(key, service, measure, flow, unit.symbol if unit else None, step, *rest),
        usage_point=key,
        service=service,
        measure=measure,
        flow=flow,
        unit=unit.symbol if unit else None,
        interval_length=length,
        reading_type=reading_type,
        meter_reading=meter_reading,
        local_time=find_by_links(document.local_times, usage_point.entry if usage_point else None, meter_reading.entry),
        dialect=dialect,
        blocks=blocks,
    )


def _counted(findings: Iterable[Finding]) -> list[Finding]:
    """Return one finding for all that say the same of the same source."""
    counts: dict[Finding, int] = {}
    for one in findings:
        bare = replace(one, n=0)
        counts[bare] = counts.get(bare, 0) + one.n
    return [replace(one, n=n) for one, n in counts.items()]
