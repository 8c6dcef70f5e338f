"""Make-believe homes as Green Button feeds, written and read back by our own line: `sample`.

The same name and seed give the same bytes on every machine and under every numpy; what a home uses is made up in `dwellings`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np

from smd_notebook.dwellings import DAY, HOMES, HOUR, QUARTER, RECEIVED, VALIDATED, Ints, Point, Register, lapse_meters, meters
from smd_notebook.errors import ConfigurationError
from smd_notebook.espi import model as espi
from smd_notebook.espi.links import link
from smd_notebook.espi.model import MISSING, MISSING_SMALL, Document, Entry, Measurement
from smd_notebook.espi.resources import Interval
from smd_notebook.espi.writer import write_document
from smd_notebook.feed import Feed, read

__all__ = ["FILES", "HOUSEHOLDS", "as_feed", "between", "household", "lapse2024", "sample", "sample_cohort", "shipped"]

BASE = "https://api.pge.com/GreenButtonConnect/espi/1_1/resource"
HOUSEHOLDS = ("lapse2024", *HOMES)
#: PG&E's TOU numbers: name, note, and a made-up price [1/100000 USD/kWh]; then other such prices.
_PROGRAMS = {
    1: ("SPK", "Summer Peak", 60_000),
    2: ("SOP", "Summer Off Peak", 42_000),
    3: ("SPP", "Summer Partial Peak", 48_000),
    4: ("WPK", "Winter Peak", 40_000),
    5: ("WPP", "Winter Partial Peak", 38_000),
    6: ("WOP", "Winter Off Peak", 36_000),
    7: ("MPK", "Spring Peak", 0),
    8: ("MOP", "Spring Off Peak", 0),
    9: ("MXO", "Spring Super Off Peak", 0),
    10: ("WSO", "Winter Super Off Peak", 0),
}
_EXPORT_CREDIT, _TAX_PER_KWH, _PER_DAY, _PER_THERM, _PER_DAY_OF_GAS = -6_000, 30, 49_000, 240_000, 13_000

# -- meters to resources, as PG&E sends them ---------------------------------------------------------------------------------------------


def _entry(href: str, title: str, *related: str) -> Entry:
    stamp = "2026-01-05T12:00:00Z"
    return Entry(href, href.rpartition("/")[0], related, title=title, published=stamp, updated=stamp)


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def _type_of(point: Point, register: Register) -> tuple[str, espi.ReadingType]:
    """Return a ReadingType and its id."""
    kind = _base64(f"{point.uom}:null:{register.length}:{register.flow}")
    return kind, espi.ReadingType(
        accumulation=4,
        commodity=point.commodity,
        data_qualifier=12,
        default_quality=VALIDATED,
        flow_direction=register.flow,
        interval_length=register.length,
        kind=12,
        power_of_ten=point.power_of_ten,
        time_attribute=11 if register.length == DAY else 0,
        uom=point.uom,
        measuring_period={QUARTER: 2, HOUR: 7, DAY: 4}[register.length],
        entry=_entry(f"{BASE}/ReadingType/{kind}", "Type of Meter Reading Data"),
    )


def _blocks(register: Register, midnights: Ints, above: str) -> Iterable[espi.Block]:
    """Return one block for each local day."""
    duration = np.append(register.start[1:], register.ends) - register.start
    for begin, end in pairwise(midnights.tolist()):
        at = slice(*np.searchsorted(register.start, [begin, end]).tolist())
        none, small = np.full(at.stop - at.start, MISSING, np.int64), np.full(at.stop - at.start, MISSING_SMALL, np.int16)
        quality, tou = register.quality[at].astype(np.int16), register.tou[at].astype(np.int16)
        readings = espi.Readings(register.start[at], duration[at], register.value[at], none, quality, tou, small, small)
        yield espi.Block(readings, Interval(end - begin, begin), _entry(f"{above}/IntervalBlock/{begin}", f"IntervalBlock_{begin}"))


def _bill(point: Point, begin: int, end: int, days: int, href: str) -> espi.Summary:
    """Return the bill of one period: energy by TOU number, credit for what was received, tax, and a charge for each day."""
    unit, period = Measurement(power_of_ten=point.power_of_ten, uom=point.uom), Interval(end - begin, begin)
    per = 10 ** (8 if point.service else 6)  # in a therm, in a kWh
    lines: list[espi.LineItem] = []

    def line(note: str, kind: int, price: int, value: int, of: int = per) -> None:
        cents = (value * price // of + 500) // 1000 * 1000  # bills are in whole cents
        measured = replace(unit, value=value) if of == per else None
        lines.append(espi.LineItem(cents, note=note, measurement=measured, item_kind=kind, unit_cost=price, item_period=period))

    total = 0
    for register in point.registers:
        at = slice(*np.searchsorted(register.start, [begin, end]).tolist())
        value, tou = register.value[at], register.tou[at]
        if register.flow == RECEIVED:
            line("Credit for Energy Exported", 6, _EXPORT_CREDIT, int(value.sum()))
            continue
        total = int(value.sum())
        for code in np.unique(tou).tolist():
            _, note, price = _PROGRAMS.get(code, ("", "Gas", _PER_THERM))
            line(f"{note} Energy Charge", 3, price, int(value[tou == code].sum()))
    if not point.service:
        line("Energy Commission Tax", 5, _TAX_PER_KWH, total)
    line("Base Services Charge", 4, _PER_DAY_OF_GAS if point.service else _PER_DAY, days, of=1)
    return espi.Summary(
        billing_period=period,
        bill_last_period=sum(int(one.amount or 0) for one in lines),
        lines=tuple(lines),
        currency=840,
        overall_consumption_last_period=replace(unit, value=total, reading_type_ref=_type_of(point, point.registers[0])[1].entry.href),
        quality=VALIDATED,
        status_time_stamp=end,
        commodity=point.commodity,
        tariff_profile="MAKE-BELIEVE",
        entry=_entry(f"{href}/UsageSummary/{begin}", f"UsageSummary_{begin}"),
    )


def _document(owner: str, points: Sequence[Point], midnights: Ints) -> Document:
    """Return a home's linked Document."""
    subscription, clock = f"Subscription/make-believe-{owner}", f"{BASE}/LocalTimeParameters/1"
    usage_points, meter_readings, summaries, blocks = [], [], [], list[espi.Block]()
    kinds: dict[str, espi.ReadingType] = {}
    for point in points:
        href = f"{BASE}/{subscription}/UsagePoint/{owner}-{point.name}"
        entry = _entry(href, f"Make-believe data: {owner}", *([f"{href}/UsageSummary"] if point.bills else []), clock)
        usage_points.append(espi.UsagePoint(service_category=espi.ServiceCategory(kind=point.service), entry=entry))
        for register in point.registers:
            kind, kinds[kind] = _type_of(point, register)
            own = f"{href}/MeterReading/{_base64(f'{kind}:1')}"
            meter_readings.append(espi.MeterReading(_entry(own, "Green Button Data File", kinds[kind].entry.href, clock)))
            blocks += _blocks(register, midnights, own)
        for before, after in pairwise(point.bills):
            summaries.append(_bill(point, int(midnights[before]), int(midnights[after]), after - before, href))
    programs = tuple(espi.Program("tou", code, name, note) for code, (name, note, _) in _PROGRAMS.items())
    document = Document(
        sources=(owner,),
        feeds=(replace(_entry(f"{BASE}/Batch/{subscription}", "Green Button Usage Feed"), up=""),),
        usage_points=tuple(usage_points),
        meter_readings=tuple(meter_readings),
        reading_types=tuple(kinds.values()),
        local_times=(espi.LocalTime("B40E2000", 3600, "360E2000", -28_800, _entry(clock, "DST FOR PACIFIC TIMEZONE")),),
        summaries=tuple(summaries),
        program_mappings=(espi.ProgramMappings(programs, _entry(f"{BASE}/ProgramIdMapping/1", "Time Of Use Code Info")),),
        blocks=tuple(blocks),
    )
    return link(document)


# -- the public face ---------------------------------------------------------------------------------------------------------------------


def lapse2024() -> Document:
    """Return the closed-form meter: calendar 2024 in Los Angeles, 15 minutes, integers, no chance; any language can rebuild it.

    Two usage points: ``lapse2024-gross`` (load is delivered, solar received) and ``lapse2024-net`` (what a net meter counts).
    """
    return _document("lapse2024", *lapse_meters())


def household(name: str, seed: int = 1, year: int = 2025) -> Document:
    """Return a home's linked Document.

    Parameters
    ----------
    name : str
        One of `HOUSEHOLDS`, as `sample` explains them.
    seed : int
        Which of all such homes, from 0. The weather is the year's, and the same for all.
    year : int
        Calendar year; `lapse2024` has its own.

    Raises
    ------
    ConfigurationError
        Where no household has this name, or the seed is below 0.

    >>> [channel.label for channel in household("apartment").channels]
    ['electricity delivered', 'gas delivered']
    """
    if name == "lapse2024":
        return lapse2024()
    if name not in HOMES:
        raise ConfigurationError(f"no household is called {name!r}", hint="Known: " + ", ".join(HOUSEHOLDS) + ".")
    if seed < 0:
        raise ConfigurationError(f"seed={seed!r} is not a whole number from 0")
    return _document(f"{name}-{seed}", *meters(name, seed, year))


def between(document: Document, start: int, end: int) -> Document:
    """Return the part of a Document whose blocks and bills lie within a span [s since 1970-01-01T00:00Z]."""

    def within(span: Interval | None) -> bool:
        return span is not None and span.start is not None and start <= span.start and span.start + (span.duration or 0) <= end

    blocks = tuple(one for one in document.blocks if within(one.interval))
    summaries = tuple(one for one in document.summaries if within(one.billing_period))
    return link(replace(document, blocks=blocks, summaries=summaries, channels=(), findings=()))


def as_feed(document: Document) -> Feed:
    """Return a Document as the Feed that it is once it was written in PG&E's style and read back."""
    return read(write_document(document, style="pge"))


def sample(name: str = "solar-home", *, seed: int = 1) -> Feed:
    """Return a make-believe home: a year of Green Button data, written in PG&E's style and read back. Nothing is downloaded.

    Parameters
    ----------
    name : {"solar-home", "ev-home", "heat-pump-home", "apartment", "lapse2024"}
        15-minute electricity with solar panels, and daily gas; 15-minute electricity with a car that charges at night; hourly
        electricity for all needs; hourly electricity and daily gas; the closed-form meter of the tests, which has no seed.
    seed : int
        Which of all such homes, from 0; the same one on every machine.

    Returns
    -------
    Feed
        Electricity [Wh] and gas [therm] of calendar 2025 in Los Angeles, with TOU numbers, qualities and twelve bills each; of
        2024 for `lapse2024`, which has only electricity [Wh], at two usage points, gross and net.

    Raises
    ------
    ConfigurationError
        Where no household has this name, or the seed is below 0.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> feed = smd.sample("lapse2024")
    >>> feed.tidy().groupby(["usage_point", "flow"], observed=True)["value"].sum().astype(int).to_dict()
    {('lapse2024-gross', 'delivered'): 12084108, ('lapse2024-gross', 'received'): 5508000,
     ('lapse2024-net', 'delivered'): 9748676, ('lapse2024-net', 'received'): 3172568}
    """
    return _sample(name, seed)


@lru_cache(maxsize=8)  # Feeds are immutable, and examples ask for the same ones again and again
def _sample(name: str, seed: int) -> Feed:
    return as_feed(household(name, seed))


@dataclass(frozen=True)
class MadeUp:
    """A home to be made up when it is called: what `sample_cohort` gives, small enough to send to other processes."""

    household: str
    seed: int

    @property
    def name(self) -> str:
        """What to call it."""
        return f"{self.household} {self.seed}"

    @property
    def sha256(self) -> str:
        """The hash of its recipe, by which it is known without being made."""
        return sha256(f"smd_notebook sample {self.name}".encode()).hexdigest()

    def __call__(self) -> Feed:
        """Make it up; the same readings as `sample` gives, without writing and reading them."""
        return Feed(household(self.household, self.seed))


def sample_cohort(n: int = 200, *, seed: int = 1) -> list[MadeUp]:
    """Return `n` make-believe homes for `Cohort.read`, which makes them up, in parallel where it reads in parallel.

    Parameters
    ----------
    n : int, default 200
        How many: solar homes, homes with an electric vehicle, with a heat pump, and apartments, in turn.
    seed : int, default 1
        Which of all such cohorts, from 0. The weather is the same for all homes of all cohorts.

    Returns
    -------
    list of functions, shape (n,)
        Each returns a Feed: a year of electricity, and some gas, as `sample` explains them.

    Raises
    ------
    ConfigurationError
        If `n` is below 1, or `seed` below 0.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> homes = smd.sample_cohort(4, seed=1)
    >>> [home.name for home in homes], [channel.label for channel in homes[3]().channels]
    (['solar-home 1000000', 'ev-home 1000001', 'heat-pump-home 1000002', 'apartment 1000003'],
     ['electricity delivered', 'gas delivered'])
    """
    if n < 1 or seed < 0:
        raise ConfigurationError("a cohort has at least one home, and a seed from 0", hint="smd.sample_cohort(200, seed=1)")
    names = list(HOMES)
    return [MadeUp(names[number % len(names)], seed * 1_000_000 + number) for number in range(n)]


#: The files in the package, to open as one's own, and what they hold: a year, and the week in which clocks go back.
FILES: dict[str, Callable[[], Document]] = {
    "apartment-2025.xml.gz": lambda: household("apartment"),
    "solar-home-dst-week.xml.gz": lambda: between(household("solar-home"), 1_761_894_000, 1_762_502_400),
}


def shipped(name: str) -> Path:
    """Return the path of one of `FILES`.

    >>> import smd_notebook as smd
    >>> [len(channel) for channel in smd.read(shipped("solar-home-dst-week.xml.gz")).channels]
    [676, 676, 7]
    """
    if name not in FILES:
        raise ConfigurationError(f"no file is called {name!r}", hint="Known: " + ", ".join(FILES) + ".")
    return Path(__file__).with_name("data") / name
