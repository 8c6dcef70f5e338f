"""Typical days: the centres as they are, and each day in its place of the calendar."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from smd_notebook import plot
from smd_notebook.analysis import TypicalDays, stamp, typical_days
from smd_notebook.errors import ConfigurationError
from smd_notebook.plot import base

from .tidy import ZONE, lapse_frame

METER = "4007471111"


def found(n: int = 2, *, normalise: bool = True) -> TypicalDays:
    """Two weeks and a day from Wednesday, January 3, 2024, of two kinds; the second Sunday is of none."""
    dates = pd.date_range("2024-01-03", periods=15)
    cluster = pd.array([1, 1, 1, 2, 2, 1, 1, 1, 1, 1, 2, None, 1, 1, 1], dtype="Int64")
    calendar = pd.DataFrame({"usage_point": METER, "channel": "electricity delivered", "date": dates, "cluster": cluster, "rse": 0.1})
    centres = pd.DataFrame({"days": [11, *[3] * (n - 1)], "share": 0.5, "rse": 0.1}, index=pd.RangeIndex(1, n + 1, name="cluster"))
    centres[[f"{hour:02d}:00" for hour in range(24)]] = np.arange(24) / 276 if normalise else np.arange(24) * 100.0
    inputs = {"zone": ZONE, "normalise": normalise, "unit": "share of the day" if normalise else "W"}
    return TypicalDays(*(stamp(table, definition="", inputs=inputs) for table in (calendar, centres, pd.DataFrame({"rse": [0.1]}))))


def test_centres_and_calendar() -> None:
    figure = plot.typical_days(found())
    one, two, calendar = figure.data
    np.testing.assert_allclose(one.y, np.append(np.arange(24), 23) / 276 * 100, rtol=1e-6)
    assert (one.line.shape, one.dx, one.y.dtype) == ("hv", 1, "float32")
    assert one.line.dash != two.line.dash
    assert [one.name, two.name] == ["1: 11 days, error 0.10", "2: 3 days, error 0.10"]
    assert calendar.y == ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    nan = np.nan
    # by the calendar of January 2024: a column a week, from Monday, January 1
    expected = [[nan, 1, 1], [nan, 1, 1], [1, 1, 1], [1, 1, nan], [1, 1, nan], [2, 2, nan], [2, 0, nan]]
    np.testing.assert_array_equal(calendar.z, expected)
    assert (calendar.x0, calendar.dx) == ("2024-01-04", 7 * 86_400_000)
    assert calendar.text[5][1] == "2024-01-13: 2"
    # grey is what is in no cluster, and each kind of day has the colour of its line
    bands = dict(calendar.colorscale)
    for code, colour in enumerate([base.MISSING, one.line.color, two.line.color]):
        place = (code - calendar.zmin) / (calendar.zmax - calendar.zmin)
        low = max(at for at in bands if at <= place)
        assert [hue for at, hue in calendar.colorscale if at == low][-1] == colour
    assert "grey: 1 day in none" in figure.layout.title.subtitle.text
    assert figure.layout.yaxis.title.text == "Share of the day (%)"
    assert figure.layout.xaxis.title.text == f"Local time of day ({ZONE})"
    assert ZONE in figure.layout.xaxis2.title.text
    assert "1: 11 days" in figure.layout.meta["alt"]
    assert METER not in figure.to_json()
    assert list(figure.layout.modebar.remove) == ["sendChartToCloud"]


def test_what_is_not_normalised_has_a_unit() -> None:
    figure = plot.typical_days(found(normalise=False), title="Kinds of days")
    assert figure.layout.yaxis.title.text == "Power (kW)"
    assert figure.data[0].y[10] == pytest.approx(1.0)
    assert figure.layout.title.text == "Kinds of days"


def test_more_clusters_than_colours() -> None:
    with pytest.raises(ConfigurationError, match="9 clusters"):
        plot.typical_days(found(9))


def test_of_intervals() -> None:
    pytest.importorskip("sklearn", reason="typical_days needs scikit-learn (extra `cluster`)")
    frame = pd.concat([lapse_frame().iloc[: 96 * 40], lapse_frame("received", flow="received").iloc[: 96 * 40]], ignore_index=True)
    figure = plot.typical_days(frame, 2)
    days = typical_days(frame[frame["channel"] == "electricity load"], 2)
    assert figure.layout.title.text.startswith("Electricity load (1 of 2 channels): typical days")
    assert [trace.name[:5] for trace in figure.data[:2]] == [f"{number}: {n}" for number, n in days.centres["days"].items()]


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
    with pytest.raises(ConfigurationError, match="cluster"):
        plot.typical_days(lapse_frame().iloc[: 96 * 10], 2)
