"""Typical days: what is known beforehand of lapse2024, optimality, what is missing, and entropy by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook.analysis import entropy, resample, typical_days
from smd_notebook.errors import ConfigurationError, SmdWarning, UnitError

from .tidy import ZONE, lapse2024, lapse_frame, regular


@pytest.fixture
def sklearn():
    """Skip where the extra is not installed; entropy and the refusal are tested all the same."""
    return pytest.importorskip("sklearn", reason="typical_days needs scikit-learn (extra `cluster`)")


@pytest.fixture(scope="module")
def lapse():
    """Return the typical days of lapse2024, four of them."""
    pytest.importorskip("sklearn", reason="typical_days needs scikit-learn (extra `cluster`)")
    return typical_days(lapse_frame(), 4)


def shapes() -> pd.DataFrame:
    """Return the shapes of the days of lapse2024, computed by pandas."""
    watts = pd.Series(lapse2024()["load"] * 4.0, index=pd.date_range("2024-01-01", "2025-01-01", freq="15min", tz=ZONE, inclusive="left"))
    days = watts.groupby([watts.index.date, watts.index.hour]).mean().unstack().dropna()
    return days.div(days.sum(axis=1), axis=0)


def test_four_kinds_of_days_of_lapse(lapse):
    found = lapse
    known = found.calendar.dropna(subset="cluster")
    assert len(known) == 365  # the day in March lacks an hour
    missing = found.calendar[found.calendar["cluster"].isna()]
    assert missing["date"].tolist() == [pd.Timestamp("2024-03-10")]
    charging = known["date"].dt.day_name().isin(["Tuesday", "Friday"])
    assert set(known["cluster"][charging]).isdisjoint(known["cluster"][~charging])
    assert known["cluster"][charging].nunique() == 2
    assert found.centres["days"].sum() == 365
    assert found.centres["days"].is_monotonic_decreasing
    assert found.centres["days"].to_dict() == known["cluster"].value_counts().to_dict()
    for frame in (found.calendar, found.centres, found.scores):
        assert smd.cite(frame).endswith("values as computed")


def test_no_day_is_nearer_to_another_centre(lapse):
    found = lapse
    days = shapes()
    centres = found.centres[[f"{hour:02d}:00" for hour in range(24)]].to_numpy()
    label = found.calendar.dropna(subset="cluster")["cluster"].to_numpy(dtype="i8") - 1
    distance = ((days.to_numpy()[:, None] - centres) ** 2).sum(axis=2)
    assert (distance.argmin(axis=1) == label).all()
    for number in range(4):
        np.testing.assert_allclose(centres[number], days.to_numpy()[label == number].mean(axis=0), rtol=1e-12)
    rse = distance[np.arange(365), label] / (centres[label] ** 2).sum(axis=1)
    np.testing.assert_allclose(found.calendar["rse"].dropna(), rse, rtol=1e-9)
    assert found.scores["rse"].item() == pytest.approx(rse.mean())
    assert found.scores["within"].item() == 1


def test_the_number_of_clusters_is_chosen_by_silhouette(sklearn):
    flat, evening, night = np.ones(24), np.r_[np.ones(18), np.full(6, 9.0)], np.r_[np.full(6, 9.0), np.ones(18)]
    dice = np.random.default_rng(1)
    values = np.concatenate([shape * dice.uniform(0.98, 1.02, 24) * size for shape in (flat, evening, night) for size in range(1, 8)])
    found = typical_days(regular("2024-01-01", 21 * 24, values, length="1h"), range(2, 5))
    assert found.scores.index.tolist() == [2, 3, 4]
    assert found.scores["chosen"].tolist() == [False, True, False]
    assert found.scores["silhouette"].idxmax() == 3
    # of equal sizes the earlier comes first; how much was used does not count
    assert found.calendar["cluster"].tolist() == [1] * 7 + [2] * 7 + [3] * 7
    by_size = typical_days(regular("2024-01-01", 21 * 24, values, length="1h"), 2, normalise=False)
    assert by_size.calendar["cluster"].nunique() == 2
    same = typical_days(regular("2024-01-01", 21 * 24, values, length="1h"), 3)
    pd.testing.assert_frame_equal(found.calendar, same.calendar)


def test_without_the_base_load(sklearn):
    steps = np.r_[np.zeros(18), np.ones(6)]
    values = np.concatenate([steps + base for base in (1.0, 5.0, 9.0)] + [np.roll(steps, 9) + 1])
    found = typical_days(regular("2024-01-01", 96, values, length="1h"), 2, demin=True)
    assert found.calendar["cluster"].tolist() == [1, 1, 1, 2]
    assert found.centres["23:00"].tolist() == pytest.approx([1 / 6, 0])


def test_what_is_missing_is_in_no_cluster(sklearn):
    frame = lapse_frame()[: 96 * 60]
    gap = (frame["start"] >= "2024-01-08 00:00-08:00") & (frame["start"] < "2024-02-22 00:00-08:00")  # 45 days
    for gappy in (frame[~gap], frame.assign(value=frame["value"].where(~gap, 0.0))):  # a day without load has no shape
        found = typical_days(gappy, 2)
        assert len(found.calendar) == 60
        assert found.calendar["cluster"].isna().sum() == 45
        assert found.centres["days"].sum() == 15


def test_several_meters_are_grouped_together(sklearn):
    one = lapse_frame()[: 96 * 28]
    found, alone = typical_days(pd.concat([one, one.assign(usage_point="2")], ignore_index=True), 2), typical_days(one, 2)
    assert found.calendar["usage_point"].tolist() == ["1"] * 28 + ["2"] * 28
    assert alone.centres["days"].tolist() == [20, 8]  # four weeks of two charging days
    assert found.centres["days"].tolist() == [40, 16]
    np.testing.assert_allclose(found.centres.iloc[:, 3:], alone.centres.iloc[:, 3:], atol=1e-6)
    varied = entropy(found)
    assert varied["days"].tolist() == [28, 28]
    assert varied["entropy"].tolist() == pytest.approx([-(2 / 7 * np.log2(2 / 7) + 5 / 7 * np.log2(5 / 7))] * 2)
    assert smd.cite(varied).endswith("values as computed")
    pd.testing.assert_frame_equal(typical_days(resample(one, "1h"), 2).centres, alone.centres)


def test_what_cannot_be_grouped(sklearn):
    gas = regular("2024-01-01", 3, 24.0, length="1D", service="gas", unit="therm", channel="gas delivered")
    with pytest.raises(ConfigurationError, match="longer than 1 h"):
        typical_days(gas, 2)
    with pytest.warns(SmdWarning, match="gas delivered"):
        typical_days(pd.concat([gas, lapse_frame()[:960]], ignore_index=True), 2)
    with pytest.raises(UnitError, match="negative"):
        typical_days(lapse_frame()[:960].assign(value=-1.0), 2)
    with pytest.raises(UnitError, match="unlike units"):
        typical_days(
            pd.concat([lapse_frame()[:960], regular("2024-01-01", 48, 1.0, length="1h", unit="therm", channel="g", service="gas")]),
            2,
            normalise=False,
        )
    with pytest.raises(ConfigurationError, match="0 complete days"):
        typical_days(lapse_frame()[:90], 2)
    with pytest.raises(ConfigurationError, match="1 complete days"):
        typical_days(regular("2024-01-01", 960, 1.0), 2)
    with pytest.raises(ConfigurationError, match="number of clusters"):
        typical_days(lapse_frame()[:960], 0)
    with pytest.raises(ConfigurationError, match="0 complete days"):
        typical_days(regular("2024-01-01", 0, 1.0), 2)


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setattr("smd_notebook.errors.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"typical_days needs sklearn\npip install '\.\[cluster\]' from the clone"):
        typical_days(lapse_frame()[:960])


# Entropy ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clusters", "bits"), [([1] * 8, 0), ([1, 2] * 4, 1), ([1, 2, 3, 4], 2), ([1, 1, 2, 3, None], 1.5), ([1, 1, 1, 2], 0.8112781244591328)]
)
def test_entropy_by_hand(clusters, bits):
    calendar = pd.DataFrame({"usage_point": "1", "channel": "c", "cluster": pd.array(clusters, dtype="Int64")})
    row = entropy(calendar).iloc[0]
    assert row["entropy"] == pytest.approx(bits, abs=1e-15)
    assert row["days"] == sum(one is not None for one in clusters)
    names = calendar.assign(cluster=calendar["cluster"].map({1: 7, 2: 3, 3: 1, 4: 9}))
    assert entropy(names)["entropy"].item() == pytest.approx(bits, abs=1e-15)


def test_entropy_of_nothing():
    calendar = pd.DataFrame({"usage_point": ["1", "2"], "channel": "c", "cluster": pd.array([None, 1], dtype="Int64")})
    assert np.isnan(entropy(calendar)["entropy"][0])
    assert entropy(calendar)["entropy"][1] == 0
    with pytest.raises(ConfigurationError, match="no column cluster"):
        entropy(calendar.drop(columns="cluster"))
