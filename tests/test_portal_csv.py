"""Tables as portals export them: every variant of header, date, time, unit, money and clock, written from one truth, reads equal to it."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smd_notebook as smd
from smd_notebook.errors import NotEspiError, ReadError
from tests.build import (
    block,
    blocks,
    codes_of,
    feed_xml,
    local_time,
    meter_reading,
    reading,
    reading_type,
    rows_of,
    small,
    usage_point,
)

PACIFIC, EASTERN = "America/Los_Angeles", "America/New_York"
SPRING, AUTUMN = date(2024, 3, 10), date(2024, 11, 3)
HEADER = "TYPE,DATE,START TIME,END TIME,USAGE,UNITS,COST,NOTES"
CANARY = "JANE QCANARY"


@dataclass(frozen=True)
class Hour:
    """One interval of the truth: an instant [s], its length [s], energy [kWh], cost [cents]."""

    start: int
    length: int
    energy: Decimal
    cents: int

    def local(self, zone: str, *, end: bool = False) -> datetime:
        return datetime.fromtimestamp(self.start + (self.length - 60 if end else 0), UTC).astimezone(ZoneInfo(zone))


def day(which: date, minutes: int = 60, zone: str = PACIFIC, days: int = 1) -> list[Hour]:
    """Return the intervals of local days, from midnight to midnight; each has a value of its own."""
    first, last = (datetime(one.year, one.month, one.day, tzinfo=ZoneInfo(zone)).timestamp() for one in (which, which + timedelta(days)))
    starts = range(int(first), int(last), 60 * minutes)
    return [Hour(at, 60 * minutes, Decimal(7 * k % 400 + 1) / 100, 3 * k % 500 + 1) for k, at in enumerate(starts)]


def whole_days(which: date, days: int, zone: str = PACIFIC) -> list[Hour]:
    """Return local days as one interval each: 23, 24 or 25 hours."""
    found = []
    for number in range(days):
        first, last = (which + timedelta(number + k) for k in (0, 1))
        begin, end = (int(datetime(one.year, one.month, one.day, tzinfo=ZoneInfo(zone)).timestamp()) for one in (first, last))
        found.append(Hour(begin, end - begin, Decimal(100 + number) / 100, 200 + number))
    return found


DATES = {
    "iso": lambda at: f"{at:%Y-%m-%d}",
    "us": lambda at: f"{at.month}/{at.day}/{at.year}",
    "us padded": lambda at: f"{at:%m/%d/%Y}",
}
TIMES = {
    "padded": lambda at: f"{at:%H:%M}",
    "bare": lambda at: f"{at.hour}:{at:%M}",
    "12 hours": lambda at: f"{at:%I:%M %p}",
    "seconds": lambda at: f"{at:%H:%M}:00",
}
MONEY = {
    "dollars": lambda cents: f"${cents / 100:.2f}",
    "dollars and a space": lambda cents: f"${cents / 100:.2f} ",
    "bare": lambda cents: f"{cents / 100:.2f}",
}


@dataclass(frozen=True)
class Look:
    """How a table looks; `columns` are joined by commas in the header and filled by name."""

    columns: str = HEADER
    date: str = "iso"
    time: str = "padded"
    money: str = "dollars"
    end: str = "\r\n"
    mark: str = ""
    quoted: bool = False
    prologue: str = f'Name,{CANARY}\nAddress,"123 QCANARY ST, TOWN CA 94000"\nAccount Number,9988776655\nService,Service 1\n\n'
    title: str = ""
    kind: str = "Electric usage"
    unit: str = "kWh"
    scale: Decimal = Decimal(1)


def written(hours: list[Hour], look: Look, zone: str = PACIFIC) -> bytes:
    """Return a table of the truth as one portal or another writes it."""
    lines = []
    for hour in hours:
        begin, end = hour.local(zone), hour.local(zone, end=True)
        amount = f"{hour.energy * look.scale:f}"
        cells = []
        for name in look.columns.split(","):
            cell = {
                "TYPE": look.kind,
                "DATE": DATES[look.date](begin),
                "START DATE": DATES[look.date](begin),
                "END DATE": DATES[look.date](end),
                "START TIME": TIMES[look.time](begin),
                "END TIME": TIMES[look.time](end),
                "UNITS": look.unit,
                "COST": MONEY[look.money](hour.cents),
                "TOTAL IMPORT COST": MONEY[look.money](hour.cents),
                "NOTES": "",
            }.get(name.upper())
            if cell is None:
                word = name.split(" (")[0].upper()
                cell = {"USAGE": amount, "IMPORT": amount, "EXPORT": "0.00"}[word]
            cells.append(f'"{cell}"' if look.quoted else cell)
        lines.append(",".join(cells))
    head = look.prologue + (look.title + "\n" if look.title else "")
    text = look.mark + head + look.columns + "\n" + "\n".join(lines) + "\n"
    return text.replace("\n", look.end).encode()


def read(hours: list[Hour], look: Look, zone: str = PACIFIC) -> Any:
    return smd.read(written(hours, look, zone), tz=zone)


def assert_truth(
    feed: Any, hours: list[Hour], *, cost: bool = True, per_unit: int = 1000, flow: tuple[str, ...] = ("unstated", "delivered")
) -> None:
    """Assert that a feed's rows are the truth's; `per_unit` is what makes the truth's numbers those of the frame's unit."""
    frame = feed.tidy()
    frame = frame[frame["flow"].isin(flow)]
    expected = sorted((hour.start, hour.length, float(hour.energy * per_unit), hour.cents / 100) for hour in hours)
    starts = frame["start"].dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[s]").astype("int64")
    lengths = frame["duration"].dt.total_seconds().astype(int)
    assert list(zip(starts, lengths, frame["value"], strict=True)) == [row[:3] for row in expected]
    if cost:
        assert frame["cost"].tolist() == [row[3] for row in expected]
        assert set(frame["currency"]) == {"USD"}
    else:
        assert frame["cost"].isna().all()


# -- headers, dates, times, units, money ---------------------------------------------------------------------------------------------------

HEADERS = {
    "usage, units, cost": HEADER,
    "usage, units": "TYPE,DATE,START TIME,END TIME,USAGE,UNITS,NOTES",
    "usage in kWh": "TYPE,DATE,START TIME,END TIME,USAGE (kWh),COST,NOTES",
    "import and export": "TYPE,DATE,START TIME,END TIME,IMPORT (kWh),EXPORT (kWh),COST,NOTES",
    "import and export, other case": "TYPE,DATE,START TIME,END TIME,IMPORT (KWh),EXPORT (KWh),COST,NOTES",
    "import and export, no cost": "TYPE,DATE,START TIME,END TIME,IMPORT (kWh),EXPORT (kWh),NOTES",
    "import and its cost, no end": "TYPE,DATE,START TIME,IMPORT (kWh),TOTAL IMPORT COST",
    "no type": "DATE,START TIME,END TIME,USAGE,UNITS,COST,NOTES",
    "lower case": "Type,Date,Start Time,End Time,Usage,Units,Cost,Notes",
    "columns in another order": "COST,UNITS,USAGE,END TIME,START TIME,DATE,TYPE,NOTES",
    "no notes": "TYPE,DATE,START TIME,END TIME,USAGE,UNITS,COST",
}
DAYS = {"a day": date(2025, 6, 1), "spring": SPRING, "autumn": AUTUMN}


@pytest.mark.parametrize("which", DAYS.values(), ids=DAYS)
@pytest.mark.parametrize("columns", HEADERS.values(), ids=HEADERS)
def test_every_header_on_every_day(columns: str, which: date) -> None:
    hours = day(which)
    assert len(hours) == {SPRING: 23, AUTUMN: 25}.get(which, 24)
    feed = read(hours, Look(columns))
    assert_truth(feed, hours, cost="COST" in columns.upper())
    assert codes_of(feed) == {"rounded-values"}
    assert {channel.service for channel in feed.channels} == {"electricity"}
    if "EXPORT" in columns:
        frame = feed.tidy()
        exported = frame[frame["flow"] == "received"]
        assert exported["value"].tolist() == [0.0] * len(hours)
        assert exported["cost"].isna().all()
        assert set(frame["flow"]) == {"delivered", "received"}


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("money", MONEY)
@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("dates", DATES)
def test_every_date_time_and_money(dates: str, time: str, money: str, quoted: bool) -> None:
    for which, minutes in ((SPRING, 15), (AUTUMN, 15), (date(2025, 6, 1), 60)):
        hours = day(which, minutes)
        assert_truth(read(hours, Look(date=dates, time=time, money=money, quoted=quoted)), hours)


@pytest.mark.parametrize("minutes", [5, 15, 30, 60])
@pytest.mark.parametrize("zone", [PACIFIC, EASTERN, "America/Phoenix", "Australia/Lord_Howe", "Europe/London"])
def test_every_length_and_zone(minutes: int, zone: str) -> None:
    if zone == "Australia/Lord_Howe" and minutes == 60:
        minutes = 30  # its clock is moved by half an hour
    for which in (SPRING, AUTUMN, date(2025, 6, 1), date(2025, 4, 6), date(2025, 10, 26)):
        hours = day(which, minutes, zone)
        feed = read(hours, Look(), zone)
        assert_truth(feed, hours)
        assert set(feed.tidy()["zone"]) == {zone}


UNITS = [
    ("kWh", Decimal(1), 1000, "Wh"),
    ("KWH", Decimal(1), 1000, "Wh"),
    ("Wh", Decimal(1000), 1000, "Wh"),
    ("therms", Decimal(1), 1, "therm"),
    ("Therm", Decimal(1), 1, "therm"),
    ("CCF", Decimal(1), 100, "ft3"),
]


@pytest.mark.parametrize(("unit", "scale", "per_unit", "symbol"), UNITS, ids=[one[0] for one in UNITS])
@pytest.mark.parametrize("columns", [HEADER, "TYPE,DATE,START TIME,END TIME,USAGE (@),COST,NOTES"])
def test_every_unit(unit: str, scale: Decimal, per_unit: int, symbol: str, columns: str) -> None:
    hours = day(date(2025, 6, 1))
    electric = symbol == "Wh"
    kind = "Electric usage" if electric else "Natural gas usage"
    feed = read(hours, Look(columns.replace("@", unit), kind=kind, unit=unit, scale=scale))
    assert_truth(feed, hours, per_unit=per_unit)
    assert set(feed.tidy()["unit"]) == {symbol}
    assert set(feed.tidy()["service"]) == {"electricity" if electric else "gas"}


GAS = {
    "usage, units": "TYPE,DATE,USAGE,UNITS,COST,NOTES",
    "usage in therms": "TYPE,DATE,USAGE (therms),COST,NOTES",
    "with times": "TYPE,DATE,START TIME,END TIME,USAGE (therms),COST,NOTES",
}


@pytest.mark.parametrize("first", [date(2025, 6, 1), SPRING - timedelta(1), AUTUMN - timedelta(1)])
@pytest.mark.parametrize("columns", GAS.values(), ids=GAS)
def test_gas_by_days_of_23_24_and_25_hours(columns: str, first: date) -> None:
    hours = whole_days(first, 3)
    feed = read(hours, Look(columns, kind="Natural gas usage", unit="therms", time="bare"))
    assert_truth(feed, hours, per_unit=1)
    assert [channel.service for channel in feed.channels] == ["gas"]
    assert sum(hour.length for hour in hours) == 3 * 86400 + {SPRING - timedelta(1): -3600, AUTUMN - timedelta(1): 3600}.get(first, 0)


BILLS = {
    "start and end date": "TYPE,START DATE,END DATE,USAGE,UNITS,COST,NOTES",
    "usage in kWh": "TYPE,START DATE,END DATE,USAGE (kWh),COST,NOTES",
    "a date beside them": "TYPE,DATE,START DATE,END DATE,USAGE,UNITS,COST,NOTES",
}


@pytest.mark.parametrize("columns", BILLS.values(), ids=BILLS)
@pytest.mark.parametrize(("kind", "unit", "per_unit"), [("Electric billing", "kWh", 1000), ("Natural gas billing", "therms", 1)])
def test_bills(columns: str, kind: str, unit: str, per_unit: int) -> None:
    """Two bills, one of them over a change of the clock; the end date is the last day of the bill."""
    edges = [datetime(2024, month, 10, tzinfo=ZoneInfo(PACIFIC)).timestamp() for month in (10, 11, 12)]
    bills = [Hour(int(a), int(b - a), Decimal(300 + k), 12345 + k) for k, (a, b) in enumerate(pairwise(edges))]
    assert bills[0].length == 31 * 86400 + 3600
    columns = columns.replace("kWh", unit)
    feed = read(bills, Look(columns, kind=kind, unit=unit))
    assert_truth(feed, bills, per_unit=per_unit)
    frame = feed.bills()
    assert frame["bill"].tolist() == [123.45, 123.46]
    assert frame["energy"].tolist() == [300.0 * per_unit, 301.0 * per_unit]
    assert frame["start"].dt.strftime("%Y-%m-%d %H:%M").tolist() == ["2024-10-10 00:00", "2024-11-10 00:00"]
    assert frame["end"].dt.strftime("%Y-%m-%d %H:%M").tolist() == ["2024-11-10 00:00", "2024-12-10 00:00"]
    assert set(frame["zone"]) == {PACIFIC}


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("title", ["", "Electric usage", ",,,,", "\n\n"])
def test_every_file_dressing(mark: str, end: str, title: str) -> None:
    hours = day(AUTUMN)
    for prologue in (Look.prologue, '"Name","JANE QCANARY"\n"Account Number","9988776655"\n\n', "", "\n\n"):
        assert_truth(read(hours, Look(mark=mark, end=end, title=title, prologue=prologue)), hours)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_every_encoding(encoding: str) -> None:
    hours = day(AUTUMN)
    look = Look(prologue="Name,JOSÉ MUÑOZ\nAddress,1 RUE É\n\n")
    feed = smd.read(written(hours, look).decode().encode(encoding), tz=PACIFIC)
    assert_truth(feed, hours)
    assert "JOSÉ MUÑOZ" in set(feed.customers()["value"])


def test_rows_may_end_early_and_late_and_lines_may_be_blank() -> None:
    hours = day(date(2025, 6, 1))
    lines = written(hours, Look(end="\n")).decode().splitlines()
    lines = [line.rstrip(",") if number % 2 else line + ",,," for number, line in enumerate(lines)]
    table = "\n\n".join(line if not line.startswith("TYPE") else HEADER for line in lines)
    assert_truth(smd.read(table.encode() + b"\n\n,,,\n", tz=PACIFIC), hours)


def test_two_tables_in_one_file() -> None:
    """Electricity, a blank line, a title and another header, gas."""
    hours, days = day(AUTUMN), whole_days(AUTUMN, 2)
    gas = Look("TYPE,DATE,USAGE (therms),COST,NOTES", kind="Natural gas usage", prologue="", title="")
    feed = smd.read(written(hours, Look()) + b"\r\n" + written(days, gas), tz=PACIFIC)
    assert [(channel.service, len(channel)) for channel in feed.channels] == [("electricity", 25), ("gas", 2)]
    assert_truth(feed.select(channel="electricity"), hours)
    assert_truth(feed.select(channel="gas"), days, per_unit=1)


def test_tables_of_unlike_units_keep_their_scale() -> None:
    """The same channel in kWh and in Wh: the power of ten is each table's own."""
    hours = day(date(2025, 6, 1), days=2)
    first = written(hours[:24], Look())
    second = written(hours[24:], Look(unit="Wh", scale=Decimal(1000), prologue=""))
    assert_truth(smd.read(first + second, tz=PACIFIC), hours)


# -- the order of rows and the change of the clock -----------------------------------------------------------------------------------------


def shuffled(hours: list[Hour], order: str) -> list[Hour]:
    by_day: dict[date, list[Hour]] = {}
    for hour in hours:
        by_day.setdefault(hour.local(PACIFIC).date(), []).append(hour)
    if order == "newest first":
        return hours[::-1]
    if order == "days newest first":
        return [hour for one in sorted(by_day, reverse=True) for hour in by_day[one]]
    return hours


@pytest.mark.parametrize("order", ["oldest first", "newest first", "days newest first"])
@pytest.mark.parametrize("minutes", [15, 60])
@pytest.mark.parametrize("columns", [HEADER, HEADERS["import and its cost, no end"]])
def test_every_order_of_rows_across_the_autumn_change(order: str, minutes: int, columns: str) -> None:
    hours = day(AUTUMN - timedelta(2), minutes, days=5)
    assert len(hours) == 121 * 60 // minutes
    feed = read(shuffled(hours, order), Look(columns))
    assert_truth(feed, hours)
    assert "duplicate-conflict" not in codes_of(feed)


def test_a_day_that_stands_twice_counts_once() -> None:
    hours = day(AUTUMN)
    feed = read([*hours, *hours], Look())
    assert_truth(feed, hours)
    assert "duplicate-same" in codes_of(feed)
    assert "duplicate-conflict" not in codes_of(feed)


@pytest.mark.parametrize("minutes", [15, 60])
def test_an_autumn_hour_that_stands_once_is_told_and_not_guessed(minutes: int) -> None:
    hours = day(AUTUMN, minutes)
    twice = [hour for hour in hours if hour.local(PACIFIC).hour == 1 and hour.local(PACIFIC).fold]
    once = [hour for hour in hours if hour not in twice]
    feed = read(once, Look())
    assert_truth(feed, once)
    (row,) = feed.findings[feed.findings["code"] == "autumn-hour-once"].itertuples()
    assert (row.severity, row.n) == ("warning", 60 // minutes)


def test_a_spring_hour_that_never_was_has_no_start() -> None:
    """Some exports write 02:xx all the same. It stays, without a time, and takes no other hour's place."""
    hours = day(SPRING)
    table = written(hours, Look(end="\n")).decode()
    table += "Electric usage,2024-03-10,02:00,02:59,5.55,kWh,$1.00,\n"
    feed = smd.read(table.encode(), tz=PACIFIC)
    frame = feed.tidy()
    lost = frame[frame["start"].isna()]
    assert lost["value"].tolist() == [5550.0]
    assert_truth(feed.select(start="2024-03-10"), hours)
    (row,) = feed.findings[feed.findings["code"] == "time-nonexistent"].itertuples()
    assert (row.severity, row.n) == ("error", 1)


@pytest.mark.parametrize(
    ("stop", "start"), [("24:00", "23:00"), ("00:00", "23:00"), ("0:00", "23:00"), ("23:59", "23:00"), ("00:29", "23:30")]
)
def test_the_end_of_a_day(start: str, stop: str) -> None:
    feed = smd.read(f"{HEADER}\nElectric usage,2025-06-01,{start},{stop},1.00,kWh,,\n".encode(), tz=PACIFIC)
    assert [(row[1], row[2]) for row in rows_of(feed)] == [(3600, 1000.0)]


# -- what the values say -------------------------------------------------------------------------------------------------------------------


def one_row(**cells: str) -> bytes:
    row = {
        "TYPE": "Electric usage",
        "DATE": "2025-06-01",
        "START TIME": "00:00",
        "END TIME": "00:59",
        "USAGE": "0.50",
        "UNITS": "kWh",
    } | cells
    return (HEADER + "\n" + ",".join(row.get(name, "") for name in HEADER.split(",")) + "\n").encode()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-0.50", -500.0),
        ("0", 0.0),
        ('"1,234.50"', 1_234_500.0),
        ("0.1234", 123.4),
        (".5", 500.0),
        ("5.", 5000.0),
        ("+1", 1000.0),
        ("1E-2", 10.0),
    ],
)
def test_usage_as_written(text: str, value: float) -> None:
    assert smd.read(one_row(USAGE=text)).tidy()["value"].tolist() == [value]


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("$0.12", 0.12),
        ("$0.12 ", 0.12),
        ('"$1,234.50"', 1234.5),
        ("-$0.05", -0.05),
        ("($0.05)", -0.05),
        ("$-0.05", -0.05),
        ("0.12345", 0.12345),
    ],
)
def test_cost_as_written(text: str, cost: float) -> None:
    assert smd.read(one_row(COST=text)).tidy()["cost"].tolist() == [cost]


def test_no_cost_is_missing_and_not_nothing() -> None:
    assert smd.read(one_row()).tidy()["cost"].isna().all()


@pytest.mark.parametrize("note", ["* This data was estimated", "Estimated reading", "ESTIMATED"])
def test_notes_say_what_was_estimated(note: str) -> None:
    frame = smd.read(one_row(NOTES=note)).tidy()
    assert frame["quality"].tolist() == ["estimated"]
    assert smd.read(one_row(NOTES="-")).tidy()["quality"].isna().all()


def test_rounding_is_told() -> None:
    """Two hours of 0.50 and 1.50 kWh to the hundredth: each may be off by 0.005, so their sum by 0.01 of 2."""
    table = one_row() + b"Electric usage,2025-06-01,01:00,01:59,1.50,kWh,,\n"
    (row,) = smd.read(table).findings.query("code == 'rounded-values'").itertuples()
    assert (row.severity, row.n, row.value) == ("info", 2, pytest.approx(0.005))
    assert "0.01 kwh" in row.message.lower()


def test_an_empty_usage_is_told() -> None:
    feed = smd.read(one_row() + b"Electric usage,2025-06-01,01:00,01:59,,kWh,,\nElectric usage,2025-06-01\n")
    assert len(feed.tidy()) == 1
    assert feed.findings.query("code == 'row-empty'")["n"].tolist() == [2]


def test_a_table_without_rows() -> None:
    feed = smd.read((HEADER + "\n").encode(), tz=PACIFIC)
    assert feed.tidy().empty
    assert feed.channels == []


# -- zones ---------------------------------------------------------------------------------------------------------------------------------


def test_the_zone_is_assumed_aloud(tmp_path: Any) -> None:
    assert "zone-assumed" in codes_of(smd.read(one_row()))
    assert set(smd.read(one_row()).tidy()["zone"]) == {PACIFIC}
    assert "zone-assumed" not in codes_of(smd.read(one_row(), tz=EASTERN))
    for name, zone in (("pge_electric_interval_data.csv", PACIFIC), ("coned_electric.csv", EASTERN)):
        (tmp_path / name).write_bytes(one_row())
        feed = smd.read(tmp_path / name)
        assert set(feed.tidy()["zone"]) == {zone}
        assert "zone-assumed" not in codes_of(feed)
    assert set(smd.read(one_row(), dialect="coned").tidy()["zone"]) == {EASTERN}


# -- what cannot be read -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cells",
    [
        {"DATE": "2025-02-30"},
        {"DATE": "31/12/2025"},
        {"DATE": "6/1/25"},
        {"DATE": "9999-12-31"},
        {"DATE": "0001-01-01"},
        {"DATE": ""},
        {"START TIME": "25:00"},
        {"START TIME": "00:60"},
        {"START TIME": "noon"},
        {"START TIME": "13:00 PM"},
        {"END TIME": "24:01"},
        {"USAGE": "n/a"},
        {"USAGE": '"0,38"'},
        {"USAGE": '"1.234,56"'},
        {"USAGE": '"0,380"'},
        {"USAGE": '"12,34.5"'},
        {"USAGE": "1e30"},
        {"USAGE": "12345678901234567890"},
        {"USAGE": "0.12345678901234567890123"},
        {"USAGE": "NaN"},
        {"USAGE": "Infinity"},
        {"USAGE": "٣"},
        {"UNITS": "furlongs"},
        {"UNITS": ""},
        {"COST": "$99999999999999999999"},
        {"COST": "free"},
        {"COST": "€0.12"},
        {"COST": '"$0,12"'},
    ],
    ids=str,
)
def test_a_row_that_cannot_be_read_is_named_and_not_shown(cells: dict[str, str]) -> None:
    with pytest.raises(ReadError, match="line 2") as caught:
        smd.read(one_row(**cells))
    for text in cells.values():
        assert not text or text.strip('"') not in str(caught.value)


def test_numbers_that_fit_no_scale_together() -> None:
    table = one_row(USAGE="0.123456789012") + b"Electric usage,2025-06-01,01:00,01:59,9007199254740991,kWh,,\n"
    with pytest.raises(ReadError, match="decimals"):
        smd.read(table)


def test_a_footer_is_named() -> None:
    with pytest.raises(ReadError, match="line 3"):
        smd.read(one_row() + b"Total,,,,0.50,,,\n")


def test_no_end_and_one_row_tell_no_length() -> None:
    with pytest.raises(ReadError, match="END TIME"):
        smd.read(b"TYPE,DATE,START TIME,IMPORT (kWh),TOTAL IMPORT COST\nElectric usage,2025-06-01,00:00,1.00,$1\n")


@pytest.mark.parametrize("text", ['"oops\n', '"' + "x" * 200_000])
def test_an_open_quote_swallows_nothing(text: str) -> None:
    table = one_row() + f"Electric usage,2025-06-01,01:00,01:59,0.50,kWh,,{text}".encode() + one_row().partition(b"\n")[2]
    with pytest.raises(ReadError):
        smd.read(table)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_are_refused(separator: str) -> None:
    with pytest.raises(NotEspiError):
        smd.read(one_row().replace(b",", separator.encode()))


@given(
    st.lists(
        st.sampled_from([*HEADER.split(","), "\n", ",", '"', "0.5", "kWh", "2025-06-01", "00:00", "00:59", "\ufeff", "\0", "é", "9" * 30])
    )
)
@settings(max_examples=60)
def test_no_table_makes_anything_but_our_errors(parts: list[str]) -> None:
    """Whatever stands in a table: a feed, or an error of ours."""
    data = (HEADER + "\nElectric usage,2025-06-01,00:00,00:59,0.5,kWh,," + "".join(parts)).encode()
    try:
        feed = smd.read(data)
    except smd.SmdError:
        return
    feed.tidy()
    repr(feed)


# -- what is personal ----------------------------------------------------------------------------------------------------------------------


def test_the_prologue_is_only_in_customers(tmp_path: Any) -> None:
    feed = read(day(AUTUMN), Look())
    assert set(feed.customers()["value"]) == {CANARY, "123 QCANARY ST, TOWN CA 94000", "9988776655", "Service 1"}
    feed.to_csv(tmp_path / "a.csv")
    shown = repr(feed) + feed._repr_html_() + feed.tidy().to_csv() + feed.findings.to_csv() + feed.bills().to_csv() + repr(feed.resources)
    shown += (tmp_path / "a.csv").read_text() + repr(feed.to_datatree()) + repr(feed.usage_points) + repr(feed.channels)
    shown += "".join(repr(node.attrs) for node in feed.to_datatree().subtree)
    for canary in ("QCANARY", "9988776655", "Service 1"):
        assert canary not in shown


def test_the_prologue_tells_homes_apart() -> None:
    hours = day(date(2025, 6, 1))
    one, other = (written(hours, replace(Look(), prologue=f"Account Number,{number}\n\n")) for number in (1, 2))
    assert len(smd.read([one, other], tz=PACIFIC).tidy()) == 48
    assert len(smd.read([one, one], tz=PACIFIC).tidy()) == 24


# -- beside XML ----------------------------------------------------------------------------------------------------------------------------


def xml_of(hours: list[Hour], *, thousandths: int = 3, power: int = -3) -> bytes:
    """Return the truth as XML of more digits: the table is rounded, and this is what it was rounded from."""
    readings = [reading(hour.start, int(hour.energy * 1_000_000) + thousandths, hour.length) for hour in hours]
    return feed_xml(
        usage_point(related=["/espi/UsagePoint/1/MeterReading", "/espi/LocalTimeParameters/1"]),
        local_time("B40E2000", 3600, "360E2000", -28800),
        meter_reading(),
        reading_type(power=power),
        blocks(block(*readings)),
    ).encode()


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_", "."), data)
    return buffer.getvalue()


@pytest.mark.parametrize("names", [("a_csv", "b_xml"), ("z_csv", "b_xml")])
def test_beside_xml_of_the_same_energy_the_xml_is_taken_and_it_is_said(names: tuple[str, str]) -> None:
    hours = day(AUTUMN)
    exact = xml_of(hours)
    feed = smd.read(zipped(**dict(zip(names, (written(hours, Look()), exact), strict=True))))
    assert len(feed.channels) == 1
    assert rows_of(feed) == rows_of(smd.read(exact))
    (row,) = feed.findings.query("code == 'table-left-out'").itertuples()
    assert (row.severity, row.n) == ("info", 25)
    assert row.source.endswith(".csv")


def test_a_zip_of_tables_and_other_files() -> None:
    """One table a service, a readme that speaks of DATE and USAGE, and a picture."""
    hours, days = day(AUTUMN), whole_days(AUTUMN, 2)
    gas = written(days, Look("TYPE,DATE,USAGE (therms),COST,NOTES", kind="Natural gas usage"))
    feed = smd.read(
        zipped(e_csv=written(hours, Look()), g_csv=gas, readme_txt=b"The columns are DATE, USAGE and so on\n", p_png=b"\x89PNG"), tz=PACIFIC
    )
    assert sorted((channel.service, len(channel)) for channel in feed.channels) == [("electricity", 25), ("gas", 2)]
    assert feed.findings.query("code == 'file-skipped'")["n"].sum() == 2


def test_beside_xml_of_other_energy_both_stay() -> None:
    hours = day(AUTUMN)
    other = [replace(hour, energy=hour.energy + 1) for hour in hours]
    feed = smd.read([written(hours, Look()), xml_of(other)])
    assert len(feed.channels) == 2
    assert len(feed.tidy()) == 50
    assert "table-left-out" not in codes_of(feed)


def test_a_table_of_more_days_than_the_xml_stays() -> None:
    hours = day(AUTUMN, days=10)
    feed = smd.read([written(hours, Look()), xml_of(hours[:25])])
    assert len(feed.channels) == 2


def test_merging_a_table_does_not_depend_on_order() -> None:
    hours = day(AUTUMN)
    table, exact, more = smd.read(written(hours, Look())), smd.read(xml_of(hours[:13])), smd.read(xml_of(hours[13:]))
    expected = smd.merge([table, exact, more]).tidy()
    assert len(expected) == 25
    for feeds in ([more, exact, table], [exact, table, more]):
        assert smd.merge(feeds).tidy().equals(expected)
    assert smd.merge([smd.merge([table, exact]), more]).tidy().equals(expected)
    assert smd.merge([table, smd.merge([exact, more])]).tidy().equals(expected)


def test_tables_are_written_as_espi_and_read_back(tmp_path: Any) -> None:
    hours = day(AUTUMN)
    feed = read(hours, Look())
    feed.to_espi(tmp_path / "a.xml")
    assert rows_of(smd.read(tmp_path / "a.xml", tz=PACIFIC)) == rows_of(feed)


def test_small_is_no_table() -> None:
    """XML that speaks of DATE and USAGE is XML."""
    text = small().replace("<?xml version='1.0' encoding='UTF-8'?>\n", "<!-- TYPE,DATE,USAGE -->")
    assert len(smd.read(text.encode()).tidy()) == 2
