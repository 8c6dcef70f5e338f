"""Figures that can be published: every function returns a plotly Figure.

Times go to plotly as wall-clock times without an offset, which it would drop; what was not metered is never drawn as 0; titles name the
channel and the period, and never a usage point, whose identifier may be an account or meter number.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from plotly import graph_objects as go

from smd_notebook.analysis.bins import channels, resample, tidy_frame
from smd_notebook.analysis.classes import CLASSES, quality_map
from smd_notebook.analysis.days import choose
from smd_notebook.analysis.days import heatmap as matrix_of
from smd_notebook.analysis.edges import utc_us, wall_us
from smd_notebook.analysis.spread import watts
from smd_notebook.errors import ConfigurationError
from smd_notebook.espi import codes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray

__all__ = ["energy", "heatmap", "quality"]

#: Okabe and Ito's colours, told apart by everyone; yellow comes last, it is faint on white
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#F0E442")
MISSING = "#C8C8C8"  # not in the colour scale, and not white, which would look like nothing was asked for
#: Of Okabe and Ito's colours those that stand for qualities; missing is grey as everywhere
QUALITY = {
    "measured": "#56B4E9",
    "edited": "#009E73",
    "estimated": "#E69F00",
    "questionable": "#D55E00",
    "suspicious": "#CC79A7",
    "missing": MISSING,
}
_DAY = 86_400_000_000  # us
_WHOLE = 0.999  # a second short of an hour is no gap
_HOUR = 3_600_000_000  # us
#: Names for bins by their shortest and longest [h]: days of 23 to 25 hours, months of 28 to 31 days
_EACH = (("hour", 1, 1), ("day", 22, 26), ("week", 166, 170), ("month", 671, 746), ("year", 8759, 8785))


def _style(figure: go.Figure, *, title: str, x: str, y: str, caption: str) -> go.Figure:
    """Give a figure its title, axes and caption."""
    figure.update_layout(
        template="plotly_white",
        title={"text": title, "x": 0, "xref": "paper", "xanchor": "left", "font": {"size": 16}},
        margin={"l": 70, "r": 20, "t": 80, "b": 60},
        height=420,
        font={"size": 13},
        # plotly 7 offers to upload the figure unless the figure itself says no
        modebar={"remove": ["sendChartToCloud"]},
        meta={"caption": caption, "alt": caption},
    )
    figure.update_xaxes(title={"text": x}, ticks="outside", showline=True, linecolor="#444")
    figure.update_yaxes(title={"text": y}, ticks="outside", showline=True, linecolor="#444")
    return figure


def _period(first: np.datetime64, last: np.datetime64) -> str:
    """Say in dates what a figure shows, both ends included."""
    begin, end = (str(time.astype("M8[D]")) for time in (first, last - np.timedelta64(1, "us")))
    return begin if begin == end else f"{begin} to {end}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _wall(times: pd.Series[Any], zone: str) -> NDArray[np.datetime64]:
    return wall_us(utc_us(times), zone).view("M8[us]")


def _each(length: NDArray[np.int64]) -> str:
    """Name bins by their lengths [us]."""
    low, high = length.min() / _HOUR, length.max() / _HOUR
    for name, least, most in _EACH:
        if least <= low and high <= most:
            return name
    usual = np.median(length) / _HOUR
    return "bin" if usual > 22 else f"{usual:g} h" if usual >= 1 else f"{usual * 60:g} min"


def _names(groups: list[pd.DataFrame]) -> list[str]:
    """Return a name for each channel: its label, with a number where meters share labels; never the meter's own identifier."""
    labels = [str(group["channel"].iloc[0]) for group in groups]
    points = list(dict.fromkeys(str(group["usage_point"].iloc[0]) for group in groups))
    if len(set(labels)) == len(labels):
        return labels
    return [f"{label} (meter {points.index(str(g['usage_point'].iloc[0])) + 1})" for label, g in zip(labels, groups, strict=True)]


def _zone(one: pd.DataFrame) -> str:
    zone = one["zone"].iloc[0]
    return str(pd.DatetimeIndex(one["start"]).tz) if pd.isna(zone) else str(zone)


def _unit(one: pd.DataFrame) -> tuple[str, float]:
    """Return the unit to draw a channel in, and what its values are multiplied by: kWh for electric energy, else its own."""
    service, measure, unit = (None if pd.isna(one[name].iloc[0]) else str(one[name].iloc[0]) for name in ("service", "measure", "unit"))
    if not np.isnan(watts(service, measure, unit)):
        return "kWh", float(codes.conversion(str(unit), "kWh"))
    return unit or "unit not stated", 1.0


def _drawable(x: Any) -> pd.DataFrame:
    """Return the tidy frame, unless its feed's times are not the meter's: a figure would show them as if they were."""
    if any(finding.code == "clock-unrecoverable" for finding in getattr(x, "noticed", ())):
        raise ConfigurationError(
            "the times of this feed are those of its download, not the meter's, so that no figure of it can be right",
            hint="See feed.findings. To draw the times as written all the same, pass feed.tidy().",
        )
    return tidy_frame(x)


def _binned(x: Any, bins: str | Sequence[datetime | str] | pd.DatetimeIndex, channel: str | None) -> pd.DataFrame:
    """Return the bins of those channels that hold energy or volume."""
    done = isinstance(x, pd.DataFrame) and "coverage" in x.columns
    frame = x if done else _drawable(x)
    if channel is not None:
        frame = frame[frame["channel"] == channel]
    frame = frame[frame["measure"].isin(["energy", "volume"])]
    if frame.empty:
        named = "" if channel is None else f" called {channel!r}"
        raise ConfigurationError(f"no channel of energy or volume{named} to draw", hint="See feed.channels for what there is.")
    return frame if done else resample(frame, bins)


def energy(
    x: Any,
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
    >>> import pandas as pd
    >>> start = pd.date_range("2024-03-10", periods=47, freq="h", tz="America/Los_Angeles", unit="us")
    >>> intervals = pd.DataFrame(
    ...     {
    ...         "usage_point": "1",
    ...         "channel": "electricity delivered",
    ...         "service": "electricity",
    ...         "measure": "energy",
    ...         "flow": "delivered",
    ...         "zone": "America/Los_Angeles",
    ...         "start": start,
    ...         "end": start + pd.Timedelta("1h"),
    ...         "value": 100.0,
    ...         "unit": "Wh",
    ...         "quality": "valid",
    ...     }
    ... )
    >>> figure = energy(intervals)
    >>> figure.layout.yaxis.title.text, figure.data[0].y.tolist()
    ('Energy (kWh per day)', [2.299999952316284, 2.4000000953674316])
    """
    binned = _binned(x, bins, channel)
    every = [binned.iloc[rows] for rows in channels(binned)]
    unit = _unit(every[0])[0]
    groups = [group for group in every if _unit(group)[0] == unit]
    names = _names(groups)
    length = np.concatenate([utc_us(group["end"]) - utc_us(group["start"]) for group in groups])
    each = _each(length)
    zones = sorted({_zone(group) for group in groups})
    walls = [_wall(group["start"], _zone(group)) for group in groups]
    # an hour that the clock shows twice would put one bar on another
    local = all((np.diff(wall) > np.timedelta64(0, "us")).all() for wall in walls)
    figure = go.Figure()
    gaps: list[NDArray[Any]] = []
    partial = False
    # what goes out mirrors what comes in: side by side, the bars of a year would be thinner than a pixel and hide each other
    down = [len(groups) > 1 and group["flow"].iloc[0] == "received" for group in groups]
    lanes = [down[:number].count(down[number]) for number in range(len(groups))]
    for number, (group, name) in enumerate(zip(groups, names, strict=True)):
        clock = _zone(group) if local else "UTC"
        begin = _wall(group["start"], clock)
        width = (_wall(group["end"], clock) - begin).astype("f8") / 1000  # ms of the axis
        value = group["value"].to_numpy(dtype="float64") * _unit(group)[1] * (-1 if down[number] else 1)
        coverage = group["coverage"].to_numpy(dtype="float64")
        share = 0.9 / down.count(down[number])
        offset = width * (0.05 + lanes[number] * share)
        faint = coverage < _WHOLE
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
    span = _period(min(wall[0] for wall in walls), max(_wall(g["end"], _zone(g))[-1] for g in groups))
    kind = "Volume" if groups[0]["measure"].iloc[0] == "volume" else "Energy"
    heading = title or (f"{_sentence(names[0])}: {kind.lower()} per {each}, {span}" if len(groups) == 1 else f"{kind} per {each}, {span}")
    notes = _notes(groups, partial=partial, empty=bool(empty.size), each=each, hidden=len(every) - len(groups), down=any(down))
    day_or_more = length.min() >= 22 * _HOUR
    where = f"Local {'date' if day_or_more else 'time'} ({', '.join(zones)})" if local else f"Time (UTC; meters in {', '.join(zones)})"
    caption = f"Bar chart of {', '.join(names)} in {unit} per {each}, {span}. {notes}"
    _style(figure, title=heading, x=where, y=f"{kind} ({unit} per {each})", caption=caption)
    figure.update_layout(title_subtitle={"text": notes, "font": {"size": 12, "color": "#555"}}, showlegend=len(figure.data) > 1)
    shown = [_wall(group[name], _zone(group) if local else "UTC") for group in groups for name in ("start", "end")]
    ends = [str(end) for end in (min(times.min() for times in shown), max(times.max() for times in shown))]
    figure.update_xaxes(type="date", ticklabelmode="period", showgrid=False, range=ends)
    highest, lowest = (
        pick([0.0, *(pick(bars.y, initial=0, where=~np.isnan(bars.y)) for bars in figure.data)]) for pick in (np.max, np.min)
    )
    if lowest == 0 and highest > 0:
        figure.update_yaxes(range=[0, float(highest) * 1.05])  # crosses on the axis would make room below it
    return figure


def _notes(groups: list[pd.DataFrame], *, partial: bool, empty: bool, each: str, hidden: int, down: bool) -> str:
    """Say what a reader must know beside the bars."""
    covered, elapsed = (
        sum(float(((group["end"] - group["start"]).dt.total_seconds() * weight).sum()) for group, weight in pairs)
        for pairs in ([(group, group["coverage"]) for group in groups], [(group, 1.0) for group in groups])
    )
    parts = [f"coverage {_percent(covered / elapsed)}"]
    parts += [f"lighter: {each} metered in part"] * partial
    parts += [f"\u00d7: {each} without a value"] * empty
    parts += ["received energy downwards"] * down
    parts += [f"{hidden} channel{'s' * (hidden > 1)} of another unit not shown"] * (hidden > 0)
    return _sentence("; ".join(parts)) + "."


def _percent(share: float) -> str:
    """Write a share so that only what is whole reads 100 %."""
    return "100 %" if share >= 1 - 1e-9 else f"{min(np.floor(share * 1000) / 10, 99.9):.1f} %"


def heatmap(x: Any, *, slot: str | None = None, channel: str | None = None, title: str | None = None) -> go.Figure:
    """Draw mean power as colours over date and time of day.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_intervals, n_columns)
        Tidy intervals of electric energy or power.
    slot : str, optional
        Length of a slot, such as ``"1h"``; by default that of the intervals.
    channel : str, optional
        Label of the channel; by default the first delivered one, else the first.
    title : str, optional
        Title instead of channel and period.

    Returns
    -------
    plotly.graph_objects.Figure
        Mean power [kW]; local date from left to right, time of day upwards. What was not metered is grey, like the hour that the clock
        skips in spring; the hour that it shows twice in autumn has the mean of both. Where power is negative the colours
        diverge from 0. The caption is in ``figure.layout.meta["caption"]``.

    Raises
    ------
    UnitError
        If there is no electric energy or power.
    ConfigurationError
        If intervals are of a day or longer, or of unlike lengths and no `slot` is given, or the channel is unknown.

    See Also
    --------
    smd_notebook.analysis.days.heatmap : The matrix that is drawn.

    Examples
    --------
    >>> import pandas as pd
    >>> start = pd.date_range("2024-03-10", periods=47, freq="h", tz="America/Los_Angeles", unit="us")
    >>> intervals = pd.DataFrame(
    ...     {
    ...         "usage_point": "1",
    ...         "channel": "electricity delivered",
    ...         "service": "electricity",
    ...         "measure": "energy",
    ...         "flow": "delivered",
    ...         "zone": "America/Los_Angeles",
    ...         "start": start,
    ...         "end": start + pd.Timedelta("1h"),
    ...         "value": 100.0,
    ...         "unit": "Wh",
    ...         "quality": "valid",
    ...     }
    ... )
    >>> heatmap(intervals).layout.title.text
    'Electricity delivered: mean power, 2024-03-10 to 2024-03-11'
    """
    frame = _drawable(x)
    one = choose(frame, channel)
    matrix = matrix_of(one, slot=slot)
    power = matrix.to_numpy().T / 1000
    known = power[~np.isnan(power)]
    top = float(np.abs(known).max(initial=0)) or 1.0
    diverging = bool(known.min(initial=0) < 0)
    first, last = (time.to_datetime64() for time in (matrix.index[0], matrix.index[-1] + pd.Timedelta(days=1)))
    label, span, zone = str(one["channel"].iloc[0]), _period(first, last), _zone(one)
    n_channels = sum(1 for _ in channels(frame))
    chosen = f" (1 of {n_channels} channels)" if n_channels > 1 and channel is None else ""
    figure = go.Figure(
        go.Heatmap(
            z=power.astype("float32"),
            x0=str(first.astype("M8[D]")),
            dx=_DAY // 1000,
            y=list(matrix.columns),
            colorscale="RdBu_r" if diverging else "Cividis",
            zmin=-top if diverging else 0,
            zmax=top,
            colorbar={"title": {"text": "Power (kW)", "side": "right"}, "thickness": 14, "outlinewidth": 0},
            hoverongaps=False,
            hovertemplate="%{x|%Y-%m-%d} %{y}<br>%{z:.4~g} kW<extra></extra>",
        )
    )
    minutes = _DAY / len(matrix.columns) / 60_000_000
    long = f"{minutes:g}-minute" if minutes < 60 else f"{minutes / 60:g}-hour"
    share = json.loads(matrix.attrs["passport"])["inputs"]["coverage"]
    notes = f"Mean of {long} slots; coverage {_percent(share)}"
    notes += "." if known.size == power.size else "; grey: not metered, or skipped by the clock in spring."
    caption = f"Heat map of the mean power of {label} in kW by local date and time of day ({zone}), {span}. {notes}"
    heading = title or f"{_sentence(label)}{chosen}: mean power, {span}"
    _style(figure, title=heading, x=f"Local date ({zone})", y="Local time of day", caption=caption)
    marks = [name for name in matrix.columns if name.endswith(":00") and len(name) == 5 and int(name[:2]) % 3 == 0]
    figure.update_layout(title_subtitle={"text": notes, "font": {"size": 12, "color": "#555"}}, plot_bgcolor=MISSING)
    edges = [str((first - np.timedelta64(12, "h")).astype("M8[s]")), str((last - np.timedelta64(12, "h")).astype("M8[s]"))]
    figure.update_xaxes(type="date", showgrid=False, range=edges)
    if len(matrix) <= 10:  # else plotly would divide days into hours
        figure.update_xaxes(dtick=_DAY // 1000, tickformat="%b %-d\n%Y")
    figure.update_yaxes(type="category", tickmode="array", tickvals=marks, showgrid=False)
    return figure


def quality(x: Any, *, slot: str | None = None, channel: str | None = None, title: str | None = None) -> go.Figure:
    """Draw how good the data are as colours over date and time of day.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_intervals, n_columns)
        Tidy intervals of anything; of daily readings the map has one row, of bills as well.
    slot : str, optional
        Length of a slot, such as ``"1h"``; by default that of the shortest interval.
    channel : str, optional
        Label of the channel; by default the first.
    title : str, optional
        Title instead of channel and period.

    Returns
    -------
    plotly.graph_objects.Figure
        Local date from left to right, time of day upwards; a colour for each class of `smd_notebook.analysis.quality_map`, with its share
        of the cells in the legend. Missing is grey, what lies outside of the data white, like the hour that the clock skips in spring.
        The caption is in ``figure.layout.meta["caption"]``.

    Raises
    ------
    ConfigurationError
        If there is nothing to draw, the channel is unknown, or slots do not divide a day.

    See Also
    --------
    smd_notebook.analysis.classes.quality_map : The matrix that is drawn.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> figure = quality(smd.sample("heat-pump-home"))
    >>> [trace.name for trace in figure.data if trace.name], figure.layout.title.text
    (['measured 99.7 %', 'estimated 0.2 %'], 'Electricity delivered: quality, 2025-01-01 to 2025-12-31')
    """
    frame = _drawable(x)
    matrix = quality_map(frame, slot=slot, channel=channel)
    passport = json.loads(matrix.attrs["passport"])["inputs"]
    cells = matrix.to_numpy().T
    numbers = np.array([CLASSES.index(name) if name else -1 for name in cells.ravel().tolist()], dtype="int8").reshape(cells.shape)
    first, last = (time.to_datetime64() for time in (matrix.index[0], matrix.index[-1] + pd.Timedelta(days=1)))
    label, span, zone = passport["channel"], _period(first, last), passport["zone"]
    colours = ["#FFFFFF", *(QUALITY[name] for name in CLASSES)]
    bands = [(place / len(colours), colour) for number, colour in enumerate(colours) for place in (number, number + 1)]
    figure = go.Figure(
        go.Heatmap(
            z=numbers,
            x0=str(first.astype("M8[D]")),
            dx=_DAY // 1000,
            y=list(matrix.columns),
            text=np.where(numbers == 0, "", cells),  # measured goes without saying, and a year of it would fill the figure
            colorscale=bands,
            zmin=-1.5,
            zmax=len(CLASSES) - 0.5,
            showscale=False,
            hovertemplate="%{x|%Y-%m-%d} %{y}<br>%{text}<extra></extra>",
        )
    )
    known = int((numbers >= 0).sum())
    shares = {name: int((numbers == number).sum()) / known for number, name in enumerate(CLASSES) if (numbers == number).any()}
    for name, share in shares.items():
        marker = {"symbol": "square", "size": 12, "color": QUALITY[name], "line": {"width": 1, "color": "#444"}}
        shown = _percent(share) if share >= 0.001 else "< 0.1 %"
        figure.add_scatter(x=[None], y=[None], mode="markers", name=f"{name} {shown}", marker=marker)
    n_channels = sum(1 for _ in channels(frame))
    chosen = f" (1 of {n_channels} channels)" if n_channels > 1 and channel is None else ""
    notes = "By the feed's own quality codes; suspicious and missing by smd.check. The worst of each slot."
    told = ", ".join(f"{name} {_percent(share) if share >= 0.001 else 'less than 0.1 %'}" for name, share in shares.items())
    caption = f"Map of the quality of {label} by local date and time of day ({zone}), {span}: {told}. {notes}"
    heading = title or f"{_sentence(label)}{chosen}: quality, {span}"
    _style(figure, title=heading, x=f"Local date ({zone})", y="Local time of day", caption=caption)
    figure.update_layout(
        title_subtitle={"text": notes, "font": {"size": 12, "color": "#555"}},
        showlegend=True,
        legend={"orientation": "h", "yref": "container", "y": 0.01, "yanchor": "bottom", "itemclick": False, "itemdoubleclick": False},
        margin_b=95,
    )
    edges = [str((first - np.timedelta64(12, "h")).astype("M8[s]")), str((last - np.timedelta64(12, "h")).astype("M8[s]"))]
    figure.update_xaxes(type="date", showgrid=False, range=edges)
    if len(matrix) <= 10:  # else plotly would divide days into hours
        figure.update_xaxes(dtick=_DAY // 1000, tickformat="%b %-d\n%Y")
    marks = [name for name in matrix.columns if name.endswith(":00") and int(name[:2]) % 3 == 0]
    figure.update_yaxes(type="category", tickmode="array", tickvals=marks, showgrid=False)
    if len(matrix.columns) == 1:
        figure.update_yaxes(ticktext=["whole day"], tickvals=list(matrix.columns))
        figure.update_layout(height=280)
    return figure
