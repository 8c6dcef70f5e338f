"""Bills, events, weather and hand-over on every file of the corpus: they work, or refuse with an error of ours."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook import analysis
from smd_notebook.errors import SmdError, SmdWarning

pytestmark = pytest.mark.prove

WARM = pd.Series(15.0, index=pd.date_range("2010-01-01", "2026-01-01", freq="D", tz="UTC"))
TARIFF = analysis.load_tariff("EV2-A", on="2026-03-01")
ON = {"rates_as_of": "2026-03-01"}
EVENT = ("2012-03-05 17:00", "2012-03-05 18:00")

TRIED = {
    "tou_shares": lambda feed, folder: analysis.tou_shares(feed, TARIFF),
    "bill by months": lambda feed, folder: analysis.bill(feed, TARIFF, cycles="1MS", **ON),
    "bill by bills": lambda feed, folder: analysis.bill(feed, TARIFF, cycles="bill", **ON),
    "reconcile": lambda feed, folder: analysis.reconcile(feed),
    "degree_days": lambda feed, folder: analysis.degree_days(feed, WARM),
    "screen": lambda feed, folder: analysis.screen(feed, ev_power=7, ev_hours=2),
    "dr_baseline": lambda feed, folder: analysis.dr_baseline(feed, EVENT, x_of_y=(3, 5), window=None, cap=None, lookback=20),
    "to_opendsm": lambda feed, folder: analysis.to_opendsm(feed, WARM),
    "to_pysam": lambda feed, folder: analysis.to_pysam(feed, year=2011),
    "to_r": lambda feed, folder: analysis.to_r(feed, folder / "days.csv"),
}


def test_every_file(corpus: Path, tmp_path: Path) -> None:
    worked = dict.fromkeys(TRIED, 0)
    for path in sorted((corpus / "files").iterdir()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SmdWarning)  # of clocks; any other warning is an error
            try:
                feed = smd.read(path)
            except SmdError:
                continue
            for name, function in TRIED.items():
                try:
                    result = function(feed, tmp_path)
                except SmdError:
                    continue
                worked[name] += 1
                if name == "bill by months":
                    energy = result[result["kind"] == "energy"]
                    assert np.isfinite(energy["amount"]).all(), path.name
                    assert result["coverage"].between(0, 1 + 1e-9).all(), path.name
    assert min(worked.values()) > 0, worked
