"""A document for publishing: identifiers replaced, everything personal left out."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from smd_notebook.errors import Finding
from smd_notebook.espi.channels import label
from smd_notebook.espi.links import point_key_of
from smd_notebook.espi.model import (
    COLUMNS,
    Block,
    Channel,
    Document,
    Entry,
    LocalTime,
    MeterReading,
    ReadingType,
    ServiceCategory,
    Summary,
    UsagePoint,
)

R = TypeVar("R", ReadingType, LocalTime)
T = TypeVar("T")


def aliased(document: Document) -> Document:
    """Return the document with made-up names for its usage points and without everything that could identify a customer.

    Readings, ReadingTypes, clocks, programs and bills stay as they are; titles, links, dates of delivery, customers, authorizations and
    what is not modelled go.

    Parameters
    ----------
    document : Document
        A linked document.
    """
    names = _names(document)
    types: list[ReadingType] = []
    clocks: list[LocalTime] = []
    channels: list[Channel] = []
    points: dict[str, UsagePoint] = {}
    for place, channel in enumerate(document.channels):
        name = names[channel.usage_point]
        reading_type = channel.reading_type
        if reading_type is not None:
            reading_type = _numbered(replace(reading_type, extra={}, entry=Entry()), types, "ReadingType")
        clock = channel.local_time
        if clock is not None:
            clock = _numbered(replace(clock, extra={}, entry=Entry()), clocks, "LocalTimeParameters")
        own = f"UsagePoint/{name}/MeterReading/{place + 1}"
        related = (f"{own}/IntervalBlock", *((reading_type.entry.href,) if reading_type else ()))
        entry = Entry(href=own, related=related, number=place)
        blocks = tuple(_block(block, f"{own}/IntervalBlock/{number}", place) for number, block in enumerate(channel.blocks, 1))
        channels.append(
            replace(
                channel,
                usage_point=name,
                key=(name, *channel.key[1:]),
                reading_type=reading_type,
                local_time=clock,
                meter_reading=MeterReading(entry=entry),
                dialect=replace(channel.dialect, unique_usage_points=True),
                blocks=blocks,
            )
        )
        links = (f"UsagePoint/{name}/MeterReading", *((clock.entry.href,) if clock else ()))
        category = ServiceCategory(_service(document, channel.usage_point))
        points[name] = UsagePoint(service_category=category, entry=Entry(href=f"UsagePoint/{name}", related=links))
    left_out = len(document.others)
    findings = [replace(finding, source="", channel="") for finding in document.findings]
    if left_out:
        text = "resources that may identify a customer (customers, authorizations and the like) were left out for publishing"
        findings.append(Finding("alias", "info", text, n=left_out))
    return Document(
        usage_points=tuple(points.values()),
        meter_readings=tuple(channel.meter_reading for channel in channels),
        reading_types=tuple(types),
        local_times=tuple(clocks),
        summaries=tuple(_summary(summary, names, document, number) for number, summary in enumerate(document.summaries, 1)),
        quality_summaries=tuple(replace(_modelled(one), entry=Entry()) for one in document.quality_summaries),
        program_mappings=tuple(replace(_modelled(one), entry=Entry()) for one in document.program_mappings),
        blocks=tuple(block for channel in channels for block in channel.blocks),
        channels=tuple(label(channels)),
        dialect=replace(document.dialect, unique_usage_points=True),
        findings=tuple(dict.fromkeys(findings)),
    )


def _names(document: Document) -> dict[str, str]:
    """Return a name for each usage point, made from its readings: nothing that a person has can be tried against it."""
    digests: dict[str, Any] = {}
    for channel in sorted(document.channels, key=lambda channel: repr(channel.key[1:])):
        digest = digests.setdefault(channel.usage_point, hashlib.sha256())
        for block in channel.blocks:
            for name in COLUMNS:
                digest.update(getattr(block.readings, name).tobytes())
    names: dict[str, str] = {}
    alike: Counter[str] = Counter()
    for point, digest in sorted(digests.items()):
        name = f"home-{digest.hexdigest()[:8]}"
        alike[name] += 1  # homes that say the very same stay several
        names[point] = name if alike[name] == 1 else f"{name}-{alike[name]}"
    for number, point in enumerate(sorted({point_key_of(one.entry, document) for one in document.summaries} - names.keys()), 1):
        names[point] = f"home-{number}"
    return names


def _service(document: Document, usage_point: str) -> int | None:
    for one in document.usage_points:
        path = one.entry.path
        if usage_point in (path, path.rpartition("/")[2]) and one.service_category:
            return one.service_category.kind
    return None


def _numbered(bare: R, known: list[R], kind: str) -> R:
    """Return the one of `known` that says what `bare` says, with its number as address; make it where there is none."""
    for one in known:
        if replace(one, entry=Entry()) == bare:
            return one
    numbered = replace(bare, entry=Entry(href=f"{kind}/{len(known) + 1}"))
    known.append(numbered)
    return numbered


def _block(block: Block, href: str, number: int) -> Block:
    """Return the block with its readings and their several qualities, and nothing else."""
    kept = {row: {"ReadingQuality": node["ReadingQuality"]} for row, node in block.readings.extra.items() if "ReadingQuality" in node}
    readings = replace(block.readings, extra=kept)
    interval = replace(block.interval, extra={}) if block.interval else None
    return Block(readings, interval, Entry(href=href, number=number), block.updated)


def _summary(summary: Summary, names: dict[str, str], document: Document, number: int) -> Summary:
    name = names[point_key_of(summary.entry, document)]
    href = f"UsagePoint/{name}/UsageSummary/{number}"
    return replace(_modelled(summary), read_cycle=None, entry=Entry(href=href, up=href.rpartition("/")[0]))


def _modelled(thing: T) -> T:
    """Return a resource without what is not modelled and without addresses, down to its last part."""
    kept: dict[str, Any] = {}
    for one in fields(thing):  # type: ignore[arg-type]
        value = getattr(thing, one.name)
        if one.name in ("extra", "reading_type_ref"):
            kept[one.name] = {} if one.name == "extra" else None
        elif isinstance(value, tuple):
            kept[one.name] = tuple(_modelled(item) for item in value)
        elif is_dataclass(value) and one.name != "entry":
            kept[one.name] = _modelled(value)
    return replace(thing, **kept)  # type: ignore[type-var]
