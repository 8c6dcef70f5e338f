"""What a custodian's resources say: requests with the right token, renewed where it is refused, and small replies as dataclasses."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from smd_notebook.access.credentials import Credentials
from smd_notebook.access.custodian import Custodian
from smd_notebook.access.listing import Point, Table, entries, last_part, points
from smd_notebook.access.scope import Scope
from smd_notebook.access.session import Session
from smd_notebook.access.tokens import Token, Tokens
from smd_notebook.access.windows import Moment, instant, parameters
from smd_notebook.errors import AuthorizationError, BadRequest, ConfigurationError, NotReady, Unavailable
from smd_notebook.espi.resources import ApplicationInformation, Authorization, ServiceStatus, build

if TYPE_CHECKING:
    import requests

__all__ = ["Resources", "Subscription"]

_NO_NUMBER = "no authorization exists yet that names the application's id"
_NUMBER = (
    "Try again when there is one: Self Access users authorize themselves in the utility's portal, a practice utility has one with "
    'variants=["self-access"]. Or pass the id that the portal shows to application_information.'
)


@dataclass(frozen=True)
class Subscription:
    """What one customer granted. Every method of `Client` takes it, or its id.

    Parameters
    ----------
    id : str
        The utility's number of it; a renewed consent has a new one.
    scope : Scope
        What was granted.
    authorization_id : str
        The number of the Authorization, by which it is deleted; empty where it is not known.
    """

    id: str
    scope: Scope = Scope("")
    authorization_id: str = ""

    def __str__(self) -> str:
        return self.id

    def _repr_html_(self) -> str:
        return f"<div><b>Subscription</b> {html.escape(self.id)}{self.scope._repr_html_()}</div>"


class Resources:
    """The resources of a custodian, each as one method; `Client` adds consent and downloads."""

    custodian: Custodian
    credentials: Credentials
    session: Session
    tokens: Tokens

    def _subscription(self, token: Token, said: str = "") -> Subscription:
        if not token.subscription:
            raise Unavailable("the utility's reply does not say which subscription the tokens are for", hint="Write to the utility.")
        scope = next((one for one in (Scope(token.scope), Scope(said)) if one.blocks), Scope(token.scope or said))
        own = last_part(token.authorization_uri) if token.authorization_uri else ""
        return Subscription(token.subscription, scope, own or (token.subscription if self.custodian.authorization_is_subscription else ""))

    def _authorization_id(self, subscription: Subscription | str) -> str:
        if isinstance(subscription, Subscription) and subscription.authorization_id:
            return subscription.authorization_id
        if self.custodian.authorization_is_subscription:
            return str(subscription)
        found = self._subscription(self.tokens.access(str(subscription))).authorization_id
        if not found:
            raise ConfigurationError("the number of this authorization is not known", hint="client.authorizations() lists them.")
        return found

    # -- small resources -----------------------------------------------------------------------------------------------------------------

    def _with(self, token_of: Callable[[], Token], send: Callable[[Token], requests.Response]) -> requests.Response:
        """Send with a token; where it is refused renew it, and send once more."""
        token = token_of()
        try:
            return send(token)
        except AuthorizationError as error:
            if error.status_code not in (401, 403):
                raise
            return send(self.tokens.renewed(token))

    def _get(self, token_of: Callable[[], Token], *parts: str, params: Mapping[str, str] | None = None) -> requests.Response:
        url = self.custodian.url(*parts)
        return self._with(token_of, lambda token: self.session.get(url, token=token.access_token, params=params))

    def _data(self, token_of: Callable[[], Token], *parts: str, params: Mapping[str, str] | None = None) -> bytes:
        """Return a reply's body; empty where there is nothing."""
        reply = self._get(token_of, *parts, params=params)
        if reply.status_code == 202:
            raise NotReady(
                "the utility prepares this, and will notify the registered address",
                hint="Ask again later.",
                status_code=202,
                retryable=True,
            )
        return reply.content

    def _of(self, subscription: Subscription | str) -> Callable[[], Token]:
        return lambda: self.tokens.access(str(subscription))

    def service_status(self) -> ServiceStatus:
        """Return whether the utility's service is up (ReadServiceStatus)."""
        return cast("ServiceStatus", _one(ServiceStatus, self._data(self.tokens.client, "ReadServiceStatus")))

    def sample_data(self) -> bytes:
        """Return the utility's own sample (DownloadSampleData), for `smd_notebook.read`."""
        return self._data(self.tokens.client, "DownloadSampleData")

    def authorizations(self) -> Table[Authorization]:
        """Return all authorizations that customers gave this third party; `entry.id` is the number of each."""
        data = self._data(self.tokens.client, "Authorization")
        return Table(build(Authorization, node, entry=entry) for entry, name, node in _entries(data) if name == "Authorization")

    def authorization(self, subscription: Subscription | str) -> Authorization:
        """Return one authorization: its status, scope and period.

        Parameters
        ----------
        subscription : Subscription or str
            Which.
        """
        data = self._data(self.tokens.client, "Authorization", self._authorization_id(subscription))
        return cast("Authorization", _one(Authorization, data))

    def own_authorization(self) -> Authorization | None:
        """Return the authorization of one's own data, which Self Access users give in the utility's portal.

        Returns
        -------
        Authorization or None
            That which is active and names a batch (``…/Batch/Bulk/{BulkID}``) as its resource; None for other user types.
        """
        return next((one for one in self.authorizations() if one.status == 1 and "/batch/bulk/" in (one.resource_uri or "").lower()), None)

    def application_information(self, id: str | None = None) -> ApplicationInformation:  # noqa: A002 - as ESPI calls it
        """Return what the utility holds about this application, its secrets hidden.

        Parameters
        ----------
        id : str, optional
            The ApplicationInformation's number, as the utility's portal shows it; by default the one that authorizations are linked to,
            or while there is none that of the third party.

        Raises
        ------
        ConfigurationError
            Where no registration token is set, or no number is known.
        BadRequest
            Where there is nothing under that number.
        """
        token = self.tokens.registration()
        known = id or self._application_id()
        number = known or self.credentials.third_party_id
        if not number:
            raise ConfigurationError(_NO_NUMBER, hint=_NUMBER)
        try:
            found = self.session.get(self.custodian.url("ApplicationInformation", number), token=token.access_token)
        except BadRequest as error:
            if known or error.status_code != 404:
                raise
            text = f"{_NO_NUMBER}, and the third party's number is not that id (HTTP 404)"
            raise BadRequest(text, hint=_NUMBER, status_code=404, ids=error.ids) from None
        return cast("ApplicationInformation", _one(ApplicationInformation, found.content))

    def _application_id(self) -> str | None:
        """Return the number that the authorizations are linked to, if any."""
        for authorization in self.authorizations():
            for link in authorization.entry.links:
                if "/applicationinformation/" in link.lower():  # utilities do not agree on how it is written
                    return last_part(link)
        return None

    def usage_points(self, subscription: Subscription | str) -> Table[Point]:
        """Return the usage points of a subscription.

        Parameters
        ----------
        subscription : Subscription or str
            Whose.
        """
        data = self._data(self._of(subscription), "Subscription", str(subscription), "UsagePoint")
        return points(data) if data else Table()

    def readings(self, subscription: Subscription | str, usage_point: str, start: Moment, end: Moment) -> bytes:
        """Return the raw feed of a short window, for `smd_notebook.read`; nothing is archived. For more than days use `download`.

        Parameters
        ----------
        subscription : Subscription or str
            Whose.
        usage_point : str
            Which.
        start, end : str, int, float, date or datetime
            The window; `end` is exclusive.

        Returns
        -------
        bytes
            The reply; empty where the utility holds nothing.
        """
        window = instant(start, self.custodian.zone), instant(end, self.custodian.zone)
        parts = "Batch", "Subscription", str(subscription), "UsagePoint", usage_point
        return self._data(self._of(subscription), *parts, params=parameters(self.custodian, window))

    def summaries(self, subscription: Subscription | str, usage_point: str) -> bytes:
        """Return the raw feed of a usage point's bills (UsageSummary), for `smd_notebook.read`.

        Parameters
        ----------
        subscription : Subscription or str
            Whose.
        usage_point : str
            Which.
        """
        return self._data(self._of(subscription), "Subscription", str(subscription), "UsagePoint", usage_point, "UsageSummary")

    def customer(self, subscription: Subscription | str) -> bytes:
        """Return the raw feed of the customer's own resources (RetailCustomer), for `smd_notebook.read`.

        Parameters
        ----------
        subscription : Subscription or str
            Whose.
        """
        return self._data(self._of(subscription), "Batch", "RetailCustomer", str(subscription))


def _entries(data: bytes) -> list[Any]:
    return entries(data) if data else []


def _one(cls: type[Any], data: bytes) -> Any:
    """Return the one resource of a reply, as a dataclass."""
    for entry, name, node in _entries(data):
        if name.lower() == cls.__name__.lower():
            return build(cls, node, entry=entry)
    raise Unavailable(f"the utility's reply holds no {cls.__name__}", hint="Try again later; its service may be down.", retryable=True)
