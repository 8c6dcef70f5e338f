"""The API's resources (protocol.md §1.4): what each path gives to which token."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import partial

from werkzeug.wrappers import Response

from smd_notebook.espi.model import Other
from smd_notebook.households import BASE, shipped
from smd_notebook.practice.call import ATOM, Call, says
from smd_notebook.practice.customers import Window, granted_part
from smd_notebook.practice.grants import Authorization
from smd_notebook.practice.notices import Batch
from smd_notebook.practice.replies import (
    application_feed,
    authorization_entry,
    bare,
    customer_feed,
    join_feeds,
    only,
    other_feed,
    part_of,
    written,
)

__all__ = ["HANDLERS", "PATHS"]

_TREE = "/Subscription/<s>/UsagePoint"
#: Path below the resource endpoint -> name of its handler.
PATHS: dict[str, str] = {
    "/ReadServiceStatus": "status",
    "/DownloadSampleData": "sample",
    "/ApplicationInformation/<i>": "application",
    "/Authorization": "authorizations",
    "/Authorization/<i>": "authorization",
    "/ReadingType": "ReadingType",
    "/ReadingType/<i>": "ReadingType",
    "/LocalTimeParameters": "LocalTimeParameters",
    "/LocalTimeParameters/<i>": "LocalTimeParameters",
    _TREE: "UsagePoint",
    f"{_TREE}/<i>": "UsagePoint",
    f"{_TREE}/<u>/MeterReading": "MeterReading",
    f"{_TREE}/<u>/MeterReading/<i>": "MeterReading",
    f"{_TREE}/<u>/MeterReading/<m>/IntervalBlock": "IntervalBlock",
    f"{_TREE}/<u>/MeterReading/<m>/IntervalBlock/<i>": "IntervalBlock",
    f"{_TREE}/<u>/UsageSummary": "UsageSummary",
    f"{_TREE}/<u>/UsageSummary/<i>": "UsageSummary",
    "/Batch/Subscription/<s>": "subscription",
    "/Batch/Subscription/<s>/UsagePoint/<u>": "point",
    "/Batch/RetailCustomer/<s>": "customer",
    "/Batch/Bulk/<b>": "bulk",
    "/Batch/BulkRetailCustomerInfo/<b>": "bulk_customers",
}


def _atom(data: bytes | None) -> Response:
    """Return a feed; 204 where there is nothing."""
    return Response(status=204) if data is None else Response(data, content_type=ATOM)


def _status(call: Call) -> Response:
    call.needs("client")
    text = '<?xml version="1.0" encoding="UTF-8"?>\n<ServiceStatus xmlns="http://naesb.org/espi"><currentStatus>1</currentStatus></ServiceStatus>'
    return _atom(text.encode())


def _sample(call: Call) -> Response:
    call.needs("client")
    data = gzip.decompress(shipped("solar-home-dst-week.xml.gz").read_bytes())
    return _atom(data.replace(BASE.encode(), call.utility.endpoint.encode()))


def _application(call: Call, i: str) -> Response:
    call.needs("registration")
    utility = call.utility
    if i != utility.application.id:
        raise says(404)
    return _atom(bare(application_feed(utility.application, utility.api, utility.portal, utility.endpoint, call.now)))


def _entry(call: Call, one: Authorization) -> Other:
    own = call.utility.application.third_party_id if "self-access" in call.variants else ""
    milliseconds = "second-periods" not in call.variants
    return authorization_entry(one, call.utility.endpoint, call.utility.application.id, call.now, milliseconds=milliseconds, bulk=own)


def _authorizations(call: Call) -> Response:
    call.needs("client")
    grants = call.utility.grants
    for i in list(grants.authorizations):
        grants.active(i)  # ends what has run out
    return _atom(other_feed(call.address, "Authorizations", call.now, [_entry(call, one) for one in grants.authorizations.values()]))


def _authorization(call: Call, i: str) -> Response:
    call.needs("client")
    grants = call.utility.grants
    grants.active(i)
    if i not in grants.authorizations:
        raise says(404)
    if call.request.method == "DELETE":
        grants.revoke(i)
        return Response(status=200)
    return _atom(bare(other_feed(call.address, "Authorization", call.now, [_entry(call, grants.authorizations[i])])))


# -- a customer's data -------------------------------------------------------------------------------------------------------------------


def _part(call: Call, kind: str, **ids: str) -> Response:
    """Answer for one kind of resource: all of them, or the one with the id `i`."""
    one = call.consent(ids.get("s"))
    if kind in ("MeterReading", "IntervalBlock", "ReadingType") and 4 not in one.blocks:
        raise says(403)
    if kind == "UsageSummary" and not one.blocks & {15, 16}:
        raise says(403)
    window = call.window() if kind in ("IntervalBlock", "UsageSummary") else Window(end=float("-inf"))
    if ids.get("u", one.points[0]) not in one.points:
        raise says(404)
    document = granted_part(one.customer, one.points, one.blocks, window, call.now)
    parts = [f"{name}/{ids[key]}/" for key, name in (("u", "UsagePoint"), ("m", "MeterReading"), ("i", kind)) if key in ids]
    found = part_of(document, kind, "/" + "".join(parts))
    if found is None:
        if "i" in ids:
            raise says(404)
        return _atom(None)
    data = only(written(found, call.utility.endpoint, one.id, call.address), kind)
    return _atom(bare(data) if "i" in ids else data)


def _subscription(call: Call, s: str) -> Response:
    return _batch(call, "data", call.consent(s), sync="sync-batch" in call.variants)


def _point(call: Call, s: str, u: str) -> Response:
    one = call.consent(s)
    if u not in one.points:
        raise says(404)
    return _batch(call, "data", one, u, sync="async-batch" not in call.variants)


def _customer(call: Call, s: str) -> Response:
    one = call.consent(s)
    if not one.blocks & {46, 47}:
        raise says(403)
    return _atom(customer_feed(one, call.utility.endpoint, call.now))


def _bulk(call: Call, b: str) -> Response:
    return _all(call, "data", b)


def _bulk_customers(call: Call, b: str) -> Response:
    return _all(call, "customers", b)


def _all(call: Call, kind: str, bulk: str) -> Response:
    call.needs("client")
    application = call.utility.application
    if bulk not in (application.third_party_id, application.client_id):
        raise says(403)
    return _batch(call, kind, None, sync="sync-batch" in call.variants)


# -- batches -----------------------------------------------------------------------------------------------------------------------------


def _batch(call: Call, kind: str, one: Authorization | None, point: str | None = None, *, sync: bool) -> Response:
    """Answer with the data, or with 202 and a notification whose address gives it."""
    utility = call.utility
    correlation = call.request.args.get("correlationID")
    if correlation is not None:
        made = utility.batches.get(correlation)
        if made is None or made.path != call.request.path:
            raise says(404)
        return _atom(_made(call, made))
    ids = (one.id,) if one else tuple(i for i, each in utility.grants.authorizations.items() if not each.test)
    made = Batch(call.request.path, kind, ids, point, call.window())
    if sync:
        return _atom(_made(call, made))
    if not any(_holds(call, made, each) for each in _active(call, made)):
        return _atom(None)
    utility.batches[made.correlation] = made
    utility.announce([f"{call.address}?correlationID={made.correlation}"], call.fault, variants=call.variants)
    return Response(status=202)


def _active(call: Call, made: Batch) -> list[Authorization]:
    return [one for i in made.ids if (one := call.utility.grants.active(i)) is not None]


def _holds(call: Call, made: Batch, one: Authorization) -> bool:
    if made.kind == "customers":
        return bool(one.blocks & {46, 47})
    document = granted_part(one.customer, one.points if made.point is None else (made.point,), one.blocks, made.window, call.now)
    return bool(document.blocks or document.summaries)


def _made(call: Call, made: Batch) -> bytes | None:
    """Return a batch; None where it is empty."""
    found = []
    for one in _active(call, made):
        if made.kind == "data":
            found.append(call.utility.data(one, call.address, made.window, made.point))
        elif one.blocks & {46, 47}:
            found.append(customer_feed(one, call.utility.endpoint, call.now))
    return join_feeds([one for one in found if one is not None])


HANDLERS: dict[str, Callable[..., Response]] = {
    "status": _status,
    "sample": _sample,
    "application": _application,
    "authorizations": _authorizations,
    "authorization": _authorization,
    "subscription": _subscription,
    "point": _point,
    "customer": _customer,
    "bulk": _bulk,
    "bulk_customers": _bulk_customers,
    **{
        kind: partial(_part, kind=kind)
        for kind in ("UsagePoint", "MeterReading", "IntervalBlock", "UsageSummary", "ReadingType", "LocalTimeParameters")
    },
}
