"""Typical days against k-means of scipy: from our centres it moves nowhere, and from other starts it finds nothing better."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from smd_notebook.analysis import typical_days
from tests.tidy import ZONE, lapse2024, lapse_frame

pytest.importorskip("sklearn", reason="typical_days needs scikit-learn (extra `cluster`)")
vq = pytest.importorskip("scipy.cluster.vq", reason="compares with scipy (locks/engines.txt)")

HOURS = [f"{hour:02d}:00" for hour in range(24)]


def shapes() -> np.ndarray:
    """Return the shapes of the days of lapse2024, computed by pandas."""
    watts = pd.Series(lapse2024()["load"] * 4.0, index=pd.date_range("2024-01-01", "2025-01-01", freq="15min", tz=ZONE, inclusive="left"))
    days = watts.groupby([watts.index.date, watts.index.hour]).mean().unstack().dropna()
    return days.div(days.sum(axis=1), axis=0).to_numpy()


@pytest.mark.parametrize("k", [2, 4, 6])
def test_the_same_as_scipy(k):
    days, found = shapes(), typical_days(lapse_frame(), k)
    centres = found.centres[HOURS].to_numpy()
    label = found.calendar["cluster"].dropna().to_numpy(dtype="i8") - 1
    # from the same starts: what we call the solution is where scipy stays
    moved, again = vq.kmeans2(days, centres, iter=100, minit="matrix")
    np.testing.assert_allclose(moved, centres, atol=1e-9)
    assert (again == label).all()
    # from other starts scipy finds the same, up to the order of clusters, or nothing as good
    ours = ((days - centres[label]) ** 2).sum()
    best, least = None, np.inf
    for seed in range(20):
        other, labels = vq.kmeans2(days, k, iter=100, minit="++", rng=seed, missing="warn")
        error = ((days - other[labels]) ** 2).sum()
        if error < least:
            best, least = other, error
    assert ours <= least * (1 + 1e-9)
    if np.isclose(ours, least, rtol=1e-9):
        order = [np.abs(best - centre).sum(axis=1).argmin() for centre in centres]
        assert sorted(order) == list(range(k))
        np.testing.assert_allclose(best[order], centres, atol=1e-6)
