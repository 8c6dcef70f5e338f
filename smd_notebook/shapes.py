"""The shape of a day as supporting evidence for a clock: when least is used, and when most of the sun's share is fed in.

It proves nothing: homes differ. But a night at noon, or a sun at midnight, should make one look again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smd_notebook.espi.channels import concatenated
from smd_notebook.espi.model import LATEST, MISSING, Channel, Column
from smd_notebook.offsets import offsets_at, undo

__all__ = ["Shape", "shape_of"]

_DAY, _HOURS = 86_400, 24
#: Whole days of readings below which a mean day says little, and the longest interval that shows the hours of a day [s].
_FEWEST_DAYS, _LONGEST = 7, 3600
#: What the mean day must vary by, as a share of its mean.
_FLAT = 0.1
#: Hours of the wall clock at which homes use least, and homes with solar panels too (their least may be drawn at midday instead);
#: and at which the middle of what the sun gives lies.
_NIGHT, _MIDDAY, _NOON = range(7), range(10, 16), range(10, 16)


@dataclass(frozen=True, slots=True)
class Shape:
    """What the daily shape says of a clock.

    Parameters
    ----------
    fits : bool or None
        Whether it is as one expects by that clock and not by the declared one; None where both are alike in that.
    words : str
        The same in words and numbers.
    flat : bool
        Whether days have no shape to speak of, though one could be seen.
    """

    fits: bool | None
    words: str
    flat: bool = False


def shape_of(channel: Channel, hypothesis: str, zone: str) -> Shape | None:
    """Compare the mean day with what one expects, if the clock was written as `hypothesis` says; None where no shape can be seen.

    Parameters
    ----------
    channel : Channel
        The channel, as written.
    hypothesis : str
        As `undo` takes it.
    zone : str
        IANA zone of the place.
    """
    readings = concatenated(channel)
    known = (np.abs(readings.start) < LATEST) & (readings.value != MISSING)
    electric = channel.service == "electricity" and channel.measure in ("energy", "power")
    if not electric or channel.flow not in ("delivered", "total", "received") or known.sum() < _FEWEST_DAYS * _HOURS:
        return None
    start, value = readings.start[known], readings.value[known].astype(np.float64)
    if np.median(readings.duration[known]) > _LONGEST:
        return None
    sun = channel.flow == "received"
    hours = [_hour(clock + offsets_at(zone, clock), value, sun=sun) for clock in (undo(hypothesis, start, zone), start)]
    if hours[0] is None or hours[1] is None:
        return Shape(None, "no daily shape shows where one could, which leaves nothing else to speak for a clock", flat=True)
    then, now = int(hours[0]), int(hours[1])
    usual = _NOON if sun else _NIGHT
    fits: bool | None = then in usual
    if (then in _MIDDAY and not sun) if hypothesis == "utc" else (fits == (now in usual)):
        fits = None
    says = {True: "agrees, which proves nothing by itself", None: "does not tell", False: "disagrees, which proves nothing by itself"}[fits]
    what = "the middle of what the sun gives lies in the hour from" if sun else "least is used about"
    clocks = f"{then:02}:00 as declared" if hypothesis == "utc" else f"{then:02}:00 by that clock, {now:02}:00 as declared"
    return Shape(fits, f"the daily shape {says}: {what} {clocks}")


def _hour(wall: Column, value: npt.NDArray[np.float64], *, sun: bool) -> int | None:
    """Return the hour of the mean day around which least is used, or in which the middle of what is fed in lies."""
    hour = wall % _DAY // 3600
    counts = np.bincount(hour, minlength=_HOURS)
    if not counts.all():
        return None
    mean = np.bincount(hour, weights=value, minlength=_HOURS) / counts
    if np.ptp(mean) <= _FLAT * np.abs(mean).mean():
        return None
    if sun:
        middle = np.angle((mean * np.exp(2j * np.pi * (np.arange(_HOURS) + 0.5) / _HOURS)).sum()) / (2 * np.pi) * _HOURS
        return int(middle % _HOURS)
    return int((np.roll(mean, 1) + mean + np.roll(mean, -1)).argmin())
