"""Offsets and wall clocks as arrays, against Python's own zone arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from smd_notebook.offsets import localized, offsets_at, undo

from .clocks import ZONES, written


@pytest.mark.parametrize("zone", [*ZONES, "America/Sao_Paulo"])
def test_zone_arithmetic_is_pythons(zone: str) -> None:
    where = ZoneInfo(zone)
    rng = np.random.default_rng(7)
    instants = rng.integers(946_684_800, 1_900_000_000, 3000) // 900 * 900
    offsets = [int(datetime.fromtimestamp(int(at), where).utcoffset().total_seconds()) for at in instants]
    assert offsets_at(zone, instants).tolist() == offsets
    wall = instants + np.array(offsets)
    for fold in (0, 1):
        want = [int(datetime.fromtimestamp(int(at), UTC).replace(tzinfo=where, fold=fold).timestamp()) for at in wall]
        assert localized(zone, wall, np.full(len(wall), bool(fold))).tolist() == want


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Europe/London", "Australia/Sydney"])
@pytest.mark.parametrize("hypothesis", ["wall", "standard", "as:America/New_York"])
def test_undoing_gives_back_what_was_meant_but_for_hours_that_were_lost(zone: str, hypothesis: str) -> None:
    first = int(datetime(2023, 1, 1, tzinfo=ZoneInfo(zone)).timestamp())
    starts = [first + 3600 * k for k in range(366 * 24)]
    back = undo(hypothesis, np.array(written(starts, zone, hypothesis, folds=True)), zone)
    assert (back != np.array(starts)).sum() <= (2 if hypothesis.startswith("as:") else 0)
