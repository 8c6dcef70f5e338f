"""Windows to ask for: nothing between two chunks is lost or asked for twice, and every custodian's way of writing them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smd_notebook.access.custodian import Custodian
from smd_notebook.access.windows import chunks, gaps, instant, parameters
from smd_notebook.errors import ConfigurationError

LA = "America/Los_Angeles"
NEW_YEAR = 1735718400  # 2025-01-01T00:00-08:00


@pytest.mark.parametrize(
    "value",
    [
        "2025-01-01",
        " 2025-01-01T00:00 ",
        "2025-01-01T08:00Z",
        "2025-01-01T09:00+01:00",
        date(2025, 1, 1),
        datetime.fromisoformat("2025-01-01"),
        datetime(2025, 1, 1, 8, tzinfo=UTC),
        datetime(2025, 1, 1, 9, tzinfo=timezone(timedelta(hours=1))),
        NEW_YEAR,
        NEW_YEAR + 0.9,
    ],
)
def test_instants_in_every_form(value):
    assert instant(value, LA) == NEW_YEAR


def test_midnight_in_summer_is_that_of_summer():
    assert instant("2025-07-01", LA) == datetime(2025, 7, 1, 7, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("value", ["", "yesterday", "1735718400", "2025-13-01", True, None, [], float("nan"), float("inf"), 1735718400000])
def test_what_is_no_instant(value):
    with pytest.raises(ConfigurationError) as caught:
        instant(value, LA)
    assert "2025-01-01" in caught.value.hint


def test_a_custodian_without_zone_wants_offsets():
    assert instant("2025-01-01T00:00-08:00", None) == NEW_YEAR
    with pytest.raises(ConfigurationError, match="offset"):
        instant("2025-01-01", None)


def test_a_year_in_chunks_ends_each_at_a_local_midnight():
    window = (NEW_YEAR, instant("2026-01-01", LA))
    cut = chunks(window, 30, LA)
    assert len(cut) == 13  # 12 x 30 days and 5
    assert sum(high - low for low, high in cut) == 365 * 86400
    for _, high in cut:
        local = datetime.fromtimestamp(high, ZoneInfo(LA))
        assert (local.hour, local.minute) == (0, 0)


SPAN = st.tuples(st.integers(0, 4 * 10**9), st.integers(1, 800 * 86400)).map(lambda pair: (pair[0], sum(pair)))


@given(SPAN, st.integers(1, 400), st.sampled_from([LA, None, "Europe/Paris", "Australia/Lord_Howe", "America/Sao_Paulo"]))
def test_chunks_are_the_window_without_seams(window, days, zone):
    cut = chunks(window, days, zone)
    assert (cut[0][0], cut[-1][1]) == window
    assert all(one[1] == other[0] for one, other in pairwise(cut))
    assert all(0 < high - low <= (days + 1) * 86400 for low, high in cut)


def test_an_empty_window_has_no_chunks():
    assert chunks((5, 5), 30, LA) == []


@given(SPAN, st.lists(SPAN, max_size=8))
def test_gaps_and_what_is_covered_are_the_window(window, covered):
    found = gaps(window, covered)
    marks = sorted({*window, *(one for span in (*covered, *found) for one in span)})
    for low, high in pairwise(marks):  # between two neighbouring marks everything is alike
        inside = window[0] <= low and high <= window[1]
        taken = any(start <= low and high <= end for start, end in covered)
        assert any(start <= low and high <= end for start, end in found) == (inside and not taken)
    assert all(one[1] < other[0] or one[1] <= other[0] for one, other in pairwise(found))


def custodian(**more):
    return Custodian(name="x", token_endpoint="https://x.example/t", resource_endpoint="https://x.example/r", zone=LA, **more)


def test_how_windows_are_written():
    window = (NEW_YEAR, NEW_YEAR + 86400)
    assert parameters(custodian(), window) == {"published-min": "1735718400", "published-max": "1735804800"}
    assert parameters(custodian(window="iso"), window) == {"published-min": "2025-01-01T08:00:00Z", "published-max": "2025-01-02T08:00:00Z"}
    names = ("publishedMin", "publishedMax", "a", "b")
    assert parameters(custodian(window="date", window_names=names), window) == {"publishedMin": "2025-01-01", "publishedMax": "2025-01-02"}
    inner = parameters(custodian(window="date"), (NEW_YEAR + 1, NEW_YEAR + 86400 + 1))
    assert inner == {"published-min": "2025-01-01", "published-max": "2025-01-02"}
