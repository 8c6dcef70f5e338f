"""Gas beside electricity (channels side by side and their net are in test_bins.py)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook.analysis import convert, metrics, net, resample, wide
from smd_notebook.errors import ConfigurationError, UnitError

from .tidy import regular

GAS = {"length": "1D", "service": "gas", "channel": "gas delivered"}


@pytest.mark.parametrize(("therm", "kwh"), [("EC", 29.3071), ("US", 29.3001)])
def test_both_therms(therm, kwh):
    frame = regular("2024-01-01", 3, [1.0, 2.0, np.nan], unit="therm", **GAS)
    there = convert(frame, therm=therm)
    assert there["value"].tolist()[:2] == pytest.approx([kwh, 2 * kwh], abs=1e-4)
    assert there["value"].isna().tolist() == [False, False, True]
    assert there["unit"].tolist() == ["kWh"] * 3
    assert f"therm {therm}" in smd.cite(there)
    back = convert(there, "therm", therm=therm)
    assert back["value"].tolist() == pytest.approx([1, 2, np.nan], nan_ok=True)
    assert frame["unit"].tolist() == ["therm"] * 3  # what was given is as it was


def test_gas_beside_electricity():
    gas = regular("2024-01-01", 2, [1.0, 2.0], unit="therm", **GAS)
    cubic = regular("2024-01-01", 2, [1.0, 2.0], unit="m3", measure="volume", length="1D", service="gas", channel="gas volume")
    days = resample(pd.concat([regular("2024-01-01", 48, 500.0, length="1h"), gas, cubic], ignore_index=True), "1D")
    table = wide(convert(days))
    assert table["electricity delivered"].tolist() == [12, 12]
    assert table["gas delivered"].tolist() == pytest.approx([29.3071, 58.6142], abs=1e-4)
    assert table["gas volume"].tolist() == [1, 2]
    assert convert(days).query("channel == 'gas volume'")["unit"].tolist() == ["m3"] * 2
    assert metrics(convert(gas)).set_index("metric").loc["max", ["value", "unit"]].tolist() == [
        pytest.approx(58.6142 / 24, abs=1e-5),
        "kWh/h",
    ]


def test_the_net_of_a_feed():
    balance = net(smd.sample("lapse2024").select(usage_point="lapse2024-net"))
    assert balance["value"].sum() == 9_748_676 - 3_172_568  # Wh delivered and received, by the meter's formula
    assert resample(balance, "1YS")["value"].tolist() == [6_576_108]
    with pytest.raises(ConfigurationError, match="expected a Feed"):
        net([1])


def test_what_cannot_be_converted():
    gas = regular("2024-01-01", 2, [1.0, 2.0], unit="therm", **GAS)
    for unit in ("W", "m3", "furlong"):
        with pytest.raises(UnitError, match="no unit of energy"):
            convert(gas, unit)
    with pytest.raises(ConfigurationError, match="not known"):
        convert(gas, therm="UK")
    with pytest.raises(UnitError, match="no energy"):
        convert(regular("2024-01-01", 2, 1.0, unit="m3", measure="volume", service="gas", channel="gas"))
    with pytest.raises(ConfigurationError, match="expected a Feed"):
        convert([1])
    assert convert(gas[:0]).empty
