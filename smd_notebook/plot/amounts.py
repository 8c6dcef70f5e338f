"""Energy and volume per day, month or other bins, as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from plotly import graph_objects as go

from smd_notebook.analysis.bins import channels, is_binned, resample
from smd_notebook.analysis.edges import DAY, HOUR, utc_us
from smd_notebook.analysis.sides import net
from smd_notebook.errors import ConfigurationError
from smd_notebook.plot.base import (
    COLOURS,
    WHOLE,
    drawable,
    each_of,
    names_of,
    percent,
    period,
    sentence,
    style,
    unit_of,
    wall,
    zone_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from smd_notebook.feed import Feed

__all__ = ["energy", "flows", "monthly"]


def _binned(x: Any, bins: str | Sequence[datetime | str] | pd.DatetimeIndex, channel: str | None) -> pd.DataFrame:
    """Return the bins of those channels that hold energy or volume."""
    done = is_binned(x)
    frame = x if done else drawable(x)
    if channel is not None:
        frame = frame[frame["channel"] == channel]
    frame = frame[frame["measure"].isin(["energy", "volume"])]
    if frame.empty:
        named = "" if channel is None else f" called {channel!r}"
        raise ConfigurationError(f"no channel of energy or volume{named} to draw", hint="See feed.channels for what there is.")
    return frame if done else resample(frame, bins)


def energy(
    x: Feed | pd.DataFrame,
    *,
    bins: str | Sequence[datetime | str] | pd.DatetimeIndex = "1D",
    channel: str | None = None,
    title: str | None = None,
) -> go.Figure:
    """Draw energy (or volume) per day, or other bins, as bars.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_rows, n_columns)
        Tidy intervals, or what `resample` returned, which keeps its bins.
    bins : str or sequence of times, default "1D"
        Bins, as in `resample`.
    channel : str, optional
        Label of the only channel to draw; by default all that have the unit of the first.
    title : str, optional
        Title instead of channel and period.

    Returns
    -------
    plotly.graph_objects.Figure
        Bars from the start to the end of each bin [kWh for electric energy, else the unit of the channel]; beside others, received
        energy goes downwards. Bars of bins that are covered in part are lighter, bins without a value have a cross on the axis. The
        caption is in ``figure.layout.meta["caption"]``.

    Raises
    ------
    ConfigurationError
        If there is nothing to draw.

    See Also
    --------
    smd_notebook.analysis.bins.resample : The bins, and what it raises.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> spring = smd.sample("lapse2024").select(channel="electricity delivered (1)", start="2024-03-10", end="2024-03-11")
    >>> figure = energy(spring)
    >>> figure.layout.yaxis.title.text, round(float(figure.data[0].y[0]), 3)
    ('Energy (kWh per day)', 16.493)
    """
    binned = _binned(x, bins, channel)
    every = [binned.iloc[rows] for rows in channels(binned)]
    unit = unit_of(every[0])[0]
    groups = [group for group in every if unit_of(group)[0] == unit]
    return _bars(groups, title=title, hidden=len(every) - len(groups))


def monthly(x: Feed | pd.DataFrame, *, channel: str | None = None, title: str | None = None) -> go.Figure:
    """Draw energy (or volume) per calendar month as bars.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_rows, n_columns)
        Tidy intervals, or months that `resample` made of them.
    channel : str, optional
        Label of the only channel to draw; by default all that have the unit of the first.
    title : str, optional
        Title instead of channel and period.

    Returns
    -------
    plotly.graph_objects.Figure
        As `energy` draws it; months that are metered in part are lighter.

    Raises
    ------
    ConfigurationError
        If there is nothing to draw, or what was given is in other bins.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> figure = monthly(smd.sample("lapse2024"), channel="electricity delivered (1)")
    >>> figure.layout.yaxis.title.text, figure.data[0].y.round(3).tolist()[:2]
    ('Energy (kWh per month)', [775.6519775390625, 713.5750122070312])
    """
    if is_binned(x) and len(x) and each_of(utc_us(x["end"]) - utc_us(x["start"])) != "month":
        raise ConfigurationError("these bins are no months", hint="Draw them with smd.plot.energy(x), or give the intervals.")
    return energy(x, bins="1MS", channel=channel, title=title)


def flows(
    x: Feed | pd.DataFrame, *, bins: str | Sequence[datetime | str] | pd.DatetimeIndex = "1MS", title: str | None = None
) -> go.Figure:
    """Draw what a home took from the grid upwards, what it gave downwards, and the net of both.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_rows, n_columns)
        Tidy intervals, or what `resample` returned, which keeps its bins.
    bins : str or sequence of times, default "1MS"
        Bins, as in `resample`.
    title : str, optional
        Title instead of flows and period.

    Returns
    -------
    plotly.graph_objects.Figure
        Bars [kWh]; the net is a diamond in the middle of its bin, and missing where the two flows cover unlike shares of it.

    Raises
    ------
    ConfigurationError
        If no usage point has both flows, or several have.

    See Also
    --------
    smd_notebook.analysis.bins.net : The net that is drawn.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> figure = flows(smd.sample("lapse2024").select(channel=["electricity delivered (2)", "electricity received (2)"]))
    >>> [trace.name for trace in figure.data]
    ['electricity delivered (2)', 'electricity received (2)', 'net']
    """
    binned = _binned(x, bins, None)
    groups = [binned.iloc[rows] for rows in channels(binned)]
    pairs = [
        [into, out]
        for into in groups
        for out in groups
        if (into["flow"].iloc[0], out["flow"].iloc[0]) == ("delivered", "received") and _meter(into) == _meter(out)
    ]
    if len(pairs) != 1:
        text = f"{len(pairs)} usage points have both flows" if pairs else "no usage point has both delivered and received energy"
        raise ConfigurationError(text, hint="Select one: feed.select(usage_point=...). For one flow see smd.plot.energy(x).")
    figure = _bars(pairs[0], title=title)
    both = net(pd.concat(pairs[0], ignore_index=True))
    known = both[both["value"].notna()]
    clock = _clocks(pairs[0])[0]
    begin, end = (wall(known[name], clock) for name in ("start", "end"))
    value = known["value"].to_numpy(dtype="float64") * unit_of(pairs[0][0])[1]
    figure.add_scatter(
        x=begin + (end - begin) // 2,
        y=value.astype("float32"),
        mode="markers",
        name="net",
        marker={"symbol": "diamond", "size": 8 if len(known) < 60 else 4, "color": "#000000", "line": {"width": 1, "color": "#FFFFFF"}},
        hovertemplate="%{y:.4~g} kWh<extra>net</extra>",
    )
    return figure


def _meter(group: pd.DataFrame) -> tuple[str, ...]:
    return tuple(str(group[name].iloc[0]) for name in ("usage_point", "service", "unit"))


def _clocks(groups: list[pd.DataFrame]) -> list[str]:
    """Return the zone whose clock each channel is drawn by: its own, or UTC where an hour that comes twice would put one bar on another."""
    zones = [zone_of(group) for group in groups]
    local = all((np.diff(wall(group["start"], zone)) > np.timedelta64(0, "us")).all() for group, zone in zip(groups, zones, strict=True))
    return zones if local else ["UTC"] * len(groups)


def _bars(groups: list[pd.DataFrame], *, title: str | None, hidden: int = 0) -> go.Figure:
    """Draw the bins of channels that share a unit."""
    unit, names = unit_of(groups[0])[0], names_of(groups)
    length = np.concatenate([utc_us(group["end"]) - utc_us(group["start"]) for group in groups])
    each = each_of(length)
    zones = sorted({zone_of(group) for group in groups})
    clocks = _clocks(groups)
    figure = go.Figure()
    gaps: list[NDArray[Any]] = []
    partial = False
    # what goes out mirrors what comes in: side by side, the bars of a year would be thinner than a pixel and hide each other
    down = [len(groups) > 1 and group["flow"].iloc[0] == "received" for group in groups]
    lanes = [down[:number].count(down[number]) for number in range(len(groups))]
    for number, (group, name, clock) in enumerate(zip(groups, names, clocks, strict=True)):
        begin = wall(group["start"], clock)
        width = (wall(group["end"], clock) - begin).astype("f8") / 1000  # ms of the axis
        value = group["value"].to_numpy(dtype="float64") * unit_of(group)[1] * (-1 if down[number] else 1)
        coverage = group["coverage"].to_numpy(dtype="float64")
        share = 0.9 / down.count(down[number])
        offset = width * (0.05 + lanes[number] * share)
        faint = coverage < WHOLE
        partial |= bool((faint & ~np.isnan(value)).any())
        figure.add_bar(
            x=begin,
            y=value.astype("float32"),
            width=width * share,
            offset=offset,
            name=name,
            marker={"color": COLOURS[number % len(COLOURS)], "opacity": np.where(faint, 0.4, 1.0), "line": {"width": 0}},
            customdata=np.column_stack([np.abs(value) if down[number] else value, coverage * 100]).astype("float32"),
            hovertemplate=f"%{{x}}<br>%{{customdata[0]:.4~g}} {unit}<br>coverage %{{customdata[1]:.3~g}} %<extra>{name}</extra>",
        )
        none = np.isnan(value)
        middle = (offset[none] + width[none] * share / 2) * 1000
        gaps.append(begin[none] + middle.astype("m8[us]"))
    empty = np.concatenate(gaps)
    if empty.size:
        figure.add_scatter(
            x=empty,
            y=np.zeros(empty.size, dtype="float32"),
            mode="markers",
            name="no value",
            cliponaxis=False,
            marker={"symbol": "x-thin", "size": 6, "line": {"width": 1.5, "color": "#767676"}},
            hovertemplate="%{x}<br>no value<extra></extra>",
        )
    shown = np.concatenate([wall(group[name], clock) for group, clock in zip(groups, clocks, strict=True) for name in ("start", "end")])
    local = [wall(group[name], zone_of(group)) for group in groups for name in ("start", "end")]
    span = period(min(times.min() for times in local), max(times.max() for times in local))
    kind = "Volume" if groups[0]["measure"].iloc[0] == "volume" else "Energy"
    heading = title or (f"{sentence(names[0])}: {kind.lower()} per {each}, {span}" if len(groups) == 1 else f"{kind} per {each}, {span}")
    notes = _notes(groups, partial=partial, empty=bool(empty.size), each=each, hidden=hidden, down=any(down))
    day_or_more = length.min() >= 22 * HOUR
    where = f"Local {'date' if day_or_more else 'time'} ({', '.join(zones)})"
    if set(clocks) != set(zones):
        where = f"Time (UTC; meters in {', '.join(zones)})"
    caption = f"Bar chart of {', '.join(names)} in {unit} per {each}, {span}. {notes}"
    style(figure, title=heading, notes=notes, x=where, y=f"{kind} ({unit} per {each})", caption=caption)
    figure.update_layout(showlegend=len(figure.data) > 1)
    figure.update_xaxes(type="date", ticklabelmode="period", showgrid=False, range=[str(shown.min()), str(shown.max())])
    highest, lowest = (
        pick([0.0, *(pick(bars.y, initial=0, where=~np.isnan(bars.y)) for bars in figure.data)]) for pick in (np.max, np.min)
    )
    if lowest == 0:
        figure.update_yaxes(range=[0, float(highest) * 1.05 or 1])  # crosses on the axis, or zeros alone, would make room below it
    if day_or_more and shown.max() - shown.min() <= np.timedelta64(10, "D"):  # else plotly would divide days into hours
        figure.update_xaxes(dtick=DAY // 1000, tickformat="%b %-d\n%Y")
    return figure


def _notes(groups: list[pd.DataFrame], *, partial: bool, empty: bool, each: str, hidden: int, down: bool) -> str:
    """Say what a reader must know beside the bars."""
    covered, elapsed = (
        sum(float(((group["end"] - group["start"]).dt.total_seconds() * weight).sum()) for group, weight in pairs)
        for pairs in ([(group, group["coverage"]) for group in groups], [(group, 1.0) for group in groups])
    )
    parts = [f"coverage {percent(covered / elapsed)}", *_spread(groups)]
    parts += [f"lighter: {each} metered in part"] * partial
    parts += [f"\u00d7: {each} without a value"] * empty
    parts += ["received energy downwards"] * down
    parts += [f"{hidden} channel{'s' * (hidden > 1)} of another unit not shown"] * (hidden > 0)
    return sentence("; ".join(parts)) + "."


def _spread(groups: list[pd.DataFrame]) -> list[str]:
    """Say that readings longer than their bars, or than a day, were divided evenly: how such bars differ was not metered."""
    native = max(group["native_interval"].max() for group in groups)
    longest = max((group["end"] - group["start"]).max() for group in groups)
    if not (native > longest or native > pd.Timedelta("25h")):  # missing where no interval counts
        return []
    length = native / pd.Timedelta("1h")
    return [f"readings of up to {f'{length:.3g} h' if length <= 25 else f'{length / 24:.3g} d'} spread evenly"]
