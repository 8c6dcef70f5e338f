"""`Sandbox`: the practice utility as one object."""

from __future__ import annotations

import json
import ssl
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from html import escape
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from smd_notebook.errors import ConfigurationError, needs
from smd_notebook.practice.clock import Clock
from smd_notebook.practice.robot import Visit
from smd_notebook.practice.variants import checked

if TYPE_CHECKING:
    from smd_notebook.access.credentials import Credentials
    from smd_notebook.access.custodian import Custodian
    from smd_notebook.feed import Feed
    from smd_notebook.practice.customers import Customer
    from smd_notebook.practice.faults import FaultQueue
    from smd_notebook.practice.utility import Seen, Utility

__all__ = ["Sandbox"]

_HOUSEHOLDS = ("solar-home", "ev-home", "heat-pump-home", "apartment")


class Sandbox:
    """A practice utility on this machine: it speaks as PG&E's Share My Data does, and all its customers are made up.

    It works from the moment it is made until `close`, or the end of its ``with`` block: a portal for the browser, on plain HTTP, and an
    API behind mutual TLS, both on 127.0.0.1 only, with a throwaway certificate authority.

    Parameters
    ----------
    variants : iterable of str
        In which ways it is to differ from what PG&E does; `docs/practice.md` has the names.
    households : sequence of str
        Whose data its customers have, as `smd_notebook.sample` names them; ``"apartment:7"`` is that of seed 7.
    rate_limits : bool
        Whether it refuses more than 1 request a second, 2000 in an hour, 20 000 from 17:00 to 17:00 Pacific.
    port, portal_port : int
        Ports of the API and of the portal; 0 means any that is free.
    notify_url : str, optional
        Where it brings notifications. Without, it keeps them in `notices` only.
    portal_uri : str, optional
        Where it sends customers who begin at the utility.
    scope_selection_uri : str, optional
        Where its OAuth test sends the browser first; by default to a page of the portal that shows the address for copying.
    redirect_uris : iterable of str
        Addresses to which customers may be sent back, beyond those of this machine.
    folder : str or Path, optional
        Where certificates and keys are kept while it runs, in files of mode 0600; by default in a new temporary folder.
    clock : callable, optional
        What time it is for the utility [s since 1970-01-01T00:00Z]; by default as late as it is.

    Attributes
    ----------
    custodian, test_custodian : Custodian
        What a client needs to know of it; the second is that of the connectivity tests.
    credentials : Credentials
        Made-up ones of the third party that it knows.
    customers : tuple of Customer
        The made-up people.
    faults : FaultQueue
        What is to go wrong: ``faults.add("truncated", path="*/Batch/*")``.
    clock : Clock
        Its clock; ``clock.advance(3600)`` lets tokens expire.

    Raises
    ------
    ConfigurationError
        Where the extra `practice` is not installed, a port is taken, or a name of a variant or household is unknown.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> with smd.Sandbox(households=["apartment"]) as utility:
    ...     address = utility.custodian.authorization_endpoint
    ...     utility.consent(f"{address}?client_id=nobody")
    Traceback (most recent call last):
    ...
    smd_notebook.errors.ConfigurationError: the practice utility says: The company that sent you is not known to us (client_id).
    """

    def __init__(
        self,
        *,
        variants: Iterable[str] = (),
        households: Sequence[str] = _HOUSEHOLDS,
        rate_limits: bool = False,
        port: int = 0,
        portal_port: int = 0,
        notify_url: str | None = None,
        portal_uri: str | None = None,
        scope_selection_uri: str | None = None,
        redirect_uris: Iterable[str] = (),
        folder: str | Path | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        for package in ("werkzeug", "trustme"):
            needs("The practice utility", package, "practice")
        from smd_notebook.access.files import private_folder
        from smd_notebook.practice.api import Api
        from smd_notebook.practice.certificates import Certificates
        from smd_notebook.practice.customers import customers_of
        from smd_notebook.practice.notices import Courier
        from smd_notebook.practice.portal import Portal
        from smd_notebook.practice.replies import Application
        from smd_notebook.practice.server import Server
        from smd_notebook.practice.utility import Utility, post_to

        chosen = checked(variants)
        application = Application([], notify_url=notify_url, portal_uri=portal_uri, scope_selection_uri=scope_selection_uri)
        self.clock = Clock(clock)
        self._rate_limits = rate_limits
        customers = customers_of(households)
        with ExitStack() as undo:
            temporary = None if folder else undo.enter_context(tempfile.TemporaryDirectory(prefix="practice-"))
            self.folder = private_folder(Path(folder or temporary or "").resolve())
            self._files = Certificates(self.folder)
            undo.callback(self._files.remove)
            deliver = None
            if notify_url is not None:
                deliver = partial(post_to, notify_url, self._files.ca, self._files.notifier, self._files.notifier_key)
            courier = Courier(deliver)
            undo.callback(courier.close)
            self._utility: Utility = Utility(customers, application, chosen, self.clock, courier=courier, rate_limits=rate_limits)
            newest = ssl.TLSVersion.TLSv1_2 if "tls-1.2" in chosen else ssl.TLSVersion.MAXIMUM_SUPPORTED
            portal = Server(Portal(self._utility), portal_port)
            undo.callback(portal.close)
            self._utility.portal = f"http://127.0.0.1:{portal.port}"
            api = Server(Api(self._utility, self._files.registered), port, self._files.context(newest=newest))
            undo.callback(api.close)
            self._utility.api = f"https://127.0.0.1:{api.port}"
            if "self-access" in chosen:
                own = customers[0]
                self._utility.grant(own, [one.usage_point for one in own.agreements], ("usage", "billing"), None)
            application.redirect_uris = [f"{self._utility.portal}/callback", *redirect_uris]
            undo.callback(self._utility.closing.set)
            self._undo = undo.pop_all()

    # -- what a client needs -------------------------------------------------------------------------------------------------------------

    @property
    def custodian(self) -> Custodian:
        """What a client needs to know of this utility."""
        return self._custodian("practice", "myAuthorization", "")

    @property
    def test_custodian(self) -> Custodian:
        """The same, with the OAuth endpoints of the connectivity tests."""
        return self._custodian("practice-test", "testAuthorization", "test/")

    def _custodian(self, name: str, page: str, test: str) -> Custodian:
        from smd_notebook.access.custodian import Custodian, Limits

        variants = self._utility.variants
        return Custodian(
            name=name,
            title="Practice utility",
            authorization_endpoint=f"{self.portal_url}/{page}",
            token_endpoint=f"{self._utility.api}/datacustodian/{test}oauth/v2/token",
            resource_endpoint=self._utility.endpoint,
            mutual_tls=True,
            ca_bundle=str(self._files.ca),
            client_auth="post" if "post-credentials" in variants else "basic",
            token_parameters="query" if "query-parameters" in variants else "body",
            window="iso" if "iso-windows" in variants else "epoch",
            limits=Limits() if self._rate_limits else Limits(None, None, None),
            vendor="practice",
            zone="America/Los_Angeles",
            identity_unique=True,
            authorization_is_subscription=True,
        )

    @property
    def credentials(self) -> Credentials:
        """Made-up credentials of the third party that this utility knows."""
        from smd_notebook.access.credentials import Credentials
        from smd_notebook.espi.resources import Secret

        application = self._utility.application
        return Credentials(
            client_id=application.client_id,
            client_secret=Secret(application.client_secret),
            certificate=self._files.client,
            key=self._files.client_key,
            registration_token=Secret(application.registration_token),
            redirect_uri=application.redirect_uris[0],
            third_party_id=application.third_party_id,
            bulk_id=application.third_party_id,
        )

    @property
    def portal_url(self) -> str:
        """The portal's first page."""
        return self._utility.portal

    @property
    def application_id(self) -> str:
        """The ApplicationInformation's id."""
        return self._utility.application.id

    @property
    def customers(self) -> tuple[Customer, ...]:
        """The made-up people."""
        return self._utility.customers

    # -- what tests need -----------------------------------------------------------------------------------------------------------------

    @property
    def faults(self) -> FaultQueue:
        """What is to go wrong."""
        return self._utility.faults

    @property
    def requests(self) -> list[Seen]:
        """The requests that the API had so far, without secrets."""
        return list(self._utility.seen)

    @property
    def notices(self) -> list[bytes]:
        """The notifications that were sent so far, whether or not somebody took them."""
        return [one.body for one in self._utility.courier.sent]

    def wait_for_notices(self, number: int = 1, *, timeout: float = 10.0) -> list[bytes]:
        """Wait until so many notifications were sent, and return all.

        Parameters
        ----------
        number : int
            How many.
        timeout : float
            How long to wait at most [s].
        """
        self._utility.courier.wait(number, timeout)
        return self.notices

    def consent(
        self,
        authorization_url: str,
        *,
        customer: int | str = 0,
        deny: bool = False,
        guest: bool = False,
        usage_points: Sequence[str] | None = None,
        groups: Sequence[str] = ("usage", "billing"),
        until: str | None = None,
    ) -> str:
        """Play the customer: open the address, sign in, choose, authorize; return where the utility sends the browser then.

        For tests, and for notebooks where no browser is. It goes through the very pages that a browser shows.

        Parameters
        ----------
        authorization_url : str
            Where the third party sends its customer.
        customer : int or str
            Who: the number or the name of one of `customers`. The OAuth test has a customer of its own.
        deny : bool
            Choose Cancel.
        guest : bool
            Sign in by account number and ZIP code.
        usage_points : sequence of str, optional
            Service agreements to tick, by the ids of their UsagePoints; by default all.
        groups : sequence of str
            Kinds of data to tick: ``"usage"``, ``"billing"``, ``"account"``.
        until : str, optional
            The last day of access, ``"2027-12-31"``; by default until the customer stops it.

        Returns
        -------
        str
            The address of the third party with the code, or the error, in its query.

        Raises
        ------
        ConfigurationError
            Where there is no such customer or group, or a page shows an error instead of sending the customer on; with its words.
        """
        from smd_notebook.practice.customers import GROUPS

        who = next((one for number, one in enumerate(self.customers) if customer in (number, one.name)), None)
        if who is None:
            raise ConfigurationError(
                f"there is no customer {customer!r}", hint="Known: " + ", ".join(one.name for one in self.customers) + "."
            )
        if unknown := [one for one in groups if one not in GROUPS]:
            raise ConfigurationError(f"no group of data is called {unknown[0]!r}", hint="Give a list of: " + ", ".join(GROUPS) + ".")
        visit = Visit(authorization_url + ("&login=guest" if guest else ""), self.portal_url)
        if visit.left is None and visit.asks("password", "account"):
            shown = {"account": who.account, "postcode": who.postcode} if guest else {"email": who.email, "password": who.password}
            visit.submit({**shown, "go": "sign-in"})
        if visit.left is None:
            choices: dict[str, str | Iterable[str]] = {"group": groups, "go": "cancel" if deny else "authorize"}
            if usage_points is not None:
                choices["agreement"] = usage_points
            if until is not None:
                choices |= {"length": "date", "until": until}
            visit.submit(choices)
        if visit.left is None:
            raise ConfigurationError(f"the practice utility says: {visit.alert}")
        return visit.left

    def held(self, subscription: Any) -> Feed:
        """Return what the utility holds of what a customer granted, read by this package, with all there is until now.

        Parameters
        ----------
        subscription : str or Subscription
            Its id.

        Returns
        -------
        Feed
            All days and bills; the same values, identifiers and addresses as a download brings.

        Raises
        ------
        ConfigurationError
            Where there is no such subscription, or nothing in it.
        """
        from smd_notebook.feed import read
        from smd_notebook.practice.customers import Window

        one = self._utility.grants.authorizations.get(str(subscription))
        if one is None:
            raise ConfigurationError("the practice utility knows no such subscription")
        data = self._utility.data(one, f"{self._utility.endpoint}/Batch/Subscription/{one.id}", Window())
        if data is None:
            raise ConfigurationError("there are no readings or bills in what was granted")
        return read(data)

    def revoke(self, subscription: Any) -> None:
        """End a consent, as its customer may on the portal; the third party is notified.

        Parameters
        ----------
        subscription : str or Subscription
            Its id.
        """
        self._utility.revoke(str(subscription))

    # -- on its own ----------------------------------------------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Return all that a third party's software needs, secrets too, ready for JSON: what ``sandbox.json`` holds."""
        files, application, custodian = self._files, self._utility.application, self.custodian
        return {
            "portal": self.portal_url,
            "authorization_endpoint": custodian.authorization_endpoint,
            "token_endpoint": custodian.token_endpoint,
            "test_authorization_endpoint": self.test_custodian.authorization_endpoint,
            "test_token_endpoint": self.test_custodian.token_endpoint,
            "resource_endpoint": custodian.resource_endpoint,
            "issuer": self._utility.api if "fapi" in self._utility.variants else None,
            "client_id": application.client_id,
            "client_secret": application.client_secret,
            "registration_access_token": application.registration_token,
            "application_information_id": application.id,
            "third_party_id": application.third_party_id,
            "bulk_id": application.third_party_id,
            "redirect_uris": application.redirect_uris,
            "notify_url": application.notify_url,
            "portal_uri": application.portal_uri,
            "scope_selection_uri": application.scope_selection_uri,
            "ca": str(files.ca),
            "certificate": str(files.client),
            "key": str(files.client_key),
            "inbox_certificate": str(files.inbox),
            "inbox_key": str(files.inbox_key),
            "notifier_name": files.notifier_name,
            "rate_limits": self._rate_limits,
            "variants": sorted(self._utility.variants),
            "customers": [
                {name: getattr(one, name) for name in ("name", "email", "password", "account", "postcode", "household", "seed")}
                for one in self.customers
            ],
        }

    def write_description(self) -> Path:
        """Write `describe` to ``sandbox.json`` in its folder, mode 0600, and return the path; `close` deletes it."""
        return self._files.write("sandbox.json", json.dumps(self.describe(), indent=2).encode())

    def close(self) -> None:
        """Stop: no thread, socket or file is left. Doing it twice is no error."""
        self._undo.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Sandbox: portal {self.portal_url}, API {self._utility.api}>"

    def _repr_html_(self) -> str:
        people = "".join(f"<li>{escape(one.name)}: {escape(one.household)}</li>" for one in self.customers)
        return f"<p>A practice utility. Its portal: <code>{self.portal_url}</code>. Its customers:</p><ul>{people}</ul>"
