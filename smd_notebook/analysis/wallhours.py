"""Electric energy in hours of the wall clock, the shortest span that a tariff tells apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from smd_notebook.analysis.bins import channels, valid_of, watts_of, zone_of
from smd_notebook.analysis.edges import DAY, HOUR, parse, utc_us, wall_us
from smd_notebook.analysis.schedules import Tariff
from smd_notebook.analysis.spread import sums
from smd_notebook.errors import ConfigurationError, SmdError, UnitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

__all__ = ["Hours", "electric", "hours_of", "periods_of"]


class Hours(NamedTuple):
    """One channel, hour by hour."""

    usage_point: str
    channel: str
    flow: str
    zone: str
    energy: Floats  # [kWh], 0 where nothing was metered
    covered: Ints  # [us]
    length: Ints  # [us], an hour but where clocks change by less
    day: Ints  # local date, as days since 1970
    hour: Ints  # of the wall clock


def electric(frame: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, pd.Series[Any], float]]:
    """Yield the channels of electric energy, each with its first row and what turns its values into kWh."""
    found = False
    for rows in channels(frame):
        one = frame.iloc[rows]
        head = one.iloc[0]
        factor = watts_of(one)
        if not np.isnan(factor) and head["measure"] == "energy":
            found = True
            yield one, head, factor / 1000
    if not found:
        text = "there is no channel of electric energy, and a tariff prices nothing else"
        raise UnitError(text, hint="See feed.channels for what there is.")


def hours_of(one: pd.DataFrame, head: pd.Series[Any], factor: float, span: tuple[int, int] | None = None) -> Hours:
    """Put a channel into hours of the wall clock, from its first to its last interval or over a span of local days."""
    label = str(head["channel"])
    if int((utc_us(one["end"]) - utc_us(one["start"])).max()) >= DAY:
        text = f"{label!r} has intervals of a day or longer, which say nothing of the hours in them"
        raise ConfigurationError(text, hint="A tariff with periods of the day needs hourly data or finer; or leave the long ones out.")
    zone = zone_of(one)
    start, end = utc_us(one["start"]), utc_us(one["end"])
    found = valid_of(one)
    if span is None:
        edges = parse("1h").between(int(start.min()), int(end.max()), zone)
    else:
        days = parse("1D").between((span[0] - 1) * DAY, (span[1] + 2) * DAY, zone)
        wall = wall_us(days, zone) // DAY
        edges = parse("1h").between(int(days[wall >= span[0]][0]), int(days[wall > span[1]][0]), zone)
    part = sums(found, edges, 1.0, additive=True)
    wall = wall_us(edges[:-1], zone)
    energy = np.nan_to_num(part["value"]) * factor
    if span is None and not np.isclose(energy.sum(), found.value.sum() * factor, rtol=1e-9, atol=1e-9):
        raise SmdError(f"the hours of {label!r} do not add up to its intervals", hint="Please report this.")
    length = np.diff(edges)
    covered = np.rint(part["coverage"] * length).astype("i8")
    return Hours(str(head["usage_point"]), label, str(head["flow"]), zone, energy, covered, length, wall // DAY, wall % DAY // HOUR)


def periods_of(hours: Hours, tariff: Tariff) -> tuple[Ints, list[tuple[str, str]]]:
    """Return the number of the season and period of each hour, and what the numbers mean."""
    names = tariff.periods()
    table = np.array([[[names.index((one.name, name)) for name in kind] for kind in (one.workday, one.weekend)] for one in tariff.seasons])
    return table[tariff.season_on(hours.day), tariff.day_off(hours.day).astype("i8"), hours.hour], names
