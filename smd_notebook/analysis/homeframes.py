"""What cubes say of the meters of a store, as the frames that the functions of one meter return; it runs in worker processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smd_notebook.analysis import cubes
from smd_notebook.analysis.homecube import dataset
from smd_notebook.analysis.homestore import opened
from smd_notebook.analysis.profiles import asked_for, profile
from smd_notebook.analysis.series import rate_of
from smd_notebook.errors import ConfigurationError, UnitError

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

__all__ = ["curves", "profiles", "tabled"]


def tabled(path: str, table: Callable[..., pd.DataFrame], options: dict[str, Any], meters: pd.DataFrame) -> tuple[Any, Exception | None]:
    """Return what is made of some meters of a table, or why it cannot be had of them.

    Parameters
    ----------
    path : str
        The store.
    table : callable
        `profiles` or `curves`.
    options : dict
        Its arguments.
    meters : DataFrame
        Some rows of `Cohort.meters`.
    """
    try:
        return table(dataset(opened(path), meters, lazy=False, names=("value",)), **options), None
    except (UnitError, ConfigurationError) as error:
        return None, error


def profiles(cube: xr.Dataset, **options: Any) -> pd.DataFrame:
    """Return the profile of each meter as `smd.profile` does: kinds of days that a meter has nothing of have no rows."""
    settings = (profile.__kwdefaults__ or {}) | options
    found = cubes.profile(cube, **settings)
    del settings["min_coverage"]
    asked = asked_for(**settings)
    kinds = [np.asarray(asked.codes(key, found[key].values.tolist())) for key in asked.keys]
    groups = np.stack(np.meshgrid(*kinds, indexing="ij"), axis=-1).reshape(-1, len(kinds)) if kinds else np.zeros((1, 1), dtype="i8")
    n, mean, fan = (found[name].to_numpy() for name in ("n", "mean", "quantiles"))
    n = n.reshape(len(n), len(groups), -1)
    meter, group = np.nonzero(n.sum(axis=-1))
    size = asked.n_slots
    means, fans = mean.reshape(n.shape)[meter, group], fan.reshape(*n.shape, fan.shape[-1])[meter, group]
    part = asked.part(groups[group], n[meter, group].ravel(), means.ravel(), fans.reshape(meter.size * size, fan.shape[-1]))
    return _frame(cube, np.repeat(meter, size), asked.columns([part]))


def curves(cube: xr.Dataset, shares: Any) -> pd.DataFrame:
    """Return the duration curve of each meter at some shares of its time; those without values have none."""
    load = cubes.duration_curve(cube, shares).to_numpy()
    meter = np.flatnonzero(~np.isnan(load).any(axis=1))
    columns = {"share": np.tile(shares, meter.size), "load": load[meter].ravel()}
    return _frame(cube, np.repeat(meter, len(shares)), columns)


def _frame(cube: xr.Dataset, meter: Any, columns: dict[str, Any]) -> pd.DataFrame:
    labels = {name: pd.Series(cube[name].to_numpy(), dtype="str").array.take(meter) for name in ("usage_point", "channel")}
    _, unit = rate_of(*(cube.attrs.get(name) for name in ("service", "measure", "unit")))
    return pd.DataFrame({**labels, **columns, "unit": pd.Series([unit], dtype="str").array.take(np.zeros_like(meter))})
