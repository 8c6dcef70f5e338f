"""A feed's own bills beside its readings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook.analysis import bill, load_tariff, reconcile
from smd_notebook.errors import ConfigurationError

from .tidy import ZONE, regular


class Billed:
    """A feed of one frame and one bill from 1 to 30 April 2026."""

    def __init__(self, frame: pd.DataFrame, energy: float, *, unit: str = "Wh", money: float = 100.0, service: str = "electricity") -> None:
        self.frame = frame
        start, end = (pd.DatetimeIndex([day]).tz_localize(ZONE).as_unit("us") for day in ("2026-04-01", "2026-05-01"))
        row = {"usage_point": "1", "service": service, "zone": ZONE, "start": start, "end": end}
        self.stated = pd.DataFrame(row | {"bill": money, "currency": "USD", "energy": energy, "unit": unit})

    def tidy(self) -> pd.DataFrame:
        return self.frame

    def bills(self) -> pd.DataFrame:
        return self.stated


def april(value: Any = 1000.0, **kinds: Any) -> pd.DataFrame:
    return regular("2026-04-01", 720, value, length="1h", **kinds)


def test_energy_and_money_of_a_whole_period() -> None:
    """720 kWh, of which 5 h a day are peak: 150 of 720 hours, and 90 of part-peak."""
    feed = Billed(april(), 720_000, money=250.0)
    lines = bill(feed, load_tariff("EV2-A", on="2026-04-01"), cycles="bill")
    row = reconcile(feed, priced=lines).iloc[0]
    assert (row["basis"], row["coverage"], row["metered"], row["difference"]) == ("delivered", 1, 720_000, 0)
    expected = 150 * 0.41099 + 120 * 0.39428 + 450 * 0.22558 + 30 * 0.79343
    assert row["priced"] == pytest.approx(expected)
    assert row["billed_less_priced"] == pytest.approx(250 - expected)


def test_a_bill_of_gas_is_not_priced_by_the_tariff_of_electricity() -> None:
    gas = april(0.1, service="gas", channel="gas delivered", unit="therm")
    feed = Billed(pd.concat([april(), gas], ignore_index=True), 720_000, money=250.0)
    feed.stated = pd.concat([feed.stated, feed.stated.assign(service="gas", energy=72.0, unit="therm", bill=90.0)], ignore_index=True)
    table = reconcile(feed, priced=bill(feed, load_tariff("EV2-A", on="2026-04-01"), cycles="bill")).set_index("service")
    assert table["metered"].round(9).to_dict() == {"electricity": 720_000, "gas": 72}
    assert table["priced"].notna().to_dict() == {"electricity": True, "gas": False}
    assert np.isnan(table.loc["gas", "billed_less_priced"])


def test_what_a_csv_would_have_lost() -> None:
    """Of 4 Wh each, rounded to 0.01 kWh, nothing is left."""
    row = reconcile(Billed(april(4.0), 2880)).iloc[0]
    assert (row["metered"], row["as_csv"]) == (2880, 0)


def test_a_bill_of_the_net() -> None:
    frame = pd.concat([april(), april(400.0, channel="electricity received", flow="received")], ignore_index=True)
    row = reconcile(Billed(frame, 432, unit="kWh")).iloc[0]
    assert (row["basis"], row["unit"]) == ("net", "kWh")
    assert row["metered"] == pytest.approx(432)
    assert reconcile(Billed(frame, 719, unit="kWh"))["basis"].iloc[0] == "delivered"


def test_costs_of_the_intervals() -> None:
    frame = april().assign(cost=0.25)
    assert reconcile(Billed(frame, 1)).iloc[0]["costs"] == pytest.approx(180)
    frame.loc[3, "cost"] = np.nan
    assert np.isnan(reconcile(Billed(frame, 1)).iloc[0]["costs"])


def test_a_period_with_holes_is_not_compared() -> None:
    frame = april().drop(index=range(48))
    feed = Billed(frame, 720_000)
    lines = bill(feed, load_tariff("EV2-A", on="2026-04-01"), cycles="bill")
    row = reconcile(feed, priced=lines).iloc[0]
    assert row["coverage"] == pytest.approx(672 / 720)
    assert row[["metered", "difference", "as_csv", "priced", "billed_less_priced"]].isna().all()
    assert (row["stated"], row["billed"]) == (720_000, 100)


def test_another_service_is_not_compared() -> None:
    gas = Billed(april(service="gas", unit="therm"), 720)
    assert reconcile(gas).iloc[0]["coverage"] == 0
    same = Billed(april(service="gas", unit="therm"), 720_000, unit="therm", service="gas")
    assert reconcile(same).iloc[0]["difference"] == 0
    odd = Billed(april(), 1, unit="m3")
    assert np.isnan(reconcile(odd).iloc[0]["metered"])


def test_the_samples_bill_what_they_metered() -> None:
    found = reconcile(smd.sample("ev-home"))
    assert found["difference"].abs().max() < 0.05
    assert (found["coverage"] == 1).all()
    assert "bills 12" in smd.cite(found)


def test_real_files_agree_with_their_bills(corpus) -> None:
    """March 2011 by the hour, of 743 hours, is billed to the Wh; so is gas to a thousandth of a therm."""
    electric = reconcile(smd.read(corpus / "files/sdk__hourlyForMonthMar.xml")).iloc[0]
    assert (electric["metered"], electric["difference"]) == (2_278_213, 0)
    gas = reconcile(smd.read(corpus / "files/gba__Gas.xml")).iloc[0]
    assert (gas["unit"], round(gas["difference"], 9)) == ("therm", 0)


def test_what_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="expected a Feed, not DataFrame"):
        reconcile(april())
    with pytest.raises(ConfigurationError, match="no bills with a period"):
        reconcile(smd.sample("lapse2024"))
