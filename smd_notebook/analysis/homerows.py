"""Meters of a cohort's store as tidy frames, some at a time, and what functions make of them put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smd_notebook.analysis.bins import resample
from smd_notebook.analysis.homestore import Store, opened
from smd_notebook.analysis.workers import in_order
from smd_notebook.errors import ConfigurationError, UnitError, warn
from smd_notebook.espi import codes
from smd_notebook.espi.model import MISSING
from smd_notebook.frames import categories_of, scaled

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["KEEP", "applied", "bins_to_add", "gathered", "groups_of", "joined", "meters_of", "tidy_rows"]

#: Bytes that are kept where meters are gone through twice; what is beyond is read again.
KEEP = 2**26
_LABELS = ("usage_point", "channel", "service", "measure", "flow", "unit", "interval", "zone")


def meters_of(store: Store) -> pd.DataFrame:
    """Return the table of meters, in the order of tables and rows."""
    rows = []
    for record in store.records:
        for row in record["meters"]:
            kind = store.kinds[row["table"]]
            rows.append(
                (
                    *(row["usage_point"], row["channel"], kind.service, kind.measure, kind.flow, kind.unit, kind.step, kind.zone),
                    *(row["first"], row["last"], row["n"], row["covered"] / (row["last"] - row["first"])),
                    *(record["source"], record["sha256"], len(record["findings"]), row["table"], row["row"]),
                )
            )
    names = [*_LABELS, "first", "last", "n", "coverage", "source", "sha256", "n_findings", "table", "row"]
    frame = pd.DataFrame(rows, columns=names)
    for name in ("first", "last"):
        frame[name] = pd.DatetimeIndex(frame[name].to_numpy(dtype="i8").view("M8[s]").astype("M8[us]"), tz="UTC")
    frame["interval"] = frame["interval"].to_numpy(dtype="i8").view("m8[s]").astype("m8[us]")
    order = {table: number for number, table in enumerate(store.kinds)}
    return frame.sort_values(["table", "row"], key=lambda one: one.map(order) if one.name == "table" else one, ignore_index=True)


def tidy_rows(store: Store, table: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return meters of one chunk as a tidy frame up to `quality`.

    Parameters
    ----------
    store : Store
        Where they are.
    table : str
        Their table.
    rows : list of dict
        `row`, `usage_point`, `channel`, and `first` and `last` [s since 1970] of each.
    """
    kind = store.kinds[table]
    low = min(one["row"] for one in rows)
    start, end, value, quality = store.read(table, low, max(one["row"] for one in rows) + 1)
    chosen = []
    for one in rows:
        keep = value[one["row"] - low] != MISSING
        # where a meter begins and ends with nothing, that is where its time begins and ends all the same
        keep |= (start == one["first"]) | (end == one["last"])
        chosen.append(np.flatnonzero(keep))
    sizes = [places.size for places in chosen]
    places = np.concatenate(chosen)
    meter = np.repeat(np.array([one["row"] - low for one in rows]), sizes)

    def category(name: str, text: str | None) -> Any:
        dtype: Any = categories_of(name, [text])
        return pd.Categorical.from_codes(np.repeat(dtype.categories.get_indexer([text])[0], places.size), dtype=dtype)

    def instants(seconds: Any) -> pd.DatetimeIndex:
        return pd.DatetimeIndex(seconds[places].view("M8[s]").astype("M8[us]"), tz="UTC").tz_convert(kind.zone)

    columns: dict[str, Any] = {
        name: pd.Series([one[name] for one in rows], dtype="str").array.take(np.repeat(np.arange(len(rows)), sizes))
        for name in ("usage_point", "channel")
    }
    columns |= {name: category(name, getattr(kind, name)) for name in ("service", "measure", "flow", "zone")}
    columns |= {"start": instants(start), "end": instants(end)}
    columns["duration"] = (end - start)[places].view("m8[s]").astype("m8[us]")
    columns["value"] = scaled(value[meter, places], kind.power_of_ten)
    columns["unit"] = category("unit", kind.unit)
    columns["quality"] = _qualities(quality[meter, places])
    return pd.DataFrame(columns)


def _qualities(column: Any) -> Any:
    listed, places = np.unique(column, return_inverse=True)
    names = [codes.QUALITY.get(int(code), f"quality{code}") if code >= 0 else None for code in listed]
    dtype: Any = categories_of("quality", names)
    return pd.Categorical.from_codes(dtype.categories.get_indexer(pd.Index(names, dtype=object))[places], dtype=dtype)


def applied(path: str, function: Any, options: dict[str, Any], table: str, rows: list[dict[str, Any]]) -> tuple[Any, Exception | None]:
    """Return what a function makes of some meters, or why it refuses them."""
    try:
        made = function(tidy_rows(opened(path), table, rows), **options)
        if "usage_point" not in getattr(made, "columns", ()):
            text = f"{getattr(function, '__name__', 'the function')} returned no frame with a column 'usage_point': whose rows are they?"
            raise ConfigurationError(
                text, hint="It is given ten meters at a time: let it group by usage_point and channel, and reset_index()."
            )
        return made, None
    except (UnitError, ConfigurationError) as error:
        return None, error


def gathered(work: Callable[..., Any], pieces: list[tuple[str, tuple[Any, ...]]], client: Any, processes: int | None) -> pd.DataFrame:
    """Put what is made of pieces of tables one below the other; tables of which nothing can be made are warned of.

    Parameters
    ----------
    work : callable
        Returns a frame of a piece, or None and why there is none.
    pieces : list of tuple
        Tables, and the arguments of `work`.
    client, processes : dask.distributed.Client and int, optional
        Where to work, as `in_order` has it.

    Raises
    ------
    UnitError, ConfigurationError
        If nothing can be made of any.
    """
    parts: list[pd.DataFrame] = []
    refused: dict[str, Exception] = {}
    done = in_order(work, (piece for _, piece in pieces), client=client, processes=processes)
    for (table, _), (part, error) in zip(pieces, done, strict=True):
        if error is not None:
            refused.setdefault(table, error)
        else:
            parts.append(part)
    for table, error in refused.items():
        if not parts:
            raise error
        warn(f"nothing was computed of meters in {table!r}: {error}")
    return joined(parts)


def bins_to_add(frame: pd.DataFrame, bins: Any) -> pd.DataFrame:
    """Return of bins what `release_screen` looks at."""
    return resample(frame, bins)[
        ["usage_point", "channel", "service", "measure", "flow", "zone", "unit", "start", "end", "value", "coverage", "n_flagged"]
    ]


def groups_of(meters: pd.DataFrame, by: str) -> dict[str, str]:
    """Return the group of each usage point, by a column of the table of meters."""
    if by not in meters.columns:
        raise ConfigurationError(f"meters have no {by!r}", hint=f"They have {', '.join(meters.columns)}.")
    pairs = meters[["usage_point", by]].dropna().drop_duplicates()
    if not pairs["usage_point"].is_unique:
        raise ConfigurationError(f"some usage points have several values of {by!r}", hint="Group by what a customer has one of.")
    return dict(zip(pairs["usage_point"], pairs[by].astype("str"), strict=True))


def joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Put frames one below the other; times of several zones are in UTC, and categories that differ become text."""
    for part in parts:
        part.attrs = {}
    if not parts:
        return pd.DataFrame()
    for name in parts[0].columns:
        dtypes = {str(part[name].dtype) for part in parts if name in part}
        if isinstance(parts[0][name].dtype, pd.DatetimeTZDtype) and len(dtypes) > 1:
            for part in parts:
                part[name] = part[name].dt.tz_convert("UTC")
        elif isinstance(parts[0][name].dtype, pd.CategoricalDtype) and len({part[name].dtype for part in parts}) > 1:
            for part in parts:
                part[name] = part[name].astype("str").where(part[name].notna())
    return pd.concat(parts, ignore_index=True)
