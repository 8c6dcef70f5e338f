"""Feeds to xarray: a Dataset where all channels share their steps, a DataTree always. Time is naive UTC, as CF and files need it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from smd_notebook.errors import ConfigurationError
from smd_notebook.espi import codes
from smd_notebook.espi.model import MISSING, MISSING_SMALL, Document
from smd_notebook.frames import costs_of, values_of
from smd_notebook.selection import Series

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["METHODS", "cf_unit", "dataset", "datatree", "group_names", "time_coords"]

METHODS = {"energy": "time: sum", "volume": "time: sum", "power": "time: mean", "register": "time: point"}
_FILL = np.int16(MISSING_SMALL)


def dataset(series: Sequence[Series], document: Document) -> xr.Dataset:
    """Return one Dataset of channels that share their steps and zone.

    Parameters
    ----------
    series : sequence of Series
        Resolved rows, as `selection.series_of` gives them.
    document : Document
        The document they are of.

    Returns
    -------
    Dataset
        A variable for each channel, named after its label, over `time` (interval start, naive UTC), with `time_bnds` (time, bnds) and
        the coordinates `local_time`, `local_date` and `utc_offset` [s]; quality, TOU and cost beside it where the feed has them.

    Raises
    ------
    ConfigurationError
        Where channels have unlike steps or zones; it names the groups of the DataTree.
    """
    import xarray as xr

    known = [_known(one) for one in series]
    ends: dict[int, int] = {}
    unlike = len({one.zone for one in series}) > 1 or len({one.channel.interval_length for one in series}) > 1
    for one, rows in zip(series, known, strict=True):
        start, end = one.readings.start[rows].tolist(), (one.readings.start + one.readings.duration)[rows].tolist()
        unlike = unlike or len(set(start)) < len(start)  # intervals of unlike length that begin together
        unlike = unlike or any(ends.setdefault(at, until) != until for at, until in zip(start, end, strict=True))
    if unlike:
        groups = ", ".join(repr(name) for name in group_names(series))
        raise ConfigurationError(
            "the channels have unlike steps or zones and do not fit one Dataset",
            hint=f"Select one, or use feed.to_datatree() or xarray.open_datatree(); its groups are {groups}.",
        )
    starts = np.array(sorted(ends), dtype=np.int64)
    variables: dict[str, Any] = {}
    names = _unique([_sanitized(one.channel.label) for one in series])
    for one, rows, name in zip(series, known, names, strict=True):
        places = np.searchsorted(starts, one.readings.start[rows])
        variables |= _variables(one, rows, places, len(starts), name, document, prefix=f"{name}_")
    coords = time_coords(starts, np.array([ends[at] for at in starts.tolist()], dtype=np.int64), series[0].zone if series else "UTC")
    attrs = {"Conventions": "CF-1.11", "title": "Green Button (ESPI) readings", "zone": series[0].zone if series else "UTC"}
    return xr.Dataset(variables, coords, attrs)


def datatree(series: Sequence[Series], document: Document) -> xr.DataTree:
    """Return a DataTree with a group a channel, such as ``up1/delivered``, each with its own time axis.

    Parameters
    ----------
    series : sequence of Series
        Resolved rows, as `selection.series_of` gives them.
    document : Document
        The document they are of.

    Returns
    -------
    DataTree
        Groups as `group_names` names them; their attrs hold the label, the usage point and the address of the MeterReading.
    """
    import xarray as xr

    groups: dict[str, xr.Dataset] = {"/": xr.Dataset(attrs={"Conventions": "CF-1.11", "title": "Green Button (ESPI) readings"})}
    for name, one in zip(group_names(series), series, strict=True):
        rows = _known(one)
        start = one.readings.start[rows]
        main = one.channel.measure if one.channel.measure != "other" else "value"
        variables = _variables(one, rows, np.arange(len(start)), len(start), main, document, prefix="")
        attrs = {
            "channel": one.channel.label,
            "usage_point": one.channel.usage_point,
            "href": one.channel.meter_reading.entry.href,
            "service": one.channel.service or "",
            "flow": one.channel.flow,
            "zone": one.zone,
        }
        groups[f"/{name}"] = xr.Dataset(variables, time_coords(start, start + one.readings.duration[rows], one.zone), attrs)
    return xr.DataTree.from_dict(groups)


def group_names(series: Sequence[Series]) -> list[str]:
    """Return the DataTree's group of each channel: ``up<k>/`` and its flow, or its label where that does not tell it apart."""
    points = list(dict.fromkeys(sorted(one.channel.usage_point for one in series)))
    stems = [(one.channel.usage_point, one.channel.flow) for one in series]
    seen = Counter(stems)
    names = [
        one.channel.flow if one.channel.flow != "unstated" and seen[stem] == 1 else _sanitized(one.channel.label)
        for one, stem in zip(series, stems, strict=True)
    ]
    return _unique([f"up{points.index(one.channel.usage_point) + 1}/{name}" for one, name in zip(series, names, strict=True)])


def _known(one: Series) -> Any:
    """Return the rows that have a start, in its order."""
    return np.flatnonzero(one.readings.start != MISSING)


def _variables(one: Series, rows: Any, places: Any, n: int, name: str, document: Document, *, prefix: str) -> dict[str, Any]:
    channel, readings = one.channel, one.readings

    def spread(values: Any) -> Any:
        if len(values) == n and len(places) == n:
            return values
        column = np.full(n, np.nan, dtype=values.dtype)
        column[places] = values
        return column

    attrs = {"long_name": channel.label, "units": cf_unit(channel.unit), "flow": channel.flow, "measure": channel.measure}
    if channel.measure in METHODS:
        attrs["cell_methods"] = METHODS[channel.measure]
    found: dict[str, Any] = {name: ("time", spread(values_of(one)[rows]), attrs)}
    flagged = {
        "quality": (readings.quality, codes.QUALITY),
        "tou": (readings.tou, _tou_words(document)),
        "tier": (readings.tier, {}),
        "cpp": (readings.cpp, {}),
    }
    for flag, (column, words) in flagged.items():
        if (column[rows] != MISSING_SMALL).any():
            numbers = np.where(column[rows] == MISSING_SMALL, np.nan, column[rows]).astype(np.float32)
            about: dict[str, Any] = {"long_name": f"{flag} of {channel.label}"}
            listed = sorted({int(code) for code in numbers[~np.isnan(numbers)]} | set(words))
            about["flag_values"] = np.array(listed, dtype=np.int16)
            about["flag_meanings"] = " ".join(_sanitized(words.get(code, f"{flag}{code}")) for code in listed)
            found[prefix + flag] = ("time", spread(numbers), about, {"dtype": "int16", "_FillValue": _FILL})
    cost = costs_of(one)[rows]
    if not np.isnan(cost).all():
        found[prefix + "cost"] = ("time", spread(cost), {"long_name": f"cost of {channel.label}", "units": channel.currency or "1"})
    return found


def _tou_words(document: Document) -> dict[int, str]:
    programs = [program for mappings in document.program_mappings for program in mappings.programs]
    return {one.code: one.name for one in programs if one.name and one.code is not None and (one.kind or "tou").lower() == "tou"}


def time_coords(start: Any, end: Any, zone: str) -> dict[str, Any]:
    """Return coordinates of intervals [s since 1970]: time and its bounds in UTC, and what the wall clock shows."""
    import pandas as pd

    time = start.astype("datetime64[s]").astype("datetime64[us]")
    local = pd.DatetimeIndex(time, tz="UTC").tz_convert(zone).tz_localize(None).to_numpy().astype("datetime64[us]")
    offset = ((local - time) // np.timedelta64(1, "s")).astype(np.int32)
    seconds = {"units": "seconds since 1970-01-01", "dtype": "int64"}
    bounds = (
        np.stack([time, end.astype("datetime64[s]").astype("datetime64[us]")], axis=1) if len(time) else np.empty((0, 2), "datetime64[us]")
    )
    day = local.astype("datetime64[D]").astype("datetime64[us]")
    return {
        "time": ("time", time, {"standard_name": "time", "axis": "T", "bounds": "time_bnds", "long_name": "interval start (UTC)"}, seconds),
        "time_bnds": (("time", "bnds"), bounds, {}, seconds),
        "local_time": ("time", local, {"long_name": f"interval start, wall clock of {zone}"}, seconds),
        "local_date": ("time", day, {"long_name": f"date in {zone}"}, seconds),
        "utc_offset": ("time", offset, {"long_name": "offset of local time from UTC, in seconds"}),
    }


def cf_unit(symbol: str | None) -> str:
    """Return a unit as UDUNITS spells it, where it differs."""
    return {None: "1", "Wh": "W h", "VAh": "V A h", "VA": "V A", "varh": "V A h", "var": "V A", "degC": "degC"}.get(symbol, symbol or "1")


def _sanitized(label: str) -> str:
    return re.sub(r"\W+", "_", label).strip("_") or "value"


def _unique(names: Sequence[str]) -> list[str]:
    """Return the names, numbered where they repeat or are a coordinate's."""
    seen = Counter(("time", "time_bnds", "local_time", "local_date", "utc_offset"))
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return found
