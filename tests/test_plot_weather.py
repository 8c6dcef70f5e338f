"""Daily energy over temperature: the points, the line, and what is not drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from smd_notebook import plot
from smd_notebook.analysis import degree_days
from smd_notebook.errors import ConfigurationError

from .tidy import ZONE, regular, tidy

METER = "4007471111"


def cooled(days: int = 60) -> tuple[pd.DataFrame, pd.Series]:
    """Return a home that takes 10 kWh a day and 2 kWh more for each degree above 18 degC, and the temperature."""
    dates = pd.date_range("2024-06-03", periods=days, freq="D", tz=ZONE)  # a Monday
    degrees = 12 + np.arange(days) % 15
    energy = 10_000 + 2000 * np.maximum(degrees - 18, 0)
    hours = pd.date_range(dates[0], periods=days * 24, freq="h")
    home = tidy(hours, np.repeat(energy / 24, 24), length="1h", usage_point=METER)
    return home, pd.Series(np.repeat(degrees, 24).astype(float), index=hours)


def test_points_and_model():
    home, degrees = cooled()
    table = degree_days(home, degrees, balance_points=[15, 18, 21])
    figure = plot.temperature(table)
    weekdays, weekends, model = figure.data
    assert (len(weekdays.x), len(weekends.x)) == (44, 16)  # of 60 days from a Monday
    by_hand = 10 + 2 * np.maximum(np.asarray(weekdays.x) - 18, 0)
    np.testing.assert_allclose(weekdays.y, by_hand, rtol=1e-5)
    np.testing.assert_allclose(model.y, 10 + 2 * np.maximum(np.asarray(model.x) - 18, 0), rtol=1e-5)
    assert (np.diff(model.x) >= 0).all()
    assert model.name == "cooling model, R² 1.00"
    assert weekdays.marker.symbol != weekends.marker.symbol
    assert weekdays.text[0] == "2024-06-03"
    assert figure.layout.xaxis.title.text == "Mean outdoor temperature of the day (°C)"
    assert figure.layout.yaxis.title.text == "Energy (kWh per day)"
    assert figure.layout.title.subtitle.text == "60 days; cooling above 18.0 °C."
    assert figure.layout.title.text == "Electricity delivered: energy and temperature, 2024-06-03 to 2024-08-01"
    assert ZONE in figure.layout.meta["alt"]
    assert METER not in figure.to_json()
    assert list(figure.layout.modebar.remove) == ["sendChartToCloud"]


def test_days_that_are_missing_are_not_drawn():
    home, degrees = cooled()
    home = home.drop(index=range(40, 50))  # two days in part
    figure = plot.temperature(home, degrees.iloc[: 50 * 24], title="At home")
    assert sum(len(trace.x) for trace in figure.data[:2]) == 60 - 2 - 10
    assert "12 days not drawn" in figure.layout.title.subtitle.text
    assert figure.layout.title.text == "At home"


def test_other_units():
    home, degrees = cooled()
    gas = tidy(home["start"], 0.01 * home["value"], length="1h", channel="gas", service="gas", unit="therm")
    figure = plot.temperature(pd.concat([gas, home], ignore_index=True), degrees * 1.8 + 32, unit="degF", channel="gas")
    assert figure.layout.yaxis.title.text == "Energy (therm per day)"
    assert figure.layout.xaxis.title.text == "Mean outdoor temperature of the day (°F)"


def test_refused():
    home, degrees = cooled()
    with pytest.raises(ConfigurationError, match="no outdoor temperature"):
        plot.temperature(home)
    with pytest.raises(ConfigurationError, match="called 'x'"):
        plot.temperature(home, degrees, channel="x")
    with pytest.raises(ConfigurationError, match="nothing to draw"):
        plot.temperature(regular("2024-01-01", 0, 1.0), degrees)
