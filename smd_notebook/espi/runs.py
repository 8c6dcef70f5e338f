"""Runs of IntervalReading to columns without parsing what can be proved: the fast path.

A feed is mostly one reading repeated with other numbers. So the runs are cut out of the stream and an empty marker is left in their
place; the XML parser reads the rest (a few per cent of the bytes), and each run becomes columns by showing that its readings *are* an
example repeated with other integers, every byte accounted for. A reading that is unlike the first example is held against a few others,
then against a regular expression, and in the end given to the parser as it stands. A marker that the parser does not give back where it
was put (it lay in a comment, a CDATA section, another namespace) sends the whole document to the plain path, so that the two always agree.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from smd_notebook.espi.model import COLUMNS, MISSING, MISSING_SMALL, Readings
from smd_notebook.espi.spots import PIECE, WINDOW, Flags, Places, blank, integers, next_tags, stand, stands_at

#: Element -> column; what is not here is not for the fast path.
_LEAVES = {b"cost": "cost", b"quality": "quality", b"duration": "duration", b"start": "start", b"value": "value"}
_LEAVES |= {b"consumptionTier": "tier", b"tou": "tou", b"cpp": "cpp"}
_SMALL = {"quality", "tou", "tier", "cpp"}
#: The columns that the groups of `_Tags.irregular` are, in order.
_IRREGULAR = ("cost", "quality", "duration", "start", "value", "tier", "tou", "cpp")
_FIRST = re.compile(rb"<((?:[A-Za-z_][-.\w]*:)?)IntervalReading>")
#: Fewer readings than these are not worth a proof, and after as many that are like no other the rest is left to the parser.
_FEW = 8
#: How many kinds of readings are told apart in one piece of the stream: most feeds have one, or a second one without cost.
_EXAMPLES = 6
#: Beyond this a reading that never ends is no reading.
_LONGEST_READING = 1 << 20
_LESS_THAN, _RARE = ord("<"), ord("I")

Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class _Tags:
    """What the tags of one prefix look like."""

    open: bytes
    close: bytes
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
    irregular = rb"<%bIntervalReading>%b%b</%bIntervalReading>" % (p, between, b"".join(parts), p)
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
        leaf=re.compile(rb"<%b(\w+)>%b%b" % (p, space, number)),
        shape=re.compile(shape),
        irregular=re.compile(irregular),
    )


# -- cutting -------------------------------------------------------------------------------------------------------------------------------


#: The marker element's local name; it is random, so that no document can hold it.
MARKER = f"run.{secrets.token_hex(8)}"


class Cutter:
    """Cuts proved runs out of a stream of bytes."""

    name = MARKER

    def __init__(self) -> None:
        self._kept, self._until = b"", b""

    def cut(self, chunk: bytes, *, final: bool = False) -> tuple[bytes, list[Readings]]:
        """Return what the parser shall read, and the runs that the markers in it stand for, in order.

        Parameters
        ----------
        chunk : bytes
            The next bytes of the stream.
        final : bool
            Whether they are the last.
        """
        pieces: list[bytes] = []
        runs: list[Readings] = []
        begin = 0
        while self._kept:  # only what was begun is put together with its end, for a copy of all costs as much as what is done with it
            end = chunk.find(self._until, begin) + len(self._until)
            if end < len(self._until):
                chunk, begin, self._kept = self._kept + chunk[begin:], 0, b""
            else:
                begun, self._kept = self._kept + chunk[begin:end], b""
                self._cut(begun, 0, pieces, runs, final=False)
                begin = end
        self._cut(chunk, begin, pieces, runs, final=final)
        return b"".join(pieces), runs

    def _cut(self, data: bytes, position: int, pieces: list[bytes], runs: list[Readings], *, final: bool) -> None:
        """Add what is left of the bytes from a position on, and the runs in them; keep what is not complete."""
        unfinished, self._until = -_LONGEST_READING, b">"
        if first := _FIRST.search(data, position):
            tags = _tags(first[1])
            found = _Readings(data, position, tags)
            if len(data) - found.unfinished < _LONGEST_READING:
                unfinished, self._until = found.unfinished, tags.close
            marker = b"<" + first[1] + MARKER.encode() + b"/>"
            for begin, end, readings in found.runs():
                pieces += [data[position:begin], marker]
                runs.append(readings)
                position = end
        safe = len(data)
        if unfinished >= 0:
            safe = unfinished
        elif data.find(b">", last := data.rfind(b"<", position)) < 0 <= last and len(data) - last < _LONGEST_READING:
            safe = last
        if final:
            safe = len(data)
        pieces.append(data[position:safe])
        self._kept = data[safe:]


# -- proving -------------------------------------------------------------------------------------------------------------------------------


class _Readings:
    """The readings in a piece of the stream: where they begin and end, which are proved, and what these say.

    Parameters
    ----------
    data : bytes
        The piece.
    position : int
        Where it begins in earnest.
    tags : _Tags
        What tags look like.
    """

    def __init__(self, data: bytes, position: int, tags: _Tags) -> None:
        self._data, self._tags = data, tags
        begins = _places_of(data, position, tags.open)
        n = int(np.searchsorted(begins, data.rfind(tags.close, position)))
        self.begins: Places = begins[:n]
        self.unfinished = int(begins[-1]) if n < len(begins) else -_LONGEST_READING
        self.ends: Places = np.zeros(n, dtype=np.intp)
        self.proved: Flags = np.zeros(n, dtype=bool)
        self._columns: Columns = {}
        left = np.arange(n)
        for _ in range(_EXAMPLES):
            if len(left) < _FEW:
                break
            begin = int(self.begins[left[0]])
            example = data[begin : data.find(tags.close, begin) + len(tags.close)]
            if tags.shape.fullmatch(example):
                self._compare(example, left)
                left = left[~self.proved[left]]
            else:
                left = left[1:]
        if n >= _FEW:
            self._match(np.flatnonzero(~self.proved))

    def _compare(self, example: bytes, rows: Places) -> None:
        """Prove those of some readings that are the example with other integers."""
        alike, ends, columns = _alike(self._data, example, self.begins[rows], self._tags)
        if len(alike) == len(self.begins):  # most feeds, most of the time
            self.ends, self._columns = ends, columns
            self.proved[:] = True
            return
        rows = rows[alike]
        self.ends[rows] = ends
        self.proved[rows] = True
        for name, values in columns.items():
            self._column(name)[rows] = values

    def _match(self, rows: Places) -> None:
        """Prove readings whose children come and go, or that hold comments, one by one."""
        credit, data, irregular = _FEW, self._data, self._tags.irregular
        found: list[tuple[int, int, tuple[bytes | None, ...]]] = []
        for row, begin in zip(rows.tolist(), self.begins[rows].tolist(), strict=True):
            match = irregular.match(data, begin)
            credit += 1 if match else -1
            if match:
                found.append((row, match.end(), match.groups()))
            elif credit < 0:
                break
        if not found:
            return
        matched, ends, groups = zip(*found, strict=True)
        rows = np.array(matched)
        self.ends[rows], self.proved[rows] = ends, True
        for name, texts in zip(_IRREGULAR, zip(*groups, strict=True), strict=True):
            column = self._column(name)
            missing = int(MISSING_SMALL if name in _SMALL else MISSING)
            column[rows] = [int(text) if text else missing for text in texts]

    def _column(self, name: str) -> npt.NDArray[Any]:
        if name not in self._columns:
            missing, dtype = (MISSING_SMALL, np.int16) if name in _SMALL else (MISSING, np.int64)
            self._columns[name] = np.full(len(self.begins), missing, dtype=dtype)
        return self._columns[name]

    def runs(self) -> list[tuple[int, int, Readings]]:
        """Return where each run begins and ends, and what it holds: proved readings with nothing but white space between them."""
        if not self.proved.any():
            return []
        begins, ends = self.begins, self.ends
        columns: list[Any] = [self._column(name) for name in COLUMNS]
        if not self.proved.all():
            begins, ends = begins[self.proved], ends[self.proved]
            columns = [column[self.proved] for column in columns]
        breaks = np.flatnonzero(~blank(self._data, ends[:-1], begins[1:] - ends[:-1])) + 1
        first = np.concatenate([[0], breaks])
        last = np.concatenate([breaks, [len(begins)]])
        places = zip(begins[first].tolist(), ends[last - 1].tolist(), first.tolist(), last.tolist(), strict=True)
        return [(begin, end, Readings(*[column[one:other] for column in columns])) for begin, end, one, other in places]


def _places_of(data: bytes, position: int, tag: bytes) -> Places:
    """Return where the start tags of readings seem to stand, by letters that are rare in a feed."""
    characters = np.frombuffer(data, dtype=np.uint8)
    pieces = [np.flatnonzero(characters[at : at + PIECE] == _RARE) + (at - tag.index(_RARE)) for at in range(position, len(data), PIECE)]
    places: Places = np.concatenate(pieces)
    places = places[np.searchsorted(places, position) : np.searchsorted(places, len(data) - len(tag), side="right")]
    places = places[characters[places] == _LESS_THAN]  # not end tags
    is_tag: Flags = characters[places + len(tag) - len(b"Reading>")] == ord("R")  # nor blocks
    return places[is_tag]


def _alike(data: bytes, example: bytes, place: Places, tags: _Tags) -> tuple[Places, Places, Columns]:
    """Hold readings that begin at `place` against an example; return which are alike, where these end, and the integers in them."""
    numbers = [(_LEAVES[match[1]], match.start(2), match.end(2)) for match in tags.leaf.finditer(example)]
    room = len(data) - len(example) - WINDOW * len(numbers)
    place = place[: np.searchsorted(place, room, side="right")] if len({name for name, _, _ in numbers}) == len(numbers) else place[:0]
    rows = np.arange(len(place))
    columns: Columns = {}
    done = 0

    def only(good: Flags | None) -> None:
        nonlocal rows, place, columns
        if good is not None and not good.all():
            rows, place = rows[good], place[good]
            columns = {name: column[good] for name, column in columns.items()}

    def take(name: str, begin: int, end: int) -> None:
        """Go on to the end of a number."""
        nonlocal place, done
        only(stands_at(data, place, example[done:begin]))
        # a number ends before a tag, with as many blanks between them as in the example
        blanks = example.index(b"<", end) - end
        begins = place + (begin - done)
        place, done = next_tags(data, begins, end + blanks - begin) - blanks, end
        columns[name], fits = integers(data, begins, place)
        only(fits)
        if name in _SMALL:
            only(np.abs(columns[name]) < -int(MISSING_SMALL))
            columns[name] = columns[name].astype(np.int16)

    same: list[tuple[str, int, int]] = []
    for name, begin, end in [*numbers, ("", len(example), len(example))]:
        text = example[begin : end + 1]
        fits = name not in _SMALL or abs(int(example[begin:end])) < -int(MISSING_SMALL)
        if text and fits and len(place) and all(data.startswith(text, row + begin - done) for row in place[[len(place) // 2, -1]].tolist()):
            same.append((name, begin, end))  # perhaps everywhere, and then it need not be taken for a number
            continue
        if same and stand(data, place, example[done:begin]):
            for constant, *edges in same:
                columns[constant] = np.full(len(place), int(example[slice(*edges)]), dtype=np.int16 if constant in _SMALL else np.int64)
            place, done = place + (begin - done), begin
        else:
            for one in same:
                take(*one)
        same.clear()
        if name:
            take(name, begin, end)
    only(stands_at(data, place, example[done:]))
    return rows, place + (len(example) - done), columns
