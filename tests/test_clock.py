"""DST rules against a decoding of their own, and the zones that LocalTimeParameters mean."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smd_notebook.clock import DstRule, fixed_zone, known_zones, parse_dst_rule, valid_zone, zone_of
from smd_notebook.errors import TimeZoneError
from smd_notebook.espi.model import LocalTime
from tests.build import START, codes_of, read_feed, reading, small


def rule(month: int, operator: int, *, day: int = 0, weekday: int = 0, hour: int = 2, second: int = 0) -> str:
    """Write a DST rule: month 4 bits, operator 3, day 5, weekday 3, hour 5, second 12, from the top (espi.xsd, DstRuleType)."""
    bits = f"{month:04b}{operator:03b}{day:05b}{weekday:03b}{hour:05b}{second:012b}"
    return f"{int(bits, 2):08X}"


def by_calendar(year: int, month: int, operator: int, day: int, weekday: int) -> int:
    """Return the day of the month that a rule means, by looking down a calendar."""
    days = [one for one in range(1, calendar.monthrange(year, month)[1] + 1) if calendar.weekday(year, month, one) == weekday - 1]
    if operator == 0:
        return day
    if operator == 1:
        return next(one for one in days if one >= day)
    return days[-1] if operator == 7 else days[operator - 2]


# -- the bit field ------------------------------------------------------------------------------------------------------------------------


def test_the_two_rules_of_north_america_by_hand() -> None:
    assert rule(3, 3, weekday=7) == "360E2000"
    assert rule(11, 2, weekday=7) == "B40E2000"
    assert parse_dst_rule("360E2000") == DstRule(month=3, operator=3, day=0, weekday=7, hour=2, second=0)
    assert parse_dst_rule("B40E2000") == DstRule(month=11, operator=2, day=0, weekday=7, hour=2, second=0)


@pytest.mark.parametrize(
    ("year", "spring", "autumn"),
    [(2007, 11, 4), (2011, 13, 6), (2012, 11, 4), (2019, 10, 3), (2024, 10, 3), (2025, 9, 2), (2026, 8, 1)],
)
def test_the_days_of_north_america(year: int, spring: int, autumn: int) -> None:
    begin, end = parse_dst_rule("360E2000"), parse_dst_rule("B40E2000")
    assert begin is not None
    assert end is not None
    assert begin.at(year).isoformat() == f"{year}-03-{spring:02}T02:00:00"
    assert end.at(year).isoformat() == f"{year}-11-{autumn:02}T02:00:00"


@given(
    st.integers(1, 12),
    st.sampled_from([0, 1, 2, 3, 4, 5, 7]),
    st.integers(1, 22),
    st.integers(1, 7),
    st.integers(0, 23),
    st.integers(0, 3599),
    st.integers(1990, 2060),
)
def test_rules_against_a_calendar(month: int, operator: int, day: int, weekday: int, hour: int, second: int, year: int) -> None:
    found = parse_dst_rule(rule(month, operator, day=day, weekday=weekday, hour=hour, second=second))
    assert found is not None
    expected = f"{year}-{month:02}-{by_calendar(year, month, operator, day, weekday):02}T{hour:02}:{second // 60:02}:{second % 60:02}"
    assert found.at(year).isoformat() == expected


@pytest.mark.parametrize("text", ["FFFFFFFF", "ffffffff", None, "", "  "])
def test_no_rule(text: str | None) -> None:
    assert parse_dst_rule(text) is None


@pytest.mark.parametrize("text", ["360e2000", " 360E2000\n", "0x360E2000"])
def test_ways_of_writing_a_rule(text: str) -> None:
    assert parse_dst_rule(text) == parse_dst_rule("360E2000")


@pytest.mark.parametrize(
    "text",
    [
        "B60E",  # cut off
        "360E20000",
        "00000000",  # no month
        "D60E2000",  # month 13
        "360E8000".replace("8", "A"),  # weekday and hour 10 is fine, see below
        "3601F000",  # hour 31
        "360E2FFF",  # second 4095
        "3600" + "2000",  # third weekday of no weekday
        "3000" + "2000",  # on no day
        "hello!!!",
        "-60E2000",
        "+60E2000",
        "3_0E2000",
        "３６０E2000",
    ],
)
def test_broken_rules(text: str) -> None:
    if text == "360EA000":
        assert parse_dst_rule(text) is not None
        return
    with pytest.raises(TimeZoneError) as caught:
        parse_dst_rule(text)
    assert text not in str(caught.value)


@given(st.text("0123456789ABCDEF", min_size=8, max_size=8), st.integers(1990, 2060))
def test_eight_digits_are_a_rule_or_an_error(text: str, year: int) -> None:
    try:
        found = parse_dst_rule(text)
    except TimeZoneError:
        return
    if found is not None:
        assert found.month == int(text[0], 16)
        assert isinstance(found.at(year), datetime)


# -- zones --------------------------------------------------------------------------------------------------------------------------------

SPRING, AUTUMN = rule(3, 3, weekday=7), rule(11, 2, weekday=7)
LAST_SUNDAY = rule(3, 7, weekday=7, hour=1), rule(10, 7, weekday=7, hour=2)
NONE = "FFFFFFFF"


@pytest.mark.parametrize(
    ("hours", "begin", "end", "name"),
    [
        (-8, SPRING, AUTUMN, "America/Los_Angeles"),
        (-7, SPRING, AUTUMN, "America/Denver"),
        (-6, SPRING, AUTUMN, "America/Chicago"),
        (-5, SPRING, AUTUMN, "America/New_York"),
        (-4, SPRING, AUTUMN, "America/Halifax"),
        (-3.5, SPRING, AUTUMN, "America/St_Johns"),
        (-9, SPRING, AUTUMN, "America/Anchorage"),
        (-7, NONE, NONE, "America/Phoenix"),
        (-6, NONE, NONE, "America/Regina"),
        (-10, NONE, NONE, "Pacific/Honolulu"),
        (-5, NONE, NONE, "America/Panama"),
        (5.5, NONE, NONE, "Asia/Kolkata"),
        (5.75, NONE, NONE, "Asia/Kathmandu"),
        (8.75, NONE, NONE, "Australia/Eucla"),
        (0, *LAST_SUNDAY, "Europe/London"),
        (1, rule(3, 7, weekday=7, hour=2), rule(10, 7, weekday=7, hour=3), "Europe/Paris"),
        (9.5, rule(10, 2, weekday=7, hour=2), rule(4, 2, weekday=7, hour=3), "Australia/Adelaide"),
        (10, rule(10, 2, weekday=7, hour=2), rule(4, 2, weekday=7, hour=3), "Australia/Sydney"),
        (0, NONE, NONE, None),
    ],
)
def test_zones(hours: float, begin: str, end: str, name: str | None) -> None:
    found, noticed = zone_of(LocalTime(end, 3600, begin, int(hours * 3600)))
    assert found is not None
    assert not noticed
    if name is not None:
        assert found == name
    assert datetime(2024, 1 if hours < 9 else 7, 5, tzinfo=ZoneInfo(found)).utcoffset() == timedelta(hours=hours)


@pytest.mark.parametrize("name", ["America/Los_Angeles", "America/Vancouver", "America/Toronto", "America/Detroit", "Europe/Berlin"])
def test_a_zone_found_keeps_the_clock_that_was_described(name: str) -> None:
    """Write the LocalTimeParameters of a zone by looking at its clock through 2024, and find a zone whose clock never differs from it."""
    zone, hours = ZoneInfo(name), [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(8784)]
    offsets = [hour.astimezone(zone).utcoffset() or timedelta() for hour in hours]
    changes = [place for place in range(1, len(hours)) if offsets[place] != offsets[place - 1]]
    begin, end = (hours[place] + offsets[place - 1] for place in changes)  # on the wall clock before the change
    nth = [(moment.day - 1) // 7 for moment in (begin, end)]
    last = [moment.month != (moment + timedelta(days=7)).month for moment in (begin, end)]
    operators = [7 if europe else place + 2 for place, europe in zip(nth, [one and name.startswith("E") for one in last], strict=True)]
    rules = [rule(moment.month, operator, weekday=7, hour=moment.hour) for moment, operator in zip((begin, end), operators, strict=True)]
    found, _ = zone_of(LocalTime(rules[1], 3600, rules[0], int(min(offsets).total_seconds())))
    assert found is not None
    assert [hour.astimezone(ZoneInfo(found)).utcoffset() for hour in hours] == offsets


def test_the_utilitys_zone_is_preferred_where_it_fits() -> None:
    eastern = LocalTime(AUTUMN, 3600, SPRING, -18_000)
    assert zone_of(eastern, "America/Toronto")[0] == "America/Toronto"
    assert zone_of(eastern, "America/Los_Angeles")[0] == "America/New_York"


@pytest.mark.parametrize(
    ("local_time", "name", "code"),
    [
        (LocalTime(AUTUMN, 3600, SPRING, 28_800), "America/Los_Angeles", "tz-offset-sign"),
        (LocalTime(AUTUMN, 3600, "360E2004", -28_800), "America/Los_Angeles", "dst-rule-broken"),
        (LocalTime("B40E2001", 3600, "360E2003", -28_800), "America/Los_Angeles", "dst-rule-broken"),
        (LocalTime("B60E", 3600, SPRING, -28_800), "America/Los_Angeles", "dst-rule-broken"),
        (LocalTime("B60E", 3600, "360E", -18_000), "America/New_York", "dst-rule-broken"),
        (LocalTime(AUTUMN, -3600, SPRING, -28_800), "America/Los_Angeles", None),
        (LocalTime(AUTUMN, 28_800, SPRING, -28_800), "America/Los_Angeles", None),
        (LocalTime(AUTUMN, 3600, SPRING, None), None, "zone-unknown"),
        (LocalTime(AUTUMN, 3600, SPRING, -12_345), None, "zone-unknown"),
        (LocalTime(AUTUMN, 3600, SPRING, 10**15), None, "zone-unknown"),
    ],
)
def test_zones_of_parameters_that_are_off(local_time: LocalTime, name: str | None, code: str | None) -> None:
    found, noticed = zone_of(local_time)
    assert found == name
    assert {one.code for one in noticed} == ({code} if code else set())


def seconds(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("local_time", "first", "last", "zone", "other"),
    [
        # by the rules of 2007, read in 2005: New York changed in April and October, Indianapolis not at all
        (LocalTime(AUTUMN, 3600, SPRING, -18_000), (2005, 1, 1), (2005, 12, 31), "America/New_York", "America/Indiana/Indianapolis"),
        (LocalTime(AUTUMN, 3600, SPRING, -18_000), (2005, 1, 1), (2005, 3, 1), "America/New_York", None),
        (LocalTime(AUTUMN, 3600, SPRING, -18_000), (2008, 1, 1), (2023, 1, 1), "America/New_York", None),
        (LocalTime(AUTUMN, 3600, SPRING, -28_800), (2019, 1, 1), (2019, 12, 31), "America/Los_Angeles", None),
        # a rule that cannot be read: Havana changes on the same days, at another hour
        (LocalTime("B40E", 3600, "360E", -18_000), (2019, 1, 1), (2019, 12, 31), "America/New_York", "America/Havana"),
        (LocalTime("B40E", 3600, "360E", -18_000), (2019, 6, 1), (2019, 6, 30), "America/New_York", None),
        (LocalTime("B40E", 3600, "360E", 7200), (2019, 1, 1), (2019, 12, 31), "Europe/Athens", "Asia/Beirut"),
        # no DST: Brasilia had it until 2019, so that in 2015 it was Buenos Aires, and since then it may be either
        (LocalTime(NONE, 0, NONE, -10_800), (2015, 1, 1), (2015, 12, 31), "America/Argentina/Buenos_Aires", None),
        (LocalTime(NONE, 0, NONE, -10_800), (2021, 1, 1), (2021, 12, 31), "America/Sao_Paulo", None),
        (LocalTime(NONE, 0, NONE, -25_200), (2012, 1, 1), (2024, 12, 31), "America/Phoenix", None),
        (LocalTime(AUTUMN, 3600, SPRING, -18_000), (1901, 1, 1), (1902, 1, 1), "America/New_York", None),  # before what is known well
        (LocalTime(NONE, 0, NONE, 0), (2012, 1, 1), (2012, 12, 31), "UTC", None),
    ],
)
def test_an_ambiguous_zone_is_told_where_it_makes_a_difference(
    local_time: LocalTime, first: tuple[int, ...], last: tuple[int, ...], zone: str, other: str | None
) -> None:
    found, noticed = zone_of(local_time, span=(seconds(*first), seconds(*last)))
    assert found == zone
    told = [one for one in noticed if one.code == "zone-ambiguous"]
    assert len(told) == (other is not None)
    if other:
        assert f"fit {zone}, which was taken, and " in told[0].message
        assert other in told[0].message
        assert told[0].severity == "info"
        assert "tz=" in told[0].suggestion
        # what decides it: the utility's zone, and no other
        assert "zone-ambiguous" not in {one.code for one in zone_of(local_time, other, (seconds(*first), seconds(*last)))[1]}
        assert zone_of(local_time, other, (seconds(*first), seconds(*last)))[0] == other


def test_an_ambiguous_zone_of_a_feed() -> None:
    text = small(*(reading(seconds(2005, 7, 1, hour), 1) for hour in range(24)), clock=("B40E2000", 3600, "360E2000", -18_000)).encode()
    found = read_feed(text).findings
    assert found[found["code"] == "zone-ambiguous"]["channel"].tolist() == ["electricity delivered"]
    assert "zone-ambiguous" not in set(read_feed(text, tz="America/New_York").findings["code"])
    utility = text.replace(b'href="/espi', b'href="https://api.coned.com/espi')
    assert "zone-ambiguous" not in set(read_feed(utility).findings["code"])


def test_dst_without_an_offset_is_none() -> None:
    assert zone_of(LocalTime(AUTUMN, 0, SPRING, -25_200))[0] == "America/Phoenix"


def test_fixed_zones() -> None:
    for hours in range(-12, 15):
        name = fixed_zone(hours * 3600)
        assert name is not None
        assert datetime(2024, 7, 1, tzinfo=ZoneInfo(name)).utcoffset() == timedelta(hours=hours)
    assert fixed_zone(1800) is None
    assert fixed_zone(15 * 3600) is None


@given(
    st.integers(-14 * 4, 14 * 4).map(lambda quarters: quarters * 900),
    st.sampled_from([SPRING, LAST_SUNDAY[0], NONE, "B60E"]),
    st.sampled_from([AUTUMN, LAST_SUNDAY[1], NONE, ""]),
)
def test_any_parameters_give_a_known_zone_or_none(offset: int, begin: str, end: str) -> None:
    found, noticed = zone_of(LocalTime(end, 3600, begin, offset))
    if found is None:
        assert "zone-unknown" in {one.code for one in noticed}
    else:
        standard = min(datetime(2024, month, 5, tzinfo=ZoneInfo(found)).utcoffset() or timedelta() for month in (1, 7))
        assert abs(standard.total_seconds()) == abs(offset)


def test_names_of_zones_are_those_of_the_package() -> None:
    assert valid_zone("America/Los_Angeles") == "America/Los_Angeles"
    assert {"UTC", "Etc/GMT+8", "America/Los_Angeles"} <= set(known_zones())
    for name in ("PST", "america/los_angeles", "Mars/Olympus", "", "../../etc/passwd", "localtime", "posixrules"):
        with pytest.raises(TimeZoneError):
            valid_zone(name)
    with pytest.raises(TimeZoneError):
        valid_zone(None)  # type: ignore[arg-type]


# -- in a feed ----------------------------------------------------------------------------------------------------------------------------

TEXT = small(reading(START, 1))


def test_the_zone_of_a_feed_and_where_it_comes_from() -> None:
    pge = small(reading(START, 1), clock=None).replace('href="/espi', 'href="https://api.pge.com/espi')
    unknown = small(reading(START, 1), clock=None)
    assert read_feed(TEXT.encode()).tidy()["zone"].tolist() == ["America/Los_Angeles"]
    assert read_feed(TEXT.encode(), tz="Europe/Paris").tidy()["zone"].tolist() == ["Europe/Paris"]
    assert read_feed(TEXT.encode()).tidy(tz="Europe/Paris")["zone"].tolist() == ["Europe/Paris"]
    assert read_feed(pge.encode()).tidy()["zone"].tolist() == ["America/Los_Angeles"]
    assert read_feed(unknown.encode()).tidy()["zone"].tolist() == ["UTC"]
    assert "zone-unknown" in codes_of(read_feed(unknown.encode()))
    assert "zone-unknown" not in codes_of(read_feed(unknown.encode(), tz="Europe/Paris"))


@pytest.mark.parametrize("machine", ["Asia/Tokyo", "UTC", "America/Sao_Paulo"])
def test_the_machines_zone_counts_for_nothing(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", machine)
    time.tzset()
    try:
        unknown = read_feed(small(reading(START, 1), clock=None).encode())
        assert unknown.tidy()["start"].dt.strftime("%Y-%m-%d %H:%M %Z").tolist() == ["2024-01-01 08:00 UTC"]
        assert "2024-01-01 08:00 UTC" in repr(unknown)
        assert "2024-01-01 00:00 PST" in repr(read_feed(TEXT.encode()))
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_wrong_name_is_an_error_before_anything_is_read() -> None:
    with pytest.raises(TimeZoneError):
        read_feed(b"not even XML", tz="PST8PDT!")
