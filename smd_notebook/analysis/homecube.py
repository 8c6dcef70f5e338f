"""A table of a cohort's store as an xarray Dataset of meters by time, read when it is computed, or now."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smd_notebook.analysis.grid import edges_of_year
from smd_notebook.analysis.homestore import BATCH, Store, undamaged
from smd_notebook.datasets import METHODS, cf_unit, time_coords
from smd_notebook.errors import ConfigurationError, needs
from smd_notebook.espi import codes
from smd_notebook.espi.model import MISSING_SMALL
from smd_notebook.frames import scaled

if TYPE_CHECKING:
    from collections.abc import Collection

    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["at_once", "dataset"]

#: How many numbers are read at once: with what is made of them on the way, some 100 MB for each thread.
_AT_ONCE = 4_000_000
#: What the table's own columns are called, and what results are: no attribute of meters can be called so.
_TAKEN = {
    *("value", "quality", "time", "time_bnds", "bnds", "local_time", "local_date", "utc_offset", "meter"),
    *("mean_power", "max_power", "coverage", "n_intervals", "n_flagged", "n", "mean", "quantiles", "quantile", "load", "share"),
    *("slot", "season", "day_type", "month", "weekday", "year"),
}
#: Columns of `Cohort.meters` that a table has one value of, that are of the store, or that results have for themselves.
_LEFT_OUT = ("service", "measure", "flow", "unit", "interval", "zone", "n", "coverage", "sha256", "n_findings", "table", "row")


@dataclass(frozen=True, eq=False)
class _Year:
    """The meters' values or qualities of a year, as something that dask takes for an array."""

    path: Path  # of the table
    name: str
    rows: Any  # in the store
    power: int
    n: int

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.rows), self.n

    @property
    def ndim(self) -> int:
        return 2

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype("f4" if self.name.endswith("quality") else "f8")

    def __getitem__(self, key: Any) -> Any:
        import zarr

        rows, times = key
        chosen = self.rows[rows]
        out = np.empty((len(chosen), self.n), dtype=self.dtype)
        with undamaged(self.path.parent, f"{self.path.name}/{self.name}"):
            array: Any = zarr.open_array(f"{self.path}/{self.name}", mode="r")
            there = np.flatnonzero(chosen < array.shape[0])
            raw = _rows(array, chosen[there])
        out[chosen >= array.shape[0]] = np.nan  # later meters may have nothing in this year
        for place, numbers in zip(there.tolist(), raw, strict=True):  # one at a time: it stays in the processor's cache
            if self.dtype == "f8":
                out[place] = scaled(numbers, self.power)
            else:
                out[place] = np.where(numbers == MISSING_SMALL, np.nan, numbers)
        return out[:, times]


def _rows(array: Any, wanted: NDArray[np.int64]) -> Any:
    if wanted.size and (np.diff(wanted) == 1).all():
        return array[int(wanted[0]) : int(wanted[-1]) + 1]
    return array.oindex[wanted] if wanted.size else wanted


def at_once(n: int) -> int:
    """Return how many meters are read at once, of `n` steps each."""
    return max(_AT_ONCE // n // BATCH, 1) * BATCH


def dataset(
    store: Store,
    meters: pd.DataFrame,
    years: Collection[int] | None = None,
    *,
    lazy: bool = True,
    names: Collection[str] = ("value", "quality"),
) -> xr.Dataset:
    """Return meters of one table as a Dataset.

    Parameters
    ----------
    store : Store
        Where they are.
    meters : DataFrame
        Rows of `Cohort.meters`, all of one table.
    years : collection of int, optional
        Local calendar years; by default all that there are.
    lazy : bool, default True
        Whether to read when it is computed, by dask, or now.
    names : collection of str
        Which variables: ``"value"``, ``"quality"``.

    Raises
    ------
    ConfigurationError
        If there is no such year, dask is wanted and not installed, an attribute has a name that is taken, or steps of two years overlap.
    """
    import xarray as xr

    table = str(meters["table"].iloc[0])
    kind, there = store.kinds[table], store.years(table)
    chosen = there if years is None else sorted(set(years))
    if not chosen or not set(chosen) <= set(there):
        raise ConfigurationError(f"{table!r} does not have all of these years", hint=f"It has {', '.join(map(str, there))}.")
    labels = meters.drop(columns=[name for name in _LEFT_OUT if name in meters.columns])
    taken = sorted(_TAKEN & set(map(str, labels.columns)))
    if taken:
        raise ConfigurationError(f"an attribute cannot be called {', '.join(taken)} here", hint="Rename it: table.rename(columns=...).")
    edges = [edges_of_year(kind.step, kind.zone, year) for year in chosen]
    start, end = (np.concatenate([one[part] for one in edges]) for part in (slice(None, -1), slice(1, None)))
    if (start[1:] < end[:-1]).any():
        text = f"the steps of {table!r} go on over the end of a year"
        raise ConfigurationError(text, hint="Take a year at a time: cohort.dataset(years=2025); or cohort.apply(smd.profile).")
    rows = meters["row"].to_numpy()
    parts = {
        name: [
            _Year(store.path.resolve() / table, f"y{year}/{name}", rows, kind.power_of_ten, one.size - 1)
            for year, one in zip(chosen, edges, strict=True)
        ]
        for name in names
    }
    joined = partial(_lazy, n=start.size) if lazy else _read
    arrays = {name: joined(some) for name, some in parts.items()}
    listed = sorted(codes.QUALITY)
    flags = {
        "long_name": "ESPI ReadingQuality",
        "flag_values": np.array(listed, dtype=np.int16),
        "flag_meanings": " ".join(codes.QUALITY[code] for code in listed),
    }
    about = {"units": cf_unit(kind.unit), "long_name": f"{kind.measure} {kind.flow}"}
    about |= {"cell_methods": METHODS[kind.measure]} if kind.measure in METHODS else {}
    said: dict[str, Any] = {"value": (about,), "quality": (flags, {"dtype": "int16", "_FillValue": np.int16(MISSING_SMALL)})}
    variables = {name: (("meter", "time"), arrays[name], *said[name]) for name in names}
    coords = time_coords(start, end, kind.zone) | {str(name): ("meter", _plain(labels[name])) for name in labels.columns}
    attrs = {"Conventions": "CF-1.11", "title": "Green Button (ESPI) readings of a cohort", "table": table}
    attrs |= {name: value for name in ("service", "measure", "flow", "unit", "zone") if (value := getattr(kind, name)) is not None}
    return xr.Dataset(variables, coords, attrs).set_xindex("usage_point")


def _read(parts: list[_Year]) -> Any:
    return np.concatenate([one[:, :] for one in parts], axis=1)


def _lazy(parts: list[_Year], n: int) -> Any:
    needs("a cohort's dataset", "dask", "cohort")
    da: Any = import_module("dask.array")
    rows = at_once(n)
    meta = np.empty((0, 0), dtype=parts[0].dtype)
    arrays = [da.from_array(one, chunks=(rows, -1), name=False, asarray=False, fancy=False, meta=meta) for one in parts]
    return arrays[0] if len(arrays) == 1 else da.concatenate(arrays, axis=1)


def _plain(column: pd.Series[Any]) -> Any:
    """Return a column as files can hold it: times in UTC without a zone, text as objects."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.to_numpy(dtype=object)
