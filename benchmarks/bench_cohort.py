"""How fast homes come into a cohort's store.

`arrays_store` makes a store straight from arrays, without files (10,000 homes of a year: about a minute, 0.8 GB)::

    from bench_cohort import arrays_store
    cohort = arrays_store("/tmp/homes.zarr", 10_000)
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from table import Row, main

import smd_notebook as smd
from smd_notebook.analysis.homestore import BATCH, Store
from smd_notebook.analysis.intake import Home, Kind, edges_of_year, row_of
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


def rows(full: bool) -> Iterator[Row]:
    """Yield the rows of the table."""
    with tempfile.TemporaryDirectory(prefix="smd_bench") as folder:
        n, begun = 10_000 if full else 200, time.monotonic()
        arrays_store(Path(folder) / "homes.zarr", n)
        yield Row(f"{n:,} home-years of quarter hours from arrays into a store", (time.monotonic() - begun) / n * 1e3, "", "ms/home")


if __name__ == "__main__":
    main("bench_cohort")
