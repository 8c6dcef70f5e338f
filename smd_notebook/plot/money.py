"""What energy costs: time-of-use periods and bills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from plotly import graph_objects as go

from smd_notebook import analysis
from smd_notebook.analysis.edges import parse, utc_us, wall_us
from smd_notebook.errors import ConfigurationError
from smd_notebook.plot.base import (
    COLOURS,
    WHOLE,
    drawable,
    inputs_of,
    legend_below,
    one_channel,
    part,
    period,
    sentence,
    style,
    zone_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from smd_notebook.analysis.schedules import Tariff
    from smd_notebook.feed import Feed

__all__ = ["bill", "tou"]

#: Colours and patterns of periods that many tariffs have, dearest first; of others the next that is free
_PERIODS = {
    "peak": (COLOURS[3], ""),
    "part-peak": (COLOURS[1], "/"),
    "off-peak": (COLOURS[5], ""),
    "super off-peak": (COLOURS[2], "\\"),
}
_OTHERS = ((COLOURS[0], ""), (COLOURS[4], "x"), (COLOURS[7], "."), (COLOURS[2], "-"), (COLOURS[6], "+"))
_LINES = {"baseline": (COLOURS[2], "\\"), "daily": ("#767676", ""), "monthly": ("#767676", "x"), "export": (COLOURS[7], ".")}
_DAY_MS = 86_400_000


def _looks(names: list[str], known: dict[str, tuple[str, str]]) -> dict[str, dict[str, Any]]:
    """Return a colour and a pattern for each name, for those who see no colours or print without them."""
    free = iter(_OTHERS * len(names))
    pairs = {name: known.get(name) or next(free) for name in names}
    pattern = {"fgcolor": "#FFFFFF", "size": 6}
    return {name: {"color": colour, "pattern": {"shape": shape, **pattern}} for name, (colour, shape) in pairs.items()}


def _ordered(names: list[str]) -> list[str]:
    """Return periods the dearest first, those of no known name behind."""
    known = [name for name in _PERIODS if name in names]
    return [*known, *sorted(set(names) - set(known))]


def tou(x: Feed | pd.DataFrame, tariff: Tariff | None = None, *, channel: str | None = None, title: str | None = None) -> go.Figure:
    """Draw energy by the time-of-use periods of a tariff, stacked.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_rows, n_columns)
        Tidy intervals, which make a bar a month; or what `smd_notebook.analysis.tou_shares` returned, which makes a bar a season.
    tariff : Tariff, optional
        What `smd_notebook.analysis.load_tariff` returned; intervals need it.
    channel : str, optional
        Label of the channel; by default the first delivered one.
    title : str, optional
        Title instead of channel and tariff.

    Returns
    -------
    plotly.graph_objects.Figure
        Energy [kWh]; peak at the bottom, a colour and a pattern for each period with its share of the whole in the legend. Bars that are
        covered in part are lighter. The caption is in ``figure.layout.meta["caption"]``.

    Raises
    ------
    ConfigurationError
        If a tariff is needed, or the channel is unknown.
    UnitError
        If there is no electric energy.

    See Also
    --------
    smd_notebook.analysis.costs.tou_shares : The numbers that are drawn.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> tariff = smd.analysis.load_tariff("EV2-A", on="2026-03-01")
    >>> figure = tou(smd.sample("lapse2024"), tariff, channel="electricity delivered (1)")
    >>> [trace.name for trace in figure.data]
    ['peak 41.3 %', 'part-peak 7.5 %', 'off-peak 51.2 %']
    """
    if isinstance(x, pd.DataFrame) and {"season", "period", "share"} <= set(x.columns):
        table, others = one_channel(x, channel)
        return _tou(table, others, inputs_of(x)["tariff"], by="season", title=title)
    if tariff is None:
        hint = "Say which: smd.plot.tou(x, smd.analysis.load_tariff(name, on=...))."
        raise ConfigurationError("periods are those of a tariff", hint=hint)
    one, others = one_channel(drawable(x), channel)
    zone = zone_of(one)
    start = utc_us(one["start"])
    edges = parse("1MS").between(int(start.min()), int(utc_us(one["end"]).max()), zone)
    first = wall_us(edges, zone).view("M8[us]").astype("M8[ms]")
    parts = []
    for low, high, begin, end in zip(edges[:-1], edges[1:], first[:-1], first[1:], strict=True):
        inside = (start >= low) & (start < high)
        if inside.any():
            share = analysis.tou_shares(one[inside], tariff)
            whole = share["covered"].sum() * 3_600_000_000 / (high - low)
            parts.append(share.assign(month=begin, width=(end - begin) / np.timedelta64(1, "ms"), coverage=whole))
    table = pd.concat(parts, ignore_index=True)
    return _tou(table, others, tariff.name, by="month", title=title)


def _tou(table: pd.DataFrame, others: str, tariff: str, *, by: str, title: str | None) -> go.Figure:
    """Stack the periods of each season, or of each month with its width on the axis [ms]."""
    label, zone = str(table["channel"].iloc[0]), str(table["zone"].iloc[0])
    names = _ordered(list(table["period"].unique()))
    looks = _looks(names, _PERIODS)
    total = float(table["energy"].sum())
    figure = go.Figure()
    partial = table["coverage"].to_numpy() < WHOLE
    shares = {}
    for name in names:
        rows = (table["period"] == name).to_numpy()
        energy = table["energy"].to_numpy()[rows]
        shares[name] = part(float(energy.sum()) / total) if total else "no share"
        bars: dict[str, Any] = {}
        if by == "month":
            width = table["width"].to_numpy()[rows]
            bars = {"width": width * 0.9, "offset": width * 0.05}
        figure.add_bar(
            x=table[by].to_numpy()[rows],
            y=energy.astype("float32"),
            name=f"{name} {shares[name]}",
            marker={**looks[name], "opacity": np.where(partial[rows], 0.4, 1.0), "line": {"width": 0}},
            hovertemplate=f"%{{x}}<br>%{{y:.4~g}} kWh<extra>{name}</extra>",
            **bars,
        )
    notes = "Share of all metered energy in the legend"
    notes += f"; lighter: {by} metered in part." if partial.any() else "."
    told = ", ".join(f"{name} {share}" for name, share in shares.items())
    caption = f"Stacked bars of the energy of {label} in kWh per {by} by the periods of {tariff}, local time ({zone}): {told}. {notes}"
    axis = f"Season of {tariff}, local time ({zone})" if by == "season" else f"Local date ({zone})"
    heading = title or f"{sentence(label)}{others}: energy by the periods of {tariff}"
    style(figure, title=heading, notes=notes, x=axis, y=f"Energy (kWh per {by})", caption=caption)
    figure.update_layout(barmode="stack")
    if by == "month":
        last = table["month"].iloc[-1] + pd.Timedelta(table["width"].iloc[-1], "ms")
        figure.update_xaxes(type="date", ticklabelmode="period", showgrid=False, range=[str(table["month"].iloc[0]), str(last)])
    else:
        figure.update_xaxes(type="category", showgrid=False)
    legend_below(figure, traceorder="normal")
    return figure


def bill(x: pd.DataFrame, *, title: str | None = None) -> go.Figure:
    """Draw the lines of bills, stacked, and what they come to.

    Parameters
    ----------
    x : DataFrame, shape (n_lines, n_columns)
        What `smd_notebook.analysis.bill` returned for one usage point.
    title : str, optional
        Title instead of tariff and period.

    Returns
    -------
    plotly.graph_objects.Figure
        A bar for each cycle [currency], from its first day to its last; credits go below zero, the diamond is the sum of all lines. Cycles
        that are metered in part are lighter. Exports without a price are not drawn, and the subtitle says so. The caption is in
        ``figure.layout.meta["caption"]``.

    Raises
    ------
    ConfigurationError
        If these are no bills, or those of several usage points.

    See Also
    --------
    smd_notebook.analysis.costs.bill : The lines that are drawn.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> tariff = smd.analysis.load_tariff("E-ELEC", on="2026-03-01")
    >>> home = smd.sample("lapse2024").select(channel="electricity delivered (1)")
    >>> lines = smd.analysis.bill(home, tariff, cycles="1MS", rates_as_of="2026-03-01")
    >>> figure = bill(lines)
    >>> figure.layout.yaxis.title.text, [trace.name for trace in figure.data]
    ('Amount (USD per cycle)', ['energy peak', 'energy part-peak', 'energy off-peak', 'charge by the day', 'sum'])
    """
    if not {"cycle_start", "cycle_end", "line", "kind", "amount", "currency"} <= set(getattr(x, "columns", ())):
        raise ConfigurationError("these are no lines of bills", hint="Make them: smd.analysis.bill(x, tariff, cycles=...).")
    if x["usage_point"].nunique() != 1:
        text = f"there are bills of {x['usage_point'].nunique()} usage points"
        raise ConfigurationError(text, hint='Draw one at a time: lines[lines["usage_point"] == ...].')
    inputs = inputs_of(x)
    unpriced = bool((x["amount"].isna() & (x["kind"] != "missing")).any())
    lines = x[x["amount"].notna()]
    lines = lines.assign(label=[_label(line, kind) for line, kind in zip(lines["line"], lines["kind"], strict=True)])
    kinds = dict(zip(lines["label"], lines["kind"], strict=True))
    energy = [f"energy {name}" for name in _ordered([label[7:] for label, kind in kinds.items() if kind == "energy"])]
    names = [*energy, *(label for label, kind in kinds.items() if kind != "energy")]
    known = {name: _LINES[kind] for name, kind in kinds.items() if kind in _LINES}
    looks = _looks(names, {f"energy {name}": look for name, look in _PERIODS.items()} | known)
    cycles = x.groupby("cycle_start").agg(end=("cycle_end", "first"), coverage=("coverage", "first"))
    amounts = lines.pivot_table(index="cycle_start", columns="label", values="amount", aggfunc="sum").reindex(cycles.index)
    begin = cycles.index.to_numpy().astype("M8[ms]")
    width = (cycles["end"].to_numpy().astype("M8[ms]") - begin) / np.timedelta64(1, "ms") + _DAY_MS
    partial = cycles["coverage"].to_numpy() < WHOLE
    currency = str(x["currency"].iloc[0])
    figure = go.Figure()
    for name in names:
        figure.add_bar(
            x=begin,
            y=amounts[name].to_numpy().astype("float32"),
            width=width * 0.9,
            offset=width * 0.05,
            name=name,
            marker={**looks[name], "opacity": np.where(partial, 0.4, 1.0), "line": {"width": 0}},
            hovertemplate=f"%{{x}}<br>%{{y:.2f}} {currency}<extra>{name}</extra>",
        )
    total: NDArray[np.float64] = amounts.sum(axis=1).to_numpy()
    figure.add_scatter(
        x=begin + (width / 2).astype("m8[ms]"),
        y=total.astype("float32"),
        mode="markers",
        name="sum",
        marker={"symbol": "diamond", "size": 9, "color": "#000000", "line": {"width": 1, "color": "#FFFFFF"}},
        hovertemplate=f"%{{y:.2f}} {currency}<extra>sum</extra>",
    )
    last = cycles["end"].to_numpy()[-1].astype("M8[us]") + np.timedelta64(1, "D")
    span = period(begin[0].astype("M8[us]"), last)
    parts = [f"{len(cycles)} cycle{'s' * (len(cycles) > 1)}, {total.sum():,.2f} {currency} in all"]
    parts += [f"rates as of {inputs['rates as of']}"] * bool(inputs.get("rates as of"))
    parts += ["lighter: metered in part, the rest not priced"] * bool(partial.any())
    parts += ["exports have no price"] * unpriced
    notes = sentence("; ".join(parts)) + "."
    caption = f"Stacked bars of the lines of bills under {inputs['tariff']} in {currency} per cycle, {span}. {notes}"
    heading = title or f"Bills under {inputs['tariff']}, {span}"
    style(figure, title=heading, notes=notes, x=f"Local date ({inputs['zone']})", y=f"Amount ({currency} per cycle)", caption=caption)
    figure.update_layout(barmode="relative")
    figure.update_xaxes(type="date", ticklabelmode="period", showgrid=False, range=[str(begin[0]), str(last)])
    legend_below(figure, rows=-(-len(figure.data) // 5), traceorder="normal")
    return figure


def _label(line: str, kind: str) -> str:
    """Return what a line is called in the legend: energy by its period in all seasons, else as it is."""
    return f"energy {line.split(' ', 2)[2]}" if kind == "energy" and line.count(" ") > 1 else line
