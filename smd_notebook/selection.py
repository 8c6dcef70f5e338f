"""Document to series: in which zone each channel is, and which of its readings stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from smd_notebook.clock import valid_zone, zone_of
from smd_notebook.errors import Finding
from smd_notebook.espi import codes
from smd_notebook.espi.channels import concatenated, rows_of
from smd_notebook.espi.merge import resolve, updated_of
from smd_notebook.espi.model import LATEST, MISSING, MISSING_SMALL, Channel, Document, Readings

__all__ = ["Series", "series_of", "stated_zone", "zones_of"]

#: Instants that a clock of today can mean, 1900 to 2200 [s since 1970-01-01T00:00Z]; others are told of and left missing.
_EARLIEST = -2_208_988_800


@dataclass(frozen=True, eq=False)
class Series:
    """A channel's readings as they go into a frame: rows chosen and ordered, the zone known."""

    channel: Channel
    readings: Readings
    zone: str


# -- zones -----------------------------------------------------------------------------------------------------------------------------


def stated_zone(channel: Channel, tz: str | None = None) -> tuple[str | None, list[Finding]]:
    """Return the zone that the caller, the feed or the utility states, and what was noticed; None where none does.

    Raises
    ------
    TimeZoneError
        Where `tz` is no IANA name.
    """
    if tz is not None:
        return valid_zone(tz), []
    zone, noticed = zone_of(channel.local_time, channel.dialect.zone, _span(channel)) if channel.local_time is not None else (None, [])
    return zone or channel.dialect.zone, [replace(one, channel=channel.label) for one in noticed]


def _span(channel: Channel) -> tuple[int, int] | None:
    """Return when the first and the last reading begin [s since 1970-01-01T00:00Z], of those whose time can be meant."""
    start = concatenated(channel).start
    start = start[(start >= _EARLIEST) & (start <= LATEST)]
    return (int(start.min()), int(start.max())) if len(start) else None


def zones_of(document: Document, tz: str | None = None) -> tuple[list[str], list[Finding]]:
    """Return the zone of each channel: `tz`, else the feed's LocalTimeParameters, else the utility's zone, else UTC with a finding.

    Parameters
    ----------
    document : Document
        A linked document.
    tz : str, optional
        IANA name that overrides the feed's.

    Raises
    ------
    TimeZoneError
        Where `tz` is no IANA name.
    """
    zones: list[str] = []
    findings: list[Finding] = []
    for channel in document.channels:
        zone, noticed = stated_zone(channel, tz)
        findings += noticed
        if zone is None:
            text = "nothing in the feed says in which time zone it is; its times are shown in UTC"
            findings.append(Finding("zone-unknown", "warning", text, "Name it: tz='America/Los_Angeles'.", channel=channel.label))
        zones.append(zone or "UTC")
    return zones, findings


# -- rows ------------------------------------------------------------------------------------------------------------------------------


def series_of(document: Document, zones: Sequence[str], *, keep: bool = False) -> tuple[list[Series], list[Finding]]:
    """Return each channel's rows: all of them in document order, or one for each start and duration, by start.

    Parameters
    ----------
    document : Document
        A linked document.
    zones : sequence of str
        Zone of each channel, as `zones_of` gives it.
    keep : bool
        Whether duplicates are kept.
    """
    found: list[Series] = []
    findings: list[Finding] = []
    for channel, zone in zip(document.channels, zones, strict=True):
        readings = _with_quality(_in_range(concatenated(channel), channel, findings), channel, findings)
        if not keep:
            rows, conflicts = resolve(readings, updated_of(channel))
            findings += _duplicates(readings, rows, conflicts, channel)
            if len(rows) != len(readings) or not bool((rows[1:] > rows[:-1]).all()):
                readings = rows_of(readings, rows)
        found.append(Series(channel, readings, zone))
    return found, findings


def _in_range(readings: Readings, channel: Channel, findings: list[Finding]) -> Readings:
    start, duration = readings.start, readings.duration
    absurd = (duration >= LATEST) | (duration <= -LATEST)
    if not len(start) or (start.min() >= _EARLIEST and start.max() <= LATEST and not absurd.any()):
        return readings
    wrong = (start != MISSING) & ((start < _EARLIEST) | (start > LATEST) | absurd)
    if n := int(wrong.sum()):
        text = "readings begin before 1900 or after 2200; they have no start in the frame"
        findings.append(Finding("time-implausible", "error", text, "Their times may be in milliseconds.", channel=channel.label, n=n))
    return replace(readings, start=np.where(wrong, MISSING, start), duration=np.where(wrong | absurd, 0, duration))


def _with_quality(readings: Readings, channel: Channel, findings: list[Finding]) -> Readings:
    """Fill in the ReadingType's default quality (espi:ReadingType, defaultQuality), and say so."""
    default = channel.reading_type.default_quality if channel.reading_type else None
    without = readings.quality == MISSING_SMALL
    n = int(without.sum())
    if default is None or not n or not 0 <= default < -MISSING_SMALL:
        return readings
    name = codes.QUALITY.get(default, f"quality{default}")
    text = f"readings state no quality; the ReadingType's default ({name}) was filled in"
    findings.append(Finding("quality-default", "info", text, channel=channel.label, n=n))
    return replace(readings, quality=np.where(without, np.int16(default), readings.quality))


def _duplicates(readings: Readings, rows: npt.NDArray[np.intp], conflicts: npt.NDArray[np.int64], channel: Channel) -> list[Finding]:
    given_up = len(readings) - len(rows)
    if not given_up:
        return []
    found = []
    same, conflicting = given_up - int(conflicts.sum()), conflicts > 0
    if same:
        text = "readings were given more than once with the same value; each counts once"
        found.append(Finding("duplicate-same", "info", text, channel=channel.label, n=same))
    if n := int(conflicting.sum()):
        start, duration = readings.start[rows][conflicting], readings.duration[rows][conflicting]
        text = "readings of the same interval have different values; the later updated one was taken, else the one of better quality"
        hint = "Compare them: feed.tidy(duplicates='keep')."
        begin, end = int(start.min()), int((start + duration).max())
        found.append(Finding("duplicate-conflict", "warning", text, hint, channel=channel.label, start=begin, end=end, n=n))
    return found
