"""The tidy frame: exact numbers, units, zones, and the same columns and types whatever was read."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smd_notebook.clock import known_zones
from smd_notebook.errors import ConfigurationError, TimeZoneError, UnitError
from smd_notebook.espi import codes
from smd_notebook.espi.model import MISSING
from smd_notebook.frames import TIDY_COLUMNS, scaled
from tests.build import (
    ENERGY,
    POINT,
    START,
    block,
    blocks,
    feed_xml,
    meter_reading,
    read_feed,
    reading,
    reading_type,
    rows_of,
    small,
    usage_point,
)
from tests.strategies import Parts, parts
from tests.test_reader import DATA

RAW = st.integers(-(2**63) + 1, 2**63 - 1)


def frame_of(text: str, **options: Any) -> pd.DataFrame:
    return read_feed(text.encode()).tidy(**options)


# -- exact numbers ------------------------------------------------------------------------------------------------------------------------


@given(st.lists(RAW | st.just(MISSING), max_size=5), st.integers(-12, 12))
def test_powers_of_ten_are_rounded_once(raw: list[int], power: int) -> None:
    found = scaled(np.array(raw, dtype=np.int64), power)
    expected = [np.nan if one == MISSING else float(Decimal(one).scaleb(power)) for one in raw]
    np.testing.assert_array_equal(found, expected)


@given(
    st.lists(RAW | st.integers(-(10**6), 10**6), min_size=1, max_size=5),
    st.integers(-12, 12),
    st.fractions(min_value=Fraction(1, 10**9), max_value=10**9),
)
def test_conversions_are_rounded_once(raw: list[int], power: int, factor: Fraction) -> None:
    found = scaled(np.array(raw, dtype=np.int64), power, factor)
    expected = [float(one * Fraction(10) ** power * factor) for one in raw]
    np.testing.assert_array_equal(found, expected)


@given(st.integers(-(2**53), 2**53), st.integers(-30, 30))
def test_powers_beyond_the_schemas(raw: int, power: int) -> None:
    assert scaled(np.array([raw]), power).tolist() == [float(Fraction(raw) * Fraction(10) ** power)]


@pytest.mark.parametrize(
    ("raw", "power", "expected"),
    [
        (1_067_300, -3, 1067.3),
        (3, -3, 0.003),
        (103_513_077, -8, 1.03513077),
        (1790, 6, 1.79e9),
        (2**53 + 1, 0, 2.0**53),
        (7, 22, 7e22),
        (7, 23, 7e23),
        (-7, -12, -7e-12),
    ],
)
def test_numbers_by_hand(raw: int, power: int, expected: float) -> None:
    assert scaled(np.array([raw], dtype=np.int64), power).tolist() == [expected]


@pytest.mark.parametrize(
    ("written", "power", "expected"),
    [("0.38", 0, 0.38), ("1067.3", -3, 1.0673), ("0.1", 1, 1.0), ("-0.001", 3, -1.0), ("123456789.123456789", 0, 123456789.123456789)],
)
def test_decimals_in_the_feed(written: str, power: int, expected: float) -> None:
    frame = frame_of(small(reading(START, written), power=power), raw=True)
    assert frame["value"].tolist() == [expected]
    assert (
        Fraction(int(frame["raw_value"].iloc[0])) * Fraction(10) ** int(frame["power_of_ten"].iloc[0])
        == Fraction(written) * Fraction(10) ** power
    )


# -- units --------------------------------------------------------------------------------------------------------------------------------

#: From the definitions of the units: a therm is 100 000 Btu (IT) of 1055.05585262 J, a foot 0.3048 m, a US gallon 231 cubic inches.
BTU, FOOT, INCH = Fraction("1055.05585262"), Fraction("0.3048"), Fraction("0.0254")


@pytest.mark.parametrize(
    ("uom", "wanted", "factor"),
    [
        (72, "kWh", Fraction(1, 1000)),
        (72, "MWh", Fraction(1, 10**6)),
        (72, "J", Fraction(3600)),
        (72, "Wh", Fraction(1)),
        (31, "Wh", Fraction(1, 3600)),
        (169, "kWh", BTU * 100_000 / 3_600_000),
        (169, "Btu", Fraction(100_000)),
        (169, "MMBtu", Fraction(1, 10)),
        (132, "therm", Fraction(1, 100_000)),
        (38, "kW", Fraction(1, 1000)),
        (119, "m3", FOOT**3),
        (119, "CCF", Fraction(1, 100)),
        (119, "US_gal", FOOT**3 / (231 * INCH**3)),
        (128, "L", 231 * INCH**3 * 1000),
        (42, "L", Fraction(1000)),
        (61, "kVA", Fraction(1, 1000)),
        (73, "kvarh", Fraction(1, 1000)),
    ],
)
def test_conversion(uom: int, wanted: str, factor: Fraction) -> None:
    frame = frame_of(small(reading(START, 1234567), codes=ENERGY.replace(">72<", f">{uom}<"), power=-3), unit=wanted)
    assert frame["value"].tolist() == [float(Fraction(1234567, 1000) * factor)]
    assert frame["unit"].tolist() == [wanted]


@pytest.mark.parametrize(
    ("uom", "wanted"), [(72, "W"), (72, "therms"), (38, "kWh"), (119, "therm"), (61, "W"), (6, "degC"), (9999, "Wh"), (72, ""), (72, "KWH")]
)
def test_what_cannot_be_converted(uom: int, wanted: str) -> None:
    text = small(reading(START, 1), codes=ENERGY.replace(">72<", f">{uom}<"))
    with pytest.raises(UnitError):
        frame_of(text, unit=wanted)


def test_a_channel_without_a_unit_stays_without() -> None:
    frame = frame_of(feed_xml(blocks(block(reading(START, 5)))), unit="kWh")
    assert frame["value"].tolist() == [5.0]
    assert frame["unit"].isna().all()


# -- columns and types --------------------------------------------------------------------------------------------------------------------

#: pandas 3 has a type for texts, before they are Python objects.
STRING = pd.Series(["a"], dtype="str").dtype
CATEGORIES = {
    "service": tuple(codes.SERVICE.values()),
    "measure": ("energy", "power", "register", "volume", "other"),
    "flow": ("delivered", "received", "net", "total", "unstated"),
    "zone": known_zones(),
    "quality": tuple(codes.QUALITY.values()),
}


def types_of(frame: pd.DataFrame) -> list[tuple[str, Any, list[str]]]:
    """Return each column's name and type; of categories, their names in order."""
    return [
        (str(name), type(dtype), list(dtype.categories) if isinstance(dtype, pd.CategoricalDtype) else [str(dtype)])
        for name, dtype in frame.dtypes.items()
    ]


SOURCES = {
    "a day": small(),
    "nothing": feed_xml(),
    "a block without readings": feed_xml(usage_point(), meter_reading(), reading_type(), blocks(block())),
    "a block alone": feed_xml(blocks(block(reading(START, 5)))),
    "every code": small(
        reading(START, 1, quality=8, cost=5, tou=3, consumptionTier=1, cpp=2), codes=ENERGY + "<e:currency>840</e:currency>"
    ),
    "gas in Europe": small(reading(START, 1), codes=ENERGY.replace(">72<", ">42<"), clock=("AE0E2000", 3600, "3E0E1000", 0)),
    "no value": small(reading(START, None)),
    "no time": small(reading(None, 1, None)),
}


@pytest.mark.parametrize("name", SOURCES)
def test_columns_and_types_are_the_contracts(name: str) -> None:
    frame = frame_of(SOURCES[name])
    assert tuple(frame.columns) == TIDY_COLUMNS
    types = frame.dtypes
    for column in ("usage_point", "channel", "tou_name"):
        assert types[column] == STRING, column
    for column in ("start", "end"):
        assert isinstance(types[column], pd.DatetimeTZDtype)
        assert types[column].unit == "us"
    assert types["duration"] == np.dtype("timedelta64[us]")
    for column in ("value", "cost"):
        assert types[column] == np.dtype("float64")
    for column in ("tou", "tier", "cpp"):
        assert types[column] == pd.Int16Dtype()
    for column, names in CATEGORIES.items():
        assert tuple(types[column].categories) == names, column
        assert types[column].categories.dtype == STRING, column
        assert not types[column].ordered
    assert {"Wh", "W", "therm", "Btu", "J", "m3", "ft3", "L", "US_gal", "K", "degC", "VA", "var", "varh"} <= set(types["unit"].categories)
    assert {"USD", "CAD"} <= set(types["currency"].categories)
    assert frame.index.equals(pd.RangeIndex(len(frame)))
    assert not frame.columns.duplicated().any()


def test_the_contract_names_the_columns() -> None:
    here, there = (
        "usage_point channel service measure flow zone start end duration value",
        "unit quality tou tou_name tier cpp cost currency",
    )
    assert (*here.split(), *there.split()) == TIDY_COLUMNS


@pytest.mark.parametrize("options", [{}, {"duplicates": "keep"}, {"tz": "UTC"}, {"raw": True}])
def test_frames_of_unlike_feeds_have_the_same_types(options: dict[str, Any]) -> None:
    frames = {name: frame_of(text, **({"tz": "UTC"} | options)) for name, text in SOURCES.items()}
    if "raw" in options:  # a column of integers that may be missing is one that says so
        frames = {name: frame.drop(columns="raw_value") for name, frame in frames.items()}
    first = types_of(frames["a day"])
    for name, frame in frames.items():
        assert types_of(frame) == first, name


def test_frames_of_unlike_feeds_concatenate() -> None:
    frames = [frame_of(text, tz="UTC") for text in SOURCES.values()]
    together = pd.concat([frame for frame in frames if len(frame)], ignore_index=True)
    assert types_of(together) == types_of(frames[0])
    assert len(together) == sum(map(len, frames))


def test_a_feed_of_nothing_has_every_column() -> None:
    frame = frame_of(feed_xml())
    assert len(frame) == 0
    assert str(frame["start"].dt.tz) == "UTC"
    assert types_of(frame_of(feed_xml(), raw=True))[-2:] == [
        ("raw_value", np.dtype("int64").__class__, ["int64"]),
        ("power_of_ten", np.dtype("int16").__class__, ["int16"]),
    ]


def test_codes_that_no_list_has_come_behind_the_list() -> None:
    frame = frame_of(
        small(reading(START, 1, quality=77), codes=ENERGY.replace(">72<", ">9999<") + "<e:currency>999</e:currency>", clock=None).replace(
            "kind>0", "kind>42"
        )
    )
    assert frame["quality"].tolist() == ["quality77"]
    assert frame["unit"].tolist() == ["uom9999"]
    assert frame["service"].tolist() == ["service42"]
    assert frame["currency"].tolist() == ["999"]
    assert list(frame["quality"].cat.categories)[:-1] == list(CATEGORIES["quality"])


def test_each_unlisted_quality_keeps_its_own_number() -> None:
    given = [99, 100, 7, -5, 99]
    readings = "".join(reading(START + 900 * k, 1, quality=code) for k, code in enumerate(given))
    assert frame_of(small(readings))["quality"].tolist() == ["quality99", "quality100", "manually_edited", "quality-5", "quality99"]


def test_raw_columns() -> None:
    frame = frame_of(small(reading(START, 1067300), reading(START + 3600, -5), power=-3), raw=True)
    assert list(frame.columns[18:]) == ["raw_value", "power_of_ten"]
    assert frame["raw_value"].tolist() == [1067300, -5]
    assert frame["raw_value"].dtype == np.dtype("int64")
    assert frame["power_of_ten"].tolist() == [-3, -3]
    with_missing = frame_of(small(reading(START, 2**53 + 1), reading(START + 3600, None)), raw=True)
    assert with_missing["raw_value"].tolist() == [2**53 + 1, pd.NA]


# -- money, codes -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        ((0, 0), [None, None]),
        ((0, 974), [0.0, 0.00974]),
        ((None, 974), [None, 0.00974]),
        ((None, None), [None, None]),
        ((-1, 0), [-0.00001, 0.0]),
    ],
)
def test_costs(costs: tuple[int | None, int | None], expected: list[float | None]) -> None:
    """Hundred thousandths of the currency; nothing where every one of the channel is 0."""
    frame = frame_of(small(reading(START, 1, cost=costs[0]), reading(START + 3600, 1, cost=costs[1])))
    assert frame["cost"].astype(object).where(frame["cost"].notna(), None).tolist() == expected


@pytest.mark.parametrize(("number", "letters"), [(840, "USD"), (124, "CAD"), (978, "EUR"), (0, None), (None, None)])
def test_currencies(number: int | None, letters: str | None) -> None:
    code = f"<e:currency>{number}</e:currency>" if number is not None else ""
    frame = frame_of(small(reading(START, 1), codes=ENERGY + code))
    assert frame["currency"].astype(object).where(frame["currency"].notna(), None).tolist() == [letters]


@pytest.mark.parametrize(
    ("uom", "accumulation", "measure"),
    [
        (72, 4, "energy"),
        (72, None, "energy"),
        (72, 0, "energy"),
        (72, 1, "register"),
        (72, 3, "register"),
        (72, 9, "register"),
        (38, 12, "power"),
        (38, None, "power"),
        (119, 4, "volume"),
        (119, 3, "register"),
        (6, 4, "other"),
        (None, 4, "other"),
        (169, 4, "energy"),
    ],
)
def test_measures(uom: int | None, accumulation: int | None, measure: str) -> None:
    code = "" if accumulation is None else f"<e:accumulationBehaviour>{accumulation}</e:accumulationBehaviour>"
    code += "" if uom is None else f"<e:uom>{uom}</e:uom>"
    assert frame_of(small(reading(START, 1), codes=code))["measure"].tolist() == [measure]


# -- time ---------------------------------------------------------------------------------------------------------------------------------


def test_starts_are_in_the_feeds_zone() -> None:
    frame = frame_of(small(reading(START, 1)))
    assert str(frame["start"].dt.tz) == "America/Los_Angeles"
    assert frame["start"].tolist() == [pd.Timestamp("2024-01-01T00:00-08:00")]
    assert frame["end"].tolist() == [pd.Timestamp("2024-01-01T01:00-08:00")]


def test_two_zones_are_shown_in_utc_and_named_in_each_row() -> None:
    frame = read_feed(DATA / "zone_two.xml").tidy()
    assert str(frame["start"].dt.tz) == "UTC"
    assert frame["zone"].tolist() == ["America/Los_Angeles", "America/New_York"]


@pytest.mark.parametrize(
    "zone", ["America/Los_Angeles", "Europe/Paris", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC", "Africa/Casablanca"]
)
def test_the_zone_changes_nothing_but_how_instants_are_shown(zone: str) -> None:
    text = small(*[reading(START + 900 * 4 * 24 * day, day, 900) for day in range(0, 400, 7)])
    shown, plain = frame_of(text, tz=zone), frame_of(text, tz="UTC")
    assert str(shown["start"].dt.tz) == zone
    assert (shown["start"].dt.tz_convert("UTC") == plain["start"]).all()
    assert set(shown["zone"]) == {zone}
    assert (shown["end"] - shown["start"] == shown["duration"]).all()


def test_both_dst_changes_stay_whole() -> None:
    """Elapsed time is elapsed time: 23 hours on 2024-03-10, 25 on 2024-11-03, and every hour is there."""
    spring, autumn = START + 69 * 86_400, START + 307 * 86_400 - 3600
    frame = frame_of(small(*[reading(first + 3600 * hour, 1) for first in (spring, autumn) for hour in range(25)]))
    by_day = frame.groupby(frame["start"].dt.date).size()
    assert by_day[pd.Timestamp("2024-03-10").date()] == 23
    assert by_day[pd.Timestamp("2024-11-03").date()] == 25
    assert (frame["duration"] == pd.Timedelta("1h")).all()


@pytest.mark.parametrize("name", ["PST", "Mars/Olympus", "", "america/new_york"])
def test_names_that_are_no_zones(name: str) -> None:
    with pytest.raises(TimeZoneError):
        frame_of(small(), tz=name)


@pytest.mark.parametrize("start", [-2_208_988_801, 7_258_118_401, START * 1000])
def test_instants_that_no_clock_means_are_left_out_and_told(start: int) -> None:
    feed = read_feed(small(reading(start, 1), reading(START, 2)).encode())
    frame = feed.tidy()
    assert frame["start"].notna().sum() == 1
    assert sorted(frame["value"]) == [1.0, 2.0]
    found = feed.findings.set_index("code")
    assert found.loc["time-implausible", ["severity", "n"]].tolist() == ["error", 1]


@pytest.mark.parametrize("start", [-2_208_988_800, 0, -1, 7_258_118_399])
def test_instants_that_are_far_but_possible(start: int) -> None:
    assert rows_of(read_feed(small(reading(start, 1)).encode())) == [(start, 3600, 1.0)]


# -- order --------------------------------------------------------------------------------------------------------------------------------


def test_rows_stand_by_channel_and_start() -> None:
    feed = read_feed(DATA / "newest_first.xml")
    assert feed.tidy()["value"].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert feed.tidy(duplicates="keep")["value"].tolist() == [4.0, 3.0, 2.0, 1.0]


def test_keep_is_in_document_order_across_channels() -> None:
    meter = f"{POINT}/MeterReading/2"
    received = reading_type("/espi/ReadingType/2", ENERGY.replace("Direction>1", "Direction>19"))
    found = [blocks(block(reading(START + 3600 * k, k)), meter=[f"{POINT}/MeterReading/1", meter][k % 2], number=k) for k in range(6)]
    feed = read_feed(
        feed_xml(
            usage_point(), meter_reading(), meter_reading(meter, related=["/espi/ReadingType/2"]), reading_type(), received, *found
        ).encode()
    )
    assert feed.tidy(duplicates="keep")["value"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert feed.tidy()["value"].tolist() == [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]


def test_options_that_are_not_known() -> None:
    with pytest.raises(ConfigurationError):
        frame_of(small(), duplicates="drop")


@given(parts(points=2))
@settings(max_examples=30)
def test_every_made_up_feed_has_a_frame(made: Parts) -> None:
    feed = read_feed(made.xml())
    frame = feed.tidy()
    assert tuple(frame.columns) == TIDY_COLUMNS
    assert (frame["end"] - frame["start"] == frame["duration"])[frame["start"].notna()].all()
    keys = frame[["channel", "start", "duration"]][frame["start"].notna()]
    assert not keys.duplicated().any()


def test_zones_do_not_leak_between_feeds() -> None:
    pacific, eastern = small(reading(START, 1)), small(reading(START, 1), clock=("B40E2000", 3600, "360E2000", -18_000))
    assert [frame_of(text)["zone"].iloc[0] for text in (pacific, eastern, pacific)] == [
        "America/Los_Angeles",
        "America/New_York",
        "America/Los_Angeles",
    ]
