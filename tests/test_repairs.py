"""Repairs: of clocks only with a zone, of durations and late starts only where asked."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from smd_notebook.errors import ConfigurationError, TimeZoneError
from smd_notebook.repairs import with_clock

from . import build
from .clocks import case, quiet


def test_a_zone_is_needed_to_put_a_clock_right() -> None:
    made = case(1)
    with pytest.raises(TimeZoneError, match="without the zone"):
        with_clock([made.channel], [None], "wall")
    with pytest.raises(TimeZoneError, match="no time zone"):
        with_clock([made.channel], ["UTC"], "as:Mars/Olympus")
    with pytest.raises(ConfigurationError, match="clock='sundial'"):
        with_clock([made.channel], ["UTC"], "sundial")


def test_durations_and_late_starts_are_mended_only_where_asked(corpus: Path) -> None:
    path = corpus / "files" / "nist-netzero__1min_duration0_2013-12-09_to_12-15.xml"
    seconds = {
        clock: set(quiet(path, clock=clock).tidy(duplicates="keep")["duration"].dt.total_seconds()) for clock in ("declared", "auto")
    }
    assert seconds == {"declared": {0.0}, "auto": {60.0}}  # the corpus notes say so: NIST's duration 0 means 60 s
    assert "duration-repaired" in set(quiet(path, clock="auto").findings["code"])
    gas = corpus / "files" / "pge-smd__eemeter_natural_gas.xml"
    assert quiet(gas, clock="auto").tidy(tz="UTC")["start"].iloc[0] == pd.Timestamp("2012-05-02T07:00:01Z")
    floored = quiet(gas, floor_starts=True)
    assert floored.tidy(tz="UTC")["start"].iloc[0] == pd.Timestamp("2012-05-02T07:00:00Z")
    assert "start-floored" in set(floored.findings["code"])


def test_blocks_move_with_their_readings(corpus: Path, tmp_path: Path) -> None:
    name = "ameren-bidgely__15min_2023-12-04"  # local standard time as UTC, which the title of its block proves
    quiet(corpus / "files" / f"{name}.xml", clock="auto").to_espi(tmp_path / "out.xml")
    again = quiet(tmp_path / "out.xml", clock="auto")
    true = pd.to_datetime(pd.read_csv(corpus / "truth" / f"{name}.csv")["true_start_utc"])
    assert (again.tidy(tz="UTC")["start"].array == true.array).all()  # not put right a second time
    assert set(again.findings["code"]) & {"clock-repaired", "outside-block", "block-uncovered"} == set()


@pytest.mark.parametrize(("start", "duration", "moved"), [(0, 24, (7, 25)), (-30, 25, (-30, 25)), (1, 24, (1, 24))])
def test_a_block_stays_where_its_readings_do_not_lie_in_it(start: int, duration: int, moved: tuple[int, int]) -> None:
    day = 20_030 * 86_400  # 2024-11-03, when Los Angeles shows 01:00 twice: 25 hours, from 07:00Z to 08:00Z, written as 00:00Z to 24:00Z
    wall = [0, 1, 1, *range(2, 24)]
    text = build.feed_xml(
        build.usage_point(related=[f"{build.POINT}/MeterReading", build.CLOCK]),
        build.local_time(*build.PACIFIC),
        build.meter_reading(),
        build.reading_type(),
        build.blocks(
            build.block(
                *(build.reading(day + 3600 * hour, 100 + place) for place, hour in enumerate(wall)),
                start=day + 3600 * start,
                duration=3600 * duration,
            )
        ),
    )
    (channel,) = build.read_feed(text.encode(), clock="wall").document.channels
    (block,) = channel.blocks
    assert (block.readings.start - day).tolist() == [3600 * (7 + place) for place in range(25)]
    assert block.interval is not None
    assert ((block.interval.start or 0) / 3600 - day / 3600, (block.interval.duration or 0) / 3600) == moved


@pytest.mark.parametrize(
    ("written", "hours", "begin", "end"),
    [
        (0, 0, "2024-03-01", "2024-04-01"),  # by the clock of the readings
        (8, 7, "2024-03-01", "2024-04-01"),  # true already: 08:00Z in winter, 07:00Z in summer
        (3, 3, "2024-02-29 19:00", "2024-03-31 20:00"),  # neither: as it is written
    ],
)
def test_bills_go_with_the_readings_where_that_puts_them_on_midnight(written: int, hours: int, begin: str, end: str) -> None:
    march = 19_783 * 86_400  # 2024-03-01 as UTC
    period = build.element("duration", 31 * 86_400 + 3600 * (hours - written)) + build.element("start", march + 3600 * written)
    text = build.feed_xml(
        build.usage_point(related=[f"{build.POINT}/MeterReading", build.CLOCK]),
        build.local_time(*build.PACIFIC),
        build.meter_reading(),
        build.reading_type(),
        build.blocks(build.block(build.reading(march), build.reading(march + 3600))),
        build.entry(build.element("UsageSummary", build.element("billingPeriod", period)), f"{build.POINT}/UsageSummary/1"),
    )
    feed = build.read_feed(text.encode(), clock="wall")
    bill = feed.bills().iloc[0]
    assert [bill["start"], bill["end"]] == [pd.Timestamp(at, tz="America/Los_Angeles") for at in (begin, end)]
    told = feed.findings.query("code == 'clock-repaired'")["message"]
    assert told.str.contains("bills were written by the same clock").sum() == (written == 0)
