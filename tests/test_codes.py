"""Code lists and the unit table, against the schema's own enumerations where the machine has them."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smd_notebook.errors import UnitError
from smd_notebook.espi import codes

#: Codes that every reader of Green Button meets, from espi.xsd 4.0 (UnitSymbolKind), written down by hand.
UNITS = {
    72: "Wh", 38: "W", 61: "VA", 63: "var", 71: "VAh", 73: "varh", 31: "J", 132: "Btu", 169: "therm", 133: "Btu/h",
    42: "m3", 119: "ft3", 134: "L", 128: "US_gal", 130: "imp_gal", 6: "K", 23: "degC", 29: "V", 5: "A", 33: "Hz",
}  # fmt: skip


@pytest.mark.parametrize(("code", "symbol"), UNITS.items())
def test_units_of_the_schema(code: int, symbol: str) -> None:
    unit = codes.unit_of(code)
    assert unit is not None
    assert unit.symbol == symbol


def test_no_two_codes_share_a_symbol() -> None:
    symbols = [unit.symbol for unit in codes.UNITS.values()]
    assert len(set(symbols)) == len(symbols)


def test_a_unit_is_no_prefix_form() -> None:
    """The power of ten is the ReadingType's; a symbol never holds one."""
    assert not {"kWh", "MWh", "kW", "MJ", "kVA", "kvarh"} & {unit.symbol for unit in codes.UNITS.values()}


#: How much of the base unit each is, from definitions outside of this package.
DEFINED = {
    ("kWh", "J"): Fraction(3_600_000),
    ("therm", "J"): Fraction("105505585.262"),
    ("Btu", "J"): Fraction("1055.05585262"),
    ("MMBtu", "therm"): Fraction(10),
    ("Btu/h", "W"): Fraction("1055.05585262") / 3600,
    ("ft3", "L"): Fraction("28.316846592"),
    ("US_gal", "L"): Fraction("3.785411784"),
    ("imp_gal", "L"): Fraction("4.54609"),
    ("CCF", "ft3"): Fraction(100),
    ("m3", "L"): Fraction(1000),
    ("kVAh", "VAh"): Fraction(1000),
    ("kW", "W"): Fraction(1000),
    ("MWh", "kWh"): Fraction(1000),
    ("GWh", "MWh"): Fraction(1000),
}


@pytest.mark.parametrize(("pair", "factor"), DEFINED.items())
def test_conversions_as_they_are_defined(pair: tuple[str, str], factor: Fraction) -> None:
    assert codes.conversion(*pair) == factor
    assert codes.conversion(*pair[::-1]) == 1 / factor


@given(st.sampled_from([unit.symbol for unit in codes.UNITS.values()]), st.sampled_from([unit.symbol for unit in codes.UNITS.values()]))
def test_conversions_go_both_ways_or_not_at_all(one: str, other: str) -> None:
    try:
        there = codes.conversion(one, other)
    except UnitError:
        with pytest.raises(UnitError):
            codes.conversion(other, one)
    else:
        assert there * codes.conversion(other, one) == 1


def test_nothing_becomes_what_it_is_not() -> None:
    groups = [("Wh", "therm"), ("W", "Btu/h"), ("VA",), ("var",), ("m3", "ft3"), ("K",), ("V",), ("varh",), ("VAh",), ("m3(compensated)",)]
    for one, other in combinations(groups, 2):
        with pytest.raises(UnitError):
            codes.conversion(one[0], other[0])


def test_kelvin_and_celsius_are_no_multiples_of_each_other() -> None:
    with pytest.raises(UnitError):
        codes.conversion("K", "degC")


def test_code_lists_cannot_be_changed() -> None:
    for table in (codes.SERVICE, codes.FLOW, codes.QUALITY, codes.UNITS, codes.CURRENCY):
        with pytest.raises(TypeError):
            table[1] = "x"  # type: ignore[index]


def test_every_quality_has_a_rank_and_the_better_ranks_higher() -> None:
    """Revenue quality over validated over valid over estimated over interpolated over questionable."""
    assert set(codes.QUALITY_RANK) == set(codes.QUALITY) == {0, *range(7, 20)}
    order = [10, 9, 8, 0, 17, 19]
    assert sorted(order, key=lambda code: codes.QUALITY_RANK[code]) == order


@pytest.mark.parametrize(
    ("uom", "accumulation", "measure"),
    [
        (72, 4, "energy"), (72, None, "energy"), (72, 1, "register"), (72, 3, "register"), (72, 9, "register"), (72, 2, "register"),
        (38, 4, "power"), (38, 6, "power"), (61, None, "power"), (73, 4, "energy"), (119, 4, "volume"), (42, 3, "register"),
        (6, 12, "other"), (29, 12, "other"), (None, 4, "other"), (0, 0, "other"), (9999, 4, "other"), (169, 4, "energy"),
        (132, None, "energy"),
    ],
)  # fmt: skip
def test_what_is_measured(uom: int | None, accumulation: int | None, measure: str) -> None:
    assert codes.measure_of(uom, accumulation=accumulation) == measure
