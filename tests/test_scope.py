"""Scope strings: nothing is lost, and the words say what was granted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smd_notebook.access.scope import FUNCTION_BLOCKS, Scope

PGE = (
    "FB=1_3_8_13_14_18_19_31_32_35_37_38_39_4_5_15_10_16_46_47_40;AdditionalScope=Usage_Billing_Basic_Account_ProgramEnrollment;"
    "IntervalDuration=900_3600;BlockDuration=Daily;HistoryLength=63072000;AccountCollection=2;BR=50098;dataCustodianId=PGE;"
)


def test_the_scope_that_a_utility_grants_today():
    scope = Scope(PGE)
    assert scope.blocks == (1, 3, 8, 13, 14, 18, 19, 31, 32, 35, 37, 38, 39, 4, 5, 15, 10, 16, 46, 47, 40)
    assert scope.interval_durations == (900, 3600)
    assert scope.history_months == pytest.approx(24, abs=0.05)  # 63072000 s are 730 days
    assert [key for key, _ in scope.parts] == [
        *("FB", "AdditionalScope", "IntervalDuration", "BlockDuration", "HistoryLength", "AccountCollection", "BR", "dataCustodianId"),
    ]
    assert str(scope) == PGE
    words = "\n".join(scope.explain())
    for said in (
        "interval readings of electricity and gas, every 15 min or 1 h",
        "what was billed, with its cost",
        "name, account",
        "on paper",
        "about 24 months",
        "Usage, Billing, Basic, Account and ProgramEnrollment",
        "Daily",
        "service agreements: 2",
        "50098",
        "PGE",
    ):
        assert said in words
    assert "own" not in words


def test_several_service_agreements_are_written_as_a_letter():
    assert Scope("FB=4;AccountCollection=n").explain() == ("interval readings", "service agreements: several")


def test_every_function_block_of_the_utilities_has_a_name():
    assert all(FUNCTION_BLOCKS[block] for block in (*Scope(PGE).blocks, 34, 36, 51))
    html = Scope("FB=4_999")._repr_html_()
    assert FUNCTION_BLOCKS[4] in html
    assert "not known" in html


@pytest.mark.parametrize(
    ("text", "months"),
    [
        ("HistoryLength=13", 13),
        ("HistoryLength=1000", 1000),
        ("HistoryLength=31556952", 12),
        ("HistoryLength=", None),
        ("HistoryLength=-1", None),
        ("FB=4", None),
    ],
)
def test_a_history_is_months_or_seconds(text, months):
    found = Scope(text).history_months
    assert found is None if months is None else found == pytest.approx(months)


def test_what_is_not_understood_is_said_as_it_stands():
    assert Scope("HistoryLength=long;X=1;loose").explain() == (
        "HistoryLength: long (a term of the utility's own)",
        "X: 1 (a term of the utility's own)",
        "loose (a term of the utility's own)",
    )
    assert Scope("38475").blocks == ()  # once it was the number of the subscription
    assert Scope("5+6+7").blocks == ()
    assert Scope("").explain() == ()


@pytest.mark.parametrize("text", ["1_3_4_5", "FB=1_3_4_5", "fb=1_3_4_5;", "SubscriptionFrequency=Daily;FB=1_3_4_5"])
def test_function_blocks_with_and_without_their_key(text):
    assert Scope(text).blocks == (1, 3, 4, 5)


def test_end_dates_and_frequency():
    words = Scope("MinAuthEndDate=1767225600;PreferredAuthEndDate=1798761600;SubscriptionFrequency=Daily;FB=15").explain()
    assert words[0] == "what was billed, without its cost"
    assert [line.split(":")[0] for line in words[1:]] == [
        "earliest end of the authorization",
        "preferred end of the authorization",
        "renewed",
    ]


def test_what_would_move_the_cursor_is_not_printed():
    scope = Scope("FB=4;BlockDuration=\x1b[2J\x07Daily;\u202eown=\r\n")
    words = " ".join(scope.explain()) + scope._repr_html_()
    assert "Daily" in words
    assert not {"\x1b", "\x07", "\u202e", "\r", "\n"} & set(words)


def test_html_is_escaped():
    assert "<script>" not in Scope("<script>=<script>")._repr_html_()


@given(st.text(max_size=60))
def test_any_text_is_kept_whole_and_explained(text):
    scope = Scope(text)
    assert str(scope) == text
    assert all(line.isprintable() for line in scope.explain())
    scope._repr_html_()


KEY = st.text("abcXYZ09", min_size=1, max_size=8)


@given(st.lists(st.tuples(KEY, st.text("abc019_= ", max_size=8).map(str.strip)), max_size=6))
def test_keys_values_and_order_come_back(pairs):
    assert list(Scope(";".join(f"{key}={value}" for key, value in pairs)).parts) == pairs
