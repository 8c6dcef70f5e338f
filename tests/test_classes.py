"""The quality map: its matrix and its figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook import plot
from smd_notebook.analysis import quality_map
from smd_notebook.analysis.classes import CLASSES
from smd_notebook.errors import ConfigurationError
from smd_notebook.plot import base

from .tidy import ZONE, lapse_frame, regular, tidy

METER = "4007471111"


def values(n: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(50, 150, n)


def test_an_undamaged_year() -> None:
    matrix = quality_map(lapse_frame(), slot="1h")
    assert matrix.shape == (366, 24)
    assert matrix.loc["2024-03-10", "02:00"] == ""  # the hour that the clock skips
    assert (matrix == "measured").sum().sum() == 366 * 24 - 1
    assert quality_map(lapse_frame()).shape == (366, 96)


def test_each_class_by_hand() -> None:
    quality = np.array(["validated"] * 96, dtype=object)
    quality[4:8], quality[8], quality[9] = "estimated", "manually_edited", "interpolated"
    value = values(96)
    value[40:52] = value[40]  # stale
    value[12] = np.nan
    frame = regular("2024-01-01", 96, value, quality=quality).drop(index=[20, 21])
    frame["quality"] = frame["quality"].astype(object)
    frame.loc[30, "quality"] = "questionable"
    row = quality_map(frame).iloc[0].tolist()
    expected = ["measured"] * 96
    expected[4:8], expected[8], expected[9] = ["estimated"] * 4, "edited", "estimated"
    expected[12] = expected[20] = expected[21] = "missing"
    expected[30] = "questionable"
    expected[40:52] = ["suspicious"] * 12
    assert row == expected
    assert quality_map(frame, slot="1h").iloc[0, :8].tolist() == [
        *("measured", "estimated", "estimated", "missing", "measured", "missing", "measured", "questionable"),
    ]


def test_the_hour_that_comes_twice_is_as_good_as_the_worse() -> None:
    start = pd.date_range("2024-11-03", "2024-11-04", freq="1h", tz=ZONE, inclusive="left")
    frame = tidy(start, values(25), length="1h")
    assert (quality_map(frame).iloc[0] == "measured").all()
    assert quality_map(frame.drop(index=2)).iloc[0, :3].tolist() == ["measured", "missing", "measured"]


def test_outside_of_the_data_is_not_missing() -> None:
    row = quality_map(regular("2024-01-01 06:00", 12, values(12), length="1h")).iloc[0]
    assert (row == "").tolist() == [True] * 6 + [False] * 12 + [True] * 6


def test_days_and_bills_have_one_row() -> None:
    days = pd.date_range("2024-03-01", periods=31, freq="D", tz=ZONE)
    gas = tidy(days[:-1], values(30), end=days[1:], service="gas", unit="therm").drop(index=[7])
    assert quality_map(gas)["00:00"].tolist() == ["measured"] * 7 + ["missing"] + ["measured"] * 22
    bills = tidy(["2024-01-05", "2024-02-03"], [1.0, 2.0], end=["2024-02-03", "2024-03-06"])
    assert quality_map(bills).shape == (61, 1)


def test_odd_steps() -> None:
    assert quality_map(regular("2024-01-01", 30, values(30), length="7min")).shape == (1, 240)  # in steps of 6 minutes
    assert quality_map(regular("2024-01-01", 30, values(30), length="10s")).shape == (1, 1440)
    mixed = pd.concat([regular("2024-01-01", 24, values(24), length="1h"), regular("2024-01-02", 96, values(96))], ignore_index=True)
    assert quality_map(mixed).shape == (2, 96)
    none = regular("2024-01-01", 24, values(24), length="1h").assign(end=lambda frame: frame["start"])
    assert (quality_map(none) == "measured").all().all()


def test_which_channel_and_what_is_refused() -> None:
    frame = pd.concat(
        [regular("2024-01-01", 96, values(96)), regular("2024-01-01", 24, 1.0, length="1h", channel="gas")], ignore_index=True
    )
    assert quality_map(frame).shape == (1, 96)
    assert quality_map(frame, channel="gas").shape == (1, 24)
    two = pd.concat([frame, frame.assign(usage_point="2")], ignore_index=True)
    assert quality_map(two).shape == (1, 96)
    for given, arguments, why in (
        (frame, {"channel": "x"}, "'x'"),
        (two, {"channel": "gas"}, "2 usage points"),
        (frame, {"slot": "5h"}, "divide"),
        (frame, {"slot": "1MS"}, "divide"),
        (frame.iloc[:0], {}, "no intervals"),
    ):
        with pytest.raises(ConfigurationError, match=why):
            quality_map(given, **arguments)


def test_moments_alone_are_no_time() -> None:
    start = pd.DatetimeIndex(["2024-01-01T00:00"], tz=ZONE).as_unit("us")
    frame = tidy(start, [1.0], end=start)
    with pytest.raises(ConfigurationError, match="no length"):
        quality_map(frame)


def test_the_figure() -> None:
    frame = lapse_frame().assign(usage_point=METER)
    value = frame["value"].to_numpy().copy()
    value[12000:12096] = value[12000]
    frame = smd.fill(frame.assign(value=value).drop(index=[*range(1000, 1004), *range(8000, 8096)]))
    figure = plot.quality(frame)
    heat, *legend = figure.data
    numbers = np.asarray(heat.z)
    assert (numbers.shape, numbers.dtype) == ((96, 366), "int8")
    counts = {name: int((numbers == number).sum()) for number, name in enumerate(CLASSES)}
    assert counts == {"measured": 35136 - 196 - 4, "edited": 0, "estimated": 4, "questionable": 0, "suspicious": 96, "missing": 96}
    assert [trace.name for trace in legend] == ["measured 99.4 %", "estimated < 0.1 %", "suspicious 0.3 %", "missing 0.3 %"]  # 96 of 35,136
    assert all(trace.marker.color == base.QUALITY[trace.name.split()[0]] for trace in legend)
    assert base.QUALITY["missing"] == base.MISSING
    assert figure.layout.title.text == "Electricity load: quality, 2024-01-01 to 2024-12-31"
    assert figure.layout.xaxis.title.text == f"Local date ({ZONE})"
    text = figure.to_json()
    assert METER not in text
    assert len(text) < 300_000
    assert figure.layout.meta["alt"].startswith("Map of the quality of electricity load by local date")
    assert list(figure.layout.modebar.remove) == ["sendChartToCloud"]


def test_colours_stand_for_their_classes() -> None:
    heat = plot.quality(regular("2024-01-01", 96, values(96))).data[0]
    width = (heat.zmax - heat.zmin) / 7
    bands = list(heat.colorscale)
    for number, colour in enumerate(["#FFFFFF", *(base.QUALITY[name] for name in CLASSES)]):
        middle = (number - 1 - heat.zmin) / (heat.zmax - heat.zmin)
        low, high = bands[2 * number], bands[2 * number + 1]
        assert low[0] < middle < high[0]
        assert (low[1], high[1]) == (colour, colour)
        assert high[0] - low[0] == pytest.approx(width / (heat.zmax - heat.zmin))


def test_daily_readings_are_drawn_as_a_strip() -> None:
    days = pd.date_range("2024-03-01", periods=31, freq="D", tz=ZONE)
    figure = plot.quality(tidy(days[:-1], values(30), end=days[1:], service="gas", unit="therm"), title="Gas")
    assert figure.layout.yaxis.ticktext == ("whole day",)
    assert figure.layout.yaxis.title.text == ""  # it is no time of day
    assert figure.layout.title.text == "Gas"
