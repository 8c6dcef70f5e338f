"""What is noticed about the data, as a frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from smd_notebook.errors import Finding

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FINDING_COLUMNS", "as_frame"]

FINDING_COLUMNS = ("code", "severity", "channel", "start", "end", "n", "value", "message", "suggestion", "source")


def as_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """Return findings as a frame, one row each, the gravest first.

    Returns
    -------
    DataFrame
        `code`, `severity`, `channel`, `start`, `end` (datetime64[us, UTC]), `n`, `value`, `message`, `suggestion`, `source`.
    """
    import pandas as pd

    grave = {"error": 0, "warning": 1, "info": 2}
    rows = sorted(findings, key=lambda one: grave[one.severity])
    columns: dict[str, object] = {name: [getattr(one, name) for one in rows] for name in FINDING_COLUMNS}
    for name in ("start", "end"):
        seconds = [getattr(one, name) for one in rows]
        stamps = np.array(["NaT" if at is None else np.datetime64(at, "s") for at in seconds], dtype="datetime64[us]")
        columns[name] = pd.DatetimeIndex(stamps, tz="UTC")
    for name in ("code", "severity", "channel", "message", "suggestion", "source"):
        columns[name] = pd.array(np.array(columns[name], dtype=object), dtype="str")
    columns["n"] = np.array(columns["n"], dtype=np.int64)
    columns["value"] = np.array([np.nan if one.value is None else one.value for one in rows], dtype=np.float64)
    return pd.DataFrame(columns)
