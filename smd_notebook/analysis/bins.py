"""Put intervals of any length into bins of local wall-clock time, without losing or inventing energy.

Wall clocks only decide where bins begin (`edges`); the rest is arithmetic on microseconds of UTC since 1970.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeGuard

import numpy as np
import pandas as pd

from smd_notebook.analysis.billing import billing_periods
from smd_notebook.analysis.edges import Bins, check_zone, distinct, parse, period_of, utc_us
from smd_notebook.analysis.passport import stamp
from smd_notebook.analysis.spread import NEVER, Intervals, check_coverage, clean, sums, watts
from smd_notebook.errors import ConfigurationError, UnitError, warn
from smd_notebook.espi import codes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from smd_notebook.feed import Feed

    Ints = NDArray[np.int64]

__all__ = ["resample"]

COLUMNS = (
    *("usage_point", "channel", "service", "measure", "flow", "zone", "start", "end", "value", "unit", "mean_power", "max_power", "max_at"),
    *("coverage", "n_intervals", "n_flagged", "native_interval"),
)
_LABELS = ("service", "measure", "flow", "zone", "unit")  # one value each in a channel
_TIDY = ("usage_point", "channel", *_LABELS, "start", "end", "value", "quality")

_DTYPES = dict.fromkeys(("start", "end", "max_at", "n_intervals", "n_flagged", "native_interval"), "i8")

_METHOD = "energy spread evenly over each interval, summed in wall-clock bins; power as its time-weighted mean"
_CALTRACK = "CalTRACK 2.0 methods, 2.2.2.1"


def is_binned(x: Any) -> TypeGuard[pd.DataFrame]:
    """Say whether this is what `resample` returned."""
    return isinstance(x, pd.DataFrame) and {"coverage", "n_flagged"} <= set(x.columns)


def tidy_frame(x: Any, *, untimed: bool = False) -> pd.DataFrame:
    """Return the tidy frame of a Feed, or the frame that was given, if it has the columns that are needed.

    Rows without a time have no place in bins, days or figures; they are left out with a warning, unless they are asked for.
    """
    if isinstance(x, pd.DataFrame) and "coverage" in x.columns:
        raise ConfigurationError("this is in bins already", hint="Bin the intervals that it was made from: bins hide what is missing.")
    frame = frame_of(x, _TIDY)
    nowhere = (frame["start"].isna() | frame["end"].isna()).to_numpy(dtype=bool)
    if untimed or not nowhere.any():
        return frame
    warn(f"{nowhere.sum()} of {nowhere.size} intervals have no time and are left out; smd.check(x) says of which channels")
    return frame[~nowhere]


def frame_of(x: Any, needed: Sequence[str]) -> pd.DataFrame:
    """Return the tidy frame of a Feed, or the frame that was given, in bins or not, if it has the columns that are needed."""
    frame = x.tidy() if hasattr(x, "tidy") else x
    if not isinstance(frame, pd.DataFrame):
        raise ConfigurationError(f"expected a Feed or a tidy DataFrame, not {type(x).__name__}", hint="Read one with smd.read(...).")
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise ConfigurationError(f"not a tidy frame: no column {', '.join(missing)}", hint="Take what feed.tidy() returns.")
    return frame


def _numbered(names: pd.Series[Any]) -> Ints:
    """Return numbers for names in order of appearance. They come in long runs, which beats looking each one up tenfold."""
    values: Any = names.array
    changed = pd.array(values[1:] != values[:-1], dtype="boolean").fillna(True).to_numpy(dtype=bool)
    heads = np.flatnonzero(np.concatenate([[True], changed])) if len(values) else np.empty(0, dtype="i8")
    return np.repeat(pd.factorize(names.iloc[heads])[0].astype("i8"), np.diff(heads, append=len(values)))


def labels_of(frame: pd.DataFrame) -> Ints:
    """Return for each row the number of its channel, in order of appearance."""
    point, channel = _numbered(frame["usage_point"]), _numbered(frame["channel"])
    pair = point * (int(channel.max(initial=0)) + 1) + channel
    steps = np.flatnonzero(np.diff(pair, prepend=-1))
    return np.repeat(pd.factorize(pair[steps])[0].astype("i8"), np.diff(steps, append=pair.size))


def channels(frame: pd.DataFrame) -> Iterator[slice | Ints]:
    """Yield the rows of each channel in order of appearance.

    Raises
    ------
    UnitError
        If rows of one channel differ in service, measure, flow, zone or unit.
    """
    key = labels_of(frame)
    order = None if (key[1:] >= key[:-1]).all() else np.argsort(key, kind="stable")
    cuts = np.concatenate([[0], np.cumsum(np.bincount(key))]) if key.size else np.zeros(1, dtype="i8")
    kinds = {name: frame[name].astype("category").cat.codes.to_numpy() for name in _LABELS if name in frame.columns}
    for low, high in pairwise(cuts.tolist()):
        rows = slice(low, high) if order is None else order[low:high]
        for name, kind in kinds.items():
            if (kind[rows] != kind[rows][0]).any():
                label = frame["channel"].iloc[rows].iloc[0]
                raise UnitError(f"channel {label!r} has rows of unlike {name}", hint="Give them channel labels of their own.")
        yield rows


class _Kind(NamedTuple):
    """What the rows of one channel have in common; None where it is not known."""

    usage_point: str
    channel: str
    service: str | None
    measure: str | None
    zone: str | None
    unit: str | None


def kinds_of(frame: pd.DataFrame, firsts: Ints) -> list[_Kind]:
    """Return the kinds of channels, given by their first rows."""
    columns = [[None if pd.isna(kind) else str(kind) for kind in frame[name].array.take(firsts)] for name in _Kind._fields]
    return [_Kind(str(point), str(channel), *rest) for point, channel, *rest in zip(*columns, strict=True)]


def zone_of(one: pd.DataFrame) -> str:
    """Return the zone of a channel: its own, else that of its times."""
    zone = one["zone"].iloc[0]
    return check_zone(str(pd.DatetimeIndex(one["start"]).tz) if pd.isna(zone) else str(zone))


def watts_of(one: pd.DataFrame) -> float:
    """Return what turns the values of a channel, per hour where they are energy, into W; missing unless it is electric."""
    service, measure, unit = (None if pd.isna(one[name].iloc[0]) else str(one[name].iloc[0]) for name in ("service", "measure", "unit"))
    return watts(service, measure, unit)


def valid_of(one: pd.DataFrame) -> Intervals:
    """Return the valid intervals of a channel in order of time.

    Raises
    ------
    SmdError
        If intervals overlap, or hold energy but have no length.
    """
    start, end = utc_us(one["start"]), utc_us(one["end"])
    value = one["value"].to_numpy(dtype="float64", na_value=np.nan)
    given = Intervals(start, end, value, np.zeros(len(one), dtype=bool), end - start)
    return clean(given, str(one["channel"].iloc[0]), overlaps="error", additive=one["measure"].iloc[0] != "power")


def why_not(measure: str | None) -> str:
    """Say why values of this measure have no place in bins or profiles; empty where they have."""
    if measure == "register":
        return "a register shows a running total, so adding its reads counts the same energy many times"
    if measure in ("other", None):  # no reading type, no measure
        return "it is not known whether its values may be added"
    return ""


def _check_kinds(kinds: list[_Kind]) -> None:
    """Refuse channels that cannot be added."""
    refused: dict[str, set[str]] = {}
    for kind in kinds:
        refused.setdefault(why_not(kind.measure), set()).add(repr(kind.channel))
    refused.pop("", None)
    for why, names in refused.items():
        text = f"cannot bin {', '.join(sorted(names))}: {why}"
        raise UnitError(text, hint='Leave it out: frame[frame["measure"] == "energy"], of feed.tidy().')


def flagged_of(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows are of another quality than that of a plain measurement."""
    quality = frame["quality"].astype("category")
    return np.array([str(name) not in codes.MEASURED for name in quality.cat.categories] + [False])[quality.cat.codes]


def edges_of(x: Any, wanted: Bins, usage_point: str, service: str | None, first: int, last: int, zone: str) -> tuple[Ints, Any]:
    """Return the edges of all bins that hold some time between two instants [us], and which bins count: all but those in no bill."""
    if wanted.name != "bill":
        return wanted.between(first, last, zone), slice(None)
    begin, end = billing_periods(x, usage_point, service)
    edges = wanted._replace(edges=distinct(np.append(begin, end))).between(first, last, zone)
    return edges, np.isin(edges[:-1], begin)


def _mask(part: dict[str, NDArray[Any]], min_coverage: float, scale: str | None, *, additive: bool) -> None:
    """Take away what is covered too little, and scale up the rest where that is asked for."""
    coverage = part["coverage"]
    keep = coverage >= min_coverage
    if scale == "caltrack":
        keep &= coverage > 0.5
        if additive:  # a mean power needs no scaling
            part["value"] = np.divide(part["value"], coverage, out=part["value"].copy(), where=keep)
    for name in ("value", "mean_power", "max_power"):
        part[name][~keep] = np.nan
    part["max_at"][~keep] = NEVER


def _assemble(
    frame: pd.DataFrame, parts: list[dict[str, NDArray[Any]]], firsts: Ints, zones: list[str], *, own: str, tz: str | None
) -> pd.DataFrame:
    """Put the bins of all channels into one frame, with the labels of each channel's first row."""
    sizes = [part["start"].size for part in parts]
    rows = np.repeat(firsts, sizes)
    zone: Any = "UTC" if len(set(zones)) > 1 else zones[0] if zones else own
    if zone == own:
        zone = pd.DatetimeIndex(frame["start"]).tz  # the same object, so that frames concatenate
    columns: dict[str, Any] = {name: frame[name].array.take(rows) for name in ("usage_point", "channel", *_LABELS)}
    if tz is not None:
        columns["zone"] = pd.Categorical([str(tz)] * rows.size, categories=[str(tz)])
    for name in ("start", "end", "value", "mean_power", "max_power", "max_at", "coverage", "n_intervals", "n_flagged", "native_interval"):
        numbers = np.concatenate([part[name] for part in parts]) if parts else np.empty(0, dtype=_DTYPES.get(name, "f8"))
        if name in ("start", "end", "max_at"):
            columns[name] = pd.DatetimeIndex(numbers.view("M8[us]")).tz_localize("UTC").tz_convert(zone)
        else:
            columns[name] = numbers.view("m8[us]") if name == "native_interval" else numbers
    return pd.DataFrame({name: columns[name] for name in COLUMNS})


def resample(
    x: Feed | pd.DataFrame,
    bins: str | Sequence[datetime | str] | pd.DatetimeIndex,
    *,
    tz: str | None = None,
    min_coverage: float = 0,
    scale: Literal["caltrack"] | None = None,
    overlaps: Literal["error", "first", "last", "mean"] = "error",
) -> pd.DataFrame:
    """Put the intervals of each channel into bins of local time, and say how much of each bin is covered.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_intervals, n_columns)
        Tidy intervals, labelled by their start.
    bins : str or sequence of times
        ``"15min"``, ``"1h"``, ``"4h"`` ... ``"1D"`` (counted from local midnight of each day), ``"1W"`` (ISO, from Monday), ``"1MS"``,
        ``"1YS"``, or edges, shape (n_bins + 1,): with a zone, or without one as local wall-clock times; one that the clock skips
        in spring is the instant of its jump. Or ``"bill"``: the billing periods that a Feed states for each usage point (`Feed.bills`).
        What lies outside the edges or in no billing period is left out.
    tz : str, optional
        IANA zone of the bins; by default the zone of each channel.
    min_coverage : float, default 0
        Value and powers of bins that are covered less than this are missing [1].
    scale : {"caltrack"}, optional
        Scale energy and volume up to full coverage, where more than half of the bin is covered; missing elsewhere.
    overlaps : {"error", "first", "last", "mean"}, default "error"
        What counts where intervals overlap: the first or the last row, or the mean of all.

    Returns
    -------
    DataFrame, shape (n_bins_of_all_channels, 17)
        Channels in order of appearance, bins in order of time, from the first to the last that a channel has intervals in; a bin in
        between without any has coverage 0. `value` [unit] is the sum of energy or volume, or the time-weighted mean of power;
        `mean_power` [W] is taken over the covered time, `max_power` [W] is that of the highest interval and `max_at` its first
        instant within the bin; both are missing for what is not electric energy or power, the maximum also where an interval is
        longer than the bin. `coverage` is covered over elapsed time [1], `n_flagged` counts intervals whose quality is not that of a
        plain measurement (estimated, edited, derived ...), `native_interval` is the longest interval that contributes.

    Raises
    ------
    UnitError
        If a channel holds register reads or quantities that cannot be added, or mixes units.
    TimeZoneError
        If a zone is not known, or naive edges are ambiguous in it.
    ConfigurationError
        If an argument is not understood, `x` is not a tidy frame, or a usage point has no bills to take the bins from.
    SmdError
        If intervals or billing periods overlap, or intervals hold energy but have no length; and if the bins did not hold what the
        intervals hold, which is checked every time.

    Notes
    -----
    An interval of energy E and length T that shares time t with a bin gives it E t / T. Missing values cover nothing. A bin is as long as
    it takes: a day of 23, 24 or 25 hours. An hour that the clock shows twice makes two bins of an hour, one that it skips makes none;
    longer bins just go on.

    References
    ----------
    CalTRACK 2.0 methods, 2.2.2.1, for `scale`. NAESB REQ.21 (ESPI) ReadingType, IntervalReading, ReadingQuality for the quantities.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> spring = smd.sample("lapse2024").select(channel="electricity delivered (1)", start="2024-03-10", end="2024-03-11")
    >>> resample(spring, "1D")[["value", "mean_power", "coverage", "n_intervals"]].round(6).to_dict("records")
    [{'value': 16493.0, 'mean_power': 717.086957, 'coverage': 1.0, 'n_intervals': 92}]
    >>> resample(spring, "4h")["n_intervals"].tolist()
    [12, 16, 16, 16, 16, 16]
    """
    check_coverage(min_coverage)
    if scale not in (None, "caltrack") or overlaps not in ("error", "first", "last", "mean"):
        raise ConfigurationError("scale or overlaps is not known", hint='scale="caltrack"; overlaps="error", "first", "last" or "mean".')
    frame, wanted = tidy_frame(x), parse(bins)
    groups = list(channels(frame))
    firsts = np.array([rows.start if isinstance(rows, slice) else rows[0] for rows in groups], dtype="i8")
    kinds = kinds_of(frame, firsts)
    _check_kinds(kinds)
    start, end = utc_us(frame["start"]), utc_us(frame["end"])
    value = frame["value"].to_numpy(dtype="float64", na_value=np.nan)
    given = Intervals(start, end, value, flagged_of(frame), end - start)
    own = str(pd.DatetimeIndex(frame["start"]).tz)
    zones: list[str] = []
    parts: list[dict[str, NDArray[Any]]] = []
    known: dict[Any, tuple[Ints, Any]] = {}
    for rows, kind in zip(groups, kinds, strict=True):
        zone = check_zone(str(tz or kind.zone or own))
        one = given.take(rows)
        additive = kind.measure != "power"
        found = clean(one, kind.channel, overlaps=overlaps, additive=additive)
        asked_for = zone, int(one.start.min()), int(one.end.max()), *((kind.usage_point, kind.service) if wanted.name == "bill" else ())
        if asked_for not in known:
            known[asked_for] = edges_of(x, wanted, kind.usage_point, kind.service, asked_for[1], asked_for[2], zone)
        edges, counting = known[asked_for]
        part = sums(found, edges, watts(kind.service, kind.measure, kind.unit), additive=additive)
        part = {name: column[counting] for name, column in part.items()}
        _mask(part, min_coverage, scale, additive=additive)
        parts.append(part)
        zones.append(zone)
    out = _assemble(frame, parts, firsts, zones, own=own, tz=tz)
    ends = [(part["start"][0], part["end"][-1], zone) for part, zone in zip(parts, zones, strict=True) if part["start"].size]
    inputs: dict[str, Any] = {"bins": wanted.name, "channels": len(parts), "intervals": len(frame), "period": period_of(ends)}
    asked = {"min_coverage": min_coverage or None, "scale": scale, "overlaps": None if overlaps == "error" else overlaps}
    inputs |= {name: choice for name, choice in asked.items() if choice is not None}
    return stamp(out, definition=_METHOD, inputs=inputs, source=_CALTRACK if scale else "")
