"""Figures of many homes: the numbers of the analysis, and no home's name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from smd_notebook import plot
from smd_notebook.analysis import TypicalDays, across_homes, stamp
from smd_notebook.errors import ConfigurationError, UnitError
from smd_notebook.plot import base

from .tidy import ZONE

METER = "4007471111"
ABOUT = {"meters": 7, "zone": ZONE}
HOURS = [f"{hour:02d}:00" for hour in range(24)]


def stamped(rows: pd.DataFrame) -> pd.DataFrame:
    return stamp(rows, definition="", inputs=ABOUT)


def profiles(n: int = 7, unit: str = "W") -> pd.DataFrame:
    """Homes of which the n-th takes n kW on weekdays and 2n kW at weekends, at each hour."""
    kinds = pd.Categorical.from_codes(np.tile(np.repeat([0, 1], 24), n), categories=["weekday", "weekend"], ordered=True)
    number = np.repeat(np.arange(1, n + 1), 48)
    columns = {"usage_point": [f"{METER}-{one}" for one in number], "channel": "electricity delivered", "day_type": kinds}
    slots = pd.Categorical(np.tile(HOURS, 2 * n), categories=HOURS, ordered=True)
    return stamped(pd.DataFrame({**columns, "slot": slots, "n": 5, "mean": 1000.0 * number * (kinds.codes + 1), "p50": 0.0, "unit": unit}))


def test_quantiles_across_homes() -> None:
    table = across_homes(profiles(), quantiles=(0, 0.5, 0.75))
    assert len(table) == 48
    assert table.columns.tolist() == ["usage_point", "channel", "day_type", "slot", "n", "mean", "p0", "p50", "p75", "unit"]
    noon = table[table["slot"] == "12:00"].set_index("day_type")
    # of 1 to 7 kW: the mean and the median are 4, three quarters of the way from the first to the last 5.5
    assert noon.loc["weekday", ["n", "mean", "p0", "p50", "p75"]].tolist() == [7, 4000, 1000, 4000, 5500]
    assert noon.loc["weekend", "p75"] == 11_000
    lacking = profiles()
    lacking.loc[12, "mean"] = np.nan  # the first home's noon of weekdays
    assert across_homes(lacking).set_index(["day_type", "slot"]).loc[("weekday", "12:00"), ["n", "p50"]].tolist() == [6, 4500]
    with pytest.raises(ConfigurationError, match="no profile"):
        across_homes(pd.DataFrame({"value": [1]}))
    with pytest.raises(ConfigurationError, match="between 0 and 1"):
        across_homes(profiles(), quantiles=(10,))
    with pytest.raises(UnitError, match="unlike units"):
        across_homes(pd.concat([profiles(), profiles(unit="therm/h")]))


def test_fan() -> None:
    figure = plot.cohort(profiles())
    names = [trace.name for trace in figure.data[:4]]
    assert names == ["10 to 90 % of homes", "25 to 75 % of homes", "median", "mean"]
    assert np.unique(figure.data[1].y).tolist() == [2.5, 5.5]  # kW
    assert np.unique(figure.data[2].y).tolist() == [4]
    titles = [note.text for note in figure.layout.annotations]
    assert titles == ["Weekday: 7 homes", "Weekend: 7 homes", f"Local time of day ({ZONE})"]
    assert figure.layout.title.text == "Electricity delivered: daily profiles across 7 homes"
    assert figure.layout.yaxis.title.text == "Power (kW)"
    assert "weekday, 7 homes, mean 4 kW" in figure.layout.meta["alt"]
    assert METER not in figure.to_json()
    assert plot.cohort(across_homes(profiles())).data[2] == figure.data[2]
    with pytest.raises(UnitError, match="unlike units"):
        plot.cohort(pd.concat([profiles(), profiles(unit="therm/h")]))


def curves(n: int) -> pd.DataFrame:
    """Homes in no order, of which the k-th highest falls from 2(k+1) kW to 0."""
    k = np.random.default_rng(0).permutation(n)
    share = np.array([0, 0.25, 1.0])
    load = 1000 * (k[:, None] + 1) * np.array([2, 1, 0.0])
    points = np.repeat([f"{METER}-{one}" for one in range(n)], 3)
    columns = {"usage_point": points, "channel": "electricity delivered", "share": np.tile(share, n), "load": load.ravel(), "unit": "W"}
    return stamped(pd.DataFrame(columns))


def test_ranked_duration_curves() -> None:
    figure = plot.cohort(curves(10))
    drawn = {trace.name: trace for trace in figure.data if trace.hoverinfo == "skip"}
    assert sorted(one.legendrank for one in drawn.values()) == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(drawn["highest fifth of homes"].y, [20, 10, 0, np.nan, 18, 9, 0, np.nan])
    np.testing.assert_array_equal(drawn["lowest fifth of homes"].y, [4, 2, 0, np.nan, 2, 1, 0, np.nan])
    np.testing.assert_array_equal(drawn["second of homes"].x, [0, 25, 100, np.nan] * 2)
    np.testing.assert_array_equal(figure.data[-1].y, [11, 5.5, 0])  # the median of 10 homes
    assert figure.layout.yaxis.title.text == "Power (kW)"
    assert figure.layout.xaxis.title.text == "Share of the metered time (%)"
    assert "drawn" not in figure.layout.title.subtitle.text
    assert METER not in figure.to_json()


def test_of_many_homes_some_are_drawn_and_the_figure_says_so() -> None:
    figure = plot.cohort(curves(1000))
    assert figure.layout.title.subtitle.text.startswith("300 of 1,000 homes are drawn, evenly by rank.")
    lines = [np.isnan(trace.y.astype("f8")).sum() for trace in figure.data if trace.hoverinfo == "skip"]
    assert lines == [60] * 5
    top = next(trace for trace in figure.data if trace.name == "highest fifth of homes")
    assert top.y[0] == 2000  # the highest is among them


def days() -> TypicalDays:
    """Three homes and four days: the first of kind 2, the others of kind 1; of the last home one day is in none."""
    cluster = pd.array([2, 2, 2, 1, 1, 1, 2, 1, 1, 1, None, 1], dtype="Int64")
    points = np.repeat([f"{METER}-{one}" for one in range(3)], 4)
    dates = np.tile(pd.date_range("2025-01-01", periods=4), 3)
    calendar = pd.DataFrame({"usage_point": points, "channel": "electricity delivered", "date": dates, "cluster": cluster, "rse": 0.1})
    centres = pd.DataFrame({"days": [7, 4], "share": [7 / 11, 4 / 11], "rse": 0.1}, index=pd.RangeIndex(1, 3, name="cluster"))
    centres[HOURS] = np.arange(24) / 276
    inputs = {**ABOUT, "normalise": True, "unit": "share of the day"}
    return TypicalDays(*(stamp(table, definition="", inputs=inputs) for table in (calendar, centres, pd.DataFrame({"rse": [0.1]}))))


def test_cluster_map() -> None:
    figure = plot.cohort(days())
    one, two, homes = figure.data
    # homes whose days are mostly of kind 1 first; of two that have three such days each, in the order of the table
    assert np.asarray(homes.z).tolist() == [[1, 1, 2, 1], [1, 1, 0, 1], [2, 2, 2, 1]]
    assert (homes.x0, homes.dx) == ("2025-01-01", 86_400_000)
    for code, colour in enumerate([base.MISSING, one.line.color, two.line.color]):
        place = (code - homes.zmin) / (homes.zmax - homes.zmin)
        assert [hue for at, hue in homes.colorscale if at <= place][-1] == colour
    assert one.name == "1: 7 days, error 0.10"
    assert figure.layout.yaxis.title.text == "Share of the day (%)"
    assert figure.layout.yaxis2.title.text == "3 homes, a row each"
    assert ZONE in figure.layout.xaxis2.title.text
    assert figure.layout.title.text == "Electricity delivered: kinds of days of 3 homes, 2025-01-01 to 2025-01-04"
    assert METER not in figure.to_json()


def together() -> pd.DataFrame:
    columns = {"meters": [1, 2, 7], "subsets": 30, "mean": [5000.0, 4000.0, 2500.0], "p10": [1000.0, 2000.0, 2500.0], "p50": 0.0}
    columns |= {"p90": [9000.0, 6000.0, 2500.0], "unit": "W", "coincidence_factor": [1, 0.8, 0.5]}
    return stamped(pd.DataFrame({**columns, "interval": pd.Timedelta("15min"), "coverage": 1.0}))


def test_coincidence_curve() -> None:
    figure = plot.cohort(together(), title="Together")
    band, mean = figure.data
    assert list(mean.y) == [5, 4, 2.5]
    assert list(band.y) == [9, 6, 2.5, 2.5, 2, 1]
    assert list(band.x) == [1, 2, 7, 7, 2, 1]
    assert figure.layout.yaxis.title.text == "Power a home (kW)"
    assert figure.layout.xaxis.type == "log"
    assert list(figure.layout.xaxis.ticktext) == ["1", "2", "7"]
    assert figure.layout.title.text == "Together"
    assert figure.layout.title.subtitle.text == "30 random groups of each size, out of 7 homes; intervals of 15 min."
    assert "a coincidence factor of 0.50" in figure.layout.meta["caption"]
    assert list(figure.layout.modebar.remove) == ["sendChartToCloud"]


def test_what_is_not_drawn() -> None:
    for wrong in (3, pd.DataFrame({"value": [1]})):
        with pytest.raises(ConfigurationError, match="nothing that is drawn"):
            plot.cohort(wrong)
    with pytest.raises(ConfigurationError, match="no values"):
        plot.cohort(profiles().iloc[:0])
