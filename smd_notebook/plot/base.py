"""What all figures share: one style, names that give nobody away, and times that plotly cannot get wrong.

Times go to plotly as wall-clock times without an offset, which it would drop; what was not metered is never drawn as 0; titles name the
channel and the period, and never a usage point, whose identifier may be an account or meter number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smd_notebook.analysis.bins import channels, is_binned, tidy_frame, watts_of, zone_of
from smd_notebook.analysis.edges import HOUR, utc_us, wall_us
from smd_notebook.analysis.passport import inputs_of
from smd_notebook.errors import ConfigurationError
from smd_notebook.espi import codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from plotly import graph_objects as go

__all__ = [
    "COLOURS",
    "DASHES",
    "MISSING",
    "QUALITY",
    "WHOLE",
    "chosen",
    "clock_axis",
    "drawable",
    "each_of",
    "inputs_of",
    "interval_name",
    "intervals_of",
    "legend_below",
    "names_of",
    "one_channel",
    "part",
    "percent",
    "period",
    "rate_of",
    "sentence",
    "style",
    "unit_of",
    "wall",
    "watts_of",
    "zone_of",
]

#: Okabe and Ito's colours, told apart by everyone; yellow comes last, it is faint on white
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#F0E442")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")  # beside the colours, for print in black
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
WHOLE = 0.999  # a second short of an hour is no gap
#: Names for bins by their shortest and longest [h]: days of 23 to 25 hours, months of 28 to 31 days
_EACH = (("hour", 1, 1), ("day", 22, 26), ("week", 166, 170), ("month", 671, 746), ("year", 8759, 8785))


def style(figure: go.Figure, *, title: str, x: str, y: str, caption: str, notes: str = "", height: int = 420) -> go.Figure:
    """Give a figure its title, what a reader must know beside it, axes and caption."""
    layout: dict[str, Any] = {
        "template": "plotly_white",
        "title": {"text": title, "x": 0, "xref": "paper", "xanchor": "left", "font": {"size": 16}},
        "margin": {"l": 70, "r": 20, "t": 80, "b": 60},
        "height": height,
        "font": {"size": 13},
        # plotly 7 offers to upload the figure unless the figure itself says no
        "modebar": {"remove": ["sendChartToCloud"]},
        "meta": {"caption": caption, "alt": caption},
    }
    if notes:
        layout["title"]["subtitle"] = {"text": notes, "font": {"size": 12, "color": "#555"}}
    figure.update_layout(layout)
    figure.update_xaxes(title={"text": x}, ticks="outside", showline=True, linecolor="#444")
    figure.update_yaxes(title={"text": y}, ticks="outside", showline=True, linecolor="#444")
    return figure


def legend_below(figure: go.Figure, rows: int = 1, **more: Any) -> None:
    """Put the legend under the axis, with room for some rows of it."""
    place = {"orientation": "h", "yref": "container", "y": 0.01, "yanchor": "bottom", **more}
    figure.update_layout(showlegend=True, legend=place, margin_b=75 + 20 * rows)


def clock_axis(figure: go.Figure, zone: str, *, every: int = 3, last: bool = True, **more: Any) -> None:
    """Make of an axis in hours since midnight one of the wall clock."""
    hours = list(range(0, 25 if last else 24, every))
    axis = {"title": {"text": f"Local time of day ({zone})"}, "tickvals": hours, "ticktext": [f"{hour:02d}:00" for hour in hours]}
    figure.update_xaxes(**{**axis, "range": [0, 24], **more})


def period(first: np.datetime64, last: np.datetime64) -> str:
    """Say in dates what a figure shows, both ends included."""
    begin, end = (str(time.astype("M8[D]")) for time in (first, last - np.timedelta64(1, "us")))
    return begin if begin == end else f"{begin} to {end}"


def sentence(text: str) -> str:
    """Begin with a capital."""
    return text[:1].upper() + text[1:]


def percent(share: float) -> str:
    """Write a coverage: cut, so that it is nowhere said to be more than it is, and only what is whole reads 100 %."""
    return "100 %" if share >= 1 - 1e-9 else f"{min(np.floor(share * 1000) / 10, 99.9):.1f} %"


def part(share: float) -> str:
    """Write a part of a whole: rounded, but only all of it reads 100 %, and only nothing 0."""
    if share >= 1 - 1e-9:
        return "100 %"
    return "< 0.1 %" if 0 < share < 0.001 else f"{min(100 * share, 99.9):.1f} %"


def wall(times: pd.Series[Any], zone: str) -> NDArray[np.datetime64]:
    """Return what the clock in `zone` shows at these times."""
    return wall_us(utc_us(times), zone).view("M8[us]")


def each_of(length: NDArray[np.int64]) -> str:
    """Name bins by their lengths [us]."""
    low, high = length.min() / HOUR, length.max() / HOUR
    for name, least, most in _EACH:
        if least <= low and high <= most:
            return name
    usual = np.median(length) / HOUR
    return "bin" if usual > 22 else f"{usual:g} h" if usual >= 1 else f"{usual * 60:g} min"


def interval_name(length: NDArray[np.int64]) -> str:
    """Name intervals by their length [us]."""
    each = each_of(length)
    if each[0].isdigit():
        return each.replace(" ", "-") + " interval" if length.min() == length.max() else "interval"
    return "interval" if each == "bin" else each


def names_of(groups: Sequence[pd.DataFrame]) -> list[str]:
    """Return a name for each channel: its label, with a number where meters share labels; never the meter's own identifier."""
    labels = [str(group["channel"].iloc[0]) for group in groups]
    points = list(dict.fromkeys(str(group["usage_point"].iloc[0]) for group in groups))
    if len(set(labels)) == len(labels):
        return labels
    return [f"{label} (meter {points.index(str(g['usage_point'].iloc[0])) + 1})" for label, g in zip(labels, groups, strict=True)]


def rate_of(unit: str) -> tuple[str, str, float]:
    """Return what a rate is called on an axis, its unit there, and what values are multiplied by."""
    return ("Power", "kW", 1e-3) if unit == "W" else ("Rate", unit, 1.0)


def unit_of(one: pd.DataFrame) -> tuple[str, float]:
    """Return the unit to draw a channel in, and what its values are multiplied by: kWh for electric energy, else its own."""
    unit = None if pd.isna(one["unit"].iloc[0]) else str(one["unit"].iloc[0])
    if not np.isnan(watts_of(one)):
        return "kWh", float(codes.conversion(str(unit), "kWh"))
    return unit or "unit not stated", 1.0


def chosen(frame: pd.DataFrame, channel: str | None) -> str:
    """Say that there are more channels than the one that is drawn, unless it was asked for."""
    n_channels = sum(1 for _ in channels(frame))
    return f" (1 of {n_channels} channels)" if n_channels > 1 and channel is None else ""


def one_channel(frame: pd.DataFrame, channel: str | None) -> tuple[pd.DataFrame, str]:
    """Return the rows of the named channel, else of the first delivered electric one, else of the first; and what to say of the others."""
    groups = [frame.iloc[rows] for rows in channels(frame)]
    if channel is not None:
        groups = [group for group in groups if group["channel"].iloc[0] == channel]
        if len(groups) > 1:
            raise ConfigurationError(
                f"{len(groups)} usage points have a channel {channel!r}", hint="Select one: feed.select(usage_point=...)."
            )
    if not groups:
        text = "there is nothing to draw" if channel is None else f"no channel is called {channel!r}"
        raise ConfigurationError(text, hint="See feed.channels for what there is.")
    if channel is None and "flow" in frame.columns:
        groups.sort(key=lambda group: ("measure" in group and np.isnan(watts_of(group)), group["flow"].iloc[0] != "delivered"))
    others = f" (1 of {len(groups)} channels)" if len(groups) > 1 else ""
    return groups[0], others


def intervals_of(x: Any) -> pd.DataFrame:
    """Return what `resample` returned as it is, else the tidy frame."""
    return x if is_binned(x) else drawable(x)


def drawable(x: Any) -> pd.DataFrame:
    """Return the tidy frame, unless it is empty, or its feed's times are not the meter's: a figure would show them as if they were."""
    if any(finding.code == "clock-unrecoverable" for finding in getattr(x, "noticed", ())):
        raise ConfigurationError(
            "the times of this feed are those of its download, not the meter's, so that no figure of it can be right",
            hint="See feed.findings. To draw the times as written all the same, pass feed.tidy().",
        )
    frame = tidy_frame(x)
    if frame.empty:
        raise ConfigurationError("there is nothing to draw: no readings", hint="feed.resources has what else the files hold.")
    return frame
