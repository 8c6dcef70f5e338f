"""Runs of IntervalReading to columns without parsing what can be proved: the fast path.

A feed is mostly one reading repeated with other numbers. So the runs are cut out of the stream and an empty marker is left in their
place; the XML parser reads the rest (a few per cent of the bytes), and each run becomes columns by showing that it *is* the first
reading repeated with other integers, every byte accounted for. What cannot be shown is halved, then tried by one regular expression a
reading, and in the end given to the parser as it stands. A marker that the parser does not give back where it was put (it lay in a
comment, a CDATA section, another namespace) sends the whole document to the plain path, so that the two always agree.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from smd_notebook.espi.model import COLUMNS, MISSING, MISSING_SMALL, Readings

#: Element -> column; what is not here is not for the fast path.
_LEAVES = {b"cost": "cost", b"quality": "quality", b"duration": "duration", b"start": "start", b"value": "value"}
_LEAVES |= {b"consumptionTier": "tier", b"tou": "tou", b"cpp": "cpp"}
_SMALL = {"quality", "tou", "tier", "cpp"}
_FIRST = re.compile(rb"<((?:[A-Za-z_][-.\w]*:)?)IntervalReading>")
#: A run this small is not worth proving, and one this large is halved before it is given up.
_FEW, _WORTH_HALVING = 8, 1 << 15
#: Beyond this a reading that never ends is no reading.
_LONGEST_READING = 1 << 20
_LESS_THAN = 60
_MINUS, _ZERO = 45, 48

Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class _Tags:
    """What the tags of one prefix look like."""

    open: bytes
    close: bytes
    block_end: bytes
    leaf: re.Pattern[bytes]
    shape: re.Pattern[bytes]
    irregular: re.Pattern[bytes]


@lru_cache(maxsize=16)
def _tags(prefix: bytes) -> _Tags:
    p, space, number = re.escape(prefix), rb"[ \t\r\n]*+", rb"(-?+[0-9]{1,18}+)"
    small = rb"(-?+[0-9]{1,4}+)"
    # a comment as the parser allows it, of printable ASCII, so that nothing is passed that the parser would refuse
    between = rb"(?:[ \t\r\n]++|<!--(?:[\t\r\n\x20-\x2c\x2e-\x7e]|-[\t\r\n\x20-\x2c\x2e-\x7e])*+-->)*+"

    def leaf(name: bytes, digits: bytes) -> bytes:
        return rb"<%b%b>%b%b%b</%b%b>" % (p, name, space, digits, space, p, name)

    def nest(name: bytes, *inner: bytes) -> bytes:
        return rb"<%b%b>%b%b%b</%b%b>" % (p, name, between, between.join(inner), between, p, name)

    def maybe(one: bytes) -> bytes:
        # not possessive: before 3.11.8 and 3.12.2 Python loses groups within what is (gh-101955); each starts unlike the others anyway
        return rb"(?:%b%b)?" % (one, between)

    quality, length, start = leaf(b"quality", small), leaf(b"duration", number), leaf(b"start", number)
    parts = [
        maybe(leaf(b"cost", number)),
        maybe(nest(b"ReadingQuality", quality)),
        maybe(nest(b"timePeriod", length, start)),
        maybe(leaf(b"value", number)),
        *(maybe(leaf(name, small)) for name in (b"consumptionTier", b"tou", b"cpp")),
    ]
    irregular = rb"(<%bIntervalReading>%b%b</%bIntervalReading>%b)" % (p, between, b"".join(parts), p, space)
    digits = rb"-?+[0-9]{1,18}+"
    plain = [
        rb"<%b%b>%b%b%b</%b%b>" % (p, name, space, digits, space, p, name)
        for name in (b"cost", b"value", b"consumptionTier", b"tou", b"cpp")
    ]
    either = b"|".join(plain)
    pair = [rb"<%b%b>%b%b%b</%b%b>%b" % (p, name, space, digits, space, p, name, space) for name in (b"duration", b"start")]
    period = rb"<%btimePeriod>%b(?:%b|%b)</%btimePeriod>" % (p, space, pair[0] + pair[1], pair[1] + pair[0], p)
    worst = rb"<%bReadingQuality>%b<%bquality>%b%b%b</%bquality>%b</%bReadingQuality>" % (p, space, p, space, digits, space, p, space, p)
    shape = rb"<%bIntervalReading>%b(?:(?:%b|%b|%b)%b)*+</%bIntervalReading>" % (p, space, either, period, worst, space, p)
    return _Tags(
        open=b"<" + prefix + b"IntervalReading>",
        close=b"</" + prefix + b"IntervalReading>",
        block_end=b"</" + prefix + b"IntervalBlock>",
        leaf=re.compile(rb"<%b(\w+)>%b%b" % (p, space, number)),
        shape=re.compile(shape),
        irregular=re.compile(irregular),
    )


# -- cutting -------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Run:
    """Readings that were proved, and the element to put in their place."""

    readings: Readings
    marker: bytes


class Cutter:
    """Cuts proved runs out of a stream of bytes.

    `name` is the marker element's local name; it is random, so that no document can hold it.
    """

    def __init__(self) -> None:
        self.name = f"run.{secrets.token_hex(8)}"
        self._carry = b""

    def pieces(self, chunk: bytes, *, final: bool = False) -> Iterator[bytes | Run]:
        """Yield what the parser shall read, in order: bytes as they stand, and runs.

        Parameters
        ----------
        chunk : bytes
            The next bytes of the stream.
        final : bool
            Whether they are the last.

        Yields
        ------
        bytes or Run
            What stands next in the stream.
        """
        data = self._carry + chunk if self._carry else chunk
        self._carry = b""
        first = _FIRST.search(data)
        if first is None:
            safe = len(data) if final else _before_partial_tag(data, 0)
            self._carry = data[safe:]
            yield data[:safe]
            return
        tags = _tags(first[1])
        marker = b"<" + first[1] + self.name.encode() + b"/>"
        spans = _spans(data, tags)
        position = 0
        for begin, end, readings in _proved(data, spans, tags):
            if readings is not None:
                if begin > position:
                    yield data[position:begin]
                yield Run(readings, marker)
                position = end
        after = max(position, spans[-1][1] if spans else 0)
        if final:
            safe = len(data)
        else:
            unfinished = data.find(tags.open, after)
            safe = unfinished if unfinished >= 0 else _before_partial_tag(data, after)
            if len(data) - safe > _LONGEST_READING:
                safe = len(data)
        self._carry = data[safe:]
        yield data[position:safe]


def _before_partial_tag(data: bytes, start: int) -> int:
    """Return where the last tag begins if it is not complete yet, else the end."""
    begin = data.rfind(b"<", start)
    return begin if begin >= 0 and len(data) - begin < _LONGEST_READING and data.find(b">", begin) < 0 else len(data)


def _spans(data: bytes, tags: _Tags) -> list[tuple[int, int]]:
    """Return where complete runs stand: from a reading's start tag to the last end tag before the block ends."""
    spans = []
    position = 0
    while (begin := data.find(tags.open, position)) >= 0:
        block_end = data.find(tags.block_end, begin)
        limit = block_end if block_end >= 0 else len(data)
        end = data.rfind(tags.close, begin, limit)
        if end >= 0:
            spans.append((begin, end + len(tags.close)))
        if block_end < 0:
            break
        position = block_end
    return spans


# -- proving -------------------------------------------------------------------------------------------------------------------------------


def _proved(data: bytes, spans: list[tuple[int, int]], tags: _Tags) -> Iterator[tuple[int, int, Readings | None]]:
    """Yield spans in order with their readings; None where they could not be proved."""
    if not spans:
        return
    single = len(spans) == 1
    joined = data[spans[0][0] : spans[0][1]] if single else b"".join([data[begin:end] for begin, end in spans])
    found = _repeated(joined, tags)
    if found is not None:
        columns, begins = found
        ends = np.cumsum([end - begin for begin, end in spans])
        stops = np.searchsorted(begins, ends).tolist()
        start = 0
        for (begin, end), stop in zip(spans, stops, strict=True):
            yield begin, end, _readings({name: column[start:stop] for name, column in columns.items()}, stop - start)
            start = stop
    elif not single:
        half = len(spans) // 2
        yield from _proved(data, spans[:half], tags)
        yield from _proved(data, spans[half:], tags)
    else:
        yield from _halved(data, spans[0], tags)


def _halved(data: bytes, span: tuple[int, int], tags: _Tags) -> Iterator[tuple[int, int, Readings | None]]:
    begin, end = span
    if end - begin > _WORTH_HALVING:
        middle = data.find(tags.open, (begin + end) // 2, end)
        before = data.rfind(tags.close, begin, middle) if middle > begin else -1
        if before >= 0:
            yield from _proved(data, [(begin, before + len(tags.close))], tags)
            yield from _proved(data, [(middle, end)], tags)
            return
    yield begin, end, _irregular(data[begin:end], tags)


def _readings(columns: Columns, n: int) -> Readings:
    def column(name: str) -> npt.NDArray[Any]:
        if name in columns:
            return columns[name]
        return np.full(n, MISSING_SMALL, dtype=np.int16) if name in _SMALL else np.full(n, MISSING)

    given: dict[str, Any] = {name: column(name) for name in COLUMNS}
    return Readings(**given)


def _repeated(data: bytes, tags: _Tags) -> tuple[Columns, npt.NDArray[np.intp]] | None:
    """Return the columns of a run, and where each reading begins, if it is its first reading repeated with other integers; else None."""
    first = data[: data.find(tags.close) + len(tags.close)]
    if not tags.shape.fullmatch(first) or len(data) < _FEW * len(first):
        return None
    numbers = [(_LEAVES[match[1]], match.start(2), match.end(2)) for match in tags.leaf.finditer(first)]
    if len({name for name, _, _ in numbers}) != len(numbers) or not numbers:
        return None
    text = np.frombuffer(data, dtype=np.uint8)
    brackets = np.flatnonzero(text == _LESS_THAN)
    tags_each = first.count(b"<")
    if len(brackets) % tags_each:
        return None
    tags_of = brackets.reshape(-1, tags_each)
    n = len(tags_of)
    begins = place = tags_of[:, 0]
    columns: Columns = {}
    done = 0
    for name, begin, end in numbers:
        literal = first[done:begin]
        if not _stands_at(data, place, literal):
            return None
        after = first.find(b"<", end)
        number_begins, place = place + len(literal), tags_of[:, first.count(b"<", 0, end)] - (after - end)
        column = _integers(text, number_begins, place)
        if column is None or (name in _SMALL and np.abs(column).max(initial=0) > -int(MISSING_SMALL) - 1):
            return None
        columns[name] = column.astype(np.int16) if name in _SMALL else column
        done = end
    literal = first[done:]
    if not _stands_at(data, place, literal):
        return None
    ends = place + len(literal)
    gaps = begins[1:] - ends[:-1]
    if ends[-1] != len(data) or (n > 1 and not _blank(data, ends[:-1], gaps)):
        return None
    return columns, begins


def _stands_at(data: bytes, places: npt.NDArray[np.intp], literal: bytes) -> bool:
    """Whether `literal` stands at every place."""
    size = len(literal)
    if places[0] < 0 or int(places.max()) + size > len(data):
        return False
    windows = np.ndarray((len(data) - size + 1,), dtype=f"V{size}", buffer=data, strides=(1,))
    return windows[places].tobytes() == literal * len(places)


def _blank(data: bytes, places: npt.NDArray[np.intp], gaps: npt.NDArray[np.intp]) -> bool:
    """Whether nothing but one and the same white space stands between readings, or nothing at all."""
    width = int(gaps.max())
    if int(gaps.min()) < 0:
        return False
    if not width:
        return True
    wide = gaps == width
    if not (wide | (gaps == 0)).all():
        return False
    places = places[wide]
    literal = data[int(places[0]) : int(places[0]) + width]
    return not literal.strip(b" \t\r\n") and _stands_at(data, places, literal)


def _integers(text: npt.NDArray[np.uint8], begins: npt.NDArray[np.intp], ends: npt.NDArray[np.intp]) -> npt.NDArray[np.int64] | None:
    """Return the integers that fill ``begins`` to ``ends``: 1 to 18 digits, a minus at most; None where something else does."""
    if (ends <= begins).any():
        return None
    negative = text[begins] == _MINUS
    signed = bool(negative.any())
    widths = ends - begins - negative if signed else ends - begins
    narrowest, widest = int(widths.min()), int(widths.max())
    if narrowest < 1 or widest > 18:
        return None
    numbers = np.zeros(len(begins), dtype=np.int64)
    place = ends - 1
    scale = 1
    for digit in range(widest):
        digits = text[place] - np.uint8(_ZERO)
        if digit >= narrowest:
            digits = np.where(widths > digit, digits, np.uint8(0))
        if int(digits.max()) > 9:
            return None
        numbers += digits * np.int64(scale)
        scale *= 10
        place = place - 1
    return np.where(negative, -numbers, numbers) if signed else numbers


def _irregular(data: bytes, tags: _Tags) -> Readings | None:
    """Return the readings of a run whose children come and go, or that holds comments, by one match a reading; None where one differs."""
    found = tags.irregular.findall(data)
    if len(found) < _FEW or sum(len(one[0]) for one in found) != len(data):
        return None
    _, cost, quality, duration, start, value, tier, tou, cpp = zip(*found, strict=True)
    columns: Columns = {}
    for name, texts in zip(COLUMNS, (start, duration, value, cost, quality, tou, tier, cpp), strict=True):
        kind, missing = (np.int16, int(MISSING_SMALL)) if name in _SMALL else (np.int64, int(MISSING))
        columns[name] = np.array([int(text) if text else missing for text in texts], dtype=kind)
    return _readings(columns, len(found))
