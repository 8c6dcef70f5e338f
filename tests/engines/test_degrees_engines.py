"""Degree-day models against statsmodels, all that qualify and all that do not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from smd_notebook.analysis import degree_day_models
from tests.tidy import ZONE, lapse_frame

sm = pytest.importorskip("statsmodels.api")


def test_every_model_that_was_tried() -> None:
    hours = pd.date_range("2024-01-01", "2025-01-01", freq="h", tz=ZONE, inclusive="left")
    day = hours.day_of_year.to_numpy()
    temperature = pd.Series(60 - 25 * np.cos((day - 15) / 366 * 2 * np.pi) + (37 * day * day + 11 * day) % 53 / 10, index=hours)
    frame = lapse_frame()
    models = degree_day_models(frame, temperature, unit="degF")
    local = frame["start"].dt.tz_localize(None).dt.normalize()
    energy = frame["value"].groupby(local).sum().to_numpy()
    mean = temperature.groupby(hours.tz_localize(None).normalize()).mean().to_numpy()
    compared = 0
    for row in models[models["intercept"].notna()].itertuples():
        columns = [np.ones(366)]
        if not np.isnan(row.heating_balance):
            columns.append(np.maximum(row.heating_balance - mean, 0))
        if not np.isnan(row.cooling_balance):
            columns.append(np.maximum(mean - row.cooling_balance, 0))
        fit = sm.OLS(energy, np.column_stack(columns)).fit()
        slopes = [value for value in (row.heating_slope, row.cooling_slope) if not np.isnan(value)]
        assert [row.intercept, *slopes] == pytest.approx(fit.params.tolist(), rel=1e-8, abs=1e-6)
        assert row.adjusted_r2 == pytest.approx(fit.rsquared_adj, abs=1e-10)
        assert row.cvrmse == pytest.approx(np.sqrt(fit.mse_resid) / energy.mean(), rel=1e-9)
        compared += 1
    assert compared > 100
    best = models.iloc[0]
    assert best["adjusted_r2"] == models.loc[models["qualified"], "adjusted_r2"].max()
