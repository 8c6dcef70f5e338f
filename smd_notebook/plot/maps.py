"""Maps of date and time of day: how much, and how good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from plotly import graph_objects as go

from smd_notebook.analysis.classes import CLASSES, quality_map
from smd_notebook.analysis.days import heatmap as matrix_of
from smd_notebook.analysis.edges import DAY
from smd_notebook.plot.base import MISSING, QUALITY, chosen, drawable, inputs_of, legend_below, part, percent, period, sentence, style

if TYPE_CHECKING:
    from collections.abc import Callable

    from smd_notebook.feed import Feed

__all__ = ["heatmap", "quality"]


def _matrix(x: Any, function: Callable[..., pd.DataFrame], channel: str | None, slot: str | None) -> tuple[pd.DataFrame, str]:
    """Return the matrix of date and slot, and what to say of channels that are not in it."""
    if isinstance(x, pd.DataFrame) and (x.index.name, x.columns.name) == ("date", "slot"):
        return x, ""
    frame = drawable(x)
    return function(frame, slot=slot, channel=channel), chosen(frame, channel)


def _axes(figure: go.Figure, matrix: pd.DataFrame) -> None:
    """Give a map whole days from left to right, and the clock upwards."""
    first, last = (day.to_datetime64().astype("M8[s]") for day in (matrix.index[0], matrix.index[-1]))
    half = np.timedelta64(12, "h")  # plotly draws a cell around its time
    figure.update_xaxes(type="date", showgrid=False, range=[str(first - half), str(last + half)])
    if len(matrix) <= 10:  # else plotly would divide days into hours
        figure.update_xaxes(dtick=DAY // 1000, tickformat="%b %-d\n%Y")
    marks = [name for name in matrix.columns if name.endswith(":00") and len(name) == 5 and int(name[:2]) % 3 == 0]
    figure.update_yaxes(type="category", tickmode="array", tickvals=marks, showgrid=False)


def _span(matrix: pd.DataFrame) -> tuple[str, str]:
    """Return the first date, and the period that a map shows."""
    first, last = (day.to_datetime64() for day in (matrix.index[0], matrix.index[-1] + pd.Timedelta(days=1)))
    return str(first.astype("M8[D]")), period(first, last)


def heatmap(x: Feed | pd.DataFrame, *, slot: str | None = None, channel: str | None = None, title: str | None = None) -> go.Figure:
    """Draw mean power as colours over date and time of day.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_intervals, n_columns)
        Tidy intervals of electric energy or power, or the matrix that `smd_notebook.analysis.heatmap` made of them.
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
    >>> import smd_notebook as smd
    >>> spring = smd.sample("lapse2024").select(channel="electricity delivered (1)", start="2024-03-10", end="2024-03-12")
    >>> heatmap(spring).layout.title.text
    'Electricity delivered (1): mean power, 2024-03-10 to 2024-03-11'
    """
    matrix, others = _matrix(x, matrix_of, channel, slot)
    inputs = inputs_of(matrix)
    label, zone = inputs["channel"], inputs["zone"]
    power = matrix.to_numpy().T / 1000
    known = power[~np.isnan(power)]
    top = float(np.abs(known).max(initial=0)) or 1.0
    diverging = bool(known.min(initial=0) < 0)
    first, span = _span(matrix)
    figure = go.Figure(
        go.Heatmap(
            z=power.astype("float32"),
            x0=first,
            dx=DAY // 1000,
            y=list(matrix.columns),
            colorscale="RdBu_r" if diverging else "Cividis",
            zmin=-top if diverging else 0,
            zmax=top,
            colorbar={"title": {"text": "Power (kW)", "side": "right"}, "thickness": 14, "outlinewidth": 0},
            hoverongaps=False,
            hovertemplate="%{x|%Y-%m-%d} %{y}<br>%{z:.4~g} kW<extra></extra>",
        )
    )
    minutes = DAY / len(matrix.columns) / 60_000_000
    long = f"{minutes:g}-minute" if minutes < 60 else f"{minutes / 60:g}-hour"
    notes = f"Mean of {long} slots; coverage {percent(inputs['coverage'])}"
    notes += "." if known.size == power.size else "; grey: not metered, or skipped by the clock in spring."
    caption = f"Heat map of the mean power of {label} in kW by local date and time of day ({zone}), {span}. {notes}"
    heading = title or f"{sentence(label)}{others}: mean power, {span}"
    style(figure, title=heading, notes=notes, x=f"Local date ({zone})", y="Local time of day", caption=caption)
    figure.update_layout(plot_bgcolor=MISSING)
    _axes(figure, matrix)
    return figure


def quality(x: Feed | pd.DataFrame, *, slot: str | None = None, channel: str | None = None, title: str | None = None) -> go.Figure:
    """Draw how good the data are as colours over date and time of day.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_intervals, n_columns)
        Tidy intervals of anything, or the matrix that `smd_notebook.analysis.quality_map` made of them; of daily readings the map has
        one row, of bills as well.
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
    (['measured 99.8 %', 'estimated 0.2 %'], 'Electricity delivered: quality, 2025-01-01 to 2025-12-31')
    """
    matrix, others = _matrix(x, quality_map, channel, slot)
    inputs = inputs_of(matrix)
    label, zone = inputs["channel"], inputs["zone"]
    cells = matrix.to_numpy().T
    numbers = np.array([CLASSES.index(name) if name else -1 for name in cells.ravel().tolist()], dtype="int8").reshape(cells.shape)
    first, span = _span(matrix)
    colours = ["#FFFFFF", *(QUALITY[name] for name in CLASSES)]
    bands = [(place / len(colours), colour) for number, colour in enumerate(colours) for place in (number, number + 1)]
    figure = go.Figure(
        go.Heatmap(
            z=numbers,
            x0=first,
            dx=DAY // 1000,
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
        figure.add_scatter(x=[None], y=[None], mode="markers", name=f"{name} {part(share)}", marker=marker)
    notes = "By the feed's own quality codes; suspicious and missing by smd.check. The worst of each slot."
    told = ", ".join(f"{name} {part(share)}" for name, share in shares.items())
    caption = f"Map of the quality of {label} by local date and time of day ({zone}), {span}: {told}. {notes}"
    heading = title or f"{sentence(label)}{others}: quality, {span}"
    style(figure, title=heading, notes=notes, x=f"Local date ({zone})", y="Local time of day", caption=caption)
    legend_below(figure, itemclick=False, itemdoubleclick=False)
    _axes(figure, matrix)
    if len(matrix.columns) == 1:
        figure.update_yaxes(title={"text": ""}, ticktext=["whole day"], tickvals=list(matrix.columns))
        figure.update_layout(height=280)
    return figure
