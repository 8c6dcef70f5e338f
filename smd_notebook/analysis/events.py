"""Demand response: what a home would have used, by matching days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from smd_notebook.analysis.bins import resample, tidy_frame, zone_of
from smd_notebook.analysis.calendar import holiday_dates, weekday
from smd_notebook.analysis.days import choose, heatmap
from smd_notebook.analysis.edges import DAY, utc_us, wall_us
from smd_notebook.analysis.passport import stamp
from smd_notebook.analysis.schedules import as_date, day_number
from smd_notebook.errors import ConfigurationError, SmdError

if TYPE_CHECKING:
    from smd_notebook.feed import Feed

__all__ = ["DR_RULES", "BaselineRule", "dr_baseline"]

_MINUTE = 60_000_000  # us
#: Means below this [W] are about nothing, and a ratio to them means nothing.
_NOTHING = 1.0


@dataclass(frozen=True, slots=True)
class BaselineRule:
    """What is known of a published rule for the adjustment of a baseline.

    Parameters
    ----------
    window : tuple of str
        From when to when before the event actual and raw use are compared.
    cap : tuple of float or None
        Between what the ratio is kept; None where the source, as far as it was read, does not say.
    source : str
        Whose rule it is.
    status : str
        How far it was checked.
    """

    window: tuple[str, str]
    cap: tuple[float, float] | None
    source: str
    status: str


#: Published rules by name. None of them says all that `dr_baseline` asks for: which days count is for the caller to state.
DR_RULES: Mapping[str, BaselineRule] = {
    "lbnl": BaselineRule(
        ("-4h", "-1h"),
        (0.8, 1.2),
        "LBNL",
        "window and cap read in a public source; choice of days is not part of it",
    ),
    "slac-pge": BaselineRule(
        ("-4h", "-2h"), None, "SLAC study of PG&E demand response", "window read in a public source; cap and choice of days not"
    ),
}


def dr_baseline(
    x: Feed | pd.DataFrame,
    event: tuple[Any, Any],
    *,
    x_of_y: tuple[int, int],
    window: tuple[str, str] | None,
    cap: tuple[float, float] | None,
    lookback: int,
    choice: Literal["highest", "lowest", "middle"] = "highest",
    min_days: int | None = None,
    events: Iterable[Any] = (),
    holidays: str | Iterable[Any] | None = None,
    slot: str | None = None,
    channel: str | None = None,
) -> pd.DataFrame:
    """Estimate the load without a demand-response event, from days like it.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_intervals, n_columns)
        Tidy intervals.
    event : tuple of times
        Begin and end on one day; without a zone local wall-clock time.
    x_of_y : tuple of int
        How many days are averaged, and from how many of the most recent candidates they are chosen, such as ``(10, 10)`` or ``(5, 10)``.
    window : tuple of str or None
        From when to when, relative to the begin of the event, actual use adjusts the baseline, such as ``("-4h", "-1h")``; None for none.
    cap : tuple of float or None
        Between what the ratio of the adjustment is kept, such as ``(0.8, 1.2)``; None for no limits.
    lookback : int
        How many calendar days before the event are searched for candidates.
    choice : {"highest", "lowest", "middle"}, default "highest"
        Which candidates are chosen, by their mean over the hours of the event; ``"middle"`` leaves out as many high as low ones.
    min_days : int, optional
        Refuse where there are fewer candidates; by default as many as `x_of_y` asks for.
    events : iterable of dates
        Local dates of other events: no candidates.
    holidays : str or iterable of dates, optional
        A calendar (``"US-PGE"``, or a country as the package `holidays` knows it) or dates: no candidates.
    slot : str, optional
        Length of a slot, such as ``"1h"``; by default that of the intervals.
    channel : str, optional
        Label of the channel; by default the first delivered one of electric energy or power.

    Returns
    -------
    DataFrame, shape (n_slots_of_the_day, 10)
        `usage_point`, `channel`, `zone`, `start`, `end`; `phase` (``"event"``, ``"window"``, or empty); `actual`, `raw` (mean of the
        chosen days) and `baseline` (adjusted) [W]; `coverage` [1] of `actual`, for the chosen days are whole. The passport holds the
        ratio, whether it was capped, and the days.

    Raises
    ------
    ConfigurationError
        If an argument is not understood, or the event is not on one day of the data.
    SmdError
        If there are too few candidates, raw use in the window is about zero, or the window was not wholly metered.
    UnitError
        If there is no electric energy or power.

    Notes
    -----
    Candidates are wholly metered days of the same type (workday or weekend), without events, before the event, most recent first.

    References
    ----------
    Definition R16. `DR_RULES` has published windows and caps.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> event = ("2024-07-31 17:00", "2024-07-31 20:00")
    >>> found = dr_baseline(smd.sample("lapse2024"), event, x_of_y=(10, 10), window=("-4h", "-1h"), cap=(0.8, 1.2), lookback=45)
    >>> float(round(found.loc[found["phase"] == "event", "baseline"].mean() / 1000, 9))
    6.919588647
    """
    count, among = x_of_y
    if not 0 < count <= among or lookback < 1 or choice not in ("highest", "lowest", "middle"):
        text = "x_of_y, lookback or choice is not understood"
        raise ConfigurationError(text, hint='x_of_y=(5, 10), lookback=45 (days), choice="highest", "lowest" or "middle".')
    if cap is not None and not 0 < cap[0] <= cap[1]:
        raise ConfigurationError("cap must be two positive numbers, the lower first", hint="cap=(0.8, 1.2), or None.")
    one = choose(tidy_frame(x), channel)
    zone = zone_of(one)
    begin, end = (_wall(time, zone) for time in event)
    day = begin // DAY
    if not begin < end <= (day + 1) * DAY:
        raise ConfigurationError("the event does not lie within one local day", hint='("2024-07-31 17:00", "2024-07-31 20:00")')
    local = wall_us(utc_us(one["start"]), zone) // DAY
    if not (local == day).any():
        raise ConfigurationError("the event's day is not in the data", hint="See feed.channels for what there is.")
    slot = slot or _slot(one[local == day])
    actual = resample(one[local == day], slot)
    one = one[(local >= day - lookback) & (local <= day)]
    matrix = heatmap(one, slot=slot)
    step = DAY // matrix.shape[1]
    phase = _phases(step, begin, end, window)
    never = {day_number(as_date(other, "a date of events")) for other in events}
    never |= set(holiday_dates(holidays, range(1970 + (day - lookback) // 366, 1971 + day // 365)).tolist())
    candidates = _candidates(one, matrix, day, never, needed=phase != "")[:among]
    least = among if min_days is None else min_days
    if len(candidates) < max(least, 1):
        text = f"{len(candidates)} days before the event can be compared with it, and {max(least, 1)} are asked for"
        raise SmdError(text, hint="A longer lookback= finds more; or allow fewer with min_days=.")
    chosen = _chosen(candidates, matrix, phase == "event", count, choice)
    raw = matrix.loc[chosen].to_numpy().mean(axis=0)
    ratio, capped = (1.0, False) if window is None else _ratio(matrix, raw, phase == "window", day, cap)
    place = wall_us(utc_us(actual["start"]), zone) % DAY // step  # where the clock jumps, a slot may begin late
    out = actual[["usage_point", "channel", "zone", "start", "end"]].copy()
    out["phase"], out["actual"] = phase[place].astype(str), actual["mean_power"]
    out["raw"], out["baseline"], out["coverage"] = raw[place], raw[place] * ratio, actual["coverage"]
    inputs = {
        "event": f"{event[0]} to {event[1]}",
        "x of y": f"{count} of {among}, {choice}",
        "window": " to ".join(window) if window else "none",
        "cap": " to ".join(map(str, cap)) if cap else "none",
        "lookback": lookback,
        "ratio": ratio,
        "capped": capped,
        "days": [str(one.date()) for one in sorted(chosen)],
    }
    return stamp(out, definition="baseline by matching days, adjusted by a ratio", inputs=inputs, source="definition R16")


def _wall(time: Any, zone: str) -> int:
    """Return what the wall clock shows at a time [us]."""
    try:
        moment = pd.Timestamp(time)
    except (TypeError, ValueError):
        raise ConfigurationError("the event's begin and end are no times", hint='("2024-07-31 17:00", "2024-07-31 20:00")') from None
    wall = moment if moment.tz is None else moment.tz_convert(zone).tz_localize(None)
    return int(wall.to_datetime64().astype("M8[us]").astype("i8"))


def _slot(one: pd.DataFrame) -> str:
    """Return the longest interval as a slot; days are laid side by side in it."""
    return f"{max(int((utc_us(one['end']) - utc_us(one['start'])).max()) // 1_000_000, 1)}s"


def _phases(step: int, begin: int, end: int, window: tuple[str, str] | None) -> Any:
    """Return which slots of the day, each of `step` [us], are of the event and which of the window before it."""
    spans = {"event": (begin, end)}
    if window is not None:
        first, last = (begin + int(pd.Timedelta(offset) / pd.Timedelta("1us")) for offset in window)
        spans["window"] = first, last
    midnight, slots = begin // DAY * DAY, np.arange(0, DAY, step)
    phase = np.full(slots.size, "", dtype=object)
    for name, (low, high) in spans.items():
        if not midnight <= low < high or low % step or high % step or (name == "window" and high > begin):
            text = f"the {name} does not lie on the day of the event, in whole slots of {step // _MINUTE} min"
            raise ConfigurationError(text, hint="Choose other times, or a shorter slot=.")
        phase[(slots >= low - midnight) & (slots < high - midnight)] = name
    return phase


def _candidates(one: pd.DataFrame, matrix: pd.DataFrame, day: int, never: set[int], *, needed: Any) -> list[pd.Timestamp]:
    """Return the days that may be compared with the event's, most recent first."""
    daily = resample(one, "1D")
    whole = wall_us(utc_us(daily["start"]), zone_of(one))[daily["coverage"].to_numpy() > 1 - 1e-9] // DAY
    alike = whole[(whole < day) & ((weekday(whole) >= 5) == (weekday(day) >= 5))]
    numbers = [number for number in alike[::-1].tolist() if number not in never]
    days = [pd.Timestamp(number, unit="D").as_unit("us") for number in numbers]
    return [date for date in days if not np.isnan(matrix.loc[date].to_numpy()[needed]).any()]


def _chosen(candidates: list[pd.Timestamp], matrix: pd.DataFrame, event: Any, count: int, choice: str) -> list[pd.Timestamp]:
    """Return some of the candidates, by their mean over the hours of the event."""
    count = min(count, len(candidates))
    mean = [float(matrix.loc[date].to_numpy()[event].mean()) for date in candidates]
    ranked = [candidates[place] for place in np.argsort(mean, kind="stable")]
    low = {"highest": len(ranked) - count, "lowest": 0, "middle": (len(ranked) - count) // 2}[choice]
    return ranked[low : low + count]


def _ratio(matrix: pd.DataFrame, raw: Any, window: Any, day: int, cap: tuple[float, float] | None) -> tuple[float, bool]:
    """Return by how much actual use differs from raw in the window, kept within the cap."""
    actual = matrix.loc[pd.Timestamp(day, unit="D").as_unit("us")].to_numpy()[window]
    if np.isnan(actual).any():
        raise SmdError("the window before the event was not wholly metered", hint="Choose another window, or None for no adjustment.")
    if raw[window].mean() < _NOTHING:
        text = "raw use in the window is about zero, so that a ratio to it means nothing"
        raise SmdError(text, hint="Choose another window, or None for no adjustment.")
    ratio = float(actual.sum() / raw[window].sum())
    kept = ratio if cap is None else min(max(ratio, cap[0]), cap[1])
    return kept, kept != ratio
