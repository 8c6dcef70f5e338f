"""Repairs: of clocks only with a zone, of durations and late starts only where asked."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from smd_notebook.errors import ConfigurationError, TimeZoneError
from smd_notebook.repairs import with_clock

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
