"""The practice utility, seen by a third party that is made of `requests` alone: consent, tokens, resources."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import smd_notebook as smd
from tests.practice import Party

JANUARY = {"published_min": 1735718400, "published_max": 1738396800}  # of 2025, Pacific


@pytest.fixture(scope="module")
def party() -> Iterator[Party]:
    with smd.Sandbox(households=["apartment", "solar-home"]) as utility:
        found = Party(utility)
        yield found
        found.close()


def test_a_customer_consents_and_a_month_is_fetched(party: Party) -> None:
    tokens = party.exchange()
    assert set(tokens) >= {"access_token", "refresh_token", "expires_in", "token_type", "scope"}
    assert tokens["expires_in"] == 3600
    reply = party.get(f"/Batch/Subscription/{tokens['subscription']}/UsagePoint/apartment-1-electricity", tokens["access_token"], **JANUARY)
    assert reply.status_code == 200
    got, whole = smd.read(reply.content), smd.sample("apartment")
    expected = whole.select(channel="electricity delivered", start="2025-01-01", end="2025-02-01").tidy()
    assert got.tidy()["value"].tolist() == expected["value"].tolist()
    assert len(got.tidy()) == 31 * 24
    assert got.usage_points[0].entry.href.startswith(party.about["resource_endpoint"])
