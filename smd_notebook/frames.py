"""Series to the tidy frame: the only place of scaling and units.

Below are raw integers and UTC seconds; above are physical values with a unit and instants with a zone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from smd_notebook.clock import known_zones
from smd_notebook.errors import UnitError
from smd_notebook.espi import codes
from smd_notebook.espi.model import EMPTY, MISSING, MISSING_SMALL, Column, Document, SmallColumn
from smd_notebook.selection import Series

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "TIDY_COLUMNS",
    "categories_of",
    "costs_of",
    "quotient",
    "scaled",
    "strings_of",
    "tidy",
    "values_of",
]

#: The columns of a tidy frame, in order, always all present.
TIDY_COLUMNS = (
    "usage_point",
    "channel",
    "service",
    "measure",
    "flow",
    "zone",
    "start",
    "end",
    "duration",
    "value",
    "unit",
    "quality",
    "tou",
    "tou_name",
    "tier",
    "cpp",
    "cost",
    "currency",
)
#: The code list of each categorical column, the same in every frame, so that frames concatenate.
_LISTS: dict[str, tuple[str, ...]] = {
    "service": tuple(codes.SERVICE.values()),
    "measure": ("energy", "power", "register", "volume", "other"),
    "flow": codes.FLOWS,
    "zone": known_zones(),
    "unit": codes.UNIT_SYMBOLS,
    "quality": tuple(codes.QUALITY.values()),
    "currency": tuple(codes.CURRENCY.values()),
}
_LISTED = {column: set(names) for column, names in _LISTS.items()}
#: Code of a quality, as an unsigned number, to its place in the list; -1 where there is none, and a mark for codes that are not listed.
_STRANGE = -2
_QUALITY_PLACES = np.full(1 << 16, _STRANGE, dtype=np.int8)
_QUALITY_PLACES[list(codes.QUALITY)] = range(len(codes.QUALITY))
_QUALITY_PLACES[MISSING_SMALL & 0xFFFF] = -1

#: Integers up to this are exact as float64, and so are powers of ten up to the other.
_EXACT = 1 << 53
_EXACT_POWER = 22
_MICROSECONDS = 1_000_000
#: No int64 times a power of ten beyond this is anything but 0 or infinite as float64.
_FAR_POWER = 400


# -- numbers ---------------------------------------------------------------------------------------------------------------------------


def scaled(raw: Column, power: int, factor: Fraction = Fraction(1)) -> npt.NDArray[np.float64]:
    """Return ``raw * 10**power * factor``, each rounded once, to the nearest float64; missing values are NaN.

    >>> scaled(np.array([1067300, 3]), -3).tolist(), scaled(np.array([1067300]), -3, Fraction(1, 1000)).tolist()
    ([1067.3, 0.003], [1.0673])
    """
    power = min(max(power, -_FAR_POWER), _FAR_POWER)
    ratio = factor * Fraction(10) ** power
    over, under = ratio.numerator, ratio.denominator
    missing = raw == MISSING
    largest = int(np.abs(raw).max(initial=0))  # the missing one has no positive counterpart and stays below 0
    if max(largest, 1) * over <= _EXACT and under <= _EXACT:
        values = (raw if over == 1 else raw * over) / np.float64(under)
    elif largest <= _EXACT and under == 1 and (factor == 1 and power <= _EXACT_POWER):
        values = raw * np.float64(over)
    elif largest <= _EXACT and over == 1 and (factor == 1 and -power <= _EXACT_POWER):
        values = raw / np.float64(under)
    else:
        values = np.array([quotient(int(one) * over, under) for one in np.where(missing, 0, raw).tolist()], dtype=np.float64)
    np.copyto(values, np.nan, where=missing)
    return values


def quotient(over: int, under: int) -> float:
    """Return ``over / under`` rounded once; infinite where that is too large for a float64.

    >>> quotient(1, 3), quotient(-(10**400), 1)
    (0.3333333333333333, -inf)
    """
    try:
        return over / under
    except OverflowError:
        return float("inf") if over > 0 else float("-inf")


# -- the tidy frame ----------------------------------------------------------------------------------------------------------------------


def tidy(
    series: Sequence[Series],
    document: Document,
    *,
    unit: str | None = None,
    raw: bool = False,
    in_order: bool = False,
    tz: str | None = None,
) -> pd.DataFrame:
    """Return one row an interval.

    Parameters
    ----------
    series : sequence of Series
        As `series_of` gives them.
    document : Document
        The document they are of, for the names of its programs.
    unit : str, optional
        Unit to convert to, such as ``"kWh"``.
    raw : bool
        Whether to add `raw_value` and `power_of_ten`.
    in_order : bool
        Whether rows stand in document order, all channels together, where all readings are kept; else by channel, then start.
    tz : str, optional
        The zone that was asked for; a frame without rows is in it, too.

    Raises
    ------
    UnitError
        Where a channel cannot be converted to `unit`.
    """
    import pandas as pd

    counts = np.array([len(one.readings) for one in series], dtype=np.intp)
    zones = sorted({one.zone for one in series if len(one.readings)} or {one.zone for one in series})
    columns: dict[str, Any] = {}

    def column(name: Literal["start", "duration", "quality", "tou", "tier", "cpp"]) -> Any:
        return _end_to_end([getattr(one.readings, name) for one in series], getattr(EMPTY, name))

    def repeated(name: str, values: Sequence[str | None]) -> pd.Categorical:
        dtype, places = _listed(name, _others(name, [value for value, n in zip(values, counts, strict=True) if n]))
        found = np.array([places.get(value, -1) for value in values], dtype=_dtype_of(places))
        return pd.Categorical.from_codes(np.repeat(found, counts), dtype=dtype, validate=False)

    def strings(values: Sequence[str]) -> Any:
        return strings_of(np.array(values, dtype=object)).repeat(counts)

    start, duration = column("start"), column("duration")
    columns["usage_point"] = strings([one.channel.usage_point for one in series])
    columns["channel"] = strings([one.channel.label for one in series])
    columns["service"] = repeated("service", [one.channel.service for one in series])
    columns["measure"] = repeated("measure", [one.channel.measure for one in series])
    columns["flow"] = repeated("flow", [one.channel.flow for one in series])
    columns["zone"] = repeated("zone", [one.zone for one in series])
    shown = tz or (zones[0] if len(zones) == 1 else "UTC")
    known = start != MISSING
    columns["start"] = _instants(start, known, shown)
    columns["end"] = _instants(start + duration, known, shown)
    columns["duration"] = (duration * _MICROSECONDS).view("timedelta64[us]")
    columns["value"] = _end_to_end([values_of(one, unit) for one in series], np.empty(0))
    columns["unit"] = repeated("unit", [(unit or one.channel.unit) if one.channel.unit else None for one in series])
    columns["quality"] = _qualities(column("quality"))
    columns["tou"] = _small_integers(column("tou"))
    columns["tou_name"] = _tou_names(column("tou"), document)
    columns["tier"] = _small_integers(column("tier"))
    columns["cpp"] = _small_integers(column("cpp"))
    columns["cost"] = _end_to_end([costs_of(one) for one in series], np.empty(0))
    columns["currency"] = repeated("currency", [one.channel.currency for one in series])
    if raw:
        values = np.concatenate([EMPTY.value, *(one.readings.value for one in series)])
        columns["raw_value"] = _integers(values, values == MISSING, "Int64") if (values == MISSING).any() else values
        columns["power_of_ten"] = np.repeat(
            np.clip([_power(one) for one in series], MISSING_SMALL, -MISSING_SMALL - 1).astype(np.int16), counts
        )
    frame = pd.DataFrame(columns, copy=False)  # nobody else has them
    if in_order and len(series) > 1:
        frame = frame.iloc[_in_document_order(series, document)].reset_index(drop=True)
    return frame


def _in_document_order(series: Sequence[Series], document: Document) -> npt.NDArray[np.intp]:
    """Return the rows of series that keep all readings, in the order of the document."""
    sources = {source: place for place, source in enumerate(document.sources)}
    blocks = [block for one in series for block in one.channel.blocks]
    keys = [(sources.get(block.entry.source, 0), block.entry.number) for block in blocks]
    ranks = np.empty(len(blocks), dtype=np.intp)
    ranks[sorted(range(len(blocks)), key=keys.__getitem__)] = np.arange(len(blocks))
    return np.argsort(np.repeat(ranks, [len(block.readings) for block in blocks]), kind="stable")


def _end_to_end(parts: Sequence[npt.NDArray[Any]], empty: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the parts one after another; one alone as it is."""
    return parts[0] if len(parts) == 1 else np.concatenate([empty, *parts])


def _power(one: Series) -> int:
    return min(max(one.channel.power_of_ten + one.readings.exponent, -(1 << 20)), 1 << 20)


def values_of(one: Series, unit: str | None = None) -> npt.NDArray[np.float64]:
    """Return physical values, in `unit` or in the channel's own.

    Raises
    ------
    UnitError
        Where the one cannot be turned into the other.
    """
    symbol = one.channel.unit
    factor = Fraction(1)
    if unit is not None and symbol is not None:
        try:
            factor = codes.conversion(symbol, unit)
        except UnitError as error:
            raise UnitError(f"channel {one.channel.label!r}: {error.args[0]}", hint=error.hint) from None
    return scaled(one.readings.value, _power(one), factor)


def costs_of(one: Series) -> npt.NDArray[np.float64]:
    """Return costs in currency units; missing throughout where every cost is 0, which is how utilities write that they send none."""
    raw = one.readings.cost
    if not ((raw != MISSING) & (raw != 0)).any():
        return np.full(len(raw), np.nan)
    return scaled(raw, 0, Fraction(1, one.channel.dialect.cost_divisor))


def _instants(seconds: Column, known: npt.NDArray[np.bool_], zone: str) -> pd.DatetimeIndex:
    import pandas as pd

    stamps = (seconds * _MICROSECONDS).view("datetime64[us]")
    if not known.all():
        stamps[~known] = np.datetime64("NaT", "us")
    return pd.DatetimeIndex(stamps, tz="UTC").tz_convert(zone)


def categories_of(column: str, present: Sequence[str | None] = ()) -> pd.CategoricalDtype:
    """Return a column's categorical type: the whole code list, and whatever else is there behind it."""
    return _listed(column, _others(column, present))[0]


def _others(column: str, present: Sequence[str | None]) -> tuple[str, ...]:
    return tuple(sorted({name for name in present if name is not None} - _LISTED[column]))


@lru_cache(maxsize=64)
def _listed(column: str, others: tuple[str, ...]) -> tuple[pd.CategoricalDtype, dict[str | None, int]]:
    """Return a column's categorical type, and the place of each category in it."""
    import pandas as pd

    names = [*_LISTS[column], *others]
    return pd.CategoricalDtype(pd.Index(names, dtype=object).astype("str")), {name: place for place, name in enumerate(names)}


def _dtype_of(places: Mapping[Any, int]) -> np.dtype[np.signedinteger[Any]]:
    """Return the type that pandas gives to the codes of so many categories."""
    return np.min_scalar_type(-len(places) - 2)


def _qualities(column: SmallColumn) -> pd.Categorical:
    import pandas as pd

    places = _QUALITY_PLACES[column.view(np.uint16)]
    others = np.unique(column[places == _STRANGE]).tolist()
    dtype, listed = _listed("quality", _others("quality", [f"quality{code}" for code in others]))
    if others:
        table = _QUALITY_PLACES.astype(_dtype_of(listed))
        for code in others:
            table[code & 0xFFFF] = listed[f"quality{code}"]
        places = table[column.view(np.uint16)]
    return pd.Categorical.from_codes(places, dtype=dtype, validate=False)


def strings_of(values: npt.NDArray[np.object_]) -> Any:
    """Return texts, NaN where one is missing, as pandas keeps them: in a type of its own since 3; before, "str" would write 'nan'."""
    import pandas as pd

    return pd.array(values, dtype="str") if _has_strings() else values


@lru_cache(maxsize=1)
def _has_strings() -> bool:
    import pandas as pd

    return pd.Series(dtype="str").dtype != np.dtype(object)


def _small_integers(column: SmallColumn) -> Any:
    return _integers(column, column == MISSING_SMALL, "Int16")


def _integers(column: npt.NDArray[Any], missing: npt.NDArray[np.bool_], dtype: str) -> Any:
    import pandas as pd

    return pd.arrays.IntegerArray(np.where(missing, 0, column).astype(dtype.lower()), missing)


def _tou_names(column: SmallColumn, document: Document) -> Any:
    """Return the names that the feed's ProgramIdMappings give to TOU numbers."""
    names: list[Any] = [np.nan]
    places = np.zeros(len(column), dtype=np.intp)
    for mappings in document.program_mappings:
        for program in mappings.programs:
            if program.name and program.code is not None and (program.kind or "tou").lower() == "tou":
                places[column == program.code] = len(names)
                names.append(program.name)
    return strings_of(np.array(names, dtype=object)).take(places)
