"""How long the analysis of a year takes, against the same arithmetic in plain numpy.

The numpy side starts from the same columns and does what the numbers need: local bins, sums, extremes, quantiles. It checks nothing, labels
nothing and returns bare arrays; what we take longer for is that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from table import Row, cpu_times, main, ratio

import smd_notebook as smd
from smd_notebook.espi.codes import MEASURED

ZONE = "America/Los_Angeles"
HOUR, DAY = 3_600_000_000, 86_400_000_000  # us


class Plain:
    """What the numpy side is given: the columns of the frame as arrays, and where local bins begin."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self.quality = frame["quality"].cat.codes.to_numpy()
        self.measured = [place for place, name in enumerate(frame["quality"].cat.categories) if name in MEASURED]

    def columns(self) -> tuple[Any, Any, Any]:
        """Return starts, ends and values."""
        start = pd.DatetimeIndex(self.frame["start"]).as_unit("us").asi8
        end = pd.DatetimeIndex(self.frame["end"]).as_unit("us").asi8
        return start, end, self.frame["value"].to_numpy()

    @staticmethod
    def wall(start: Any) -> Any:
        """Return what the clock shows."""
        return pd.DatetimeIndex(start.view("M8[us]")).tz_localize("UTC").tz_convert(ZONE).tz_localize(None).as_unit("us").asi8

    def sums(self, of: Callable[[Any, Any], Any]) -> tuple[Any, ...]:
        """Energy, mean, highest power and its instant, coverage, counts and longest interval of bins that begin where `of` changes."""
        start, end, value = self.columns()
        length = end - start
        valid = ~np.isnan(value) & (length > 0)
        start, end, value, length = start[valid], end[valid], value[valid], length[valid]
        if (start[1:] < end[:-1]).any():
            raise ValueError("overlap")
        key = of(start, self.wall(start))
        first = np.flatnonzero(np.diff(key, prepend=key[0] - 1))
        where = np.repeat(np.arange(first.size), np.diff(first, append=key.size))
        energy, covered, count = np.bincount(where, weights=value), np.bincount(where, weights=length), np.bincount(where)
        coverage = covered / np.diff(start[first], append=end[-1])
        flagged = np.bincount(where, weights=~np.isin(self.quality[valid], self.measured))
        power = value * HOUR / length
        highest = np.maximum.reduceat(power, first)
        at = np.flatnonzero(power == highest[where])[::-1]
        when = np.empty(first.size, dtype="i8")
        when[where[at]] = start[at]
        return energy, coverage, count, flagged, energy * HOUR / covered, highest, when, np.maximum.reduceat(length, first)

    def hours(self) -> Any:
        """Return bins of hours; one that the clock shows twice is two."""
        return self.sums(lambda start, wall: wall // HOUR * 100 + (start - wall) // HOUR)

    def days(self) -> Any:
        """Return bins of days."""
        return self.sums(lambda _, wall: wall // DAY)

    def months(self) -> Any:
        """Return bins of months."""
        return self.sums(lambda _, wall: (wall // DAY).view("M8[D]").astype("M8[M]").astype("i8"))

    def profile(self) -> Any:
        """Return counts, means and quantiles by season, day type and hour."""
        energy = self.hours()[0]
        hour = self.wall(np.unique(self.columns()[0] // HOUR) * HOUR)
        day = hour // DAY
        month = day.view("M8[D]").astype("M8[M]").astype("i8") % 12
        season, weekend = (month >= 5) & (month < 9), (day + 3) % 7 >= 5
        cell = (season * 2 + weekend) * 24 + hour % DAY // HOUR
        order = np.lexsort((energy, cell))
        count = np.bincount(cell, minlength=96)
        first, ordered = np.cumsum(count) - count, energy[order]
        out = [count, np.bincount(cell, weights=energy) / count]
        for share in (0.1, 0.25, 0.5, 0.75, 0.9):
            place = share * (count - 1)
            low = place.astype("i8")
            below, above = ordered[first + low], ordered[first + np.minimum(low + 1, count - 1)]
            out.append(below + (above - below) * (place - low))
        return out

    def duration(self) -> Any:
        """Return loads in order, and for how long they are reached."""
        start, end, value = self.columns()
        length = end - start
        power = value * HOUR / length
        order = np.argsort(-power, kind="stable")
        hours = np.cumsum(length[order])
        return power[order], length[order], hours / HOUR, hours / hours[-1], start[order]

    def metrics(self) -> Any:
        """Return what `smd.metrics` computes."""
        start, end, value = self.columns()
        length = end - start
        power = value * HOUR / length
        wall = self.wall(start)
        day, clock = wall // DAY - wall[0] // DAY, wall % DAY
        mean = np.average(power, weights=length)
        out = [value.sum(), mean, power.max(), start[power.argmax()], power.min(), start[power.argmin()], mean / power.max()]
        out += np.quantile(power, [0.03, 0.97]).tolist()
        count, energy = np.bincount(day), np.bincount(day, weights=value)
        for shares, some in ((0.025, slice(None)), (0.05, power > 0)):
            order = np.lexsort((power[some], day[some]))
            n = np.bincount(day[some])
            place = shares * (n - 1)
            low, ordered, first = place.astype("i8"), power[some][order], np.cumsum(n) - n
            below, above = ordered[first + low], ordered[first + np.minimum(low + 1, n - 1)]
            out.append(np.median(below + (above - below) * (place - low)))
        weekend = (np.arange(count.size) + wall[0] // DAY + 3) % 7 >= 5
        out.append(energy[weekend].mean() / energy[~weekend].mean())
        out.append(power[(clock >= 2 * HOUR) & (clock < 5 * HOUR)].mean())
        night, evening = (clock >= HOUR) & (clock < 5 * HOUR), (clock >= 15 * HOUR) & (clock < 19 * HOUR)
        means = [np.bincount(day[some], weights=power[some]) / np.bincount(day[some]) for some in (night, evening)]
        month = (wall // DAY).view("M8[D]").astype("M8[M]").astype("i8") % 12
        summer = (month >= 5) & (month < 9)
        return [*out, (means[0] / means[1]).mean(), power[summer].mean() / power[~summer].mean()]


def rows(_: bool) -> Iterator[Row]:
    """Yield the rows of the table."""
    frame = smd.sample("lapse2024").select(channel="electricity delivered (1)").tidy()
    plain = Plain(frame)
    pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "resample to hours": (lambda: smd.resample(frame, "1h"), plain.hours),
        "resample to days": (lambda: smd.resample(frame, "1D"), plain.days),
        "resample to months": (lambda: smd.resample(frame, "1MS"), plain.months),
        "profile": (lambda: smd.profile(frame), plain.profile),
        "duration curve": (lambda: smd.analysis.duration_curve(frame), plain.duration),
        "metrics": (lambda: smd.metrics(frame), plain.metrics),
    }
    for name, (ours, numpy) in pairs.items():
        times = cpu_times({"ours": ours, "numpy": numpy}, 15)
        yield Row(f"35,136 readings, {name} : the same in plain numpy", ratio(times["ours"], times["numpy"]), "<= 5")


if __name__ == "__main__":
    main("bench_analysis")
