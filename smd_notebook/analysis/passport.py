"""What a result is and where it comes from, carried with it as one JSON string."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smd_notebook.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["cite", "inputs_of", "stamp"]


@cache
def _version() -> str:
    try:
        return metadata.version("smd-notebook")
    except metadata.PackageNotFoundError:
        return "unreleased"


def _digest(frame: pd.DataFrame) -> str:
    """Hash the numbers and times of a frame; the same before and after a trip through Parquet, whatever the time resolution."""
    sha = hashlib.sha256()
    for position in range(frame.shape[1]):
        column = frame.iloc[:, position]
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            index = pd.DatetimeIndex(column)
            sha.update(np.ascontiguousarray((index if index.unit == "us" else index.as_unit("us")).asi8).tobytes())
        elif pd.api.types.is_numeric_dtype(column.dtype):
            numbers = column.to_numpy(dtype="float64", na_value=np.nan)
            sha.update((np.where(np.isnan(numbers), np.nan, numbers) + 0.0).tobytes())  # one bit pattern for all NaNs, and for both zeros
    return sha.hexdigest()


def _coverage(frame: pd.DataFrame) -> float | None:
    """Mean coverage weighted by the elapsed time of the rows, missing where the frame has none."""
    if frame.empty or not {"coverage", "start", "end"} <= set(frame.columns):
        return None
    elapsed = np.asarray(frame["end"].array - frame["start"].array).astype("f8")
    return round(float(np.average(frame["coverage"].to_numpy(), weights=elapsed)), 9)


def stamp(frame: pd.DataFrame, *, definition: str, inputs: Mapping[str, Any], source: str = "") -> pd.DataFrame:
    """Attach a passport to a result: what it is, what it was made from, and a fingerprint of its values.

    Parameters
    ----------
    frame : DataFrame, shape (n_rows, n_columns)
        The result; it is not changed.
    definition : str
        Name of the quantity or method, in words.
    inputs : mapping
        What it was made from, as plain JSON values.
    source : str, optional
        Where the definition is published.

    Returns
    -------
    DataFrame, shape (n_rows, n_columns)
        The same values; ``attrs["passport"]`` is a JSON string, which pandas can compare and carry along.

    Examples
    --------
    >>> import pandas as pd
    >>> cite(stamp(pd.DataFrame({"value": [1.0, 2.0]}), definition="two numbers", inputs={}))
    'two numbers; 2 rows; smd_notebook ...; sha256 ...; values as computed'
    """
    zones = sorted({str(zone) for zone in frame["zone"].dropna().unique()}) if "zone" in frame.columns else []
    passport = {
        "definition": definition,
        "source": source,
        "inputs": dict(inputs),
        "zone": ", ".join(zones),
        "coverage": _coverage(frame),
        "version": _version(),
        "sha256": _digest(frame),
    }
    stamped = frame.copy(deep=False)
    stamped.attrs["passport"] = json.dumps(passport, sort_keys=True)
    return stamped


def inputs_of(result: pd.DataFrame) -> dict[str, Any]:
    """Return what a result was made from, by its passport.

    Raises
    ------
    ConfigurationError
        If the frame carries no passport.
    """
    passport = result.attrs.get("passport")
    if not passport:
        raise ConfigurationError("this result has lost its passport, which says what it is", hint="Take what the function returned.")
    inputs: dict[str, Any] = json.loads(passport)["inputs"]
    return inputs


def cite(result: pd.DataFrame) -> str:
    """Say in one line what a result is, and whether its values are still those that were computed.

    Parameters
    ----------
    result : DataFrame
        A result of this package.

    Returns
    -------
    str
        Definition, inputs, zone, coverage, version and fingerprint.

    Raises
    ------
    ConfigurationError
        If the frame carries no passport (pandas drops it where unlike frames are combined).

    Examples
    --------
    >>> import pandas as pd
    >>> frame = stamp(pd.DataFrame({"value": [1.0]}), definition="one number", inputs={"bins": "1D"})
    >>> cite(frame * 2)
    'one number; bins 1D; 1 row; smd_notebook ...; sha256 ...; values changed since they were computed'
    """
    # a column has its frame's passport, and cannot be compared with what was computed
    text = getattr(result, "attrs", {}).get("passport") if getattr(result, "ndim", 0) == 2 else None
    if not text:
        raise ConfigurationError("this has no passport", hint="Cite the frame that a function of ours returned, before combining it.")
    passport = json.loads(text)
    parts = [passport["definition"], *(f"{name} {value}" for name, value in passport["inputs"].items() if value not in (None, "", [], {}))]
    parts.append(f"{len(result)} row" + "s" * (len(result) != 1))
    parts += [f"zone {passport['zone']}"] * bool(passport["zone"])
    if passport["coverage"] is not None:
        parts.append(f"coverage {passport['coverage']:.2%}")
    parts += [passport["source"]] * bool(passport["source"])
    same = _digest(result) == passport["sha256"]
    parts += [f"smd_notebook {passport['version']}", f"sha256 {passport['sha256'][:12]}"]
    parts.append("values as computed" if same else "values changed since they were computed")
    return "; ".join(parts)
