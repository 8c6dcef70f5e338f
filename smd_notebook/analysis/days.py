"""Days side by side: what happens at which time of day."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smd_notebook.analysis.bins import channels, resample, tidy_frame, watts_of, zone_of
from smd_notebook.analysis.edges import DAY, SECOND, clock, dates_of, distinct, parse, utc_us, wall_us
from smd_notebook.analysis.passport import stamp
from smd_notebook.errors import ConfigurationError, UnitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from smd_notebook.feed import Feed

__all__ = ["heatmap"]


def choose(frame: pd.DataFrame, channel: str | None = None) -> pd.DataFrame:
    """Return the rows of one channel of electric energy or power: the one that is named, else the first delivered, else the first.

    Raises
    ------
    ConfigurationError
        If there is no such channel, or several usage points have one of that name.
    UnitError
        If it is not electric energy or power.
    """
    groups = [frame.iloc[rows] for rows in channels(frame)]
    heads = [group.iloc[0] for group in groups]
    if not heads:
        raise ConfigurationError("there are no readings", hint="feed.resources has what else the files hold.")
    if channel is not None:
        found = [number for number, head in enumerate(heads) if head["channel"] == channel]
        if not found:
            names = ", ".join(sorted({repr(str(head["channel"])) for head in heads}))
            raise ConfigurationError(f"no channel is called {channel!r}", hint=f"There are: {names}.")
        if len(found) > 1:
            raise ConfigurationError(
                f"{len(found)} usage points have a channel {channel!r}", hint="Select one: feed.select(usage_point=...)."
            )
    else:
        found = [number for number, group in enumerate(groups) if not np.isnan(watts_of(group))]
        found.sort(key=lambda number: heads[number]["flow"] != "delivered")  # stable: else in order of appearance
    if not found or np.isnan(watts_of(groups[found[0]])):
        text = "power over the day needs a channel of electric energy or power"
        raise UnitError(text, hint="For gas, water and heat see amounts instead: smd.plot.energy(x), smd.resample(x, '1D').")
    return groups[found[0]]


def adding(x: Any, channel: str | None) -> Iterator[pd.DataFrame]:
    """Yield the channels whose values add up."""
    frame = tidy_frame(x)
    names = []
    for rows in channels(frame):
        one = frame.iloc[rows]
        head = one.iloc[0]
        if head["measure"] in ("energy", "volume") and channel in (None, head["channel"]):
            names.append(str(head["channel"]))
            yield one
    if not names:
        what = f"no channel of energy or volume is called {channel!r}" if channel else "there is no channel of energy or volume"
        raise UnitError(what, hint="See feed.channels for what there is.")


def _native(one: pd.DataFrame) -> str:
    """Return the interval length of a channel, as bins."""
    length = distinct(utc_us(one["end"]) - utc_us(one["start"]))
    if length.size != 1 or length[0] <= 0 or length[0] % SECOND or DAY % length[0]:
        raise ConfigurationError("the intervals are not all of one length that divides a day", hint='Say how long a slot is: slot="1h".')
    return f"{length[0] // SECOND}s"


def heatmap(x: Feed | pd.DataFrame, *, slot: str | None = None, channel: str | None = None) -> pd.DataFrame:
    """Lay mean power out as a matrix of local date and time of day.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_intervals, n_columns)
        Tidy intervals.
    slot : str, optional
        Length of a slot, such as ``"15min"`` or ``"1h"``; by default that of the intervals.
    channel : str, optional
        Label of the channel; by default the first delivered one of electric energy or power, else the first such one.

    Returns
    -------
    DataFrame, shape (n_days, n_slots)
        Mean power [W]; index: local date, columns: start of the slot on the wall clock, as ``"HH:MM"``. Missing where nothing was
        metered, and in the hour that the clock skips in spring; of the hour that it shows twice in autumn the mean of both.

    Raises
    ------
    UnitError
        If there is no electric energy or power.
    ConfigurationError
        If intervals are of a day or longer, or of unlike lengths and no `slot` is given, or the channel is unknown.

    See Also
    --------
    smd_notebook.analysis.bins.resample : The bins that become cells, and what it raises.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> spring = smd.sample("lapse2024").select(channel="electricity delivered (1)", start="2024-03-10", end="2024-03-11")
    >>> heatmap(spring, slot="1h").iloc[0, 1:4].tolist()
    [334.0, nan, 362.0]
    """
    frame = tidy_frame(x)
    one = choose(frame, channel)
    if int((utc_us(one["end"]) - utc_us(one["start"])).max()) >= DAY:
        text = "intervals of a day or longer have no time of day"
        raise ConfigurationError(text, hint="For amounts see smd.plot.energy(x); or leave the long ones out.")
    name = slot or _native(one)
    step = parse(name).step
    if not 0 < step < DAY or DAY % step:
        raise ConfigurationError(f"slots of {name!r} do not divide a day", hint='A slot is for example "15min" or "1h".')
    binned = resample(one, name)
    zone = zone_of(binned)
    wall = wall_us(utc_us(binned["start"]), zone)
    day, place = wall // DAY, wall % DAY // step
    n_days, n_slots = int(day[-1] - day[0]) + 1, DAY // step
    power = binned["mean_power"].to_numpy()
    known = ~np.isnan(power)
    cell = ((day - day[0]) * n_slots + place)[known]
    total = np.bincount(cell, weights=power[known], minlength=n_days * n_slots)
    count = np.bincount(cell, minlength=n_days * n_slots)
    mean: NDArray[np.float64] = np.divide(total, count, out=np.full(total.size, np.nan), where=count > 0)
    dates = dates_of(np.arange(day[0], day[-1] + 1))
    starts = [clock(number * step) for number in range(n_slots)]
    out = pd.DataFrame(mean.reshape(n_days, n_slots), index=dates, columns=pd.Index(starts, name="slot"))
    coverage = json.loads(binned.attrs["passport"])["coverage"]
    inputs = {"channel": str(one["channel"].iloc[0]), "slot": name, "unit": "W", "zone": zone, "coverage": coverage}
    return stamp(out, definition="mean power by local date and time of day", inputs=inputs)
