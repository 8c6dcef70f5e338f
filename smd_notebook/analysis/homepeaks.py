"""What homes are together: how far their peaks coincide. A few meters at a time, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from smd_notebook.analysis.bins import resample
from smd_notebook.analysis.edges import distinct
from smd_notebook.analysis.homerows import KEEP, tidy_rows
from smd_notebook.analysis.homestore import opened
from smd_notebook.analysis.loads import aligned, check_apart, check_share, highest, own_peaks, peaks_table, rates_at, unlike
from smd_notebook.analysis.series import Series, series_of
from smd_notebook.errors import ConfigurationError, UnitError, warn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

__all__ = ["Rates", "coincidence_of", "curve_of", "rates_of"]

_SPREAD = (0.1, 0.5, 0.9)
#: Coverage below which it is warned that few instants count.
_LITTLE = 0.5


class Rates(NamedTuple):
    """Some meters at the instants that any of them has: rates by meter and instant, missing where a meter has none."""

    meters: list[Series]  # without their intervals
    times: Ints  # [us]
    length: Ints  # [us]
    matrix: Floats

    def at(self, times: Ints) -> Floats:
        """Return the rates at these instants."""
        if np.array_equal(times, self.times):
            return self.matrix
        out = np.full((len(self.matrix), times.size), np.nan)
        mine = np.flatnonzero(np.isin(times, self.times, assume_unique=True))
        out[:, mine] = self.matrix[:, np.searchsorted(self.times, times[mine])]
        return out


#: Yields the rates of all meters, but for those of the first so many blocks.
Blocks = Callable[[int], Iterator[Rates]]


def rates_of(path: str, bins: Any, min_coverage: float, table: str, rows: list[dict[str, Any]]) -> Rates:
    """Return the rates of some meters of a store, in bins where they are asked for; it runs in worker processes."""
    frame = tidy_rows(opened(path), table, rows)
    if bins is not None:
        frame = resample(frame, bins)
    _, found = series_of(frame, "coincidence", min_coverage=min_coverage)
    none = np.empty(0, dtype="i8")
    return Rates([one._replace(found=one.found.take(none), rate=np.empty(0)) for one in found], *aligned(found))


class _Together:
    """All meters in two passes: at which instants enough of them are valid, and how high their sum is; then the meters at these."""

    def __init__(self, blocks: Blocks, min_share: float) -> None:
        check_share(min_share)
        self._blocks = blocks
        self._kept: list[Rates] = []
        self.meters: list[Series] = []
        self.times = self.length = self._count = np.empty(0, dtype="i8")
        self._sum = np.empty(0)
        size = 0
        for block in blocks(0):
            self._add(block)
            size += block.matrix.nbytes
            if size <= KEEP:
                self._kept.append(block)
        if len(self.meters) < 2:
            raise ConfigurationError("coincidence needs two meters or more", hint="See cohort.meters for what is selected.")
        if len({one.rate_unit for one in self.meters}) > 1:
            raise UnitError("rates of unlike units have no sum", hint='Select one service first: cohort.select(service="electricity").')
        check_apart(self.times, self.length)
        counts = self._count >= min_share * len(self.meters) - 1e-9
        self.times, self.length = self.times[counts], self.length[counts]
        self.group = highest(self.times, self.length, self._sum[counts], self.meters)
        if self.group.coverage < _LITTLE:
            some = f"at {100 * self.group.coverage:.0f} % of the time only" if self.times.size else "at no instant"
            warn(f"enough meters are valid {some}.\nSelect meters of the same time by their first, last and coverage; or min_share=0.9.")

    def _add(self, block: Rates) -> None:
        if not np.isin(block.times, self.times, assume_unique=True).all():
            times = distinct(np.concatenate([self.times, block.times]))
            length, count, total = np.zeros_like(times), np.zeros_like(times), np.zeros(times.size)
            length[np.searchsorted(times, block.times)] = block.length
            here = np.searchsorted(times, self.times)
            length[here], count[here], total[here] = self.length, self._count, self._sum
            self.times, self.length, self._count, self._sum = times, length, count, total
        place = np.searchsorted(self.times, block.times)
        if (self.length[place] != block.length).any():
            raise unlike()
        self._count[place] += (~np.isnan(block.matrix)).sum(axis=0)
        self._sum[place] += np.nansum(block.matrix, axis=0)
        self.meters += block.meters

    def again(self) -> Iterator[Floats]:
        """Yield the rates of all meters once more, at the instants that count."""
        for block in chain(self._kept, self._blocks(len(self._kept))):
            yield block.at(self.times)


def coincidence_of(blocks: Blocks, min_share: float) -> pd.DataFrame:
    """Return what `coincidence` returns of all meters in one frame."""
    found = _Together(blocks, min_share)
    parts = [(*own_peaks(found.times, matrix), rates_at(matrix, found.group.place)) for matrix in found.again()]
    own, own_at, top = (np.concatenate(column) for column in zip(*parts, strict=True))
    _tell_never(int(np.isnan(own).sum()), found)
    names = {name: pd.Series([getattr(one, name) for one in found.meters], dtype="str") for name in ("usage_point", "channel")}
    twice = pd.DataFrame(names).loc[np.repeat(np.arange(own.size), 2)].reset_index(drop=True)
    return peaks_table(twice, found.meters, own, own_at, top, found.group)


def curve_of(blocks: Blocks, min_share: float, sizes: Sequence[int] | None, subsets: int, seed: int) -> pd.DataFrame:
    """Return how high the peak of so many meters is, one of them on average, over random subsets of each size."""
    found = _Together(blocks, min_share)
    n = len(found.meters)
    wanted = _sizes(n) if sizes is None else np.unique(np.asarray(sizes, dtype="i8"))
    if not wanted.size or wanted[0] < 1 or wanted[-1] > n or subsets < 1:
        raise ConfigurationError(f"sizes are from 1 to {n}, which is how many meters there are", hint="sizes=(1, 10, 100), subsets=30")
    rng = np.random.default_rng(seed)
    # of each random order of the meters the first so many: who is in a subset, by meter
    place = np.stack([rng.permutation(n) for _ in range(subsets)])
    within = (place[:, None, :] < wanted[:, None]).reshape(-1, n)
    sums = np.zeros((len(within), found.times.size))
    highs = np.zeros(len(within))  # of a meter that is never valid there is no highest, and of no sum with it
    first = never = 0
    for matrix in found.again():
        members = within[:, first : first + len(matrix)].astype("f8")
        sums += members @ np.nan_to_num(matrix)
        own = own_peaks(found.times, matrix)[0]
        never += int(np.isnan(own).sum())
        highs += np.where((members * np.isnan(own)).any(axis=1), np.nan, members @ np.nan_to_num(own))
        first += len(matrix)
    _tell_never(never, found)
    peak = (sums.max(axis=1) if found.times.size else highs).reshape(subsets, -1)
    idle = (highs <= 0).reshape(subsets, -1)  # the factor of such a group would be 0 / 0: it says nothing of the others
    factor = np.ma.array(peak / np.where(highs > 0, highs, np.nan).reshape(subsets, -1), mask=idle).mean(axis=0).filled(np.nan)
    if idle.any():
        warn(
            f"{idle.sum()} of the {idle.size} random groups are of meters without any load, as of vacant homes, and have no coincidence "
            f"factor.\nThe coincidence_factor of their size is the mean of the others; its mean load per meter is of all."
        )
    each = peak / wanted
    spread = np.quantile(each, _SPREAD, axis=0)
    columns: dict[str, Any] = {"meters": wanted, "subsets": subsets, "mean": each.mean(axis=0)}
    columns |= {f"p{100 * share:g}": row for share, row in zip(_SPREAD, spread, strict=True)}
    columns |= {"unit": found.meters[0].rate_unit, "coincidence_factor": factor}
    columns |= {"interval": np.full(wanted.size, found.group.interval).view("m8[us]"), "coverage": found.group.coverage}
    return pd.DataFrame(columns).astype({"unit": "str"})


def _tell_never(n: int, found: _Together) -> None:
    """Warn of meters that are never valid, where others are: they leave no sum of the highest."""
    if n and found.times.size:
        text = f"{n} of {len(found.meters)} meters are never valid at the instants that count: no group with them has a coincidence factor"
        warn(f"{text}.\nSelect the others by their first, last, n and coverage.")


def _sizes(n: int) -> Ints:
    """Return 1, 2, 5, 10, 20 ... and n."""
    steps = [digit * 10**power for power in range(len(str(n))) for digit in (1, 2, 5)]
    return np.unique([*(one for one in steps if one < n), n])
