"""Channels side by side: their values in one table, what is delivered less what is received, gas in units of electricity."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from smd_notebook.analysis.bins import channels, frame_of, is_binned, labels_of, tidy_frame
from smd_notebook.analysis.edges import distinct, utc_us
from smd_notebook.analysis.passport import stamp
from smd_notebook.errors import ConfigurationError, UnitError
from smd_notebook.espi import codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from smd_notebook.feed import Feed

    Ints = NDArray[np.int64]

__all__ = ["convert", "net", "wide"]

#: Qualities by name, worst first; the rank of any other is that of "other"
_RANK = {codes.QUALITY[code]: rank for rank, code in enumerate(codes.QUALITY_WORST_FIRST)}


def _lattice(frame: pd.DataFrame) -> tuple[Ints, Ints, Ints]:
    """Return the starts of all intervals [us], and of each row its place among them and the number of its channel."""
    start, end = utc_us(frame["start"]), utc_us(frame["end"])
    times, row = np.unique(start, return_inverse=True)
    column = labels_of(frame)
    last = np.zeros_like(times)
    last[row] = end
    cell = row * (int(column.max(initial=0)) + 1) + column
    if (last[row] != end).any() or (times[1:] < last[:-1]).any() or distinct(cell).size != cell.size:
        text = "the intervals do not line up: they differ in length or start, or overlap within a channel"
        raise UnitError(text, hint='Bring them to one step first: smd.resample(x, "1h").')
    return times, row, column


def wide(x: Feed | pd.DataFrame) -> pd.DataFrame:
    """Lay the values of channels side by side.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_rows, n_columns)
        Tidy intervals, or what `resample` returned.

    Returns
    -------
    DataFrame, shape (n_times, n_channels)
        `value`, each channel in its own unit; index: interval start, in the zone of the frame (UTC where it has several). Columns are
        channel labels, or pairs of usage point and label where several usage points have channels of one name.

    Raises
    ------
    UnitError
        If intervals do not line up: unlike lengths or starts, or several in one channel at a time.
    ConfigurationError
        If `x` is neither a Feed nor such a frame.

    Examples
    --------
    >>> import pandas as pd
    >>> start = pd.date_range("2024-01-01", periods=2, freq="h", tz="UTC", unit="us").repeat(2)
    >>> rows = {"usage_point": "1", "channel": ["in", "out"] * 2, "start": start, "end": start + pd.Timedelta("1h"), "value": [5, 0, 4, 1]}
    >>> wide(pd.DataFrame(rows)).to_numpy().tolist()
    [[5.0, 0.0], [4.0, 1.0]]
    """
    frame = frame_of(x, ("usage_point", "channel", "start", "end", "value"))
    times, row, column = _lattice(frame)
    names = frame[["usage_point", "channel"]].drop_duplicates(ignore_index=True)
    values = np.full((times.size, len(names)), np.nan)
    values[row, column] = frame["value"].to_numpy(dtype="float64", na_value=np.nan)
    zone = pd.DatetimeIndex(frame["start"]).tz
    index = pd.DatetimeIndex(times.view("M8[us]"), name="start").tz_localize("UTC").tz_convert(zone)
    columns = pd.Index(names["channel"]) if names["channel"].is_unique else pd.MultiIndex.from_frame(names)
    out = pd.DataFrame(values, index=index, columns=columns)
    return stamp(out, definition="values of channels side by side", inputs={"channels": len(names)})


def net(x: Feed | pd.DataFrame) -> pd.DataFrame:
    """Take received from delivered energy, for each usage point that has both.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_rows, n_columns)
        Tidy intervals, or what `resample` returned. Of intervals the net is exact; of bins it is missing where the two cover unlike
        shares of a bin, so with gaps take the net first: ``resample(net(feed), "1MS")``.

    Returns
    -------
    DataFrame, shape (n_times, n_columns)
        The columns of `x`, or of its tidy frame; flow is ``"net"``, the value positive while energy flows to the customer, and missing
        unless both are there. A net of bins has no `max_power`: the two maxima need not coincide. Of qualities the worse counts.

    Raises
    ------
    ConfigurationError
        If no usage point has both, or one has several of a kind; or `x` is neither a Feed nor such a frame.
    UnitError
        If the two do not line up.

    References
    ----------
    NAESB REQ.21 (ESPI) ReadingType.flowDirection: 1 delivered, 19 received, 4 net.

    Examples
    --------
    >>> import pandas as pd
    >>> start = pd.date_range("2024-01-01", periods=2, freq="h", tz="UTC", unit="us").repeat(2)
    >>> frame = pd.DataFrame(
    ...     {
    ...         "usage_point": "1",
    ...         "channel": ["electricity delivered", "electricity received"] * 2,
    ...         "service": "electricity",
    ...         "measure": "energy",
    ...         "flow": ["delivered", "received"] * 2,
    ...         "start": start,
    ...         "end": start + pd.Timedelta("1h"),
    ...         "value": [5.0, 0.0, 1.0, 4.0],
    ...         "unit": "Wh",
    ...     }
    ... )
    >>> net(frame)[["channel", "value"]].to_numpy().tolist()
    [['electricity net', 5.0], ['electricity net', -3.0]]
    """
    frame = frame_of(x, ("usage_point", "channel", "service", "measure", "flow", "start", "end", "value", "unit"))
    groups: dict[tuple[str, ...], dict[str, list[Any]]] = {}
    for rows in channels(frame):
        first = frame.iloc[rows].iloc[0]
        key = tuple(str(first[name]) for name in ("usage_point", "service", "measure", "unit"))
        if first["measure"] in ("energy", "power", "volume") and first["flow"] in ("delivered", "received"):
            groups.setdefault(key, {"delivered": [], "received": []})[first["flow"]].append(rows)
    pairs = [group for group in groups.values() if group["delivered"] and group["received"]]
    if not pairs:
        raise ConfigurationError("no usage point has both a delivered and a received channel", hint="See feed.channels for what there is.")
    if any(len(rows) > 1 for group in pairs for rows in group.values()):
        raise ConfigurationError("a usage point has several channels of one flow", hint="Choose one of each first.")
    parts = [_net(pd.concat([frame.iloc[rows] for flow in ("delivered", "received") for rows in group[flow]])) for group in pairs]
    out = pd.concat(parts, ignore_index=True)
    return stamp(out, definition="delivered minus received, missing unless both are there", inputs={"usage_points": len(pairs)})


def _net(both: pd.DataFrame) -> pd.DataFrame:
    """Return the net of one delivered and one received channel, in order of time."""
    times, row, _ = _lattice(both)
    outward = (both["flow"] == "received").to_numpy()
    plus, minus = (np.full(times.size, -1) for _ in range(2))
    plus[row[~outward]], minus[row[outward]] = np.flatnonzero(~outward), np.flatnonzero(outward)
    paired = (plus >= 0) & (minus >= 0)
    out = both.take(np.where(plus >= 0, plus, minus)).reset_index(drop=True)
    if "coverage" in both.columns:
        coverage = both["coverage"].to_numpy()
        out["coverage"] = np.where(paired, np.minimum(coverage[plus], coverage[minus]), 0.0)
        paired &= np.isclose(coverage[plus], coverage[minus], rtol=0, atol=1e-9)

    def difference(name: str) -> NDArray[np.float64]:
        numbers = both[name].to_numpy(dtype="float64", na_value=np.nan)
        return np.where(paired, numbers[plus] - numbers[minus], np.nan)

    out["value"] = difference("value")
    if "mean_power" in both.columns:
        out["mean_power"], out["max_power"], out["max_at"] = (
            difference("mean_power"),
            np.nan,
            pd.DatetimeIndex([pd.NaT] * len(out)).as_unit("us").tz_localize(pd.DatetimeIndex(both["max_at"]).tz),
        )
        number, flags = both["n_intervals"].to_numpy(), both["n_flagged"].to_numpy()
        out["n_intervals"] = np.where(paired, np.minimum(number[plus], number[minus]), 0)
        # which ones were flagged is not known any more: at most this many
        out["n_flagged"] = np.minimum(flags[plus] + flags[minus], out["n_intervals"])
    if "quality" in both.columns:
        quality = both["quality"].astype("category")
        other = _RANK["other"]
        rank = np.array([_RANK.get(str(name), other) for name in quality.cat.categories] + [len(_RANK)])[quality.cat.codes]
        out["quality"] = quality.take(np.where(paired & (rank[minus] < rank[plus]), minus, np.where(plus >= 0, plus, minus))).array
    if "cost" in both.columns:
        out["cost"] = np.nan  # what was paid is no difference of costs
    label = str(both["channel"].iloc[0])
    label = label.replace("delivered", "net") if "delivered" in label else f"{label} net"
    out["channel"] = pd.Series([label] * len(out), dtype=both["channel"].dtype)
    flow = both["flow"]
    if isinstance(flow.dtype, pd.CategoricalDtype):
        kinds = flow.cat.categories if "net" in flow.cat.categories else flow.cat.categories.append(pd.Index(["net"]))
        out["flow"] = pd.Categorical(["net"] * len(out), categories=kinds)
    else:
        out["flow"] = "net"
    return out


#: Joules in a therm of 100 000 Btu: of the International Table's Btu, as the European Union and ESPI have it, and of that at 59 °F.
_THERMS = {"EC": Fraction("105505585.262"), "US": Fraction(105_480_400)}


def convert(x: Feed | pd.DataFrame, unit: str = "kWh", *, therm: Literal["EC", "US"] = "EC") -> pd.DataFrame:
    """Give energy in one unit, so that gas can stand beside electricity.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_rows, n_columns)
        Tidy intervals, or what `resample` returned.
    unit : str, default "kWh"
        The unit of energy that is wanted: ``"kWh"``, ``"Wh"``, ``"MWh"``, ``"therm"``, ``"Btu"``, ``"J"`` ...
    therm : {"EC", "US"}, default "EC"
        Which therm: 29.3071 kWh, by the International Table's Btu, as in ESPI; or the US therm of 29.3001 kWh, by the Btu at 59 °F.

    Returns
    -------
    DataFrame, shape (n_rows, n_columns)
        The same rows with `value` and `unit` of energy in the other unit; what is not energy, such as volumes, stays as it is. The passport
        names the therm.

    Raises
    ------
    UnitError
        If no unit is called so, it is none of energy, or there is no energy at all.
    ConfigurationError
        If `therm` is not known, or `x` is no tidy frame and not in bins.

    Notes
    -----
    This converts units, not energy: a kilowatt-hour of gas is heat before any loss. A volume of gas needs its heating value.

    References
    ----------
    pint, ``therm`` and ``US_therm``. NIST Special Publication 811, B.8.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> gas = smd.sample("solar-home").select(channel="gas delivered")
    >>> for therm in ("EC", "US"):
    ...     print(smd.resample(smd.analysis.convert(gas, therm=therm), "1YS")["value"].round(4).item())
    7856.2096
    7854.3343
    """
    if therm not in _THERMS:
        raise ConfigurationError(f"therm={therm!r} is not known", hint='Say "EC" (29.3071 kWh) or "US" (29.3001 kWh).')
    frame = x if is_binned(x) else tidy_frame(x, untimed=True)
    if codes.dimension_of(unit) != "energy":
        raise UnitError(f"{unit!r} is no unit of energy", hint='For example "kWh" or "therm".')

    def joules(symbol: str) -> Fraction:
        return _THERMS[therm] if symbol == "therm" else codes.conversion(symbol, "J")

    value = frame["value"].to_numpy(dtype="float64", na_value=np.nan).copy()
    kinds = frame["unit"].astype("category").cat.categories
    units = frame["unit"].to_numpy(dtype=object, copy=True)
    energy = [str(symbol) for symbol in kinds if codes.dimension_of(str(symbol)) == "energy"]
    places = {symbol: np.flatnonzero((frame["measure"] == "energy") & (frame["unit"] == symbol)) for symbol in energy}
    if len(frame) and not any(rows.size for rows in places.values()):
        raise UnitError("there is no energy to convert", hint="Volumes of gas need their heating value first.")
    for symbol, rows in places.items():
        value[rows] *= float(joules(symbol) / joules(unit))
        units[rows] = unit
    out = frame.assign(value=value, unit=pd.Categorical(units, categories=kinds if unit in kinds else kinds.append(pd.Index([unit]))))
    said = f"{therm}, {float(_THERMS[therm] / 3_600_000):.7g} kWh"
    return stamp(out, definition=f"energy in {unit}", inputs={"therm": said})
