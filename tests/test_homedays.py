"""Typical days across homes: those of one frame where they are few, and each day with the nearest centre where they are many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook.analysis import typical_days
from smd_notebook.errors import ConfigurationError, SmdWarning, UnitError
from smd_notebook.feed import Feed
from smd_notebook.households import between, household

pytest.importorskip("zarr")
pytest.importorskip("sklearn", reason="typical_days needs scikit-learn (extra `cluster`)")

#: Thirty days in Los Angeles, October 2025 and a little more, in which clocks go back.
SPAN = (1_760_079_600, 1_762_675_200)
HOURS = [f"{hour:02d}:00" for hour in range(24)]


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> smd.Cohort:
    """Return homes that charge a car at night and homes with a heat pump, 30 days each."""
    sources = [Feed(between(household(("ev-home", "heat-pump-home")[number % 2], number), *SPAN)) for number in range(8)]
    return smd.Cohort.read(sources, tmp_path_factory.mktemp("cohort") / "homes.zarr", processes=1, progress=False)


def shapes_of(cohort: smd.Cohort) -> pd.DataFrame:
    """Return the shapes of complete days, computed by pandas."""
    frame = cohort.tidy()
    local = frame["start"].dt.tz_convert("America/Los_Angeles")
    watts = frame["value"] / (frame["duration"] / pd.Timedelta("1h"))
    days = watts.groupby([frame["usage_point"], local.dt.date.rename("date"), local.dt.hour.rename("hour")]).mean().unstack().dropna()
    return days.div(days.sum(axis=1), axis=0)


def test_few_days_are_grouped_as_in_one_frame(homes: smd.Cohort) -> None:
    got, want = homes.typical_days([2, 3]), typical_days(homes.tidy(), [2, 3])
    for name in ("calendar", "centres", "scores"):
        pd.testing.assert_frame_equal(getattr(got, name), getattr(want, name))


def test_each_of_many_days_is_with_the_nearest_centre(homes: smd.Cohort) -> None:
    found = homes.typical_days([2, 3], sample=100, seed=4)
    shapes = shapes_of(homes)
    known = found.calendar.dropna(subset="cluster")
    assert len(found.calendar) == len(known) == len(shapes) == 8 * 30
    label = known.set_index(["usage_point", known["date"].dt.date])["cluster"].loc[shapes.index].to_numpy(dtype="i8") - 1
    centres = found.centres[HOURS].to_numpy()
    np.testing.assert_allclose(centres.sum(axis=1), 1, rtol=1e-12)
    distance = ((shapes.to_numpy()[:, None] - centres) ** 2).sum(axis=2)
    assert (distance.argmin(axis=1) == label).all()
    rse = distance[np.arange(label.size), label] / (centres[label] ** 2).sum(axis=1)
    np.testing.assert_allclose(known.set_index(["usage_point", known["date"].dt.date])["rse"].loc[shapes.index], rse, rtol=1e-9)
    assert found.centres["days"].tolist() == np.bincount(label).tolist()
    assert found.centres["days"].is_monotonic_decreasing
    assert found.centres["days"].sum() == 240
    np.testing.assert_allclose(found.centres["rse"], [rse[label == one].mean() for one in range(len(centres))])
    for frame in (found.calendar, found.centres, found.scores):
        assert smd.cite(frame).endswith("values as computed")


def test_a_sample_finds_the_kinds_of_days_that_all_have(homes: smd.Cohort) -> None:
    whole, part = typical_days(homes.tidy(), 2), homes.typical_days(2, sample=200)
    np.testing.assert_allclose(part.centres[HOURS], whole.centres[HOURS], atol=0.02)
    np.testing.assert_allclose(part.centres["share"], whole.centres["share"], atol=0.03)


def test_what_is_read_again_is_the_same(homes: smd.Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = homes.typical_days(2, sample=60)
    for limit in (0, 30_000):  # nothing, and the first block
        monkeypatch.setattr("smd_notebook.analysis.homedays.KEEP", limit)
        pd.testing.assert_frame_equal(homes.typical_days(2, sample=60).calendar, whole.calendar)


def test_the_seed_decides(homes: smd.Cohort) -> None:
    one, same, other = (homes.typical_days(2, sample=60, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one.calendar, same.calendar)
    assert not np.allclose(one.centres[HOURS], other.centres[HOURS], rtol=1e-9)


def test_meters_of_days_have_no_hours_and_are_left_out(tmp_path: Path) -> None:
    """The home's gas is metered by days: the hours of its electricity are grouped all the same."""
    apartment = Feed(between(household("apartment", 3), SPAN[0], SPAN[0] + 10 * 86_400))
    cohort = smd.Cohort.read([apartment], tmp_path / "homes.zarr", processes=1, progress=False)
    assert cohort.meters["interval"].tolist() == [pd.Timedelta("1h"), pd.Timedelta("1D")]
    for sample in (5, 5_000):
        with pytest.warns(SmdWarning, match="1 of 2 meters are left out: their intervals are longer than 1h"):
            assert set(cohort.typical_days(2, sample=sample).calendar["channel"]) == {"electricity delivered"}
    with pytest.raises(ConfigurationError, match="longer than 1 h"):
        cohort.select(service="gas").typical_days(2)


def test_refusals(homes: smd.Cohort, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="1 or more"):
        homes.typical_days(2, sample=0)
    with pytest.raises(ConfigurationError, match="too few for 9"):
        homes.typical_days(9, sample=8)
    with pytest.raises(ConfigurationError, match="number of clusters"):
        homes.typical_days(0)
    october = Feed(between(household("apartment", 3), SPAN[0], SPAN[0] + 20 * 86_400))  # a day of 25 hours is longer than a slot
    mixed = smd.Cohort.read([october], tmp_path / "homes.zarr", processes=1, progress=False)
    with pytest.raises(UnitError, match="unlike units"):
        mixed.typical_days(2, slot="1D", normalise=False, sample=30)
