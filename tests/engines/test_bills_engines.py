"""Bills against two engines that know nothing of each other: NREL's PySAM, Utilityrate5, and ratebook.

Both know years of 8,760 hours of 24-hour days, so the meter stands in a zone without DST; cycles of 745 hours, a leap year and seasons
that change within a cycle are done by hand in tests/test_costs.py.
"""

from __future__ import annotations

import dataclasses
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from smd_notebook.analysis import bill, load_tariff
from smd_notebook.analysis.schedules import Tariff
from tests.tidy import regular

ZONE = "Etc/GMT+8"  # no DST
YEAR = 2018  # begins on a Monday, as years of PySAM do
_HOUR = np.arange(8760)
LOAD = 0.3 + ((37 * _HOUR * _HOUR + 11 * _HOUR) % 53) / 20  # [kWh], no two days alike
SOLAR = np.maximum(0, 3 - 0.5 * np.abs(_HOUR % 24 - 12)) * (1 + _HOUR // 720 % 3) / 2  # [kWh]

RECORD: dict[str, Any] = {
    "label": "made up",
    "name": "TOU",
    "startdate": 0,
    "energyratestructure": [[{"rate": 0.1, "unit": "kWh"}], [{"rate": 0.25, "adj": 0.125}], [{"rate": 0.08}], [{"rate": 0.3}]],
    "energyweekdayschedule": [
        [0] * 16 + [1] * 5 + [0] * 3 if month in range(5, 9) else [2] * 7 + [3] * 2 + [2] * 15 for month in range(12)
    ],
    "energyweekendschedule": [[0] * 24 if month in range(5, 9) else [2] * 24 for month in range(12)],
    "fixedchargefirstmeter": 12.5,
    "fixedchargeunits": "$/month",
}


def tariff_of(name: str) -> Tariff:
    """Return a tariff that both sides can price: without holidays, and by the year 2018's dates at its newest rates."""
    if name == "record":
        return load_tariff(RECORD, on="2018-01-01")
    return dataclasses.replace(load_tariff(name, on="2026-03-01"), holidays=None)


def ours(tariff: Tariff, *, exports: bool = False) -> pd.DataFrame:
    taken = np.maximum(LOAD - SOLAR, 0) if exports else LOAD
    frame = regular(f"{YEAR}-01-01", 8760, taken * 1000, length="1h", zone=ZONE)
    if exports:
        given = np.maximum(SOLAR - LOAD, 0) * 1000
        more = regular(f"{YEAR}-01-01", 8760, given, length="1h", zone=ZONE, channel="electricity received", flow="received")
        frame = pd.concat([frame, more], ignore_index=True)
    return bill(frame, tariff, cycles="1MS", rates_as_of=tariff.on, territory="X", export_price=0.05)


def months(lines: pd.DataFrame, *kinds: str) -> np.ndarray:
    return lines[lines["kind"].isin(kinds)].groupby("cycle_start")["amount"].sum().to_numpy()


def pysam(tariff: Tariff, *, exports: bool = False) -> np.ndarray:
    """Return what PySAM makes of each month."""
    module = pytest.importorskip("PySAM.Utilityrate5")
    model = module.new()
    names = tariff.periods()
    tables = np.zeros((2, 12, 24), dtype=int)
    for season in tariff.seasons:
        for month in range(12):
            key, first, last = month + 1, season.first[0], season.last[0]
            if first <= key <= last if first <= last else key >= first or key <= last:
                for kind, hours in enumerate((season.workday, season.weekend)):
                    tables[kind, month] = [names.index((season.name, period)) + 1 for period in hours]
    model.Lifetime.analysis_period = 1
    model.Lifetime.system_use_lifetime_output = 0
    model.Lifetime.inflation_rate = 0
    model.SystemOutput.degradation = [0]
    model.SystemOutput.gen = SOLAR.tolist() if exports else [0] * 8760
    model.Load.load = LOAD.tolist()
    rates = model.ElectricityRates
    rates.en_electricity_rates = 1
    rates.rate_escalation = [0]
    rates.ur_metering_option = 2  # net billing
    rates.ur_monthly_fixed_charge = tariff.rates.monthly
    for name in (
        "monthly_min_charge",
        "annual_min_charge",
        "sell_eq_buy",
        "dc_enable",
        "en_ts_buy_rate",
        "en_ts_sell_rate",
        "nm_yearend_sell_rate",
    ):
        setattr(rates, f"ur_{name}", 0)
    rates.ur_ec_sched_weekday, rates.ur_ec_sched_weekend = tables.tolist()
    rates.ur_ec_tou_mat = [[number + 1, 1, 1e38, 0, tariff.rates.energy[name], 0.05] for number, name in enumerate(names)]
    model.execute()
    return np.array(model.Outputs.utility_bill_w_sys_ym[1])


@pytest.mark.parametrize("name", ["record", "E-TOU-C", "E-TOU-D", "EV2-A", "E-ELEC"])
def test_a_year_of_imports_against_pysam(name: str) -> None:
    tariff = tariff_of(name)
    assert months(ours(tariff), "energy", "monthly") == pytest.approx(pysam(tariff), abs=1e-6)


@pytest.mark.parametrize("name", ["record", "EV2-A"])
def test_net_billing_against_pysam(name: str) -> None:
    tariff = tariff_of(name)
    lines = ours(tariff, exports=True)
    assert (lines["kind"] == "export").sum() == 12
    assert months(lines, "energy", "monthly", "export") == pytest.approx(pysam(tariff, exports=True), abs=1e-6)


def test_a_year_against_ratebook() -> None:
    ratebook = pytest.importorskip("ratebook", reason="ratebook is not installed (it needs Python 3.12)")
    urdb = pytest.importorskip("ratebook.urdb")
    other = ratebook.estimate_annual(urdb.tariff_from_v8(RECORD), LOAD.tolist(), YEAR)
    assert other.ok
    lines = ours(tariff_of("record"))
    assert months(lines, "energy", "monthly") == pytest.approx([float(window.total) for window in other.windows], abs=1e-6)
    assert lines["amount"].sum() == pytest.approx(float(other.total), abs=1e-6)


def test_cycles_across_seasons_against_ratebook() -> None:
    ratebook = pytest.importorskip("ratebook", reason="ratebook is not installed (it needs Python 3.12)")
    urdb = pytest.importorskip("ratebook.urdb")
    record = RECORD | {"fixedchargefirstmeter": 0.4, "fixedchargeunits": "$/day"}
    other = urdb.tariff_from_v8(record)
    frame = regular(f"{YEAR}-01-01", 8760, LOAD * 1000, length="1h", zone=ZONE)
    for first, last in (("2018-05-17", "2018-06-15"), ("2018-09-20", "2018-10-21"), ("2018-02-01", "2018-02-28")):
        begin, end = date.fromisoformat(first), date.fromisoformat(last)
        days = (end - begin).days + 1
        offset = (begin - date(YEAR, 1, 1)).days * 24
        usage = ratebook.Usage(hourly_kwh=tuple(ratebook.money.to_decimal(value) for value in LOAD[offset : offset + days * 24].tolist()))
        result = ratebook.estimate_bill(other, usage, ratebook.BillingWindow(begin, days))
        assert result.ok
        lines = bill(frame, load_tariff(record, on=first), cycles=[(first, last)])
        assert lines["amount"].sum() == pytest.approx(float(result.total), abs=1e-6)
