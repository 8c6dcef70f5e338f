"""Numbers of many meters at once: rows are meters, columns the steps of time that all of them share, and what is missing is NaN.

The definitions are those of `spread.sums`, `quantiles` and `duration_curve`, for one meter each; tests hold them against each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from smd_notebook.analysis.quantiles import between
from smd_notebook.analysis.spread import Intervals, split

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

__all__ = [
    "Cells",
    "Steps",
    "cells_of",
    "counted",
    "counts",
    "covered",
    "durations",
    "highest",
    "in_tens",
    "means",
    "quantiles_of",
    "rates",
    "steps_of",
    "sums",
]

_ROWS = 10  # that are worked on together: what they need then stays in the processor's cache
_FEW = 8  # pieces of a bin


def in_tens(kernel: Callable[..., NDArray[Any]], *arrays: NDArray[Any], shape: tuple[int, ...]) -> Floats:
    """Call a kernel for some rows at a time.

    Parameters
    ----------
    kernel : callable
        Takes some rows of each array, and returns as many of `shape`.
    *arrays : array, shape (..., n_steps)
        Of one shape.
    shape : tuple of int
        What becomes of the steps of a row.

    Returns
    -------
    array, shape (..., *shape)
        Rows in the same order.
    """
    lead = arrays[0].shape[:-1]
    flat = [one.reshape(-1, one.shape[-1]) for one in arrays]
    out = np.empty((len(flat[0]), *shape))
    for low in range(0, len(out), _ROWS):
        out[low : low + _ROWS] = kernel(*(one[low : low + _ROWS] for one in flat))
    return out.reshape(*lead, *shape)


class Steps(NamedTuple):
    """How steps lie in bins: a piece for each step and bin that it touches, in order of time."""

    row: slice | Ints  # the step of each piece
    time: Floats  # how long the piece is [us]
    length: Floats  # and the step [us]
    heads: Ints  # the first piece of each bin that has one
    filled: Ints  # these bins
    width: Floats  # how long each bin is [us]
    each: int  # how many pieces every bin has; 0 where they differ

    @property
    def plain(self) -> bool:
        """Whether each step is a bin."""
        return (
            isinstance(self.row, slice) and self.heads.size == self.time.size == self.width.size and bool((self.time == self.width).all())
        )


def steps_of(start: Ints, end: Ints, edges: Ints) -> Steps:
    """Return how steps lie in bins.

    Parameters
    ----------
    start, end : array, shape (n_steps,)
        In order of time, none overlapping [us].
    edges : array, shape (n_bins + 1,)
        Where bins begin, and the last one's end [us].
    """
    row, where = split(Intervals(start, end, start.astype("f8"), start > end, end - start), edges)
    time = np.minimum(end[row], edges[where + 1]) - np.maximum(start[row], edges[where])
    heads = np.flatnonzero(np.diff(where, prepend=-1))
    each = time.size // heads.size if heads.size == edges.size - 1 and np.unique(np.diff(heads, append=time.size)).size == 1 else 0
    return Steps(row, time.astype("f8"), (end - start)[row].astype("f8"), heads, where[heads], np.diff(edges).astype("f8"), each)


def _added(pieces: NDArray[Any], steps: Steps) -> Floats:
    """Add pieces up in bins."""
    if 0 < steps.each <= _FEW:  # column by column is faster
        parts = pieces.reshape(len(pieces), -1, steps.each)
        total = parts[..., 0].copy()
        for place in range(1, steps.each):
            total += parts[..., place]
        return total
    if steps.heads.size == steps.width.size:
        return np.add.reduceat(pieces, steps.heads, axis=1)
    out = np.zeros((len(pieces), steps.width.size))
    if steps.heads.size:
        out[:, steps.filled] = np.add.reduceat(pieces, steps.heads, axis=1)
    return out


def covered(x: Floats, steps: Steps) -> Floats:
    """Return how much of each bin has a value [us]; one row for all where nothing is missing."""
    missing = np.isnan(x)
    return _added(np.where(missing[:, steps.row], 0, steps.time) if missing.any() else steps.time[None], steps)


def sums(x: Floats, steps: Steps, *, additive: bool) -> tuple[Floats, Floats]:
    """Return the sum of each bin, split in proportion to time, or where values do not add the mean; and `covered`."""
    whole = _added(steps.time[None], steps)
    weight = None if additive and (steps.time == steps.length).all() else steps.time / steps.length if additive else steps.time
    total = _weighed(x, steps, weight)
    holes = np.flatnonzero(np.isnan(total).any(axis=1))
    if holes.size:
        whole = np.repeat(whole, len(x), axis=0)
        whole[holes] = covered(x[holes], steps)
        total[holes] = _weighed(np.where(np.isnan(x[holes]), 0, x[holes]), steps, weight)
    if not additive:
        total = np.divide(total, whole, out=total, where=whole > 0)
    np.copyto(total, np.nan, where=whole == 0)
    return total, whole


def _weighed(x: Floats, steps: Steps, weight: Floats | None) -> Floats:
    return _added(x[:, steps.row] if weight is None else x[:, steps.row] * weight, steps)


def rates(x: Floats, steps: Steps, factor: float, *, additive: bool, min_coverage: float) -> Floats:
    """Return the rate of each bin over the time that has a value; missing where that is too little of the bin."""
    if steps.plain and additive:
        return x * (factor / steps.width)
    rate, time = sums(x, steps, additive=additive)
    keep = (time / steps.width >= min_coverage) & (time > 0)
    rate *= np.divide(factor, time, out=np.full(time.shape, np.nan), where=keep) if additive else np.where(keep, factor, np.nan)
    return rate


def highest(x: Floats, steps: Steps) -> Floats:
    """Return the highest value in each bin; missing where a step is longer than the bin, and says nothing of what happens within."""
    out = np.full((len(x), steps.width.size), np.nan)
    if steps.heads.size:
        out[:, steps.filled] = np.fmax.reduceat(x[:, steps.row], steps.heads, axis=1)
        longest = np.maximum.reduceat(steps.length, steps.heads)
        out[:, steps.filled[longest > steps.width[steps.filled]]] = np.nan
    return out


def counted(which: NDArray[np.bool_], steps: Steps) -> Floats:
    """Return how many steps of a kind touch each bin."""
    return _added(which[:, steps.row].astype("f8"), steps)


class Cells(NamedTuple):
    """Columns in groups, such as all nights at 01:00: for each size of group, which groups have it, and their columns."""

    n: int
    sizes: list[tuple[Ints, Ints]]


def cells_of(cell: Ints, n: int) -> Cells:
    """Return columns in groups.

    Parameters
    ----------
    cell : array, shape (n_columns,)
        The group of each column.
    n : int
        How many groups there are; some may be empty.
    """
    order, count = np.argsort(cell, kind="stable"), np.bincount(cell, minlength=n)
    first = np.cumsum(count) - count
    sizes = []
    for size in np.unique(count[count > 0]).tolist():
        groups = np.flatnonzero(count == size)
        sizes.append((groups, order[first[groups][:, None] + np.arange(size)]))
    return Cells(n, sizes)


def counts(x: Floats, cells: Cells) -> Floats:
    """Return how many values each group has."""
    out = np.zeros((len(x), cells.n))
    valid = ~np.isnan(x)
    for groups, columns in cells.sizes:
        out[:, groups] = valid.take(columns, axis=1).sum(axis=-1)
    return out


def means(x: Floats, cells: Cells) -> Floats:
    """Return the mean of each group."""
    out = np.full((len(x), cells.n), np.nan)
    for groups, columns in cells.sizes:
        some = x.take(columns, axis=1)
        total, n = some.sum(axis=-1), np.float64(columns.shape[1])
        if np.isnan(total).any():
            valid = ~np.isnan(some)
            total, n = np.where(valid, some, 0).sum(axis=-1), valid.sum(axis=-1)
            total[n == 0] = np.nan
        out[:, groups] = total / np.maximum(n, 1)
    return out


def quantiles_of(x: Floats, cells: Cells, wanted: Sequence[float]) -> Floats:
    """Return quantiles of each group, shape (n_rows, n_groups, n_wanted), linear between values."""
    out = np.full((len(x), cells.n, len(wanted)), np.nan)
    for groups, columns in cells.sizes:
        some = x.take(columns, axis=1)
        some.sort(axis=-1)  # what is missing comes last
        last = (_valid(some) - 1).clip(0)[..., None]
        place = np.asarray(wanted) * last
        low = place.astype("i8")
        below, above = (np.take_along_axis(some, at, axis=-1) for at in (low, np.minimum(low + 1, last)))
        out[:, groups] = between(below, above, place - low)
    return out


def _valid(ordered: Floats) -> Ints:
    """Return how many values are before the first missing one."""
    n = np.full(ordered.shape[:-1], ordered.shape[-1])
    if np.isnan(ordered[..., -1:]).any():
        n -= np.isnan(ordered).sum(axis=-1)
    return n


def durations(x: Floats, length: Floats, shares: Floats) -> Floats:
    """Return which value was reached or exceeded in which share of the time that has values.

    Parameters
    ----------
    x : array, shape (n_rows, n_steps)
        Rates.
    length : array, shape (n_steps,)
        How long each step is.
    shares : array, shape (n_shares,)
        From 0 to 1.

    Returns
    -------
    array, shape (n_rows, n_shares)
        Of the values from the highest to the lowest the first whose time, with that of those before it, is so large a share.
    """
    if (length == length[:1]).all():
        ordered = np.sort(x, axis=1)
        n = np.maximum(_valid(ordered), 1)[:, None]
        at = np.clip(np.ceil(shares * n).astype("i8") - 1, 0, n - 1)
        at -= (at > 0) & (at / n >= shares)  # the product may be off by its last digit
        at += (at < n - 1) & ((at + 1) / n < shares)
        found: Floats = np.take_along_axis(ordered, n - 1 - at, axis=1)
        return found
    out = np.full((len(x), shares.size), np.nan)
    for row, one in enumerate(x):
        some = np.flatnonzero(~np.isnan(one))
        if some.size:
            order = some[np.argsort(-one[some], kind="stable")]
            time = np.cumsum(length[order])
            out[row] = one[order[np.minimum(np.searchsorted(time / time[-1], shares), order.size - 1)]]
    return out
