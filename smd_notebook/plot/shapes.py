"""The shape of load: profiles, duration curves and typical days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from plotly import graph_objects as go
from plotly.subplots import make_subplots

from smd_notebook import analysis
from smd_notebook.analysis.bins import channels
from smd_notebook.errors import ConfigurationError
from smd_notebook.plot.base import (
    COLOURS,
    DASHES,
    clock_axis,
    inputs_of,
    interval_name,
    intervals_of,
    legend_below,
    names_of,
    one_channel,
    percent,
    rate_of,
    sentence,
    style,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from numpy.typing import NDArray

    from smd_notebook.feed import Feed

    Floats = NDArray[np.float64]

__all__ = ["duration", "profile"]

_POINTS = 2000  # more than a screen has
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_FAN = "rgba(0, 114, 178, {})"  # Okabe and Ito's blue


# -- profiles --------------------------------------------------------------------------------------------------------------------------


def profile(
    x: Feed | pd.DataFrame,
    *,
    by: str | Sequence[str] = ("season", "day_type"),
    slot: str = "1h",
    holidays: str | Iterable[date | str] | None = None,
    channel: str | None = None,
    title: str | None = None,
) -> go.Figure:
    """Draw what is usual at each time of day as a fan of quantiles, a panel for each kind of day.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_rows, n_columns)
        Tidy intervals, what `resample` returned, or what `smd_notebook.analysis.profile` made of them, with whatever quantiles.
    by : str or sequence of str, default ("season", "day_type")
        What days are grouped by, as in `smd_notebook.analysis.profile`; the first goes down, the second to the right.
    slot : str, default "1h"
        Length of a slot of the day.
    holidays : str or sequence of dates, optional
        Holidays, as in `smd_notebook.analysis.profile`.
    channel : str, optional
        Label of the channel; by default the first delivered one, else the first.
    title : str, optional
        Title instead of the channel.

    Returns
    -------
    plotly.graph_objects.Figure
        Bands between the quantiles [kW, else the unit of the channel per hour], a solid line for the median and a dashed one for the mean.
        Slots that were never metered are empty. The caption is in ``figure.layout.meta["caption"]``.

    Raises
    ------
    ConfigurationError
        If an argument is not understood, or intervals are longer than a slot.
    UnitError
        If the channel has no profile.

    See Also
    --------
    smd_notebook.analysis.profiles.profile : The numbers that are drawn.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> figure = profile(smd.sample("lapse2024"), channel="electricity delivered (1)")
    >>> [panel.text for panel in figure.layout.annotations][:2]
    ['Summer, weekday: 86 days', 'Summer, weekend: 36 days']
    """
    if isinstance(x, pd.DataFrame) and {"slot", "n", "mean"} <= set(x.columns):
        table, others = one_channel(x, channel)
        inputs = inputs_of(x)
    else:
        one, others = one_channel(intervals_of(x), channel)
        table = analysis.profile(one, by=by, slot=slot, holidays=holidays)
        inputs = inputs_of(table)
    if table.empty:
        hint = "No slot of the day is metered whole on any day: take more days or a shorter slot; feed.findings says more."
        raise ConfigurationError("there are no values to draw", hint=hint)
    label = str(table["channel"].iloc[0])
    caption = f"Profiles of {label}"
    heading = title or f"{sentence(label)}{others}: daily profile"
    notes = f"{inputs['period']}; slots of {inputs['slot']}; coverage {percent(inputs['coverage'])}; what was not metered is left out."
    return fan(table, inputs["zone"], heading, caption, notes)


def fan(table: pd.DataFrame, zone: str, heading: str, caption: str, notes: str, counted: str = "day") -> go.Figure:
    """Draw quantiles, median and mean by the time of day, a panel for each group; `counted` is what each group has `n` of."""
    what, unit, factor = rate_of(str(table["unit"].iloc[0]))
    keys = list(table.columns[2 : list(table.columns).index("slot")])
    groups = _groups(table, keys)
    n_columns = table[keys[1]].nunique() if len(keys) == 2 else min(len(groups), 4)
    places = _places(groups, table, keys, n_columns)
    n_rows = max(row for row, _ in places)
    titles = [""] * (n_rows * n_columns)
    for (row, column), (words, part) in zip(places, groups, strict=True):
        titles[(row - 1) * n_columns + column - 1] = f"{sentence(words)}: {_counted(part, counted)}"
    gaps = {"horizontal_spacing": 0.04, "vertical_spacing": 0.3 / n_rows if n_rows > 1 else 0}
    figure = make_subplots(rows=n_rows, cols=n_columns, shared_yaxes="all", shared_xaxes="all", subplot_titles=titles, **gaps)
    names = [name for name in table.columns if name[0] == "p" and name[1:].replace(".", "").isdigit()]
    names.sort(key=lambda name: float(name[1:]))
    for number, ((row, column), (_, part)) in enumerate(zip(places, groups, strict=True)):
        for trace in _fan(part, names, factor, unit, counted):
            figure.add_trace(trace.update(showlegend=number == 0, legendgroup=trace.name), row=row, col=column)
    told = "; ".join(
        f"{words}, {_counted(part, counted)}, mean {np.nanmean(part['mean'].to_numpy()) * factor:.3g} {unit}" for words, part in groups
    )
    caption = f"{caption} in {unit} by local time of day ({zone}): {told}. {notes}"
    style(figure, title=heading, notes=notes, x="", y="", caption=caption, height=190 + 230 * n_rows)
    clock_axis(figure, zone, every=3 if n_columns == 1 else 6, last=n_columns == 1, title=None, showticklabels=True)
    values = table[["mean", *names]].to_numpy() * factor
    low, high = (float(pick(values, initial=0, where=~np.isnan(values))) for pick in (np.min, np.max))
    figure.update_yaxes(range=[1.05 * low, 1.05 * high or 1])  # plotly leaves areas out of its own
    figure.update_yaxes(title={"text": f"{what} ({unit})"}, col=1)
    middle = {"x": 0.5, "xref": "paper", "xanchor": "center", "y": 0, "yref": "paper", "yanchor": "top", "yshift": -28, "showarrow": False}
    figure.add_annotation(text=f"Local time of day ({zone})", font={"size": 15}, **middle)
    figure.update_annotations(font={"size": 13})
    legend_below(figure, traceorder="normal")
    figure.update_layout(margin_t=105)
    return figure


def _groups(table: pd.DataFrame, keys: list[str]) -> list[tuple[str, pd.DataFrame]]:
    """Return the panels, in the order of the table."""
    if not keys:
        return [("all days", table)]
    groups = table.groupby(keys, observed=True, sort=True)
    named: Any = {"month": lambda number: _MONTHS[number - 1]}
    return [(", ".join(named.get(key, str)(name) for key, name in zip(keys, group, strict=True)), part) for group, part in groups]


def _counted(part: pd.DataFrame, what: str) -> str:
    """Say of how many days or homes a panel is; where the clock shows an hour twice, that slot has a day more."""
    n = int(part["n"].median())
    return f"{n:,} {what}" + "s" * (n != 1)


def _places(groups: list[Any], table: pd.DataFrame, keys: list[str], n_columns: int) -> list[tuple[int, int]]:
    """Return the row and column of each panel: of two keys the first goes down, the second to the right; else they run on."""
    if len(keys) != 2:
        return [(number // n_columns + 1, number % n_columns + 1) for number in range(len(groups))]
    down, right = (list(dict.fromkeys(table[key].sort_values())) for key in keys)
    heads = [part.iloc[0] for _, part in groups]
    return [(down.index(head[keys[0]]) + 1, right.index(head[keys[1]]) + 1) for head in heads]


def _fan(part: pd.DataFrame, names: list[str], factor: float, unit: str, counted: str) -> list[Any]:
    """Return bands between quantiles, outermost first, then the lines."""
    step = 24 / len(part)
    traces = []
    half = len(names) // 2
    for number, (low, high) in enumerate(zip(names[:half], names[::-1], strict=False)):
        x, y = _band(part[low].to_numpy() * factor, part[high].to_numpy() * factor, step)
        band = {"fill": "toself", "fillcolor": _FAN.format(0.18 + 0.17 * number), "line": {"width": 0}, "hoverinfo": "skip"}
        traces.append(go.Scatter(x=x, y=y, mode="lines", name=f"{low[1:]} to {high[1:]} % of {counted}s", **band))
    lines = [("mean", "mean", "dash", "#000000")]
    if len(names) % 2:
        lines.insert(0, (names[half], "median" if names[half] == "p50" else f"{names[half][1:]} %", "solid", COLOURS[0]))
    for column, name, dash, colour in lines:
        value = part[column].to_numpy() * factor
        traces.append(
            go.Scatter(
                x0=0,
                dx=step,
                y=np.append(value, value[-1]).astype("float32"),
                mode="lines",
                name=name,
                line={"color": colour, "dash": dash, "width": 2 if dash == "solid" else 1.5, "shape": "hv"},
                hovertemplate=f"%{{y:.4~g}} {unit}<extra>{name}</extra>",
            )
        )
    return traces


def _band(low: Floats, high: Floats, step: float) -> tuple[Floats, Floats]:
    """Return the outline of what lies between two lines of steps, one closed path for each run of known slots."""
    known = ~np.isnan(low) & ~np.isnan(high)
    turns = np.flatnonzero(np.diff(known.astype("i8"), prepend=0, append=0))
    xs: list[Any] = []
    ys: list[Any] = []
    for first, last in zip(turns[::2].tolist(), turns[1::2].tolist(), strict=True):
        edges = np.repeat(np.arange(first, last + 1) * step, 2)[1:-1]
        xs += [edges, edges[::-1], [np.nan]]
        ys += [np.repeat(high[first:last], 2), np.repeat(low[first:last], 2)[::-1], [np.nan]]
    return (np.concatenate(xs)[:-1], np.concatenate(ys)[:-1].astype("float32")) if xs else (np.empty(0), np.empty(0))


# -- duration curves -------------------------------------------------------------------------------------------------------------------


def duration(x: Feed | pd.DataFrame, *, channel: str | None = None, title: str | None = None) -> go.Figure:
    """Draw the load duration curve: for how much of the time a load was reached or exceeded.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_rows, n_columns)
        Tidy intervals, what `resample` returned, or what `smd_notebook.analysis.duration_curve` made of them.
    channel : str, optional
        Label of the only channel to draw; by default all that have the unit of the first.
    title : str, optional
        Title instead of the channels.

    Returns
    -------
    plotly.graph_objects.Figure
        Load [kW, else the unit of the channel per hour] over the share of the metered time [%], each channel with a colour and a dash of
        its own, in 2,000 points or fewer, with the highest and the lowest load among them. What was not metered is no part of the curve;
        the subtitle has its share. The caption is in ``figure.layout.meta["caption"]``.

    Raises
    ------
    ConfigurationError
        If there is no such channel.
    UnitError
        If no channel has a rate.

    See Also
    --------
    smd_notebook.analysis.loads.duration_curve : The numbers that are drawn.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> figure = duration(smd.sample("lapse2024"), channel="electricity delivered (1)")
    >>> float(figure.data[0].y[0]), len(figure.data[0].y) <= 2000
    (7.644000053405762, True)
    """
    if isinstance(x, pd.DataFrame) and {"load", "share", "hours"} <= set(x.columns):
        table = x
    else:
        frame = intervals_of(x)
        table = analysis.duration_curve(frame if channel is None else one_channel(frame, channel)[0])
    inputs = inputs_of(table)
    every = [table.iloc[rows] for rows in channels(table) if channel in (None, table["channel"].iloc[rows].iloc[0])]
    if not every:
        text = "there are no values to draw" if channel is None or table.empty else f"no channel is called {channel!r}"
        raise ConfigurationError(text, hint="See feed.channels for what there is, and feed.findings.")
    what, unit, factor = rate_of(str(every[0]["unit"].iloc[0]))
    groups = [one for one in every if one["unit"].iloc[0] == every[0]["unit"].iloc[0]]
    names = names_of(groups)
    figure = go.Figure()
    for number, (one, name) in enumerate(zip(groups, names, strict=True)):
        load, share = one["load"].to_numpy() * factor, one["share"].to_numpy() * 100
        few = _few(load)
        figure.add_scatter(
            x=np.append(0, share[few]).astype("float32"),
            y=np.append(load[0], load[few]).astype("float32"),
            mode="lines",
            name=name,
            line={"color": COLOURS[number % len(COLOURS)], "dash": DASHES[number % len(DASHES)], "width": 2, "shape": "vh"},
            hovertemplate=f"%{{y:.4~g}} {unit} or more<br>%{{x:.3~g}} % of the time<extra>{name}</extra>",
        )
    length = np.concatenate([one["duration"].to_numpy().astype("m8[us]").astype("i8") for one in groups])
    notes = f"{inputs['period']}; mean of each {interval_name(length)}; coverage {percent(inputs['coverage'])}."
    label = ", ".join(names) if len(names) <= 2 else f"{len(names)} channels"
    halves = [f"{name}: {_at_half(one) * factor:.3g} {unit} or more in half of the time" for one, name in zip(groups, names, strict=True)]
    caption = (
        f"Load duration curve of {', '.join(names)}, in {unit} over the share of the metered time. {sentence('; '.join(halves))}. {notes}"
    )
    style(
        figure,
        title=title or f"{sentence(label)}: load duration curve",
        notes=notes,
        x="Share of the metered time (%)",
        y=f"{what} ({unit})",
        caption=caption,
    )
    figure.update_xaxes(range=[0, 100])
    figure.update_yaxes(rangemode="tozero")
    if len(groups) > 1:
        legend_below(figure)
    return figure


def _few(load: Floats) -> NDArray[np.int64]:
    """Return places along a falling curve, as many over the share of time as over the load, and both ends."""
    if load.size < _POINTS:
        return np.arange(load.size)
    n = _POINTS // 3 - 1
    across = np.linspace(0, load.size - 1, n).astype("i8")
    down = np.searchsorted(-load, -np.linspace(load[0], load[-1], n))
    return np.unique(np.clip(np.concatenate([across, down, down - 1]), 0, load.size - 1))  # both ends of a sudden fall


def _at_half(one: pd.DataFrame) -> float:
    """Return the load that was reached or exceeded in half of the time."""
    return float(one["load"].iloc[int(np.searchsorted(one["share"].to_numpy(), 0.5))])
