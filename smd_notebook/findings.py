"""What is noticed about the data, as a frame: what the reader noted, and what the intervals themselves show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from smd_notebook.checks import sums, times, totals, values
from smd_notebook.checks.rows import Rows, rows_of
from smd_notebook.errors import ConfigurationError, Finding, enforce
from smd_notebook.frames import strings_of

if TYPE_CHECKING:
    import pandas as pd

    from smd_notebook.espi.model import Document

__all__ = ["FINDING_COLUMNS", "as_frame", "check", "in_feed"]

FINDING_COLUMNS = ("code", "severity", "channel", "start", "end", "n", "value", "message", "suggestion", "source")
#: Instants beyond the year 9999 have no place in a frame [s since 1970-01-01T00:00Z].
_FAR = 253_402_300_799
_GRAVITY = {"error": 0, "warning": 1, "info": 2}
_NEEDED = ("usage_point", "channel", "service", "measure", "flow", "start", "end", "value", "unit", "quality")
#: What the reader has told of a feed, and better, as it knows the feed behind the frame.
_TOLD = ("time-missing", "zone-unknown")


def as_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """Return findings as a frame, one row each, the gravest first.

    Parameters
    ----------
    findings : iterable of Finding
        What was noticed.

    Returns
    -------
    DataFrame
        `code`, `severity`, `channel`, `start`, `end` (datetime64[us, UTC]), `n`, `value`, `message`, `suggestion`, `source`.
    """
    import pandas as pd

    rows = sorted(findings, key=lambda one: _GRAVITY[one.severity])
    columns: dict[str, object] = {name: [getattr(one, name) for one in rows] for name in FINDING_COLUMNS}
    for name in ("start", "end"):
        seconds = [getattr(one, name) for one in rows]
        stamps = np.array(["NaT" if at is None or abs(at) > _FAR else np.datetime64(at, "s") for at in seconds], dtype="datetime64[us]")
        columns[name] = pd.DatetimeIndex(stamps, tz="UTC")
    for name in ("code", "severity", "channel", "message", "suggestion", "source"):
        columns[name] = strings_of(np.array(columns[name], dtype=object))
    columns["n"] = np.array(columns["n"], dtype=np.int64)
    columns["value"] = np.array([np.nan if one.value is None else one.value for one in rows], dtype=np.float64)
    return pd.DataFrame(columns)


def check(x: Any, *, service_kw: float | None = None) -> pd.DataFrame:
    """Look for what may be wrong with the intervals of a feed or a tidy frame.

    Nothing is changed. Of a feed it is `Feed.findings`, which also says what reading it brought up and compares it with its own bills.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_intervals, n_columns)
        Tidy intervals, labelled by their start.
    service_kw : float, optional
        What the service can carry [kW]; more than that is told of as ``spike``.

    Returns
    -------
    DataFrame, shape (n_findings, 10)
        The gravest first: `code`, `severity` (``"error"``, ``"warning"``, ``"info"``), `channel`, `start` and `end` of what is concerned,
        `n` intervals, `value` (a number that `message` names), `message`, `suggestion`, `source`.

    Raises
    ------
    ConfigurationError
        Where `x` is no tidy frame, or `service_kw` not above 0.
    TimeZoneError
        Where the times have no zone, or one that is not known.
    FindingError
        Inside of `smd_notebook.strict`, where something is found that it does not allow.

    Notes
    -----
    The rules, one code each, are in `docs/findings.md`. A day of 23 or 25 hours is no gap and no overlap, nor are bills of 28 to 35 days
    or steps that change. Outliers are candidates only (``spike-candidate``, ``summed``): high loads come in clusters, and the usual tests
    would flag a tenth of a year.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> frame = smd.sample("lapse2024").tidy()
    >>> len(smd.check(frame))
    0
    >>> smd.check(frame.drop(index=range(8, 16)))[["code", "severity", "channel", "n", "value"]].to_dict("records")
    [{'code': 'gap', 'severity': 'warning', 'channel': 'electricity delivered (1)', 'n': 8, 'value': 2.0}]
    """
    if service_kw is not None and not service_kw > 0:
        raise ConfigurationError("service_kw must be above 0", hint="It is what the service can carry, such as 24 (kW).")
    if hasattr(x, "tidy"):
        told: pd.DataFrame = x.findings
        frame = x.tidy() if service_kw is not None else None
    else:
        frame = _checked(x)
        found = list(in_frame(list(rows_of(frame))))
        enforce(found)
        told = as_frame(found)
    if service_kw is None or frame is None:
        return told
    above = [one for rows in rows_of(frame) for one in values.spikes(times.distinct(rows.with_length()), service_kw)]
    enforce(above)
    return _together(told, as_frame(above))


def _together(told: pd.DataFrame, more: pd.DataFrame) -> pd.DataFrame:
    """Return two frames of findings as one, the gravest first."""
    import pandas as pd

    both = pd.concat([told, more], ignore_index=True) if len(told) and len(more) else (told if len(told) else more)
    return both.sort_values("severity", key=lambda names: names.map(_GRAVITY), kind="stable", ignore_index=True)


def _checked(x: Any) -> pd.DataFrame:
    """Return a frame that has what the checks need."""
    import pandas as pd

    if not isinstance(x, pd.DataFrame):
        raise ConfigurationError(f"expected a Feed or a tidy DataFrame, not {type(x).__name__}", hint="Read one with smd.read(...).")
    missing = [name for name in _NEEDED if name not in x.columns]
    if missing or "coverage" in x.columns:
        binned = "coverage" in x.columns
        text = "this is in bins already, which hide what is missing" if binned else f"not a tidy frame: no column {', '.join(missing)}"
        raise ConfigurationError(text, hint="Take what feed.tidy() returns.")
    return x


def in_frame(channels: list[Rows]) -> Iterator[Finding]:
    """Yield what the intervals themselves show.

    Parameters
    ----------
    channels : list of Rows
        The channels of a tidy frame.
    """
    for written in channels:
        yield from times.untimed(written)
        yield from times.duplicates(written)
        yield from times.lengthless(written)
        rows = times.distinct(written.with_length())
        if len(rows):
            for checked in (times.gaps, times.overlaps, times.off_grid, times.edge_days):
                yield from checked(rows)
            for looked in (values.missing_values, values.stale, values.zero_runs, values.negative, values.spike_candidates, sums.summed):
                yield from looked(rows)
        yield from values.qualities(written)
        yield from values.units(written)
    yield from totals.demands(channels)
    yield from times.successions([rows.with_length() for rows in channels if rows.measure != "register"])


def in_feed(document: Document, frame: pd.DataFrame, bills: pd.DataFrame) -> Iterator[Finding]:
    """Yield what the intervals of a feed show, and where the feed contradicts itself.

    Parameters
    ----------
    document : Document
        A linked document.
    frame : DataFrame, shape (n_intervals, 18)
        Its tidy frame.
    bills : DataFrame, shape (n_bills, 19)
        Its bills.
    """
    channels = list(rows_of(frame))
    untyped = {channel.label for channel in document.channels if channel.reading_type is None}
    for finding in in_frame(channels):
        if finding.code not in _TOLD and not (finding.code == "unit-unknown" and finding.channel in untyped):
            yield finding
    for channel in document.channels:
        yield from totals.blocks(channel)
        yield from totals.flows(channel)
    compared = [times.distinct(rows.with_length()) for rows in channels]
    yield from totals.bill_energies(compared, bills)
    yield from totals.bill_costs(compared, bills)
