"""Daily energy beside the weather."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from plotly import graph_objects as go

from smd_notebook import analysis
from smd_notebook.errors import ConfigurationError
from smd_notebook.espi import codes
from smd_notebook.plot.base import COLOURS, drawable, inputs_of, legend_below, one_channel, period, sentence, style, wall

if TYPE_CHECKING:
    from smd_notebook.feed import Feed

__all__ = ["temperature"]


def temperature(
    x: Feed | pd.DataFrame,
    degrees: pd.Series[Any] | None = None,
    *,
    unit: Literal["degC", "degF"] = "degC",
    channel: str | None = None,
    title: str | None = None,
) -> go.Figure:
    """Draw daily energy over outdoor temperature, with the best degree-day model.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_rows, n_columns)
        Tidy intervals, or what `smd_notebook.analysis.degree_days` made of them.
    degrees : Series, shape (n_observations,), optional
        Outdoor temperature [unit]; index: time with a zone. Intervals need it.
    unit : {"degC", "degF"}, default "degC"
        Unit of the temperature.
    channel : str, optional
        Label of the channel; by default the first delivered one, else the first.
    title : str, optional
        Title instead of channel and period.

    Returns
    -------
    plotly.graph_objects.Figure
        A point a day, circles on weekdays and crosses at weekends [kWh per day for electric energy, else the unit of the channel]; the
        model as a line, named with its R2. Days that were not wholly metered or have no temperature are not drawn, and the subtitle
        counts them. The caption is in ``figure.layout.meta["caption"]``.

    Raises
    ------
    ConfigurationError
        If the temperature is missing, or the channel unknown.
    SmdError
        If fewer than 10 days have both energy and temperature.

    See Also
    --------
    smd_notebook.analysis.degrees.degree_days : The numbers that are drawn.

    Examples
    --------
    >>> import numpy as np, pandas as pd, smd_notebook as smd
    >>> hours = pd.date_range("2024-01-01", "2025-01-01", freq="h", tz="America/Los_Angeles", inclusive="left")
    >>> degrees = pd.Series(12 - 8 * np.cos((hours.day_of_year.to_numpy() - 30) / 366 * 2 * np.pi), index=hours)
    >>> figure = temperature(smd.sample("lapse2024"), degrees, channel="electricity delivered (1)")
    >>> figure.layout.xaxis.title.text, figure.layout.yaxis.title.text
    ('Mean outdoor temperature of the day (°C)', 'Energy (kWh per day)')
    """
    if isinstance(x, pd.DataFrame) and {"temperature", "fitted", "model"} <= set(x.columns):
        table, others = one_channel(x, channel)
        inputs = inputs_of(x)
    elif degrees is None:
        hint = "Give it: smd.plot.temperature(x, degrees), a Series with times that have a zone."
        raise ConfigurationError("there is no outdoor temperature", hint=hint)
    else:
        one, others = one_channel(drawable(x), channel)
        table = analysis.degree_days(one, degrees, unit=unit)
        inputs = inputs_of(table)
    label, zone = str(table["channel"].iloc[0]), str(table["zone"].iloc[0])
    model = inputs["models"][label]
    own = str(table["unit"].iloc[0])
    name, factor = ("kWh", float(codes.conversion(own, "kWh"))) if own.endswith("Wh") else (own, 1.0)
    sign = {"degC": "°C", "degF": "°F"}[inputs["temperature in"]]
    value, mean = table["value"].to_numpy(dtype="float64") * factor, table["temperature"].to_numpy(dtype="float64")
    known = ~np.isnan(value) & ~np.isnan(mean)
    dates = wall(table["start"], zone)
    weekday = np.is_busday(dates.astype("M8[D]"))
    figure = go.Figure()
    for days, symbol, colour, rows in (
        ("weekdays", "circle", COLOURS[0], known & weekday),
        ("weekends", "x", COLOURS[1], known & ~weekday),
    ):
        figure.add_scatter(
            x=mean[rows].astype("float32"),
            y=value[rows].astype("float32"),
            mode="markers",
            name=days,
            marker={"symbol": symbol, "color": colour, "size": 6, "opacity": 0.7},
            text=dates[rows].astype("M8[D]").astype(str),
            hovertemplate=f"%{{text}}<br>%{{x:.3~g}} {sign}<br>%{{y:.4~g}} {name}<extra></extra>",
        )
    order = np.argsort(mean[known], kind="stable")
    fit = table["fitted"].to_numpy(dtype="float64")[known] * factor
    figure.add_scatter(
        x=mean[known][order].astype("float32"),
        y=fit[order].astype("float32"),
        mode="lines",
        name=f"{model['model']} model, R² {model['r2']:.2f}",
        line={"color": "#000000", "width": 2},
        hoverinfo="skip",
    )
    span = period(dates[0], wall(table["end"], zone)[-1])
    lost = int((~known).sum())
    points = [f"heating below {model['heating_balance']:.1f} {sign}"] if "heating_balance" in model else []
    points += [f"cooling above {model['cooling_balance']:.1f} {sign}"] if "cooling_balance" in model else []
    parts = [f"{int(known.sum())} days", *points]
    parts += [f"{lost} day{'s' * (lost > 1)} not drawn: not wholly metered, or without a temperature"] * bool(lost)
    notes = sentence("; ".join(parts)) + "."
    caption = f"Daily energy of {label} in {name} over the mean outdoor temperature of the local day ({zone}) in {sign}, {span}. {notes}"
    heading = title or f"{sentence(label)}{others}: energy and temperature, {span}"
    style(
        figure, title=heading, notes=notes, x=f"Mean outdoor temperature of the day ({sign})", y=f"Energy ({name} per day)", caption=caption
    )
    figure.update_yaxes(rangemode="tozero")
    legend_below(figure)
    return figure
