"""What small replies list, as tables for people: usage points, authorizations, an application's own information."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from smd_notebook.access.windows import stamp
from smd_notebook.errors import BrokenXmlError, NotEspiError, Unavailable
from smd_notebook.espi.resources import Interval, Node, Secret, parse, text_of

__all__ = ["Entry", "Point", "Table", "entries", "points"]

T = TypeVar("T")
_SERVICES = {"0": "electricity", "1": "gas", "2": "water", "4": "heat"}
#: A time after the year 5138 was written in milliseconds, as PG&E writes the periods of authorizations.
_MILLISECONDS = 10**11


@dataclass(frozen=True)
class Entry:
    """The Atom envelope of a resource: the id that its own link ends in, its title, and what it is linked to."""

    id: str
    title: str = ""
    links: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Point:
    """A usage point of a subscription: its id, the service that is metered there, and its title."""

    id: str
    service: str = ""
    title: str = ""


class Table(tuple[T, ...]):
    """A tuple of dataclasses that shows itself as a table.

    >>> Table([Point("1", "gas")])[0].service
    'gas'
    """

    __slots__ = ()

    def _repr_html_(self) -> str:
        if not self:
            return "<p>nothing</p>"
        rows = [dict(_cells(one)) for one in self]
        names = list(dict.fromkeys(name for row in rows for name in row))
        head = "".join(f"<th style='text-align:left'>{html.escape(name.replace('_', ' '))}</th>" for name in names)
        body = "".join(
            "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(row.get(name, ''))}</td>" for name in names) + "</tr>"
            for row in rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(thing: Any) -> Iterator[tuple[str, str]]:
    """Yield what of a dataclass there is to show, as texts."""
    for one in fields(thing):
        value = getattr(thing, one.name)
        if one.name == "entry" and value is not None:
            yield "id", value.id
        elif one.name not in ("entry", "extra") and value not in (None, "", ()):
            yield one.name, _shown(one.name, value)


def _shown(name: str, value: Any) -> str:
    if isinstance(value, Secret):
        return repr(value)
    if isinstance(value, Interval):
        if value.start is None:
            return ""
        return _instant(value.start) + (f" to {_instant(value.start, value.duration)}" if value.duration else "")
    if name.endswith("_at") and isinstance(value, int):
        return _instant(value)
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def seconds(value: int) -> int:
    """Return an instant or a span in seconds, also where it was written in milliseconds.

    >>> seconds(1735718400), seconds(1735718400000)
    (1735718400, 1735718400)
    """
    return value // 1000 if abs(value) >= _MILLISECONDS else value


def _instant(value: int, duration: int = 0) -> str:
    scale = 1000 if abs(value) >= _MILLISECONDS else 1  # a period is written in one unit, start and duration alike
    try:
        return stamp((value + duration) // scale)
    except (ValueError, OverflowError, OSError):
        return str(value)


def entries(data: bytes) -> list[tuple[Entry, str, Node]]:
    """Return the resources of a small reply: of each the envelope, the element's name, and its node.

    Raises
    ------
    Unavailable
        Where the reply is no XML, or was cut short: the utility answered with something else.

    Examples
    --------
    >>> feed = b'<feed><entry><link rel="self" href="/espi/UsagePoint/7"/><content><UsagePoint/></content></entry></feed>'
    >>> entries(feed)
    [(Entry(id='7', title=''), 'UsagePoint', {})]
    """
    try:
        name, node = parse(data)
    except (NotEspiError, BrokenXmlError) as error:
        raise Unavailable(
            f"the utility's reply cannot be read: {error.args[0]}", hint="Try again later; its service may be down.", retryable=True
        ) from None
    if name not in ("feed", "entry"):
        return [(Entry(""), name, node)]
    found = []
    for one in _many(node.get("entry")) if name == "feed" else [node]:
        content = one.get("content")
        for key, value in content.items() if isinstance(content, dict) else ():
            if not key.startswith(("@", "#")):
                found.append((_envelope(one), key, value if isinstance(value, dict) else {}))
                break
    return found


def _many(value: Any) -> list[Node]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


def _envelope(entry: Node) -> Entry:
    links = [(str(link.get("@rel", "")), str(link.get("@href", ""))) for link in _many(entry.get("link"))]
    own = next((last_part(address) for rel, address in links if rel == "self"), "")
    return Entry(own, text_of(entry.get("title")) or "", tuple(address for _, address in links))


def last_part(address: str) -> str:
    """Return the last part of an address's path.

    >>> last_part("https://api.example/Subscription/1/UsagePoint/a%2Fb?x=1")
    'a/b'
    """
    try:
        return unquote(urlsplit(address).path.rstrip("/").rpartition("/")[2])
    except ValueError:
        return ""


def points(data: bytes) -> Table[Point]:
    """Return the usage points that a reply lists."""
    found = {}
    for envelope, name, node in entries(data):
        if name == "UsagePoint" and envelope.id:
            category = node.get("ServiceCategory")
            kind = text_of(category.get("kind")) if isinstance(category, dict) else None
            found[envelope.id] = Point(envelope.id, _SERVICES.get(kind or "", ""), envelope.title)
    return Table(found.values())
