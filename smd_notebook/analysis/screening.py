"""Signs of solar panels and electric vehicles in a load: evidence to look at, no verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smd_notebook.analysis.bins import channels, tidy_frame, valid_of, watts_of, zone_of
from smd_notebook.analysis.edges import DAY, HOUR, distinct, wall_us
from smd_notebook.analysis.passport import stamp
from smd_notebook.errors import ConfigurationError, UnitError

if TYPE_CHECKING:
    from smd_notebook.feed import Feed

__all__ = ["screen"]

_COLUMNS = ("usage_point", "channel", "zone", "sign", "start", "end", "n_days", "value", "unit", "evidence")


def screen(x: Feed | pd.DataFrame, *, ev_power: float, ev_hours: float) -> pd.DataFrame:
    """List what speaks for solar panels and for charging of electric vehicles.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_intervals, n_columns)
        Tidy intervals.
    ev_power : float
        From what power on an interval may be charging [kW].
    ev_hours : float
        How long such intervals must last without a break [h].

    Returns
    -------
    DataFrame, shape (n_signs, 10)
        `usage_point`, `channel`, `zone`; `sign`: ``"net-metered"`` (one row for a channel that received energy on any day) or
        ``"ev-candidate"`` (one row a run of high power); `start`, `end`, `n_days`; `value`: energy received [Wh] or mean power of the run
        [W], `unit`; `evidence` in words. Electric heating, ovens and pumps look like vehicles; a battery may hide solar panels.

    Raises
    ------
    ConfigurationError
        If power or hours are not above 0, or `x` is not a tidy frame.
    UnitError
        If there is no electric energy or power.
    SmdError
        If intervals overlap: their energy would count twice.

    References
    ----------
    Definition R18.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> signs = screen(smd.sample("lapse2024").select(usage_point="lapse2024-gross"), ev_power=7, ev_hours=3)
    >>> signs.groupby("sign")["value"].agg(["size", "min"]).round(1).to_dict("index")
    {'ev-candidate': {'size': 105, 'min': 7502.0}, 'net-metered': {'size': 1, 'min': 5508000.0}}
    """
    if not (ev_power > 0 and ev_hours > 0):
        raise ConfigurationError("ev_power and ev_hours must be above 0", hint="For example ev_power=3.3 (kW), ev_hours=2.")
    frame = tidy_frame(x)
    zone_of_frame = pd.DatetimeIndex(frame["start"]).tz
    rows: list[dict[str, Any]] = []
    looked_at = 0
    for places in channels(frame):
        one = frame.iloc[places]
        head = one.iloc[0]
        factor = watts_of(one)
        if np.isnan(factor):
            continue
        looked_at += 1
        begin, end, value, *_ = valid_of(one)
        power = value * factor if head["measure"] == "power" else value * factor * HOUR / (end - begin)
        energy = power * (end - begin) / HOUR
        zone = zone_of(one)
        common = {"usage_point": str(head["usage_point"]), "channel": str(head["channel"]), "zone": zone}
        day = wall_us(begin, zone) // DAY
        if head["flow"] == "received":
            found = np.flatnonzero(power > 0)
            if found.size:
                days = distinct(day[found]).size
                rows.append(
                    common
                    | {"sign": "net-metered", "start": begin[found[0]], "end": end[found[-1]], "n_days": days}
                    | {"value": float(energy[found].sum()), "unit": "Wh", "evidence": f"energy was received on {days} days"}
                )
            continue
        high = power >= ev_power * 1000
        joined = high[1:] & high[:-1] & (begin[1:] == end[:-1])
        heads = np.flatnonzero(high & ~np.append(False, joined))
        tails = np.flatnonzero(high & ~np.append(joined, False))
        for first, last in zip(heads.tolist(), tails.tolist(), strict=True):
            length = int(end[last] - begin[first])
            if length >= ev_hours * HOUR:
                mean = float(energy[first : last + 1].sum() * HOUR / length)
                text = f"{ev_power:g} kW or more for {length / HOUR:g} h"
                rows.append(
                    common
                    | {"sign": "ev-candidate", "start": begin[first], "end": end[last], "n_days": 1}
                    | {"value": mean, "unit": "W", "evidence": text}
                )
    if not looked_at:
        raise UnitError("there is no channel of electric energy or power", hint="See feed.channels for what there is.")
    out = pd.DataFrame(rows, columns=list(_COLUMNS))
    for name in ("start", "end"):
        moments = pd.DatetimeIndex(np.array(out[name], dtype="i8").view("M8[us]")).tz_localize("UTC").tz_convert(zone_of_frame)
        out[name] = moments
    inputs = {"ev power [kW]": ev_power, "ev hours": ev_hours, "channels": looked_at}
    return stamp(
        out, definition="evidence of received energy and of long runs of high power; no verdict", inputs=inputs, source="definition R18"
    )
