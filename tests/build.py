"""Small Green Button feeds, put together as text by hand and not by the package's own writer; and short ways to look at a Feed.

Elements are written ``<a:entry>`` (Atom) and ``<e:value>`` (ESPI); `faced` turns the two into any other prefixes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import smd_notebook as smd

ATOM, ESPI = "http://www.w3.org/2005/Atom", "http://naesb.org/espi"
#: 2024-01-01T00:00 in Los Angeles [s since 1970-01-01T00:00Z]: 19723 days and 8 hours.
START = 19_723 * 86_400 + 8 * 3_600
POINT, METER, TYPE, CLOCK = "/espi/UsagePoint/1", "/espi/UsagePoint/1/MeterReading/1", "/espi/ReadingType/1", "/espi/LocalTimeParameters/1"
ENERGY = "<e:accumulationBehaviour>4</e:accumulationBehaviour><e:flowDirection>1</e:flowDirection><e:uom>72</e:uom>"
PACIFIC = ("B40E2000", 3600, "360E2000", -28800)


def element(name: str, value: Any, attributes: str = "") -> str:
    """Return one ESPI element; nothing where `value` is None."""
    return "" if value is None else f"<e:{name}{attributes}>{value}</e:{name}>"


def reading(start: Any = START, value: Any = 100, duration: Any = 3600, *, quality: Any = None, more: str = "", **others: Any) -> str:
    """Return one IntervalReading; `others` are cost, consumptionTier, tou, cpp; `quality` is one code or several."""
    times = element("duration", duration) + element("start", start)
    codes = quality if isinstance(quality, (list, tuple)) else [] if quality is None else [quality]
    parts = [
        element("cost", others.get("cost")),
        *(element("ReadingQuality", element("quality", code)) for code in codes),
        element("timePeriod", times) if times else "",
        element("value", value),
        *(element(name, others.get(name)) for name in ("consumptionTier", "tou", "cpp")),
        more,
    ]
    return element("IntervalReading", "".join(parts))


def block(*readings: str, start: Any = None, duration: Any = None, more: str = "") -> str:
    """Return one IntervalBlock."""
    interval = element("duration", duration) + element("start", start)
    return element("IntervalBlock", (element("interval", interval) if interval else "") + "".join(readings) + more)


def entry(
    content: str, href: str = "", up: str = "", related: Iterable[str] = (), *, title: str = "", updated: str = "", more: str = ""
) -> str:
    """Return one Atom entry around resources."""
    links = [("self", href), ("up", up), *(("related", one) for one in related)]
    return (
        "<a:entry>"
        + "".join(f'<a:link rel="{rel}" href="{where}"/>' for rel, where in links if where)
        + (f"<a:title>{title}</a:title>" if title else "")
        + (f"<a:updated>{updated}</a:updated>" if updated else "")
        + more
        + f"<a:content>{content}</a:content></a:entry>\n"
    )


def usage_point(href: str = POINT, *, kind: Any = 0, related: Iterable[str] | None = None, more: str = "", title: str = "") -> str:
    """Return the entry of a UsagePoint, linked to its MeterReadings."""
    service = element("ServiceCategory", element("kind", kind)) if kind is not None else ""
    return entry(element("UsagePoint", service + more), href, related=[f"{href}/MeterReading"] if related is None else related, title=title)


def meter_reading(href: str = METER, *, related: Iterable[str] | None = None, up: str = "") -> str:
    """Return the entry of a MeterReading, linked to its blocks and to the ReadingType."""
    return entry("<e:MeterReading/>", href, up, [f"{href}/IntervalBlock", TYPE] if related is None else related)


def reading_type(href: str = TYPE, codes: str = ENERGY, *, power: Any = 0, length: Any = 3600, more: str = "") -> str:
    """Return the entry of a ReadingType."""
    return entry(element("ReadingType", codes + element("powerOfTenMultiplier", power) + element("intervalLength", length) + more), href)


def blocks(*found: str, meter: str = METER, number: Any = 1, up: str | None = None, updated: str = "") -> str:
    """Return the entry of one or more IntervalBlocks."""
    return entry("".join(found), f"{meter}/IntervalBlock/{number}", f"{meter}/IntervalBlock" if up is None else up, updated=updated)


def local_time(end: Any, dst: Any, begin: Any, offset: Any, href: str = CLOCK) -> str:
    """Return the entry of LocalTimeParameters."""
    rules = element("dstEndRule", end) + element("dstOffset", dst) + element("dstStartRule", begin) + element("tzOffset", offset)
    return entry(element("LocalTimeParameters", rules), href)


def feed_xml(
    *entries: str, atom: str = "", espi: str = "espi:", head: str = "<?xml version='1.0' encoding='UTF-8'?>\n", more: str = ""
) -> str:
    """Return a feed; `atom` and `espi` are the prefixes, empty for the default namespace (of one of the two)."""
    declared = f' xmlns{":" + atom[:-1] if atom else ""}="{ATOM}"' + (f' xmlns:{espi[:-1]}="{ESPI}"' if espi else "")
    text = faced("<a:feed>" + more + "".join(entries) + "</a:feed>", atom, espi)
    root = f"<{atom}feed"
    text = text.replace(root, root + declared, 1)
    if not espi:
        text = re.sub(rf"(<{atom}content>)<(\w+)", rf'\1<\2 xmlns="{ESPI}"', text)
    return head + text


def faced(text: str, atom: str, espi: str) -> str:
    """Return a text with the two prefixes changed."""
    return re.sub(r"<(/?)(a|e):", lambda found: f"<{found[1]}{atom if found[2] == 'a' else espi}", text)


def small(
    *readings: str, power: Any = 0, codes: str = ENERGY, length: Any = 3600, clock: tuple[Any, ...] | None = PACIFIC, **face: Any
) -> str:
    """Return a whole feed of one channel: UsagePoint, LocalTimeParameters, MeterReading, ReadingType and one block of `readings`."""
    found = readings or (reading(START, 100), reading(START + 3600, 250))
    return feed_xml(
        usage_point(related=[f"{POINT}/MeterReading", *([CLOCK] if clock else [])]),
        *([local_time(*clock)] if clock else []),
        meter_reading(),
        reading_type(codes=codes, power=power, length=length),
        blocks(block(*found)),
        **face,
    )


def read_feed(source: Any, **options: Any) -> Any:
    """Return a Feed with its times taken as they are written: whether a clock is right is not what these tests are about."""
    return smd.read(source, **({"clock": "utc"} | options))


def rows_of(feed: Any, **options: Any) -> list[tuple[int, int, float]]:
    """Return start [s since 1970-01-01T00:00Z], duration [s] and value of every row of a Feed's tidy frame."""
    frame = feed.tidy(**({"duplicates": "keep"} | options))
    starts = frame["start"].dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[s]").astype("int64")
    return list(zip(starts, frame["duration"].dt.total_seconds().astype(int), frame["value"], strict=True))


def codes_of(feed: Any) -> set[str]:
    """Return the codes of what was noticed on reading a Feed; what checks of the readings find is another matter."""
    return {finding.code for finding in feed._resolved[1]}


def assert_same(found: Any, expected: Any) -> None:
    """Assert that two frames have the same columns, types and values (pandas' own assertion takes seconds where there are categoricals)."""
    assert list(found.columns) == list(expected.columns)
    assert found.index.equals(expected.index)
    for name in expected.columns:
        assert found[name].dtype == expected[name].dtype, name
        assert found[name].equals(expected[name]), name
