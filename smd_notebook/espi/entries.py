"""Entries that are alike: after one of them, the others are matched and not parsed.

Once the readings are cut out (`runs`), most of what is left of a feed is the same entry again and again, with other links, dates and
numbers. A stencil is such an entry with holes. What each hole is for is not guessed: the stencil itself is read by the plain path, with
a name of its own in every hole, and the holes are where these names come out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import islice

from smd_notebook.errors import ReadError
from smd_notebook.espi.model import Block, Document, Entry, Readings
from smd_notebook.espi.resources import Interval

#: A text with the blanks around it, or the address of a link.
_HOLE = re.compile(rb'(?<=>)([ \t\r\n]*)([^<>\s](?:[^<>]*[^<>\s])?)([ \t\r\n]*)(?=<)|(?<= href=")([^"<>]+)(?=")')
_ROOT = re.compile(rb"(?:<\?xml[^>]*\?>|<!--(?:[^-]|-(?!-))*+-->|[ \t\r\n]++)*+(<[^\s!?/<>][^<>]*[^/<>]>)")
_ENTRY = re.compile(rb"<((?:[A-Za-z_][-.\w]*:)?)entry[ \t\r\n>]")
#: What may fill a hole: digits; or printable ASCII that needs no escape anywhere, without blanks at the ends.
_NUMBER = rb"([0-9]{1,15}+)"
_TEXT = rb"([!#-%(-;=?-~](?:[ !#-%(-;=?-~]*[!#-%(-;=?-~])?)"
_FIRST_NUMBER = 70_071_000
#: Fewer entries than these are parsed sooner than a pattern is compiled (1 ms).
_WORTH = 16


@dataclass(frozen=True, slots=True)
class Stencil:
    """An entry of one IntervalBlock, with holes; and which hole is for what: numbers are holes, everything else is as it stands."""

    pattern: re.Pattern[str]
    entry: dict[str, int]
    related: tuple[int, ...]
    interval: dict[str, int]

    def filled(self, alike: Sequence[tuple[str, ...]], runs: Sequence[Readings], source: str, first: int) -> Iterator[Block]:
        """Yield the blocks of entries that were matched; `first` is the number of the first of these entries."""
        href, up, one, title, published, updated = [
            self.entry.get(name, -1) for name in ("href", "up", "id", "title", "published", "updated")
        ]
        duration, start = [self.interval.get(name, -1) for name in ("duration", "start")]
        for number, (found, readings) in enumerate(zip(alike, runs, strict=True), first):
            texts = (*found, "")  # for what has no hole
            related = tuple([texts[hole] for hole in self.related])
            words = texts[one], texts[title], texts[published], texts[updated]
            entry = Entry(texts[href], texts[up], related, *words, source, number)
            interval = None
            if self.interval:
                interval = Interval(int(texts[duration]) if duration >= 0 else None, int(texts[start]) if start >= 0 else None)
            yield Block(readings, interval, entry, entry.updated)


class Matcher:
    """Takes entries that are alike out of what is left of a stream.

    Parameters
    ----------
    name : str
        Local name of the element that stands for a run of readings; the one that stands for an entry is longer by ``.entry``.
    read : callable
        The plain path: bytes to Document.
    """

    def __init__(self, name: str, read: Callable[[bytes], Document]) -> None:
        self.name = f"{name}.entry"
        self._run = re.compile(rb"<(?:[A-Za-z_][-.\w]*:)?%b/>" % re.escape(name.encode()))
        self._read = read
        self._root = b""
        # no prefix: an entry may declare its own, which is not known outside of it
        self._marker = f"<{self.name}/>"
        self._stencil: Stencil | None = None
        self._tags = b"", b""
        self._kept = b""
        self._tries = 2

    def begin(self, head: bytes) -> None:
        """Take the first bytes of the stream: what they declare holds for all entries."""
        found = _ROOT.match(head)
        self._root = found[1] if found else b""

    def cut(self, rest: bytes, *, final: bool = False) -> tuple[bytes, list[tuple[Stencil, list[tuple[str, ...]]]]]:
        """Return the bytes with a marker in place of matched entries that follow each other; and the stencil and their texts, in order.

        What may be the beginning of one more is kept for the next time, unless these bytes are the last.
        """
        rest, self._kept = self._kept + rest, b""
        for _ in range(2):
            if self._stencil is not None:
                between: list[str] = []
                groups: list[tuple[Stencil, list[tuple[str, ...]]]] = []
                done = 0
                text = rest.decode("latin-1")
                for match in self._stencil.pattern.finditer(text):
                    gap = text[done : match.start()]
                    if not groups or gap.strip(" \t\r\n"):
                        between.append(gap)
                        groups.append((self._stencil, [match.groups()]))
                    else:
                        groups[-1][1].append(match.groups())
                    done = match.end()
                if groups:
                    last = text[done:].encode("latin-1")
                    begin, end = self._tags
                    safe = last.rfind(begin)
                    if not final and safe >= 0 and last.find(end, safe) < 0:
                        last, self._kept = last[:safe], last[safe:]
                    return self._marker.join([*between, ""]).encode("latin-1") + last, groups
            if not self._make(rest):
                break
        return rest, []

    def _make(self, rest: bytes) -> bool:
        """Make a stencil of the second entry where there are so many that it is worth it; return whether there is one."""
        entry = _ENTRY.search(rest)
        runs = list(islice(self._run.finditer(rest), _WORTH))
        if self._tries <= 0 or not self._root or entry is None or len(runs) < _WORTH:
            return False
        self._tries -= 1
        self._tags = entry[0][:-1], b"</" + entry[1] + b"entry>"
        start_tag, end_tag = self._tags
        begin = rest.rfind(start_tag, 0, runs[1].start())
        end = rest.find(end_tag, runs[1].end())
        example = rest[begin : end + len(end_tag)]
        if begin < 0 or end < 0 or len(self._run.findall(example)) != 1:
            return False
        self._stencil = self._stencil_of(example)
        return self._stencil is not None

    def _stencil_of(self, example: bytes) -> Stencil | None:
        names: list[str | int] = []
        pattern, named, done = [], [], 0
        for hole in _HOLE.finditer(example):
            begin, end = hole.span(2) if hole[2] else hole.span(4)
            number = example[begin:end].isdigit()
            name = f"{_FIRST_NUMBER + len(names)}" if number else f"{self.name}.{len(names)}."
            names.append(int(name) if number else name)
            pattern += [re.escape(example[done:begin]), _NUMBER if number else _TEXT]
            named += [example[done:begin], name.encode()]
            done = end
        pattern.append(re.escape(example[done:]))
        named.append(example[done:])
        root_end = b"</" + re.split(rb"[\s>]", self._root[1:], maxsplit=1)[0] + b">"
        document = self._root + self._run.sub(b"", b"".join(named)) + root_end
        return _stencil(self._read, document, tuple(names), b"".join(pattern))


@lru_cache(maxsize=16)
def _stencil(read: Callable[[bytes], Document], named: bytes, names: tuple[str | int, ...], pattern: bytes) -> Stencil | None:
    """Return the stencil of a document of one entry with these names in its holes; None where it is not known what one of them is for.

    It is the same in all the files of a utility.
    """
    try:
        document = read(named)
    except ReadError:
        return None
    block = document.blocks[0] if len(document.blocks) == 1 else None
    if block is None or document.findings or document.others or block.extra or block.entry.extra or len(block.readings):
        return None
    holes = {name: hole for hole, name in enumerate(names)}
    texts = {one.name: getattr(block.entry, one.name) for one in fields(Entry) if one.name not in ("related", "source", "number", "extra")}
    entry = {name: holes.pop(text) for name, text in texts.items() if text in holes}
    related = tuple(holes.pop(text) for text in block.entry.related if text in holes)
    times = {one: getattr(block.interval, one) for one in ("duration", "start")} if block.interval else {}
    interval = {name: holes.pop(time) for name, time in times.items() if time in holes}
    said = [*(text for name, text in texts.items() if name not in entry and text), *block.entry.related[len(related) :]]
    said += [time for name, time in times.items() if name not in interval and time is not None]
    if holes or said or (block.interval and (block.interval.extra or not interval)) or block.updated != block.entry.updated:
        return None
    return Stencil(re.compile(pattern.decode("latin-1")), entry, related, interval)
