"""Document to ESPI XML that reads back equal, channel by channel.

Links are written so that they lead where `links.link` found that things belong; an address is kept where it is unique and fits, and
made up where it is not. Secrets are not written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal
from uuid import NAMESPACE_URL, uuid5
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from smd_notebook.espi.links import usage_point_key
from smd_notebook.espi.model import (
    MISSING,
    MISSING_SMALL,
    Block,
    Channel,
    Document,
    Entry,
    LocalTime,
    Other,
    Readings,
    ReadingType,
    UsagePoint,
    path_of,
)
from smd_notebook.espi.resources import CUSTOMER_ELEMENTS, Node, decimal_of, node_of

ATOM, ESPI, CUSTOMER = "http://www.w3.org/2005/Atom", "http://naesb.org/espi", "http://naesb.org/espi/customer"
Style = Literal["plain", "pge"]
#: ReadingTypes and the addresses that they get.
_Types = list[tuple[ReadingType, str]]


@dataclass(frozen=True, slots=True)
class _Face:
    """How names look: the prefixes of Atom, ESPI and customer elements, and what each entry declares."""

    atom: str
    espi: str
    customer: str
    feed: str
    entry: str
    resource: str


_FACES: dict[Style, _Face] = {
    "plain": _Face("", "espi:", "cust:", f' xmlns="{ATOM}" xmlns:espi="{ESPI}" xmlns:cust="{CUSTOMER}"', "", ""),
    "pge": _Face(
        "ns1:",
        "ns0:",
        "ns2:",
        f' xmlns:ns0="{ESPI}" xmlns:ns1="{ATOM}" xmlns:ns2="{CUSTOMER}"',
        f' xmlns:ns1="{ATOM}"',
        f' xmlns:ns0="{ESPI}"',
    ),
}


def write_document(document: Document, *, style: Style = "plain") -> bytes:
    """Return the document as one Atom feed.

    Parameters
    ----------
    document : Document
        A linked document.
    style : {"plain", "pge"}
        Prefixes as most utilities write them, or as PG&E does (``ns0:``, ``ns1:``, declared again at every entry).

    Examples
    --------
    >>> from smd_notebook.espi.model import Document
    >>> write_document(Document())[:38]
    b'<?xml version="1.0" encoding="UTF-8"?>'
    """
    return "".join(_Writer(document, _FACES[style]).feed()).encode()


class _Writer:
    """Writes one document; holds the addresses that it has given out."""

    def __init__(self, document: Document, face: _Face) -> None:
        self._document = document
        self._face = face
        self._taken: set[str] = set()

    def feed(self) -> Iterator[str]:
        document, face = self._document, self._face
        envelope = document.feeds[0] if document.feeds else Entry()
        yield f'<?xml version="1.0" encoding="UTF-8"?>\n<{face.atom}feed{face.feed}>\n'
        yield from self._envelope(envelope, "  ", envelope.href, envelope.up, envelope.related)
        clocks = {id(one): self._address(one.entry.href, "LocalTimeParameters") for one in document.local_times}
        types = self._types()
        for one in document.local_times:
            yield from self._entry(one.entry, clocks[id(one)], [("LocalTimeParameters", node_of(one))])
        for kind, href in types:
            yield from self._entry(kind.entry, href, [("ReadingType", node_of(kind))])
        alone = len(document.usage_points) == 1  # needs no address to be found by
        points = {id(one): one.entry.href if alone else self._address(one.entry.href, "UsagePoint") for one in document.usage_points}
        for point in document.usage_points:
            mine = [channel for channel in document.channels if self._point(channel) is point]
            clock = next((channel.local_time for channel in mine if channel.local_time), None)
            own = points[id(point)]
            related = [f"{own}/MeterReading"] if mine and own else []
            others = [href for href in point.entry.related if path_of(href) not in {path_of(one) for one in clocks.values()}]
            related += [self._clock(clock, clocks)] if clock else []
            yield from self._entry(point.entry, own, [("UsagePoint", node_of(point))], related=[*related, *others])
        for channel in document.channels:
            yield from self._channel(channel, types, points, clocks)
        for summary in document.summaries:
            yield from self._entry(summary.entry, summary.entry.href, [(summary.element, node_of(summary))])
        for quality in document.quality_summaries:
            yield from self._entry(quality.entry, quality.entry.href, [("ElectricPowerQualitySummary", node_of(quality))])
        for mappings in document.program_mappings:
            yield from self._entry(mappings.entry, mappings.entry.href, [("ProgramIdMappings", node_of(mappings))])
        for other in document.others:
            element, node = (other.element, other.node) if isinstance(other, Other) else (type(other).__name__, node_of(other))
            prefix = face.customer if element.lower() in CUSTOMER_ELEMENTS else face.espi
            yield from self._entry(other.entry, other.entry.href, [(element, node)], prefix=prefix)
        yield f"</{face.atom}feed>\n"

    # -- addresses -----------------------------------------------------------------------------------------------------------------------

    def _address(self, href: str, kind: str, below: str = "") -> str:
        """Return `href` where nothing else has it and it lies below `below`; else a new address."""
        path = path_of(href)
        if not path or path in self._taken or (below and not path.startswith(path_of(below) + "/")):
            number = 1
            while path_of(href := f"{below}/{kind}/{number}" if below else f"{kind}/{number}") in self._taken:
                number += 1
        self._taken.add(path_of(href))
        return href

    def _types(self) -> _Types:
        """Return each ReadingType that is unlike the others of its address, with the address that it gets."""
        given: _Types = []
        seen: set[tuple[str, tuple[object, ...]]] = set()
        for one in self._document.reading_types:
            if (one.entry.path, one.codes) not in seen or not one.entry.path:
                seen.add((one.entry.path, one.codes))
                given.append((one, self._address(one.entry.href, "ReadingType")))
        return given

    def _type(self, wanted: ReadingType, types: _Types) -> str:
        """Return the address of the ReadingType that says what `wanted` says."""
        same = [href for one, href in types if one.codes == wanted.codes]
        exact = [href for one, href in types if one.codes == wanted.codes and one.entry.path == wanted.entry.path]
        return (exact or same)[0]

    def _clock(self, clock: LocalTime, clocks: dict[int, str]) -> str:
        if id(clock) in clocks:
            return clocks[id(clock)]
        bare = replace(clock, entry=Entry())
        return next(clocks[id(one)] for one in self._document.local_times if replace(one, entry=Entry()) == bare)

    def _point(self, channel: Channel) -> UsagePoint | None:
        """Return the UsagePoint entry that a channel belongs to."""
        for one in self._document.usage_points:
            path = one.entry.path
            if path and channel.usage_point == usage_point_key(path, channel.dialect):
                return one
        return self._document.usage_points[0] if len(self._document.usage_points) == 1 and not channel.usage_point else None

    # -- entries -------------------------------------------------------------------------------------------------------------------------

    def _channel(self, channel: Channel, types: _Types, points: dict[int, str], clocks: dict[int, str]) -> Iterator[str]:
        point = self._point(channel)
        above = points[id(point)] if point else channel.usage_point
        written = channel.meter_reading.entry
        if channel.reading_type is None and not written.href:
            for block in channel.blocks:
                yield from self._block(block, block.entry.href, block.entry.up)
            return
        own = self._address(written.href, "MeterReading", above)
        related = [f"{own}/IntervalBlock"]
        if channel.reading_type is not None:
            related.append(self._type(channel.reading_type, types))
        else:
            related += [href for href in written.related if "ReadingType" in href]
        if point is None and channel.local_time is not None:
            related.append(self._clock(channel.local_time, clocks))
        yield from self._entry(written, own, [("MeterReading", node_of(channel.meter_reading))], related=related)
        for block in channel.blocks:
            yield from self._block(block, self._address(block.entry.href, "IntervalBlock", own), f"{own}/IntervalBlock")

    def _block(self, block: Block, href: str, up: str) -> Iterator[str]:
        face = self._face
        yield from self._open(block.entry, href, up, ())
        espi = face.espi
        attributes = "".join(f" {key[1:]}={quoteattr(str(text))}" for key, text in block.extra.items() if key.startswith("@"))
        yield f"    <{face.atom}content>\n      <{espi}IntervalBlock{face.resource}{attributes}>\n"
        if block.interval is not None:
            yield self._xml("interval", node_of(block.interval), espi, 8)
        yield from _readings(block.readings, espi, self._xml)
        for key, value in block.extra.items():
            if not key.startswith("@"):
                yield self._xml(key, value, espi, 8)
        yield f"      </{espi}IntervalBlock>\n    </{face.atom}content>\n  </{face.atom}entry>\n"

    def _entry(
        self,
        entry: Entry,
        href: str,
        resources: Iterable[tuple[str, Node]],
        *,
        related: Iterable[str] | None = None,
        prefix: str | None = None,
    ) -> Iterator[str]:
        face = self._face
        above, _, _ = href.rpartition("/")
        up = entry.up if path_of(entry.href) == path_of(href) else above
        yield from self._open(entry, href, up, entry.related if related is None else related)
        yield f"    <{face.atom}content>\n"
        for element, node in resources:
            yield self._xml(element, node, face.espi if prefix is None else prefix, 6, face.resource if prefix is None else "")
        yield f"    </{face.atom}content>\n  </{face.atom}entry>\n"

    def _open(self, entry: Entry, href: str, up: str, related: Iterable[str]) -> Iterator[str]:
        yield f"  <{self._face.atom}entry{self._face.entry}>\n"
        yield from self._envelope(entry, "    ", href, up, related)

    def _envelope(self, entry: Entry, margin: str, href: str, up: str, related: Iterable[str]) -> Iterator[str]:
        atom = self._face.atom
        name = entry.id or f"urn:uuid:{uuid5(NAMESPACE_URL, href or 'feed')}"
        yield f"{margin}<{atom}id>{_escaped(name)}</{atom}id>\n"
        links = [("self", href), ("up", up), *(("related", one) for one in dict.fromkeys(related))]
        for rel, target in links:
            if target:
                yield f"{margin}<{atom}link rel={quoteattr(rel)} href={quoteattr(target)}/>\n"
        for tag, text in (("title", entry.title), ("published", entry.published), ("updated", entry.updated)):
            if text:
                yield f"{margin}<{atom}{tag}>{_escaped(text)}</{atom}{tag}>\n"
        for key, value in entry.extra.items():
            yield self._xml(key, value, atom, len(margin))

    def _xml(self, key: str, value: Any, prefix: str, margin: int, declare: str = "") -> str:
        """Return a node as XML; a key ``{namespace}name`` gets its namespace declared."""
        if isinstance(value, list):
            return "".join(self._xml(key, item, prefix, margin, declare) for item in value)
        inner = prefix
        if key.startswith("{"):
            uri, _, name = key[1:].partition("}")
            prefix, key, declare = "", name, f" xmlns={quoteattr(uri)}"
        indent, name = " " * margin, prefix + key
        if not isinstance(value, dict):
            text = _escaped("" if value is None else str(value))
            return f"{indent}<{name}{declare}>{text}</{name}>\n" if text else f"{indent}<{name}{declare}/>\n"
        attributes = "".join(f" {one[1:]}={quoteattr(str(text))}" for one, text in value.items() if one.startswith("@"))
        text = _escaped(str(value.get("#text", "")))
        children = "".join(self._xml(one, item, inner, margin + 2) for one, item in value.items() if not one.startswith(("@", "#")))
        if not children and not text:
            return f"{indent}<{name}{declare}{attributes}/>\n"
        return f"{indent}<{name}{declare}{attributes}>{text}" + (f"\n{children}{indent}" if children else "") + f"</{name}>\n"


def _readings(readings: Readings, espi: str, xml: Any) -> Iterator[str]:
    """Write each IntervalReading, in the order of the schema: cost, ReadingQuality, timePeriod, value, consumptionTier, tou, cpp."""
    names = ("cost", "quality", "duration", "start", "consumptionTier", "tou", "cpp")
    columns = (readings.cost, readings.quality, readings.duration, readings.start, readings.tier, readings.tou, readings.cpp)
    texts = {name: _texts(column) for name, column in zip(names, columns, strict=True)}
    texts["value"] = _texts(readings.value, readings.exponent)
    for row in range(len(readings)):
        own = {name: column[row] for name, column in texts.items() if column[row]}
        extra = readings.extra.get(row)
        yield _plain_reading(own, espi) if extra is None else xml("IntervalReading", _reading_node(own, extra), espi, 8)


def _plain_reading(texts: dict[str, str], espi: str) -> str:
    """Write a reading that holds nothing beyond the columns."""
    lines = {name: f"<{espi}{name}>{text}</{espi}{name}>\n" for name, text in texts.items()}
    parts = [f"        <{espi}IntervalReading>\n"]
    if "cost" in lines:
        parts.append(f"          {lines['cost']}")
    if "quality" in lines:
        parts.append(f"          <{espi}ReadingQuality>\n            {lines['quality']}          </{espi}ReadingQuality>\n")
    period = [f"            {lines[name]}" for name in ("duration", "start") if name in lines]
    if period:
        parts += [f"          <{espi}timePeriod>\n", *period, f"          </{espi}timePeriod>\n"]
    parts += [f"          {lines[name]}" for name in ("value", "consumptionTier", "tou", "cpp") if name in lines]
    return "".join(parts) + f"        </{espi}IntervalReading>\n"


def _reading_node(texts: dict[str, str], extra: Node) -> Node:
    """Return a reading as the node that it was read from: what `extra` keeps is back in its place."""
    left = dict(extra)
    node: Node = {name: left.pop(name) for name in extra if name.startswith(("@", "#"))}
    period: Node = {name: taken for name in ("duration", "start") if (taken := _element(texts.get(name, ""), left.pop(name, None)))}
    others = left.pop("timePeriod", [])
    if others and isinstance(others[-1], dict) and not {"start", "duration"} & others[-1].keys():
        period, others = period | others[-1], others[:-1]
    quality = {"quality": texts["quality"]} if "quality" in texts else None
    node["cost"] = _element(texts.get("cost", ""), left.pop("cost", None))
    node["ReadingQuality"] = left.pop("ReadingQuality", quality)
    node["timePeriod"] = [period, *others] if others else period
    for name in ("value", "consumptionTier", "tou", "cpp"):
        node[name] = _element(texts.get(name, ""), left.pop(name, None))
    return {name: one for name, one in node.items() if one} | left


def _element(text: str, kept: Any) -> Any:
    """Return an element's own text (with its attributes, where it had any), and others of its name behind it."""
    if not isinstance(kept, list):
        return text if kept is None else kept
    *others, last = kept
    written = decimal_of(str(last.get("#text", "") if isinstance(last, dict) else last))
    if (written == Decimal(text) and isinstance(last, dict)) if text else written is None:
        return [last, *others]
    return [text, *kept]


def _escaped(text: str) -> str:
    return escape(text, {"\r": "&#13;"})


def _texts(column: Any, exponent: int = 0) -> list[str]:
    """Return the numbers of a column as text; empty where one is missing."""
    missing = MISSING_SMALL if column.dtype == np.int16 else MISSING
    if exponent:
        return ["" if one == missing else format(Decimal(one).scaleb(exponent), "f") for one in column.tolist()]
    return ["" if one == missing else str(one) for one in column.tolist()]
