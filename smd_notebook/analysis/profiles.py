"""Daily profiles: what is usual at each time of day, and how far it varies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from smd_notebook.analysis.calendar import DAY_TYPES, day_types, season_of_months, weekday
from smd_notebook.analysis.edges import DAY, HOUR, clock, parse, wall_us
from smd_notebook.analysis.passport import inputs_of, stamp
from smd_notebook.analysis.quantiles import quantiles as grouped
from smd_notebook.analysis.series import Series, labelled, metered, rate_units, series_of
from smd_notebook.analysis.spread import sums
from smd_notebook.errors import ConfigurationError, UnitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from numpy.typing import NDArray

    from smd_notebook.feed import Feed

    Ints = NDArray[np.int64]

__all__ = ["Asked", "across_homes", "asked_for", "profile", "slot_length"]

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def slot_length(slot: str) -> int:
    """Return how long a slot of the day is [us].

    Raises
    ------
    ConfigurationError
        If slots of this length do not divide a day.
    """
    step = parse(slot).step
    if not 0 < step <= DAY or DAY % step:
        raise ConfigurationError(f"slots of {slot!r} do not divide a day", hint='A slot is for example "15min" or "1h".')
    return step


def slots_of(one: Series, slot: str, min_coverage: float) -> tuple[Ints, Ints, NDArray[np.float64]]:
    """Return the local date [days since 1970], the place in the day and the rate of each slot that is covered enough."""
    edges, _ = one.edges(None, slot)
    part = sums(one.found, edges, np.nan, additive=one.additive)
    keep = (part["coverage"] >= min_coverage) & (part["coverage"] > 0)
    wall = wall_us(edges[:-1][keep], one.zone)
    value = part["value"][keep]
    if one.additive:
        value = value / (part["coverage"] * np.diff(edges))[keep]
    return wall // DAY, wall % DAY // slot_length(slot), value * one.factor


class Asked(NamedTuple):
    """Which profile is asked for: kinds of days, slots of the day and quantiles."""

    keys: tuple[str, ...]
    slot: str
    step: int  # how long a slot is [us]
    quantiles: tuple[float, ...]
    seasons: tuple[str, ...]
    of_month: Ints  # the season of each month
    holidays: str | list[Any] | None

    @property
    def n_slots(self) -> int:
        """How many slots a day has."""
        return DAY // self.step

    @property
    def longest(self) -> int:
        """How long intervals may be [us]."""
        return self.step if self.step < DAY else DAY + HOUR

    @property
    def categories(self) -> dict[str, tuple[str, ...]]:
        """The names behind the numbers of kinds of days and of slots."""
        starts = tuple(clock(at) for at in range(0, DAY, self.step))
        return {"season": self.seasons, "day_type": DAY_TYPES, "weekday": _WEEKDAYS, "slot": starts}

    @property
    def inputs(self) -> dict[str, Any]:
        """What a passport says of it."""
        found: dict[str, Any] = {"slot": self.slot, "by": list(self.keys)}
        if "day_type" in self.keys:
            dates = self.holidays
            found["holidays"] = dates if dates is None or isinstance(dates, str) else [str(day) for day in dates]
        if "season" in self.keys:
            months = {name: (np.flatnonzero(self.of_month == number) + 1).tolist() for number, name in enumerate(self.seasons)}
            found["seasons"] = months
        return found

    def kinds(self, days: Ints) -> Ints:
        """Return the kind of each day [days since 1970] by each key, as numbers, shape (n_days, n_keys), or one column without keys."""
        month = days.view("M8[D]").astype("M8[M]").astype("i8")
        codes = {"season": self.of_month[month % 12], "month": month % 12 + 1, "weekday": weekday(days), "year": month // 12 + 1970}
        if "day_type" in self.keys:
            codes["day_type"] = day_types(days, self.holidays)
        return np.column_stack([codes[key] for key in self.keys]) if self.keys else np.zeros((days.size, 1), dtype="i8")

    def codes(self, key: str, labels: Sequence[Any]) -> list[int]:
        """Return the numbers of kinds of days by their names."""
        return [self.categories[key].index(label) for label in labels] if key in self.categories else list(labels)

    def part(self, groups: Ints, count: Any, mean: Any, fan: Any) -> dict[str, Any]:
        """Return the columns of some groups, shape (n_groups, n_keys), as numbers; `count` and the others have a row a group and slot."""
        part: dict[str, Any] = {key: np.repeat(groups[:, column], self.n_slots) for column, key in enumerate(self.keys)}
        part |= {"slot": np.tile(np.arange(self.n_slots), len(groups)), "n": count, "mean": mean}
        return part | {f"p{100 * share:g}": fan[:, column] for column, share in enumerate(self.quantiles)}

    def columns(self, parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return columns, one part below the other, with names for numbers."""
        columns: dict[str, Any] = {}
        for name in (*self.keys, "slot", "n", "mean", *(f"p{100 * share:g}" for share in self.quantiles)):
            numbers: Any = np.concatenate([part[name] for part in parts]) if parts else np.empty(0)
            if name in self.categories:
                names = pd.Index(self.categories[name])
                columns[name] = pd.Categorical.from_codes(numbers.astype("i8"), categories=names, ordered=True)
            else:
                columns[name] = numbers.astype("i8" if name in ("month", "year", "n") else "f8")
        return columns


def asked_for(
    by: str | Sequence[str],
    slot: str,
    quantiles: Sequence[float],
    holidays: str | Iterable[date | str] | None,
    seasons: Mapping[str, Sequence[int]] | None,
) -> Asked:
    """Return the profile that the arguments of `profile` ask for.

    Raises
    ------
    ConfigurationError
        If an argument is not understood.
    """
    known = ("season", "day_type", "month", "weekday", "year")
    keys = (by,) if isinstance(by, str) else tuple(by)
    if len(set(keys)) != len(keys) or not set(keys) <= set(known):
        raise ConfigurationError(f"cannot group days by {keys!r}", hint=f"Any of {', '.join(known)}, each once.")
    _check_quantiles(quantiles)
    names, of_month = season_of_months(seasons)
    dates = holidays if holidays is None or isinstance(holidays, str) else list(holidays)
    return Asked(keys, slot, slot_length(slot), tuple(quantiles), names, of_month, dates)


def _check_quantiles(quantiles: Sequence[float]) -> None:
    if not all(0 <= share <= 1 for share in quantiles):
        text = "quantiles are between 0 and 1"
        raise ConfigurationError(text, hint="quantiles=(0.1, 0.5, 0.9) for the tenth, the middle and the ninetieth.")


def profile(
    x: Feed | pd.DataFrame,
    *,
    by: str | Sequence[str] = ("season", "day_type"),
    slot: str = "1h",
    quantiles: Sequence[float] = (0.1, 0.25, 0.5, 0.75, 0.9),
    holidays: str | Iterable[date | str] | None = None,
    seasons: Mapping[str, Sequence[int]] | None = None,
    min_coverage: float = 1.0,
) -> pd.DataFrame:
    """Say what is usual at each time of day, on which kinds of days, and how far it varies.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_rows, n_columns)
        Tidy intervals, or what `resample` returned.
    by : str or sequence of str, default ("season", "day_type")
        What days are grouped by: any of ``"season"``, ``"day_type"``, ``"month"``, ``"weekday"``, ``"year"``; empty for all days together.
    slot : str, default "1h"
        Length of a slot of the day.
    quantiles : sequence of float
        Which quantiles, each between 0 and 1; linear between values.
    holidays : str or sequence of dates, optional
        Days that are neither weekday nor weekend: ``"US-PGE"`` for the eight of PG&E's time-of-use tariffs, another calendar of the package
        `holidays` such as ``"US-CA"``, or the dates. By default there are none.
    seasons : mapping of str to months, optional
        Seasons and their months, 1 to 12; by default PG&E's: summer from June to September, winter else.
    min_coverage : float, default 1
        How much of a slot must be covered for it to count [1].

    Returns
    -------
    DataFrame, shape (n_groups_of_all_channels * n_slots, n_columns)
        `usage_point`, `channel`, the columns of `by`, `slot` (its start on the wall clock, ``"HH:MM"``), `n` slots that count, their
        `mean` and quantiles (`p10` ...) [unit] and `unit`: W for electric energy and power, else the unit per hour. Groups that have no
        day in the data have no rows; slots of a group that were never covered have n 0 and no values. The passport has period and
        coverage of the whole.

    Raises
    ------
    ConfigurationError
        If an argument is not understood, or intervals are longer than a slot: they do not say what happens within.
    UnitError
        If no channel holds quantities that have a profile.

    Notes
    -----
    A slot is the local hour (or what `slot` says), and its rate the mean over the time that was metered in it. On the day that the clock
    goes back, the hour that comes twice counts twice; on the day that it goes forward, the hour that is skipped does not count. Channels
    that have no such profile are left out with a warning that says why.

    References
    ----------
    Hyndman & Fan, Sample quantiles in statistical packages, The American Statistician 50(4), 1996: type 7. Seasons: PG&E, Electric
    Schedules E-TOU-C and EV2.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> shape = smd.profile(smd.sample("lapse2024").select(channel="electricity delivered (1)"), slot="15min")
    >>> evening = shape.query("season == 'summer' and day_type == 'weekday' and slot == '18:00'")
    >>> evening["n"].item(), round(evening["mean"].item(), 4), evening["unit"].item()
    (86, 5268.2791, 'W')
    """
    asked = asked_for(by, slot, quantiles, holidays, seasons)
    what = f"a profile in slots of {slot}"
    frame, found = series_of(x, what, min_coverage=min_coverage, longest=asked.longest)
    parts: list[dict[str, Any]] = []
    for one in found:
        day, place, rate = slots_of(one, slot, min_coverage)
        # the days themselves are few: group them, and let slots take the group of their day
        first = int(day[0]) if day.size else 0
        days = np.arange(first, int(day[-1]) + 1) if day.size else np.empty(0, dtype="i8")
        present = np.zeros(days.size, dtype=bool)
        present[day - first] = True
        groups, of_day = np.unique(asked.kinds(days)[present], axis=0, return_inverse=True)
        number = np.zeros(days.size, dtype="i8")
        number[present] = of_day.ravel()
        cell = number[day - first] * asked.n_slots + place
        size = len(groups) * asked.n_slots
        count = np.bincount(cell, minlength=size)
        with np.errstate(invalid="ignore"):
            mean = np.bincount(cell, weights=rate, minlength=size) / count
        parts.append(asked.part(groups, count, mean, grouped(rate, cell, size, quantiles)))
    columns = asked.columns(parts) | {"unit": rate_units(found, [part["n"].size for part in parts])}
    out = labelled(frame, found, [part["n"].size for part in parts], columns)
    zones = ", ".join(sorted({one.zone for one in found}))
    inputs = asked.inputs | {"min_coverage": min_coverage, "zone": zones} | metered(found)
    return stamp(out, definition="mean and quantiles of the rate at each time of day, by kind of day", inputs=inputs)


def across_homes(table: pd.DataFrame, *, quantiles: Sequence[float] = (0.1, 0.25, 0.5, 0.75, 0.9)) -> pd.DataFrame:
    """Say how far homes differ at each time of day: quantiles across meters of what is usual for each.

    Parameters
    ----------
    table : DataFrame, shape (n_rows, n_columns)
        What `profile` returned of many meters, such as `Cohort.profile`.
    quantiles : sequence of float
        Which quantiles, each between 0 and 1; linear between values.

    Returns
    -------
    DataFrame, shape (n_groups * n_slots, n_columns)
        As `profile` returns it, of the ``"all"``: `n` meters that have a mean in this group and slot, the `mean` of these means, and their
        quantiles (`p10` ...) [unit]. Each meter counts once, however many its days.

    Raises
    ------
    ConfigurationError
        If it is no profile, or quantiles are not between 0 and 1.
    UnitError
        If meters have unlike units.

    Notes
    -----
    A quantile is one customer's own value, or lies between two: see `release_screen` before it is published.

    Examples
    --------
    >>> import pandas as pd, smd_notebook as smd
    >>> home = profile(smd.sample("lapse2024").select(channel="electricity delivered (1)"), by=())
    >>> homes = pd.concat([home, home.assign(usage_point="2", mean=3 * home["mean"])])
    >>> across = across_homes(homes, quantiles=(0.5,)).loc[18]
    >>> across["slot"], int(across["n"]), round(float(across["p50"] / home.loc[18, "mean"]), 9)
    ('18:00', 2, 2.0)
    """
    if not {"usage_point", "channel", "slot", "n", "mean"} <= set(table.columns):
        raise ConfigurationError("this is no profile of homes", hint="Take what cohort.profile(...) returned.")
    _check_quantiles(quantiles)
    if table["unit"].nunique() > 1:
        raise UnitError("meters of unlike units cannot be compared", hint='Select one service first: cohort.select(service="electricity").')
    keys = list(table.columns[2 : list(table.columns).index("n")])
    means = table.groupby(keys, observed=True, sort=True)["mean"]
    out = pd.DataFrame({"n": means.count(), "mean": means.mean()} | {f"p{100 * share:g}": means.quantile(share) for share in quantiles})
    out = out.reset_index()
    labels = table["channel"].unique()
    out.insert(0, "channel", str(labels[0]) if len(labels) == 1 else "all")
    out.insert(0, "usage_point", "all")
    out["unit"] = table["unit"].iloc[0] if len(table) else ""
    inputs = {**inputs_of(table), "meters": len(table.drop_duplicates(["usage_point", "channel"]))}
    text = "mean and quantiles across meters of each one's mean rate at each time of day"
    return stamp(out.astype({"usage_point": "str", "channel": "str", "unit": "str"}), definition=text, inputs=inputs)
