"""The make-believe homes: the closed-form meter through the whole line, seeds, bills, days of DST, and whether they could be true."""

from __future__ import annotations

import base64
import gzip
import hashlib
import math
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook.errors import ConfigurationError
from smd_notebook.espi.model import Document
from smd_notebook.espi.writer import write_document
from smd_notebook.households import FILES, HOUSEHOLDS, as_feed, between, household, lapse2024, shipped

ZONE = ZoneInfo("America/Los_Angeles")
SEEDED = HOUSEHOLDS[1:]
#: The integers of each home, seed 1: on every machine, under every numpy. A new one needs a line in the changelog.
PINNED = {
    "solar-home": "d3d68e2b2e8e419500f6a58eb71cf7ea3438652e559101f9c5ee9efcdea7a361",
    "ev-home": "9e67f825e34881069841e8132fb37f4a69f6a047512dfc6f45a967562cbec8c7",
    "heat-pump-home": "671fb5a33592002164a6cbff9983f23ae64a841452dfed12136bf570314cef53",
    "apartment": "36baadcbdafed8b35f8b3de86314f4ea1cb9135efb3875a597c805294b55b4d4",
}
LAPSE = {
    ("lapse2024-gross", "delivered"): ("load", 12_084_108),
    ("lapse2024-gross", "received"): ("solar", 5_508_000),
    ("lapse2024-net", "delivered"): ("delivered", 9_748_676),
    ("lapse2024-net", "received"): ("received", 3_172_568),
}


def digest(document: Document) -> str:
    """Return a hash of every integer that a home's readings and bills hold."""
    found = hashlib.sha256()
    for channel in document.channels:
        found.update(channel.label.encode())
        for block in channel.blocks:
            for name in ("start", "duration", "value", "quality", "tou"):
                found.update(getattr(block.readings, name).astype("<i8").tobytes())
    for bill in document.summaries:
        found.update(repr((bill.billing_period, bill.bill_last_period, [line.amount for line in bill.lines])).encode())
    return found.hexdigest()


def channel_of(name: str, label: str) -> pd.DataFrame:
    frame = smd.sample(name).tidy()
    return frame[frame["channel"] == label].reset_index(drop=True)


# -- lapse2024 ---------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lapse() -> dict[str, pd.DataFrame]:
    frame = smd.sample("lapse2024").tidy()
    found = {LAPSE[key][0]: part for key, part in frame.groupby(["usage_point", "flow"], observed=True)}
    assert set(found) == {"load", "solar", "delivered", "received"}
    return found


def test_lapse2024_sums_through_the_whole_line(lapse: dict[str, pd.DataFrame]) -> None:
    for name, total in LAPSE.values():
        part = lapse[name]
        assert part["value"].sum() == total
        assert len(part) == 35_136
        assert set(part["unit"]) == {"Wh"}
        assert set(part["zone"]) == {"America/Los_Angeles"}
        assert (part["end"].iloc[:-1].to_numpy() == part["start"].iloc[1:].to_numpy()).all()
        assert part["start"].iloc[0] == pd.Timestamp("2024-01-01", tz=ZONE)
        assert part["end"].iloc[-1] == pd.Timestamp("2025-01-01", tz=ZONE)
    assert smd.sample("lapse2024").findings.empty


def test_lapse2024_is_the_definitions_csv(lapse: dict[str, pd.DataFrame]) -> None:
    start = lapse["load"]["start"].dt.tz_convert("UTC").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    columns = {name: lapse[name]["value"].astype("int64").to_numpy() for name in ("load", "solar", "delivered", "received")}
    text = pd.DataFrame(columns, index=pd.Index(start, name="start")).to_csv(lineterminator="\n")
    assert hashlib.sha256(text.encode()).hexdigest() == "aa82ee23514f0f8ae7d5eacb4f0fb4f44c308dcfd4ac733c3307a62a7f860d10"


@pytest.mark.parametrize(
    ("day", "count"), [("2024-01-05", 96), ("2024-02-29", 96), ("2024-03-10", 92), ("2024-07-31", 96), ("2024-11-03", 100)]
)
def test_lapse2024_day_rebuilt_by_plain_python(lapse: dict[str, pd.DataFrame], day: str, count: int) -> None:
    begin, end = (datetime.fromisoformat(day).replace(tzinfo=ZONE) + timedelta(days=n) for n in (0, 1))
    origin = datetime(2024, 1, 1, tzinfo=ZONE).timestamp()
    expected = []
    instant = begin.astimezone(UTC)
    while instant < end.astimezone(UTC):
        k, local = int(instant.timestamp() - origin) // 900, instant.astimezone(ZONE)
        h, m, d, w = local.hour, local.minute, local.timetuple().tm_yday, local.weekday()
        load = 60 + (37 * k * k + 11 * k) % 53
        load += 400 + 10 * ((7 * d) % 13) if 17 <= h < 21 else 180 if 7 <= h < 9 and w < 5 else 90 if 9 <= h < 12 and w >= 5 else 0
        load += 1800 if w in (1, 4) and h < 4 else 0
        load += 25 * max(0, 92 - abs(d - 213)) // 2 if 13 <= h < 20 else 0
        solar = max(0, 900 - 45 * abs(4 * h + m // 15 - 52)) * (3 if 80 <= d <= 265 else 2) // 3
        expected.append((instant, load, solar, max(0, load - solar), max(0, solar - load)))
        instant += timedelta(minutes=15)
    assert len(expected) == count
    for place, name in enumerate(("load", "solar", "delivered", "received"), 1):
        part = lapse[name]
        part = part[(part["start"] >= begin) & (part["start"] < end)]
        assert part["start"].tolist() == [pd.Timestamp(row[0]) for row in expected]
        assert part["value"].tolist() == [row[place] for row in expected]


def test_lapse2024_is_written_as_pge_writes() -> None:
    text = write_document(between(lapse2024(), 1_730_000_000, 1_731_000_000), style="pge")
    assert b"<ns1:feed" in text
    assert b"<ns0:IntervalReading>" in text
    document = smd.sample("lapse2024").document
    base = "https://api.pge.com/GreenButtonConnect/espi/1_1/resource/"
    hrefs = [one.entry.href for group in (document.usage_points, document.meter_readings, document.blocks) for one in group]
    assert all(href.startswith(base + "Subscription/make-believe-") for href in hrefs)
    (clock,) = document.local_times
    assert (clock.tz_offset, clock.dst_offset, clock.dst_start_rule, clock.dst_end_rule) == (-28800, 3600, "360E2000", "B40E2000")
    for kind in document.reading_types:
        assert (kind.uom, kind.power_of_ten, kind.accumulation, kind.kind, kind.interval_length) == (72, -3, 4, 12, 900)
        ident = kind.entry.href.rpartition("/")[2]
        assert base64.b64decode(ident).decode() == f"72:null:900:{kind.flow_direction}"
        own = [one.entry.href.rpartition("/")[2] for one in document.meter_readings if kind.entry.href in one.entry.related]
        assert {base64.b64decode(one).decode() for one in own} == {f"{ident}:1"}
    counts = [len(block.readings) for block in document.blocks]
    assert (len(counts), counts.count(92), counts.count(100), set(counts)) == (4 * 366, 4, 4, {92, 96, 100})


# -- seeds and files ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SEEDED)
def test_the_same_seed_gives_the_same_bytes(name: str) -> None:
    first = household(name)
    assert digest(first) == PINNED[name]
    assert write_document(household(name, 1), style="pge") == write_document(first, style="pge")
    others = [household(name, seed) for seed in (0, 2, np.int64(3))]
    assert len({digest(one) for one in (first, *others)}) == 4
    keys = [{channel.usage_point for channel in one.channels} for one in (first, *others)]
    assert len(set().union(*keys)) == sum(map(len, keys))


def test_traits_and_weather_hold_in_other_years() -> None:
    leap = household("apartment", 1, 2024)
    assert [len(channel) for channel in leap.channels] == [8784, 366]
    assert digest(leap) != PINNED["apartment"]
    summer = [smd_daily(household("ev-home", seed)) for seed in (1, 2, 3)]
    assert np.corrcoef(summer)[np.triu_indices(3, 1)].min() > 0.3  # hot days are hot for all


def smd_daily(document: Document) -> list[int]:
    """Return the evening's energy of each day from June to September."""
    (channel,) = document.channels
    return [int(block.readings.value[64:84].sum()) for block in channel.blocks[151:273]]


@pytest.mark.parametrize("name", FILES)
def test_shipped_files_are_what_the_code_makes(name: str) -> None:
    packed = shipped(name).read_bytes()
    made = write_document(FILES[name](), style="pge")
    # the bytes inside: zlib and zlib-ng pack the same text unlike
    hint = "gzip.compress(write_document(FILES[name](), style='pge'), mtime=0) makes them anew"
    assert gzip.decompress(packed) == made, hint
    assert packed[4:8] == b"\0\0\0\0", "a time of making in it would make every commit differ"
    assert len(packed) < 200_000
    assert smd.read(shipped(name)).tidy().equals(as_feed(FILES[name]()).tidy())


def test_shipped_files_tell_of_the_same_homes() -> None:
    assert smd.read(shipped("apartment-2025.xml.gz")).tidy().equals(smd.sample("apartment").tidy())
    week, home = smd.read(shipped("solar-home-dst-week.xml.gz")).tidy(), smd.sample("solar-home").tidy()
    inside = home[(home["start"] >= "2025-10-31 00:00-07:00") & (home["start"] < "2025-11-07 00:00-08:00")].reset_index(drop=True)
    pd.testing.assert_frame_equal(week, inside)


def test_between_keeps_whole_blocks_and_whole_bills() -> None:
    home = household("apartment")
    first = home.summaries[1].billing_period
    assert first is not None
    assert first.start is not None
    assert first.duration is not None
    part = between(home, first.start, first.start + first.duration)
    assert {len(channel.blocks) for channel in part.channels} == {round(first.duration / 86400)}
    assert first in [one.billing_period for one in part.summaries]
    assert len(part.summaries) < 4
    assert between(home, 0, 1).channels == ()


@pytest.mark.parametrize("ask", [smd.sample, household, shipped])
def test_unknown_names_are_told_the_known(ask: Callable[[str], object]) -> None:
    with pytest.raises(ConfigurationError, match=r"(?s)'villa'.*Known: .*apartment"):
        ask("villa")


def test_seeds_begin_at_0() -> None:
    with pytest.raises(ConfigurationError, match="-1"):
        smd.sample(seed=-1)


def test_households_need_no_pandas_until_a_frame_is_asked_for() -> None:
    code = "import sys, smd_notebook.households as h; h.household('apartment'); sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- the seeded homes through the whole line ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SEEDED)
def test_every_day_is_whole(name: str) -> None:
    feed = smd.sample(name)
    assert (feed.findings["severity"] == "info").all()  # the share of estimated readings, and no more
    for label, part in feed.tidy().groupby("channel"):
        assert part["start"].iloc[0] == pd.Timestamp("2025-01-01", tz=ZONE)
        assert part["end"].iloc[-1] == pd.Timestamp("2026-01-01", tz=ZONE)
        assert (part["end"].iloc[:-1].to_numpy() == part["start"].iloc[1:].to_numpy()).all()
        hours = part.groupby(part["start"].dt.date)["duration"].sum() / pd.Timedelta("1h")
        assert (len(hours), hours.sum()) == (365, 8760)
        assert {str(day): hour for day, hour in hours.items() if hour != 24} == {"2025-03-09": 23, "2025-11-02": 25}, label
        if "gas" in str(label):
            assert (part["start"].dt.strftime("%H:%M:%S") == "00:00:00").all()
    lengths = {channel.label: channel.interval_length for channel in feed.channels}
    wanted = {"solar-home": 900, "ev-home": 900, "heat-pump-home": 3600, "apartment": 3600}[name]
    assert set(lengths.values()) - {86_400} == {wanted}
    for channel in feed.channels:
        for block in channel.blocks:
            assert block.interval is not None
            assert datetime.fromtimestamp(block.interval.start or 0, ZONE).time().isoformat() == "00:00:00"
            assert block.readings.duration.sum() == block.interval.duration


def test_tou_numbers_follow_the_wall_clock() -> None:
    names = {1: "SPK", 2: "SOP", 3: "SPP", 4: "WPK", 5: "WPP", 6: "WOP"}
    for home, partial in (("solar-home", False), ("ev-home", True), ("heat-pump-home", True), ("apartment", False)):
        frame = channel_of(home, "electricity delivered")
        for start, tou, name in zip(frame["start"][::7], frame["tou"][::7], frame["tou_name"][::7], strict=True):
            first, summer = (1 if 16 <= start.hour < 21 else 3 if partial and start.hour in (15, 21, 22, 23) else 2), 6 <= start.month <= 9
            assert names[int(tou)] == name == names[first if summer else {1: 4, 2: 6, 3: 5}[first]]
        assert set(frame["tou"]) == ({1, 2, 3, 4, 5, 6} if partial else {1, 2, 4, 6})
    (mappings,) = smd.sample("ev-home").document.program_mappings
    assert [(one.code, one.name) for one in mappings.programs][6:] == [(7, "MPK"), (8, "MOP"), (9, "MXO"), (10, "WSO")]
    assert channel_of("apartment", "gas delivered")["tou"].isna().all()


@pytest.mark.parametrize("name", SEEDED)
def test_most_readings_are_good(name: str) -> None:
    for _, part in smd.sample(name).tidy().groupby("channel"):
        shares = part["quality"].value_counts(normalize=True)
        assert shares["revenue_quality"] > 0.97
        assert 0 < shares["estimated"] < 0.02
        assert (part["quality"].iloc[-1], shares["validated"] * len(part) > 0) == ("validated", True)


@pytest.mark.parametrize("seed", [1, 5])
@pytest.mark.parametrize("name", SEEDED)
def test_bills_reconcile_in_integers(name: str, seed: int) -> None:
    document = household(name, seed)
    for point in document.usage_points:
        bills = [one for one in document.summaries if one.entry.href.startswith(point.entry.href + "/")]
        assert len(bills) == 12
        own = [channel for channel in document.channels if channel.usage_point == point.entry.path.rpartition("/")[2]]
        readings = {one.flow: [block.readings for block in one.blocks] for one in own}
        start, tou = (np.concatenate([getattr(one, column) for one in readings["delivered"]]) for column in ("start", "tou"))
        values = {flow: np.concatenate([one.value for one in parts]) for flow, parts in readings.items()}
        ends = datetime(2025, 1, 1, tzinfo=ZONE).timestamp()
        for bill in bills:
            period, used = bill.billing_period, bill.overall_consumption_last_period
            assert period is not None
            assert used is not None
            assert period.start == ends, "bills follow each other"
            ends = (period.start or 0) + (period.duration or 0)
            assert datetime.fromtimestamp(ends, ZONE).hour == 0
            assert 27 <= round((period.duration or 0) / 86_400) <= 34
            inside = (start >= period.start) & (start < ends)
            assert used.value == values["delivered"][inside].sum()
            assert bill.bill_last_period == sum(int(line.amount or 0) for line in bill.lines)
            assert all(int(line.amount or 0) % 1000 == 0 for line in bill.lines), "whole cents"
            energy = [line for line in bill.lines if line.item_kind == 3]
            assert sum(int(line.measurement.value or 0) for line in energy if line.measurement) == used.value
            wanted = [values["delivered"][inside & (tou == code)].sum() for code in np.unique(tou[inside])]
            assert [line.measurement.value for line in energy if line.measurement] == wanted
            credit = [line.measurement.value for line in bill.lines if line.item_kind == 6 and line.measurement]
            assert credit == ([values["received"][inside].sum()] if "received" in values else [])
            for line in bill.lines:
                if line.measurement is not None:
                    per = 10 ** (8 if line.measurement.uom == 169 else 6)
                    assert abs(int(line.amount or 0) - int(line.measurement.value or 0) * int(line.unit_cost or 0) / per) <= 501
        assert ends == datetime(2026, 1, 1, tzinfo=ZONE).timestamp()


def test_bills_are_what_such_homes_pay() -> None:
    for name, low, high in (("solar-home", 20, 250), ("ev-home", 150, 500), ("heat-pump-home", 120, 450), ("apartment", 10, 130)):
        bills = smd.sample(name).bills()
        assert (bills["bill"] == bills["lines_total"]).all()
        assert bills["bill"].between(low, high).all(), (name, bills["bill"].describe())
        assert set(bills["currency"]) == {"USD"}


# -- could they be true? -----------------------------------------------------------------------------------------------------------------


def height_of_sun(start: pd.Series, latitude: float = 38.5, longitude: float = -121.5) -> np.ndarray:
    """Return the sine of the sun's height in the middle of each quarter hour, by the textbook."""
    utc = start.dt.tz_convert("UTC") + pd.Timedelta("7.5min")
    day = utc.dt.day_of_year.to_numpy()
    turn = 2 * math.pi * (day - 81) / 364
    equation = 9.87 * np.sin(2 * turn) - 7.53 * np.cos(turn) - 1.5 * np.sin(turn)
    hour = utc.dt.hour.to_numpy() + utc.dt.minute.to_numpy() / 60 + longitude / 15 + equation / 60
    declination = np.radians(23.45) * np.sin(2 * math.pi * (284 + day) / 365)
    phi = math.radians(latitude)
    return np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(np.pi * (hour - 12) / 12)


def test_the_sun_shines_by_day() -> None:
    received, delivered = channel_of("solar-home", "electricity received"), channel_of("solar-home", "electricity delivered")
    height = height_of_sun(received["start"])
    assert received["value"][height < -0.06].max() == 0
    assert (received["value"][height > 0.5] > 0).mean() > 0.8
    assert np.minimum(received["value"], delivered["value"]).max() <= 15
    assert delivered["value"][height < -0.06].min() > 20
    local = received["start"].dt
    noon = received["value"][(local.hour >= 11) & (local.hour < 14)].groupby(local.month).mean()
    assert noon[5] > 1.5 * noon[12] > 0
    assert 2.5 < received["value"].max() * 4 / 1000 < 6  # kW
    at = received["value"].groupby(local.hour + local.minute / 60).mean().idxmax()
    assert 11 <= at <= 13.5
    assert 0.4 < received["value"].sum() / delivered["value"].sum() < 2.5


def test_cars_charge_at_night() -> None:
    frame = channel_of("ev-home", "electricity delivered")
    power, hour = frame["value"] * 4 / 1000, frame["start"].dt.hour
    charging = power > 6.5
    assert 0.7 < (hour[charging] < 4).mean() < 1
    assert power.max() < 14
    nights = frame["start"][charging & (hour < 4)].dt.date.nunique()
    assert 100 < nights < 220
    assert 5_000 < frame["value"].sum() / 1000 < 10_000


def test_a_heat_pump_works_in_winter_and_in_summer() -> None:
    frame = channel_of("heat-pump-home", "electricity delivered")
    month, hour = frame["start"].dt.month, frame["start"].dt.hour
    by_month = frame["value"].groupby(month).sum()
    assert by_month[1] > 1.4 * by_month[5]
    assert by_month[7] > 1.15 * by_month[5]
    winter = frame[month.isin([12, 1, 2])]["value"].groupby(hour).mean()
    assert winter[6:8].max() > 1.8 * winter[2:4].mean()
    assert frame["value"].max() / 1000 < 8


def test_an_apartment_is_small_and_busy_in_the_evening() -> None:
    frame = channel_of("apartment", "electricity delivered")
    assert 1_200 < frame["value"].sum() / 1000 < 3_500
    assert 40 < frame["value"].quantile(0.05) < 150
    workdays = frame[frame["start"].dt.day_of_week < 5]
    shape = workdays["value"].groupby(workdays["start"].dt.hour).mean()
    assert 17 <= shape.idxmax() <= 21
    assert shape[7] > 1.3 * shape[3]
    free = frame[frame["start"].dt.day_of_week >= 5]
    assert free["value"][free["start"].dt.hour == 13].mean() > 1.15 * shape[13]


@pytest.mark.parametrize(("name", "low", "high"), [("solar-home", 200, 450), ("apartment", 80, 250)])
def test_gas_heats_in_winter(name: str, low: float, high: float) -> None:
    frame = channel_of(name, "gas delivered")
    assert set(frame["unit"]) == {"therm"}
    assert low < frame["value"].sum() < high
    by_month = frame["value"].groupby(frame["start"].dt.month).sum()
    assert by_month[1] > 2 * by_month[7] > 0
    raw = np.concatenate(
        [block.readings.value for channel in smd.sample(name).channels if channel.service == "gas" for block in channel.blocks]
    )
    assert (raw % 103_500_000 == 0).all()


def test_weather_lasts_for_days() -> None:
    """Cooling of one hot day goes with that of the next: the autocorrelation that models of load rely on."""
    days = smd_daily(household("ev-home"))
    assert np.corrcoef(days[:-1], days[1:])[0, 1] > 0.2
