"""`Explore`: a cell in which one looks around in a feed, and out of which the code comes that draws the same."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
from IPython import get_ipython
from plotly import graph_objects as go

from smd_notebook import plot
from smd_notebook.errors import ConfigurationError, gathered
from smd_notebook.feed import Feed
from smd_notebook.glance import in_words, kinds
from smd_notebook.plot.base import drawable, sentence, watts_of
from smd_notebook.widgets.cards import refusal, said, shown_of
from smd_notebook.widgets.choices import COMPARISONS, VIEWS, Choice, Extent, as_day, clipped, code, periods, span_of
from smd_notebook.widgets.chooser import Chooser
from smd_notebook.widgets.errands import Errands

__all__ = ["Explore"]


class Explore:
    """A widget to look around in a feed: heat map, daily profile, duration curve, amounts and quality of the same days of one channel.

    Show it in a cell. What is chosen holds for all figures; zooming into the dates of one chooses these days for all. A button writes the
    code cell that draws what is on the screen. Without a widget manager, `choose` and `figures` do the same.

    Parameters
    ----------
    feed : Feed
        What to look at.

    Attributes
    ----------
    error : BaseException or None
        Why something could not be drawn last.

    Raises
    ------
    ConfigurationError
        Where it is no Feed.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> explorer = smd.Explore(smd.sample("apartment"))
    >>> explorer.choose(period="2025-07", views=["heatmap", "duration"])
    >>> explorer
    <Explore: electricity delivered, 2025-07-01 to 2025-07-31; heatmap, duration>
    >>> explorer.figures["duration"].layout.title.text
    'Electricity delivered: load duration curve'
    >>> print(explorer.code)
    import smd_notebook as smd
    <BLANKLINE>
    part = feed.select(channel="electricity delivered", start="2025-07-01", end="2025-08-01")
    smd.plot.heatmap(part).show()
    smd.plot.duration(part).show()
    >>> explorer.close()
    """

    def __init__(self, feed: Feed) -> None:
        if not isinstance(feed, Feed):
            raise ConfigurationError("only a Feed can be explored", hint="Read one: feed = smd.read(...), then smd.Explore(feed).")
        self.feed = feed
        self.error: BaseException | None = None
        self._parts: dict[str, tuple[Feed, Extent]] = {}
        self._choice: Choice | None = None
        self._frame = pd.DataFrame()
        self._figures: dict[str, go.Figure] = {}
        self._todo: list[str] = []
        self._failed: set[str] = set()
        self._warned: list[str] = []
        self._problem: list[str] = []
        self._errands = Errands()
        self._lock = threading.RLock()  # JupyterLab has clicks handled beside the cell that runs
        self._chooser = Chooser(self._act)
        self._outputs = {view: ipywidgets.Output() for view in VIEWS}
        self._grid = ipywidgets.Box(_dom_classes=("smd-figures",))
        self._page = ipywidgets.VBox([self._chooser, self._grid], _dom_classes=("smd-explore",))
        #: Usage points are numbered as they are in the labels of channels: their keys may be account numbers, and the page is saved.
        self._points = sorted({channel.usage_point for channel in feed.channels})
        there = [channel for channel in feed.channels if len(channel)]
        there.sort(key=lambda channel: (channel.service != "electricity", channel.flow != "delivered"))
        if not there:
            self._show()
        for channel in there:  # the first that has times
            if self._choice is None:
                self._try(channel=channel.label)
        self._finish()

    # -- what a researcher uses ----------------------------------------------------------------------------------------------------------

    def choose(
        self,
        *,
        channel: str | None = None,
        usage_point: str | None = None,
        period: str | None = None,
        start: str | date | None = None,
        end: str | date | None = None,
        compare: Iterable[str] | None = None,
        views: Iterable[str] | None = None,
    ) -> None:
        """Choose what is shown; what is not given stays.

        Parameters
        ----------
        channel : str, optional
            Label of the channel.
        usage_point : str, optional
            Key of the usage point, as in `Feed.tidy`; its first channel is shown.
        period : str, optional
            ``"all"``, a year (``"2025"``) or a month (``"2025-07"``).
        start, end : str or date, optional
            First and last local day, both included.
        compare : iterable of str, optional
            What kinds of days the profile tells apart, as `by` of `smd_notebook.profile`.
        views : iterable of str, optional
            Any of ``"heatmap"``, ``"profile"``, ``"duration"``, ``"energy"``, ``"quality"``.

        Raises
        ------
        ConfigurationError
            Where there is no such thing, or no data in that time.
        """
        given: dict[str, Any] = {"channel": channel, "usage_point": usage_point, "period": period, "start": start, "end": end}
        given |= {"compare": compare, "views": views}
        self._take({name: value for name, value in given.items() if value is not None})
        self._finish()

    @property
    def figures(self) -> dict[str, go.Figure]:
        """What is drawn, by name; what could not be drawn is not in it, and `error` says why."""
        self._finish()
        return dict(self._figures)

    @property
    def code(self) -> str:
        """A cell that draws the same figures."""
        if self._choice is None:
            return ""
        extent = self._extent(self._choice.channel)
        calls = {
            view: self._choice.options(view, extent, len(self._frame)) for view in self._choice.seen(extent) if view not in self._failed
        }
        return code(self._name(), self._choice.selection(extent), calls)

    def close(self) -> None:
        """Take the widget off the page."""
        for one in (self._page, self._chooser, self._grid, *self._outputs.values()):
            one.close()

    def __repr__(self) -> str:
        if self._choice is None:
            return "<Explore: no intervals>"
        extent = self._extent(self._choice.channel)
        first, last = self._days(self._choice, extent)
        return f"<Explore: {self._choice.channel}, {first} to {last}; {', '.join(self._choice.seen(extent))}>"

    def _repr_mimebundle_(self, **more: Any) -> Any:
        """Show the widget; where there is no widget manager, what to write instead."""
        bundle = self._page._repr_mimebundle_(**more)
        if bundle is None:
            return {"text/plain": repr(self)}
        bundle["text/plain"] = f'{self!r}\nWithout buttons: x = smd.Explore(feed), x.choose(period="2025-07"), x.figures["heatmap"]'
        return bundle

    # -- what is chosen ------------------------------------------------------------------------------------------------------------------

    def _act(self, name: str, given: dict[str, Any]) -> None:
        """Do what the page asks for. Jupyter swallows what a handler raises, so it is shown there."""
        self._errands.here()
        if name == "write":
            self._show()
            self._chooser.send({"code": self.code, "shown": self._page.model_id})
            return
        self._try(**given)
        self._errands.post(self._go_on)

    def _try(self, *, meter: str | None = None, compare: str | None = None, **given: Any) -> None:
        """Take a choice as the page makes it; show why where it cannot be taken."""
        try:
            if meter is not None:
                given["usage_point"] = self._points[int(meter)]
            if compare is not None:
                given["compare"] = compare.split()
            self._take(given)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must be seen
            self.error, self._problem = error, said(error)
            self._show()

    def _take(self, given: dict[str, Any]) -> None:
        """Choose, and begin to draw."""
        with self._lock:
            self._begin(self._chosen(**given))

    def _begin(self, choice: Choice) -> None:
        part, extent = self._parts[choice.channel]
        cut = {name: value for name, value in choice.selection(extent).items() if name != "channel"}
        part = part.select(**cut) if cut else part
        if not any(len(channel) for channel in part.channels):
            first, last = self._days(choice, extent)
            raise ConfigurationError(f"there are no readings from {first} to {last}", hint="Choose other days.")
        frame = drawable(part)
        self._choice, self._frame, self._todo = choice, frame, list(choice.seen(extent))
        self._figures, self._failed, self._warned, self._problem, self.error = {}, set(), [], [], None
        shown = tuple(self._outputs[view] for view in self._todo)
        if self._grid.children != shown:
            self._grid.children = shown
        self._show()

    def _chosen(
        self,
        channel: str | None = None,
        usage_point: str | None = None,
        period: str | None = None,
        start: Any = None,
        end: Any = None,
        compare: Iterable[str] | None = None,
        views: Iterable[str] | None = None,
    ) -> Choice:
        """Return the choice before with what is chosen now."""
        if usage_point is not None and channel is None:
            channel = self.feed.select(usage_point=usage_point).channels[0].label
        choice = self._choice or Choice(channel or "")
        extent = self._extent(choice.channel if channel is None else channel)
        if channel is not None and channel != choice.channel:
            try:  # the same days, as far as there are any
                days = clipped(choice.start or extent.first, choice.end or extent.last, extent)
            except ConfigurationError:
                days = None, None
            choice = replace(choice, channel=channel, start=days[0], end=days[1])
        if period is not None:
            days = span_of(period, extent)
            choice = replace(choice, start=days[0], end=days[1])
        if start is not None or end is not None:
            first = as_day(start) if start is not None else choice.start or extent.first
            last = as_day(end) if end is not None else choice.end or extent.last
            if first > last and start is None:
                first = extent.first
            elif first > last and end is None:
                last = extent.last
            days = clipped(first, last, extent)
            choice = replace(choice, start=days[0], end=days[1])
        if compare is not None:
            choice = replace(choice, compare=_known(compare, ("season", "day_type", "month", "weekday", "year"), "kind of days"))
        if views is not None:
            choice = replace(choice, views=_known(views, tuple(VIEWS), "figure"))
        return choice

    def _extent(self, channel: str) -> Extent:
        """Return what a channel holds; it is looked for once."""
        if channel not in self._parts:
            part = self.feed.select(channel=channel)
            frame = part.tidy()
            timed = frame[frame["start"].notna() & frame["end"].notna()]
            if timed.empty:
                raise ConfigurationError(f"{channel!r} has no readings with a time", hint="Choose another channel.")
            last = timed["end"].max() - pd.Timedelta(microseconds=1)
            lengths = tuple(np.unique((timed["end"] - timed["start"]).dt.total_seconds()).tolist())
            electric = not np.isnan(watts_of(timed))
            zone = str(timed["start"].dt.tz)
            self._parts[channel] = part, Extent(timed["start"].min().date(), last.date(), zone, lengths, electric)
        return self._parts[channel][1]

    def _days(self, choice: Choice, extent: Extent) -> tuple[date, date]:
        return choice.start or extent.first, choice.end or extent.last

    # -- drawing -------------------------------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        """Draw what is not drawn yet."""
        with self._lock:  # after what is being drawn
            while self._todo:
                self._draw()

    def _go_on(self) -> None:
        """Draw the next figure; between two, the kernel hears what else is asked for."""
        if self._todo:
            self._draw()
            self._errands.post(self._go_on)

    def _draw(self) -> None:
        with self._lock:
            if self._todo:
                self._drawn(self._todo.pop(0))

    def _drawn(self, view: str) -> None:
        try:
            with gathered() as told:
                figure = self._figure(view)
        except Exception as error:  # noqa: BLE001 - shown in the figure's place
            self.error = error
            self._failed.add(view)
            self._outputs[view].layout.min_height = None
            shown = [refusal(VIEWS[view], error)]
        else:
            self._figures[view] = figure
            self._warned += told
            self._outputs[view].layout.min_height = f"{figure.layout.height}px"  # or the page would jump
            shown = shown_of(figure)
        self._outputs[view].outputs = tuple({"output_type": "display_data", "data": data, "metadata": {}} for data in shown)
        self._show()

    def _figure(self, view: str) -> go.Figure:
        choice, frame = self._choice, self._frame
        assert choice is not None  # noqa: S101
        return getattr(plot, view)(frame, **choice.options(view, self._extent(choice.channel), len(frame)))

    # -- what is shown -------------------------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        """Show where it stands."""
        view: dict[str, Any] = {"problem": self._problem, "busy": bool(self._todo)}
        if self._choice is None:
            holds = ", ".join(self.feed.resources) or "nothing else"
            self._chooser.show({**view, "status": f"There are no intervals to look at in this feed; it holds {holds}."})
            return
        choice, extent = self._choice, self._extent(self._choice.channel)
        first, last = self._days(choice, extent)
        point = next(one.usage_point for one in self.feed.channels if one.label == choice.channel)
        near = periods(extent)
        period = next((one for one in near if span_of(one, extent) == (choice.start, choice.end)), "own")
        seen = choice.seen(extent)
        number = f"{len(self._frame):,} reading{'s' if len(self._frame) > 1 else ''}"
        drawing = f" Drawing: {VIEWS[self._todo[0]].lower()} …" if self._todo else ""
        self._chooser.show(
            {
                **view,
                "status": f"{sentence(choice.channel)}, {first} to {last}: {number}, {extent.zone}.{drawing}",
                "notes": [*self._found(choice.channel), *dict.fromkeys(self._warned)],
                "meters": [[str(number), f"Meter {number + 1}: {self._services(key)}"] for number, key in enumerate(self._points)],
                "meter": str(self._points.index(point)),
                "channels": [[one.label, one.label] for one in self.feed.channels if one.usage_point == point],
                "channel": choice.channel,
                "periods": [*near.items(), *([("own", "These days")] if period == "own" else [])],
                "period": period,
                "first": str(extent.first),
                "last": str(extent.last),
                "start": str(first),
                "end": str(last),
                "comparisons": [[" ".join(keys), words] for keys, words in COMPARISONS.items()],
                "compare": " ".join(choice.compare),
                "views": [[name, words, name in seen] for name, words in VIEWS.items()],
                "code": self.code,
            }
        )

    def _services(self, key: str) -> str:
        """Say what a usage point measures."""
        return ", ".join(dict.fromkeys(one.service or "readings" for one in self.feed.channels if one.usage_point == key))

    def _found(self, channel: str) -> list[str]:
        """Say what was noticed about these days of the channel."""
        begin, end = self._frame["start"].min().timestamp(), self._frame["end"].max().timestamp()
        near = [
            one
            for one in self.feed.listed
            if one.channel == channel and (one.start is None or (one.start < end and (one.end or end) > begin))
        ]
        return [f"{in_words(what, same)}; {self._name()}.findings says more" for what, same in kinds(near).items()]

    def _name(self) -> str:
        """Return what the feed is called in the notebook."""
        shell = get_ipython()
        names = {name: value for name, value in shell.user_ns.items() if name[0] != "_"} if shell else {}
        mine = [name for name, value in names.items() if value is self.feed]
        return mine[0] if mine else next((f"{name}.feed" for name, value in names.items() if value is self), "feed")


def _known(given: Iterable[str], known: Sequence[str], what: str) -> tuple[str, ...]:
    """Return the words, all of which have to be known."""
    words = (given,) if isinstance(given, str) else tuple(given)
    if strange := [word for word in words if word not in known]:
        raise ConfigurationError(f"there is no {what} {strange[0]!r}", hint=f"There is: {', '.join(known)}.")
    return words
