"""Signs of solar panels and vehicles."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook.analysis import screen
from smd_notebook.errors import ConfigurationError, SmdError, UnitError

from .tidy import lapse_frame, regular


def test_the_vehicle_of_the_closed_form_meter() -> None:
    """It charges with 7.2 kW on Tuesdays and Fridays from midnight to four: 105 times in 2024, on no DST day."""
    signs = screen(lapse_frame(), ev_power=7, ev_hours=3)
    assert set(signs["sign"]) == {"ev-candidate"}
    assert len(signs) == 53 + 52
    assert set(signs["start"].dt.day_name()) == {"Tuesday", "Friday"}
    assert set(signs["start"].dt.hour) == {0}
    assert set((signs["end"] - signs["start"]) / pd.Timedelta("1h")) == {4.0}
    assert screen(lapse_frame(), ev_power=7, ev_hours=4.25).empty


def test_what_was_received_is_told_once() -> None:
    signs = screen(lapse_frame("received", flow="received"), ev_power=7, ev_hours=3)
    assert signs[["sign", "n_days", "value"]].to_numpy().tolist() == [["net-metered", 366, 3_172_568.0]]
    none = screen(regular("2024-01-01", 96, 0.0, flow="received"), ev_power=7, ev_hours=3)
    assert none.empty
    assert "no verdict" in smd.cite(none)


def test_gaps_and_missing_values_break_a_run() -> None:
    frame = regular("2024-01-01", 8, 8000.0, length="1h")
    assert screen(frame, ev_power=7, ev_hours=5)["value"].tolist() == [8000.0]
    assert screen(frame.drop(index=3), ev_power=7, ev_hours=5).empty
    frame.loc[3, "value"] = np.nan
    assert screen(frame, ev_power=7, ev_hours=4)["evidence"].tolist() == ["7 kW or more for 4 h"]


def test_what_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="above 0"):
        screen(lapse_frame(), ev_power=0, ev_hours=3)
    with pytest.raises(UnitError, match="no channel of electric"):
        screen(regular("2024-01-01", 24, 1.0, service="gas", unit="therm"), ev_power=7, ev_hours=3)


def test_no_energy_counts_twice() -> None:
    frame = regular("2024-01-01", 8, 8000.0, length="1h", flow="received")
    with pytest.raises(SmdError, match="overlap"):
        screen(pd.concat([frame, frame.iloc[2:4]]), ev_power=7, ev_hours=3)
