"""Clocks: every corpus file lands where its truth says, none that was right moves, and no made-up feed is repaired wrongly."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook.clock import PRINCIPAL_ZONES
from smd_notebook.errors import ConfigurationError, SmdWarning
from smd_notebook.espi.channels import concatenated
from smd_notebook.repairs import with_clock

from .clocks import case, channel, correct, quiet

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
        (after,), found = with_clock([made.channel], [made.zone], "auto")
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
    table, wrong = confusion(range(60))
    assert not wrong
    assert table["wall", "repaired right"] > 1
    assert table["as", "repaired right"] > 0


@pytest.mark.prove
def test_no_made_up_feed_of_thousands_is_repaired_wrongly() -> None:
    table, wrong = confusion(range(10_000, 12_500))
    print(*sorted(table.items()), sep="\n")  # noqa: T201 - the table is what one wants to see
    assert not wrong


def test_files_that_overlap_do_not_look_like_a_doubled_hour() -> None:
    from random import Random

    starts, durations = correct(Random(1), "America/Los_Angeles", "hourly")
    one = channel(starts, starts, durations, "America/Los_Angeles", "hourly", "local days")
    from dataclasses import replace

    again = tuple(replace(block, entry=replace(block.entry, source="other")) for block in one.blocks)
    (after,), found = with_clock([replace(one, blocks=one.blocks + again)], ["America/Los_Angeles"], "auto")
    assert np.array_equal(concatenated(after).start, np.array(starts + starts))
    assert not [finding for finding in found if finding.severity != "info"]


def test_a_file_that_shows_nothing_is_not_confirmed() -> None:
    starts = [1_700_000_000 // 3600 * 3600 + 600 + 3600 * k for k in range(30)]  # ten past the hour is midnight nowhere
    made = channel(starts, starts, [3600] * 30, "Europe/London", "hourly", "one")
    (after,), found = with_clock([made], ["Europe/London"], "auto")
    assert after is made
    assert [finding.code for finding in found] == ["clock-unconfirmed"]


def test_the_principal_zones_are_all_different_clocks_or_places() -> None:
    assert len(set(PRINCIPAL_ZONES)) == len(PRINCIPAL_ZONES)
