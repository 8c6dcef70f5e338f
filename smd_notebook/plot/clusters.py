"""Typical days: what they look like, and when they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from plotly import graph_objects as go
from plotly.subplots import make_subplots

from smd_notebook import analysis
from smd_notebook.analysis.typical import TypicalDays
from smd_notebook.errors import ConfigurationError
from smd_notebook.plot.base import (
    COLOURS,
    DASHES,
    MISSING,
    clock_axis,
    inputs_of,
    intervals_of,
    legend_below,
    one_channel,
    period,
    rate_of,
    sentence,
    style,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from smd_notebook.feed import Feed

__all__ = ["typical_days"]

_WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY_MS = 86_400_000


def typical_days(
    x: Feed | pd.DataFrame | TypicalDays,
    k: int | Sequence[int] = range(2, 8),
    *,
    slot: str = "1h",
    channel: str | None = None,
    title: str | None = None,
) -> go.Figure:
    """Draw typical days, and a calendar of which day is of which kind.

    Parameters
    ----------
    x : Feed, DataFrame or TypicalDays
        Tidy intervals, what `resample` returned, or what `smd_notebook.analysis.typical_days` made of them.
    k : int or sequence of int, default 2 to 7
        Number of clusters, or several to choose from; 8 at most, which is how many colours can be told apart.
    slot : str, default "1h"
        Length of the slots that make up a day.
    channel : str, optional
        Label of the channel; by default the first delivered one, else the first.
    title : str, optional
        Title instead of channel and period.

    Returns
    -------
    plotly.graph_objects.Figure
        Above, the centres of the clusters [% of the day's energy in a slot, or kW], with the days of each and their mean squared error
        relative to the centre's square. Below, a calendar: weeks from left to right, a row for each day of the week; grey is a day that
        is in no cluster, because it is not complete. The caption is in ``figure.layout.meta["caption"]``.

    Raises
    ------
    ConfigurationError
        If scikit-learn is not installed, there are too few days, or more clusters than colours.

    See Also
    --------
    smd_notebook.analysis.typical.typical_days : The clusters that are drawn.
    """
    if isinstance(x, TypicalDays):
        found = x
        calendar, others = one_channel(found.calendar, channel)
    else:
        one, others = one_channel(intervals_of(x), channel)
        found = analysis.typical_days(one, k, slot=slot)
        calendar = found.calendar
    centres, inputs = found.centres, inputs_of(found.centres)
    label, zone = str(calendar["channel"].iloc[0]), inputs["zone"]
    figure = make_subplots(rows=2, cols=1, row_heights=[0.62, 0.38], vertical_spacing=0.2)
    lines, y = centre_lines(found)
    for line in lines:
        figure.add_trace(line, row=1, col=1)
    dates = calendar["date"].to_numpy().astype("M8[D]")
    weekday = (dates.astype("i8") + 3) % 7
    week = (dates - weekday).astype("i8") // 7
    code = calendar["cluster"].to_numpy(dtype="float64", na_value=0)
    table = np.full((7, int(week[-1] - week[0]) + 1), np.nan)  # before the first day and after the last there is nothing
    table[weekday, week - week[0]] = code
    text = np.full(table.shape, "", dtype=object)
    text[weekday, week - week[0]] = [f"{date}: {'none' if one == 0 else int(one)}" for date, one in zip(dates, code, strict=True)]
    figure.add_trace(
        go.Heatmap(
            z=table.astype("float32"),
            x0=str((dates[0] - weekday[0]) + np.timedelta64(3, "D")),  # the middle of the week
            dx=7 * _DAY_MS,
            y=list(_WEEK),
            colorscale=code_bands(len(centres)),
            zmin=-0.5,
            zmax=len(centres) + 0.5,
            showscale=False,
            xgap=1,
            ygap=1,
            text=text,
            hovertemplate="%{text}<extra></extra>",
            hoverongaps=False,
        ),
        row=2,
        col=1,
    )
    span = period(dates[0].astype("M8[us]"), (dates[-1] + np.timedelta64(1, "D")).astype("M8[us]"))
    none = int((code == 0).sum())
    notes = f"{len(centres)} clusters of {int(centres['days'].sum())} days by k-means" + (" of their shapes" if inputs["normalise"] else "")
    notes += f"; grey: {none} day{'s' * (none > 1)} in none, not complete." if none else "."
    told = ", ".join(f"{cluster}: {int(days)} days" for cluster, days in centres["days"].items())
    caption = f"Typical days of {label} by local time of day ({zone}), and a calendar of them, {span} ({told}). {notes}"
    heading = title or f"{sentence(label)}{others}: typical days, {span}"
    style(figure, title=heading, notes=notes, x="", y="", caption=caption, height=560)
    clock_axis(figure, zone, row=1)
    figure.update_yaxes(title={"text": y}, rangemode="tozero", row=1)
    figure.update_xaxes(title={"text": f"Local date ({zone}), a column a week"}, type="date", showgrid=False, row=2)
    figure.update_yaxes(autorange="reversed", showgrid=False, title=None, dtick=1, row=2)
    legend_below(figure, rows=-(-len(centres) // 3))
    return figure


def centre_lines(found: TypicalDays) -> tuple[list[go.Scatter], str]:
    """Return a line for each kind of day, and what stands on their axis.

    Raises
    ------
    ConfigurationError
        If there are more clusters than colours.
    """
    centres, inputs = found.centres, inputs_of(found.centres)
    if len(centres) > len(COLOURS):
        raise ConfigurationError(f"{len(centres)} clusters are more than colours that can be told apart", hint="Take k=8 or fewer.")
    slots = [name for name in centres.columns if ":" in name]
    y, unit, factor = ("Share of the day", "%", 100.0) if inputs["normalise"] else rate_of(inputs["unit"])
    lines = []
    for number, (cluster, centre) in enumerate(centres.iterrows()):
        value = centre[slots].to_numpy(dtype="float64") * factor
        name = f"{cluster}: {int(centre['days']):,} days, error {centre['rse']:.2f}"
        line = {"color": COLOURS[number], "dash": DASHES[number % len(DASHES)], "width": 2, "shape": "hv"}
        trace = go.Scatter(x0=0, dx=24 / len(slots), y=np.append(value, value[-1]).astype("float32"), mode="lines", name=name, line=line)
        lines.append(trace.update(hovertemplate=f"%{{y:.3~g}} {unit}<extra>day {cluster}</extra>"))
    return lines, f"{y} ({unit})"


def code_bands(k: int) -> list[tuple[float, str]]:
    """Return a scale of the colours of `k` kinds of days, from 1; 0 is what is of none."""
    colours = [MISSING, *COLOURS[:k]]
    return [(place / len(colours), colour) for number, colour in enumerate(colours) for place in (number, number + 1)]
