"""Power over time, as the steps that it was metered in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from plotly import graph_objects as go

from smd_notebook.analysis.bins import channels, is_binned
from smd_notebook.analysis.days import heatmap as matrix_of
from smd_notebook.analysis.edges import DAY, HOUR, utc_us, wall_us
from smd_notebook.analysis.spread import Intervals, clean
from smd_notebook.errors import ConfigurationError
from smd_notebook.plot.base import (
    COLOURS,
    DASHES,
    MISSING,
    chosen,
    clock_axis,
    drawable,
    each_of,
    inputs_of,
    interval_name,
    intervals_of,
    legend_below,
    names_of,
    percent,
    period,
    sentence,
    style,
    unit_of,
    watts_of,
    zone_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from smd_notebook.feed import Feed

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

__all__ = ["peak_days", "series"]

_RUNS = 24  # up to as many traces a channel, which need no times of their own: a fifth of the size


class _Steps(NamedTuple):
    """A channel on the clock of the axis: each step from `begin` to `end` [us], and where a run of them begins."""

    begin: Ints
    end: Ints
    y: Floats
    runs: Ints
    gaps: list[tuple[int, int]]  # not metered, from and to on the axis
    covered: float  # [us]
    elapsed: float  # [us]


def _steps(one: pd.DataFrame, zone: str) -> _Steps:
    """Return the steps of one channel [kW, or its own unit]."""
    start, end = utc_us(one["start"]), utc_us(one["end"])
    measure, factor, binned = one["measure"].iloc[0], watts_of(one), is_binned(one)
    value = one["value"].to_numpy(dtype="float64", na_value=np.nan)
    if not np.isnan(factor):  # kW; of bins over what is covered of them
        hours = (end - start) / HOUR if measure == "energy" else 1.0
        with np.errstate(divide="ignore", invalid="ignore"):  # what has no length is refused below
            value = one["mean_power"].to_numpy() / 1000 if binned else value * factor / 1000 / hours
    given = Intervals(start, end, value, np.zeros(value.size, dtype=bool), end - start)
    found = clean(given, str(one["channel"].iloc[0]), overlaps="error", additive=True)
    if not found.start.size:
        raise ConfigurationError(f"{str(one['channel'].iloc[0])!r} has no values to draw", hint="See feed.findings for why.")
    length = found.end - found.start
    begin = wall_us(found.start, zone)
    # a step of an hour or less takes its own time, also where the clock jumps at its end; a longer one ends when the clock says so
    stop = np.where(length > HOUR, np.maximum(wall_us(found.end, zone), begin), begin + length)
    missing = found.start[1:] != found.end[:-1]
    runs = np.append(0, np.flatnonzero(missing | (begin[1:] != stop[:-1])) + 1)
    holes = np.flatnonzero(missing)
    gaps = [*zip(stop[holes].tolist(), begin[holes + 1].tolist(), strict=True)]
    if start.min() < found.start[0]:
        gaps.insert(0, (int(wall_us(start.min(keepdims=True), zone)[0]), int(begin[0])))
    if end.max() > found.end[-1]:
        gaps.append((int(stop[-1]), int(wall_us(end.max(keepdims=True), zone)[0])))
    covered = float(((end - start) * one["coverage"].to_numpy()).sum() if binned else length.sum())
    return _Steps(begin, stop, found.value, runs, gaps, covered, float(end.max() - start.min()))


def _traces(steps: _Steps, sign: int) -> list[dict[str, Any]]:
    """Return what each trace of a channel draws: a run of equal steps needs only its first time and its step."""
    bounds = [*zip(steps.runs.tolist(), [*steps.runs[1:].tolist(), steps.y.size], strict=True)]
    lengths = steps.end - steps.begin
    y = sign * steps.y
    if len(bounds) <= _RUNS and all((lengths[low:high] == lengths[low]).all() for low, high in bounds):
        return [
            {
                "x0": str(steps.begin[low : low + 1].view("M8[us]")[0]),
                "dx": int(lengths[low]) / 1000,  # ms
                "y": np.append(y[low:high], y[high - 1]).astype("float32"),  # the last step has an end, too
            }
            for low, high in bounds
        ]
    ends = np.array([high for _, high in bounds])
    times = np.insert(steps.begin, np.repeat(ends, 2), np.repeat(steps.end[ends - 1], 2))
    values = np.insert(y, np.repeat(ends, 2), np.column_stack([y[ends - 1], np.full(ends.size, np.nan)]).ravel())
    return [{"x": times.view("M8[us]"), "y": values.astype("float32")}]


def _kind(one: pd.DataFrame) -> tuple[str, str]:
    """Return what is drawn of a channel and its unit: power of electricity, else the amount of each interval."""
    if not np.isnan(watts_of(one)):
        return "Power", "kW"
    unit = unit_of(one)[0]
    if one["measure"].iloc[0] == "power":
        return "Power", unit
    each = each_of(utc_us(one["end"]) - utc_us(one["start"]))
    return "Volume" if one["measure"].iloc[0] == "volume" else "Energy", f"{unit} per {each}"


def series(x: Feed | pd.DataFrame, *, channel: str | None = None, slider: bool = True, title: str | None = None) -> go.Figure:
    """Draw intervals over time, as steps.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_rows, n_columns)
        Tidy intervals, or what `resample` returned.
    channel : str, optional
        Label of the only channel to draw; by default all that have the unit of the first.
    slider : bool, default True
        Whether to have a slider below, to look at a part; leave it out for print.
    title : str, optional
        Title instead of channel and period.

    Returns
    -------
    plotly.graph_objects.Figure
        Mean power of each interval [kW]; of what is not electric the amount of each interval, in its own unit. Beside others, received
        energy goes downwards. What was not metered is grey, and no line crosses it. The hour that the clock shows twice in autumn is
        drawn twice, one line upon the other; the one that it skips in spring stays empty. The caption is in
        ``figure.layout.meta["caption"]``.

    Raises
    ------
    ConfigurationError
        If there is nothing to draw, or intervals that are no electricity have unlike lengths.
    SmdError
        If intervals overlap.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> figure = series(smd.sample("lapse2024"), channel="electricity delivered (1)")
    >>> [trace.x0 for trace in figure.data], figure.layout.yaxis.title.text  # runs between the days on which the clock changes
    (['2024-01-01T00:00:00.000000', '2024-03-10T03:00:00.000000', '2024-11-03T01:00:00.000000'], 'Power (kW)')
    """
    frame = intervals_of(x)
    every = [frame.iloc[rows] for rows in channels(frame)]
    fit = [one for one in every if one["measure"].iloc[0] in ("energy", "power", "volume") and channel in (None, one["channel"].iloc[0])]
    if not fit:
        named = "" if channel is None else f" called {channel!r}"
        raise ConfigurationError(f"no channel of energy, power or volume{named} to draw", hint="See feed.channels for what there is.")
    quantity, unit = _kind(fit[0])
    groups = [one for one in fit if _kind(one) == (quantity, unit)]
    if unit.endswith(" per bin"):
        text = "amounts of intervals of unlike lengths cannot be compared"
        raise ConfigurationError(text, hint='Draw bars with smd.plot.energy(x), or bring them to one step: smd.resample(x, "1D").')
    zones = sorted({zone_of(one) for one in groups})
    clock = zones[0] if len(zones) == 1 else "UTC"
    names = names_of(groups)
    figure = go.Figure()
    gaps: list[tuple[int, int]] = []
    drawn = [_steps(one, clock) for one in groups]
    for number, (one, steps, name) in enumerate(zip(groups, drawn, names, strict=True)):
        sign = -1 if len(groups) > 1 and one["flow"].iloc[0] == "received" else 1
        line = {"color": COLOURS[number % len(COLOURS)], "width": 1, "shape": "hv"}
        for place, trace in enumerate(_traces(steps, sign)):
            figure.add_scatter(
                **trace,
                mode="lines",
                name=name,
                legendgroup=name,
                showlegend=place == 0,
                line=line,
                hovertemplate=f"%{{x|%Y-%m-%d %H:%M}}<br>%{{y:.4~g}} {unit}<extra>{name}</extra>",
            )
        gaps += steps.gaps
    if gaps:
        _grey(figure, gaps)
    first, last = min(int(steps.begin[0]) for steps in drawn), max(int(steps.end.max()) for steps in drawn)
    axis = [np.datetime64(time, "us") for time in (first, last)]
    span = period(*axis)
    share = sum(steps.covered for steps in drawn) / sum(steps.elapsed for steps in drawn)
    length = np.concatenate([utc_us(one["end"]) - utc_us(one["start"]) for one in groups])
    parts = [f"mean of each {interval_name(length)}" if quantity == "Power" else "", f"coverage {percent(share)}"]
    parts += ["grey: not metered" if len(groups) == 1 else "grey: not metered by one of them"] * bool(gaps)
    down = any(len(groups) > 1 and one["flow"].iloc[0] == "received" for one in groups)
    parts += ["received energy downwards"] * down
    twice = any((steps.begin[steps.runs[1:]] < steps.end[steps.runs[1:] - 1]).any() for steps in drawn)
    parts += ["two lines where the clock shows an hour twice"] * (twice and last - first <= 31 * DAY)  # in a year too narrow to be seen
    hidden = len(every) - len(groups) if channel is None else 0
    parts += [f"{hidden} other channel{'s' * (hidden > 1)} not shown"] * (hidden > 0)
    notes = sentence("; ".join(part for part in parts if part)) + "."
    label = ", ".join(names) if len(names) <= 2 else f"{len(names)} channels"
    heading = title or f"{sentence(label)}: {quantity.lower()}, {span}"
    where = f"Local time ({clock})" if len(zones) == 1 else f"Time (UTC; meters in {', '.join(zones)})"
    caption = f"Step line of the {quantity.lower()} of {', '.join(names)} in {unit} over time, {span}. {notes}"
    style(figure, title=heading, notes=notes, x=where, y=f"{quantity} ({unit})", caption=caption, height=500 if slider else 420)
    figure.update_layout(showlegend=False)
    if len(groups) > 1 or gaps:
        legend_below(figure)
    if slider:
        figure.update_layout(margin_b=40)  # plotly adds what the slider needs
    if not down:
        figure.update_yaxes(rangemode="tozero", selector={"overlaying": None})
    figure.update_xaxes(type="date", showgrid=False, range=[str(time) for time in axis], rangeslider={"visible": slider, "thickness": 0.1})
    return figure


def _grey(figure: go.Figure, gaps: list[tuple[int, int]]) -> None:
    """Draw what was not metered as grey from bottom to top, all of it as one trace on an axis of its own."""
    corners = np.array([(low, low, high, high, low) for low, high in gaps], dtype="i8").ravel().view("M8[us]")
    heights = np.tile(np.array([0, 1, 1, 0, 0], dtype="float32"), len(gaps))
    ends = np.arange(5, corners.size, 5)  # a hole between two areas
    figure.add_scatter(
        x=np.insert(corners, ends, np.datetime64("NaT", "us")),
        y=np.insert(heights, ends, np.nan),
        yaxis="y2",
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=MISSING,
        name="not metered",
        hoverinfo="skip",
    )
    figure.update_layout(yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True})


def peak_days(
    x: Feed | pd.DataFrame, *, n: int = 5, slot: str | None = None, channel: str | None = None, title: str | None = None
) -> go.Figure:
    """Draw the days of the highest power over each other, beside the median of all days.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_intervals, n_columns)
        Tidy intervals of electric energy or power, or the matrix that `smd_notebook.analysis.heatmap` made of them.
    n : int, default 5
        How many days.
    slot : str, optional
        Length of a slot, such as ``"1h"``; by default that of the intervals.
    channel : str, optional
        Label of the channel; by default the first delivered one, else the first.
    title : str, optional
        Title instead of channel and period.

    Returns
    -------
    plotly.graph_objects.Figure
        Mean power [kW] over the local time of day: the days whose highest slot is highest, highest first (on ties the earlier day), a
        colour and a dash each; dotted in grey the median of all days. What was not metered is a gap in the line.

    Raises
    ------
    UnitError
        If there is no electric energy or power.
    ConfigurationError
        If `n` is not positive, or intervals have no time of day.

    See Also
    --------
    smd_notebook.analysis.days.heatmap : The matrix that the days are taken from, and what it raises.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> figure = peak_days(smd.sample("lapse2024"), channel="electricity delivered (1)", n=2)
    >>> [trace.name for trace in figure.data][:2]
    ['2024-01-05 (Fri): 7.64 kW at 01:30', '2024-01-09 (Tue): 7.64 kW at 03:00']
    """
    if n < 1:
        raise ConfigurationError("n must be 1 or more", hint="n=5 draws the five highest days.")
    if isinstance(x, pd.DataFrame) and (x.index.name, x.columns.name) == ("date", "slot"):
        matrix, others = x, ""
    else:
        frame = drawable(x)
        matrix, others = matrix_of(frame, slot=slot, channel=channel), chosen(frame, channel)
    inputs = inputs_of(matrix)
    label, zone = inputs["channel"], inputs["zone"]
    power = matrix.to_numpy() / 1000
    highest = np.where(np.isnan(power), -np.inf, power).max(axis=1)
    metered = np.flatnonzero(np.isfinite(highest))
    days = metered[np.argsort(-highest[metered], kind="stable")][:n]
    if not days.size:
        raise ConfigurationError(f"{label!r} has no values to draw", hint="See feed.findings for why.")
    step = 24 / power.shape[1]
    figure = go.Figure()
    for number, day in enumerate(days.tolist()):
        at = matrix.columns[int(np.nanargmax(power[day]))]
        figure.add_scatter(
            x0=0,
            dx=step,
            y=np.append(power[day], power[day, -1]).astype("float32"),
            mode="lines",
            name=f"{matrix.index[day]:%Y-%m-%d (%a)}: {highest[day]:.3g} kW at {at}",
            line={"color": COLOURS[number % len(COLOURS)], "dash": DASHES[number % len(DASHES)], "width": 2, "shape": "hv"},
            hovertemplate="%{y:.4~g} kW<extra>" + f"{matrix.index[day]:%Y-%m-%d}" + "</extra>",
        )
    middle = np.array([np.median(column[~np.isnan(column)]) if (~np.isnan(column)).any() else np.nan for column in power.T])
    figure.add_scatter(
        x0=0,
        dx=step,
        y=np.append(middle, middle[-1]).astype("float32"),
        mode="lines",
        name=f"median of {metered.size} days",
        line={"color": "#767676", "dash": "dot", "width": 2, "shape": "hv"},
        hovertemplate="%{y:.4~g} kW<extra>median</extra>",
    )
    span = period(matrix.index[0].to_datetime64(), (matrix.index[-1] + pd.Timedelta(days=1)).to_datetime64())
    minutes = step * 60
    long = f"{minutes:g}-minute" if minutes < 60 else f"{step:g}-hour"
    notes = f"Mean of {long} slots; coverage {percent(inputs['coverage'])}."
    count = f"{days.size} highest days" if days.size > 1 else "highest day"
    caption = f"Mean power of {label} in kW by local time of day ({zone}) on the {count} and the median of all days, {span}. {notes}"
    heading = title or f"{sentence(label)}{others}: {count}, {span}"
    style(figure, title=heading, notes=notes, x="", y="Power (kW)", caption=caption, height=460)
    legend_below(figure, rows=-(-len(figure.data) // 3))
    figure.update_layout(hovermode="x unified")
    figure.update_yaxes(rangemode="tozero")
    clock_axis(figure, zone)
    return figure
