"""Figures of tariffs' periods and of bills."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from smd_notebook import plot
from smd_notebook.analysis import bill, load_tariff, tou_shares
from smd_notebook.errors import ConfigurationError, UnitError

from .tidy import ZONE, lapse_frame, regular

METER = "4007471111"


@pytest.fixture(scope="module")
def ev2a():
    return load_tariff("EV2-A", on="2026-03-01")


def test_periods_by_month(ev2a):
    figure = plot.tou(lapse_frame(usage_point=METER), ev2a)
    sums = {trace.name.split()[0]: np.asarray(trace.y, dtype="f8").sum() * 1000 for trace in figure.data}
    assert sums == pytest.approx({"peak": 4_992_691, "part-peak": 909_047, "off-peak": 6_182_370}, rel=1e-6)  # of definitions.md
    assert [trace.name for trace in figure.data] == ["peak 41.3 %", "part-peak 7.5 %", "off-peak 51.2 %"]
    by_month = np.sum([np.asarray(trace.y, dtype="f8") for trace in figure.data], axis=0) * 1000
    assert by_month[[0, 2, 10]] == pytest.approx([775_652, 775_757, 760_193], rel=1e-6)  # January; March of 743 h; November of 721 h
    assert [str(time)[:10] for time in figure.data[0].x[[0, 11]]] == ["2024-01-01", "2024-12-01"]
    np.testing.assert_allclose(np.asarray(figure.data[0].width[:2]) / 0.9 / 86_400_000, [31, 29])
    assert figure.layout.barmode == "stack"
    assert figure.layout.yaxis.title.text == "Energy (kWh per month)"
    assert figure.layout.xaxis.title.text == f"Local date ({ZONE})"
    assert len({(trace.marker.color, trace.marker.pattern.shape) for trace in figure.data}) == 3
    assert METER not in figure.to_json()
    assert list(figure.layout.modebar.remove) == ["sendChartToCloud"]


def test_months_in_part_are_lighter(ev2a):
    frame = lapse_frame()
    frame = frame[(frame["start"] < "2024-02-10 00:00-08:00") | (frame["start"] >= "2024-04-01 00:00-07:00")]
    figure = plot.tou(frame, ev2a)
    assert [str(time)[:7] for time in figure.data[0].x[:3]] == ["2024-01", "2024-02", "2024-04"]  # of March there is nothing, and no 0
    assert list(figure.data[0].marker.opacity[:3]) == [1, 0.4, 1]
    assert "lighter: month metered in part" in figure.layout.title.subtitle.text


def test_periods_by_season(ev2a):
    figure = plot.tou(tou_shares(lapse_frame(), ev2a), title="Shares")
    assert [list(trace.x) for trace in figure.data] == [["summer", "winter"]] * 3
    assert figure.layout.yaxis.title.text == "Energy (kWh per season)"
    assert ZONE in figure.layout.xaxis.title.text
    assert figure.layout.title.text == "Shares"


def test_periods_refused(ev2a):
    with pytest.raises(ConfigurationError, match="of a tariff"):
        plot.tou(lapse_frame())
    with pytest.raises(UnitError):
        plot.tou(regular("2024-01-01", 24, 1.0, length="1h", service="gas", unit="therm"), ev2a)


def test_bills():
    tariff = load_tariff("E-TOU-C", on="2026-03-01")
    home = pd.concat([lapse_frame("delivered"), lapse_frame("received", flow="received")], ignore_index=True).assign(usage_point=METER)
    lines = bill(home, tariff, cycles="1MS", rates_as_of="2026-03-01", territory="X", export_price=0.05)
    figure = plot.bill(lines)
    *bars, dots = figure.data
    assert [bar.name for bar in bars] == ["energy peak", "energy off-peak", "baseline credit", "charge by the day", "exported energy"]
    by_cycle = lines.groupby("cycle_start")["amount"].sum()
    np.testing.assert_allclose(dots.y, by_cycle, rtol=1e-6)
    assert np.asarray(bars[4].y, dtype="f8").sum() == pytest.approx(-3172.568 * 0.05, rel=1e-6)
    assert np.asarray(bars[3].y)[0] == pytest.approx(31 * 0.79343)
    assert (np.asarray(bars[2].y) < 0).all()
    assert (figure.layout.barmode, figure.layout.yaxis.title.text) == ("relative", "Amount (USD per cycle)")
    assert figure.layout.xaxis.title.text == f"Local date ({ZONE})"
    assert "12 cycles" in figure.layout.title.subtitle.text
    assert "rates as of 2026-03-01" in figure.layout.title.subtitle.text
    assert METER not in figure.to_json()
    # days of the cycle, the last included
    np.testing.assert_allclose(np.asarray(bars[0].width[:2]) / 0.9 / 86_400_000, [31, 29])


def test_bills_in_part(ev2a):
    home = pd.concat([lapse_frame("delivered"), lapse_frame("received", flow="received")], ignore_index=True)
    home = home[(home["start"] < "2024-02-10 00:00-08:00") | (home["start"] >= "2024-02-11 00:00-08:00")]
    lines = bill(home, ev2a, cycles=[("2024-01-01", "2024-01-31"), ("2024-02-01", "2024-02-29")], rates_as_of="2026-03-01")
    figure = plot.bill(lines, title="Two bills")
    assert list(figure.data[0].marker.opacity) == [1, 0.4]
    assert "exports have no price" in figure.layout.title.subtitle.text
    assert "lighter: metered in part" in figure.layout.meta["alt"]
    assert not np.isnan(figure.data[-1].y).any()
    assert figure.layout.title.text == "Two bills"


def test_bills_refused(ev2a):
    with pytest.raises(ConfigurationError, match="no lines of bills"):
        plot.bill(lapse_frame())
    two = pd.concat([lapse_frame(), lapse_frame(usage_point="2")], ignore_index=True)
    lines = bill(two, ev2a, cycles=[("2024-01-01", "2024-01-31")], rates_as_of="2026-03-01")
    with pytest.raises(ConfigurationError, match="2 usage points"):
        plot.bill(lines)
