"""A Feed at a glance: what it holds, from when to when, how much of that is covered, and what to look at; as text and as HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from smd_notebook.errors import Finding
from smd_notebook.espi.model import MISSING
from smd_notebook.selection import Series

__all__ = ["as_html", "as_text", "in_words", "kinds"]

_WRONG = ("clock-disproved", "clock-unrecoverable")


def as_text(series: Sequence[Series], resources: Mapping[str, Sequence[Any]], findings: Iterable[Finding]) -> str:
    """Return a line for each channel, and one for each kind of finding.

    Parameters
    ----------
    series : sequence of Series
        A feed's channels.
    resources : mapping of str to sequence
        What else it holds, as `Feed.resources`.
    findings : iterable of Finding
        What was found.
    """
    lines = [_headline(series, resources)]
    lines += ["  " + ", ".join(text for text in row if text) + " covered" * bool(row[-1]) for row in _rows(series)]
    lines += [f"  {what}" + f" (x{len(same)})" * (len(same) > 1) + "; see feed.findings" for what, same in kinds(findings).items()]
    return f"<Feed: {lines[0]}>" if len(lines) == 1 else "\n".join([f"<Feed: {lines[0]}", *lines[1:]]) + ">"


def as_html(
    series: Sequence[Series], resources: Mapping[str, Sequence[Any]], findings: Iterable[Finding], *, banner: Iterable[Finding]
) -> str:
    """Return the same as a table, below what `banner` says of wrong clocks.

    Parameters
    ----------
    series : sequence of Series
        A feed's channels.
    resources : mapping of str to sequence
        What else it holds, as `Feed.resources`.
    findings : iterable of Finding
        What was found.
    banner : iterable of Finding
        What was noticed on reading.
    """
    head = "".join(
        f"<th style='text-align:left'>{name}</th>" for name in ("usage point", "channel", "unit", "from", "to", "intervals", "coverage")
    )
    body = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(text)}</td>" for text in row) + "</tr>" for row in _rows(series)
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if body else ""
    others = kinds(one for one in findings if one.code not in _WRONG)
    notes = [f"{in_words(what, same)}. {same[0].suggestion}" for what, same in others.items()]  # a table of findings cuts words off
    if notes:
        notes.append("feed.findings lists all that was noticed; docs/findings.md says what each code means")
    listed = "".join(f"<li>{html.escape(text)}</li>" for text in notes)
    warnings = "".join(
        f"<p style='border-left:4px solid #d55e00;padding-left:.6em'><b>{html.escape(one.channel)}</b>: {html.escape(one.message)}. "
        f"{html.escape(one.suggestion)}</p>"
        for one in banner
        if one.code in _WRONG
    )
    lead = html.escape(_headline(series, resources))
    return f"<div>{warnings}<b>Feed</b>: {lead}{table}{f'<ul>{listed}</ul>' if listed else ''}</div>"


def kinds(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Put findings that are more than information together by what they are, the gravest first.

    >>> list(kinds([Finding("gap", "warning", "nothing was metered for 1 h"), Finding("stale", "info", "")]))
    ['warning: gap']
    """
    found: dict[str, list[Finding]] = {}
    for one in sorted(findings, key=lambda one: (one.severity, one.code)):
        if one.severity != "info":
            found.setdefault(f"{one.severity}: {one.code}", []).append(one)
    return found


def in_words(what: str, same: Sequence[Finding]) -> str:
    """Say what findings of one kind are, by the first of them.

    >>> in_words("warning: gap", 2 * [Finding("gap", "warning", "nothing was metered for 1 h")])
    'warning: gap (1 of 2): nothing was metered for 1 h'
    """
    return f"{what}{f' (1 of {len(same)})' if len(same) > 1 else ''}: {same[0].message}"


def _headline(series: Sequence[Series], resources: Mapping[str, Sequence[Any]]) -> str:
    points = len({one.channel.usage_point for one in series})
    parts = [f"{_count(len(series), 'channel')} of {_count(points, 'usage point')}" if series else "no channels"]
    parts += [name if len(items) == 1 else f"{name} ({len(items)})" for name, items in resources.items()]
    return "; ".join(parts)


def _rows(series: Iterable[Series]) -> Iterator[tuple[str, ...]]:
    for one in series:
        known = one.readings.start != MISSING
        start, end = one.readings.start[known], (one.readings.start + one.readings.duration)[known]
        span = (_local(int(start.min()), one.zone), _local(int(end.max()), one.zone), _coverage(start, end)) if len(start) else ("", "", "")
        name = _short(one.channel.usage_point), one.channel.label, one.channel.unit or "unit unknown"
        yield (*name, *span[:2], _count(len(one.readings), "interval"), span[2])


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def _short(path: str) -> str:
    """Return the end of a usage point's path, which is what people tell it by."""
    parts = path.split("/")
    return path if len(parts) <= 3 else "…/" + "/".join(parts[-3:])


def _local(seconds: int, zone: str) -> str:
    return datetime.fromtimestamp(seconds, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M %Z")


def _coverage(starts: Any, ends: Any) -> str:
    """Return how much of the time from first to last is covered, overlaps counted once."""
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], np.maximum.accumulate(ends[order])
    begins = np.maximum(starts, np.concatenate([starts[:1], ends[:-1]]))
    covered, elapsed = int(np.maximum(ends - begins, 0).sum()), int(ends[-1] - starts[0])
    if not elapsed or not covered:  # a register is read at an instant, and covers nothing
        return ""
    share = covered / elapsed
    return "100 %" if covered == elapsed else f"{min(share, 0.9999):.2%}".replace("%", " %")
