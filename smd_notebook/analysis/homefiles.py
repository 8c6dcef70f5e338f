"""Meters as Parquet files, one each in a folder of its usage point, for other engines; and tidy Parquet files as meters again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from smd_notebook.analysis.grid import Kind, Row, most_common, row_of
from smd_notebook.errors import ConfigurationError, Finding, ReadError
from smd_notebook.espi import codes
from smd_notebook.espi.model import MISSING, MISSING_SMALL
from smd_notebook.frames import scaled
from smd_notebook.tables import FILE_COLUMNS, NO_POINT, read_tidy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["folder_of", "is_parquet", "read_meters", "write_meter"]

#: What a file's name may have on every common file system [bytes].
_LONGEST = 255
#: Powers of ten that are tried where a file does not say by which the values are whole numbers.
_POWERS = (0, -3, -6, -9)
_EXACT = 1 << 53
_CODES = {name: code for code, name in codes.QUALITY.items()}
#: Columns of differences, which take a third of the room.
_STEADY = {"start_utc": "DELTA_BINARY_PACKED", "end_utc": "DELTA_BINARY_PACKED", "raw_value": "DELTA_BINARY_PACKED"}


def folder_of(usage_point: str) -> str:
    """Return the name of the folder of a usage point, as Hive and all its heirs name partitions.

    Raises
    ------
    ConfigurationError
        Where it would be longer than file systems allow.

    >>> folder_of("https://a.example/UsagePoint/1")
    'usage_point=https%3A%2F%2Fa.example%2FUsagePoint%2F1'
    """
    name = "usage_point=" + (quote(usage_point, safe="") or NO_POINT)
    if len(name) > _LONGEST:
        raise ConfigurationError("a usage point's name is too long for a folder", hint="Shorter ones: feed.alias() before Cohort.read.")
    return name


def write_meter(
    path: Path, kind: Kind, channel: str, start: Ints, end: Ints, value: Ints, quality: NDArray[np.int16], about: dict[str, Any]
) -> None:
    """Write a meter's intervals with the columns of `Feed.to_parquet`, and the integers and their power of ten behind.

    Parameters
    ----------
    path : path
        The file; it is there once it is whole.
    kind : Kind
        What the meter measures.
    channel : str
        Its label.
    start, end, value, quality : array, shape (n,)
        Its intervals [s since 1970], raw values and quality codes.
    about : dict
        `source` and `findings`, for `read_meters`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    n = start.size
    columns: dict[str, Any] = dict.fromkeys(FILE_COLUMNS[1:])
    columns |= {"channel": channel} | {name: getattr(kind, name) for name in ("service", "measure", "flow", "zone", "unit")}
    nothing = pd.arrays.IntegerArray(np.zeros(n, dtype=np.int16), np.ones(n, dtype=bool))
    columns |= dict.fromkeys(("tou", "tier", "cpp"), nothing)
    columns |= {
        name: pd.DatetimeIndex(at.view("M8[s]").astype("M8[us]"), tz="UTC") for name, at in (("start_utc", start), ("end_utc", end))
    }
    columns |= {"duration_s": end - start, "value": scaled(value, kind.power_of_ten), "cost": np.full(n, np.nan)}
    listed, places = np.unique(quality, return_inverse=True)
    names = ["" if code == MISSING_SMALL else codes.QUALITY.get(code, f"quality{code}") for code in listed.tolist()]
    columns["quality"] = pd.Categorical.from_codes(places, pd.Index(names, dtype="str")).remove_categories(
        [name for name in names if not name]
    )
    columns["raw_value"] = pd.arrays.IntegerArray(value, value == MISSING)
    columns["power_of_ten"] = np.full(n, kind.power_of_ten, dtype=np.int16)
    texts = {name: pa.repeat(pa.scalar(one, pa.string()), n) for name, one in columns.items() if one is None or isinstance(one, str)}
    frame = pd.DataFrame({name: column for name, column in columns.items() if name not in texts})
    frame.attrs["meter"] = about | {"step": kind.step}
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for place, name in enumerate(columns):
        if name in texts:
            table = table.add_column(place, name, texts[name])
    half = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(
        table, half, compression="zstd", use_dictionary=[name for name in columns if name not in _STEADY], column_encoding=_STEADY
    )
    half.replace(path)


def is_parquet(what: Any) -> bool:
    """Whether a source is a Parquet file."""
    if not isinstance(what, (str, os.PathLike)) or not Path(what).is_file():
        return False
    with Path(what).open("rb") as file:
        return file.read(4) == b"PAR1"


def read_meters(path: Path) -> tuple[list[Row], list[Finding], dict[str, Any]]:
    """Return the meters of a tidy Parquet file, what was noticed, and what `write_meter` was told of it.

    Raises
    ------
    ReadError
        Where it is something else, intervals stand in it twice, or its values are not decimal.
    """
    frame = read_tidy(path)
    about = dict(frame.attrs.get("meter", {}))
    rows, found = [], [Finding(**one) for one in about.get("findings", ())]
    kinds = ["usage_point", "channel", "service", "measure", "flow", "unit", "zone"]
    frame = frame[frame["start"].notna() & (frame["duration"] > pd.Timedelta(0))].sort_values("start", kind="stable")
    key: Any
    for key, some in frame.groupby(kinds, observed=True, dropna=False, sort=False):
        point, channel, service, measure, flow, unit, zone = (None if pd.isna(one) else str(one) for one in key)
        start = pd.DatetimeIndex(some["start"]).as_unit("s").asi8
        duration = pd.TimedeltaIndex(some["duration"]).as_unit("s").asi8
        if (np.diff(start) == 0).any():
            raise ReadError("intervals of a channel begin together", source=path.name, hint="Write each once: feed.to_parquet does.")
        value, power = _integers(some, path)
        step = int(about.get("step", 0)) or most_common(duration)
        kind = Kind(service, measure or "other", flow or "unstated", unit, power, step, zone or "UTC")
        row, told = row_of(kind, point or "", channel or "", start, duration, value, _qualities(some["quality"]))
        rows += [row] if row else []
        found += told
    return rows, found, about


def _qualities(column: pd.Series) -> NDArray[np.int16]:
    names = column.cat.categories
    numbers = [_CODES[name] if name in _CODES else int(name.removeprefix("quality")) for name in names]
    return np.array([*numbers, MISSING_SMALL], dtype=np.int16)[column.cat.codes.to_numpy()]


def _integers(frame: pd.DataFrame, path: Path) -> tuple[Ints, int]:
    """Return values as integers and their power of ten: those that stand beside them, where these are the same, or the shortest."""
    raw: Ints
    values = frame["value"].to_numpy()
    if {"raw_value", "power_of_ten"} <= set(frame.columns) and frame["power_of_ten"].nunique() == 1:
        raw = np.asarray(frame["raw_value"].astype("Int64").fillna(MISSING), dtype=np.int64)
        power = int(frame["power_of_ten"].iloc[0])
        if np.array_equal(scaled(raw, power), values, equal_nan=True):
            return raw, power
    missing = np.isnan(values)
    for power in _POWERS:
        near = np.where(missing, 0, np.rint(values * 10.0**-power))
        if np.abs(near).max(initial=0) > _EXACT:
            break
        raw = np.where(missing, MISSING, near.astype(np.int64))
        if np.array_equal(scaled(raw, power), values, equal_nan=True):
            return raw, power
    hint = "Write them in the unit in which the meter counted; a conversion rounds."
    raise ReadError("values are no decimal numbers of up to nine places, and a cohort keeps whole numbers", source=path.name, hint=hint)
