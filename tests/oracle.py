"""A second reader of Green Button XML, on another parser (lxml), to compare with: short, slow, and of standard XML only.

Children are found by local name; links are followed by the path of the block's self link, then up link, then as MeterReadings name them.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from lxml import etree

OURS = {"", "http://www.w3.org/2005/Atom", "http://naesb.org/espi", "http://naesb.org/espi/customer"}


class Row(NamedTuple):
    """One IntervalReading as written, and what it is of; numbers are exact."""

    point: str
    start: int | None
    duration: int | None
    value: Fraction | None
    power: int
    uom: int | None
    cost: Fraction | None
    qualities: tuple[int, ...]
    tou: int | None
    tier: int | None
    cpp: int | None


def name_of(node: Any) -> str:
    """Return an element's local name; nothing where it is a comment, or of a namespace that is none of ours."""
    return _local(node.tag) if isinstance(node.tag, str) else ""


@lru_cache(maxsize=1000)
def _local(tag: str) -> str:
    namespace, _, name = tag.rpartition("}")
    return name if namespace.lstrip("{") in OURS else ""


def children(node: Any, name: str) -> list[Any]:
    return [] if node is None else [one for one in node.iterchildren("{*}" + name) if name_of(one)]


def child(node: Any, name: str) -> Any:
    return next(iter(children(node, name)), None)


def number(node: Any) -> Fraction | None:
    text = "" if node is None else "".join(node.xpath("text()")).strip() if len(node) else (node.text or "").strip()
    if not text:
        return None
    return Fraction(int(text)) if text.isdecimal() else Fraction(Decimal(text))


def whole(node: Any) -> int | None:
    found = number(node)
    return None if found is None else found.numerator // found.denominator


def path(href: str | None) -> str:
    try:
        return urlsplit(href or "").path.strip("/")
    except ValueError:  # brackets that are no address
        return ""


class Found:
    """What one document holds."""

    def __init__(self, data: bytes) -> None:
        root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
        self.root = name_of(root)
        self.entries = [node for node in root.iter() if name_of(node) == "entry"]
        self.content: list[tuple[Any, Any]] = []
        for entry in self.entries:
            for content in children(entry, "content"):
                self.content += [(node, entry) for node in content if name_of(node)]
        if not self.entries and self.root != "feed":
            self.content = [(root, None)]

    def named(self, name: str) -> list[tuple[Any, Any]]:
        """Return the resources of a name, each with its entry."""
        return [(node, entry) for node, entry in self.content if name_of(node) == name]

    def hrefs(self, entry: Any, rel: str) -> list[str]:
        return [path(link.get("href")) for link in children(entry, "link") if link.get("rel") == rel] if entry is not None else []

    def rows(self) -> list[Row]:
        """Return every reading in document order."""
        found = []
        types = {self.hrefs(entry, "self")[0]: node for node, entry in self.named("ReadingType") if self.hrefs(entry, "self")}
        meters = [entry for _, entry in self.named("MeterReading")]
        for block, entry in self.named("IntervalBlock"):
            owner = self._owner(entry, meters)
            related = [types[one] for one in self.hrefs(owner, "related") if one in types]
            kind = related[0] if related else self.named("ReadingType")[0][0] if len(self.named("ReadingType")) == 1 else None
            own = (self.hrefs(owner, "self") or [""])[0]
            point = own.partition("/MeterReading")[0] if "/MeterReading" in own else ""
            power, uom = whole(child(kind, "powerOfTenMultiplier")) or 0, whole(child(kind, "uom"))
            for node in children(block, "IntervalReading"):
                qualities = [whole(code) for one in children(node, "ReadingQuality") for code in children(one, "quality")]
                period = child(node, "timePeriod")
                found.append(
                    Row(
                        point,
                        whole(child(period, "start")),
                        whole(child(period, "duration")),
                        number(child(node, "value")),
                        power,
                        uom,
                        number(child(node, "cost")),
                        tuple(one for one in qualities if one is not None),
                        *(whole(child(node, name)) for name in ("tou", "consumptionTier", "cpp")),
                    )
                )
        return found

    def _owner(self, entry: Any, meters: list[Any]) -> Any:
        places = self.hrefs(entry, "self") + self.hrefs(entry, "up")
        for place in places:
            for meter in meters:
                own = (self.hrefs(meter, "self") or [None])[0]
                if own and (place + "/").startswith(own + "/IntervalBlock/"):
                    return meter
        for meter in meters:
            if set(places) & set(self.hrefs(meter, "related")):
                return meter
        return meters[0] if len(meters) == 1 else None
