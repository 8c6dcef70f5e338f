"""How fast homes come into a cohort's store.

`arrays_store` makes a store straight from arrays, without files (10,000 homes of a year: about a minute, 0.8 GB)::

    from bench_cohort import arrays_store
    cohort = arrays_store("/tmp/homes.zarr", 10_000)
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from feeds import POINT, Style, feed
from table import Row, main

import smd_notebook as smd
from smd_notebook.analysis.grid import Kind, edges_of_year, row_of
from smd_notebook.analysis.homestore import BATCH, Store
from smd_notebook.analysis.intake import Home
from smd_notebook.espi.model import MISSING

KIND = Kind("electricity", "energy", "delivered", "Wh", -3, 900, "America/Los_Angeles")
YEAR = 2025


def arrays_store(path: str | Path, n: int) -> smd.Cohort:
    """Make a store of `n` homes with a meter each, a year of quarter hours, straight from arrays; every twentieth lacks a week.

    Parameters
    ----------
    path : path
        A folder that is not there yet.
    n : int
        How many homes. Home 7 is the same in all of them.
    """
    store = Store(path, create=True)
    for first in range(0, n, BATCH):
        store.add([_home(number) for number in range(first, min(first + BATCH, n))])
    store.finish()
    return smd.Cohort(path)


def _home(number: int) -> Home:
    edges = edges_of_year(KIND.step, KIND.zone, YEAR)
    dice = np.random.default_rng(number)
    shapes = _shapes()
    value = shapes[number % len(shapes)] * int(dice.integers(50, 200)) // 100 + 100 * dice.integers(0, 500, edges.size - 1)
    if number % 20 == 19:
        gap = int(dice.integers(0, value.size - 672))
        value[gap : gap + 672] = MISSING
    quality = np.full(value.size, 17, dtype=np.int16)
    row, _ = row_of(KIND, f"home {number:05}", "electricity delivered", edges[:-1], np.diff(edges), value, quality)
    return Home(f"home {number:05}", f"{number:064x}", [row] if row else [])


@lru_cache(maxsize=1)
def _shapes() -> list[Any]:
    """Return what some make-believe homes take in each quarter hour of the year [mWh]."""
    channels = [channel for home in smd.sample_cohort(12, seed=1) for channel in home().channels]
    kinds = [(one.service, one.flow, one.interval_length) for one in channels]
    meters = [one for one, kind in zip(channels, kinds, strict=True) if kind == (KIND.service, KIND.flow, KIND.step)]
    return [np.concatenate([block.readings.value for block in channel.blocks]) for channel in meters]


def home_files(folder: Path, n: int) -> list[Path]:
    """Write `n` homes as PG&E would send them, a year of quarter hours each (15 MB); every tenth has the same readings."""
    shapes = [b"".join(feed(35_040, Style(), seed)) for seed in range(10)]
    own = POINT.rpartition("/")[2].encode()
    paths = [folder / f"{number:0{len(own)}}.xml" for number in range(n)]
    for number, path in enumerate(paths):
        path.write_bytes(shapes[number % 10].replace(own, path.stem.encode()))
    return paths


def bare(files: list[Path]) -> None:
    """Read files one after the other, and keep nothing."""
    for file in files:
        smd.read(file)


def spent(work: Callable[[], object]) -> Any:
    """Return the wall's time and the CPU time, of this process and of those that it started, that some work takes [s]."""
    begun = time.monotonic(), sum(os.times()[:4])
    work()
    return np.array([time.monotonic() - begun[0], sum(os.times()[:4]) - begun[1]])


def rows(full: bool) -> Iterator[Row]:
    """Yield the rows of the table."""
    with tempfile.TemporaryDirectory(prefix="smd_bench") as temporary:
        folder = Path(temporary)
        n = 10_000 if full else 200
        wall, _ = spent(lambda: arrays_store(folder / "arrays.zarr", n))
        yield Row(f"{n:,} home-years from arrays into a store", 1e3 * wall / n, "", "ms/home")
        n = 1000 if full else 200
        (folder / "in").mkdir()
        files = home_files(folder / "in", n)
        os.sync()  # or the disk would still be busy with them
        bare(files[:1])
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
            list(pool.map(bare, [files[:1], files[:1]]))  # both have started
            at_once = spent(lambda: list(pool.map(bare, [files[::2], files[1::2]])))
        one = spent(lambda: bare(files[::2]))  # half before, half after, so that a busy machine hits both alike
        two = spent(lambda: smd.Cohort.read(files, folder / "read.zarr", processes=2, progress=False))
        one += spent(lambda: bare(files[1::2]))
        what = f"{n:,} XML home-years, "
        yield Row(what + "two processes into a store : one smd.read, homes a second", one[0] / two[0], ">= 1.3")
        yield Row(what + "two bare smd.read at once : one, as much as this machine can give", one[0] / at_once[0])
        yield Row(what + "the store : bare, CPU time a home", two[1] / one[1])
        yield Row(what + "two processes into a store", 1e3 * two[0] / n, "", "ms/home")


if __name__ == "__main__":
    main("bench_cohort")
