"""How fast files become columns, against other readers of the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from xml.parsers import expat

import xmltodict
from feeds import ESPI, Style
from lxml import etree
from table import Row, cpu_times, feed_file, main, peak_memory, ratio

import smd_notebook as smd
from smd_notebook.espi.reader import read_document
from smd_notebook.espi.source import handles

PGE = Style()
STYLES = {
    "PG&E, indented": PGE,
    "PG&E, flat": Style(flat=True),
    "espi: prefix, indented": Style("", "espi:", verbose=False),
    "espi: prefix, flat": Style("", "espi:", verbose=False, flat=True),
    "default namespace, indented": Style("", "", verbose=False),
    "default namespace, flat": Style("", "", verbose=False, flat=True),
}
HOURLY, IRREGULAR = Style(step=3600), Style(irregular=0.05)
NAMES = ("duration", "start")
_E = f"{{{ESPI}}}"


def bare_expat(data: bytes) -> None:
    """Parse and throw everything away."""
    expat.ParserCreate().Parse(data, True)


def with_xmltodict(path: Path) -> list[tuple[Any, ...]]:
    """Read as most notebooks do: the whole file as dicts, then a loop."""

    def listed(one: Any) -> list[Any]:
        return one if isinstance(one, list) else [one]

    with path.open("rb") as file:
        feed = xmltodict.parse(file, strip_whitespace=True)["ns1:feed"]
    found = []
    for entry in feed["ns1:entry"]:
        for block in listed(entry["ns1:content"].get("ns0:IntervalBlock", [])):
            for one in listed(block["ns0:IntervalReading"]):
                period = one["ns0:timePeriod"]
                cost, tou = one.get("ns0:cost"), one.get("ns0:tou")
                quality = int(one["ns0:ReadingQuality"]["ns0:quality"])
                times = int(period["ns0:start"]), int(period["ns0:duration"])
                found.append((*times, int(one["ns0:value"]), cost and int(cost), quality, tou and int(tou)))
    return found


def with_iterparse(parser: Any, path: Path, options: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Read as the usual advice has it: iterparse, findtext, clear."""
    found = []
    for _, node in parser.iterparse(str(path), events=("end",), **options):
        if node.tag == f"{_E}IntervalReading":
            cost, tou = node.findtext(f"{_E}cost"), node.findtext(f"{_E}tou")
            times = [int(node.findtext(f"{_E}timePeriod/{_E}{name}")) for name in NAMES]
            quality = int(node.findtext(f"{_E}ReadingQuality/{_E}quality"))
            found.append((*times, int(node.findtext(f"{_E}value")), cost and int(cost), quality, tou and int(tou)))
            node.clear()
    return found


def with_greenbutton_objects(path: Path) -> int:
    """Read with the package greenbutton-objects, as far as a list of numbers."""
    from greenbutton_objects.parse import parse_feed

    found = []
    for point in parse_feed(str(path)):
        for meter in point.meterReadings:
            found += [(one.timePeriod.start, one.timePeriod.duration, one.value, one.cost) for one in meter.intervalReadings]
    return len(found)


def plainly(path: Path) -> object:
    """Read on the plain path, which the fast one is always equal to."""
    return read_document(handles(path)[0], fast=False)


def contenders(path: Path) -> dict[str, Callable[[], object]]:
    """Return who reads PG&E's prefixes, ours first."""
    data = path.read_bytes()
    found: dict[str, Callable[[], object]] = {
        "smd.read": partial(smd.read, path),
        "tidy": lambda: smd.read(path).tidy(),
        "expat": partial(bare_expat, data),
        "plain": partial(plainly, path),
        "xmltodict": partial(with_xmltodict, path),
        "ElementTree iterparse": partial(with_iterparse, ET, path, {}),
        "lxml iterparse": partial(with_iterparse, etree, path, {"tag": f"{_E}IntervalReading"}),
    }
    if find_spec("greenbutton_objects"):
        found["greenbutton-objects"] = partial(with_greenbutton_objects, path)
    return found


def rows(full: bool) -> Iterator[Row]:
    """Yield the rows of the table."""
    n = 35_040
    times = cpu_times(contenders(feed_file(n, PGE)), 5)
    what = "PG&E-style, indented, 35,040 readings: "
    yield Row(what + "smd.read : bare expat", ratio(times["smd.read"], times["expat"]), "<= 0.5")
    yield Row(what + "xmltodict : smd.read", ratio(times["xmltodict"], times["smd.read"]), ">= 30")
    yield Row(what + "lxml iterparse : smd.read", ratio(times["lxml iterparse"], times["smd.read"]), ">= 20")
    yield Row(what + "ElementTree iterparse : smd.read", ratio(times["ElementTree iterparse"], times["smd.read"]))
    yield Row(what + "plain path : smd.read", ratio(times["plain"], times["smd.read"]), ">= 3")
    yield Row(what + "xmltodict : plain path", ratio(times["xmltodict"], times["plain"]))
    if "greenbutton-objects" in times:
        yield Row(what + "greenbutton-objects : tidy", ratio(times["greenbutton-objects"], times["tidy"]), ">= 50")
    else:
        yield Row(what + "greenbutton-objects : tidy", None, "not installed")
    for name, style, size, goal in (("hourly, 8,760", HOURLY, 8_760, ">= 15"), ("irregular, 35,040", IRREGULAR, n, ">= 8")):
        everyone = contenders(feed_file(size, style))
        times = cpu_times({one: everyone[one] for one in ("smd.read", "expat", "xmltodict")}, 5)
        yield Row(f"{name}: xmltodict : smd.read", ratio(times["xmltodict"], times["smd.read"]), goal)
        yield Row(f"{name}: smd.read : bare expat", ratio(times["smd.read"], times["expat"]))
    for name, style in STYLES.items():
        for size in (8_760, 35_040, 350_400) if full else (8_760, 35_040):
            path = feed_file(size, style)
            times = cpu_times({"smd.read": partial(smd.read, path), "expat": partial(bare_expat, path.read_bytes())}, 7)
            yield Row(f"{name}, {size:,}: smd.read : bare expat", ratio(times["smd.read"], times["expat"]))
    ten, one = (partial(smd.read, feed_file(size, PGE)) for size in (350_400, 35_040))
    times = cpu_times({"ten": ten, "one": lambda: [one() for _ in range(10)]}, 5)
    yield Row("smd.read, per reading: 350,400 : 35,040 readings", ratio(times["ten"], times["one"]), "<= 1.1")
    yield from _memory(full)


def _memory(full: bool) -> Iterator[Row]:
    for size in (35_040, 350_400, 2_480_000) if full else (35_040,):
        path = feed_file(size, PGE)
        setup = "import smd_notebook as smd; smd.read(b'<IntervalBlock xmlns=\"http://naesb.org/espi\"/>')"
        columns = "sum(getattr(b.readings, c).nbytes for b in result.document.blocks for c in b.readings.__dataclass_fields__"
        columns += " if hasattr(getattr(b.readings, c), 'nbytes'))"
        peak, held = peak_memory(setup, f"smd.read({str(path)!r})", columns)
        bound = 5 * held / 2**20 + 64
        yield Row(f"smd.read, {path.stat().st_size / 1e6:,.0f} MB: peak anonymous memory", peak, f"<= {bound:.0f}", "MiB")
        path.unlink()
    path = feed_file(35_040, PGE)
    peak, _ = peak_memory("import xmltodict", f"xmltodict.parse(open({str(path)!r}, 'rb'))")
    yield Row(f"xmltodict, {path.stat().st_size / 1e6:,.0f} MB: peak anonymous memory", peak, "", "MiB")


if __name__ == "__main__":
    main("bench_read")
