"""Clocks: every corpus file lands where its truth says, none that was right moves, and no made-up feed is repaired wrongly."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook.clock import PRINCIPAL_ZONES
from smd_notebook.diagnosis import Verdict, diagnose
from smd_notebook.errors import ConfigurationError, SmdWarning
from smd_notebook.espi.channels import concatenated
from smd_notebook.repairs import with_clock
from smd_notebook.shapes import shape_of

from .clocks import case, channel, correct, quiet, written

#: What only the owner of a file can know.
OWNERS = {
    "opower-gas__ngma_billing_2021-05_to_2024-04.xml": "America/New_York",
    "opower-pge__E6_2011-03-03_to_2012-04-03.xml": "America/Los_Angeles",
    "opower-pge__gridium_A10S_15min_1day.xml": "America/Los_Angeles",
    "sdge__2011-02-01_to_2012-01-31.xml": "America/Los_Angeles",
}
#: One day proves nothing by itself.
UNPROVED = {"opower-pge__gridium_A10S_15min_1day.xml"}


def truth_of(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_every_file_with_a_known_truth_lands_on_it(corpus: Path) -> None:
    seen = 0
    for path in sorted((corpus / "truth").glob("*.csv")):
        name = f"{path.stem}.xml"
        if name in UNPROVED:
            continue
        truth = truth_of(path)
        known = (truth["true_start_utc"] != "").to_numpy()
        frame = quiet(corpus / "files" / name, clock="auto", tz=OWNERS.get(name)).tidy(tz="UTC", duplicates="keep")
        want = pd.to_datetime(truth["true_start_utc"][known], utc=True)
        assert (frame["start"][known].to_numpy() == want.to_numpy()).all(), name
        seconds = frame["duration"][known].dt.total_seconds().to_numpy()
        assert (seconds == truth["true_duration_s"][known].astype(int).to_numpy()).all(), name
        seen += 1
    assert seen == 18


def test_no_file_that_was_right_moves(corpus: Path) -> None:
    wrong = {"ameren-bidgely__15min_2023-12-04.xml", *OWNERS}
    with (corpus / "manifest.csv").open() as file:
        names = [row["file"] for row in csv.DictReader(file)]
    for name in names:
        if name in wrong:
            continue
        before, after = (quiet(corpus / "files" / name, clock=clock).tidy(tz="UTC", duplicates="keep") for clock in ("utc", "auto"))
        assert before["start"].equals(after["start"]), name


def test_one_day_stays_and_says_what_would_settle_it(corpus: Path) -> None:
    path = corpus / "files" / "opower-pge__gridium_A10S_15min_1day.xml"
    feed = quiet(path, clock="auto", tz="America/Los_Angeles")
    assert feed.tidy(tz="UTC")["start"].iloc[0] == pd.Timestamp("2011-03-06T05:00Z")
    suspect = feed.findings.set_index("code").loc["clock-suspect"]
    assert "as:America/New_York" in suspect["suggestion"]
    told = quiet(path, clock="as:America/New_York", tz="America/Los_Angeles").tidy(tz="UTC", duplicates="keep")
    truth = pd.to_datetime(truth_of(corpus / "truth" / "opower-pge__gridium_A10S_15min_1day.csv")["true_start_utc"], utc=True)
    assert (told["start"].to_numpy() == truth.to_numpy()).all()


def test_the_time_of_the_download_is_told_and_no_figure_is_made_of_it(corpus: Path) -> None:
    path = corpus / "files" / "eversource-gas__abridged.xml"
    with pytest.warns(SmdWarning, match="cannot be recovered"):
        feed = smd.read(path)
    assert "clock-unrecoverable" in set(feed.findings["code"])
    assert "cannot be recovered" in feed._repr_html_()
    with pytest.raises(ConfigurationError, match="no figure"):
        smd.plot.energy(feed)


def test_a_disproved_clock_warns_and_is_left_alone(corpus: Path) -> None:
    path = corpus / "files" / "opower-gas__ngma_billing_2021-05_to_2024-04.xml"
    with pytest.warns(SmdWarning, match="clock='auto'"):
        feed = smd.read(path, tz="America/New_York")
    assert feed.tidy(tz="UTC")["start"].iloc[0] == pd.Timestamp("2021-05-26T00:00Z")
    assert "clock-disproved" in set(feed.findings["code"])
    # the corrected periods abut: 35 of them and not one gap or overlap
    feed = smd.read(path, tz="America/New_York", clock="auto")
    assert "clock-repaired" in set(feed.findings["code"])
    fixed = feed.tidy(tz="UTC")
    assert (fixed["end"].iloc[:-1].to_numpy() == fixed["start"].iloc[1:].to_numpy()).all()


def confusion(seeds: range) -> tuple[Counter[tuple[str, str]], list[object]]:
    """What becomes of made-up feeds under clock="auto"."""
    table: Counter[tuple[str, str]] = Counter()
    wrong: list[object] = []
    for seed in seeds:
        made = case(seed)
        (after,), found, _ = with_clock([made.channel], [made.zone], "auto")
        wrote, got = concatenated(made.channel).start, concatenated(after).start
        hypothesis = made.hypothesis.partition(":")[0]
        if not np.array_equal(wrote, got):
            outcome = "repaired right" if np.array_equal(got, made.true) else "WRONG"
        elif np.array_equal(wrote, made.true):
            outcome = "right already"
        else:
            outcome = "left, with a finding" if any(one.code.startswith("clock") for one in found) else "left"
        if outcome == "WRONG" or (hypothesis == "utc" and outcome != "right already"):
            wrong.append((seed, made.hypothesis, made.zone, made.about))
        table[hypothesis, outcome] += 1
    return table, wrong


def test_no_made_up_feed_is_repaired_wrongly() -> None:
    table, wrong = confusion(range(50, 100))
    assert not wrong
    assert table["wall", "repaired right"] > 1
    assert table["as", "repaired right"] > 0
    assert table["standard", "repaired right"] > 0


@pytest.mark.prove
def test_no_made_up_feed_of_thousands_is_repaired_wrongly() -> None:
    table, wrong = confusion(range(10_000, 12_500))
    print(*sorted(table.items()), sep="\n")  # noqa: T201 - the table is what one wants to see
    assert not wrong


def verdict_of(zone: str, hypothesis: str, *, cut: str, shape: str, first: tuple[int, ...] = (2021, 7, 1), days: int = 365) -> Verdict:
    """What is thought of hours from a wall-clock time of a zone on, written under a hypothesis."""
    begin = datetime(*first, tzinfo=ZoneInfo(zone))
    starts = list(range(int(begin.timestamp()), int((begin + timedelta(days=days)).timestamp()), 3600))
    made = channel(starts, written(starts, zone, hypothesis, folds=True), [3600] * len(starts), zone, "hourly", cut, shape)
    verdict = diagnose(made, zone)
    (after,), *_ = with_clock([made], [zone], "auto")
    moved = not np.array_equal(concatenated(after).start, concatenated(made).start)
    assert moved == (verdict.conclusive and verdict.hypothesis != "utc")
    assert not moved or np.array_equal(concatenated(after).start, starts)
    return verdict


@pytest.mark.parametrize(
    ("zone", "winter", "summer", "hour"),
    [
        # days of which one begins where the file does, and whose seasons change on 2021-11-07 and 2022-03-13 (2021-09-26 and 2022-04-03)
        ("America/Los_Angeles", 126, 238, "16:00"),
        ("America/St_Johns", 126, 238, "20:30"),
        ("Pacific/Auckland", 175, 189, "12:00"),
    ],
)
@pytest.mark.parametrize("shape", ["night", "sun", "flat"])
def test_standard_time_is_proved_by_where_days_begin_in_winter_and_in_summer(
    zone: str, winter: int, summer: int, hour: str, shape: str
) -> None:
    verdict = verdict_of(zone, "standard", cut="local days", shape=shape)
    assert (verdict.hypothesis, verdict.conclusive) == ("standard", shape != "flat")
    assert f"{winter} blocks, days or bills in winter and {summer} in summer begin at midnight in {zone}" in verdict.evidence[0]
    assert f"would begin at {hour}" in verdict.evidence[0]
    assert len(verdict.evidence) == 2


@pytest.mark.parametrize(
    ("zone", "hypothesis", "cut", "days"),
    [
        ("America/Los_Angeles", "standard", "standard days", 365),  # begin at 00:00Z all year, as days of UTC do
        ("America/Los_Angeles", "standard", "local days", 100),  # summer alone
        ("America/Los_Angeles", "standard", "one", 365),
        ("Australia/Sydney", "standard", "local days", 365),  # begin at 10:00 as declared, where days of gas may
        ("America/Phoenix", "standard", "local days", 365),
        ("UTC", "standard", "local days", 365),
        ("America/Los_Angeles", "utc", "days of Europe/London", 365),  # begin at 00:00Z and 23:00Z, but by the rules of London
        ("America/Los_Angeles", "utc", "utc days", 365),
        ("America/Los_Angeles", "utc", "standard days", 365),
        ("America/Phoenix", "utc", "local days", 365),
        ("UTC", "utc", "local days", 365),
        ("Australia/Lord_Howe", "utc", "local days", 365),
        ("Asia/Kathmandu", "utc", "local days", 365),
    ],
)
@pytest.mark.parametrize("shape", ["night", "flat"])
def test_where_days_begin_is_no_proof_where_they_may(zone: str, hypothesis: str, cut: str, days: int, shape: str) -> None:
    assert not verdict_of(zone, hypothesis, cut=cut, shape=shape, days=days).conclusive


def test_the_half_hour_of_lord_howe_proves_a_wall_clock() -> None:
    verdict = verdict_of("Australia/Lord_Howe", "wall", cut="local days", shape="flat")
    assert (verdict.hypothesis, verdict.conclusive) == ("wall", True)


def test_a_wrong_night_withholds_what_rests_on_where_days_begin() -> None:
    """A right file whose days are counted from the hour of its export, 16:00, as days of standard time written as UTC would be."""
    for shape, hours in (
        ("night", "least is used about 11:00 by that clock, 03:00 as declared"),
        ("sun", "21:00 by that clock, 13:00 as declared"),
    ):
        verdict = verdict_of("America/Los_Angeles", "utc", cut="days of the file", shape=shape, first=(2021, 7, 1, 16))
        assert (verdict.hypothesis, verdict.conclusive) == ("standard", False)
        assert verdict.evidence[1].startswith("the daily shape disagrees, which proves nothing by itself: ")
        assert hours in verdict.evidence[1]
        assert verdict.settles


def test_hours_without_a_shape_withhold_what_rests_on_where_days_begin() -> None:
    """The same right file with constant values: nothing in it tells it from a wrong one."""
    verdict = verdict_of("America/Los_Angeles", "utc", cut="days of the file", shape="flat", first=(2021, 7, 1, 16))
    assert (verdict.hypothesis, verdict.conclusive) == ("standard", False)
    assert verdict.evidence[1] == "no daily shape shows where one could, which leaves nothing else to speak for a clock"
    assert verdict.settles


def test_only_hours_of_electricity_can_show_a_shape() -> None:
    zone = "America/Los_Angeles"
    hours = list(range(0, 30 * 86_400, 3600))
    electric = channel(hours, hours, [3600] * len(hours), zone, "hourly", "one", "flat")
    shape = shape_of(electric, "standard", zone)
    assert shape is not None
    assert shape.flat
    assert shape_of(replace(electric, service="gas"), "standard", zone) is None
    days = hours[::24] * 10  # as many readings
    assert shape_of(channel(days, days, [86_400] * len(days), zone, "hourly", "one", "flat"), "standard", zone) is None


@pytest.mark.parametrize("hypothesis", ["utc", "wall", "standard", "as:America/New_York"])
@pytest.mark.parametrize("cut", ["one", "local days", "utc days"])
def test_the_daily_shape_never_proves_anything(hypothesis: str, cut: str) -> None:
    """What is proved with a shape is proved without one as well, and whatever is said of it says which clock it speaks for."""
    for zone, days in (("America/Los_Angeles", 365), ("America/Phoenix", 365), ("America/Los_Angeles", 20)):
        with_night, flat = (verdict_of(zone, hypothesis, cut=cut, shape=shape, days=days) for shape in ("night", "flat"))
        assert with_night.hypothesis == flat.hypothesis
        assert with_night.conclusive <= (flat.conclusive or flat.by_days)  # of where days begin, a wrong night or none is doubt enough
        assert with_night.evidence[0] == flat.evidence[0] if flat.evidence else not with_night.evidence
        if hypothesis in ("wall", "standard") and with_night.hypothesis == hypothesis:  # another zone's hours may be night as well
            assert "the daily shape agrees, which proves nothing by itself: least is used about 02:00" in with_night.evidence[-1]


def test_one_interval_given_several_times_is_no_time_of_a_download() -> None:
    once = channel([1_700_000_000], [1_700_000_000], [3600], "Europe/London", "hourly", "one")
    twice = replace(once, blocks=once.blocks + tuple(replace(block, entry=replace(block.entry, number=2)) for block in once.blocks))
    for made in (once, twice, replace(once, blocks=twice.blocks + twice.blocks[1:]), replace(once, blocks=())):
        (after,), found, _ = with_clock([made], ["Europe/London"], "auto")
        assert after is made
        assert not [finding for finding in found if finding.severity != "info"]


def test_files_that_overlap_do_not_look_like_a_doubled_hour() -> None:
    from random import Random

    starts, durations = correct(Random(1), "America/Los_Angeles", "hourly")
    one = channel(starts, starts, durations, "America/Los_Angeles", "hourly", "local days")
    again = tuple(replace(block, entry=replace(block.entry, source="other")) for block in one.blocks)
    (after,), found, _ = with_clock([replace(one, blocks=one.blocks + again)], ["America/Los_Angeles"], "auto")
    assert np.array_equal(concatenated(after).start, np.array(starts + starts))
    assert not [finding for finding in found if finding.severity != "info"]


def test_a_file_that_shows_nothing_is_not_confirmed() -> None:
    starts = [1_700_000_000 // 3600 * 3600 + 600 + 3600 * k for k in range(30)]  # ten past the hour is midnight nowhere
    made = channel(starts, starts, [3600] * 30, "Europe/London", "hourly", "one")
    (after,), found, _ = with_clock([made], ["Europe/London"], "auto")
    assert after is made
    assert [finding.code for finding in found] == ["clock-unconfirmed"]


def test_the_principal_zones_are_all_different_clocks_or_places() -> None:
    assert len(set(PRINCIPAL_ZONES)) == len(PRINCIPAL_ZONES)
