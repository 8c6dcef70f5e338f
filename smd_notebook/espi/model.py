"""The information model: pure data, one dataclass an ESPI resource; readings as columns.

Field order is the order of the schema's sequences, so that the writer needs no table of its own. Nothing here reads or writes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from smd_notebook.errors import Finding
from smd_notebook.espi import codes
from smd_notebook.espi.dialects import STANDARD, Dialect
from smd_notebook.espi.resources import Interval, Node, extra_field, xml

#: How a missing number is written in an integer column.
MISSING = np.iinfo(np.int64).min
MISSING_SMALL = np.iinfo(np.int16).min

#: No clock of today means a time beyond the year 2200 [s since 1970-01-01T00:00Z].
LATEST = 7_258_118_400

Column = npt.NDArray[np.int64]
SmallColumn = npt.NDArray[np.int16]

#: Scheme and host of an absolute link, in whatever state: urllib refuses some.
_HOST = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


def path_of(href: str) -> str:
    """Return an href without scheme, host and outer slashes, the form in which links are compared.

    >>> path_of("https://api.example.com/espi/1_1/resource/UsagePoint/1/"), path_of("ReadingType/07")
    ('espi/1_1/resource/UsagePoint/1', 'ReadingType/07')
    """
    if host := _HOST.match(href):
        href = href[host.end() :].partition("#")[0]
    return href.strip().strip("/")


@dataclass(frozen=True, slots=True)
class Entry:
    """The Atom envelope of a resource: hrefs as written, their order in the feed, and where the resource stood."""

    href: str = ""
    up: str = ""
    related: tuple[str, ...] = ()
    id: str = ""
    title: str = field(default="", repr=False)
    published: str = ""
    updated: str = ""
    source: str = ""
    number: int = 0
    extra: Node = field(default_factory=dict, repr=False)

    @property
    def path(self) -> str:
        """The self link as links are compared."""
        return path_of(self.href)


@dataclass(frozen=True)
class Measurement:
    """One summary value (espi:SummaryMeasurement): ``value * 10**power_of_ten`` in `uom`."""

    power_of_ten: int | None = xml("powerOfTenMultiplier")
    time_stamp: int | None = xml("timeStamp", "epoch")
    uom: int | None = xml("uom")
    value: int | Decimal | None = xml("value", "number")
    reading_type_ref: str | None = xml("readingTypeRef", "text")
    extra: Node = extra_field()

    @property
    def unit(self) -> str | None:
        """The unit's symbol, without prefix."""
        unit = codes.unit_of(self.uom)
        return unit.symbol if unit else None


@dataclass(frozen=True)
class ServiceCategory:
    """espi:ServiceCategory."""

    kind: int | None = xml("kind")
    extra: Node = extra_field()


@dataclass(frozen=True)
class ServiceDeliveryPoint:
    """espi:ServiceDeliveryPoint; its name and agreement identify a customer and are not shown."""

    name: str | None = xml("name", "text", repr=False)
    tariff_profile: str | None = xml("tariffProfile", "text")
    customer_agreement: str | None = xml("customerAgreement", "text", repr=False)
    extra: Node = extra_field()


@dataclass(frozen=True)
class UsagePoint:
    """A point where a service is delivered and measured (espi:UsagePoint)."""

    role_flags: str | None = xml("roleFlags", "text")
    service_category: ServiceCategory | None = xml("ServiceCategory", ServiceCategory)
    status: int | None = xml("status")
    service_delivery_point: ServiceDeliveryPoint | None = xml("serviceDeliveryPoint", ServiceDeliveryPoint)
    ami_billing_ready: str | None = xml("amiBillingReady", "text")
    check_billing: bool | None = xml("checkBilling", "bool")
    connection_state: str | None = xml("connectionState", "text")
    estimated_load: Measurement | None = xml("estimatedLoad", Measurement)
    grounded: bool | None = xml("grounded", "bool")
    is_sdp: bool | None = xml("isSdp", "bool")
    is_virtual: bool | None = xml("isVirtual", "bool")
    minimal_usage_expected: bool | None = xml("minimalUsageExpected", "bool")
    nominal_service_voltage: Measurement | None = xml("nominalServiceVoltage", Measurement)
    outage_region: str | None = xml("outageRegion", "text")
    phase_code: int | None = xml("phaseCode")
    rated_current: Measurement | None = xml("ratedCurrent", Measurement)
    rated_power: Measurement | None = xml("ratedPower", Measurement)
    read_cycle: str | None = xml("readCycle", "text")
    read_route: str | None = xml("readRoute", "text", repr=False)
    service_priority: str | None = xml("servicePriority", "text")
    entry: Entry = field(default_factory=Entry)
    extra: Node = extra_field()

    @property
    def service(self) -> str | None:
        """The service's name, where the UsagePoint says it."""
        kind = self.service_category.kind if self.service_category else None
        return None if kind is None else codes.SERVICE.get(kind, f"service{kind}")


@dataclass(frozen=True)
class MeterReading:
    """What binds blocks to a ReadingType (espi:MeterReading); it has no content of its own."""

    entry: Entry = field(default_factory=Entry)
    extra: Node = extra_field()


@dataclass(frozen=True)
class ReadingType:
    """What the readings of a MeterReading are (espi:ReadingType)."""

    accumulation: int | None = xml("accumulationBehaviour")
    commodity: int | None = xml("commodity")
    tier: int | None = xml("consumptionTier")
    currency: int | None = xml("currency")
    data_qualifier: int | None = xml("dataQualifier")
    default_quality: int | None = xml("defaultQuality")
    flow_direction: int | None = xml("flowDirection")
    interval_length: int | None = xml("intervalLength")
    kind: int | None = xml("kind")
    phase: int | None = xml("phase")
    power_of_ten: int | None = xml("powerOfTenMultiplier")
    time_attribute: int | None = xml("timeAttribute")
    tou: int | None = xml("tou")
    uom: int | None = xml("uom")
    cpp: int | None = xml("cpp")
    measuring_period: int | None = xml("measuringPeriod")
    entry: Entry = field(default_factory=Entry)
    extra: Node = extra_field()

    @property
    def measure(self) -> codes.Measure:
        """What it measures."""
        return codes.measure_of(self.uom, self.accumulation)

    @property
    def flow(self) -> str:
        """Which way energy flows."""
        code = self.flow_direction or 0
        return codes.FLOW.get(code) or (codes.ACTIVE_FLOW.get(code) if self.uom in codes.ACTIVE_UOMS else None) or "unstated"

    @property
    def codes(self) -> tuple[object, ...]:
        """All codes, for telling two ReadingTypes apart."""
        listed = (getattr(self, name) for name, one in self.__dataclass_fields__.items() if "tag" in one.metadata)
        return (*listed, repr(sorted(self.extra.items())))


@dataclass(frozen=True)
class LocalTime:
    """The clock of a place (espi:LocalTimeParameters): `tz_offset` [s] from UTC without DST, `dst_offset` [s], coded rules."""

    dst_end_rule: str | None = xml("dstEndRule", "text")
    dst_offset: int | None = xml("dstOffset")
    dst_start_rule: str | None = xml("dstStartRule", "text")
    tz_offset: int | None = xml("tzOffset")
    entry: Entry = field(default_factory=Entry)
    extra: Node = extra_field()


@dataclass(frozen=True)
class LineItem:
    """One line of a bill (espi:LineItem); `amount` is raw, see `Summary`."""

    amount: int | Decimal | None = xml("amount", "number")
    rounding: int | Decimal | None = xml("rounding", "number")
    date_time: int | None = xml("dateTime", "epoch")
    note: str | None = xml("note", "text")
    measurement: Measurement | None = xml("measurement", Measurement)
    item_kind: int | None = xml("itemKind")
    unit_cost: int | Decimal | None = xml("unitCost", "number")
    item_period: Interval | None = xml("itemPeriod", Interval)
    extra: Node = extra_field()


@dataclass(frozen=True)
class Summary:
    """A bill's summary (espi:UsageSummary, and the older ElectricPowerUsageSummary).

    Money is raw, in 1/100 000 of the currency unless the utility does otherwise.
    """

    billing_period: Interval | None = xml("billingPeriod", Interval)
    bill_last_period: int | Decimal | None = xml("billLastPeriod", "number")
    bill_to_date: int | Decimal | None = xml("billToDate", "number")
    cost_additional_last_period: int | Decimal | None = xml("costAdditionalLastPeriod", "number")
    lines: tuple[LineItem, ...] = xml("costAdditionalDetailLastPeriod", LineItem, many=True)
    currency: int | None = xml("currency")
    overall_consumption_last_period: Measurement | None = xml("overallConsumptionLastPeriod", Measurement)
    current_billing_period_overall_consumption: Measurement | None = xml("currentBillingPeriodOverAllConsumption", Measurement)
    current_day_last_year_net_consumption: Measurement | None = xml("currentDayLastYearNetConsumption", Measurement)
    current_day_net_consumption: Measurement | None = xml("currentDayNetConsumption", Measurement)
    current_day_overall_consumption: Measurement | None = xml("currentDayOverallConsumption", Measurement)
    peak_demand: Measurement | None = xml("peakDemand", Measurement)
    previous_day_last_year_overall_consumption: Measurement | None = xml("previousDayLastYearOverallConsumption", Measurement)
    previous_day_net_consumption: Measurement | None = xml("previousDayNetConsumption", Measurement)
    previous_day_overall_consumption: Measurement | None = xml("previousDayOverallConsumption", Measurement)
    quality: int | None = xml("qualityOfReading")
    ratchet_demand: Measurement | None = xml("ratchetDemand", Measurement)
    ratchet_demand_period: Interval | None = xml("ratchetDemandPeriod", Interval)
    status_time_stamp: int | None = xml("statusTimeStamp", "epoch")
    commodity: int | None = xml("commodity")
    tariff_profile: str | None = xml("tariffProfile", "text")
    read_cycle: str | None = xml("readCycle", "text")
    element: str = "UsageSummary"
    entry: Entry = field(default_factory=Entry)
    extra: Node = extra_field()


@dataclass(frozen=True)
class QualitySummary:
    """Power quality over a span (espi:ElectricPowerQualitySummary)."""

    flicker_plt: int | Decimal | None = xml("flickerPlt", "number")
    flicker_pst: int | Decimal | None = xml("flickerPst", "number")
    harmonic_voltage: int | Decimal | None = xml("harmonicVoltage", "number")
    long_interruptions: int | Decimal | None = xml("longInterruptions", "number")
    mains_voltage: int | Decimal | None = xml("mainsVoltage", "number")
    measurement_protocol: int | None = xml("measurementProtocol")
    power_frequency: int | Decimal | None = xml("powerFrequency", "number")
    rapid_voltage_changes: int | Decimal | None = xml("rapidVoltageChanges", "number")
    short_interruptions: int | Decimal | None = xml("shortInterruptions", "number")
    summary_interval: Interval | None = xml("summaryInterval", Interval)
    supply_voltage_dips: int | Decimal | None = xml("supplyVoltageDips", "number")
    supply_voltage_imbalance: int | Decimal | None = xml("supplyVoltageImbalance", "number")
    supply_voltage_variations: int | Decimal | None = xml("supplyVoltageVariations", "number")
    temporary_overvoltage: int | Decimal | None = xml("tempOvervoltage", "number")
    entry: Entry = field(default_factory=Entry)
    extra: Node = extra_field()


@dataclass(frozen=True)
class Program:
    """The name of a TOU, CPP or tier number (espi:programIdMapping)."""

    kind: str | None = xml("tOUorCPPorConsumptionTier", "text")
    code: int | None = xml("code")
    name: str | None = xml("name", "text")
    note: str | None = xml("note", "text")
    extra: Node = extra_field()


@dataclass(frozen=True)
class ProgramMappings:
    """The names of a feed's TOU, CPP and tier numbers (espi:ProgramIdMappings)."""

    programs: tuple[Program, ...] = xml("programIdMapping", Program, many=True)
    entry: Entry = field(default_factory=Entry)
    extra: Node = extra_field()


@dataclass(frozen=True)
class Other:
    """A resource that has no class here, such as one of the retail customer's: its element's name and node, nothing lost."""

    element: str
    node: Node = field(repr=False)
    entry: Entry = field(default_factory=Entry)


@dataclass(frozen=True, eq=False)
class Readings:
    """Readings as columns, in document order; each array has shape (n,).

    Parameters
    ----------
    start : array of int64
        Interval start [s since 1970-01-01T00:00Z]; `MISSING` where the feed has no timePeriod.
    duration : array of int64
        Interval length [s]; `MISSING` where the feed has none.
    value : array of int64
        Raw value; the physical one is ``value * 10**(exponent + powerOfTenMultiplier)``. `MISSING` where there is none.
    cost : array of int64
        Raw cost, 1/100 000 of the currency at most utilities.
    quality, tou, tier, cpp : array of int16
        Code numbers; `MISSING_SMALL` where there is none.
    exponent : int
        Power of ten that decimals in the feed made necessary; 0 in a feed that keeps to the schema.
    extra : dict
        Row number to what a reading held beyond these.
    """

    start: Column
    duration: Column
    value: Column
    cost: Column
    quality: SmallColumn
    tou: SmallColumn
    tier: SmallColumn
    cpp: SmallColumn
    exponent: int = 0
    extra: dict[int, Node] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.start)


COLUMNS = ("start", "duration", "value", "cost", "quality", "tou", "tier", "cpp")
_NONE, _NONE_SMALL = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int16)
EMPTY = Readings(_NONE, _NONE, _NONE, _NONE, _NONE_SMALL, _NONE_SMALL, _NONE_SMALL, _NONE_SMALL)


@dataclass(frozen=True, eq=False)
class Block:
    """One IntervalBlock: its own interval, its readings, the entry it stood in, and when that (else its feed) was updated."""

    readings: Readings
    interval: Interval | None = None
    entry: Entry = field(default_factory=Entry)
    updated: str = ""
    extra: Node = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Channel:
    """One series: the readings of a UsagePoint that are of one kind.

    `key` is its identity: the UsagePoint's key, then what tells its channels apart. `label` is readable and unique in a document.
    A list of channels is looked at to choose from, so that only what chooses is shown.
    """

    label: str
    key: tuple[object, ...] = field(repr=False)
    usage_point: str
    service: str | None
    measure: codes.Measure
    flow: str
    unit: str | None
    interval_length: int | None
    reading_type: ReadingType | None = field(repr=False)
    meter_reading: MeterReading = field(repr=False)
    local_time: LocalTime | None = field(repr=False)
    dialect: Dialect = field(repr=False)
    blocks: tuple[Block, ...] = field(repr=False)

    @property
    def power_of_ten(self) -> int:
        """The ReadingType's powerOfTenMultiplier; 0 where it has none."""
        return (self.reading_type.power_of_ten if self.reading_type else None) or 0

    @property
    def currency(self) -> str | None:
        """ISO letters of the currency that costs are in; the digits where the schema does not list it."""
        number = self.reading_type.currency if self.reading_type else None
        return codes.CURRENCY.get(number, str(number)) if number else None

    def __len__(self) -> int:
        return sum(len(block.readings) for block in self.blocks)


@dataclass(frozen=True, eq=False)
class Document:
    """Everything that one or several feeds hold, in document order; `channels` come from `links.link`."""

    sources: tuple[str, ...] = ()
    feeds: tuple[Entry, ...] = ()
    usage_points: tuple[UsagePoint, ...] = ()
    meter_readings: tuple[MeterReading, ...] = ()
    reading_types: tuple[ReadingType, ...] = ()
    local_times: tuple[LocalTime, ...] = ()
    summaries: tuple[Summary, ...] = ()
    quality_summaries: tuple[QualitySummary, ...] = ()
    program_mappings: tuple[ProgramMappings, ...] = ()
    others: tuple[Any, ...] = ()
    blocks: tuple[Block, ...] = ()
    channels: tuple[Channel, ...] = ()
    dialect: Dialect = STANDARD
    findings: tuple[Finding, ...] = ()

    @cached_property
    def dialects(self) -> dict[str, Dialect]:
        """Key of each UsagePoint that has channels, and its utility's habits."""
        return {channel.usage_point: channel.dialect for channel in self.channels}
