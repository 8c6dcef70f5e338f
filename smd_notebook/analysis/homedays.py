"""Typical days across homes: clusters of a sample of all days, and every day in the cluster that is nearest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from smd_notebook.analysis.edges import dates_of
from smd_notebook.analysis.homerows import KEEP, tidy_rows
from smd_notebook.analysis.homestore import opened
from smd_notebook.analysis.profiles import slot_length
from smd_notebook.analysis.series import series_of
from smd_notebook.analysis.typical import Shaping, TypicalDays, check_units, choose, described, errors, shapes_of
from smd_notebook.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Days", "days_of", "typical_days_of"]


class Days(NamedTuple):
    """The days of some meters: their labels, which have a shape, and these shapes."""

    calendar: pd.DataFrame  # usage_point, channel, date
    usable: NDArray[np.bool_]
    shapes: Floats
    zones: set[str]
    units: set[str]


def days_of(path: str, how: Shaping, table: str, rows: list[dict[str, Any]]) -> Days:
    """Return the days of some meters of a store; it runs in worker processes."""
    frame = tidy_rows(opened(path), table, rows)
    step = slot_length(how.slot)
    _, found = series_of(frame, f"days in slots of {how.slot}", min_coverage=how.min_coverage, longest=step)
    sizes, date, shapes, usable = shapes_of(found, how)
    labels = {
        name: pd.Series([getattr(one, name) for one in found], dtype="str").repeat(sizes).array for name in ("usage_point", "channel")
    }
    calendar = pd.DataFrame({**labels, "date": dates_of(date)})
    return Days(calendar, usable, shapes[usable], {one.zone for one in found}, {one.rate_unit for one in found})


def typical_days_of(blocks: Callable[[int], Iterator[Days]], tried: Sequence[int], how: Shaping, sample: int, seed: int) -> TypicalDays:
    """Return typical days from a sample of all days; `blocks` yields all meters but for those of the first so many blocks."""
    if sample < 1:
        raise ConfigurationError("sample is a number of days, 1 or more", hint="sample=5_000")
    rng = np.random.default_rng(seed)
    drawn, shapes = np.empty(0), np.empty((0, 0))
    channels, zones, units = 0, set[str](), set[str]()
    kept: list[Days] = []
    size = 0
    for block in blocks(0):
        size += block.shapes.nbytes
        if size <= KEEP:
            kept.append(block)
        # the days with the lowest of numbers that are drawn for all of them
        drawn = np.concatenate([drawn, rng.random(len(block.shapes))])
        shapes = np.concatenate([shapes.reshape(-1, block.shapes.shape[1]), block.shapes])
        chosen = np.sort(np.argsort(drawn, kind="stable")[:sample])
        drawn, shapes = drawn[chosen], shapes[chosen]
        channels += len(block.calendar.drop_duplicates(["usage_point", "channel"]))
        zones, units = zones | block.zones, units | block.units
    if not how.normalise:
        check_units(units)
    _, centre, scores = choose(shapes, tried, seed)
    parts = []
    for block in chain(kept, blocks(len(kept))):
        label = (np.square(centre).sum(axis=1) - 2 * block.shapes @ centre.T).argmin(axis=1)
        cluster, rse = np.full(len(block.calendar), -1), np.full(len(block.calendar), np.nan)
        cluster[block.usable], rse[block.usable] = label, errors(block.shapes, label, centre)
        parts.append(block.calendar.assign(cluster=cluster, rse=rse))
    calendar = pd.concat(parts, ignore_index=True)
    # the largest first, as in a single home: of all days, and not of the sample
    order = np.argsort(-np.bincount(calendar["cluster"].to_numpy()[calendar["cluster"] >= 0], minlength=len(centre)), kind="stable")
    number = np.append(np.argsort(order) + 1, -1)
    calendar["cluster"] = pd.array(number[calendar["cluster"].to_numpy()], dtype="Int64")
    inputs = {"seed": seed, "channels": channels, "zone": ", ".join(sorted(zones)), "sampled days": len(shapes)}
    return described(calendar, centre[order], scores, how, min(units), inputs)
