"""How good the data are at each time: the feed's own quality codes, joined to what the checks find."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smd_notebook.analysis.bins import channels, tidy_frame
from smd_notebook.analysis.edges import clock, dates_of, parse, wall_us
from smd_notebook.analysis.passport import stamp
from smd_notebook.checks.rows import DAY, HOUR, SECOND, Ints, Rows, rows_of
from smd_notebook.errors import ConfigurationError
from smd_notebook.espi import codes
from smd_notebook.findings import in_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smd_notebook.feed import Feed

__all__ = ["CLASSES", "quality_map"]

#: What an interval can be, best first; where several meet in a cell the worst counts.
CLASSES = ("measured", "edited", "estimated", "questionable", "suspicious", "missing")
#: Which class a quality code puts an interval into; all that are neither here nor measured count as edited.
_OF_CODE = {
    "estimated": "estimated",
    "interpolated": "estimated",
    "projected": "estimated",
    "questionable": "questionable",
}
#: Findings that make what they are about suspicious, unless they are no more than information; candidates do so always.
_SUSPECTS, _CANDIDATES = ("stale", "zero-run", "overlap"), ("summed", "spike-candidate")
_WHOLE = 0.999  # a second short of an hour is no hole
_FINEST = 60 * SECOND


def quality_map(x: Feed | pd.DataFrame, *, slot: str | None = None, channel: str | None = None) -> pd.DataFrame:
    """Lay out how good the data are as a matrix of local date and time of day.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_intervals, n_columns)
        Tidy intervals.
    slot : str, optional
        Length of a slot, such as ``"15min"`` or ``"1h"``; by default that of the shortest interval, and at most a day.
    channel : str, optional
        Label of the channel; by default the first.

    Returns
    -------
    DataFrame, shape (n_days, n_slots)
        Index: local date; columns: start of the slot on the wall clock, as ``"HH:MM"``. Each cell is the worst of what lies in it:
        ``"measured"``, ``"edited"``, ``"estimated"`` (or interpolated, or projected), ``"questionable"``, all by the feed's own codes;
        ``"suspicious"`` by a finding (`stale`, `zero-run`, `overlap`, `summed`, `spike-candidate`); ``"missing"`` where it is not wholly
        covered. Empty is what lies before or after the data, and the hour that the clock skips in spring.

    Raises
    ------
    ConfigurationError
        If there is nothing to lay out, the channel is unknown, or slots do not divide a day.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> frame = smd.sample("lapse2024").tidy()
    >>> smd.analysis.quality_map(frame.drop(index=range(8, 16)), slot="1h").iloc[0, :5].tolist()
    ['measured', 'measured', 'missing', 'missing', 'measured']
    """
    rows = _chosen(tidy_frame(x), channel).with_length()
    zone = rows.zone or "UTC"
    bins = parse(slot or _slot(rows))
    if not 0 < bins.step <= DAY or DAY % bins.step:
        raise ConfigurationError(f"slots of {slot!r} do not divide a day", hint='A slot is for example "15min" or "1h".')
    edges = bins.between(int(rows.start[0]), int(rows.end.max()), zone)
    if len(edges) < 2:
        raise ConfigurationError("its only intervals have no length", hint="They are moments, not times: see feed.findings.")
    worst = np.zeros(len(edges) - 1, dtype=np.int8)
    cell, row = _cells(rows.start, rows.end, edges)
    np.maximum.at(worst, cell, _classes(rows)[row])
    for begin, end in _suspicious(rows):
        np.maximum.at(worst, _cells(np.array([begin]), np.array([end]), edges)[0], np.int8(CLASSES.index("suspicious")))
    valid = ~np.isnan(rows.value[row])
    time = (np.minimum(rows.end[row], edges[cell + 1]) - np.maximum(rows.start[row], edges[cell]))[valid]
    covered = np.bincount(cell[valid], weights=time, minlength=len(worst))
    worst[covered < _WHOLE * np.diff(edges)] = CLASSES.index("missing")
    wall = wall_us(edges[:-1], zone)
    day, place = wall // DAY, wall % DAY // bins.step
    matrix = np.full((int(day[-1] - day[0]) + 1, DAY // bins.step), -1, dtype=np.int8)
    np.maximum.at(matrix, (day - day[0], place), worst)
    names = np.array([*CLASSES, ""], dtype=object)[matrix]
    dates = dates_of(np.arange(day[0], day[-1] + 1))
    slots = [clock(number * bins.step) for number in range(matrix.shape[1])]
    out = pd.DataFrame(names, index=dates, columns=pd.Index(slots, name="slot"))
    inputs = {"channel": rows.label, "slot": bins.name, "zone": zone}
    return stamp(out, definition="worst quality by local date and time of day", inputs=inputs)


def _chosen(frame: pd.DataFrame, channel: str | None) -> Rows:
    """Return the rows of the channel that is named, else of the first that has any."""
    label = str(frame["channel"].iloc[next(channels(frame))].iloc[0]) if channel is None and len(frame) else channel
    found = [rows for rows in rows_of(frame[frame["channel"] == label]) if len(rows)]
    if not found:
        text = f"no channel is called {channel!r}" if channel is not None else "there are no intervals with a time"
        raise ConfigurationError(text, hint="See feed.channels for what there is.")
    if channel is not None and len(found) > 1:
        raise ConfigurationError(f"{len(found)} usage points have a channel {channel!r}", hint="Select one: feed.select(usage_point=...).")
    return found[0]


def _slot(rows: Rows) -> str:
    """Return the length of the shortest interval, or the next shorter that divides a day."""
    length = rows.length[rows.length > 0]
    shortest = max(_FINEST, int(length.min())) if length.size else DAY
    if shortest >= 22 * HOUR:
        return "1D"
    lengths = [one for one in range(_FINEST, DAY, _FINEST) if DAY % one == 0 and one <= shortest]
    return f"{lengths[-1] // _FINEST}min"


def _cells(start: Ints, end: Ints, edges: Ints) -> tuple[Ints, Ints]:
    """Return the numbers of the bins that each span touches, and the number of the span, side by side."""
    first = np.maximum(np.searchsorted(edges, start, "right") - 1, 0)
    count = np.maximum(np.minimum(np.searchsorted(edges, end, "left"), len(edges) - 1) - first, 0)
    span = np.repeat(np.arange(len(start)), count)
    return np.arange(len(span)) + np.repeat(first - (np.cumsum(count) - count), count), span


def _classes(rows: Rows) -> Any:
    """Return the class of each row, as a number."""
    of_code = ["measured" if name in codes.MEASURED else _OF_CODE.get(name, "edited") for name in rows.quality]
    return np.array([CLASSES.index(name) for name in of_code] + [0], dtype=np.int8)[rows.quality_of]


def _suspicious(rows: Rows) -> Iterator[tuple[int, int]]:
    """Yield the spans that findings are about [us]."""
    for finding in in_frame([rows]):
        known = finding.start is not None and finding.end is not None
        if known and (finding.code in _CANDIDATES or (finding.code in _SUSPECTS and finding.severity != "info")):
            yield int(finding.start or 0) * SECOND, int(finding.end or 0) * SECOND
