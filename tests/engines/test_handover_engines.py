"""Hand-over to the programs themselves: opendsm (an environment of its own) and PySAM."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from smd_notebook.analysis import bill, load_tariff, to_opendsm, to_pysam
from tests.tidy import ZONE, lapse_frame, regular


@pytest.mark.filterwarnings("ignore")  # of opendsm's own dependencies
def test_forty_five_missing_days_are_as_many_in_opendsm() -> None:
    eemeter = pytest.importorskip("opendsm.eemeter", reason="opendsm is not installed (locks/weather.txt, an environment of its own)")
    hours = pd.date_range("2024-01-01", "2024-12-31", freq="h", tz=ZONE, inclusive="left")
    temperature = pd.Series(60 - 25 * np.cos((hours.day_of_year.to_numpy() - 15) / 366 * 2 * np.pi), index=hours)
    frame = lapse_frame()
    frame = frame[frame["start"].dt.strftime("%m-%d") != "12-31"]  # opendsm takes 365 days and no more
    gone = frame["start"].dt.strftime("%m-%d").between("05-01", "06-14")
    days = to_opendsm(frame[~gone], temperature, unit="degF")
    assert (len(days), int(days["observed"].isna().sum())) == (365, 45)
    data = eemeter.DailyBaselineData(days, is_electricity_data=True)
    assert int(data.df["observed"].isna().sum()) == 45
    assert data.df["observed"].sum() == pytest.approx(frame.loc[~gone, "value"].sum() / 1000)
    assert any("missing_observed" in one.qualified_name for one in data.disqualification)


def test_pysam_takes_the_year() -> None:
    """A flat tariff costs the same however clocks go."""
    module = pytest.importorskip("PySAM.Utilityrate5")
    frame = regular("2023-01-01", 8760, 250.0 + np.arange(8760) % 700, length="1h")
    model = module.new()
    model.Lifetime.analysis_period, model.Lifetime.system_use_lifetime_output, model.Lifetime.inflation_rate = 1, 0, 0
    model.SystemOutput.degradation, model.SystemOutput.gen = [0], [0] * 8760
    model.Load.load = to_pysam(frame, year=2023)["load"].tolist()
    rates = model.ElectricityRates
    rates.en_electricity_rates, rates.rate_escalation, rates.ur_metering_option, rates.ur_monthly_fixed_charge = 1, [0], 2, 0
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
    rates.ur_ec_sched_weekday = rates.ur_ec_sched_weekend = [[1] * 24] * 12
    rates.ur_ec_tou_mat = [[1, 1, 1e38, 0, 0.2, 0]]
    model.execute()
    flat = [[0] * 24] * 12
    record = {"startdate": 0, "energyratestructure": [[{"rate": 0.2}]], "energyweekdayschedule": flat, "energyweekendschedule": flat}
    lines = bill(frame, load_tariff(record, on="2023-01-01"), cycles=[("2023-01-01", "2023-12-31")])
    assert lines["amount"].sum() == pytest.approx(model.Outputs.utility_bill_w_sys_year1, abs=1e-6)
