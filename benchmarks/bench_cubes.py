"""How long analyses of a whole cohort take, and how much memory, against plain numpy on the same store.

The numpy side reads a hundred homes at a time from Zarr and does what the numbers need: local time, what is missing, quantiles. It knows
that the steps are quarter hours and that the zone is whole hours from UTC; it checks nothing, labels nothing and has one thread, but for
Zarr's own. Both sides are held against each other before they are timed. DuckDB and polars, where they are installed, do the same on the
Parquet files of the cohort (`engines.py`).

`SMD_BENCH_STORE` names a store that `bench_cohort.arrays_store` made, which otherwise takes a minute.
"""

from __future__ import annotations

import gc
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from bench_cohort import KIND, YEAR, arrays_store
from engines import ENGINES, reference
from table import Row, main, peak_memory, ratio

import smd_notebook as smd
from smd_notebook.analysis import cubes
from smd_notebook.espi.model import MISSING

BLOCK = 100
SHARES = np.arange(101) / 100
QUANTILES = (0.1, 0.5, 0.9)
_STEPS = 96  # a day


class Plain:
    """The numpy side."""

    def __init__(self, path: str | Path) -> None:
        import zarr

        group: Any = zarr.open_group(path, mode="r")[f"electricity-delivered-15min/y{YEAR}"]
        self.value = group["value"]
        start = pd.DatetimeIndex(group["time"][:].view("M8[s]"), tz="UTC").tz_convert(KIND.zone)
        self.start = start
        self.quarters = _columns((start.hour * 4 + start.minute // 15).to_numpy(), _STEPS)
        self.hours = _columns(start.hour.to_numpy()[::4], 24)

    def blocks(self, work: Callable[[Any], Any], *shape: int) -> Any:
        """Call a function for a hundred homes at a time."""
        n = self.value.shape[0]
        out = np.empty((n, *shape))
        for low in range(0, n, BLOCK):
            raw = self.value[low : low + BLOCK]
            x = raw * 10.0**KIND.power_of_ten
            x[raw == MISSING] = np.nan
            out[low : low + BLOCK] = work(x)
        return out

    def profile(self) -> Any:
        """Return quantiles of each quarter hour of the day [W]."""

        def work(x: Any) -> Any:
            y = _padded(x)[:, self.quarters]
            y.sort(axis=-1)
            n = (~np.isnan(y)).sum(axis=-1)[..., None]
            place = np.array(QUANTILES) * (n - 1)
            low = place.astype("i8")
            below, above = np.take_along_axis(y, low, -1), np.take_along_axis(y, np.minimum(low + 1, n - 1), -1)
            return (below + (above - below) * (place - low)) * 4

        return self.blocks(work, _STEPS, len(QUANTILES))

    def hourly(self) -> Any:
        """Return the sum of each hour [Wh]."""

        def work(x: Any) -> Any:
            missing = np.isnan(x)
            out = np.where(missing, 0, x).reshape(len(x), -1, 4).sum(axis=-1)
            out[missing.reshape(len(x), -1, 4).all(axis=-1)] = np.nan
            return out

        return self.blocks(work, self.value.shape[1] // 4)

    def duration(self) -> Any:
        """Return the load at 101 shares of the time [W]."""

        def work(x: Any) -> Any:
            y = np.sort(x, axis=1)
            n = (~np.isnan(y)).sum(axis=1)[:, None]
            return np.take_along_axis(y, n - 1 - np.maximum(np.ceil(np.round(SHARES * n, 6)).astype("i8") - 1, 0), axis=1) * 4

        return self.blocks(work, SHARES.size)

    def by_hour(self) -> Any:
        """Return the mean of each local hour of the day [W]."""
        return self.blocks(lambda x: np.nanmean(_padded(x.reshape(len(x), -1, 4).sum(axis=-1))[:, self.hours], axis=-1), 24)


def _columns(cell: Any, n: int) -> Any:
    """Return which columns each cell has, filled up with one that is behind the last."""
    order, count = np.argsort(cell, kind="stable"), np.bincount(cell, minlength=n)
    out = np.full((n, count.max()), cell.size)
    out[np.arange(count.max()) < count[:, None]] = order
    return out


def _padded(x: Any) -> Any:
    return np.concatenate([x, np.full((len(x), 1), np.nan)], axis=1)


class Ours:
    """The side of cubes, with dask's threads."""

    def __init__(self, path: str | Path) -> None:
        self.cube = smd.Cohort(path).dataset()

    def profile(self) -> Any:
        """Return quantiles of each quarter hour of the day."""
        return cubes.profile(self.cube, by=(), slot="15min", quantiles=QUANTILES)["quantiles"].to_numpy()

    def hourly(self) -> Any:
        """Return the sum of each hour, put straight where it belongs."""
        import dask.array as da

        found = cubes.resample(self.cube, "1h")["value"].data
        out = np.empty(found.shape)
        da.store(found, out, lock=False)
        return out

    def duration(self) -> Any:
        """Return the load at 101 shares of the time."""
        return cubes.duration_curve(self.cube, SHARES).to_numpy()

    def by_hour(self) -> Any:
        """Return the mean of each local hour of the day."""
        return cubes.profile(self.cube, by=(), slot="1h", quantiles=())["mean"].to_numpy()


WHAT = {
    "profile": "0.1, 0.5 and 0.9 quantiles of each quarter hour",
    "hourly": "hourly resample",
    "duration": "duration curves of 101 points",
    "by_hour": "mean by local hour",
}


def _times(sides: dict[str, Callable[[], Any]], rounds: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return seconds on the clock and of CPU of each side, which take turns."""
    wall: dict[str, list[float]] = {name: [] for name in sides}
    cpu: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides)[:: 1 if number % 2 else -1]:
            gc.collect()
            began = time.perf_counter(), time.process_time()
            sides[name]()
            wall[name].append(time.perf_counter() - began[0])
            cpu[name].append(time.process_time() - began[1])
    return wall, cpu


def rows(full: bool) -> Iterator[Row]:
    """Yield the rows of the table."""
    n, rounds = (10_000, 3) if full else (200, 5)
    with tempfile.TemporaryDirectory(prefix="smd_bench") as folder:
        given = os.environ.get("SMD_BENCH_STORE")
        path = Path(given) if given else Path(folder) / "homes.zarr"
        cohort = smd.Cohort(path) if given else arrays_store(path, n)
        n = len(cohort)
        plain, ours = Plain(path), Ours(path)
        for name, words in WHAT.items():
            run: dict[str, Callable[[], Any]] = {"plain": getattr(plain, name), "ours": getattr(ours, name)}
            np.testing.assert_allclose(run["ours"](), run["plain"](), rtol=1e-9)
            wall, cpu = _times(run, rounds)
            yield Row(f"{words} of {n:,} homes : numpy by hundreds, on the clock", ratio(wall["ours"], wall["plain"]), "<= 1.0")
            yield Row("  the same, CPU", ratio(cpu["ours"], cpu["plain"]))
            yield Row("  the same, cubes alone, on the clock, least", min(wall["ours"]) / n * 1e3, "", "ms/home")
        for name, words in WHAT.items():
            setup = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from bench_cubes import Ours; import dask.array"
            peak, _ = peak_memory(setup, f"Ours({str(path)!r}).{name}()")
            yield Row(f"peak anonymous memory of it: {words} of {n:,} homes", peak, "<= 1200" if n >= 10_000 else "", "MiB")
        yield from _references(cohort, Path(folder) / "homes", ours, plain)


def _references(cohort: smd.Cohort, archive: Path, ours: Ours, plain: Plain) -> Iterator[Row]:
    """Yield what other engines take for the same, from the Parquet files of the cohort."""
    there = [engine for engine in ENGINES if find_spec(engine.lower())]
    for engine in ENGINES:
        if engine not in there:
            yield Row(f"{engine} on the Parquet files of the homes", None, "not installed")
    if there:
        began = time.perf_counter()
        cohort.to_parquet(archive, processes=None, progress=False)
        yield Row(f"Parquet files of {len(cohort):,} homes", (time.perf_counter() - began) / len(cohort) * 1e3, "", "ms/home")
    for name, words in WHAT.items():
        want = getattr(ours, name)()
        for engine in there:
            found = reference(engine, name, archive, want, int(plain.start[0].timestamp()))
            what = f"{words} of {len(cohort):,} homes, {engine}"
            if isinstance(found, str):
                yield Row(what, None, found)
            else:
                yield Row(f"{what}, on the clock", found[0] / len(cohort) * 1e3, "", "ms/home")
                yield Row("  the same, peak anonymous memory", found[1], "", "MiB")


if __name__ == "__main__":
    main("bench_cubes")
