"""What the utility writes: token replies, small resources, and parts of a customer's data, as bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import Any
from uuid import uuid4
from xml.sax.saxutils import escape

from smd_notebook.espi.links import link
from smd_notebook.espi.model import Document, Entry, Other
from smd_notebook.espi.writer import write_document
from smd_notebook.households import BASE
from smd_notebook.practice.clock import iso
from smd_notebook.practice.customers import Customer
from smd_notebook.practice.grants import Authorization

__all__ = [
    "Application",
    "application_feed",
    "authorization_entry",
    "bare",
    "batch_list",
    "customer_feed",
    "join_feeds",
    "only",
    "other_feed",
    "part_of",
    "token_reply",
    "written",
]

_TOKENS = "https://api.pge.com/datacustodian/oauth/v2/token"
_SCOPE = (
    "FB=1_3_8_13_14_18_19_31_32_35_37_38_39_4_5_15_10_16_46_47;AdditionalScope=Usage_Billing_Account_Basic;"
    "IntervalDuration=900_3600;BlockDuration=Daily;HistoryLength=63072000;AccountCollection=n"
)
_ESPI, _ATOM = "http://naesb.org/espi", "http://www.w3.org/2005/Atom"
_ENTRY, _END = b"<ns1:entry", b"</ns1:feed>"
#: Kind of resource -> field of Document that holds it.
_FIELDS = {
    "UsagePoint": "usage_points",
    "MeterReading": "meter_readings",
    "IntervalBlock": "blocks",
    "UsageSummary": "summaries",
    "ReadingType": "reading_types",
    "LocalTimeParameters": "local_times",
}


@dataclass
class Application:
    """The third party as it is registered."""

    redirect_uris: list[str]
    name: str = "Load Profile Study"
    client_id: str = field(default_factory=lambda: token_hex(16))
    client_secret: str = field(default_factory=lambda: token_hex(16), repr=False)
    id: str = field(default_factory=lambda: str(uuid4()))
    third_party_id: str = "50098"
    since: float = 0.0
    notify_url: str | None = None
    portal_uri: str | None = None
    scope_selection_uri: str | None = None
    registration_token: str = field(default="", repr=False)

    @property
    def scope(self) -> str:
        """All that it may ask customers for."""
        return f"{_SCOPE};BR={self.third_party_id};dataCustodianId=PGE"


def token_reply(fields: dict[str, Any], *, xml: bool) -> tuple[bytes, str]:
    """Return a token reply, or an error of the token endpoint, and its Content-Type."""
    if not xml:
        return json.dumps(fields).encode(), "application/json"
    tags = "".join(f"<{key}>{escape(str(value))}</{key}>" for key, value in fields.items())
    return f'<token xmlns="{_TOKENS}">{tags}</token>'.encode(), "application/xml"


def part_of(document: Document, kind: str, path: str = "") -> Document | None:
    """Return a Document with the resources of one kind only, those whose address holds `path`; None where there is none."""
    name = _FIELDS[kind]
    found = tuple(one for one in getattr(document, name) if path in one.entry.href + "/")
    empty: dict[str, Any] = dict.fromkeys((*_FIELDS.values(), "program_mappings", "channels", "findings"), ())
    if kind == "IntervalBlock":  # has its address from what is above it
        empty |= {above: getattr(document, above) for above in ("usage_points", "meter_readings", "reading_types")}
    if kind == "MeterReading":  # without readings, the writer takes them for nothing
        name, found = "others", tuple(Other(kind, {}, one.entry) for one in found)
    return link(replace(document, **(empty | {name: found}))) if found else None


def written(document: Document, endpoint: str, subscription: str, address: str) -> bytes:
    """Return a Document as the utility sends it: in PG&E's style, at its own addresses, under the subscription's id."""
    feed = replace(document.feeds[0], href=address, up="")
    data = write_document(replace(document, feeds=(feed,)), style="pge")
    owner = document.sources[0].encode()
    data = data.replace(b"/Subscription/make-believe-" + owner + b"/", f"/Subscription/{subscription}/".encode())
    return data.replace(BASE.encode(), endpoint.encode())


def _entries(feed: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Return what stands before the entries of a feed, the entries, and what stands behind."""
    begin, end = feed.index(_ENTRY), feed.index(_END)
    return feed[:begin], [_ENTRY + one for one in feed[begin:end].split(_ENTRY)[1:]], feed[end:]


def only(feed: bytes, kind: str) -> bytes:
    """Return a feed with the entries of one kind of resource."""
    before, entries, behind = _entries(feed)
    return before + b"".join(one for one in entries if any(f"<ns0:{kind}{end}".encode() in one for end in " />")) + behind


def bare(feed: bytes) -> bytes:
    """Return the first entry of a feed as a document of its own."""
    first = _entries(feed)[1][0].strip()
    declared = f'{_ENTRY.decode()} xmlns:ns0="{_ESPI}" xmlns:ns2="{_ESPI}/customer"'.encode()
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + first.replace(_ENTRY, declared, 1)


def join_feeds(feeds: Sequence[bytes]) -> bytes | None:
    """Return one feed with the entries of several, each resource once; None of none."""
    if not feeds:
        return None
    before, _, behind = _entries(feeds[0])
    return before + b"".join(dict.fromkeys(one for feed in feeds for one in _entries(feed)[1])) + behind


def other_feed(address: str, title: str, now: float, entries: Iterable[Other]) -> bytes:
    """Return a feed of small resources."""
    feed = Entry(href=address, title=title, published=iso(now), updated=iso(now))
    return write_document(link(Document(feeds=(feed,), others=tuple(entries))), style="pge")


def _other(element: str, node: dict[str, Any], href: str, now: float, *related: str) -> Other:
    entry = Entry(href=href, up=href.rpartition("/")[0], related=related, title=element, published=iso(now), updated=iso(now))
    return Other(element, node, entry)


def authorization_entry(one: Authorization, endpoint: str, application: str, now: float, *, milliseconds: bool, bulk: str = "") -> Other:
    """Return a consent as the utility lists it."""
    times = 1000 if milliseconds else 1
    begin, until = int(one.since), int(one.until or one.since + 31_536_000)
    period = {"duration": str((until - begin) * times), "start": str(begin * times)}
    resource = f"{endpoint}/Batch/Bulk/{bulk}" if bulk else f"{endpoint}/Batch/Subscription/{one.id}"
    node = {
        "authorizedPeriod": period,
        "publishedPeriod": {"duration": str(63_072_000 * times), "start": str((begin - 63_072_000) * times)},
        "status": str(one.status),
        "expires_at": str(until),
        "grant_type": "client_credentials" if bulk else "authorization_code",
        "scope": one.scope,
        "token_type": "Bearer",
        "resourceURI": resource,
        "authorizationURI": f"{endpoint}/Authorization/{one.id}",
    }
    if one.blocks & {46, 47}:
        node["customerResourceURI"] = f"{endpoint}/Batch/RetailCustomer/{one.id}"
    return _other("Authorization", node, f"{endpoint}/Authorization/{one.id}", now, f"{endpoint}/ApplicationInformation/{application}")


def application_feed(application: Application, api: str, portal: str, endpoint: str, now: float) -> bytes:
    """Return what the utility holds about the third party; its secrets too, as PG&E's does."""
    address = f"{endpoint}/ApplicationInformation/{application.id}"
    node: dict[str, Any] = {
        "dataCustodianId": "PGE",
        "dataCustodianApplicationStatus": "2",
        "thirdPartyApplicationDescription": "A made-up study that a practice utility knows",
        "thirdPartyApplicationType": "1",
        "authorizationServerUri": api,
        "thirdPartyNotifyUri": application.notify_url,
        "authorizationServerAuthorizationEndpoint": f"{portal}/myAuthorization",
        "authorizationServerTokenEndpoint": f"{api}/datacustodian/oauth/v2/token",
        "dataCustodianBulkRequestURI": f"{endpoint}/Batch/Bulk/{application.third_party_id}",
        "dataCustodianResourceEndpoint": endpoint,
        "thirdPartyScopeSelectionScreenURI": application.scope_selection_uri,
        "thirdPartyUserPortalScreenURI": application.portal_uri,
        "client_secret": application.client_secret,
        "client_name": application.name,
        "redirect_uri": application.redirect_uris,
        "client_id": application.client_id,
        "software_id": "NA",
        "software_version": "NA",
        "client_id_issued_at": str(1000 * int(application.since)),
        "client_secret_expires_at": "0",
        "token_endpoint_auth_method": "client_secret_basic",
        "scope": application.scope,
        "grant_types": ["authorization_code", "client_credentials", "refresh_token"],
        "response_types": "code",
        "registration_client_uri": address,
        "registration_access_token": application.registration_token,
        "dataCustodianScopeSelectionScreenURI": f"{portal}/myAuthorization?clientId={application.client_id}&verified=true",
    }
    node = {tag: value for tag, value in node.items() if value is not None}
    return other_feed(address, "Application Information", now, [_other("ApplicationInformation", node, address, now)])


def customer_feed(one: Authorization, endpoint: str, now: float) -> bytes:
    """Return the made-up personal data of a consent's customer."""
    customer: Customer = one.customer
    person = f"{endpoint}/RetailCustomer/{one.id}/Customer/1"
    account = f"{person}/CustomerAccount/1"
    address = {
        "streetDetail": {"addressGeneral": customer.address},
        "townDetail": {"code": customer.postcode, "name": "Practice", "stateOrProvince": "CA"},
    }
    found = [
        _other("Customer", {"name": customer.name}, person, now, f"{person}/CustomerAccount"),
        _other("CustomerAccount", {"name": customer.account}, account, now, f"{account}/CustomerAgreement"),
    ]
    for agreement in customer.agreements:
        if agreement.usage_point in one.points:
            href = f"{account}/CustomerAgreement/{agreement.usage_point}"
            found.append(_other("CustomerAgreement", {"name": agreement.usage_point}, href, now, f"{href}/ServiceLocation"))
            found.append(_other("ServiceLocation", {"mainAddress": address}, f"{href}/ServiceLocation/1", now))
    return other_feed(f"{endpoint}/Batch/RetailCustomer/{one.id}", "Green Button Customer Feed", now, found)


def batch_list(addresses: Iterable[str], *, atom: bool, now: float) -> bytes:
    """Return a notification's body."""
    lines = "".join(f"<ns0:resources>{escape(one)}</ns0:resources>" for one in addresses)
    inner = f'<ns0:BatchList xmlns:ns0="{_ESPI}">{lines}</ns0:BatchList>'
    if atom:
        inner = (
            f'<ns1:feed xmlns:ns1="{_ATOM}"><ns1:id>urn:uuid:{uuid4()}</ns1:id><ns1:updated>{iso(now)}</ns1:updated>'
            f"<ns1:entry><ns1:updated>{iso(now)}</ns1:updated><ns1:content>{inner}</ns1:content></ns1:entry></ns1:feed>"
        )
    return inner.encode()
