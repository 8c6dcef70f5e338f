"""Tariffs compared across homes: each amount is that of the home's own bill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook.analysis import bill, load_tariff
from smd_notebook.errors import ConfigurationError, SmdWarning, UnitError
from smd_notebook.feed import Feed
from smd_notebook.households import between, household

pytest.importorskip("zarr")

#: A fortnight in which clocks go back, in Los Angeles, over the end of October 2025.
AUTUMN = (1_761_462_000, 1_762_675_200)
NAMES = ("solar-home", "ev-home", "heat-pump-home", "apartment")
TARIFFS = [load_tariff(name, on="2026-03-01") for name in ("E-TOU-C", "EV2-A")]
TERMS = {"rates_as_of": "2026-03-01", "territory": "X", "export_price": 0.06}


def home(number: int) -> Feed:
    """Return a fortnight of a home, with gas where it has gas."""
    return Feed(between(household(NAMES[number % 4], number), *AUTUMN))


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> smd.Cohort:
    sources = [home(number) for number in range(8)]
    return smd.Cohort.read(sources, tmp_path_factory.mktemp("cohort") / "homes.zarr", processes=1, progress=False)


def test_amounts_are_those_of_each_homes_bill(homes: smd.Cohort) -> None:
    found = homes.compare_tariffs(TARIFFS, **TERMS).set_index(["usage_point", "tariff"])
    assert len(found) == 8 * 2
    for number in range(8):
        frame = home(number).tidy()
        for tariff in TARIFFS:
            lines = bill(frame, tariff, cycles="1MS", **TERMS)
            row = found.loc[lines["usage_point"].iloc[0], tariff.name]
            of = lines.groupby("kind")["quantity"].sum()
            assert row["amount"] == pytest.approx(lines["amount"].sum(), rel=1e-9)
            assert row["energy"] == pytest.approx(of["energy"], rel=1e-9)
            assert row["exported"] == pytest.approx(of.get("export", np.nan), rel=1e-9, nan_ok=True)
            assert row["not_metered"] == pytest.approx(of["missing"], rel=1e-9)  # all but a fortnight of two months
            assert row["cycles"] == 2
            hours = 61 * 24 + 1
            assert row["coverage"] == pytest.approx((14 * 24 + 1) / hours, rel=1e-9)
    whole = found["amount"].unstack()
    np.testing.assert_allclose(found["difference"].unstack(), whole.sub(whole["E-TOU-C"], axis=0)[["E-TOU-C", "EV2-A"]])
    assert (found["cheapest"].unstack().idxmax(axis=1) == whole.idxmin(axis=1)).all()
    assert found["cheapest"].sum() == 8
    assert (found["currency"] == "USD").all()


def test_days_as_cycles_names_and_passport(homes: smd.Cohort) -> None:
    named = {"at first": TARIFFS[1], "then": TARIFFS[1]}
    days = [("2025-10-27", "2025-11-02"), ("2025-11-04", "2025-11-05")]
    found = homes.compare_tariffs(named, cycles=days, rates_as_of="2026-03-01")
    assert (found["coverage"] == 1).all()
    assert found["tariff"].unique().tolist() == ["at first", "then"]
    assert (found["difference"] == 0).all()
    note = smd.cite(found)
    assert "California Climate Credit" in note
    assert note.endswith("values as computed")


def test_homes_that_cannot_be_priced_are_told_of(homes: smd.Cohort, tmp_path: Path) -> None:
    feed = home(1)
    channel = feed.document.channels[0]
    twice = (channel, replace(channel, label="electricity delivered (2)"))
    doubled = Feed(replace(feed.document, channels=twice))
    with pytest.warns(SmdWarning, match="readings of others"):
        mixed = smd.Cohort.read([doubled, home(2)], tmp_path / "homes.zarr", processes=1, progress=False)
    with pytest.warns(SmdWarning, match=r"1 home\(s\) were not priced, the first because a usage point has several channels"):
        found = mixed.compare_tariffs(TARIFFS, **TERMS)
    assert found["usage_point"].unique().tolist() == ["heat-pump-home-2-electricity"]
    with pytest.raises(ConfigurationError, match="several channels"):
        mixed.select(usage_point="ev-home-1-electricity").compare_tariffs(TARIFFS, **TERMS)


def test_homes_with_meters_of_power_are_told_of(tmp_path: Path) -> None:
    feed = home(1)
    power = Feed(replace(feed.document, channels=(replace(feed.document.channels[0], measure="power", unit="W"),)))
    mixed = smd.Cohort.read([power, home(2)], tmp_path / "homes.zarr", processes=1, progress=False)
    with pytest.warns(SmdWarning, match=r"1 home\(s\) were not priced: their meters hold power"):
        found = mixed.compare_tariffs(TARIFFS, **TERMS)
    assert found["usage_point"].unique().tolist() == ["heat-pump-home-2-electricity"]


def test_refusals(homes: smd.Cohort) -> None:
    with pytest.raises(ConfigurationError, match="name of its own"):
        homes.compare_tariffs([TARIFFS[0], TARIFFS[0]], **TERMS)
    with pytest.raises(ConfigurationError, match="name of its own"):
        homes.compare_tariffs([], **TERMS)
    with pytest.raises(ConfigurationError, match="not str"):
        homes.compare_tariffs(["EV2-A", "E-ELEC"], **TERMS)
    with pytest.raises(ConfigurationError, match="unlike currencies"):
        homes.compare_tariffs({"here": TARIFFS[1], "there": replace(TARIFFS[1], currency="CAD")}, **TERMS)
    with pytest.raises(ConfigurationError, match="keeps no bills"):
        homes.compare_tariffs(TARIFFS, cycles="bill", **TERMS)
    with pytest.raises(ConfigurationError, match="territory"):
        homes.compare_tariffs(TARIFFS, rates_as_of="2026-03-01")
    with pytest.raises(ConfigurationError, match="has rates from"):
        homes.compare_tariffs(TARIFFS, rates_as_of="1999-01-01", territory="X")
    with pytest.raises(UnitError, match="electric energy"):
        homes.select(service="gas").compare_tariffs(TARIFFS, **TERMS)
    with pytest.raises(UnitError, match="no channel of imports"):
        homes.select(flow="received").compare_tariffs(TARIFFS, **TERMS)


def test_groups_have_terms_of_their_own(homes: smd.Cohort) -> None:
    table = pd.DataFrame({"territory": ["X", "P"]}, index=["apartment-3-electricity", "apartment-7-electricity"])
    parts = [
        some.compare_tariffs(TARIFFS[:1], territory=str(name), rates_as_of="2026-03-01")
        for name, some in homes.with_attributes(table).groups("territory")
    ]
    found = pd.concat(parts, ignore_index=True)
    assert found["usage_point"].tolist() == ["apartment-7-electricity", "apartment-3-electricity"]
