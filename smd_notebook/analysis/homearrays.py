"""The meters of a cohort as arrays, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from smd_notebook.analysis.cubes import shares_of
from smd_notebook.analysis.grid import edges_of_year
from smd_notebook.analysis.homecube import at_once, dataset
from smd_notebook.analysis.homeframes import curves, profiles, tabled
from smd_notebook.analysis.homegroups import Together
from smd_notebook.analysis.homerows import gathered
from smd_notebook.errors import ConfigurationError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Arrays"]


class Arrays(Together):
    """Meters of a store as arrays of meter by time."""

    def dataset(self, *, years: int | Collection[int] | None = None) -> xr.Dataset:
        """Return the meters of one table as a lazy xarray Dataset, for `smd.analysis.cubes` and for xarray itself.

        Parameters
        ----------
        years : int or collection of int, optional
            Local calendar years; by default all that there are.

        Returns
        -------
        Dataset, dims (meter, time)
            `value` [unit], missing where there is none, and `quality` (ESPI codes), both dask arrays that are read when something is
            computed of them, some meters at a time; `time` (interval start, naive UTC) with `time_bnds`, `local_time`, `local_date` and
            `utc_offset` [s]; `usage_point` (its index), `channel`, `first`, `last`, `source` and attributes of each meter.

        Raises
        ------
        ConfigurationError
            If the meters are of several tables, there is no such year, dask is not installed, or an attribute has a name that is taken.
        """
        tables = self._there()["table"].unique().tolist()
        if len(tables) > 1:
            names = ", ".join(tables)
            hint = f'Select one: cohort.select(table="{tables[0]}").dataset(). There are {names}.'
            raise ConfigurationError("meters of unlike units or steps do not fit one Dataset", hint=hint)
        return dataset(self._store, self._meters, [years] if isinstance(years, int) else years, lazy=True)

    def profile(self, **options: Any) -> pd.DataFrame:
        """Say what is usual at each time of day, for each meter.

        Parameters
        ----------
        **options : Any
            Those of `smd.profile`, and `client` or `processes` as in `apply`.
        """
        return self._stamped(self._tabled(profiles, **options), "mean and quantiles of the rate at each time of day, by kind of day")

    def duration_curve(self, shares: Sequence[float] | None = None, **where: Any) -> pd.DataFrame:
        """Say which load each meter reached or exceeded in which share of its time.

        Parameters
        ----------
        shares : sequence of float, optional
            Shares of the metered time, each from 0 to 1; by default 0, 0.01 ... 1. At 0 it is the highest load.
        **where : Any
            `client` or `processes`, as in `apply`.

        Returns
        -------
        DataFrame, shape (n_meters * n_shares, 5)
            `usage_point`, `channel`, `share` [1], `load` [unit], `unit`: the first row of `smd.analysis.duration_curve` at which so much
            of the time is reached.

        Raises
        ------
        ConfigurationError
            If a share is not from 0 to 1.
        """
        table = self._tabled(curves, shares=shares_of(shares), **where)
        return self._stamped(table, "load duration curve: load that was reached or exceeded in a share of the time")

    # -- inside ------------------------------------------------------------------------------------------------------------------------

    def _tabled(self, table: Callable[..., pd.DataFrame], *, client: Any = None, processes: int | None = 1, **options: Any) -> pd.DataFrame:
        """Return what is made of arrays of meters, some at a time."""
        pieces = []
        for name, meters in self._there()[["table", "row", "usage_point", "channel"]].groupby("table", sort=False):
            kind, years = self._store.kinds[str(name)], self._store.years(str(name))
            size = at_once(sum(edges_of_year(kind.step, kind.zone, year).size for year in years))
            parts = (meters.iloc[low : low + size] for low in range(0, len(meters), size))
            pieces += [(str(name), (str(self._store.path), table, options, part)) for part in parts]
        return gathered(tabled, pieces, client, processes)
