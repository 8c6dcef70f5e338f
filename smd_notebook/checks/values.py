"""What intervals say: missing values, runs of one value, zeros, signs, qualities, spikes, units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from smd_notebook.checks.rows import (
    DAY,
    HOUR,
    Flags,
    Floats,
    Rows,
    Runs,
    equal_runs,
    hours,
    kilowatts,
    rate_of,
    resolution,
    seconds,
    wall_clock,
)
from smd_notebook.errors import Finding
from smd_notebook.espi import codes

__all__ = ["missing_values", "negative", "qualities", "spike_candidates", "spikes", "stale", "units", "zero_runs"]

#: Quantities whose values may be compared with each other; what a register shows only ever grows or stands still.
_AMOUNTS = ("energy", "power", "volume")
#: Equal values are stale from this many on, and where chance makes fewer than `_CHANCE` such runs in all of a channel.
_STALE, _CHANCE = 6, 0.02
#: So many counts of a meter or fewer, as a gas meter makes in a day, repeat themselves readily; of these it takes as many.
_COUNTS, _STALE_COUNTS = 3, 24
#: Other runs tell how readily one goes on: so many before and after it, and those of its value, if they are at least this many.
_NEIGHBOURS, _FEW = 50, 3
#: Zeros are told of from this long on: of electricity that is used, which always is; of everything else [us].
_ZERO_USED, _ZERO_OTHER = DAY, 14 * DAY
#: A candidate for a spike is this many times what was reached on all days but this share of them (and at least one).
_SPIKE, _SPIKE_DAYS, _FEWEST_DAYS = 3.0, 0.01, 14
#: Qualities that are no record of what was used, and the share of others from which results are mostly guesswork.
_DOUBTFUL, _MUCH = ("questionable", "projected"), 0.1

_ELECTRIC = ("energy", "power", "apparent energy", "apparent power", "reactive energy", "reactive power", "voltage", "current")
_VOLUMES = ("volume", "volume, uncompensated", "volume, compensated", "flow", "flow, compensated", "flow, uncompensated")
#: What each service is measured in.
_DIMENSIONS: Mapping[str, tuple[str, ...]] = {
    "electricity": (*_ELECTRIC, "charge", "frequency", "power factor"),
    "gas": ("energy", *_VOLUMES, "pressure", "absolute pressure", "gauge pressure", "energy per volume"),
    "water": (*_VOLUMES, "pressure", "gauge pressure"),
    "sewerage": _VOLUMES,
    "heat": ("energy", "power", *_VOLUMES, "temperature", "relative temperature", "pressure", "mass"),
}
#: Units of energy that only heat is measured in.
_HEAT_ONLY = ("Btu", "therm", "Btu/h")


def _of(rows: Rows, chosen: Any) -> dict[str, Any]:
    """Return channel, start, end and number of some rows, as a finding has them."""
    return {
        "channel": rows.label,
        "start": seconds(rows.start[chosen].min()),
        "end": seconds(rows.end[chosen].max()),
        "n": int(chosen.sum()),
    }


def _at(rows: Rows, first: int, last: int) -> dict[str, Any]:
    """Return channel, start, end and number of the rows from `first` to `last`."""
    return {"channel": rows.label, "start": seconds(rows.start[first]), "end": seconds(rows.end[last]), "n": last - first + 1}


def _time(rows: Rows, runs: Runs) -> Any:
    """Return how long runs are [us]."""
    return rows.end[runs.last] - rows.start[runs.first]


def missing_values(rows: Rows) -> Iterator[Finding]:
    """Tell of each stretch of intervals that have no value."""
    missing = np.isnan(rows.value)
    if not missing.any():
        return
    runs = equal_runs(rows, missing)
    for first, last in runs.where(missing[runs.first]).pairs():
        text = "intervals have no value; their time counts as not covered"
        yield Finding("missing-value", "warning", text, "smd.fill closes gaps up to a limit.", **_at(rows, first, last))


# -- values that do not change ---------------------------------------------------------------------------------------------------------


def stale(rows: Rows) -> Iterator[Finding]:
    """Tell of runs of six or more equal values, not 0, that are longer than chance makes them in this channel.

    A meter that counts in large units shows equal values all the time. How readily a run goes on is taken from the other runs of the
    channel, of those around it, and of those of its value, each run counting once whatever its length: a meter that is stuck for a month
    does not excuse itself. Of one to three counts of the meter it takes 24 in a row.
    """
    if rows.measure not in _AMOUNTS or len(rows) < _STALE:
        return
    runs = equal_runs(rows, rows.value)
    runs = runs.where(~np.isnan(rows.value[runs.first]) & (rows.value[runs.first] != 0))
    n_runs = len(runs.first)
    if not n_runs:
        return
    long = runs.n > 1
    goes_on = np.maximum.reduce([np.full(n_runs, long.mean()), _of_same_value(rows.value[runs.first], long), _around(long)])
    by_chance = n_runs * goes_on ** (runs.n - 1.0)
    measured = np.array([name in codes.MEASURED for name in rows.quality] + [True])[rows.quality_of]
    few_counts = np.abs(rows.value[runs.first]) <= _COUNTS * (1 + 1e-9) * resolution(rows.value[measured])
    # what is all one run has nothing to be measured by
    chosen = (runs.n >= np.where(few_counts, _STALE_COUNTS, _STALE)) & ((by_chance < _CHANCE) | (n_runs == 1))
    for first, last in runs.where(chosen).pairs():
        time = int(rows.end[last] - rows.start[first])
        text = f"the same value, not 0, stands in {last - first + 1} intervals in a row ({hours(time)}); perhaps the meter was stuck"
        hint = "Look at it; leave it out where it is not what you expect: it counts as measured."
        yield Finding("stale", "warning", text, hint, **_at(rows, first, last), value=time / HOUR)


def _around(long: Flags) -> Floats:
    """Return for each run the share of the runs around it, without itself, that are longer than one."""
    place = np.arange(long.size)
    low, high = np.maximum(place - _NEIGHBOURS, 0), np.minimum(place + _NEIGHBOURS + 1, long.size)
    sums = np.concatenate([[0], np.cumsum(long)])
    share: Floats = (sums[high] - sums[low] - long) / np.maximum(high - low - 1, 1)
    return share


def _of_same_value(value: Floats, long: Flags) -> Floats:
    """Return for each run the share of the other runs of its value that are longer than one; 0 where these are too few to tell."""
    of = np.unique(value, return_inverse=True)[1].ravel()
    others = np.bincount(of)[of] - 1
    return np.where(others >= _FEW, (np.bincount(of, weights=long)[of] - long) / np.maximum(others, 1), 0.0)


def zero_runs(rows: Rows) -> Iterator[Finding]:
    """Tell of long runs of zeros: a day of electricity that is used, two weeks of anything else."""
    if rows.measure not in _AMOUNTS:
        return
    used = rows.service == "electricity" and rows.flow in ("delivered", "total")
    zero = rows.value == 0
    runs = equal_runs(rows, zero)
    runs = runs.where(zero[runs.first])
    for first, last in runs.where(_time(rows, runs) >= (_ZERO_USED if used else _ZERO_OTHER)).pairs():
        long = int(rows.end[last] - rows.start[first])
        numbers: dict[str, Any] = {**_at(rows, first, last), "value": long / HOUR}
        if used:
            text = f"nothing at all was used for {hours(long)}, which few homes manage; perhaps nothing was metered"
            yield Finding("zero-run", "warning", text, "If the power was not out, count this time as missing.", **numbers)
        else:
            yield Finding("zero-run", "info", f"every value is 0 for {hours(long)}", "A zero counts as measured.", **numbers)


# -- values that cannot be, or hardly --------------------------------------------------------------------------------------------------


def negative(rows: Rows) -> Iterator[Finding]:
    """Tell of negative values where the direction of flow is stated by the channel."""
    if rows.measure not in _AMOUNTS or rows.flow not in ("delivered", "received", "total"):
        return
    below = rows.value < 0
    if below.any():
        text = f"values of a channel that is all {rows.flow} are negative; `value` is their share of the intervals"
        hint = "Perhaps it is a net of both directions, or a correction; nothing is clipped."
        yield Finding("negative", "warning", text, hint, **_of(rows, below), value=float(below.mean()))


def spikes(rows: Rows, service_kw: float) -> Iterator[Finding]:
    """Tell of power above what the service can carry [kW]."""
    power = kilowatts(rows)
    if power is None:
        return
    above = np.abs(power) > service_kw
    runs = equal_runs(rows, above)
    for first, last in runs.where(above[runs.first]).pairs():
        ratio = float(np.abs(power[first : last + 1]).max() / service_kw)
        text = f"power is up to {ratio:.3g} times the {service_kw:g} kW that the service is said to carry"
        yield Finding(
            "spike", "warning", text, "Leave these intervals out, or say what the service carries.", **_at(rows, first, last), value=ratio
        )


def spike_candidates(rows: Rows) -> Iterator[Finding]:
    """Tell of values far beyond what was reached on any day but the one in a hundred that has the highest.

    That a value is rare says little of a load, in which high values come in clusters: the usual tests of outliers flag a tenth of a
    year. A factor beyond all other days is what a wrong digit, or a month's energy in one interval, looks like.
    """
    if rows.measure not in _AMOUNTS or not len(rows) or np.median(rows.length) > 25 * HOUR:
        return
    rate = rate_of(rows)
    known = np.flatnonzero(~np.isnan(rate))
    if not known.size:
        return
    day = wall_clock(rows.start[known], rows.zone) // DAY
    heads = np.flatnonzero(np.diff(day, prepend=day[0] - 1))
    highest = np.maximum.reduceat(rate[known], heads)
    if highest.size < _FEWEST_DAYS:
        return
    few = int(np.ceil(_SPIKE_DAYS * highest.size))
    usual = float(np.partition(highest, -few - 1)[-few - 1])
    if usual <= 0:
        return
    above = np.nan_to_num(rate, nan=0.0) > _SPIKE * usual
    runs = equal_runs(rows, above)
    for first, last in runs.where(above[runs.first]).pairs():
        ratio = float(np.nanmax(rate[first : last + 1]) / usual)
        text = f"up to {ratio:.3g} times what was reached on any other day, but for {few} of {highest.size}; perhaps a wrong value"
        yield Finding("spike-candidate", "info", text, "Look at it; nothing is left out.", **_at(rows, first, last), value=ratio)


# -- what the feed says of them --------------------------------------------------------------------------------------------------------


def qualities(rows: Rows) -> Iterator[Finding]:
    """Tell what share of the intervals is not plainly measured, by the feed's own quality codes."""
    counts = np.bincount(rows.quality_of[rows.quality_of >= 0], minlength=len(rows.quality))
    for number, name in enumerate(rows.quality):
        if not counts[number] or name in codes.MEASURED:
            continue
        chosen = rows.quality_of == number
        share = float(chosen.mean())
        text = f"{share:.2%} of the intervals are {name.replace('_', ' ')}, by the feed's own codes".replace("%", " %")
        numbers = {**_of(rows, chosen), "value": share}
        if name in _DOUBTFUL or share > _MUCH:
            yield Finding("quality", "warning", text, "n_flagged counts them in every result of smd.resample.", **numbers)
        else:
            yield Finding("quality", "info", text, "n_flagged counts them in every result of smd.resample.", **numbers)


def units(rows: Rows) -> Iterator[Finding]:
    """Tell of a unit that is not known, or that the service is not measured in."""
    if not rows.unit or rows.unit.startswith("uom"):
        text = f"the unit code {rows.unit[3:]} is not in the standard's list" if rows.unit else "nothing says which unit the values are in"
        hint = "Values are as written; ask the utility for the unit."
        yield Finding("unit-unknown", "warning", text, hint, channel=rows.label, n=len(rows) + rows.n_untimed)
        return
    allowed = _DIMENSIONS.get(rows.service)
    dimension = codes.dimension_of(rows.unit)
    if allowed is None or dimension is None:
        return
    if dimension not in allowed or (rows.service == "electricity" and rows.unit in _HEAT_ONLY):
        text = f"{rows.service} is not measured in {rows.unit}; the one or the other is wrong"
        hint = "Ask the utility which; until then take the numbers for neither."
        yield Finding("unit-service", "warning", text, hint, channel=rows.label, n=len(rows) + rows.n_untimed)
