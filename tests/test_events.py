"""Baselines of demand response: the published example, and arithmetic by hand."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook.analysis import DR_RULES, dr_baseline
from smd_notebook.errors import ConfigurationError, SmdError, UnitError

from .tidy import ZONE, lapse_frame, regular

EVENT = ("2024-07-31 17:00", "2024-07-31 20:00")
RULE = {"x_of_y": (10, 10), "window": ("-4h", "-1h"), "cap": (0.8, 1.2), "lookback": 45}


def told(frame: pd.DataFrame) -> dict:
    return json.loads(frame.attrs["passport"])["inputs"]


def of(frame: pd.DataFrame, phase: str, column: str) -> float:
    return float(frame.loc[frame["phase"] == phase, column].mean())


def test_the_example_of_the_closed_form_meter() -> None:
    """Definition R16: ten weekdays from 17 to 30 July, ratio 36985/34079, adjusted mean 6.919588646967 kW."""
    found = dr_baseline(smd.sample("lapse2024"), EVENT, **RULE)
    assert of(found, "event", "baseline") / 1000 == pytest.approx(6.919588646967, abs=5e-13)
    assert told(found)["ratio"] == pytest.approx(36985 / 34079, abs=1e-15)
    assert told(found)["days"] == [f"2024-07-{day}" for day in (17, 18, 19, 22, 23, 24, 25, 26, 29, 30)]
    assert told(found)["capped"] is False
    assert (found["phase"] == "event").sum() == 12
    assert (found["phase"] == "window").sum() == 12
    assert len(found) == 96
    assert "10 of 10" in smd.cite(found)
    assert (found["coverage"] == 1).all()
    assert "coverage 100.00%" in smd.cite(found)


def home(*, event: float = 900.0, window: float = 600.0) -> pd.DataFrame:
    """Make thirty days of June by the hour: 100 W times the day of the month; on the 28th as given."""
    frame = regular("2024-06-01", 30 * 24, 0.0, length="1h")
    frame["value"] = frame["start"].dt.day * 100.0
    last = (frame["start"].dt.day == 28) & (frame["start"].dt.hour >= 12)
    frame.loc[last, "value"] = np.where(frame.loc[last, "start"].dt.hour < 16, window, event)
    return frame


JUNE = ("2024-06-28 16:00", "2024-06-28 18:00")  # a Friday


def test_the_highest_of_the_most_recent_by_hand() -> None:
    """The five workdays before are the 21st and 24th to 27th; the highest three are 25, 26 and 27: raw 2600 W."""
    found = dr_baseline(home(window=2600.0), JUNE, x_of_y=(3, 5), window=("-4h", "0h"), cap=None, lookback=20)
    assert told(found)["days"] == ["2024-06-25", "2024-06-26", "2024-06-27"]
    assert of(found, "event", "raw") == 2600
    assert of(found, "event", "baseline") == pytest.approx(2600)
    assert of(found, "event", "actual") == 900


@pytest.mark.parametrize(("choice", "days"), [("highest", [25, 26, 27]), ("lowest", [21, 24, 25]), ("middle", [24, 25, 26])])
def test_the_choice_of_days(choice, days) -> None:
    found = dr_baseline(home(), JUNE, x_of_y=(3, 5), window=None, cap=None, lookback=20, choice=choice)
    assert told(found)["days"] == [f"2024-06-{day}" for day in days]
    assert told(found)["ratio"] == 1


@pytest.mark.parametrize(("window", "ratio"), [(2600.0, 1.0), (100.0, 0.8), (9000.0, 1.2), (2860.0, 1.1)])
def test_the_cap(window: float, ratio: float) -> None:
    found = dr_baseline(home(window=window), JUNE, x_of_y=(3, 5), window=("-4h", "-1h"), cap=(0.8, 1.2), lookback=20)
    assert told(found)["ratio"] == pytest.approx(ratio)
    assert told(found)["capped"] is (window in (100.0, 9000.0))
    assert of(found, "event", "baseline") == pytest.approx(2600 * ratio)


def test_other_events_holidays_and_gaps_are_no_candidates() -> None:
    frame = home()
    frame = frame[~((frame["start"].dt.day == 25) & (frame["start"].dt.hour == 3))]
    found = dr_baseline(frame, JUNE, x_of_y=(2, 2), window=None, cap=None, lookback=20, events=["2024-06-27"], holidays=["2024-06-26"])
    assert told(found)["days"] == ["2024-06-21", "2024-06-24"]


def test_weekends_are_compared_with_weekends() -> None:
    found = dr_baseline(home(), ("2024-06-29 16:00", "2024-06-29 18:00"), x_of_y=(2, 2), window=None, cap=None, lookback=20)
    assert told(found)["days"] == ["2024-06-22", "2024-06-23"]


def test_the_lookback_ends_the_search() -> None:
    with pytest.raises(SmdError, match="5 days before the event can be compared with it, and 10 are asked for"):
        dr_baseline(home(), JUNE, x_of_y=(5, 10), window=None, cap=None, lookback=7)
    found = dr_baseline(home(), JUNE, x_of_y=(5, 10), window=None, cap=None, lookback=7, min_days=5)
    assert len(told(found)["days"]) == 5


def test_a_ratio_to_nothing_is_refused() -> None:
    frame = home()
    frame.loc[frame["start"].dt.day < 28, "value"] = 0.5
    with pytest.raises(SmdError, match="about zero"):
        dr_baseline(frame, JUNE, x_of_y=(3, 5), window=("-4h", "-1h"), cap=None, lookback=20)


def test_a_window_with_holes_is_refused() -> None:
    frame = home()
    frame = frame[~((frame["start"].dt.day == 28) & (frame["start"].dt.hour == 13))]
    with pytest.raises(SmdError, match="not wholly metered"):
        dr_baseline(frame, JUNE, x_of_y=(3, 5), window=("-4h", "-1h"), cap=None, lookback=20)


def test_a_day_with_two_hours_of_one_name() -> None:
    """On 3 November the hour from one comes twice; each has the baseline of that hour."""
    found = dr_baseline(lapse_frame(), ("2024-11-03 17:00", "2024-11-03 19:00"), x_of_y=(2, 2), window=None, cap=None, lookback=14)
    assert len(found) == 100
    first, second = found.iloc[4:8], found.iloc[8:12]
    assert first["raw"].tolist() == second["raw"].tolist()


@pytest.mark.parametrize(
    ("event", "options", "text"),
    [
        (("2024-07-31 20:00", "2024-07-31 17:00"), {}, "within one local day"),
        (("2024-07-31 20:00", "2024-08-01 02:00"), {}, "within one local day"),
        (("2025-07-31 17:00", "2025-07-31 18:00"), {}, "not in the data"),
        (("soon", "later"), {}, "are no times"),
        (("2024-07-31 17:05", "2024-07-31 18:05"), {}, "whole slots of 15 min"),
        (("2024-07-31 02:00", "2024-07-31 03:00"), {}, "the window does not lie"),
        (EVENT, {"window": ("-1h", "1h")}, "the window does not lie"),
        (EVENT, {"x_of_y": (11, 10)}, "not understood"),
        (EVENT, {"lookback": 0}, "not understood"),
        (EVENT, {"choice": "random"}, "not understood"),
        (EVENT, {"cap": (1.2, 0.8)}, "the lower first"),
    ],
)
def test_what_is_refused(event, options, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        dr_baseline(lapse_frame(), event, **(RULE | options))


def test_gas_is_refused() -> None:
    with pytest.raises(UnitError):
        dr_baseline(regular("2024-07-01", 31 * 24, 1.0, length="1h", service="gas", unit="therm"), EVENT, **RULE)


def test_an_event_with_a_zone() -> None:
    at = tuple(pd.Timestamp(time, tz=ZONE).tz_convert("UTC") for time in EVENT)
    with_zone, without = dr_baseline(lapse_frame(), at, **RULE), dr_baseline(lapse_frame(), EVENT, **RULE)
    assert with_zone["baseline"].tolist() == without["baseline"].tolist()


def test_published_rules_say_what_they_are() -> None:
    assert (DR_RULES["lbnl"].window, DR_RULES["lbnl"].cap) == (("-4h", "-1h"), (0.8, 1.2))
    assert (DR_RULES["slac-pge"].window, DR_RULES["slac-pge"].cap) == (("-4h", "-2h"), None)
    for rule in DR_RULES.values():
        assert rule.source
        assert "read in a public source" in rule.status


def test_a_slot_that_the_clock_shortens_is_compared_with_its_own() -> None:
    """On Lord Howe Island the clock jumps from 2:00 to 2:30; 100 W for each hour since midnight."""
    frame = regular("2024-09-01", 48 * 40, 0.0, length="30min", zone="Australia/Lord_Howe")
    frame["value"] = frame["start"].dt.hour * 50.0
    event = ("2024-10-06 17:00", "2024-10-06 20:00")
    found = dr_baseline(frame, event, x_of_y=(3, 3), window=None, cap=None, lookback=30, slot="1h")
    assert found["start"].dt.strftime("%H:%M").tolist()[:4] == ["00:00", "01:00", "02:30", "03:00"]
    assert found["raw"].tolist()[:4] == [0, 100, 200, 300]
