"""IntervalReadings to columns: the plain path, which takes each reading as a node the XML parser made, and is the definition."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from smd_notebook.espi.codes import QUALITY_RANK
from smd_notebook.espi.model import COLUMNS, EMPTY, MISSING, MISSING_SMALL, Column, Readings, SmallColumn
from smd_notebook.espi.resources import Node, Note, decimal_of, hidden

_LARGEST = np.iinfo(np.int64).max
_LARGEST_SMALL = np.iinfo(np.int16).max
_PLAIN = re.compile(r"[-+0-9 \t\r\n]*")
_CHILDREN = {name.lower(): name for name in ("cost", "ReadingQuality", "timePeriod", "value", "consumptionTier", "tou", "cpp")}
_PERIOD = {"duration", "start"}
_RANK_OF_OTHERS = QUALITY_RANK[16]


class Columns:
    """Gathers the readings of one IntervalBlock.

    Parameters
    ----------
    note : callable
        Told of everything that could not be taken as it was written.
    """

    def __init__(self, note: Note) -> None:
        self._note = note
        self._parts: list[Readings] = []
        self._clear()

    def _clear(self) -> None:
        self._start: list[str | None] = []
        self._duration: list[str | None] = []
        self._value: list[str | None] = []
        self._cost: list[str | None] = []
        self._quality: list[str | None] = []
        self._tou: list[str | None] = []
        self._tier: list[str | None] = []
        self._cpp: list[str | None] = []
        self._extra: dict[int, Node] = {}

    def add(self, node: Node) -> None:
        """Take one reading (espi:IntervalReading)."""
        for name in node:
            if name not in _CHILDREN.values() and not name.startswith("@"):
                node = {_CHILDREN.get(name.lower(), name): value for name, value in node.items()}
                break
        extra: Node = {name: value for name, value in node.items() if name not in _CHILDREN.values()}
        period = node.get("timePeriod")
        if isinstance(period, list):
            extra["timePeriod"] = period[1:]
            self._note("repeated-element", "a reading has several timePeriods; the first was taken, the others are kept in `extra`")
            period = period[0]
        if not isinstance(period, dict):
            period = {}
        if not period.keys() <= _PERIOD:
            period = {name.lower() if name.lower() in _PERIOD else name: value for name, value in period.items()}
        left = {name: value for name, value in period.items() if name not in _PERIOD}
        if left:
            extra.setdefault("timePeriod", []).append(left)
        self._start.append(self._text(period, "start", extra))
        self._duration.append(self._text(period, "duration", extra))
        self._value.append(self._text(node, "value", extra))
        self._cost.append(self._text(node, "cost", extra))
        self._tou.append(self._text(node, "tou", extra))
        self._tier.append(self._text(node, "consumptionTier", extra))
        self._cpp.append(self._text(node, "cpp", extra))
        self._quality.append(self._worst(node.get("ReadingQuality"), extra))
        if extra:
            self._extra[len(self._start) - 1] = hidden(extra)

    def _text(self, node: Node, name: str, extra: Node) -> str | None:
        value = node.get(name)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, list):
            self._note("repeated-element", f"a reading has several {name}s; the first was taken, the others are kept in `extra`")
            extra[name] = value[1:]
            value = value[0]
        if isinstance(value, dict):
            extra.setdefault(name, []).append(value)
            value = value.get("#text")
        return value if isinstance(value, str) else None

    def _worst(self, found: Any, extra: Node) -> str | None:
        """Return the worst of a reading's qualities; where there are several, all are kept in `extra`."""
        if found is None:
            return None
        texts: list[str] = []
        for one in found if isinstance(found, list) else [found]:
            inner = one.get("quality") if isinstance(one, dict) else one
            texts += [text for text in (inner if isinstance(inner, list) else [inner]) if isinstance(text, str)]
        if isinstance(found, list) or len(texts) != 1 or set(found) != {"quality"}:
            extra["ReadingQuality"] = found
        return min(texts, key=_rank) if texts else None

    def add_run(self, readings: Readings) -> None:
        """Take readings that the fast path made columns of."""
        self._flush()
        self._parts.append(readings)

    def finish(self) -> Readings:
        """Return the columns.

        Raises
        ------
        OverflowError
            Where a run's integers do not fit the scale that decimals elsewhere in the block need.
        """
        self._flush()
        return joined(self._parts)

    def _flush(self) -> None:
        """Make columns of the texts so far."""
        if not self._start:
            return
        value, exponent = self._numbers("value", self._value)
        part = Readings(
            start=self._seconds("start", self._start),
            duration=self._seconds("duration", self._duration),
            value=value,
            cost=self._costs("cost", self._cost),
            quality=self._small("quality", self._quality),
            tou=self._small("tou", self._tou),
            tier=self._small("consumptionTier", self._tier),
            cpp=self._small("cpp", self._cpp),
            exponent=exponent,
            extra=self._extra,
        )
        self._parts.append(part)
        self._clear()

    def _keep(self, name: str, row: int, text: str) -> None:
        """Keep a text that is no number where it stood, and say so."""
        extra = self._extra.setdefault(row, {})
        extra[name] = [*extra[name], text] if isinstance(extra.get(name), list) else text
        self._note("not-understood", f"the {name} of a reading is not a number that fits; it is kept as written in `extra`")

    def _exact(self, name: str, texts: list[str | None]) -> list[Decimal | None]:
        numbers: list[Decimal | None] = []
        for row, text in enumerate(texts):
            number = decimal_of(text) if text and text.strip() else None
            if number is None and text and text.strip():
                self._keep(name, row, text)
            numbers.append(number)
        return numbers

    def _seconds(self, name: str, texts: list[str | None]) -> Column:
        plain = _plain(texts)
        if plain is not None:
            return plain
        column = np.full(len(texts), MISSING)
        cut = 0
        for row, number in enumerate(self._exact(name, texts)):
            if number is None:
                continue
            whole = int(number.to_integral_value("ROUND_FLOOR"))
            cut += number != whole
            if abs(whole) > _LARGEST:
                self._keep(name, row, texts[row] or "")
            else:
                column[row] = whole
        for _ in range(cut):
            self._note("fractional-time", f"a reading's {name} has a fraction of a second; it was cut off")
        return column

    def _numbers(self, name: str, texts: list[str | None]) -> tuple[Column, int]:
        """Return integers and the power of ten that makes them what was written."""
        plain = _plain(texts)
        if plain is not None:
            return plain, 0
        numbers = self._exact(name, texts)
        exponent = 0
        for number in numbers:
            if number is not None and number != number.to_integral_value():
                exponent = min(exponent, int(number.normalize().as_tuple().exponent))
        column = np.full(len(texts), MISSING)
        for row, number in enumerate(numbers):
            if number is None:
                continue
            whole = int(number.scaleb(-exponent))
            if abs(whole) > _LARGEST:
                self._keep(name, row, texts[row] or "")
            else:
                column[row] = whole
        for _ in range(sum(number is not None and number != number.to_integral_value() for number in numbers)):
            self._note("decimal-values", f"{name}s are written with decimals; they were taken exactly")
        return column, exponent

    def _costs(self, name: str, texts: list[str | None]) -> Column:
        """Return raw costs; one with decimals is rounded, and kept as written as well."""
        plain = _plain(texts)
        if plain is not None:
            return plain
        column = np.full(len(texts), MISSING)
        for row, number in enumerate(self._exact(name, texts)):
            if number is None:
                continue
            whole = int(number.to_integral_value("ROUND_HALF_EVEN"))
            if abs(whole) > _LARGEST:
                self._keep(name, row, texts[row] or "")
                continue
            column[row] = whole
            if whole != number:
                self._extra.setdefault(row, {})[name] = texts[row]
                self._note("decimal-costs", "costs are written with decimals; they were rounded, and are kept as written in `extra`")
        return column

    def _small(self, name: str, texts: list[str | None]) -> SmallColumn:
        small = np.full(len(texts), MISSING_SMALL, dtype=np.int16)
        for row, number in enumerate(self._exact(name, texts)):
            if number is None:
                continue
            if number == number.to_integral_value() and abs(number) <= _LARGEST_SMALL:
                small[row] = int(number)
            else:
                self._keep(name, row, texts[row] or "")
        return small


def joined(parts: Sequence[Readings]) -> Readings:
    """Return readings one after another, on the smallest exponent that any of them needs.

    Raises
    ------
    OverflowError
        Where decimals and large integers do not fit one scale.
    """
    if not parts:
        return EMPTY
    if len(parts) == 1:
        return parts[0]
    exponent = min(part.exponent for part in parts)
    values, extra, offset = [], {}, 0
    for part in parts:
        shift, value = part.exponent - exponent, part.value
        if shift:
            known = value != MISSING
            if shift > 18 or np.abs(value[known]).max(initial=0) > _LARGEST // 10**shift:
                raise OverflowError("decimals and very large integers of one series do not fit one scale")
            value = np.where(known, np.where(known, value, 0) * 10**shift, MISSING)
        values.append(value)
        extra.update({offset + row: node for row, node in part.extra.items()})
        offset += len(part)
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS if name != "value"}
    return Readings(value=np.concatenate(values), exponent=exponent, extra=extra, **columns)


def _rank(text: str) -> int:
    number = decimal_of(text)
    return QUALITY_RANK.get(int(number), _RANK_OF_OTHERS) if number is not None and abs(number) < _LARGEST_SMALL else _RANK_OF_OTHERS


def _plain(texts: list[str | None]) -> Column | None:
    """Return the column where every text is a plain integer that fits, or none is there at all; else None."""
    if not any(texts):
        return np.full(len(texts), MISSING)
    try:
        if None not in texts and _PLAIN.fullmatch("".join(texts)):  # type: ignore[arg-type]
            column = np.array(list(map(int, texts)), dtype=np.int64)  # type: ignore[arg-type]
            return column if MISSING not in column else None
    except (ValueError, OverflowError):
        pass
    return None
