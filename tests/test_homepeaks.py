"""What homes are together: equal to the functions of one frame, whatever is read at a time."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook.analysis import coincidence, homepeaks
from smd_notebook.errors import ConfigurationError, SmdWarning, UnitError
from smd_notebook.espi.model import MISSING
from smd_notebook.feed import Feed
from smd_notebook.households import between, household

pytest.importorskip("zarr")

#: A fortnight in which clocks go back, in Los Angeles, over the end of October 2025.
AUTUMN = (1_761_462_000, 1_762_675_200)
NAMES = ("solar-home", "ev-home", "heat-pump-home", "apartment")


@cache
def home(number: int) -> Feed:
    """Return a fortnight of a home."""
    return Feed(between(household(NAMES[number % 4], number), *AUTUMN))


def holed(number: int, first: int, last: int) -> Feed:
    """Return a home whose intervals from one number to another of the whole fortnight are missing."""
    channel, at = home(number).document.channels[0], itertools.count(0)
    blocks = []
    for block in channel.blocks:
        value = block.readings.value.copy()
        places = np.array([next(at) for _ in value])
        value[(places >= first) & (places < last)] = MISSING
        blocks.append(replace(block, readings=replace(block.readings, value=value)))
    return Feed(replace(home(number).document, channels=(replace(channel, blocks=tuple(blocks)),)))


def cohort_of(sources: Any, path: Path) -> smd.Cohort:
    return smd.Cohort.read(sources, path, processes=1, progress=False)


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> smd.Cohort:
    """Return the imports of 13 homes, of quarter hours and of hours; of the second, two days are missing."""
    sources = [home(number) if number != 1 else holed(1, 96, 288) for number in range(13)]
    cohort = cohort_of(sources, tmp_path_factory.mktemp("cohort") / "homes.zarr")
    return cohort.select(service="electricity", flow="delivered")


def by_name(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values(["usage_point", "channel", "metric"], ignore_index=True)


def assert_same(got: pd.DataFrame, want: pd.DataFrame) -> None:
    got, want = by_name(got), by_name(want)
    np.testing.assert_allclose(got["value"], want["value"], rtol=1e-9)
    pd.testing.assert_frame_equal(got.drop(columns="value"), want.drop(columns="value"))


# Coincidence -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"min_share": 0.9}, {"min_coverage": 0.5, "min_share": 0.2}])
def test_coincidence_in_hours_is_that_of_one_frame(homes: smd.Cohort, options: dict[str, float]) -> None:
    got = homes.coincidence("1h", **options)
    assert_same(got, coincidence(smd.resample(homes.tidy(), "1h"), **options))
    assert (got["coverage"] == 1).all() == ("min_share" in options)
    assert smd.cite(got).endswith("values as computed")


def test_coincidence_of_intervals_as_they_are(homes: smd.Cohort) -> None:
    quarters = homes.select(interval=pd.Timedelta("15min"))
    assert_same(quarters.coincidence(min_share=0.5), coincidence(quarters.tidy(), min_share=0.5))
    with pytest.raises(UnitError, match="line up"):
        homes.coincidence()


def test_what_does_not_fit_in_memory_is_read_again(homes: smd.Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, curve = homes.coincidence("1h"), homes.coincidence_curve("1h", subsets=3)
    for limit in (0, 20_000):  # nothing, and the first block
        monkeypatch.setattr(homepeaks, "KEEP", limit)
        assert_same(homes.coincidence("1h"), whole)
        pd.testing.assert_frame_equal(homes.coincidence_curve("1h", subsets=3), curve)


def test_refused_groups(homes: smd.Cohort, tmp_path: Path) -> None:
    both = cohort_of([home(0), home(2)], tmp_path / "homes.zarr")
    with pytest.raises(ConfigurationError, match="delivered, received"):
        both.select(service="electricity").coincidence("1h")
    with pytest.raises(UnitError, match="unlike units"):
        both.select(flow="delivered").coincidence("1D")
    for options in ({"min_share": 0}, {"min_share": 1.5}):
        with pytest.raises(ConfigurationError, match="min_share"):
            homes.coincidence("1h", **options)
    with pytest.raises(ConfigurationError, match="two meters"):
        homes.select(usage_point=homes.meters["usage_point"][0]).coincidence("1h")
    for curve in ({"sizes": [14]}, {"sizes": []}, {"sizes": [0, 2]}, {"subsets": 0}):
        with pytest.raises(ConfigurationError, match="from 1 to 13"):
            homes.coincidence_curve("1h", **curve)


def test_meters_that_share_little_time_are_told_of(tmp_path: Path) -> None:
    week = pd.Timestamp(AUTUMN[0] + 7 * 86_400, unit="s", tz="UTC")
    early, late = home(1).select(end=week), home(5).select(start=week)
    apart = cohort_of([early, late], tmp_path / "apart.zarr")
    with pytest.warns(SmdWarning, match="enough meters are valid at no instant"):
        assert apart.coincidence().set_index("metric").loc[["group_max", "coincidence_factor"], "value"].isna().all()
    with pytest.warns(SmdWarning, match="at no instant"):
        assert apart.coincidence_curve()["mean"].isna().all()
    some = cohort_of([home(1).select(end=week + pd.Timedelta("2D")), late], tmp_path / "some.zarr")
    with pytest.warns(SmdWarning, match="at 14 % of the time only"):  # 2 days of 14
        some.coincidence()


def test_a_vacant_home_has_a_load_of_nothing_and_no_coincidence_factor(tmp_path: Path) -> None:
    """Three homes, one of them of zeros: by hand, the mean peak counts it, and the factor of a group of it alone would be 0 / 0."""
    feeds = [home(1).select(end="2025-10-28"), home(5).select(end="2025-10-28")]
    channel = replace(feeds[0].document.channels[0], usage_point="vacant")
    zeros = tuple(replace(one, readings=replace(one.readings, value=one.readings.value * 0)) for one in channel.blocks)
    vacant = Feed(replace(feeds[0].document, channels=(replace(channel, blocks=zeros),), blocks=zeros))
    cohort = cohort_of([*feeds, vacant], tmp_path / "homes.zarr")
    with pytest.warns(SmdWarning, match="without any load"):
        curve = cohort.coincidence_curve("1h", sizes=(1, 2, 3), subsets=200).set_index("meters")
    rates = smd.wide(smd.resample(pd.concat([feed.tidy() for feed in feeds]), "1h")) * 1.0  # Wh of an hour: W
    peaks, together = rates.max(), rates.sum(axis=1).max()
    factors = {together / peaks.sum(), 1.0}
    assert curve.loc[1, "coincidence_factor"] == 1
    assert min(factors) < curve.loc[2, "coincidence_factor"] < 1
    assert curve.loc[3, "coincidence_factor"] == pytest.approx(min(factors))
    assert curve.loc[3, "mean"] == pytest.approx(together / 3)
    assert 0 < curve.loc[1, "mean"] < peaks.mean()
    only = cohort_of(
        [vacant, Feed(replace(vacant.document, channels=(replace(channel, usage_point="empty", blocks=zeros),)))], tmp_path / "v"
    )
    with pytest.warns(SmdWarning, match="60 of the 60 random groups"):
        assert only.coincidence_curve("1h")["coincidence_factor"].isna().all()


def test_meters_that_are_never_valid_are_told_of(tmp_path: Path) -> None:
    """Of three meters one has no values, and two thirds of them are enough for an instant to count: there is no sum of three maxima."""
    feeds = [home(1).select(end="2025-10-28"), home(5).select(end="2025-10-28")]
    channel = replace(feeds[0].document.channels[0], usage_point="empty")
    none = tuple(replace(one, readings=replace(one.readings, value=np.full_like(one.readings.value, MISSING))) for one in channel.blocks)
    cohort = cohort_of([*feeds, Feed(replace(feeds[0].document, channels=(replace(channel, blocks=none),), blocks=none))], tmp_path / "h")
    for found in (cohort.coincidence, lambda bins, **some: cohort.coincidence_curve(bins, sizes=[3], **some)):
        with pytest.warns(SmdWarning, match="1 of 3 meters are never valid at the instants that count"):
            assert found("1h", min_share=0.6)["coverage"].eq(1).all()


# The curve ---------------------------------------------------------------------------------------------------------------------------


def test_the_curve_is_the_coincidence_of_each_group(homes: smd.Cohort) -> None:
    """At the instants that count for all: those are what `coincidence` takes of any group without gaps."""
    whole = homes.select(homes.meters["coverage"].to_numpy() == 1)
    frame = smd.resample(whole.tidy(), "1h")
    points = whole.meters["usage_point"].to_numpy()
    curve = whole.coincidence_curve("1h", sizes=[1, 2, 7, 12], subsets=5, seed=3).set_index("meters")
    rng = np.random.default_rng(3)
    places = [rng.permutation(12) for _ in range(5)]
    for size in (2, 7, 12):
        found = [coincidence(frame[frame["usage_point"].isin(points[place < size])]).set_index("metric")["value"] for place in places]
        each = np.array([one["group_max"] for one in found]) / size
        row = curve.loc[size]
        np.testing.assert_allclose([row["mean"], row["p10"], row["p90"]], [each.mean(), *np.quantile(each, [0.1, 0.9])], rtol=1e-9)
        np.testing.assert_allclose(row["coincidence_factor"], np.mean([one["coincidence_factor"] for one in found]), rtol=1e-9)
    assert curve.loc[1, "coincidence_factor"] == pytest.approx(1)
    assert curve.loc[12, "p10"] == pytest.approx(curve.loc[12, "p90"])
    assert curve["mean"].is_monotonic_decreasing
    assert (curve["unit"] == "W").all()


def test_default_sizes_and_seeds(homes: smd.Cohort) -> None:
    curve = homes.coincidence_curve("1h", subsets=2)
    assert curve["meters"].tolist() == [1, 2, 5, 10, 13]
    pd.testing.assert_frame_equal(curve, homes.coincidence_curve("1h", subsets=2))
    assert curve["mean"][0] != homes.coincidence_curve("1h", subsets=2, seed=1)["mean"][0]
    # two days of one home are missing: they count for nobody
    assert curve["coverage"][0] == pytest.approx(1 - 2 / 14, abs=0.01)
