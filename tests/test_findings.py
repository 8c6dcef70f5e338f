"""Findings: damage that is planted is found exactly, and nothing is found where nothing was planted."""

from __future__ import annotations

import csv
import os
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smd_notebook as smd
from smd_notebook.errors import ConfigurationError, Finding, SmdError, TimeZoneError
from smd_notebook.findings import FINDING_COLUMNS, as_frame

from .build import (
    CLOCK,
    ENERGY,
    PACIFIC,
    POINT,
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
    small,
    usage_point,
)
from .tidy import ZONE, lapse_frame, regular, tidy

FOLDER = Path(os.environ.get("SMD_CORPUS") or "no corpus")
MANIFEST: list[dict[str, str]] = [{"file": "none"}]
if FOLDER.is_dir():
    with (FOLDER / "manifest.csv").open(encoding="utf-8", newline="") as lines:
        MANIFEST = list(csv.DictReader(lines))


def codes(findings: pd.DataFrame) -> dict[str, int]:
    return findings["code"].value_counts().to_dict()


def only(findings: pd.DataFrame, code: str) -> pd.DataFrame:
    return findings[findings["code"] == code].reset_index(drop=True)


def spans(findings: pd.DataFrame, code: str) -> list[tuple[str, str, int]]:
    """Return start, end and n of each finding of a code, in order of time, as Pacific wall-clock times."""
    found = only(findings, code).sort_values("start")
    ends = [found[name].dt.tz_convert(ZONE).dt.strftime("%m-%d %H:%M").tolist() for name in ("start", "end")]
    return list(zip(*ends, found["n"].tolist(), strict=True))


# Nothing wrong ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["load", "solar", "delivered", "received"])
def test_an_undamaged_year_has_no_findings(name: str) -> None:
    flow = "received" if name in ("solar", "received") else "delivered"
    assert smd.check(lapse_frame(name, flow=flow)).empty


@pytest.mark.parametrize("name", ["lapse2024", "solar-home", "ev-home", "heat-pump-home", "apartment"])
def test_make_believe_homes_have_estimates_at_most(name: str) -> None:
    findings = smd.sample(name).findings
    assert set(findings["code"]) <= {"quality"}
    assert set(findings["severity"]) <= {"info"}


@pytest.mark.parametrize("day", ["2024-03-10", "2024-11-03"])
@pytest.mark.parametrize("length", ["15min", "30min", "1h"])
def test_days_on_which_the_clock_changes(day: str, length: str) -> None:
    begin = pd.Timestamp(day, tz=ZONE)
    start = pd.date_range(begin, begin + pd.DateOffset(days=1), freq=length, inclusive="left")
    assert smd.check(tidy(start, np.arange(1.0, len(start) + 1), length=length)).empty


def test_days_bills_and_mixed_steps() -> None:
    days = pd.date_range("2024-01-01", "2025-01-01", freq="D", tz=ZONE)
    values = np.random.default_rng(1).uniform(1, 2, 366)
    assert smd.check(tidy(days[:-1], values, end=days[1:], service="gas", unit="therm")).empty
    lengths = [28, 35, 30, 29, 33, 31, 32, 28, 30, 34, 30, 29]
    bills = pd.DatetimeIndex([pd.Timestamp("2024-01-05", tz=ZONE) + pd.DateOffset(days=sum(lengths[:n])) for n in range(13)])
    assert smd.check(tidy(bills[:-1], values[:12], end=bills[1:])).empty
    quarter = regular("2024-01-01", 96, values[:96])
    hour = regular("2024-01-02", 24, values[:24], length="1h")
    day = regular("2024-01-03", 3, values[:3], length="24h")
    assert smd.check(pd.concat([quarter, hour, day, regular("2024-01-06", 96, values[:96])], ignore_index=True)).empty


def test_zones_of_half_hours_and_of_half_hour_changes() -> None:
    values = np.random.default_rng(1).uniform(1, 2, 24 * 366)
    for zone in ("Asia/Kolkata", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns"):
        assert smd.check(regular("2024-01-01", 24 * 366, values, length="1h", zone=zone)).empty, zone


def test_intervals_a_second_short_and_of_no_length() -> None:
    values = np.random.default_rng(1).uniform(1, 2, 96)
    assert smd.check(regular("2024-01-01", 96, values).assign(end=lambda frame: frame["end"] - pd.Timedelta("1s"))).empty
    none = regular("2024-01-01", 96, values).assign(end=lambda frame: frame["start"])
    assert codes(smd.check(none)) == {"zero-length": 1}  # and not a gap behind each


# The damage of issue 4 --------------------------------------------------------------------------------------------------------------


def damaged(name: str) -> pd.DataFrame:
    """Return a series of lapse2024 with gaps of 8, 96 and 4, one duplicate, stale runs of 12 and 96, and an hour in its neighbour."""
    value = lapse_frame(name)["value"].to_numpy().copy()
    value[5000:5012] = value[5000]
    value[12000:12096] = value[12000]
    value[300] += value[296:300].sum()  # 01-04 02:00, in the quarter hour that follows
    frame = lapse_frame(name).assign(value=value)
    frame = pd.concat([frame, frame.iloc[[15000]]]).sort_values("start", kind="stable")
    return frame.drop(index=[*range(1000, 1008), *range(8000, 8096), *range(30000, 30004), *range(296, 300)]).reset_index(drop=True)


@pytest.mark.parametrize("name", ["load", "delivered"])
def test_planted_damage_is_found_exactly(name: str) -> None:
    frame = lapse_frame(name)
    findings = smd.check(damaged(name))
    assert codes(findings) == {"gap": 4, "stale": 2, "duplicate-same": 1, "summed": 1}
    start = frame["start"].dt.tz_convert("UTC")
    expected = [("gap", 296, 4), ("gap", 1000, 8), ("gap", 8000, 96), ("gap", 30000, 4)]
    expected += [("stale", 5000, 12), ("stale", 12000, 96), ("duplicate-same", 15000, 1)]
    for code, at, n in expected:
        found = only(findings, code)
        found = found[found["start"] == start[at]]
        assert found["n"].tolist() == [n], (code, at)
        assert found["end"].tolist() == [start[at + n]]
    assert spans(findings, "summed") == [("01-04 02:00", "01-04 03:15", 4)]
    assert only(findings, "gap")["value"].tolist() == [1.0, 2.0, 24.0, 1.0]
    assert only(findings, "stale")["value"].tolist() == [3.0, 24.0]
    assert set(findings["channel"]) == {f"electricity {name}"}


@pytest.mark.parametrize("day", ["2024-03-10", "2024-11-03"])
def test_gaps_on_days_on_which_the_clock_changes(day: str) -> None:
    frame = lapse_frame("load")
    at = frame.index[frame["start"].dt.strftime("%Y-%m-%d") == day]
    findings = smd.check(frame.drop(index=at))
    assert codes(findings) == {"gap": 1}
    assert findings["n"].item() == len(at) == (92 if day == "2024-03-10" else 100)


def test_damage_in_a_feed() -> None:
    """A feed of which two hours were never sent: its blocks say that they should be there."""
    feed = smd.sample("lapse2024")
    point, flow = "lapse2024-gross", "delivered"
    frame = feed.tidy()
    one = frame[(frame["usage_point"] == point) & (frame["flow"] == flow)]
    start = one["start"].iloc[[1000, 1007]].dt.tz_convert("UTC")
    cut = smd.merge(
        [
            feed.select(usage_point=point, end=start.iloc[0]),
            feed.select(usage_point=point, start=start.iloc[1] + pd.Timedelta("15min")),
        ]
    )
    gaps = only(cut.findings, "gap")
    assert gaps["n"].tolist() == [8, 8]  # what is delivered and what is received
    assert (gaps["start"] == start.iloc[0]).all()
    blocks = only(cut.findings, "block-uncovered")
    assert blocks["value"].tolist() == [2.0, 2.0]
    assert blocks["n"].tolist() == [1, 1]


# One rule at a time -----------------------------------------------------------------------------------------------------------------


def noise(n: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).uniform(50, 150, n).round(3)


def test_the_frame_is_as_documented() -> None:
    findings = smd.check(regular("2024-01-01", 96, noise(96)).drop(index=[5, 6, 20]))
    assert tuple(findings.columns) == FINDING_COLUMNS
    assert [str(findings[name].dtype) for name in ("start", "n", "value")] == ["datetime64[us, UTC]", "int64", "float64"]
    assert findings["n"].tolist() == [2, 1]
    assert findings["message"].tolist() == ["nothing was metered for 30 min", "nothing was metered for 15 min"]
    assert smd.check(regular("2024-01-01", 96, noise(96)).iloc[:0]).empty


def test_gravest_first() -> None:
    made = [Finding("a", "info", ""), Finding("b", "error", ""), Finding("c", "warning", ""), Finding("d", "error", "")]
    assert as_frame(made)["code"].tolist() == ["b", "d", "c", "a"]


def test_gaps_of_days_and_of_bills() -> None:
    days = pd.date_range("2024-03-01", "2024-04-01", freq="D", tz=ZONE)
    daily = tidy(days[:-1], noise(31), end=days[1:])
    found = smd.check(daily.drop(index=range(8, 11)))  # the 9th to the 11th, of which one has 23 hours
    assert (found["code"].tolist(), found["n"].tolist(), found["value"].tolist()) == (["gap"], [3], [71.0])
    bills = pd.DatetimeIndex(["2024-01-05", "2024-02-02", "2024-03-05", "2024-04-04", "2024-05-07"]).tz_localize(ZONE)
    found = smd.check(tidy(bills[[0, 2, 3]], noise(3), end=bills[[1, 3, 4]]))
    assert (found["code"].tolist(), found["n"].tolist(), found["value"].tolist()) == (["gap"], [1], [32 * 24.0])


def test_gaps_take_the_step_of_their_neighbours() -> None:
    frame = pd.concat([regular("2024-01-01", 96, noise(96)), regular("2024-01-02", 96, noise(96), length="1h")], ignore_index=True)
    found = smd.check(frame.drop(index=[10, 11, 100, 101, 102]))
    assert found["n"].tolist() == [2, 3]
    assert found["value"].tolist() == [0.5, 3.0]


def test_overlaps() -> None:
    start = ["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 01:30", "2024-01-01 02:00", "2024-01-01 03:00"]
    end = ["2024-01-01 01:00", "2024-01-01 02:00", "2024-01-01 02:30", "2024-01-01 03:00", "2024-01-01 04:00"]
    found = only(smd.check(tidy(start, noise(5), end=end)), "overlap")
    assert (found["n"].tolist(), found["value"].tolist(), found["severity"].tolist()) == ([2], [1.0], ["error"])
    assert spans(found, "overlap") == [("01-01 01:30", "01-01 02:30", 2)]
    long = pd.concat([regular("2024-01-01", 1, 1.0, length="24h"), regular("2024-01-01", 24, noise(24), length="1h")], ignore_index=True)
    assert only(smd.check(long), "overlap")["n"].tolist() == [24]


def test_duplicates() -> None:
    frame = regular("2024-01-01", 96, noise(96))
    other = frame.iloc[[40]].assign(value=1.0)
    found = smd.check(pd.concat([other, frame, frame.iloc[[3, 4]]], ignore_index=True))
    assert {code: int(only(found, code)["n"].iloc[0]) for code in codes(found)} == {"duplicate-same": 2, "duplicate-conflict": 1}
    assert set(found["severity"]) == {"warning"}


def test_order_and_index_of_rows_do_not_matter() -> None:
    frame = damaged("load")
    mixed = frame.sample(frac=1, random_state=1).set_index(pd.Index(["x"] * len(frame)))
    pd.testing.assert_frame_equal(smd.check(mixed), smd.check(frame))


def test_off_grid() -> None:
    frame = regular("2024-01-01", 96, noise(96))
    late = frame.assign(**{name: frame[name] + pd.Timedelta("1s") for name in ("start", "end")})
    found = smd.check(late)
    assert (only(found, "off-grid")["n"].item(), only(found, "off-grid")["value"].item()) == (96, 1.0)
    odd = frame.copy()
    odd.loc[10, "start"] += pd.Timedelta("7min")
    found = smd.check(odd)
    assert codes(found) == {"off-grid": 1, "gap": 1}
    assert only(found, "off-grid")["n"].item() == 1
    gas = regular("2024-01-01 07:00:01", 30, noise(30), length="24h")
    assert only(smd.check(gas), "off-grid")["n"].item() == 30
    assert "off-grid" not in codes(smd.check(regular("2024-01-01 00:07", 96, noise(96), length="7min")))


def test_edge_days() -> None:
    found = smd.check(regular("2024-01-01 13:30", 96, noise(96)))
    assert spans(found, "edge-day") == [("01-01 00:00", "01-01 13:30", 1), ("01-02 13:30", "01-03 00:00", 1)]
    assert only(found, "edge-day")["value"].tolist() == [13.5, 10.5]
    spring = smd.check(regular("2024-03-10 12:00", 48, noise(48)))  # of a day of 23 hours
    assert only(spring, "edge-day")["value"].tolist() == [11.0]


def test_missing_values() -> None:
    value = noise(96)
    value[[10, 11, 12, 50]] = np.nan
    found = smd.check(regular("2024-01-01", 96, value))
    assert codes(found) == {"missing-value": 2}
    assert found["n"].tolist() == [3, 1]


def test_stale_needs_six_and_more_than_chance() -> None:
    for n, expected in ((5, []), (6, [6]), (40, [40])):
        value = noise(960)
        value[100 : 100 + n] = value[100]
        assert only(smd.check(regular("2024-01-01", 960, value)), "stale")["n"].tolist() == expected
    # a gap between them breaks the run, a zero is not stale
    value = noise(960)
    value[100:110] = value[100]
    assert "stale" not in codes(smd.check(regular("2024-01-01", 960, value).drop(index=105)))
    assert smd.check(regular("2024-01-01", 90, 0.0), service_kw=1)["code"].tolist() == ["edge-day"]


def test_a_meter_that_counts_in_large_units_is_not_stale() -> None:
    rng = np.random.default_rng(5)
    gas = (rng.poisson(0.9, 365)).astype(float)
    coarse = np.floor(rng.uniform(0.2, 0.8, 8760) * 10) / 10
    assert "stale" not in codes(smd.check(regular("2024-01-01", 365, gas, length="24h", service="gas", unit="therm")))
    assert "stale" not in codes(smd.check(regular("2024-01-01", 8760, coarse, length="1h", unit="kWh")))
    coarse[4000:4030] = 0.5
    assert only(smd.check(regular("2024-01-01", 8760, coarse, length="1h", unit="kWh")), "stale")["n"].tolist() in ([30], [31], [32])


def test_a_register_that_stands_still_is_not_stale() -> None:
    assert smd.check(regular("2024-01-01", 96, 5.0, measure="register")).empty


def test_long_runs_of_zeros() -> None:
    value = noise(40 * 24)
    value[100:124] = 0
    value[300:323] = 0
    used = smd.check(regular("2024-01-01", len(value), value, length="1h"))
    assert (codes(used), used["n"].tolist(), used["severity"].tolist()) == ({"zero-run": 1}, [24], ["warning"])
    sent = smd.check(regular("2024-01-01", len(value), value, length="1h", flow="received"))
    assert sent.empty
    value[400 : 400 + 14 * 24] = 0
    sent = smd.check(regular("2024-01-01", len(value), value, length="1h", flow="received"))
    assert (sent["code"].tolist(), sent["n"].tolist(), sent["severity"].tolist()) == (["zero-run"], [336], ["info"])


def test_negative_values() -> None:
    value = noise(96)
    value[[3, 50]] *= -1
    found = smd.check(regular("2024-01-01", 96, value))
    assert (codes(found), found["n"].item(), found["value"].item()) == ({"negative": 1}, 2, pytest.approx(2 / 96))
    for flow in ("net", "unstated"):
        assert smd.check(regular("2024-01-01", 96, value, flow=flow)).empty


def test_qualities() -> None:
    quality = np.array(["validated"] * 96, dtype=object)
    quality[:4], quality[50], quality[60:63] = "estimated", "manually_edited", "raw"
    found = smd.check(regular("2024-01-01", 96, noise(96), quality=quality))
    assert set(found["code"]) == {"quality"}
    assert set(found["severity"]) == {"info"}
    assert dict(zip(found["n"], found["value"], strict=True)) == {4: 4 / 96, 1: 1 / 96}
    quality[:20] = "estimated"
    assert smd.check(regular("2024-01-01", 96, noise(96), quality=quality))["severity"].tolist() == ["warning", "info"]


def test_spikes() -> None:
    frame = lapse_frame()
    assert smd.check(frame, service_kw=7.7).empty  # the year's highest is 7.644 kW
    found = smd.check(frame, service_kw=7.6)
    assert set(found["code"]) == {"spike"}
    assert found["value"].max() == pytest.approx(7.644 / 7.6)
    power = regular("2024-01-01", 96, 5.0, unit="kW", measure="power")
    assert only(smd.check(power, service_kw=4), "spike")["n"].tolist() == [96]
    assert "spike" not in codes(smd.check(regular("2024-01-01", 96, 5e6, service="gas", unit="therm"), service_kw=1))


def test_candidates_for_spikes_do_not_drown() -> None:
    frame = lapse_frame()
    assert "spike-candidate" not in codes(smd.check(frame))
    value = frame["value"].to_numpy().copy()
    value[20000] *= 100
    found = smd.check(frame.assign(value=value))
    assert (codes(found), found["n"].item(), found["severity"].item()) == ({"spike-candidate": 1}, 1, "info")
    assert found["value"].item() > 3
    # many high days are a habit, not spikes
    value = np.tile(noise(24), 100)
    value[::240] *= 20
    assert "spike-candidate" not in codes(smd.check(regular("2024-01-01", 2400, value, length="1h")))
    assert "spike-candidate" not in codes(smd.check(regular("2024-01-01", 13 * 24, np.append(noise(13 * 24 - 1), 1e6), length="1h")))


@pytest.mark.parametrize("k", [20000, 20008, 20050, 296, 3000, 3004])
@pytest.mark.parametrize("how", ["into the next quarter", "into the last quarter", "into the next hour"])
def test_an_hour_in_its_neighbour(k: int, how: str) -> None:
    frame = lapse_frame()
    value = frame["value"].to_numpy().copy()
    hour = value[k : k + 4].copy()
    if how == "into the next hour":
        value[k + 4 : k + 8] += hour
        first, last = k, k + 8
    elif how == "into the next quarter":
        value[k + 4] += hour.sum()
        first, last = k, k + 5
    else:
        value[k - 1] += hour.sum()
        first, last = k - 1, k + 4
    findings = smd.check(frame.assign(value=value).drop(index=range(k, k + 4)))
    assert codes(findings) == {"gap": 1, "summed": 1}
    found = only(findings, "summed")
    assert (found["start"].item(), found["end"].item()) == (frame["start"][first], frame["start"][last])


def test_hours_that_are_missing_are_not_all_in_their_neighbours() -> None:
    frame = lapse_frame()
    found = smd.check(frame.drop(index=[row for k in range(100, 35000, 997) for row in range(k, k + 4)]))
    assert codes(found) == {"gap": 36}


def test_units() -> None:
    for unit, service, expected in (
        ("therm", "electricity", {"unit-service": 1}),
        ("Wh", "water", {"unit-service": 1}),
        ("W", "gas", {"unit-service": 1}),
        ("therm", "gas", {}),
        ("ft3", "gas", {}),
        ("VAh", "electricity", {}),
        ("m3", "water", {}),
        (None, "electricity", {"unit-unknown": 1}),
        ("Wh", None, {}),
    ):
        frame = regular("2024-01-01", 96, noise(96), unit=unit, service=service)
        assert codes(smd.check(frame)) == expected, (unit, service)
    odd = regular("2024-01-01", 96, noise(96)).assign(unit="uom9999", measure="other")
    assert smd.check(odd)["message"].tolist() == ["the unit code 9999 is not in the standard's list"]


@pytest.mark.parametrize(
    ("code", "uom", "flow", "told"),
    [
        (8, 72, "delivered", False),  # FlowDirectionKind: "Quadrants 1 and 4 usually represent forward active energy"
        (10, 38, "received", False),  # "Quadrants 2 and 3 usually represent reverse active energy"
        (10, 73, "unstated", True),  # of VArh not
        (16, 72, "unstated", True),  # quadrant 2 only
        (0, 72, "unstated", False),
    ],
)
def test_directions_of_flow(code: int, uom: int, flow: str, told: bool) -> None:
    codes_of = element("accumulationBehaviour", 4) + element("flowDirection", code) + element("uom", uom)
    feed = smd.read(small(codes=codes_of).encode(), clock="utc")
    assert [channel.flow for channel in feed.channels] == [flow]
    assert ("flow-other" in set(feed.findings["code"])) == told


def test_a_channel_that_goes_on_in_another_step() -> None:
    """Hours until the meter is exchanged at 13:00, quarter hours from then on; and the same under one label, as is said."""
    hourly = regular("2024-02-27", 37, noise(37), length="1h", channel="old")
    finer = regular("2024-02-28 13:00", 44, noise(44), channel="new")
    found = smd.check(pd.concat([hourly, finer], ignore_index=True)).query("code == 'step-changed'")
    assert found[["channel", "n", "message"]].values.tolist() == [["new", 44, "it goes on from 'old', in steps of 15 min instead of 1 h"]]
    assert "replace('old', 'new')" in found["suggestion"].item()
    one = pd.concat([hourly, finer], ignore_index=True)
    one["channel"] = one["channel"].replace("old", "new")
    assert smd.check(one).empty
    days = smd.resample(one, "1D")
    assert days["coverage"].tolist() == [1, 1]
    assert days["value"].sum() == pytest.approx(noise(37).sum() + noise(44).sum(), rel=1e-12)
    for unlike in (finer.assign(flow="received"), finer.assign(usage_point="2"), hourly.assign(channel="new")):
        assert "step-changed" not in set(smd.check(pd.concat([hourly, unlike], ignore_index=True))["code"])


def test_energy_without_a_length_is_told() -> None:
    """The hour that comes twice, as some write it: once with no length at all."""
    frame = regular("2024-11-03", 25, noise(25), length="1h")
    frame.loc[2, "end"] = frame.loc[2, "start"]
    frame.loc[9, ["end", "value"]] = [frame.loc[9, "start"], 0.0]  # holds nothing, so nothing is lost
    told = only(smd.check(frame), "zero-length")
    assert (told["severity"].item(), told["n"].item(), told["start"].item()) == ("error", 1, frame["start"][2])
    with pytest.raises(SmdError, match="1 interval"):
        smd.resample(frame, "1D")
    assert "zero-length" not in codes(smd.check(frame.assign(measure="register", end=frame["start"])))


@pytest.mark.parametrize(("late", "helps"), [("00:00:01", True), ("00:07:00", False)])
def test_floored_starts_are_named_where_they_help(late: str, helps: bool) -> None:
    found = smd.check(regular(f"2024-01-01 {late}", 96, noise(96)))
    assert ("floor_starts" in only(found, "off-grid")["suggestion"].item()) == helps


def test_energy_and_demand() -> None:
    energy = regular("2024-01-01", 96, noise(96))
    power = regular("2024-01-01", 96, noise(96) * 4, unit="W", measure="power", channel="power")
    both = pd.concat([energy, power], ignore_index=True)
    assert smd.check(both).empty
    assert smd.check(both.assign(value=both["value"].where(both["measure"] == "energy", both["value"] * 1.5))).empty  # the highest within
    for factor, n in ((0.5, 96), (1000, 96)):
        wrong = both.assign(value=both["value"].where(both["measure"] == "energy", both["value"] * factor))
        found = smd.check(wrong)
        assert (codes(found), found["n"].item(), found["value"].item()) == ({"demand-differs": 1}, n, pytest.approx(factor))
    assert smd.check(wrong.assign(usage_point=wrong["measure"].astype(str))).empty  # unlike meters


def test_meters_with_channels_of_one_name_are_told_apart() -> None:
    frame = pd.concat([regular("2024-01-01", 96, noise(96), usage_point=point) for point in ("4007", "4008")], ignore_index=True)
    found = smd.check(frame.drop(index=[100, 101]))
    assert found["channel"].tolist() == ["electricity delivered (meter 2)"]


def test_what_is_no_tidy_frame() -> None:
    with pytest.raises(ConfigurationError, match="no column"):
        smd.check(pd.DataFrame({"value": [1.0]}))
    with pytest.raises(ConfigurationError, match="not dict"):
        smd.check({})
    with pytest.raises(ConfigurationError, match="bins"):
        smd.check(smd.resample(regular("2024-01-01", 96, 1.0), "1h"))
    with pytest.raises(ConfigurationError, match="service_kw"):
        smd.check(regular("2024-01-01", 96, 1.0), service_kw=0)
    with pytest.raises(TimeZoneError):
        smd.check(regular("2024-01-01", 96, 1.0).assign(zone="Mars/Olympus"))


def test_rows_without_a_start_or_a_zone() -> None:
    frame = regular("2024-01-01", 96, noise(96)).assign(zone=None)
    frame.loc[[0, 1], "start"] = pd.NaT
    found = smd.check(frame, service_kw=100)
    assert {code: int(only(found, code)["n"].iloc[0]) for code in ("time-missing", "zone-unknown")} == {
        "time-missing": 2,
        "zone-unknown": 1,
    }


def test_checking_changes_nothing_and_is_light_on_words() -> None:
    frame = damaged("load")
    before = frame.copy()
    findings = smd.check(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert not findings["message"].str.contains("|".join(str(value) for value in frame["value"].nlargest(3))).any()


# What a feed says twice -------------------------------------------------------------------------------------------------------------


def altered(feed: smd.Feed, old: str, new: str) -> smd.Feed:
    """Return a feed whose XML says something else."""
    from smd_notebook.espi.writer import write_document

    text = write_document(feed.document).decode()
    assert old in text, old
    return smd.read(text.replace(old, new).encode())


@pytest.fixture(scope="module")
def home() -> smd.Feed:
    return smd.sample("heat-pump-home").select(start="2025-01-01", end="2025-04-15")


def test_bills_fit_their_readings(home: smd.Feed) -> None:
    assert set(home.findings["code"]) <= {"quality", "edge-day"}
    assert len(home.bills()) == 12  # of which three have all their readings


def test_a_bill_that_does_not_fit(home: smd.Feed) -> None:
    bill = home.document.summaries[0].overall_consumption_last_period
    assert bill is not None
    found = only(altered(home, f">{bill.value}<", f">{int(bill.value or 0) * 2}<").findings, "bill-readings-differ")
    assert (len(found), found["value"].iloc[0]) == (1, pytest.approx(-0.5, abs=1e-6))
    assert found["start"].iloc[0] == home.bills()["start"].iloc[0]


def cost_feed(scale: float) -> smd.Feed:
    """Return two days of hours that cost 0.20 USD each, and a bill of 12.00 USD, of which 9.60 for energy."""
    hours = [reading(START + 3600 * n, 900 + 7 * n, cost=int(20_000 * scale)) for n in range(48)]
    period = element("billingPeriod", element("duration", 48 * 3600) + element("start", START))
    bill = element("UsageSummary", period + element("billLastPeriod", 1_200_000) + element("currency", 840))
    entries = [
        usage_point(related=[f"{POINT}/MeterReading", CLOCK]),
        local_time(*PACIFIC),
        meter_reading(),
        reading_type(codes=ENERGY + element("currency", 840)),
        blocks(block(*hours)),
        entry(bill, f"{POINT}/UsageSummary/1"),
    ]
    return smd.read(feed_xml(*entries).encode())


def test_costs_and_bills() -> None:
    fits, scale = cost_feed(1), cost_feed(100)
    found = only(fits.findings, "bill-cost-differs")
    assert (found["severity"].tolist(), found["value"].tolist()) == (["info"], [pytest.approx(0.8)])
    found = only(scale.findings, "bill-cost-differs")
    assert (found["severity"].tolist(), found["value"].tolist()) == (["warning"], [pytest.approx(80)])
    assert "bill-cost-differs" not in codes(cost_feed(1.25).findings)


def test_findings_wait_until_they_are_asked_for(home: smd.Feed) -> None:
    feed = smd.merge([home])
    assert "listed" not in vars(feed)
    first = feed.findings
    assert "listed" in vars(feed)
    first["code"] = "x"  # a copy
    assert "x" not in set(feed.findings["code"])
    pd.testing.assert_frame_equal(smd.check(feed), feed.findings)
    assert set(smd.check(feed, service_kw=0.5)["code"]) > set(feed.findings["code"])


# The corpus -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", MANIFEST, ids=lambda row: row["file"])
def test_gaps_and_overlaps_are_the_manifests(row: dict[str, str], corpus: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", smd.SmdWarning)  # wrong clocks are another matter
        feed = smd.read(corpus / "files" / row["file"])
    findings = feed.findings
    told = {word: int(number) for number, word in re.findall(r"(\d+) (gaps|overlapping)", row["oddities"])}
    assert len(only(findings, "gap")) == told.get("gaps", 0)
    if total := re.search(r"gaps, (\d+) s in total", row["oddities"]):
        assert only(findings, "gap")["value"].sum() * 3600 == int(total[1])
    if not row["file"].startswith("eversource"):  # all of whose intervals begin when it was downloaded, which the manifest does not count
        assert only(findings, "overlap")["n"].sum() == told.get("overlapping", 0)
    text = " ".join([*findings["message"], *findings["suggestion"]])
    assert not re.search(r"\b\d{7,}\b", text)  # no reading, no number of an account


def test_the_autumn_hour_of_a_real_export_is_in_its_neighbour(corpus: Path) -> None:
    """SDG&E's export of 2012: the repeated hour of 2011-11-06 is missing, and the hour before it holds both."""
    found = only(smd.read(corpus / "files" / "sdge__2011-02-01_to_2012-01-31.xml").findings, "summed")
    assert [str(moment) for moment in found["start"]] == ["2011-11-06 08:00:00+00:00"]


# Any step, any zone -----------------------------------------------------------------------------------------------------------------

STEPS = ("1min", "5min", "15min", "30min", "1h", "6h")
ZONES = ("America/Los_Angeles", "Europe/Paris", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu", "UTC")


@settings(max_examples=60)
@given(st.data())
def test_planted_gaps_are_found_whatever_the_step_and_zone(data: st.DataObject) -> None:
    step, zone = data.draw(st.sampled_from(STEPS)), data.draw(st.sampled_from(ZONES))
    first = data.draw(st.datetimes(pd.Timestamp("2015-01-01").to_pydatetime(), pd.Timestamp("2026-01-01").to_pydatetime()))
    n = data.draw(st.integers(20, 300))
    start = pd.date_range(pd.Timestamp(first, tz="UTC").floor("6h"), periods=n, freq=step)
    frame = tidy(start, np.random.default_rng(n).uniform(1, 2, n), length=step, zone=zone)
    pieces = data.draw(st.lists(st.tuples(st.integers(1, n - 2), st.integers(1, 8)), max_size=6))
    gone = np.zeros(n, dtype=bool)
    for at, many in pieces:
        gone[at : min(at + many, n - 1)] = True
    runs = np.flatnonzero(np.diff(np.concatenate([[0], gone.astype(int), [0]])))
    expected = [
        (start[low], start[low] + (high - low) * pd.Timedelta(step), high - low) for low, high in zip(runs[::2], runs[1::2], strict=True)
    ]
    findings = smd.check(frame[~gone].sample(frac=1, random_state=n))
    found = only(findings, "gap")
    assert list(zip(found["start"], found["end"], found["n"], strict=True)) == expected
    assert not {"overlap", "off-grid", "duplicate-same", "stale"} & set(findings["code"])


@settings(max_examples=30)
@given(
    st.sampled_from(ZONES), st.dates(pd.Timestamp("2015-01-01").date(), pd.Timestamp("2025-01-01").date()), st.integers(3, 40), st.data()
)
def test_planted_gaps_of_days_are_found_in_any_zone(zone: str, first: Any, n: int, data: st.DataObject) -> None:
    days = pd.DatetimeIndex([pd.Timestamp(first) + pd.Timedelta(days=k) for k in range(n + 1)])
    edges = days.tz_localize(zone, nonexistent="shift_forward", ambiguous=np.ones(n + 1, dtype=bool))
    frame = tidy(edges[:-1], np.random.default_rng(n).uniform(1, 2, n), end=edges[1:], zone=zone)
    low = data.draw(st.integers(1, n - 2))
    many = data.draw(st.integers(1, n - 1 - low))
    found = smd.check(frame.drop(index=range(low, low + many)))
    assert (found["code"].tolist(), found["n"].tolist()) == (["gap"], [many])
    assert smd.check(frame).empty
