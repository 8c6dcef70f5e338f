"""The table that utilities' portals call "Download My Data" (CSV) to a Document, as if it had come as ESPI.

There is no specification of it. Columns are told by name; what a row means is told by its columns and not by the utility. Its clock is
the local wall clock, its numbers are rounded, and what stands above the table is personal.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np

from smd_notebook.errors import Finding, ReadError
from smd_notebook.espi.dialects import DIALECTS, STANDARD, TABLE, Dialect
from smd_notebook.espi.links import link
from smd_notebook.espi.model import (
    MISSING,
    MISSING_SMALL,
    Block,
    Document,
    Entry,
    Measurement,
    MeterReading,
    Other,
    Readings,
    ReadingType,
    ServiceCategory,
    Summary,
    UsagePoint,
)
from smd_notebook.espi.portal_rows import SERVICES, UNITS, Row, Table, decimal, tables_in
from smd_notebook.espi.resources import Interval
from smd_notebook.espi.source import Handle

#: The portal is PG&E's before all others', so its zone is taken where nothing else names one, and that is said.
_ASSUMED_ZONE = "America/Los_Angeles"
_COMMODITY = {0: 1, 1: 7, 2: 9}
_ESTIMATED = 8
_COST_RAW = 100_000
#: Raw numbers beyond this are no meter's.
_TOO_LARGE = 1 << 63
_USD = 840


def read_table(handle: Handle, *, tz: str | None = None, dialect: Dialect | None = None) -> Document:
    """Read one table; return it as a linked document.

    Parameters
    ----------
    handle : Handle
        The stream.
    tz : str, optional
        IANA zone of its wall clock; by default the utility's.
    dialect : Dialect, optional
        The utility; by default told by the file's name.

    Raises
    ------
    NotEspiError
        Where there is no such table in it.
    ReadError
        Where a date, a time, a number or a unit cannot be read; it names file and line.
    """
    findings: list[Finding] = []
    prologue, tables, empty = tables_in(handle)
    if empty:
        text = "rows of the table have no usage; they were left out"
        findings.append(Finding("row-empty", "warning", text, "Their time counts as missing.", n=empty, source=handle.name))
    if dialect is None:
        words = re.split(r"[^a-z]+", handle.name.lower())
        dialect = next((one for one in DIALECTS if one.name in words), None)
    zone = tz or (dialect.zone if dialect else None)
    if zone is None:
        zone = _ASSUMED_ZONE
        text = f"the table does not say whose it is; its wall clock was taken as {zone}"
        findings.append(
            Finding("zone-assumed", "warning", text, "Name the zone if it is another: tz='America/New_York'.", source=handle.name)
        )
    said = "\n".join(f"{key}\t{value}" for key, value in sorted(prologue.items()))
    alias = hashlib.sha256(said.encode()).hexdigest()[:10] if said else "unnamed"
    points: dict[int, UsagePoint] = {}
    parts: dict[str, list[object]] = {name: [] for name in ("meter_readings", "reading_types", "blocks", "summaries")}
    for number, table in enumerate(tables, 1):
        point = f"portal/{alias}/UsagePoint/{next(name for name, code in SERVICES.items() if code == table.service)}"
        entry = Entry(href=point, source=handle.name, number=1)
        points.setdefault(table.service, UsagePoint(service_category=ServiceCategory(table.service), entry=entry))
        reading_type = _reading_type(table, f"portal/{alias}/ReadingType/{number}", handle.name)
        own = f"{point}/MeterReading/{number}"
        readings = _readings(table, ZoneInfo(zone), handle, findings)
        length = Counter(readings.duration.tolist()).most_common(1)[0][0]
        if not table.bills:
            reading_type = replace(reading_type, interval_length=length)
        parts["reading_types"].append(reading_type)
        meter_entry = Entry(href=own, related=(reading_type.entry.href,), source=handle.name, number=number + 1)
        parts["meter_readings"].append(MeterReading(entry=meter_entry))
        block_entry = Entry(href=f"{own}/IntervalBlock/1", up=f"{own}/IntervalBlock", source=handle.name, number=number + 1)
        parts["blocks"].append(Block(readings, entry=block_entry))
        if table.bills:
            parts["summaries"] += _summaries(readings, reading_type, point, handle.name)
    others = (Other("Prologue", dict(prologue), Entry(href=f"portal/{alias}", source=handle.name)),) if prologue else ()
    document = Document(
        sources=(handle.name,),
        usage_points=tuple(points.values()),
        others=others,
        findings=tuple(findings),
        **{name: tuple(items) for name, items in parts.items()},  # type: ignore[arg-type]
    )
    return link(document, replace(dialect or STANDARD, name=TABLE, zone=zone, unique_usage_points=False))


# -- rows to readings ----------------------------------------------------------------------------------------------------------------------


def _reading_type(table: Table, href: str, source: str) -> ReadingType:
    uom, power = UNITS[table.unit]
    return ReadingType(
        accumulation=4,
        commodity=_COMMODITY[table.service],
        currency=_USD,
        flow_direction=table.flow,
        power_of_ten=power,
        uom=uom,
        entry=Entry(href=href, source=source, number=1),
    )


def _readings(table: Table, zone: ZoneInfo, handle: Handle, findings: list[Finding]) -> Readings:
    rows = table.rows
    # newest first, told by most steps and not by the ends: whole days may stand newest first with their hours in order
    steps = [(after.start > before.start) - (after.start < before.start) for before, after in pairwise(rows)]
    if sum(steps) < 0:
        rows = rows[::-1]
    ends = _ends(rows, handle)
    start = _instants([row.start for row in rows], zone, handle.name, findings)
    duration = [int((_utc(end, zone, 0) - _utc(row.start, zone, 0)).total_seconds()) for row, end in zip(rows, ends, strict=True)]
    if not table.bills:
        # an interval within a day is as long as its clock times say, also where it ends at a change of the clock
        wall = [int((end - row.start).total_seconds()) for row, end in zip(rows, ends, strict=True)]
        duration = [length if length < 86_400 else elapsed for length, elapsed in zip(wall, duration, strict=True)]
    exponent = min(0, *(int(row.value.as_tuple().exponent) for row in rows))
    if max(abs(row.value) for row in rows).scaleb(-exponent) >= _TOO_LARGE:
        raise ReadError(
            "the usage of a row is too large for its decimals", source=handle.name, hint="Mend the table, or leave the row out."
        )
    value = np.array([int(row.value.scaleb(-exponent)) for row in rows], dtype=np.int64)
    _say_rounding(value, exponent, table, handle.name, findings)
    none = np.full(len(rows), MISSING_SMALL, dtype=np.int16)
    quality = np.where([bool(re.search("estimat", row.note, re.IGNORECASE)) for row in rows], np.int16(_ESTIMATED), none)
    return Readings(
        start=start,
        duration=np.array(duration, dtype=np.int64),
        value=value,
        cost=np.array([_money(row, handle) for row in rows], dtype=np.int64),
        quality=quality,
        tou=none,
        tier=none,
        cpp=none,
        exponent=exponent,
        extra={place: {"NOTES": row.note} for place, row in enumerate(rows) if row.note},
    )


def _ends(rows: Sequence[Row], handle: Handle) -> list[datetime]:
    """Return each row's exclusive end; where the table has none, the usual step between rows says it."""
    if all(row.end is not None for row in rows):
        return [row.end for row in rows if row.end is not None]
    steps = Counter(after.start - before.start for before, after in pairwise(rows) if after.start > before.start)
    if not steps:
        raise ReadError(
            "the table has no END TIME, and too few rows to tell how long they are",
            source=handle.name,
            hint="Get the data as Green Button XML.",
        )
    step = steps.most_common(1)[0][0]
    return [row.end or row.start + step for row in rows]


def _utc(local: datetime, zone: ZoneInfo, fold: int) -> datetime:
    return local.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _instants(
    local: Sequence[datetime], zone: ZoneInfo, source: str, findings: list[Finding]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return UTC seconds of local wall-clock times; of a repeated hour, the first row is the one before the change."""
    seen: Counter[datetime] = Counter()
    counts = Counter(local)
    starts, alone, absent = [], 0, 0
    for moment in local:
        early, late = _utc(moment, zone, 0), _utc(moment, zone, 1)
        if early > late:  # a time that the clock jumped over
            absent += 1
            starts.append(MISSING)
            continue
        if early < late and counts[moment] == 1:
            alone += 1
        # odd and even, as a file may hold a day twice over
        starts.append(int((late if early < late and seen[moment] % 2 else early).timestamp()))
        seen[moment] += 1
    if alone:
        text = "the hour that autumn repeats stands once; whether it is the first, the second or both is not known; it was put first"
        findings.append(Finding("autumn-hour-once", "warning", text, "Get the data as Green Button XML.", n=alone, source=source))
    if absent:
        text = "rows stand at a local time that the clock jumps over in spring; they have no start"
        findings.append(Finding("time-nonexistent", "error", text, "See whether the zone is right: tz=.", n=absent, source=source))
    return np.array(starts, dtype=np.int64)


def _money(row: Row, handle: Handle) -> int:
    text = row.cost.replace("$", "").replace(" ", "")
    if not text:
        return int(MISSING)
    if text.startswith("(") and text.endswith(")"):
        text = "-" + text[1:-1]
    number = decimal(text)
    if number is None:
        raise ReadError("the cost of a row cannot be read", source=handle.name, line=row.line, hint="Mend the line, or leave it out.")
    return int((number * _COST_RAW).to_integral_value())


def _say_rounding(
    value: np.ndarray[tuple[int], np.dtype[np.int64]], exponent: int, table: Table, source: str, findings: list[Finding]
) -> None:
    total = int(np.abs(value).sum())
    share = len(value) * 0.5 / total if total else float("inf")
    step = format(Decimal(1).scaleb(exponent), "f")
    text = f"the table rounds each interval to {step} {table.unit}; the sum may be off by up to half of that an interval (share in `value`)"
    findings.append(
        Finding(
            "rounded-values", "info", text, "Get the data as Green Button XML, which is exact.", n=len(value), value=share, source=source
        )
    )


def _summaries(readings: Readings, reading_type: ReadingType, point: str, source: str) -> list[object]:
    """Return a bill's summary for each row of a table of bills."""
    power = (reading_type.power_of_ten or 0) + readings.exponent
    return [
        Summary(
            billing_period=Interval(duration, start),
            bill_last_period=None if cost == MISSING else cost,
            currency=reading_type.currency,
            overall_consumption_last_period=Measurement(power_of_ten=power, uom=reading_type.uom, value=value),
            commodity=reading_type.commodity,
            entry=Entry(href=f"{point}/UsageSummary/{number}", up=f"{point}/UsageSummary", source=source, number=number),
        )
        for number, (start, duration, value, cost) in enumerate(
            zip(readings.start.tolist(), readings.duration.tolist(), readings.value.tolist(), readings.cost.tolist(), strict=True), 1
        )
    ]
