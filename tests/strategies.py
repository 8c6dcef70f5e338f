"""Green Button feeds of everything that the schema allows, made up by hypothesis as XML text."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape

from hypothesis import strategies as st

from tests.build import (
    PACIFIC,
    START,
    block,
    blocks,
    element,
    entry,
    feed_xml,
    local_time,
    meter_reading,
    reading,
    reading_type,
    usage_point,
)

#: Values that stay exact on the scale of the most decimals below; Int48 goes to 1.4e14, for which see test_frames and test_readings.
VALUES = st.integers(-(10**12), 10**12)
INT48 = st.integers(-(2**47), 2**47 - 1)
INT16 = st.integers(-(2**15) + 1, 2**15 - 1)  # -2**15 stands for "missing"
QUALITIES = st.sampled_from([0, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19])
#: Text as XML can hold it: no control characters, no lone surrogates.
TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn", "Co")), min_size=1, max_size=20).map(str.strip).filter(bool)
CLOCKS = st.sampled_from(
    [
        PACIFIC,
        ("B40E2000", 3600, "360E2000", -18000),
        ("B40E2000", 3600, "360E2000", -12600),
        ("FFFFFFFF", 0, "FFFFFFFF", -25200),
        ("FFFFFFFF", 0, "FFFFFFFF", 19800),
    ]
)
FACES = st.sampled_from([("", "espi:"), ("", ""), ("a:", "e:"), ("ns1:", "ns0:"), ("espi:", "")])


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def decimals() -> st.SearchStrategy[str]:
    """Return numbers with up to three decimals, as text."""
    return st.builds(lambda whole, places: format(Decimal(whole).scaleb(-places), "f"), VALUES, st.integers(0, 3))


def several(strategy: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, max_size=most)


#: Fields of a ReadingType beside the ones that `reading_type` takes itself, and what they may be.
CODES = {
    "accumulationBehaviour": st.sampled_from([None, 0, 1, 3, 4, 4, 4, 9, 12]),
    "commodity": st.sampled_from([None, 0, 1, 7, 9, 26]),
    "consumptionTier": maybe(INT16),
    "currency": st.sampled_from([None, 0, 124, 840, 978, 999]),
    "dataQualifier": st.sampled_from([None, 0, 12]),
    "defaultQuality": maybe(QUALITIES),
    "flowDirection": st.sampled_from([None, 0, 1, 4, 19, 20]),
    "kind": st.sampled_from([None, 0, 12, 37, 58]),
    "phase": st.sampled_from([None, 0, 128, 225, 769]),
    "timeAttribute": st.sampled_from([None, 0, 7, 11]),
    "tou": maybe(INT16),
    "uom": st.sampled_from([None, 0, 72, 72, 72, 38, 169, 132, 119, 42, 61, 73, 31, 6, 9999]),
    "cpp": maybe(INT16),
    "interharmonic": st.sampled_from([None, "<e:numerator>1</e:numerator><e:denominator>3</e:denominator>"]),
    "measuringPeriod": st.sampled_from([None, 2, 7]),
}


@st.composite
def readings(draw: st.DrawFn, *, timed: bool = True) -> list[str]:
    """Draw the readings of one block; values are integers, or decimals in some of them."""
    values = draw(st.sampled_from([VALUES, VALUES, st.integers(0, 5000), decimals()]))
    length = draw(st.sampled_from([900, 3600, 86400, 0]))
    start = START + 900 * draw(st.integers(-300_000, 300_000))
    found = []
    for number in range(draw(st.integers(0, 4))):
        at = start + length * number
        told = timed or draw(st.booleans())
        found.append(
            reading(
                at if told else None,
                draw(maybe(values)),
                length if told else None,
                quality=draw(several(QUALITIES, 2)),
                cost=draw(maybe(INT48)),
                consumptionTier=draw(maybe(INT16)),
                tou=draw(maybe(INT16)),
                cpp=draw(maybe(INT16)),
                more=draw(st.sampled_from(["", "", "<e:extension>a</e:extension>", "<x:value xmlns:x='urn:x'>1</x:value>"])),
            )
        )
    return found


def measurement(name: str, value: Any, uom: int | None = 72, power: int | None = -3) -> str:
    parts = element("powerOfTenMultiplier", power) + element("timeStamp", START) + element("uom", uom) + element("value", value)
    return element(name, parts)


@st.composite
def summaries(draw: st.DrawFn, point: str, number: int) -> str:
    """Draw the entry of one bill's summary, with line items."""
    lines = [
        element("amount", draw(maybe(INT48)))
        + element("rounding", draw(maybe(st.integers(0, 100))))
        + element("dateTime", START)
        + element("note", escape(draw(TEXT)))
        + measurement("measurement", draw(INT48))
        + element("itemKind", draw(st.integers(1, 10)))
        + element("unitCost", draw(maybe(decimals())))
        for _ in range(draw(st.integers(0, 2)))
    ]
    body = (
        element("billingPeriod", element("duration", 2_592_000) + element("start", START))
        + element("billLastPeriod", draw(maybe(INT48)))
        + element("billToDate", draw(maybe(decimals())))
        + "".join(element("costAdditionalDetailLastPeriod", line) for line in lines)
        + element("currency", draw(st.sampled_from([None, 840, 124])))
        + measurement("overallConsumptionLastPeriod", draw(INT48))
        + element("statusTimeStamp", START)
        + element("tariffProfile", escape(draw(TEXT)))
    )
    name = draw(st.sampled_from(["UsageSummary", "ElectricPowerUsageSummary"]))
    return entry(element(name, body), f"{point}/{name}/{number}", f"{point}/{name}")


@dataclass(frozen=True)
class Parts:
    """A feed's entries in any order, and how names look."""

    entries: tuple[str, ...]
    face: tuple[str, str]

    def xml(self, order: list[int] | None = None) -> bytes:
        """Return the feed, with its entries in the order of their numbers."""
        entries = self.entries if order is None else [self.entries[number] for number in order]
        return feed_xml(*entries, atom=self.face[0], espi=self.face[1]).encode()


@st.composite
def parts(draw: st.DrawFn, *, timed: bool = True, points: int = 3, power: int | None = None) -> Parts:
    """Draw a feed whose links lead where they say; its powers of ten are `power` or three below."""
    clocks = draw(st.lists(CLOCKS, max_size=2))
    entries = [local_time(*clock, href=f"/espi/LocalTimeParameters/{number}") for number, clock in enumerate(clocks)]
    power = draw(st.integers(-9, 12)) if power is None else power
    for number in range(draw(st.integers(1, 3))):
        codes = "".join(element(name, draw(values)) for name, values in CODES.items())
        length, below = draw(st.sampled_from([None, 900, 3600, 86400])), draw(st.sampled_from([0, 0, 3]))
        entries.append(reading_type(f"/espi/ReadingType/{number}", codes, power=power - below if power or below else None, length=length))
    types = len(entries) - len(clocks)
    for number in range(draw(st.integers(1, points))):
        point = f"/espi/RetailCustomer/{number}/UsagePoint/01"
        clock = [f"/espi/LocalTimeParameters/{draw(st.integers(0, len(clocks) - 1))}"] if clocks else []
        more = element("status", 1) + element("serviceDeliveryPoint", element("name", escape(draw(TEXT))))
        kind = draw(st.sampled_from([None, 0, 0, 1, 2]))
        title = escape(draw(TEXT))
        entries.append(usage_point(point, kind=kind, related=[f"{point}/MeterReading", *clock], more=more, title=title))
        for meter in range(draw(st.integers(1, 2))):
            href = f"{point}/MeterReading/{meter}"
            kind = f"/espi/ReadingType/{draw(st.integers(0, types - 1))}"
            entries.append(meter_reading(href, related=[f"{href}/IntervalBlock", kind]))
            for position in range(draw(st.integers(0, 2))):
                found = [
                    block(*draw(readings(timed=timed)), start=None if timed else START, duration=None if timed else 86400)
                    for _ in range(draw(st.integers(1, 2)))
                ]
                updated = draw(st.sampled_from(["", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"]))
                entries.append(blocks(*found, meter=href, number=position, updated=updated))
        if draw(st.booleans()):
            entries.append(draw(summaries(point, number)))
    if draw(st.booleans()):
        names = element("tOUorCPPorConsumptionTier", "TOU") + element("code", draw(INT16)) + element("name", escape(draw(TEXT)))
        entries.append(entry(element("ProgramIdMappings", element("programIdMapping", names)), "/espi/ProgramIdMappings/1"))
    if draw(st.booleans()):
        entries.append(entry(element("Weather", element("sky", escape(draw(TEXT)))), "/espi/Weather/1"))
    return Parts(tuple(entries), draw(FACES))
