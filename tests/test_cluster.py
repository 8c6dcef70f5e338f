"""A cohort on a cluster of two worker processes, one of which is killed half-way: the results are those without a cluster."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook.analysis import homegroups, homes
from smd_notebook.analysis.workers import in_order
from smd_notebook.feed import Feed
from smd_notebook.households import between, household

pytest.importorskip("zarr")
distributed = pytest.importorskip("distributed", reason="a cluster needs dask.distributed (extra `cohort`)")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")

#: Ten days in Los Angeles, over the end of October 2025, in which clocks go back.
SPAN = (1_761_548_400, 1_762_416_000)
NAMES = ("solar-home", "ev-home", "heat-pump-home", "apartment")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Return a client of two workers in processes of their own, which come back when they die."""
    # a port of its own: two clusters at once, of two runs of the tests, warn of the usual one
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": "127.0.0.1:0", "silence_logs": "CRITICAL"}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("homes")
    for number in range(36):
        Feed(between(household(NAMES[number % 4], number % 8), *SPAN)).alias().to_espi(folder / f"{number:02}.xml.gz")
    return folder


def killing(client: Any, killed: list[int]) -> Callable[..., Iterator[Any]]:
    """Return `in_order` that kills a worker when the first result of a run is there, and others are under way."""

    def work(*args: Any, **options: Any) -> Iterator[Any]:
        for number, result in enumerate(in_order(*args, **options)):
            if number == 0:
                killed.append(min(client.run(os.getpid).values()))
                os.kill(killed[-1], signal.SIGKILL)
            yield result

    return work


def everything(cohort: smd.Cohort, **where: Any) -> list[pd.DataFrame]:
    """Return what the notebook computes of a cohort."""
    electricity = cohort.select(service="electricity")
    bought = electricity.select(flow="delivered")
    tariffs = [smd.analysis.load_tariff(name, on="2026-03-01") for name in ("E-ELEC", "EV2-A")]
    return [
        bought.profile(by=(), **where),
        bought.duration_curve(**where),
        bought.coincidence_curve("1h", subsets=3, **where),
        electricity.compare_tariffs(tariffs, rates_as_of="2026-03-01", **where),
    ]


def test_a_worker_that_is_killed_costs_time_and_not_results(
    client: Any, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = smd.Cohort.read(files, tmp_path / "alone.zarr", processes=1, progress=False)
    want = everything(alone)
    killed: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(homes, "in_order", killing(client, killed))
        together = smd.Cohort.read(files, tmp_path / "together.zarr", client=client, progress=False)
    assert len(killed) == 1
    pd.testing.assert_frame_equal(together.meters, alone.meters)
    pd.testing.assert_frame_equal(together.tidy(), alone.tidy())
    with monkeypatch.context() as patch:
        patch.setattr(homegroups, "in_order", killing(client, killed))
        got = everything(together, client=client)
    assert len(set(killed)) == 3  # of coincidence, and of tariffs
    for mine, theirs in zip(got, want, strict=True):
        pd.testing.assert_frame_equal(mine, theirs)
