"""Quantiles of many groups at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

__all__ = ["between", "quantiles"]


def between(below: Floats, above: Floats, part: Any) -> Floats:
    """Return what lies in parts of the way from one value to the next, from the nearer side, as numpy does it: to the last digit."""
    step = above - below
    found: Floats = np.where(part < 0.5, below + step * part, above - step * (1 - part))
    return found


def quantiles(values: Floats, group: Ints, n_groups: int, wanted: Sequence[float], *, weights: Any = None) -> Floats:
    """Return quantiles of each group, shape (n_groups, n_wanted); missing where a group is empty.

    They are linear between values (type 7 of Hyndman & Fan, The American Statistician 50(4), 1996). Where weights differ, each value
    stands at the middle of its weight, the lowest at 0 and the highest at 1, which for equal weights is the same.

    >>> quantiles(np.array([3.0, 1, 2, 9]), np.array([0, 0, 0, 2]), 3, [0.5, 0.75]).tolist()
    [[2.0, 2.5], [nan, nan], [9.0, 9.0]]
    >>> quantiles(np.array([1.0, 2, 3]), np.zeros(3, dtype=int), 1, [0.5], weights=np.array([1, 1, 4])).tolist()
    [[2.3]]
    """
    order = np.argsort(values)
    if n_groups > 1:  # by group, within it by value; of short integers numpy's stable sort is the fastest there is
        within: Any = group.astype(np.uint16) if n_groups < 2**16 else group
        order = order[np.argsort(within[order], kind="stable")]
    ordered = values[order]
    count = np.bincount(group, minlength=n_groups)
    first = np.cumsum(count) - count
    out = np.full((n_groups, len(wanted)), np.nan)
    some = np.flatnonzero(count)
    if weights is not None and (weights != weights[:1]).any():
        for number in some.tolist():
            here = slice(first[number], first[number] + count[number])
            weight = weights[order[here]]
            place = np.cumsum(weight) - (weight + weight[0]) / 2
            out[number] = np.interp(np.asarray(wanted) * place[-1], place, ordered[here])
        return out
    for column, share in enumerate(wanted):
        place = share * (count[some] - 1)
        low = place.astype(np.int64)
        below, above = (ordered[first[some] + np.minimum(at, count[some] - 1)] for at in (low, low + 1))
        out[some, column] = between(below, above, place - low)
    return out
