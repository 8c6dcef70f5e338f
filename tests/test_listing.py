"""Small replies as tables."""

from __future__ import annotations

import pytest

from smd_notebook.access.listing import Entry, Point, Table, entries, points
from smd_notebook.errors import BrokenXmlError, SmdError, Unavailable
from smd_notebook.espi.resources import ApplicationInformation, Authorization, Interval, Secret

FEED = b"""<ns1:feed xmlns:ns1="http://www.w3.org/2005/Atom" xmlns:ns0="http://naesb.org/espi">
<ns1:entry><ns1:link rel="up" href="https://u.example/Subscription/9/UsagePoint"/>
<ns1:link rel="self" href="https://u.example/Subscription/9/UsagePoint/1%2F2"/><ns1:title>Home</ns1:title>
<ns1:content><ns0:UsagePoint><ns0:ServiceCategory><ns0:kind>1</ns0:kind></ns0:ServiceCategory></ns0:UsagePoint></ns1:content></ns1:entry>
<ns1:entry><ns1:link rel="self" href="/Subscription/9/UsagePoint/3"/><ns1:content><ns0:UsagePoint/></ns1:content></ns1:entry>
<ns1:entry><ns1:link rel="self" href="/LocalTimeParameters/3"/><ns1:content><ns0:LocalTimeParameters/></ns1:content></ns1:entry>
</ns1:feed>"""


def test_usage_points_with_their_ids_and_services():
    assert points(FEED) == (Point("1/2", "gas", "Home"), Point("3"))
    assert points(b"<feed/>") == ()


def test_entries_of_a_feed_an_entry_and_a_bare_resource():
    assert [(one.id, name) for one, name, _ in entries(FEED)] == [("1/2", "UsagePoint"), ("3", "UsagePoint"), ("3", "LocalTimeParameters")]
    assert entries(b"<UsagePoint><kind>1</kind></UsagePoint>") == [(Entry(""), "UsagePoint", {"kind": "1"})]
    (damaged,) = entries(b'<entry><link rel="self" href="http://[::1"/><content><UsagePoint/></content></entry>')
    assert damaged[0].id == ""


@pytest.mark.parametrize("data", [b"", b"<html", b"Bad Gateway", b"<feed><entry>", b"<!DOCTYPE html><html></html>"])
def test_replies_that_are_none(data):
    with pytest.raises(SmdError) as caught:
        entries(data)
    assert isinstance(caught.value, Unavailable)
    assert not isinstance(caught.value, BrokenXmlError)
    assert caught.value.retryable


def test_tables_show_what_there_is_and_no_secret():
    rows = Table(
        [
            Authorization(
                status=1, expires_at=1735718400, authorized_period=Interval(duration=86400000, start=1735718400000), entry=Entry("38475")
            ),
            Authorization(status=0, scope="FB=4<5"),
        ]
    )
    html = rows._repr_html_()
    for said in ("38475", "2025-01-01T08:00:00Z", "2025-01-01T08:00:00Z to 2025-01-02T08:00:00Z", "FB=4&lt;5"):
        assert said in html
    html = Table([ApplicationInformation(client_secret=Secret("canary"), redirect_uris=("https://a", "https://b"))])._repr_html_()
    assert "canary" not in html
    assert "redacted" in html
    assert "https://a, https://b" in html
    assert "nothing" in Table()._repr_html_()
