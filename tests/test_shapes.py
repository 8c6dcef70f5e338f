"""The shape of a day: what it says of a clock, by days whose night and noon are known by construction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from smd_notebook.espi.model import MISSING, Channel
from smd_notebook.shapes import shape_of

from .clocks import channel

BY_ITSELF = "which proves nothing by itself"
ZONE = "America/Phoenix"  # seven hours behind, all year


def made(by_hour: dict[int, int], days: int = 10, *, sun: bool = False, step: int = 3600, **changes: Any) -> Channel:
    """Days of 100 an interval, but in some hours of the wall clock."""
    first = 1_700_006_400 // 86_400 * 86_400 + 7 * 3600  # midnight there
    starts = list(range(first, first + days * 86_400, step))
    one = channel(starts, starts, [step] * len(starts), ZONE, "hourly", "one", "sun" if sun else "flat")
    (block,) = one.blocks
    value = np.array([by_hour.get((at - first) // 3600 % 24, 100) for at in starts])
    return replace(one, blocks=(replace(block, readings=replace(block.readings, value=value)),), **changes)


NIGHT = {2: 20, 3: 10, 4: 20}
NOON = {11: 800, 12: 1000, 13: 800} | dict.fromkeys((*range(11), *range(14, 24)), 0)


@pytest.mark.parametrize(
    ("home", "hypothesis", "fits", "words"),
    [
        (made(NIGHT), "utc", True, f"agrees, {BY_ITSELF}: least is used about 03:00 as declared"),
        # written as UTC: what is declared 03:00 was 10:00
        (
            made(NIGHT),
            "wall",
            False,
            f"disagrees, {BY_ITSELF}: least is used about 10:00 by that clock, 03:00 as declared",
        ),
        (
            made({19: 20, 20: 10, 21: 20}),
            "standard",
            True,
            f"agrees, {BY_ITSELF}: least is used about 03:00 by that clock, 20:00 as declared",
        ),
        (made({11: 20, 12: 10, 13: 20}), "utc", None, "does not tell: least is used about 12:00 as declared"),  # the sun may have saved it
        (made({19: 20, 20: 10, 21: 20}), "utc", False, f"disagrees, {BY_ITSELF}: least is used about 20:00 as declared"),
        (made(NIGHT), "as:America/Denver", None, "does not tell: least is used about 04:00 by that clock, 03:00 as declared"),
        (
            made(NOON, sun=True),
            "utc",
            True,
            f"agrees, {BY_ITSELF}: the middle of what the sun gives lies in the hour from 12:00",
        ),
        (made(NOON, sun=True), "wall", False, "the hour from 19:00 by that clock, 12:00 as declared"),
        (made(NIGHT, step=900), "utc", True, "about 03:00"),
    ],
)
def test_what_it_says(home: Channel, hypothesis: str, fits: bool | None, words: str) -> None:
    if hypothesis == "as:America/Denver":  # in summer Denver is an hour ahead, so that what it converted reads an hour early
        home = shifted(home, 200 * 86_400)
    shape = shape_of(home, hypothesis, ZONE)
    assert shape is not None
    assert shape.fits is fits
    assert words in shape.words


def shifted(home: Channel, seconds: int) -> Channel:
    (block,) = home.blocks
    return replace(home, blocks=(replace(block, readings=replace(block.readings, start=block.readings.start + seconds)),))


@pytest.mark.parametrize(
    "home",
    [
        made({}),
        made({3: 95}),
        made(NIGHT, days=6),
        made(NIGHT, step=7200),
        made(NIGHT, service="gas"),
        made(NIGHT, flow="net"),
        made(NIGHT, measure="register"),
        replace(made(NIGHT), blocks=()),
        made(dict.fromkeys(range(24), MISSING)),
        made(NIGHT | {7: MISSING}),
    ],
    ids=["even", "hardly uneven", "few days", "long steps", "gas", "net", "register", "no readings", "no values", "no such hour"],
)
def test_where_no_shape_can_be_seen(home: Channel) -> None:
    assert shape_of(home, "utc", ZONE) is None
