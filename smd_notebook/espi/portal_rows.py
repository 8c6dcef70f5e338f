"""The text of a portal's table to rows: columns are told by name, and each row is a time, a number and what stands beside it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from smd_notebook.errors import NotEspiError, ReadError
from smd_notebook.espi.resources import Node, decimal_of
from smd_notebook.espi.source import Handle

__all__ = ["SERVICES", "UNITS", "Row", "Table", "decimal", "looks_like_csv", "tables_in"]

#: Unit as the table spells it -> (uom, power of ten)
UNITS = {
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
SERVICES = {"electric": 0, "gas": 1, "water": 2}
_DELIVERED, _RECEIVED = 1, 19
_DATES = ((re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})"), (0, 1, 2)), (re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})"), (2, 0, 1)))
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::\d{2})?\s*([AaPp][Mm])?")
_VALUE = re.compile(r"(usage|import|export)\s*(?:\(([^)]*)\))?", re.IGNORECASE)
#: Characters that XML, as which a document may be written, cannot hold.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NUMBER = re.compile(r"[+-]?(?:[1-9]\d{0,2}(?:,\d{3})+|\d+)?(?:\.\d*)?(?:[eE][+-]?\d+)?")
#: Numbers beyond this, and years outside these, are no meter's.
_LARGEST = 1 << 53
_YEARS = range(1900, 2200)


@dataclass
class Row:
    """One row of the table: local wall-clock start and end (exclusive), and what it says."""

    line: int
    start: datetime
    end: datetime | None
    value: Decimal
    cost: str
    note: str


@dataclass
class Table:
    """The rows of one series: a service, a direction, a unit; by intervals or by bills."""

    service: int
    flow: int | None
    unit: str
    bills: bool
    rows: list[Row] = field(default_factory=list)


def looks_like_csv(head: bytes) -> bool:
    r"""Whether the first bytes of a stream are those of a portal's table.

    >>> looks_like_csv(b"Name,JANE DOE\n\nTYPE,DATE,START TIME,END TIME,USAGE,UNITS,COST,NOTES\n"), looks_like_csv(b"a,b\n1,2\n")
    (True, False)
    """
    text = _decoded(head).upper()
    return not text.lstrip().startswith("<") and any(
        "DATE" in line and ("USAGE" in line or "IMPORT" in line) and "," in line for line in text.splitlines()
    )


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", errors="replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", errors="replace")
    return _NOT_XML.sub("\ufffd", text)


def tables_in(handle: Handle) -> tuple[Node, list[Table], int]:
    """Return what stands above the table, the series in it, and how many of its rows are empty."""
    prologue: Node = {}
    tables: dict[tuple[object, ...], Table] = {}
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
                tables.setdefault(key, Table(*key)).rows.append(row)  # type: ignore[arg-type]
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


def _row(cells: list[str], columns: dict[str, int], handle: Handle, line: int) -> Iterator[tuple[tuple[object, ...], Row]]:
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
        if unit not in UNITS:
            raise bad("unit")
        number = decimal(text)
        if number is None:
            raise bad("usage")
        service = next((code for name, code in SERVICES.items() if name in kind), 1 if UNITS[unit][0] in (169, 119) else 0)
        flow = {"import": _DELIVERED, "export": _RECEIVED}.get(word)
        cost = "" if word == "export" else cell("COST", "TOTAL IMPORT COST", "TOTAL COST")
        yield (service, flow, unit, bills), Row(line, start, end, number, cost, cell("NOTES"))


def decimal(text: str) -> Decimal | None:
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
