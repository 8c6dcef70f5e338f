"""What stands at many places of a piece of bytes at once: literals, blanks, integers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["PIECE", "WINDOW", "Flags", "Places", "blank", "integers", "next_tags", "stand", "stands_at"]

Places = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]

_LESS_THAN, _MINUS = ord("<"), ord("-")
#: Within so many bytes a number ends, if it does: of 16 digits, with a minus.
WINDOW = 18
#: How much is worked on at once, so that it stays in memory that is near the processor.
PIECE = 1 << 17


def _windows(data: bytes, places: Places, size: int) -> npt.NDArray[np.void]:
    """Return so many bytes from each place on."""
    every: npt.NDArray[np.void] = np.ndarray((len(data) - size + 1,), dtype=f"V{size}", buffer=data, strides=(1,))
    return every[places]


def stand(data: bytes, places: Places, literal: bytes) -> bool:
    """Whether `literal` stands at all of some places within the data; compared as memory, so much at a time as stays near the processor."""
    rows = max(PIECE // max(len(literal), 1), 1)
    expected = literal * rows
    for row in range(0, len(places), rows):
        found = _windows(data, places[row : row + rows], len(literal)).tobytes()
        if found != expected[: len(found)]:
            return False
    return True


def stands_at(data: bytes, places: Places, literal: bytes) -> Flags | None:
    """Return at which places, in ascending order, `literal` stands; None where it stands at all of them."""
    room = len(data) - len(literal)
    if not len(places) or not literal:
        return None
    inside = places[0] >= 0 and places[-1] <= room
    if inside and stand(data, places, literal):  # ten times as fast as one by one
        return None
    flags: Flags = _windows(data, places if inside else np.clip(places, 0, room), len(literal)) == np.void(literal)
    return flags if inside else flags & (places >= 0) & (places <= room)


def next_tags(data: bytes, begins: Places, usual: int) -> Places:
    """Return where the first tag behind each place begins: so far as usual, or nearby; else there itself."""
    ends = begins + usual
    others = np.flatnonzero(np.frombuffer(data, dtype=np.uint8)[ends] != _LESS_THAN)
    if len(others):
        near = _windows(data, begins[others], WINDOW).view(np.uint8).reshape(-1, WINDOW) == _LESS_THAN
        ends[others] = begins[others] + near.argmax(axis=1)
    return ends


def blank(data: bytes, places: Places, widths: Places) -> Flags:
    """Return at which places nothing but one and the same white space stands, that which is the shortest."""
    width = int(widths.min(initial=len(data)))
    narrow: Flags = widths == width
    if not width or not len(places):
        return narrow
    place = int(places[narrow.argmax()])
    literal = data[place : place + width]
    if literal.strip(b" \t\r\n"):
        return np.zeros(len(places), dtype=bool)
    found = stands_at(data, places, literal)
    return narrow if found is None else narrow & found


#: Eight bytes of zeros as digits, eight bytes that are beyond 9 with them, and how digits become pairs, fours, and eight.
_ZEROS, _BEYOND, _HIGH = (np.uint64(0x0101010101010101 * byte) for byte in (0x30, 0x76, 0x80))
_STEPS = [
    (np.uint64(mask), np.uint64(10**n * (1 << 8 * n) + 1), np.uint64(8 * n))
    for mask, n in ((0x0F0F0F0F0F0F0F0F, 1), (0x00FF00FF00FF00FF, 2), (0x0000FFFF0000FFFF, 4))
]


#: How far eight bytes are shifted so that only the last digits of a number of so many are left: of its last eight, and of those before.
_SHIFTS = np.array([64 - 8 * min(width, 8) for width in range(17)], dtype=np.uint64)
_SHIFTS_BEFORE = np.array([64 - 8 * max(width - 8, 0) for width in range(17)], dtype=np.uint64)


def integers(data: bytes, begins: Places, ends: Places) -> tuple[npt.NDArray[np.int64], Flags | None]:
    """Return the integers between `begins` and `ends`, and which of them are: of 1 to 16 digits, with a minus at most; None for all."""
    if not len(begins):
        return np.zeros(0, dtype=np.int64), None
    negative = np.frombuffer(data, dtype=np.uint8)[begins] == _MINUS
    signed = bool(negative.any())
    widths = ends - begins - negative if signed else ends - begins
    narrowest, widest = int(widths.min()), int(widths.max())
    fits = None
    if narrowest < 1 or widest > 16:
        fits = (widths >= 1) & (widths <= 16)
        widths, ends = np.where(fits, widths, 1), np.where(fits, ends, 16)
        narrowest, widest = 1, 16
    given: Places | int = narrowest if narrowest == widest else widths
    numbers, other = _eight_digits(data, ends, _SHIFTS[given])
    if widest > 8:
        more, stranger = _eight_digits(data, ends - 8, _SHIFTS_BEFORE[given])
        numbers = numbers + more * np.int64(10**8)
        other = other | stranger
    if other.any():
        fits = ~other if fits is None else fits & ~other
    if len(numbers) < len(begins):
        numbers = np.full(len(begins), numbers)
    return np.where(negative, -numbers, numbers) if signed else numbers, fits


def _eight_digits(data: bytes, ends: Places, shifts: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.int64], Flags]:
    """Return the numbers whose last eight digits, or fewer, end at `ends`, and where there is anything but digits.

    Eight bytes are one integer, and all digits of it are put together at once. Where all are the same there is one of each only.
    """
    words: npt.NDArray[np.uint64] = _windows(data, ends - 8, 8).view("<u8")
    if not shifts.ndim and (words == words[0]).all():
        words = words[:1]
    words = ((words ^ _ZEROS) >> shifts) << shifts
    other = (((words + _BEYOND) | words) & _HIGH) != 0
    for mask, factor, shift in _STEPS:
        words = ((words & mask) * factor) >> shift
    return words.view(np.int64), other
