"""A cohort on a cluster of two worker processes, one of which is killed half-way: the results are those without a cluster."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import smd_notebook as smd
from smd_notebook.analysis import cubes, homearrays, homegroups, homerows, homes, workers
from smd_notebook.feed import Feed
from smd_notebook.households import between, household
from tests.test_workers import die_half_way

pytest.importorskip("zarr")
distributed = pytest.importorskip("distributed", reason="a cluster needs dask.distributed (extra `cohort`)")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")

#: Ten days in Los Angeles, over the end of October 2025, in which clocks go back.
SPAN = (1_761_548_400, 1_762_416_000)
NAMES = ("solar-home", "ev-home", "heat-pump-home", "apartment")


@pytest.fixture
def client() -> Iterator[Any]:
    """Return a client of two workers in processes of their own, new for each test: one that was killed may not come back."""
    # a port of its own: two clusters at once, of two runs of the tests, warn of the usual one
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": "127.0.0.1:0", "silence_logs": "CRITICAL"}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("homes")
    for number in range(36):
        Feed(between(household(NAMES[number % 4], number), *SPAN)).to_espi(folder / f"{number:02}.xml.gz")
    return folder


@pytest.fixture(scope="module")
def alone(files: Path, tmp_path_factory: pytest.TempPathFactory) -> smd.Cohort:
    return smd.Cohort.read(files, tmp_path_factory.mktemp("cohort") / "alone.zarr", processes=1, progress=False)


@pytest.fixture
def killing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kill a worker half-way through whatever is given to workers."""
    work = partial(die_half_way, str(tmp_path))

    def in_order(function: Callable[..., Any], *args: Any, client: Any = None, **options: Any) -> Iterator[Any]:
        return workers.in_order(partial(work, function) if client else function, *args, client=client, **options)

    for module in (homes, homerows, homegroups):
        monkeypatch.setattr(module, "in_order", in_order)
    monkeypatch.setattr(homearrays, "at_once", lambda _: 5)
    yield
    assert (tmp_path / "died").exists()


@pytest.mark.usefixtures("killing")
def test_reading_goes_on(client: Any, files: Path, alone: smd.Cohort, tmp_path: Path) -> None:
    together = smd.Cohort.read(files, tmp_path / "together.zarr", client=client, progress=False)
    pd.testing.assert_frame_equal(together.meters, alone.meters)
    pd.testing.assert_frame_equal(together.tidy(), alone.tidy())


def tariffs_compared(homes: smd.Cohort, **where: Any) -> pd.DataFrame:
    tariffs = [smd.analysis.load_tariff(name, on="2026-03-01") for name in ("E-ELEC", "EV2-A")]
    return homes.compare_tariffs(tariffs, rates_as_of="2026-03-01", **where)


ANALYSES: dict[str, Callable[..., pd.DataFrame]] = {
    "resample": lambda homes, **where: homes.resample("1D", **where),
    "profile": lambda homes, **where: homes.profile(by=(), **where),
    "duration_curve": lambda homes, **where: homes.duration_curve(**where),
    "coincidence_curve": lambda homes, **where: homes.coincidence_curve("1h", subsets=3, **where),
    "typical_days": lambda homes, **where: homes.typical_days(3, sample=200, **where).calendar,
    "compare_tariffs": tariffs_compared,
    "metrics": lambda homes, **where: homes.metrics(**where),
    "publish": lambda homes, **where: homes.publish("1W", customers="non-residential", **where),
    "coincidence": lambda homes, **where: homes.coincidence("1h", **where),
}
#: By arrays, twice over the meters, and by homes; each costs the start of a cluster.
EVERY_DAY = ("profile", "coincidence_curve", "compare_tariffs")


@pytest.mark.usefixtures("killing")
@pytest.mark.parametrize("name", [pytest.param(name, marks=[] if name in EVERY_DAY else pytest.mark.prove) for name in ANALYSES])
def test_an_analysis_has_the_same_result(client: Any, alone: smd.Cohort, name: str) -> None:
    if name == "typical_days":
        pytest.importorskip("sklearn", reason="typical_days needs scikit-learn (extra `cluster`)")
    bought = alone.select(service="electricity", flow="delivered")
    pd.testing.assert_frame_equal(ANALYSES[name](bought, client=client), ANALYSES[name](bought, processes=1))


@pytest.mark.prove
@pytest.mark.usefixtures("killing")
def test_files_are_the_same(client: Any, alone: smd.Cohort, tmp_path: Path) -> None:
    written = []
    for name, where in (("alone", None), ("together", client)):
        alone.to_parquet(tmp_path / name, client=where, progress=False)
        written.append({one.relative_to(tmp_path / name): one.read_bytes() for one in tmp_path.glob(f"{name}/**/*.parquet")})
    assert len(written[0]) == len(alone)
    assert written[0] == written[1]


def test_arrays_are_the_same(client: Any, alone: smd.Cohort, tmp_path: Path) -> None:
    """A block of the numbers that are read takes its worker with it; whatever is made of them is made again elsewhere."""
    cube = alone.select(table="electricity-delivered-15min").dataset()

    def made(cube: xr.Dataset) -> list[xr.Dataset]:
        return [cubes.resample(cube, "1h"), cubes.profile(cube), cubes.duration_curve(cube).to_dataset()]

    want = [one.compute(scheduler="synchronous") for one in made(cube)]
    values = cube["value"].data.rechunk({0: 3})
    deadly = values.map_blocks(partial(die_half_way, str(tmp_path), np.asarray), dtype=values.dtype, meta=np.empty((0, 0)))
    got = [one.result(timeout=300) for one in client.compute(made(cube.chunk(meter=3).assign(value=cube["value"].copy(data=deadly))))]
    assert (tmp_path / "died").exists()
    for mine, theirs in zip(got, want, strict=True):
        xr.testing.assert_identical(mine, theirs)
