"""Many homes in one figure: how far they differ, and what they are together. No figure names a home."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from plotly import graph_objects as go
from plotly.subplots import make_subplots

from smd_notebook.analysis import across_homes
from smd_notebook.analysis.typical import TypicalDays
from smd_notebook.errors import ConfigurationError, UnitError
from smd_notebook.plot.base import COLOURS, clock_axis, inputs_of, legend_below, period, rate_of, sentence, style
from smd_notebook.plot.clusters import centre_lines, code_bands
from smd_notebook.plot.shapes import fan

__all__ = ["cohort"]

_LINES, _ROWS = 300, 1000  # homes that are drawn one by one; more than can be told apart
_FIFTHS = ("#00224E", "#43506C", "#7D7C78", "#A69D75", "#D3C164")  # of Cividis, from the highest loads to the lowest; faint yellow left out
_NTH = ("highest fifth", "second", "third", "fourth", "lowest fifth")


def cohort(x: Any, *, title: str | None = None) -> go.Figure:
    """Draw what a cohort's method returned.

    Parameters
    ----------
    x : DataFrame or TypicalDays
        What `Cohort.profile`, `Cohort.duration_curve`, `Cohort.typical_days` or `Cohort.coincidence_curve` returned.
    title : str, optional
        Title instead of what it is and of how many homes.

    Returns
    -------
    plotly.graph_objects.Figure
        Of profiles, a fan: quantiles across homes of each home's mean at each time of day [kW], a panel for each kind of day. Of duration
        curves, a line for each home [kW over the share of its time], in the colour of its fifth by mean load, and the median of all homes.
        Of typical days, the centres of the clusters and a map: a row for each home, a column for each date, homes with like days together.
        Of a coincidence curve, the peak per home [kW] over the number of homes, and its spread. Lines and rows are of 300 and 1,000 homes
        at most, evenly chosen by rank, and the subtitle says so. The caption is in ``figure.layout.meta["caption"]``.

    Raises
    ------
    ConfigurationError
        If it is none of these, or empty.
    UnitError
        If meters have unlike units.

    See Also
    --------
    smd_notebook.analysis.profiles.across_homes : The numbers of the fan.
    """
    if isinstance(x, TypicalDays):
        return _map(x, title)
    columns = set(x.columns) if isinstance(x, pd.DataFrame) else set()
    for known, draw in (({"slot", "mean"}, _fan), ({"share", "load"}, _ranked), ({"meters", "coincidence_factor"}, _curve)):
        if known <= columns:
            if x.empty:
                raise ConfigurationError("there are no values to draw", hint="See cohort.meters for what there is.")
            if x["unit"].nunique() > 1:
                raise UnitError("meters of unlike units cannot be compared", hint='Select first: cohort.select(service="electricity").')
            return draw(x, title)
    text = "this is nothing that is drawn of a cohort"
    raise ConfigurationError(text, hint="Draw what profile, duration_curve, typical_days or coincidence_curve of a cohort returned.")


def _label(x: pd.DataFrame) -> str:
    labels = x["channel"].unique()
    return str(labels[0]) if len(labels) == 1 else f"{len(labels)} kinds of channels"


def _fan(x: pd.DataFrame, title: str | None) -> go.Figure:
    table = x if (x["usage_point"] == "all").all() else across_homes(x)
    inputs = inputs_of(table)
    label = _label(table if (table["channel"] != "all").all() else x)
    heading = title or f"{sentence(label)}: daily profiles across {inputs['meters']:,} homes"
    notes = "Quantiles across homes of each one's mean; each home counts once."
    return fan(table, inputs["zone"], heading, f"Mean {label} of {inputs['meters']:,} homes", notes, counted="home")


def _ranked(x: pd.DataFrame, title: str | None) -> go.Figure:
    what, unit, factor = rate_of(str(x["unit"].iloc[0]))
    share = np.unique(x["share"].to_numpy())
    load = x["load"].to_numpy().reshape(-1, share.size) * factor
    n = len(load)
    mean = (load[:, 1:] + load[:, :-1]) / 2 @ np.diff(share)
    order = np.argsort(-mean, kind="stable")
    figure = go.Figure()
    drawn = np.unique(np.linspace(0, n - 1, min(n, _LINES)).round().astype("i8"))
    fifth = drawn * 5 // n
    gap = np.full((n, 1), np.nan)
    xs, ys = np.hstack([np.tile(share * 100, (n, 1)), gap]), np.hstack([load, gap])
    for number in range(4, -1, -1):
        rows = order[drawn[fifth == number]]
        group = {"mode": "lines", "name": f"{_NTH[number]} of homes", "legendgroup": _NTH[number], "legendrank": number}
        x_, y_ = (table[rows].ravel().astype("float32") for table in (xs, ys))
        figure.add_scatter(
            x=x_, y=y_, opacity=0.6, line={"color": _FIFTHS[number], "width": 1}, hoverinfo="skip", showlegend=False, **group
        )
        figure.add_scatter(x=[None], y=[None], line={"color": _FIFTHS[number], "width": 4}, **group)  # a line that is seen in the legend
    middle = np.median(load, axis=0)
    black = {"color": "#000000", "width": 2, "dash": "dash"}
    hover = f"%{{y:.3~g}} {unit} or more<br>%{{x:.3~g}} % of the time<extra>median of homes</extra>"
    figure.add_scatter(
        x=share * 100, y=middle.astype("float32"), mode="lines", name="median of homes", line=black, hovertemplate=hover, legendrank=9
    )
    some = f"{drawn.size:,} of {n:,} homes are drawn, evenly by rank. " if drawn.size < n else ""
    notes = f"{some}A line a home, ranked by mean load; shares are of each one's metered time."
    peaks = np.quantile(load[:, 0], [0.1, 0.5, 0.9])
    caption = (
        f"Load duration curves of {n:,} homes ({_label(x)}), in {unit} over the share of the metered time. The highest load is "
        f"{peaks[1]:.3g} {unit} in the middle of homes, and {peaks[0]:.3g} to {peaks[2]:.3g} {unit} in the middle four fifths. {notes}"
    )
    heading = title or f"{sentence(_label(x))}: load duration curves of {n:,} homes"
    style(figure, title=heading, notes=notes, x="Share of the metered time (%)", y=f"{what} ({unit})", caption=caption, height=460)
    figure.update_xaxes(range=[0, 100])
    figure.update_yaxes(rangemode="tozero")
    legend_below(figure, rows=2)
    return figure


def _map(found: TypicalDays, title: str | None) -> go.Figure:
    calendar, centres, inputs = found.calendar, found.centres, inputs_of(found.centres)
    home = calendar.groupby(["usage_point", "channel"], sort=False, observed=True).ngroup().to_numpy()
    date = calendar["date"].to_numpy().astype("M8[D]")
    first, n, k = date.min(), int(home.max()) + 1, len(centres)
    code = calendar["cluster"].to_numpy(dtype="f8", na_value=0).astype("i1")
    table = np.zeros((n, int((date.max() - first).astype("i8")) + 1), dtype="i1")
    table[home, (date - first).astype("i8")] = code
    counts = np.stack([(table == number).sum(axis=1) for number in range(1, k + 1)], axis=1)
    most = counts.argmax(axis=1)
    order = np.lexsort((-counts[np.arange(n), most], most))
    drawn = order[np.unique(np.linspace(0, n - 1, min(n, _ROWS)).round().astype("i8"))]
    figure = make_subplots(rows=2, cols=1, row_heights=[0.4, 0.6], vertical_spacing=0.16)
    lines, y = centre_lines(found)
    for line in lines:
        figure.add_trace(line, row=1, col=1)
    figure.add_trace(
        go.Heatmap(
            z=table[drawn],
            x0=str(first),
            dx=86_400_000,
            colorscale=code_bands(k),
            zmin=-0.5,
            zmax=k + 0.5,
            showscale=False,
            hovertemplate="%{x|%Y-%m-%d}: day %{z}<extra></extra>",
        ),
        row=2,
        col=1,
    )
    span = period(first.astype("M8[us]"), (date.max() + np.timedelta64(1, "D")).astype("M8[us]"))
    some = f"{drawn.size:,} of {n:,} homes are drawn, evenly by rank. " if drawn.size < n else ""
    notes = f"{some}Homes with the same most frequent kind of day stand together; grey: no day, or none that is complete."
    told = ", ".join(f"{cluster}: {share:.0%}" for cluster, share in centres["share"].items())
    zone = inputs["zone"]
    caption = (
        f"Kinds of days of {n:,} homes ({_label(calendar)}): the shape of each by local time of day ({zone}), and a map of homes by dates, "
        f"{span}. Share of all days: {told}. {notes}"
    )
    heading = title or f"{sentence(_label(calendar))}: kinds of days of {n:,} homes, {span}"
    style(figure, title=heading, notes=notes, x="", y="", caption=caption, height=680)
    clock_axis(figure, zone, row=1)
    figure.update_yaxes(title={"text": y}, rangemode="tozero", row=1)
    figure.update_xaxes(title={"text": f"Local date ({zone})"}, type="date", showgrid=False, row=2)
    figure.update_yaxes(title={"text": f"{drawn.size:,} homes, a row each"}, showticklabels=False, ticks="", showgrid=False, row=2)
    legend_below(figure, rows=-(-k // 3))
    return figure


def _curve(x: pd.DataFrame, title: str | None) -> go.Figure:
    what, unit, factor = rate_of(str(x["unit"].iloc[0]))
    n = x["meters"].to_numpy()
    low, mean, high = (x[name].to_numpy() * factor for name in ("p10", "mean", "p90"))
    figure = go.Figure()
    band = {"fill": "toself", "fillcolor": "rgba(0, 114, 178, 0.2)", "line": {"width": 0}, "hoverinfo": "skip"}
    figure.add_scatter(x=np.append(n, n[::-1]), y=np.append(high, low[::-1]), mode="lines", name="10 to 90 % of groups", **band)
    hover = f"%{{x:,}} homes<br>%{{y:.3~g}} {unit} a home<br>coincidence factor %{{customdata:.2f}}<extra></extra>"
    figure.add_scatter(
        x=n,
        y=mean,
        customdata=x["coincidence_factor"].to_numpy(),
        mode="lines+markers",
        name="mean",
        line={"color": COLOURS[0], "width": 2},
        hovertemplate=hover,
    )
    last, inputs = x.iloc[-1], inputs_of(x)
    length = pd.Timedelta(last["interval"]) / pd.Timedelta("1h")
    each = "1 h" if length == 1 else f"{length:g} h" if length > 1 else f"{length * 60:g} min"
    notes = f"{int(last['subsets'])} random groups of each size, out of {inputs['meters']:,} homes; intervals of {each}."
    caption = (
        f"Highest mean {what.lower()} of groups of homes by their number, in {unit} a home: one home alone {mean[0]:.3g} {unit}, "
        f"{int(n[-1]):,} together {mean[-1]:.3g} {unit} each, a coincidence factor of {last['coincidence_factor']:.2f}. {notes}"
    )
    heading = title or "Coincident peak a home, by the number of homes"
    style(figure, title=heading, notes=notes, x="Number of homes", y=f"{what} a home ({unit})", caption=caption)
    figure.update_xaxes(type="log", tickvals=n, ticktext=[f"{number:,}" for number in n])
    figure.update_yaxes(rangemode="tozero")
    legend_below(figure)
    return figure
