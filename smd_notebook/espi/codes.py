"""The code lists of ESPI 4.0 that a reading needs, as data, with short readable names; and the unit table.

Code lists are open (unions with plain integers in `espi.xsd`): an unknown number keeps its digits as its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from smd_notebook.errors import UnitError

if TYPE_CHECKING:
    from collections.abc import Mapping

Measure = Literal["energy", "power", "register", "volume", "other"]

#: ServiceCategory.kind (espi:ServiceKind)
SERVICE: Mapping[int, str] = MappingProxyType(
    {
        0: "electricity",
        1: "gas",
        2: "water",
        3: "time",
        4: "heat",
        5: "refuse",
        6: "sewerage",
        7: "rates",
        8: "tv_licence",
        9: "internet",
    }
)

#: What a ReadingType.commodity says of the service where no UsagePoint says it (espi:CommodityKind)
SERVICE_OF_COMMODITY: Mapping[int, str] = MappingProxyType(
    {
        1: "electricity",
        2: "electricity",
        26: "electricity",
        7: "gas",
        8: "gas",
        17: "gas",
        9: "water",
        14: "water",
        10: "heat",
        11: "sewerage",
    }
)

#: ReadingType.flowDirection (espi:FlowDirectionKind), in the four words that loads and exports need
FLOW: Mapping[int, str] = MappingProxyType({1: "delivered", 19: "received", 4: "net", 20: "total"})
#: Quadrants 1 and 4 are forward active energy, 2 and 3 reverse, as the standard says; of other quantities they are not
ACTIVE_FLOW: Mapping[int, str] = MappingProxyType({8: "delivered", 10: "received"})
ACTIVE_UOMS = (38, 72)  # W, Wh
FLOWS = ("delivered", "received", "net", "total", "unstated")

#: espi:QualityOfReading
QUALITY: Mapping[int, str] = MappingProxyType(
    {
        0: "valid",
        7: "manually_edited",
        8: "estimated",
        9: "interpolated",
        10: "questionable",
        11: "derived",
        12: "projected",
        13: "mixed",
        14: "raw",
        15: "weather_normalised",
        16: "other",
        17: "validated",
        18: "verified",
        19: "revenue_quality",
    }
)
#: Worst first. A reading with several qualities is as good as the worst; of conflicting duplicates the better one wins.
QUALITY_WORST_FIRST = (10, 12, 9, 8, 16, 13, 15, 11, 7, 14, 18, 0, 17, 19)
#: Rank of each code in the list above, 0 is worst; an unknown code ranks with "other".
QUALITY_RANK: Mapping[int, int] = MappingProxyType({code: rank for rank, code in enumerate(QUALITY_WORST_FIRST)})

#: Qualities, by name, of a value as it was measured, whatever checks it has passed; everything else was touched or doubted.
MEASURED = frozenset({"valid", "validated", "verified", "revenue_quality", "raw"})

#: espi:AccumulationKind
ACCUMULATION: Mapping[int, str] = MappingProxyType(
    {
        0: "none",
        1: "bulk_quantity",
        2: "continuous_cumulative",
        3: "cumulative",
        4: "delta",
        6: "indicating",
        9: "summation",
        10: "time_delay",
        12: "instantaneous",
        13: "latching",
        14: "bounded",
    }
)
#: Accumulations whose values are register reads or running sums: adding them counts energy many times.
REGISTERS = frozenset({1, 2, 3, 9, 13, 14})

#: espi:CommodityKind, the ones that utilities meter for customers
COMMODITY: Mapping[int, str] = MappingProxyType(
    {
        0: "none",
        1: "electricity_secondary_metered",
        2: "electricity_primary_metered",
        3: "communication",
        7: "natural_gas",
        8: "propane",
        9: "potable_water",
        10: "steam",
        11: "waste_water",
        12: "heating_fluid",
        13: "cooling_fluid",
        14: "reclaimed_water",
        26: "electricity_transmission_metered",
    }
)

#: espi:ItemKind of a bill's LineItem
ITEM_KIND: Mapping[int, str] = MappingProxyType(
    {
        1: "generation_fee",
        2: "delivery_fee",
        3: "usage_fee",
        4: "administrative_fee",
        5: "tax",
        6: "generation_credit",
        7: "delivery_credit",
        8: "administrative_credit",
        9: "payment",
        10: "information",
    }
)

#: espi:Currency, the ISO 4217 numbers of the schema as letters; 0 is "other" and counts as not stated
CURRENCY: Mapping[int, str] = MappingProxyType(
    {
        36: "AUD",
        124: "CAD",
        156: "CNY",
        208: "DKK",
        356: "INR",
        392: "JPY",
        578: "NOK",
        643: "RUB",
        752: "SEK",
        756: "CHF",
        826: "GBP",
        840: "USD",
        978: "EUR",
    }
)

#: espi:PhaseCodeKind in short; 0 is "not applicable"
PHASE: Mapping[int, str] = MappingProxyType(
    {
        16: "N",
        17: "N-ground",
        32: "C",
        33: "C-N",
        40: "C(A)",
        41: "A-C-N",
        64: "B",
        65: "B-N",
        66: "B-C",
        72: "B(A)",
        96: "A-C",
        97: "B-C-N",
        128: "A",
        129: "A-N",
        132: "A-B",
        136: "A(A)",
        193: "A-B-N",
        224: "ABC",
        225: "ABC-N",
        256: "S2",
        272: "S2-N",
        512: "S1",
        528: "S1-N",
        768: "S1-S2",
        769: "S1-S2-N",
        784: "S1-S2-N",
    }
)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of measure: its symbol, what it measures, and how much of the dimension's base unit it is."""

    symbol: str
    dimension: str
    factor: Fraction = Fraction(1)


_BTU = Fraction("1055.05585262")  # J, International Table
_FT = Fraction("0.3048")  # m
_US_GAL = Fraction("0.003785411784")  # m3
_IMP_GAL = Fraction("0.00454609")  # m3

#: espi:UnitSymbolKind (`uom`) to unit; prefixes are never part of the symbol. Base units: Wh, W, VAh, varh, VA, var, m3, K.
UNITS: Mapping[int, Unit] = MappingProxyType(
    {
        72: Unit("Wh", "energy"),
        31: Unit("J", "energy", Fraction(1, 3600)),
        132: Unit("Btu", "energy", _BTU / 3600),
        169: Unit("therm", "energy", _BTU * 100_000 / 3600),
        38: Unit("W", "power"),
        133: Unit("Btu/h", "power", _BTU / 3600),
        71: Unit("VAh", "apparent energy"),
        73: Unit("varh", "reactive energy"),
        61: Unit("VA", "apparent power"),
        63: Unit("var", "reactive power"),
        42: Unit("m3", "volume"),
        166: Unit("m3(uncompensated)", "volume, uncompensated"),
        167: Unit("m3(compensated)", "volume, compensated"),
        119: Unit("ft3", "volume", _FT**3),
        120: Unit("ft3(compensated)", "volume, compensated", _FT**3),
        134: Unit("L", "volume", Fraction(1, 1000)),
        156: Unit("L(uncompensated)", "volume, uncompensated", Fraction(1, 1000)),
        157: Unit("L(compensated)", "volume, compensated", Fraction(1, 1000)),
        128: Unit("US_gal", "volume", _US_GAL),
        130: Unit("imp_gal", "volume", _IMP_GAL),
        45: Unit("m3/s", "flow"),
        82: Unit("L/s", "flow", Fraction(1, 1000)),
        125: Unit("m3/h", "flow", Fraction(1, 3600)),
        126: Unit("m3/h(compensated)", "flow, compensated", Fraction(1, 3600)),
        127: Unit("m3/h(uncompensated)", "flow, uncompensated", Fraction(1, 3600)),
        123: Unit("ft3/h(compensated)", "flow, compensated", _FT**3 / 3600),
        137: Unit("L/h", "flow", Fraction(1, 3_600_000)),
        138: Unit("L/h(compensated)", "flow, compensated", Fraction(1, 3_600_000)),
        139: Unit("L/h(uncompensated)", "flow, uncompensated", Fraction(1, 3_600_000)),
        129: Unit("US_gal/h", "flow", _US_GAL / 3600),
        131: Unit("imp_gal/h", "flow", _IMP_GAL / 3600),
        29: Unit("V", "voltage"),
        5: Unit("A", "current"),
        106: Unit("Ah", "charge"),
        33: Unit("Hz", "frequency"),
        65: Unit("cos_phi", "power factor"),
        153: Unit("W/VA", "power factor"),
        6: Unit("K", "temperature"),
        23: Unit("degC", "relative temperature"),
        39: Unit("Pa", "pressure"),
        155: Unit("Pa(abs)", "absolute pressure"),
        140: Unit("Pa(gauge)", "gauge pressure"),
        141: Unit("psi(abs)", "absolute pressure", Fraction("6894.757293168")),
        142: Unit("psi(gauge)", "gauge pressure", Fraction("6894.757293168")),
        2: Unit("m", "length"),
        41: Unit("m2", "area"),
        3: Unit("g", "mass"),
        27: Unit("s", "time"),
        159: Unit("min", "time", Fraction(60)),
        160: Unit("h", "time", Fraction(3600)),
        107: Unit("Wh/m3", "energy per volume"),
        165: Unit("J/kg", "specific energy"),
        80: Unit("currency", "money"),
        111: Unit("count", "count"),
        0: Unit("none", "none"),
    }
)

#: Symbols that a caller may ask for beside those of the schema: prefix forms and the names that meters' owners use
_PREFIX = {"": Fraction(1), "k": Fraction(1000), "M": Fraction(10**6), "G": Fraction(10**9)}
_BY_SYMBOL: Mapping[str, Unit] = MappingProxyType(
    {unit.symbol: unit for unit in UNITS.values()}
    | {
        prefix + symbol: Unit(prefix + symbol, unit.dimension, unit.factor * factor)
        for symbol in ("Wh", "W", "VA", "var", "VAh", "varh", "J")
        for unit in UNITS.values()
        if unit.symbol == symbol
        for prefix, factor in _PREFIX.items()
    }
    | {
        "MMBtu": Unit("MMBtu", "energy", _BTU * 10**6 / 3600),
        "CCF": Unit("CCF", "volume", 100 * _FT**3),
        "mL": Unit("mL", "volume", Fraction(1, 10**6)),
    }
)
#: All unit symbols of the schema that have a short name here, for categories that are the same in every frame.
UNIT_SYMBOLS = tuple(dict.fromkeys(unit.symbol for code, unit in UNITS.items() if code))


def unit_of(uom: int | None) -> Unit | None:
    """Return the unit of a `uom` code; an unlisted code gets a unit of its own, none gives none.

    >>> unit_of(72).symbol, unit_of(9999).symbol, unit_of(None), unit_of(0)
    ('Wh', 'uom9999', None, None)
    """
    if uom is None or uom == 0:
        return None
    return UNITS.get(uom) or Unit(f"uom{uom}", f"uom{uom}")


def conversion(symbol: str, wanted: str) -> Fraction:
    """Return the exact factor that turns values in `symbol` into values in `wanted`.

    A therm is 100 000 Btu of 1055.05585262 J (29.3071 kWh).

    Raises
    ------
    UnitError
        Where a unit is unknown or the two measure different things.

    >>> conversion("Wh", "kWh"), float(conversion("therm", "kWh"))
    (Fraction(1, 1000), 29.307107017222222)
    """
    if symbol == wanted:
        return Fraction(1)
    here, there = _BY_SYMBOL.get(symbol), _BY_SYMBOL.get(wanted)
    if there is None:
        meant = [known for known in sorted(_BY_SYMBOL) if known.lower() == wanted.lower()]
        raise UnitError(f"no unit is called {wanted!r}", hint="Known: " + ", ".join(meant or sorted(_BY_SYMBOL)) + ".")
    if here is None or here.dimension != there.dimension:
        hint = "Select the channels with `channel=` or `feed.select(...)` first. For power see mean_power [W] of smd.resample."
        raise UnitError(f"{symbol} cannot be turned into {wanted}", hint=hint)
    return here.factor / there.factor


def dimension_of(symbol: str) -> str | None:
    """Return what a unit measures; None where it is not known.

    >>> dimension_of("kWh"), dimension_of("therm"), dimension_of("uom9999")
    ('energy', 'energy', None)
    """
    unit = _BY_SYMBOL.get(symbol)
    return unit.dimension if unit else None


def measure_of(uom: int | None, accumulation: int | None) -> Measure:
    """Tell what a ReadingType measures: interval energy or volume (may be added), power, a register, or something else.

    Accumulation decides between an interval quantity (deltaData, or not stated) and a register; the unit decides the rest. The
    ReadingType's `kind` adds nothing to them, and several utilities send a wrong one. Fields: espi ReadingType
    `accumulationBehaviour`, `uom`.

    >>> measure_of(72, None), measure_of(72, 1), measure_of(38, 12), measure_of(119, 4), measure_of(6, 4)
    ('energy', 'register', 'power', 'volume', 'other')
    """
    unit = unit_of(uom)
    if unit is None:
        return "other"
    if unit.dimension in ("power", "apparent power", "reactive power"):
        return "power"
    if unit.dimension in ("energy", "apparent energy", "reactive energy"):
        quantity: Measure = "energy"
    elif unit.dimension.startswith("volume"):
        quantity = "volume"
    else:
        return "other"
    return "register" if accumulation in REGISTERS else quantity
