"""The table that utilities' portals call "Download My Data" (CSV) to a Document, as if it had come as ESPI.

There is no specification of it. Columns are told by name; what a row means is told by its columns and not by the utility. Its clock is
the local wall clock, its numbers are rounded, and what stands above the table is personal.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np

from smd_notebook.errors import Finding, NotEspiError, ReadError
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
from smd_notebook.espi.resources import Interval, Node, decimal_of
from smd_notebook.espi.source import Handle

#: The portal is PG&E's before all others', so its zone is taken where nothing else names one, and that is said.
_ASSUMED_ZONE = "America/Los_Angeles"
#: Unit as the table spells it -> (uom, power of ten)
_UNITS = {
    "kwh": (72, 3),
    "wh": (72, 0),
    "mwh": (72, 6),
    "kw": (38, 3),
    "therms": (169, 0),
    "therm": (169, 0),
    "ccf": (119, 2),
    "mcf": (119, 3),
    "cf": (119, 0),
    "m3": (42, 0),
    "gal": (128, 0),
    "gallons": (128, 0),
}
_SERVICES = {"electric": 0, "gas": 1, "water": 2}
_COMMODITY = {0: 1, 1: 7, 2: 9}
_DELIVERED, _RECEIVED = 1, 19
_ESTIMATED = 8
_DATES = ((re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})"), (0, 1, 2)), (re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})"), (2, 0, 1)))
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::\d{2})?\s*([AaPp][Mm])?")
_VALUE = re.compile(r"(usage|import|export)\s*(?:\(([^)]*)\))?", re.IGNORECASE)
_COST_RAW = 100_000
#: Characters that XML, as which a document may be written, cannot hold.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NUMBER = re.compile(r"[+-]?(?:[1-9]\d{0,2}(?:,\d{3})+|\d+)?(?:\.\d*)?(?:[eE][+-]?\d+)?")
#: Raw numbers beyond this, and years outside these, are no meter's.
_LARGEST, _TOO_LARGE = 1 << 53, 1 << 63
_YEARS = range(1900, 2200)
_USD = 840


@dataclass
class _Row:
    """One row of the table: local wall-clock start and end (exclusive), and what it says."""

    line: int
    start: datetime
    end: datetime | None
    value: Decimal
    cost: str
    note: str


@dataclass
class _Table:
    """The rows of one series: a service, a direction, a unit; by intervals or by bills."""

    service: int
    flow: int | None
    unit: str
    bills: bool
    rows: list[_Row] = field(default_factory=list)


def looks_like_csv(head: bytes) -> bool:
    r"""Whether the first bytes of a stream are those of a portal's table.

    >>> looks_like_csv(b"Name,JANE DOE\n\nTYPE,DATE,START TIME,END TIME,USAGE,UNITS,COST,NOTES\n"), looks_like_csv(b"a,b\n1,2\n")
    (True, False)
    """
    text = _decoded(head).upper()
    return not text.lstrip().startswith("<") and any(
        "DATE" in line and ("USAGE" in line or "IMPORT" in line) and "," in line for line in text.splitlines()
    )


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
    prologue, tables, empty = _tables(handle)
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
        point = f"portal/{alias}/UsagePoint/{next(name for name, code in _SERVICES.items() if code == table.service)}"
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


# -- text to rows ------------------------------------------------------------------------------------------------------------------------


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", errors="replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", errors="replace")
    return _NOT_XML.sub("\ufffd", text)


def _tables(handle: Handle) -> tuple[Node, list[_Table], int]:
    """Return what stands above the table, the series in it, and how many of its rows are empty."""
    prologue: Node = {}
    tables: dict[tuple[object, ...], _Table] = {}
    columns: dict[str, int] = {}
    empty = 0
    reader = csv.reader(io.StringIO(_decoded(b"".join(handle.chunks())), newline=""))
    for cells in _lines(reader, handle):
        if columns and any("\n" in cell or "\r" in cell for cell in cells):
            raise ReadError("a quote is opened in a row and not closed", source=handle.name, line=reader.line_num, hint="Mend the line.")
        cells = [cell.strip() for cell in cells]
        names = [re.sub(r"\s+", " ", cell).upper() for cell in cells]
        if ("DATE" in names or "START DATE" in names) and any(_VALUE.fullmatch(name) for name in names):
            columns = {name: place for place, name in enumerate(names) if name}
        elif columns and any(cells):
            rows = list(_row(cells, columns, handle, reader.line_num))
            empty += not rows
            for key, row in rows:
                tables.setdefault(key, _Table(*key)).rows.append(row)  # type: ignore[arg-type]
        elif len(cells) > 1 and cells[0] and cells[1]:
            name = re.sub(r"[^A-Za-z0-9]+", "_", cells[0]).strip("_")  # as XML could call it
            name = name if name[:1].isalpha() else f"line_{name}"
            prologue.setdefault(name, []).append(", ".join(cell for cell in cells[1:] if cell))
    if not columns:
        raise NotEspiError("there is no table of usage in it", source=handle.name, hint="Its header has DATE and USAGE or IMPORT.")
    return prologue, list(tables.values()), empty


def _lines(reader: Iterator[list[str]], handle: Handle) -> Iterator[list[str]]:
    """Yield the rows of a CSV file."""
    try:
        yield from reader
    except csv.Error:
        line = getattr(reader, "line_num", None)
        raise ReadError("the line is no CSV", source=handle.name, line=line, hint="A quote may be open; mend the line.") from None


def _row(cells: list[str], columns: dict[str, int], handle: Handle, line: int) -> Iterator[tuple[tuple[object, ...], _Row]]:
    """Yield a row once for each quantity it has: usage, or import and export."""

    def cell(*names: str) -> str:
        places = [columns[name] for name in names if name in columns and columns[name] < len(cells)]
        return cells[places[0]] if places else ""

    def bad(what: str) -> ReadError:
        return ReadError(f"the {what} of a row cannot be read", source=handle.name, line=line, hint="Mend the line, or leave it out.")

    kind = cell("TYPE").lower()
    bills = "billing" in kind or "START DATE" in columns
    first, last = _date(cell("START DATE", "DATE")), _date(cell("END DATE", "DATE"))
    if first is None or last is None:
        raise bad("date")
    begin, stop = cell("START TIME"), cell("END TIME")
    end: datetime | None
    if bills or not begin:
        start, end = datetime.combine(first, time()), datetime.combine(last + timedelta(days=1), time())
    else:
        begins, stops = _clock(begin), _clock(stop) if stop else None
        if begins is None or (stop and stops is None):
            raise bad("time")
        start = datetime.combine(first, time()) + begins
        end = _exclusive(start, datetime.combine(first, time()) + stops) if stops is not None else None
    for name, place in columns.items():
        match = _VALUE.fullmatch(name)
        text = cells[place] if match and place < len(cells) else ""
        if not match or not text:
            continue
        word, unit = match[1].lower(), (match[2] or cell("UNITS", "UNIT")).strip().lower()
        if unit not in _UNITS:
            raise bad("unit")
        number = _decimal(text)
        if number is None:
            raise bad("usage")
        service = next((code for name, code in _SERVICES.items() if name in kind), 1 if _UNITS[unit][0] in (169, 119) else 0)
        flow = {"import": _DELIVERED, "export": _RECEIVED}.get(word)
        cost = "" if word == "export" else cell("COST", "TOTAL IMPORT COST", "TOTAL COST")
        yield (service, flow, unit, bills), _Row(line, start, end, number, cost, cell("NOTES"))


def _decimal(text: str) -> Decimal | None:
    """Return a number as portals write it, with commas between thousands only; None where it is none, or no meter's."""
    number = decimal_of(text.replace(",", "")) if _NUMBER.fullmatch(text) else None
    return number if number is not None and int(number.as_tuple().exponent) >= -12 and abs(number) < _LARGEST else None


def _date(text: str) -> date | None:
    for pattern, (year, month, day) in _DATES:
        if match := pattern.fullmatch(text):
            parts = match.groups()
            try:
                found = date(int(parts[year]), int(parts[month]), int(parts[day]))
            except ValueError:
                return None
            return found if found.year in _YEARS else None
    return None


def _clock(text: str) -> timedelta | None:
    match = _TIME.fullmatch(text)
    if not match:
        return None
    hour, minute = int(match[1]), int(match[2])
    if match[3]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if match[3].lower() == "pm" else 0)
    return timedelta(hours=hour, minutes=minute) if hour * 60 + minute <= 24 * 60 and minute < 60 else None


def _exclusive(start: datetime, stop: datetime) -> datetime:
    """Return the exclusive end: portals write the last minute (00:59), a few the next one (01:00)."""
    if stop < start or (stop == start and stop.time() == time()):
        stop += timedelta(days=1)
    return stop if (stop - start) % timedelta(minutes=5) == timedelta() and stop > start else stop + timedelta(minutes=1)


# -- rows to readings ----------------------------------------------------------------------------------------------------------------------


def _reading_type(table: _Table, href: str, source: str) -> ReadingType:
    uom, power = _UNITS[table.unit]
    return ReadingType(
        accumulation=4,
        commodity=_COMMODITY[table.service],
        currency=_USD,
        flow_direction=table.flow,
        power_of_ten=power,
        uom=uom,
        entry=Entry(href=href, source=source, number=1),
    )


def _readings(table: _Table, zone: ZoneInfo, handle: Handle, findings: list[Finding]) -> Readings:
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


def _ends(rows: Sequence[_Row], handle: Handle) -> list[datetime]:
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


def _money(row: _Row, handle: Handle) -> int:
    text = row.cost.replace("$", "").replace(" ", "")
    if not text:
        return int(MISSING)
    if text.startswith("(") and text.endswith(")"):
        text = "-" + text[1:-1]
    number = _decimal(text)
    if number is None:
        raise ReadError("the cost of a row cannot be read", source=handle.name, line=row.line, hint="Mend the line, or leave it out.")
    return int((number * _COST_RAW).to_integral_value())


def _say_rounding(
    value: np.ndarray[tuple[int], np.dtype[np.int64]], exponent: int, table: _Table, source: str, findings: list[Finding]
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
