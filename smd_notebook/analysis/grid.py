"""Meters on the grid of each local calendar year, as a cohort keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from smd_notebook.analysis.edges import SECOND, instants, parse
from smd_notebook.analysis.repeats import digest_of
from smd_notebook.errors import Finding
from smd_notebook.espi.model import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["Kind", "Row", "Year", "edges_of_year", "most_common", "row_of", "table_name"]

_DAY = 86_400  # s


class Kind(NamedTuple):
    """What the meters of one table have in common: what they measure, the raw integers' power of ten, the step [s] and the zone."""

    service: str | None
    measure: str
    flow: str
    unit: str | None
    power_of_ten: int
    step: int
    zone: str


class Year(NamedTuple):
    """What a meter has in a local calendar year: places on its grid (a slice where they follow one another), raw values, quality codes."""

    year: int
    place: Ints | slice
    value: Ints
    quality: NDArray[np.int16]


@dataclass
class Row:
    """A meter: one channel of one usage point.

    `first` and `last` bound its intervals, `covered` has a value [s since 1970, s]; `digest` is of its readings.
    """

    kind: Kind
    usage_point: str
    channel: str
    years: list[Year]
    first: int
    last: int
    n: int
    covered: int
    digest: str


def table_name(kind: Kind, taken: Iterable[str]) -> str:
    """Return a table's name, such as ``electricity-delivered-15min``, numbered where there are several such."""
    length = next(
        f"{kind.step // size}{unit}" for size, unit in ((86_400, "D"), (3600, "h"), (60, "min"), (1, "s")) if not kind.step % size
    )
    parts = [kind.service or "unknown", *([kind.measure] if kind.measure not in ("energy", "volume") else []), kind.flow, length]
    stem, names = "-".join(parts), set(taken)
    number = 1
    while (f"{stem}-{number}" if number > 1 else stem) in names:
        number += 1
    return f"{stem}-{number}" if number > 1 else stem


def most_common(lengths: Ints) -> int:
    """Return the most common of some lengths [s], the shortest of several."""
    if (lengths == lengths[0]).all():
        return int(lengths[0])
    listed, counts = np.unique(lengths, return_counts=True)
    return int(listed[counts.argmax()])


def row_of(
    kind: Kind, usage_point: str, channel: str, start: Ints, duration: Ints, value: Ints, quality: NDArray[np.int16]
) -> tuple[Row | None, list[Finding]]:
    """Return a meter on the grid of each local calendar year, and what does not fit.

    Parameters
    ----------
    kind : Kind
        What it measures.
    usage_point, channel : str
        Which it is.
    start, duration, value, quality : array, shape (n,)
        Its intervals in order of time, at least one [s since 1970, s], raw values and quality codes.
    """
    end = start + duration
    years, fits = [], np.zeros(start.size, dtype=bool)
    if kind.step <= _DAY:
        for year in range(_year(int(start[0]) - _DAY), _year(int(start[-1]) + _DAY) + 1):
            edges = edges_of_year(kind.step, kind.zone, year)
            low, high = np.searchsorted(start, edges[[0, -1]])
            if low == high:
                continue
            here = slice(low, high)
            place = (start[here] - edges[0]) // kind.step if kind.step < _DAY else np.searchsorted(edges, start[here], "right") - 1
            on = (edges[place] == start[here]) & (edges[place + 1] == end[here])
            fits[here] |= on
            if on.all():
                gapless = place[-1] - place[0] == place.size - 1  # each stands once
                places = slice(int(place[0]), int(place[-1]) + 1) if gapless else place
                years.append(Year(year, places, value[here], quality[here]))
            elif on.any():
                years.append(Year(year, place[on], value[here][on], quality[here][on]))
    told = []
    if not fits.all():
        off = np.flatnonzero(~fits)
        text = "intervals do not lie on the steps of a cohort's table (equal ones of up to a day); they are not in the store"
        hint = "Analyse this home by itself: smd.read."
        begin, until = int(start[off].min()), int(end[off].max())
        told.append(Finding("not-on-grid", "warning", text, hint, channel=channel, start=begin, end=until, n=off.size))
    if not years:
        return None, told
    valid = fits & (value != MISSING)
    first, last = int(start[fits].min()), int(end[fits].max())
    digest = digest_of(start[valid], value[valid], kind.power_of_ten)
    return Row(kind, usage_point, channel, years, first, last, int(valid.sum()), int(duration[valid].sum()), digest), told


def _year(instant: int) -> int:
    """Return the year of an instant [s since 1970] in UTC, which is a local one a day before or after."""
    return int(np.datetime64(instant, "s").astype("M8[Y]").astype("i8")) + 1970


@lru_cache(maxsize=64)
def edges_of_year(step: int, zone: str, year: int) -> Ints:
    """Return where the steps of a local calendar year begin, and where the last one ends [s since 1970].

    Parameters
    ----------
    step : int
        Length of a step [s]; a day is a local one, of 23 to 25 hours.
    zone : str
        IANA name.
    year : int
        Calendar year.

    Examples
    --------
    >>> edges = edges_of_year(900, "America/Los_Angeles", 2024)
    >>> edges.size - 1, str(np.datetime64(int(edges[0]), "s"))
    (35136, '2024-01-01T08:00:00')
    """
    turns = np.array([np.datetime64(f"{one:04d}-01-01", "us") for one in (year, year + 1)]).astype("i8")
    begin, end = (int(one) // SECOND for one in instants(turns, zone)[0])
    if step == _DAY:
        return parse("1D").between(begin * SECOND, end * SECOND, zone) // SECOND
    return np.arange(begin, end + step, step, dtype=np.int64)[: (end - begin - 1) // step + 2]
