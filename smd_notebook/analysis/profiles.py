"""Daily profiles: what is usual at each time of day, and how far it varies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smd_notebook.analysis.calendar import DAY_TYPES, day_types, season_of_months
from smd_notebook.analysis.edges import parse, wall_us
from smd_notebook.analysis.passport import inputs_of, stamp
from smd_notebook.analysis.quantiles import quantiles as grouped
from smd_notebook.analysis.series import DAY, HOUR, Series, labelled, rate_units, series_of
from smd_notebook.analysis.spread import sums
from smd_notebook.errors import ConfigurationError, UnitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["across_homes", "clock", "profile", "slot_length"]

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


def clock(time: int) -> str:
    """Say what the wall clock shows so long after midnight [us].

    >>> clock(5400_000_000)
    '01:30'
    """
    minutes, seconds = divmod(time // 1_000_000, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}" + (f":{seconds:02d}" if seconds else "")


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


def profile(
    x: Any,
    *,
    by: Sequence[str] = ("season", "day_type"),
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
    by : sequence of str, default ("season", "day_type")
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
        day in the data have no rows; slots of a group that were never covered have n 0 and no values.

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
    known = ("season", "day_type", "month", "weekday", "year")
    keys = (by,) if isinstance(by, str) else tuple(by)
    if len(set(keys)) != len(keys) or not set(keys) <= set(known):
        raise ConfigurationError(f"cannot group days by {keys!r}", hint=f"Any of {', '.join(known)}, each once.")
    if not all(0 <= share <= 1 for share in quantiles):
        raise ConfigurationError(
            "quantiles are between 0 and 1", hint="quantiles=(0.1, 0.5, 0.9) for the tenth, the middle and the ninetieth."
        )
    names, of_month = season_of_months(seasons)
    dates = holidays if holidays is None or isinstance(holidays, str) else list(holidays)
    step = slot_length(slot)
    frame, found = series_of(x, f"a profile in slots of {slot}", min_coverage=min_coverage, longest=step if step < DAY else DAY + HOUR)
    parts: list[dict[str, Any]] = []
    for one in found:
        day, place, rate = slots_of(one, slot, min_coverage)
        # the days themselves are few: group them, and let slots take the group of their day
        first = int(day[0]) if day.size else 0
        days = np.arange(first, int(day[-1]) + 1) if day.size else np.empty(0, dtype="i8")
        month = days.view("M8[D]").astype("M8[M]").astype("i8")
        codes = {"season": of_month[month % 12], "month": month % 12, "weekday": (days + 3) % 7, "year": month // 12 + 1970}
        if "day_type" in keys:
            codes["day_type"] = day_types(days, dates)
        table = np.column_stack([codes[key] for key in keys]) if keys else np.zeros((days.size, 1), dtype="i8")
        present = np.zeros(days.size, dtype=bool)
        present[day - first] = True
        groups, of_day = np.unique(table[present], axis=0, return_inverse=True)
        number = np.zeros(days.size, dtype="i8")
        number[present] = of_day.ravel()
        n_slots = DAY // step
        cell = number[day - first] * n_slots + place
        size = len(groups) * n_slots
        count = np.bincount(cell, minlength=size)
        with np.errstate(invalid="ignore"):
            mean = np.bincount(cell, weights=rate, minlength=size) / count
        part: dict[str, Any] = {key: np.repeat(groups[:, column], n_slots) for column, key in enumerate(keys)}
        part |= {"slot": np.tile(np.arange(n_slots), len(groups)), "n": count, "mean": mean}
        fan = grouped(rate, cell, size, quantiles)
        part |= {f"p{100 * share:g}": fan[:, column] for column, share in enumerate(quantiles)}
        parts.append(part)
    sizes = [part["n"].size for part in parts]
    columns: dict[str, Any] = {}
    starts = [clock(at) for at in range(0, DAY, step)]
    categories: dict[str, Any] = {"season": names, "day_type": DAY_TYPES, "weekday": _WEEKDAYS, "slot": starts}
    for name in (*keys, "slot", "n", "mean", *(f"p{100 * share:g}" for share in quantiles)):
        numbers: Any = np.concatenate([part[name] for part in parts]) if parts else np.empty(0)
        if name in categories:
            columns[name] = pd.Categorical.from_codes(numbers.astype("i8"), categories=pd.Index(categories[name]), ordered=True)
        elif name in ("month", "year", "n"):
            columns[name] = numbers.astype("i8") + (name == "month")
        else:
            columns[name] = numbers.astype("f8")
    columns["unit"] = rate_units(found, sizes)
    out = labelled(frame, found, sizes, columns)
    inputs: dict[str, Any] = {"slot": slot, "by": list(keys), "min_coverage": min_coverage, "channels": len(found)}
    inputs["zone"] = ", ".join(sorted({one.zone for one in found}))
    if "day_type" in keys:
        inputs["holidays"] = dates if dates is None or isinstance(dates, str) else [str(day) for day in dates]
    if "season" in keys:
        inputs["seasons"] = {name: (np.flatnonzero(of_month == number) + 1).tolist() for number, name in enumerate(names)}
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
    >>> across_homes(homes, quantiles=(0.5,)).loc[18, ["slot", "n", "mean", "p50", "unit"]].tolist()
    ['18:00', 2, 8146.9..., 8146.9..., 'W']
    """
    if not {"usage_point", "channel", "slot", "n", "mean"} <= set(table.columns):
        raise ConfigurationError("this is no profile of homes", hint="Take what cohort.profile(...) returned.")
    if not all(0 <= share <= 1 for share in quantiles):
        raise ConfigurationError("quantiles are between 0 and 1", hint="quantiles=(0.1, 0.5, 0.9)")
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
