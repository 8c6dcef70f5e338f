"""Degree-day models: a load that was made from degree days gives them back."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook.analysis import degree_day_models, degree_days
from smd_notebook.errors import ConfigurationError, SmdError, UnitError

from .tidy import ZONE, regular


def weather(unit: str = "degF") -> pd.Series:
    """Make a year of daily means from 30 to 90 degF, the same all day."""
    hours = pd.date_range("2023-01-01", "2024-01-01", freq="h", tz=ZONE, inclusive="left")
    fahrenheit = np.round(60 - 30 * np.cos((hours.day_of_year.to_numpy() - 15) / 365 * 2 * np.pi))
    return pd.Series(fahrenheit if unit == "degF" else (fahrenheit - 32) / 1.8, index=hours)


def home(low: float = 57, high: float = 69, heating: float = 0.5, cooling: float = 1.25, **kinds) -> pd.DataFrame:
    """Make daily energy [Wh] of 10 kWh and so much for each degree [kWh/degF], spread over the day."""
    degrees = weather()
    daily = 10_000 + 1000 * heating * np.maximum(low - degrees, 0) + 1000 * cooling * np.maximum(degrees - high, 0)
    length = degrees.groupby(degrees.index.date).transform("size")
    return regular("2023-01-01", 8760, (daily / length).to_numpy(), length="1h", **kinds)


def test_what_was_put_in_comes_out() -> None:
    best = degree_day_models(home(), weather(), unit="degF").iloc[0]
    assert best["model"] == "heating and cooling"
    assert (best["heating_balance"], best["cooling_balance"]) == (57, 69)
    assert best["intercept"] == pytest.approx(10_000)
    assert best["heating_slope"] == pytest.approx(500)
    assert best["cooling_slope"] == pytest.approx(1250)
    assert best["r2"] == pytest.approx(1)
    assert (best["n_days"], best["n_missing"]) == (365, 0)


@pytest.mark.parametrize(
    ("slopes", "model"), [((0.5, 0), "heating"), ((0, 1.25), "cooling"), ((-0.5, 1.25), "cooling"), ((0.5, -1.25), "heating")]
)
def test_only_positive_slopes_qualify(slopes, model: str) -> None:
    models = degree_day_models(home(heating=slopes[0], cooling=slopes[1]), weather(), unit="degF")
    assert models["model"].iloc[0] == model
    qualified = models[models["qualified"]]
    assert (qualified[["heating_slope", "cooling_slope"]].fillna(1) > 0).all(axis=None)
    assert "a slope is not positive" in set(models["reason"])


def test_a_flat_load_has_no_degrees() -> None:
    rng = np.random.default_rng(1)
    frame = regular("2023-01-01", 8760, 400 + rng.integers(0, 2, 8760), length="1h")
    models = degree_day_models(frame, weather(), unit="degF")
    assert abs(models["adjusted_r2"].iloc[0]) < 0.05


def test_celsius_and_fahrenheit_agree() -> None:
    warm, cold = (degree_day_models(home(), weather(unit), unit=unit).iloc[0] for unit in ("degF", "degC"))
    assert cold["heating_slope"] == pytest.approx(warm["heating_slope"] * 1.8)
    assert cold["heating_balance"] == pytest.approx((warm["heating_balance"] - 32) / 1.8)
    assert cold["adjusted_r2"] == pytest.approx(warm["adjusted_r2"])


def test_all_models_that_were_tried_are_listed() -> None:
    """21 balance points from 30 to 90 degF: one without, 21 of each kind, and 231 pairs with the cooling balance not below."""
    models = degree_day_models(home(), weather(), unit="degF")
    assert models["model"].value_counts().to_dict() == {"intercept": 1, "heating": 21, "cooling": 21, "heating and cooling": 231}
    both = models[models["model"] == "heating and cooling"]
    assert (both["cooling_balance"] >= both["heating_balance"]).all()
    few = models[models["reason"] == "fewer than 10 days have degrees"]
    assert not few["qualified"].any()
    assert {30.0} <= set(few["heating_balance"])


def test_missing_days_stay_missing() -> None:
    frame = home()
    frame = frame.drop(index=range(31 * 24, 76 * 24))
    found = degree_days(frame, weather(), unit="degF")
    assert len(found) == 365
    lost = found[found["value"].isna()]
    assert (len(lost), lost["coverage"].max()) == (46, 23 / 24)  # 45 days of 24 hours, of which one had 23: an hour of a 46th
    assert found["fitted"].notna().all()
    told = json.loads(found.attrs["passport"])["inputs"]["models"]["electricity delivered"]
    assert (told["n_days"], told["n_missing"]) == (319, 46)
    scaled = degree_days(frame, weather(), unit="degF", scale="caltrack")
    assert scaled["value"].isna().sum() == 45


def test_days_and_what_the_model_makes_of_them() -> None:
    found = degree_days(home(), weather(), unit="degF")
    assert found["fitted"].to_numpy() == pytest.approx(found["value"].to_numpy())
    first = found.iloc[0]
    assert (first["temperature"], first["heating_degrees"], first["cooling_degrees"]) == (31, 26, 0)
    assert "heating and cooling" in smd.cite(found)


def test_each_channel_has_its_model() -> None:
    gas = home(channel="gas delivered", service="gas", unit="therm", cooling=0)
    frame = pd.concat([home(), gas], ignore_index=True)
    found = degree_days(frame, weather(), unit="degF")
    assert found.groupby("channel")["model"].first().to_dict() == {
        "electricity delivered": "heating and cooling",
        "gas delivered": "heating",
    }
    assert set(degree_days(frame, weather(), unit="degF", channel="gas delivered")["channel"]) == {"gas delivered"}


def test_a_day_without_temperature_has_no_fit() -> None:
    degrees = weather()
    degrees.iloc[:24] = np.nan
    found = degree_days(home(), degrees, unit="degF")
    assert np.isnan(found["fitted"].iloc[0])
    assert found["value"].notna().all()


@pytest.mark.parametrize(
    ("frame", "options", "error", "text"),
    [
        (home(), {"unit": "K"}, ConfigurationError, "'K' is not known"),
        (home(), {"balance_points": []}, ConfigurationError, "no balance points"),
        (home(), {"channel": "x"}, UnitError, "is called 'x'"),
        (home(measure="power", unit="W"), {}, UnitError, "no channel of energy or volume"),
        (home().iloc[: 9 * 24], {}, SmdError, "only 9 days"),
        (smd.resample(home(), "1D"), {}, ConfigurationError, "in bins already"),
    ],
)
def test_what_is_refused(frame, options, error, text: str) -> None:
    with pytest.raises(error, match=text):
        degree_day_models(frame, weather(), **({"unit": "degF"} | options))


def test_meters_that_share_a_label_keep_their_models() -> None:
    frame = pd.concat([home(usage_point="A"), home(cooling=0, usage_point="B")], ignore_index=True)
    found = degree_days(frame, weather(), unit="degF")
    told = json.loads(found.attrs["passport"])["inputs"]["models"]
    assert {name: model["model"] for name, model in told.items()} == {
        "electricity delivered": "heating and cooling",
        "electricity delivered (meter 2)": "heating",
    }


def test_a_home_that_feeds_in_has_a_mean() -> None:
    models = degree_day_models(home(heating=0, cooling=0, flow="net").assign(value=-1000.0), weather(), unit="degF")
    assert models.loc[models["qualified"], ["model", "intercept"]].to_numpy().tolist() == [["intercept", pytest.approx(-24_000)]]
