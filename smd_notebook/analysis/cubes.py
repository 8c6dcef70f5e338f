"""Analysis of many meters as arrays: a cohort's Dataset (meter x time) in, a small Dataset out, by the definitions of one meter.

The functions are called as those of tidy frames are: ``cubes.profile(cube)`` has the numbers of ``smd.profile(frame)``. What is lazy stays
lazy: numbers are computed by dask, some meters at a time, when they are asked for.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from smd_notebook.analysis import kernels
from smd_notebook.analysis.bins import why_not
from smd_notebook.analysis.edges import DAY, HOUR, SECOND, parse, wall_us
from smd_notebook.analysis.profiles import Asked, asked_for
from smd_notebook.analysis.series import length_words, rate_of, too_long
from smd_notebook.analysis.spread import check_coverage, watts
from smd_notebook.datasets import cf_unit, time_coords
from smd_notebook.errors import ConfigurationError, UnitError
from smd_notebook.espi import codes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date, datetime

    import pandas as pd
    import xarray as xr
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["duration_curve", "profile", "resample"]

_MEASURED = [code for code, name in codes.QUALITY.items() if name in codes.MEASURED]


class _Axis(NamedTuple):
    """What the intervals of a cube have in common."""

    start: Ints  # [us]
    end: Ints
    zone: str
    unit: str | None
    additive: bool
    factor: float  # what turns value per microsecond, or the power, into the rate
    rate_unit: str
    watts: float  # what turns energy per hour, or power, into W; missing where it is no electricity


def _axis(cube: xr.Dataset, what: str) -> _Axis:
    """Return what the intervals of a cube have in common.

    Raises
    ------
    ConfigurationError
        If it is not what `Cohort.dataset` returns, or intervals overlap.
    UnitError
        If its values have no place in bins and profiles.
    """
    names = {*getattr(cube, "variables", ())}
    if not {"value", "time", "time_bnds"} <= names or not {"zone", "measure"} <= set(cube.attrs) or "time" not in cube["value"].dims:
        raise ConfigurationError(f"{what} is made of what cohort.dataset() returns", hint="For tidy frames there is smd.analysis.")
    measure, service, unit = (cube.attrs.get(name) for name in ("measure", "service", "unit"))
    if why := why_not(measure):
        raise UnitError(f"{what} cannot be had of {cube.attrs.get('table', 'this')}: {why}", hint="Select meters of energy or power.")
    start, end = cube["time_bnds"].transpose("bnds", "time").to_numpy().astype("M8[us]").astype("i8")
    if not start.size or (start[1:] < end[:-1]).any() or (end <= start).any():
        raise ConfigurationError("there is no time left, or it does not go forward", hint='Sort it: cube.sortby("time").')
    additive = measure != "power"
    return _Axis(start, end, cube.attrs["zone"], unit, additive, *rate_of(service, measure, unit), watts(service, measure, unit))


def _values(cube: xr.Dataset) -> xr.DataArray:
    """Return the values; of bins, those of the ones that are covered wholly."""
    value = cube["value"]
    return value.where(cube["coverage"] >= 1) if "time" in getattr(cube.get("coverage"), "dims", ()) else value


def _mapped(kernel: Callable[..., Any], arrays: Sequence[xr.DataArray], dims: Mapping[str, int], attrs: Mapping[str, Any]) -> xr.DataArray:
    """Put other dimensions in the place of time, by a kernel that takes rows and returns as many.

    It is what `xarray.apply_ufunc` does, but for a copy of each block that dask makes for that.
    """
    import xarray as xr

    work = partial(kernels.in_tens, kernel, shape=tuple(dims.values()))
    given = [one.transpose(..., "time") for one in arrays]
    first = given[0]
    if first.chunks is None:
        out = work(*(one.to_numpy() for one in given))
    else:
        last = first.ndim - 1
        whole = [one.data.rechunk({last: -1}) for one in given]
        sizes = [(size,) for size in dims.values()]
        new = list(range(last, last + len(sizes)))
        out = whole[0].map_blocks(work, *whole[1:], dtype="f8", chunks=(*whole[0].chunks[:-1], *sizes), drop_axis=last, new_axis=new)
    coords = {name: coord for name, coord in first.coords.items() if "time" not in coord.dims}
    return xr.DataArray(out, coords, (*first.dims[:-1], *dims), attrs=dict(attrs))


def resample(cube: xr.Dataset, bins: str | Sequence[datetime | str] | pd.DatetimeIndex, *, min_coverage: float = 0) -> xr.Dataset:
    """Put the intervals of all meters into bins of local time, as `smd.resample` does.

    Parameters
    ----------
    cube : Dataset, dims (meter, time)
        What `Cohort.dataset` returns.
    bins : str or sequence of times
        As in `smd.resample`, but for ``"bill"``.
    min_coverage : float, default 0
        Value and powers of bins that are covered less than this are missing [1].

    Returns
    -------
    Dataset, dims (meter, time)
        `value` [unit], `mean_power` and `max_power` [W] where it is electricity, `coverage` [1], `n_intervals` and `n_flagged`, as there;
        `time` is the start of a bin (UTC), `time_bnds` are its bounds. Each is computed only if it is asked for. Bins are those of the
        whole cube: before a meter's first interval and after its last they are missing, with coverage 0.

    Raises
    ------
    ConfigurationError
        If an argument is not understood, or `cube` is something else, or in bins already.
    UnitError
        If its values cannot be added.

    Examples
    --------
    >>> import smd_notebook as smd, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cohort = smd.Cohort.read(smd.sample_cohort(3, seed=1), store=folder + "/homes.zarr", progress=False)
    ...     cube = cohort.select(table="electricity-delivered-15min").dataset()
    ...     dict(smd.analysis.cubes.resample(cube, "1D")["value"].sizes)
    {'meter': 2, 'time': 365}
    """
    check_coverage(min_coverage)
    axis, wanted = _axis(cube, "a sum in bins"), parse(bins)
    if "time" in getattr(cube.get("coverage"), "dims", ()):
        raise ConfigurationError("this is in bins already", hint="Bin the intervals that it was made from: bins hide what is missing.")
    if wanted.name == "bill":
        raise ConfigurationError("a cohort keeps no bills to take the bins from", hint="See smd.resample of a Feed.")
    edges = wanted.between(int(axis.start[0]), int(axis.end[-1]), axis.zone)
    steps = kernels.steps_of(axis.start, axis.end, edges)
    value, n = cube["value"], {"time": edges.size - 1}

    def enough(x: Any, numbers: Any) -> Any:
        return np.where(kernels.covered(x, steps) / steps.width >= min_coverage, numbers, np.nan) if min_coverage else numbers

    def total(x: Any) -> Any:
        return enough(x, kernels.sums(x, steps, additive=axis.additive)[0])

    def mean_power(x: Any) -> Any:
        return enough(x, kernels.rates(x, steps, factor, additive=axis.additive, min_coverage=0))

    def max_power(x: Any) -> Any:
        return enough(x, kernels.highest(x * (factor / (axis.end - axis.start)) if axis.additive else x * factor, steps))

    def flagged(x: Any, quality: Any) -> Any:
        return kernels.counted(~(np.isnan(x) | np.isnan(quality) | np.isin(quality, _MEASURED)), steps)

    factor = axis.watts * (HOUR if axis.additive else 1)
    out = {"value": _mapped(total, [value], n, value.attrs)}
    if not np.isnan(axis.watts):
        out["mean_power"] = _mapped(mean_power, [value], n, {"units": "W", "long_name": "mean power over the covered time"})
        out["max_power"] = _mapped(max_power, [value], n, {"units": "W", "long_name": "power of the highest interval"})
    about = {"units": "1", "long_name": "covered over elapsed time"}
    out["coverage"] = _mapped(lambda x: kernels.covered(x, steps) / steps.width, [value], n, about)
    out["n_intervals"] = _mapped(lambda x: kernels.counted(~np.isnan(x), steps), [value], n, {"long_name": "intervals with a value"})
    if "quality" in cube:
        about = {"long_name": "intervals whose quality is not that of a plain measurement"}
        out["n_flagged"] = _mapped(flagged, [value, cube["quality"]], n, about)
    coords = time_coords(edges[:-1] // SECOND, edges[1:] // SECOND, axis.zone)
    return _dataset(cube, out, coords, f"bins of {wanted.name}")


def profile(
    cube: xr.Dataset,
    *,
    by: str | Sequence[str] = ("season", "day_type"),
    slot: str = "1h",
    quantiles: Sequence[float] = (0.1, 0.25, 0.5, 0.75, 0.9),
    holidays: str | Iterable[date | str] | None = None,
    seasons: Mapping[str, Sequence[int]] | None = None,
    min_coverage: float = 1.0,
) -> xr.Dataset:
    """Say what is usual at each time of day, for all meters, as `smd.profile` does.

    Parameters
    ----------
    cube : Dataset, dims (meter, time)
        What `Cohort.dataset` or `resample` returned; of bins those count that are covered wholly.
    by : str or sequence of str, default ("season", "day_type")
        What days are grouped by.
    slot : str, default "1h"
        Length of a slot of the day.
    quantiles : sequence of float
        Which quantiles, each between 0 and 1.
    holidays : str or sequence of dates, optional
        Days that are neither weekday nor weekend.
    seasons : mapping of str to months, optional
        Seasons and their months.
    min_coverage : float, default 1
        How much of a slot must be covered for it to count [1]. This and the others are as in `smd.profile`.

    Returns
    -------
    Dataset, dims (meter, *by, slot, quantile)
        `n` slots that count, their `mean` and their `quantiles` [W for electricity, else the unit per hour], each computed only if it is
        asked for. Kinds of days are those that the time of the cube has; what a meter has nothing of has n 0 and is missing.

    Raises
    ------
    ConfigurationError
        If an argument is not understood, `cube` is something else, or intervals are longer than a slot.
    UnitError
        If its values have no rate.

    Examples
    --------
    >>> import smd_notebook as smd, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cohort = smd.Cohort.read(smd.sample_cohort(3, seed=1), store=folder + "/homes.zarr", progress=False)
    ...     cube = cohort.select(table="electricity-delivered-15min").dataset()
    ...     shape = smd.analysis.cubes.profile(cube, by="day_type", quantiles=(0.5,)).compute()
    >>> dict(shape["quantiles"].sizes), shape["n"].sel(slot="02:00").isel(meter=0).values.tolist()
    ({'meter': 2, 'day_type': 2, 'slot': 24, 'quantile': 1}, [261.0, 103.0])
    """
    asked = asked_for(by, slot, quantiles, holidays, seasons)
    check_coverage(min_coverage)
    axis = _axis(cube, f"a profile in slots of {slot}")
    if too_long(axis.start, axis.end - axis.start, asked.longest, axis.zone):
        text = f"a profile in slots of {slot} cannot be had of these meters: their intervals are longer than {length_words(asked.longest)}"
        raise ConfigurationError(text, hint="Select meters with shorter ones, or take longer slots.")
    edges = parse(slot).between(int(axis.start[0]), int(axis.end[-1]), axis.zone)
    steps, (kinds, cells) = kernels.steps_of(axis.start, axis.end, edges), _cells(asked, wall_us(edges[:-1], axis.zone))
    dims = {key: len(numbers) for key, numbers in kinds.items()} | {"slot": asked.n_slots}

    def of_slots(kernel: Callable[..., Any], *more: Any) -> Callable[[Any], Any]:
        def work(x: Any) -> Any:
            rate = kernels.rates(x, steps, axis.factor, additive=axis.additive, min_coverage=min_coverage)
            out = kernel(rate, cells, *more)
            return out.reshape(len(x), *dims.values(), *out.shape[2:])

        return work

    value, units = _values(cube), {"units": cf_unit(axis.rate_unit)}
    out = {
        "n": _mapped(of_slots(kernels.counts), [value], dims, {"long_name": "slots that count"}),
        "mean": _mapped(of_slots(kernels.means), [value], dims, units | {"long_name": "mean rate"}),
        "quantiles": _mapped(
            of_slots(kernels.quantiles_of, asked.quantiles),
            [value],
            dims | {"quantile": len(asked.quantiles)},
            units | {"long_name": "quantiles of the rate"},
        ),
    }
    names = asked.categories
    coords: dict[str, Any] = {"slot": list(names["slot"]), "quantile": list(asked.quantiles)}
    coords |= {key: [names[key][one] for one in numbers] if key in names else numbers for key, numbers in kinds.items()}
    return _dataset(cube, out, coords, "mean and quantiles of the rate at each time of day, by kind of day")


def _cells(asked: Asked, wall: Ints) -> tuple[dict[str, list[int]], kernels.Cells]:
    """Return the kinds of days that there are by each key, and the slots of each kind and time of day."""
    first = int(wall[0] // DAY)
    days = np.arange(first, int(wall[-1] // DAY) + 1)
    present = np.bincount(wall // DAY - first, minlength=days.size) > 0
    found: dict[str, list[int]] = {}
    number = np.zeros(days.size, dtype="i8")
    for key, column in zip(asked.keys, asked.kinds(days).T, strict=False):
        listed = np.unique(column[present])
        found[key] = listed.tolist()
        number = number * listed.size + np.searchsorted(listed, column).clip(max=listed.size - 1)
    size = int(np.prod([len(one) for one in found.values()], dtype="i8")) * asked.n_slots
    return found, kernels.cells_of(number[wall // DAY - first] * asked.n_slots + wall % DAY // asked.step, size)


def duration_curve(cube: xr.Dataset, shares: Sequence[float] | None = None) -> xr.DataArray:
    """Say which load each meter reached or exceeded in which share of its time.

    Parameters
    ----------
    cube : Dataset, dims (meter, time)
        What `Cohort.dataset` or `resample` returned; of bins those count that are covered wholly.
    shares : sequence of float, optional
        Shares of the metered time, each from 0 to 1; by default 0, 0.01 ... 1. At 0 it is the highest load.

    Returns
    -------
    DataArray, dims (meter, share)
        The load [W for electricity, else the unit per hour] in the first row of `smd.analysis.duration_curve` at which so much of the time
        is reached.

    Raises
    ------
    ConfigurationError
        If a share is not from 0 to 1, or `cube` is something else.
    UnitError
        If its values have no rate.

    Examples
    --------
    >>> import smd_notebook as smd, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cohort = smd.Cohort.read(smd.sample_cohort(3, seed=1), store=folder + "/homes.zarr", progress=False)
    ...     cube = cohort.select(table="electricity-delivered-15min").dataset()
    ...     curve = smd.analysis.cubes.duration_curve(cube, shares=(0, 0.5, 1)).compute()
    >>> curve.dims, bool((curve.diff("share") <= 0).all())
    (('meter', 'share'), True)
    """
    wanted = shares_of(shares)
    axis = _axis(cube, "a duration curve")
    length = (axis.end - axis.start).astype("f8")
    factor = axis.factor / length if axis.additive else np.full(length.size, axis.factor)

    def load(x: Any) -> Any:
        if (factor == factor[0]).all():  # the order of rates is that of values
            return kernels.durations(x, length, wanted) * factor[0]
        return kernels.durations(x * factor, length, wanted)

    attrs = {"units": cf_unit(axis.rate_unit), "long_name": "load that was reached or exceeded"}
    out = _mapped(load, [_values(cube)], {"share": wanted.size}, attrs)
    return _dataset(cube, {"load": out}, {"share": wanted}, "load duration curve")["load"]


def shares_of(given: Sequence[float] | None) -> NDArray[np.float64]:
    """Return shares of the time, by default 0, 0.01 ... 1.

    Raises
    ------
    ConfigurationError
        If one is not from 0 to 1.
    """
    found = np.arange(101) / 100 if given is None else np.asarray(given, dtype="f8")
    if found.size and not (found.min() >= 0 and found.max() <= 1):
        raise ConfigurationError("shares are from 0 to 1", hint="shares=(0, 0.5, 1) for the highest, the middle and the lowest load.")
    return found


def _dataset(cube: xr.Dataset, arrays: Mapping[str, xr.DataArray], coords: Mapping[str, Any], definition: str) -> xr.Dataset:
    """Put results into one Dataset, with what is said of the meters."""
    import xarray as xr

    return xr.Dataset(dict(arrays), attrs=cube.attrs | {"definition": definition}).assign_coords(coords)
