"""The utility behind its two doors: who is registered, what was granted, what is counted, noted and sent. No HTTP here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from threading import Event, Lock

from smd_notebook.practice.clock import Clock
from smd_notebook.practice.customers import Customer, Window, granted_part, scope_of
from smd_notebook.practice.faults import Fault, FaultQueue
from smd_notebook.practice.grants import Authorization, Grants
from smd_notebook.practice.limits import Counter
from smd_notebook.practice.notices import Batch, Courier
from smd_notebook.practice.replies import Application, batch_list, written

__all__ = ["RESOURCES", "Seen", "Utility", "post_to"]

RESOURCES = "/GreenButtonConnect/espi/1_1/resource"
#: After which real time a notification follows [s]; at PG&E 10 to 120.
_SOON = 0.2
#: How long whoever is notified may take [s].
_PATIENCE = 10.0


@dataclass(frozen=True)
class Seen:
    """A request to the API, as the log keeps it: no code, token, secret or body.

    Parameters
    ----------
    method, path, query : str
        What was asked; in the query only what is no secret.
    token : str
        Class of the token that was shown, ``"client"``, ``"access"`` or ``"registration"``; ``"unknown"``; or nothing.
    grant : str
        The grant_type of a token request.
    status : int
        Of the reply; 0 where the connection was closed without one.
    fault : bool
        Whether a fault had a hand in it.
    at : float
        When, by the utility's clock [s since 1970-01-01T00:00Z].
    """

    method: str
    path: str
    query: str
    token: str
    grant: str
    status: int
    fault: bool
    at: float


class Utility:
    """All that the portal and the API share."""

    def __init__(
        self,
        customers: Sequence[Customer],
        application: Application,
        variants: frozenset[str],
        clock: Clock,
        *,
        courier: Courier,
        rate_limits: bool,
    ) -> None:
        self.customers = tuple(customers)
        self.application = application
        self.variants = variants
        self.clock = clock
        self.grants = Grants(clock)
        self.faults = FaultQueue()
        self.counter = Counter(clock) if rate_limits else None
        self.seen: list[Seen] = []
        self.batches: dict[str, Batch] = {}
        self.closing = Event()
        self.courier = courier
        self.api = self.portal = ""
        self._lock = Lock()
        application.since = clock()
        application.registration_token = self.grants.issue("registration", float("inf"))

    @property
    def endpoint(self) -> str:
        """What the addresses of all resources begin with."""
        return self.api + RESOURCES

    def record(self, seen: Seen) -> None:
        """Keep a request in the log."""
        with self._lock:
            self.seen.append(seen)

    def grant(
        self, customer: Customer, points: Sequence[str], groups: Sequence[str], until: float | None, *, test: bool = False
    ) -> Authorization:
        """Take down what a customer consents to."""
        agreements = [one for one in customer.agreements if one.usage_point in points]
        scope, blocks = scope_of(agreements, groups, self.application.third_party_id)
        return self.grants.authorize(customer, tuple(one.usage_point for one in agreements), blocks, scope, until, test=test)

    def data(self, one: Authorization, address: str, window: Window, point: str | None = None) -> bytes | None:
        """Return the feed of a consent's data in a window; None where there is none."""
        points = one.points if point is None else (point,)
        document = granted_part(one.customer, points, one.blocks, window, self.clock())
        if not document.blocks and not document.summaries:
            return None
        return written(document, self.endpoint, one.id, address)

    def announce(self, addresses: Sequence[str], fault: Fault | None = None, *, variants: frozenset[str] = frozenset()) -> None:
        """Notify the third party, as a fault has it."""
        how = fault.notify if fault else ""
        if how == "never":
            return
        if how == "foreign":
            addresses = ["https://elsewhere.invalid" + RESOURCES + "/Batch/Bulk/1?correlationID=" + token_hex(16), *addresses]
        body = batch_list(addresses, atom="atom-notifications" in variants, now=self.clock())
        if how == "early":
            self.courier.bring(body)
            return
        for number in range(2 if how == "twice" else 1):
            self.courier.send(body, (fault.late if fault and how == "late" else _SOON) + number * 0.05)

    def revoke(self, authorization: str) -> None:
        """End a consent, as its customer may at the utility's portal; the third party is told."""
        if self.grants.revoke(authorization):
            self.announce([f"{self.endpoint}/Authorization/{authorization}"], variants=self.variants)


def post_to(url: str, ca: Path, certificate: Path, key: Path, body: bytes) -> bool:
    """Bring a notification; tell whether it was taken."""
    import requests

    with requests.Session() as session:
        session.trust_env = False
        reply = session.post(
            url,
            data=body,
            headers={"Content-Type": "application/atom+xml"},
            timeout=_PATIENCE,
            verify=str(ca),
            cert=(str(certificate), str(key)),
            allow_redirects=False,
        )
        return reply.ok
