"""Bills and shares of periods: arithmetic by hand, and figures known beforehand."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook.analysis import bill, load_tariff, tou_shares
from smd_notebook.errors import ConfigurationError, SmdError, UnitError

from .tidy import lapse2024, lapse_frame, regular, tidy

ON = "2026-03-01"


def amounts(frame: pd.DataFrame) -> dict[str, float]:
    return dict(zip(frame["line"], frame["amount"], strict=True))


def quantities(frame: pd.DataFrame) -> dict[str, float]:
    return dict(zip(frame["line"], frame["quantity"], strict=True))


def passport(frame: pd.DataFrame) -> dict:
    return json.loads(frame.attrs["passport"])["inputs"]


# shares -----------------------------------------------------------------------------------------------------------------------------


def test_shares_of_the_closed_form_meter() -> None:
    """Definition R12: peak 4 992 691 Wh, part-peak 909 047, off-peak 6 182 370."""
    shares = tou_shares(lapse_frame(), load_tariff("EV2-A", on=ON))
    by_period = shares.groupby("period")["energy"].sum()
    assert (by_period * 1000).round(6).to_dict() == {"peak": 4_992_691, "part-peak": 909_047, "off-peak": 6_182_370}
    assert shares["share"].sum() == pytest.approx(1, abs=1e-12)
    assert shares["covered"].sum() == 8784
    assert (shares["coverage"] == 1).all()


def test_shares_by_plain_pandas() -> None:
    frame = lapse_frame("delivered")
    shares = tou_shares(frame, load_tariff("E-TOU-D", on=ON)).set_index(["season", "period"])["energy"]
    local = frame["start"].dt
    holidays = pd.to_datetime(
        ["2024-01-01", "2024-02-19", "2024-05-27", "2024-07-04", "2024-09-02", "2024-11-11", "2024-11-28", "2024-12-25"]
    )
    work = (local.day_of_week < 5) & ~local.tz_localize(None).dt.normalize().isin(holidays)
    peak = work & (local.hour >= 17) & (local.hour < 20)
    summer = local.month.between(6, 9)
    for season, where in (("summer", summer), ("winter", ~summer)):
        assert shares[season, "peak"] == pytest.approx(frame.loc[peak & where, "value"].sum() / 1000, abs=1e-9)
        assert shares[season, "off-peak"] == pytest.approx(frame.loc[~peak & where, "value"].sum() / 1000, abs=1e-9)


@pytest.mark.parametrize(
    "zone",
    [
        *("America/Los_Angeles", "America/St_Johns", "America/Santiago", "Europe/Berlin", "Africa/Casablanca"),
        *("Asia/Kathmandu", "Australia/Adelaide", "Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Apia"),
    ],
)
def test_energy_in_is_energy_out_in_any_zone(zone: str) -> None:
    """A year from New Year's midnight to the next, with its changes of clocks: nothing is lost, nothing is doubled."""
    first, last = (pd.Timestamp(f"{year}-01-01", tz=zone) for year in (2024, 2025))
    n = int((last - first) / pd.Timedelta("15min"))
    values = np.arange(n) % 97.0
    shares = tou_shares(regular("2024-01-01", n, values, zone=zone), load_tariff("EV2-A", on=ON))
    assert shares["energy"].sum() == pytest.approx(values.sum() / 1000, rel=1e-12)
    assert shares["covered"].sum() == n / 4
    assert (shares["coverage"] == 1).all()
    peak = shares.loc[shares["period"] == "peak", "covered"].sum()
    assert peak == 366 * 5  # no clock changes in the afternoon


def test_an_interval_across_an_edge_is_split() -> None:
    """From 15:40 to 16:10 it is ten minutes of peak and twenty of part-peak."""
    shares = tou_shares(tidy(["2026-04-01 15:40"], [300.0], length="30min"), load_tariff("EV2-A", on=ON))
    assert shares.set_index("period")["energy"].to_dict() == pytest.approx({"part-peak": 0.2, "peak": 0.1})


def test_the_repeated_hour_is_in_its_period_twice(tmp_path) -> None:
    path = tmp_path / "night.toml"
    path.write_text(
        """
name = "Night"
utility = "x"
source = "x"
status = "made up"
currency = "USD"
[seasons]
all = ["01-01", "12-31"]
[periods]
rest = "day"
night = { hours = [[1, 2]] }
[[rates]]
start = 2024-01-01
source = "x"
all = { day = 0.3, night = 0.1 }
""",
        encoding="utf-8",
    )
    tariff = load_tariff(path, on="2024-01-01")
    autumn = regular("2024-11-03", 100, 1.0)
    spring = regular("2024-03-10", 92, 1.0)
    assert tou_shares(autumn, tariff).set_index("period")["covered"].to_dict() == {"day": 23, "night": 2}
    assert tou_shares(spring, tariff).set_index("period")["covered"].to_dict() == {"day": 22, "night": 1}
    both = tou_shares(autumn, tariff).set_index("period")["energy"]
    assert both.to_dict() == pytest.approx({"day": 0.092, "night": 0.008})


def test_shares_leave_gaps_out_and_say_so() -> None:
    frame = lapse_frame().drop(index=range(31 * 96, 76 * 96))  # 45 days from the first of February
    shares = tou_shares(frame, load_tariff("EV2-A", on=ON))
    assert shares["covered"].sum() == 8784 - 45 * 24
    assert shares["energy"].sum() == pytest.approx(frame["value"].sum() / 1000)
    winter = shares[(shares["season"] == "winter") & (shares["period"] == "peak")].iloc[0]
    assert winter["coverage"] == pytest.approx((244 - 45) / 244)


def test_gas_is_left_out_and_named() -> None:
    gas = regular("2024-01-01", 31, 1.0, length="1D", channel="gas delivered", service="gas", unit="therm", usage_point="2")
    frame = pd.concat([lapse_frame(), gas], ignore_index=True)
    shares = tou_shares(frame, load_tariff("EV2-A", on=ON))
    assert shares["channel"].unique().tolist() == ["electricity load"]
    assert passport(shares)["left out"] == ["gas delivered"]
    with pytest.raises(UnitError, match="no channel of electric energy"):
        tou_shares(gas, load_tariff("EV2-A", on=ON))


# bills by hand ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "hours"),
    [
        ("2024-11-01", "2024-11-30", 721),
        ("2024-10-05", "2024-11-04", 745),
        ("2024-02-01", "2024-02-29", 696),
        ("2024-03-01", "2024-03-31", 743),
    ],
)
def test_one_kw_all_the_time(first: str, last: str, hours: int) -> None:
    """A cycle of 745 hours, of 721 and 743, and February of a leap year: 1 kW is as many kWh, and 5 h of each day are peak."""
    frame = regular("2024-01-01", 8784, 1000.0, length="1h")
    lines = bill(frame, load_tariff("E-TOU-C", on=ON), cycles=[(first, last)], rates_as_of=ON, territory="X")
    n = (pd.Timestamp(last) - pd.Timestamp(first)).days + 1
    assert quantities(lines) == pytest.approx(
        {"energy winter off-peak": hours - 5 * n, "energy winter peak": 5 * n, "baseline credit": 9.7 * n, "charge by the day": n}
    )
    expected = (hours - 5 * n) * 0.36757 + 5 * n * 0.39757 - 9.7 * n * 0.0814 + 0.79343 * n
    assert lines["amount"].sum() == pytest.approx(expected, abs=1e-9)
    assert (lines["coverage"] == 1).all()
    assert len(frame) == 8784


def test_a_cycle_across_a_season() -> None:
    """Ten days of September and five of October: allowances 10 x 9.8 + 5 x 9.7."""
    frame = regular("2024-09-01", 61 * 24, 1000.0, length="1h")
    lines = bill(frame, load_tariff("E-TOU-C", on=ON), cycles=[("2024-09-21", "2024-10-05")], rates_as_of=ON, territory="X")
    assert quantities(lines) == pytest.approx(
        {
            "energy summer off-peak": 190,
            "energy summer peak": 50,
            "energy winter off-peak": 95,
            "energy winter peak": 25,
            "baseline credit": 146.5,
            "charge by the day": 15,
        }
    )
    expected = 190 * 0.3994 + 50 * 0.5224 + 95 * 0.36757 + 25 * 0.39757 - 146.5 * 0.0814 + 15 * 0.79343
    assert lines["amount"].sum() == pytest.approx(expected, abs=1e-9)


def test_small_use_is_credited_no_further_than_it_goes() -> None:
    frame = regular("2026-04-01", 30 * 24, 100.0, length="1h")
    lines = bill(frame, load_tariff("E-TOU-C", on=ON), cycles="1MS", territory="X")
    assert quantities(lines)["baseline credit"] == pytest.approx(72)
    heated = bill(
        regular("2026-04-01", 30 * 24, 1000.0, length="1h"), load_tariff("E-TOU-C", on=ON), cycles="1MS", territory="X", all_electric=True
    )
    assert quantities(heated)["baseline credit"] == pytest.approx(30 * 14.6)


def test_rates_that_change_within_a_cycle() -> None:
    """Ten days before and five days after 2025-09-01, each at its own rates; the charge by the day began later."""
    frame = regular("2025-08-01", 61 * 24, 1000.0, length="1h")
    lines = bill(frame, load_tariff("E-TOU-C", on=ON), cycles=[("2025-08-22", "2025-09-05")], territory="X")
    assert lines["rates_from"].dt.strftime("%Y-%m-%d").unique().tolist() == ["2025-03-01", "2025-09-01"]
    expected = 190 * 0.50269 + 50 * 0.62569 + 95 * 0.49157 + 25 * 0.61457 - 98 * 0.10301 - 49 * 0.10084
    assert lines["amount"].sum() == pytest.approx(expected, abs=1e-9)


def test_exports() -> None:
    frame = pd.concat([lapse_frame("delivered"), lapse_frame("received", flow="received")], ignore_index=True)
    tariff = load_tariff("E-ELEC", on=ON)
    lines = bill(frame, tariff, cycles=[("2024-01-01", "2024-12-31")], rates_as_of=ON, export_price=0.05, income_tier=1)
    assert quantities(lines)["exported energy"] == pytest.approx(3172.568)
    assert amounts(lines)["exported energy"] == pytest.approx(-158.6284)
    assert amounts(lines)["charge by the day"] == pytest.approx(366 * 0.19713)
    imports = lines[lines["kind"] == "energy"]
    assert imports["quantity"].sum() == pytest.approx(9748.676)
    unpriced = bill(frame, tariff, cycles=[("2024-01-01", "2024-12-31")], rates_as_of=ON)
    assert np.isnan(amounts(unpriced)["exported energy"])
    assert any("export" in text for text in passport(unpriced)["a real bill has besides"])
    assert not any("export" in text for text in passport(lines)["a real bill has besides"])


def test_exports_of_a_meter_without_imports_are_named() -> None:
    parts = [("1", "delivered"), ("1", "received"), ("2", "received")]
    frame = pd.concat([lapse_frame(flow, flow=flow, usage_point=point) for point, flow in parts], ignore_index=True)
    lines = bill(frame, load_tariff("E-ELEC", on=ON), cycles=[("2024-01-01", "2024-01-31")], rates_as_of=ON)
    assert set(lines["usage_point"]) == {"1"}
    assert passport(lines)["channels not billed"] == ["electricity received"]


def test_the_passport_says_what_is_left_out() -> None:
    lines = bill(lapse_frame(), load_tariff("EV2-A", on=ON), cycles="1MS", rates_as_of=ON)
    text = smd.cite(lines)
    for words in ("choice aggregator", "CARE", "Climate Credit", "taxes", "not read at the source", "rates as of 2026-03-01", "EV2-A"):
        assert words in text
    assert text.endswith("values as computed")


def test_each_usage_point_has_its_own_bill() -> None:
    lines = bill(smd.sample("lapse2024"), load_tariff("EV2-A", on=ON), cycles="1MS", rates_as_of=ON)
    sums = lines[lines["kind"] == "energy"].groupby("usage_point")["quantity"].sum()
    totals = {name: values.sum() / 1000 for name, values in lapse2024().items()}
    assert sums.to_dict() == pytest.approx({"lapse2024-gross": totals["load"], "lapse2024-net": totals["delivered"]})
    assert len(lines.groupby(["usage_point", "cycle_start"])) == 24


# what is missing --------------------------------------------------------------------------------------------------------------------


def test_missing_days_are_listed_and_not_made_up() -> None:
    frame = regular("2024-01-01", 8784, 1000.0, length="1h")
    frame = frame.drop(index=range(31 * 24, 76 * 24))  # 45 days: February and sixteen days of March
    lines = bill(frame, load_tariff("EV2-A", on=ON), cycles="1MS", rates_as_of=ON)
    missing = lines[lines["kind"] == "missing"]
    assert missing["cycle_start"].dt.strftime("%m-%d").tolist() == ["02-01", "03-01"]
    assert missing["quantity"].tolist() == [29 * 24, 16 * 24]
    assert missing["amount"].isna().all()
    february = lines[lines["cycle_start"] == "2024-02-01"]
    assert february.loc[february["kind"] == "energy", "quantity"].sum() == 0
    assert (february["coverage"] == 0).all()
    assert amounts(february)["charge by the day"] == pytest.approx(29 * 0.79343)
    assert passport(lines)["hours not metered"] == 45 * 24
    assert lines.loc[lines["kind"] == "energy", "quantity"].sum() == pytest.approx(8784 - 45 * 24)


def test_nan_is_missing() -> None:
    frame = regular("2026-04-01", 30 * 24, 1000.0, length="1h")
    frame.loc[:9, "value"] = np.nan
    lines = bill(frame, load_tariff("EV2-A", on=ON), cycles="1MS")
    assert quantities(lines)["not metered"] == 10


def test_missing_exports_are_listed() -> None:
    into = regular("2026-04-01", 30 * 24, 1000.0, length="1h")
    out = regular("2026-04-01", 29 * 24, 10.0, length="1h", channel="electricity received", flow="received")
    lines = bill(pd.concat([into, out], ignore_index=True), load_tariff("EV2-A", on=ON), cycles="1MS", export_price=0.1)
    assert quantities(lines)["exports not metered"] == 24
    assert quantities(lines)["exported energy"] == pytest.approx(6.96)


# refusals ---------------------------------------------------------------------------------------------------------------------------


def test_days_without_rates_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="none for 366 days of the cycles, the first 2024-01-01"):
        bill(lapse_frame(), load_tariff("EV2-A", on=ON), cycles=[("2024-01-01", "2024-12-31")])
    with pytest.raises(ConfigurationError, match="none for 2024-06-01"):
        bill(lapse_frame(), load_tariff("EV2-A", on=ON), cycles="1MS", rates_as_of="2024-06-01")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"territory": None}, "depends on the territory"),
        ({"territory": "A"}, "depends on the territory"),
        ({"territory": "X", "income_tier": 4}, "no income tier"),
    ],
)
def test_what_the_tariff_needs(options, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        bill(lapse_frame(), load_tariff("E-TOU-C", on=ON), cycles="1MS", rates_as_of=ON, **options)


def april(**kinds) -> pd.DataFrame:
    return regular("2026-04-01", 30 * 24, 1.0, length="1h", **kinds)


@pytest.mark.parametrize(
    ("frame", "error", "text"),
    [
        (april(flow="net"), ConfigurationError, "net of both directions"),
        (april(flow="received"), UnitError, "no channel of imports"),
        (april(service="gas", unit="therm"), UnitError, "no channel of electric energy"),
        (april(measure="power", unit="W"), UnitError, "no channel of electric energy"),
        (pd.concat([april(), april(channel="other")]), ConfigurationError, "several channels of one flow"),
        (pd.concat([april(), april()]), SmdError, "overlap"),
        (april().assign(value=-1.0), ConfigurationError, "holds negative imports"),
        (regular("2026-04-01", 30, 1.0, length="1D"), ConfigurationError, "a day or longer"),
        (smd.resample(april(), "1h"), ConfigurationError, "in bins already"),
    ],
)
def test_what_cannot_be_billed_is_refused(frame: pd.DataFrame, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        bill(frame, load_tariff("EV2-A", on=ON), cycles="1MS")


def test_the_name_of_a_tariff_is_no_tariff() -> None:
    for call in (lambda name: bill(april(), name, cycles="1MS"), lambda name: tou_shares(april(), name)):
        with pytest.raises(ConfigurationError, match=r"(?s)not str.*load_tariff"):
            call("EV2-A")


def test_mixed_intervals_add_up() -> None:
    quarter, hourly = regular("2026-04-01", 15 * 96, 250.0), regular("2026-04-16", 15 * 24, 1000.0, length="1h")
    mixed = bill(pd.concat([quarter, hourly], ignore_index=True), load_tariff("EV2-A", on=ON), cycles="1MS")
    plain = bill(regular("2026-04-01", 720, 1000.0, length="1h"), load_tariff("EV2-A", on=ON), cycles="1MS")
    pd.testing.assert_frame_equal(mixed, plain)


def test_a_charge_by_the_month_needs_months() -> None:
    flat = [[0] * 24] * 12
    record = {
        "name": "Flat",
        "label": "x",
        "startdate": 0,
        "energyratestructure": [[{"rate": 0.2}]],
        "energyweekdayschedule": flat,
        "energyweekendschedule": flat,
        "fixedchargefirstmeter": 10,
        "fixedchargeunits": "$/month",
    }
    tariff = load_tariff(record, on=ON)
    lines = bill(april(), tariff, cycles="1MS")
    assert amounts(lines) == pytest.approx({"energy Jan-Dec period 0": 0.144, "charge by the month": 10})
    with pytest.raises(ConfigurationError, match="no calendar month"):
        bill(april(), tariff, cycles=[("2026-04-02", "2026-05-01")])
