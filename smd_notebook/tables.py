"""Tidy frames to files that other tools read right, and back: CSV and Parquet with instants in UTC."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from smd_notebook.errors import NotEspiError, ReadError, SmdError, needs, warn
from smd_notebook.frames import TIDY_COLUMNS, categories_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FILE_COLUMNS", "NO_POINT", "read_tidy", "write_csv", "write_parquet"]

#: The columns of a file: the tidy ones, with the instants as UTC and the length in seconds.
FILE_COLUMNS = tuple({"start": "start_utc", "end": "end_utc", "duration": "duration_s"}.get(name, name) for name in TIDY_COLUMNS)
#: What a folder of a usage point without a name is called, as Hive has it.
NO_POINT = "__HIVE_DEFAULT_PARTITION__"
#: Columns of texts that a utility chose, and with what they begin where a spreadsheet takes them for formulas (OWASP, CSV injection).
_CHOSEN, _FORMULA = ("usage_point", "channel", "tou_name"), ("=", "+", "-", "@", "\t", "\r")
#: Columns of few texts, most of them from code lists.
_LISTED = ["service", "measure", "flow", "zone", "unit", "quality", "currency"]


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a tidy frame with instants in UTC, lengths in seconds and categories as text."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for name in frame.columns:
        column = frame[name]
        if name in ("start", "end"):
            columns[f"{name}_utc"] = column.dt.tz_convert("UTC")
        elif name == "duration":
            columns["duration_s"] = column.to_numpy().astype("timedelta64[s]").astype(np.int64)
        else:
            columns[name] = column.astype("str").where(column.notna()) if isinstance(column.dtype, pd.CategoricalDtype) else column
    return pd.DataFrame(columns)


def write_csv(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a tidy frame as CSV; `start_utc` and `end_utc` are ISO 8601 with a Z.

    Names stand in it as they are, so that every program reads the same ones: of those that a spreadsheet would take for formulas it warns.

    Parameters
    ----------
    frame : DataFrame
        A tidy frame.
    path : path
        Where to; a name that ends in .gz or .zip is compressed.
    """
    plain = _plain(frame)
    for name in _CHOSEN:
        if any(str(text).startswith(_FORMULA) for text in plain[name].dropna().unique()):
            warn(f"what begins like a formula is in the column {name}: in a spreadsheet import it as text, do not open the file")
    for name in ("start_utc", "end_utc"):
        plain[name] = plain[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    plain.to_csv(path, index=False)


def write_parquet(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a tidy frame as Parquet (zstd), with `start_utc` and `end_utc` as timestamps in UTC.

    Parameters
    ----------
    frame : DataFrame
        A tidy frame.
    path : path
        Where to.

    Raises
    ------
    ConfigurationError
        Where pyarrow is not installed.
    """
    needs("Parquet", "pyarrow", "io")
    _plain(frame).to_parquet(path, index=False, engine="pyarrow", compression="zstd")


def read_tidy(path: str | Path) -> pd.DataFrame:
    """Read a file that `Feed.to_csv`, `Feed.to_parquet` or `Cohort.to_parquet` wrote back into the tidy frame that it was.

    Parameters
    ----------
    path : path
        A CSV or Parquet file.

    Returns
    -------
    DataFrame
        As `Feed.tidy` gave it.

    Raises
    ------
    ReadError
        Where there is no such file, or it cannot be read as what was written.
    NotEspiError
        Where it has other columns.

    Examples
    --------
    >>> import smd_notebook as smd, tempfile, pathlib
    >>> frame = smd.sample("lapse2024").tidy()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "usage.csv"
    ...     smd.sample("lapse2024").to_csv(file)
    ...     smd.read_tidy(file).equals(frame)
    True
    """
    path = Path(path)
    if not path.is_file():
        raise ReadError("there is no such file", source=str(path), hint=f"The current directory is {Path.cwd()}.")
    try:
        plain = _plain_of(path)
        missing = [name for name in FILE_COLUMNS if name not in plain.columns]
        if missing:
            hint = "Read utilities' own files with smd.read."
            raise NotEspiError(f"it lacks the columns {', '.join(missing)}", source=path.name, hint=hint)
        return _tidy(plain)
    except SmdError:
        raise
    except (ValueError, TypeError, KeyError, OverflowError, EOFError, OSError, zlib.error) as error:
        text = f"it cannot be read as a table of intervals ({type(error).__name__})"  # the error's own text may hold a reading
        raise ReadError(text, source=path.name, hint="It is damaged, or was changed; write it again with feed.to_csv.") from None


def _plain_of(path: Path) -> pd.DataFrame:
    """Return what stands in a file."""
    import pandas as pd

    with path.open("rb") as file:
        parquet = file.read(4) == b"PAR1"
    if parquet:
        needs("Parquet", "pyarrow", "io")
        # partitions would make numbers of names that look like some
        plain = pd.read_parquet(path, engine="pyarrow", partitioning=None, read_dictionary=_LISTED)
        name, _, point = path.absolute().parent.name.partition("=")
        if name == "usage_point" and name not in plain:
            plain[name] = "" if point == NO_POINT else unquote(point)
        return plain
    # numbers as text, because Python's float() reads each right to the last bit with every pandas
    words = ["usage_point", "channel", "service", "measure", "flow", "zone", "unit", "quality", "tou_name", "currency", "value", "cost"]
    types = (
        dict.fromkeys([*words, "start_utc", "end_utc"], "str") | dict.fromkeys(("tou", "tier", "cpp"), "Int16") | {"duration_s": "int64"}
    )
    return pd.read_csv(path, dtype=types, keep_default_na=False, na_values=[""])


def _tidy(plain: pd.DataFrame) -> pd.DataFrame:
    """Return the tidy frame that was written."""
    import pandas as pd

    zones = plain["zone"].dropna().unique()
    columns: dict[str, Any] = {}
    for name in [*TIDY_COLUMNS, *(name for name in plain.columns if name not in FILE_COLUMNS)]:
        if name in ("start", "end"):
            instants = pd.to_datetime(plain[f"{name}_utc"], utc=True, format="ISO8601").dt.as_unit("us")
            columns[name] = instants.dt.tz_convert(zones[0] if len(zones) == 1 else "UTC")
        elif name == "duration":
            columns[name] = pd.Series(plain["duration_s"].to_numpy().astype("timedelta64[s]").astype("timedelta64[us]"))
        elif name in _LISTED:
            columns[name] = plain[name].astype(categories_of(name, list(plain[name].dropna().unique())))
        elif name in ("usage_point", "channel"):
            columns[name] = plain[name].fillna("").astype("str")
        elif name == "tou_name":
            columns[name] = plain[name].astype("str").where(plain[name].notna())
        elif name in ("value", "cost") and plain[name].dtype != np.float64:
            columns[name] = plain[name].astype(object).astype(np.float64)
        else:
            columns[name] = plain[name]
    frame = pd.DataFrame(columns)
    frame.attrs = plain.attrs
    return frame
