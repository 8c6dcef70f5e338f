"""The meters of a cohort as a table to choose from."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smd_notebook.errors import ConfigurationError

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Meters"]

#: Values of a column from which on they are not listed.
_MANY = 10


class Meters:
    """Something that has a row for each of its meters. Immutable: choosing returns a new one with other rows or columns.

    Attributes
    ----------
    meters : DataFrame
        One row a meter.
    """

    _meters: pd.DataFrame

    def __len__(self) -> int:
        return len(self._meters)

    @property
    def meters(self) -> pd.DataFrame:
        """The table of meters, as a copy: what is changed in it changes nothing here, `with_attributes` adds columns."""
        return self._meters.copy()

    def select(self, where: Any = None, **columns: Any) -> Self:
        """Return some of the meters.

        Parameters
        ----------
        where : array of bool, shape (n_meters,), or callable, optional
            Which rows of `meters`: a Series by its index, an array by place. A callable is given `meters`, as in ``DataFrame.loc``.
        **columns : value or collection of values
            What a column of `meters` must be, or be one of: ``service="electricity", county=["Yolo", "Solano"]``, ``interval="1h"``.

        Raises
        ------
        ConfigurationError
            If there is no such column, `where` is of another length, or nothing is left.
        """
        keep = np.ones(len(self), dtype=bool)
        if where is not None:
            chosen = where(self.meters) if callable(where) else where
            if isinstance(chosen, pd.Series) and len(chosen) == len(self) and chosen.index.is_unique:
                chosen = chosen.reindex(self._meters.index)  # of a table that was sorted, say
            mask = np.asarray(chosen)
            if mask.shape != keep.shape or mask.dtype != bool:
                raise ConfigurationError("`where` must be True or False for each meter", hint='cohort.meters["coverage"] > 0.9')
            keep &= mask
        for name, wanted in columns.items():
            if name not in self._meters.columns:
                raise ConfigurationError(f"meters have no {name!r}", hint=f"They have {', '.join(self._meters.columns)}.")
            values = [wanted] if isinstance(wanted, str) or not isinstance(wanted, Collection) else list(wanted)
            if name == "interval":
                values = [_interval_of(one) for one in values]
            mine = self._meters[name].isin(values).to_numpy()
            if not mine.any():
                there = self._meters[name].dropna().unique().tolist()
                some = f"Meters have {', '.join(map(str, there))}." if len(there) < _MANY else f"Look at cohort.meters[{name!r}]."
                raise ConfigurationError(f"no meter is left: none has this {name}", hint=some)
            keep &= mine
        if not keep.any():
            raise ConfigurationError("no meter is left", hint="Look at cohort.meters.")
        return self._with(self._meters[keep].reset_index(drop=True))

    def with_attributes(self, table: pd.DataFrame, *, on: str = "usage_point") -> Self:
        """Return the same meters with more columns, to select and group by.

        Parameters
        ----------
        table : DataFrame, shape (n_rows, n_attributes)
            One row a value of `on`, in its index or in a column of that name. Meters that it does not know have missing attributes.
        on : str, default "usage_point"
            Which column of `meters` it is keyed by: `usage_point`, `source` ...

        Raises
        ------
        ConfigurationError
            If it is no DataFrame, a key comes twice, a name is taken, or no meter is known.
        """
        if not isinstance(table, pd.DataFrame):
            raise ConfigurationError(
                f"attributes are a DataFrame, not a {type(table).__name__}", hint="Of a Series: series.to_frame('name')."
            )
        keyed = table.set_index(on) if on in table.columns else table
        if on not in self._meters.columns or not keyed.index.is_unique:
            raise ConfigurationError(f"attributes must have one row for each {on!r}", hint="Drop repeated rows first.")
        taken = sorted(set(map(str, keyed.columns)) & set(self._meters.columns))
        if taken:
            raise ConfigurationError(f"meters have {', '.join(taken)} already", hint="Rename the columns of the table.")
        if not self._meters[on].isin(keyed.index).any():
            raise ConfigurationError(f"the table knows none of the meters by {on!r}", hint=f"Compare its keys with cohort.meters[{on!r}].")
        return self._with(self._meters.join(keyed, on=on))

    def groups(self, by: str) -> Iterator[tuple[Any, Self]]:
        """Yield the values of a column of `meters`, and the meters that have each; those without a value are in no group.

        Parameters
        ----------
        by : str
            Which column.
        """
        if by not in self._meters.columns:
            raise ConfigurationError(f"meters have no {by!r}", hint=f"They have {', '.join(self._meters.columns)}.")
        for value, rows in self._meters.groupby(by, sort=True, observed=True):
            yield value, self._with(rows.reset_index(drop=True))

    def _there(self) -> pd.DataFrame:
        """Return the meters, of which there must be some."""
        if not len(self):
            raise ConfigurationError("the cohort has no meters", hint="cohort.findings says why its sources gave none.")
        return self._meters

    def _with(self, meters: pd.DataFrame) -> Self:
        out = copy.copy(self)
        out._meters = meters  # noqa: SLF001 - of its own kind
        return out


def _interval_of(length: Any) -> Any:
    """Return the length of an interval, which may be written ``"15min"``.

    Raises
    ------
    ConfigurationError
        If it is none.
    """
    try:
        return pd.Timedelta(length)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{length!r} is no length of an interval", hint='interval="15min", "1h" or "1D"') from None
