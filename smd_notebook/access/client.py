"""`Client`: what a third party may ask of a custodian, from consent to an archive of replies."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import quote, urlencode

from smd_notebook.access.archive import Download, folder_of
from smd_notebook.access.bulk import Bulk, is_batch
from smd_notebook.access.credentials import Credentials
from smd_notebook.access.custodian import Custodian
from smd_notebook.access.fetching import fill, known_points, remember_points
from smd_notebook.access.guard import discreet
from smd_notebook.access.limits import GateStatus, RateGate
from smd_notebook.access.redirect import parse_redirect
from smd_notebook.access.resources import Subscription
from smd_notebook.access.session import Session
from smd_notebook.access.tokens import MemoryStore, Store, Token, Tokens, default_store
from smd_notebook.access.windows import Moment, instant
from smd_notebook.errors import AuthorizationError, BadRequest, ConfigurationError, Network, StateMismatch, Unavailable
from smd_notebook.espi.resources import Secret

__all__ = ["Client", "Subscription"]

#: Links that were shown and not answered yet: more than these are nobody's.
_MOST_PENDING = 32


class Client(Bulk):
    """A third party's view of one custodian.

    Parameters
    ----------
    custodian : Custodian
        The utility, such as ``smd_notebook.custodians.PGE``.
    credentials : Credentials
        What the utility knows this third party by.
    store : Store, optional
        Where tokens are kept; by default private files of the user. Those of a practice utility, and on Binder all, are kept in memory.
    gate : RateGate, optional
        What keeps below the utility's limits; by default one that all kernels of the user share.
    session : Session, optional
        The connection; by default one of this custodian and credentials.
    clock : callable, optional
        What time it is [s since 1970-01-01T00:00Z]; for tests.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> with smd.Sandbox(households=["apartment"]) as utility:
    ...     client = smd.Client(utility.custodian, utility.credentials)
    ...     redirected = utility.consent(client.authorization_url())
    ...     subscription = client.exchange(redirected)
    ...     [point.service for point in client.usage_points(subscription)]
    ['electricity', 'gas']
    """

    def __init__(
        self,
        custodian: Custodian,
        credentials: Credentials,
        *,
        store: Store | None = None,
        gate: RateGate | None = None,
        session: Session | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.custodian, self.credentials, self._clock = custodian, credentials, clock
        self.gate = gate or RateGate(custodian.limits, vendor=custodian.vendor, client_id=credentials.client_id)
        self.session = session or Session(custodian, credentials, gate=self.gate)
        self.tokens = Tokens(self.session, store or (MemoryStore() if custodian.local else default_store()), clock=clock)
        self._pending: dict[str, str] = {}  # state -> where the answer comes back to

    def __repr__(self) -> str:
        return f"<Client: {self.custodian.title}>"

    # -- consent -------------------------------------------------------------------------------------------------------------------------

    def authorization_url(self, state: Secret | str | None = None, *, scope: str | None = None, redirect_uri: str | None = None) -> str:
        """Return the address at which a customer consents, in a browser.

        Parameters
        ----------
        state : Secret or str, optional
            What the answer has to bring back; by default fresh, and remembered by this client.
        scope : str, optional
            What to ask for; by default what the custodian wants asked.
        redirect_uri : str, optional
            Where the answer comes back to; by default the address of the credentials.

        Returns
        -------
        str
            An address for one customer, once.

        Raises
        ------
        ConfigurationError
            Where the credentials have no redirect address, or the utility publishes no consent page.

        Notes
        -----
        A consent that begins at the utility's own pages arrives with a scope
        (`smd_notebook.access.redirect.parse_first_redirect`): pass it on as `scope`.
        """
        redirect_uri = redirect_uri or self.credentials.redirect_uri
        if not redirect_uri:
            raise ConfigurationError("no redirect address is set", hint="Set SMD_REDIRECT_URI to the one registered at the utility.")
        if not self.custodian.authorization_endpoint:
            raise ConfigurationError(
                f"{self.custodian.title} publishes no consent page", hint="Set authorization_endpoint in its TOML file."
            )
        text = state.reveal() if isinstance(state, Secret) else state or secrets.token_urlsafe(32)
        self._pending.pop(text, None)
        self._pending[text] = redirect_uri
        while len(self._pending) > _MOST_PENDING:
            del self._pending[next(iter(self._pending))]
        policy = self.custodian.authorization_scope
        asked = scope or ("" if policy == "omit" else policy)
        given = {
            "client_id": self.credentials.client_id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "state": text,
            **({"scope": asked} if asked else {}),
            **dict(self.custodian.authorization_extras),
        }
        endpoint = self.custodian.authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(given, quote_via=quote)}"

    @discreet
    def exchange(self, redirected: Secret | str) -> Subscription:
        """Exchange what the browser brought back for tokens, and store them.

        Parameters
        ----------
        redirected : Secret or str
            The whole address that the browser shows at the end, its query, or the code alone.

        Returns
        -------
        Subscription
            What was granted.

        Raises
        ------
        Denied
            The customer did not agree.
        StateMismatch
            It answers no link of this client.
        Expired
            The code is no longer good; it lives some minutes.
        AuthorizationError, ServiceError
            What else the utility answered.
        """
        text = redirected.reveal() if isinstance(redirected, Secret) else redirected
        # Where nothing is awaited an address is refused by a state that nobody can know; a code alone is a person's word.
        error: StateMismatch | None = None
        for state in [*reversed(self._pending), *(() if self._pending else (secrets.token_urlsafe(32),))]:
            try:
                found = parse_redirect(text, Secret(state))
            except StateMismatch as mismatch:
                error = mismatch
            except AuthorizationError:
                self._pending.pop(state, None)
                raise
            else:
                break
        else:
            raise error if error is not None else StateMismatch("nothing is awaited")
        back = self._pending.get(state) or self.credentials.redirect_uri or ""
        if found.proved:
            self._pending.pop(state, None)
        try:
            token = self.tokens.exchange(found.code, back)
        except (Network, ConfigurationError) as error:
            if found.proved and (error.retryable or isinstance(error, ConfigurationError)):  # it never left, and may be sent again
                self._pending[state] = back
            raise
        return self._subscription(token, found.scope)

    def refresh(self, subscription: Subscription | str) -> Token:
        """Renew the tokens of a subscription now; methods that need them do so by themselves when it is time.

        Parameters
        ----------
        subscription : Subscription or str
            Whose.
        """
        return self.tokens.refresh(str(subscription))

    def client_token(self) -> Token:
        """Return the client access token, from the store or a new one."""
        return self.tokens.client()

    def revoke(self, subscription: Subscription | str, *, confirm: bool | Callable[[str], bool] | None = None) -> bool:
        """Delete an authorization at the utility, and forget its tokens. Only a new consent of the customer brings it back.

        Parameters
        ----------
        subscription : Subscription or str
            Which.
        confirm : bool or callable, optional
            True, or a function that is asked with a question and says whether to go on; by default a person is asked here.

        Returns
        -------
        bool
            Whether it is deleted; False where nobody confirmed.

        Raises
        ------
        AuthorizationError, ServiceError
            Where the utility did not do it; the tokens are kept then.
        """
        number = self._authorization_id(subscription)
        question = f"Delete authorization {number} at {self.custodian.title}? It cannot be brought back. Type yes: "
        if not (confirm(question) if callable(confirm) else _ask(question) if confirm is None else confirm):
            return False
        url = self.custodian.url("Authorization", number)
        try:
            self._with(self.tokens.client, lambda token: self.session.delete(url, token=token.access_token))
        except BadRequest as error:
            # gone is as good as deleted, if it is gone: a wrong address has nothing under it either
            listed = error.status_code in (404, 410) and any(one.entry.id == number and one.status == 1 for one in self.authorizations())
            if listed or error.status_code not in (404, 410):
                raise
        self.tokens.forget(str(subscription), news="revoked")
        return True

    def status(self) -> GateStatus:
        """Return how many requests were made, and when the next may go."""
        return self.gate.status()

    def now(self) -> int:
        """Return what time it is for this client [s since 1970-01-01T00:00Z]."""
        return int(self._clock())

    # -- data ----------------------------------------------------------------------------------------------------------------------------

    def download(
        self,
        subscription: Subscription | str,
        start: Moment,
        end: Moment | None = None,
        usage_point: str | None = None,
        to: str | Path = "raw/",
        *,
        progress: bool = True,
        stop: Event | None = None,
    ) -> Download:
        """Download readings and bills into an archive of raw replies; what is there already is not asked for again.

        Parameters
        ----------
        subscription : Subscription or str
            Whose.
        start, end : str, int, float, date or datetime
            The window; a date is its midnight at the utility, and `end` is exclusive. By default, and where it is to come, `end` is now.
        usage_point : str, optional
            Which; by default all.
        to : str or Path
            The archive's folder. Files in it are for the user alone.
        progress : bool
            Whether to show a bar.
        stop : threading.Event, optional
            Ends it before the next chunk, once it is set: for a download in a thread, which no interrupt reaches.

        Returns
        -------
        Download
            The archive, for `smd_notebook.read`; incomplete where it was stopped.

        Raises
        ------
        NotReady
            The utility answers later, by a notification.
        AuthorizationError, ServiceError
            What the utility answered. What came before is archived, and the same call goes on from there.
        ConfigurationError
            Where the window is empty, or another download is writing into the same folder, or it cannot be written.
        """
        zone, now, name = self.custodian.zone, self.now(), str(subscription)
        until = None if end is None else instant(end, zone)
        begin, last = instant(start, zone), now if until is None else min(until, now)
        if not begin < last:
            raise ConfigurationError("this window is empty", hint="`start` has to be before `end`, and before now.")
        root = folder_of(to, self.custodian.name).parent
        if usage_point is None:
            got = self._archive(name, known_points(root, self.custodian.name, name), begin, last, until, root)
            if got.folders and got.complete:
                return got
            found = [one.id for one in self.usage_points(subscription)]
            if not found:
                raise Unavailable("the utility lists no usage point for this subscription", hint="Look at client.authorizations().")
            remember_points(root, self.custodian.name, name, found)
        else:
            found = [usage_point]
        got = self._archive(name, found, begin, last, until, root)
        self._fill(got, progress=progress, stop=stop)
        return got

    def update(self, download: Download, subscription: Subscription | str | None = None, *, progress: bool = True) -> Download:
        """Fetch what is new in a download's window, and what was provisional when it was archived: young, or of lesser quality.

        Parameters
        ----------
        download : Download
            What to update.
        subscription : Subscription or str, optional
            Another one, where the customer consented anew, which ends the old one.
        progress : bool
            Whether to show a bar.

        Returns
        -------
        Download
            The same archive, up to now, or to the end that was asked for.

        Raises
        ------
        NotReady, AuthorizationError, ServiceError, ConfigurationError
            As for `download`; an archive of `download_bulk` is renewed by that, with ``anew=True``.
        """
        if is_batch(download):
            raise ConfigurationError(
                "this archive came by a bulk request, which needs an inbox",
                hint="Call client.download_bulk with the same window and anew=True: it asks again for what may have changed.",
            )
        now = self.now()
        last = max(download.end, now if download.until is None else min(download.until, now))
        name = download.subscription if subscription is None else str(subscription)
        if subscription is not None and not self.custodian.identity_unique:
            got = self._archive(name, [point for point, _ in download.folders], download.start, last, download.until, download.to)
        else:
            got = replace(download, subscription=name, end=last)
        self._fill(got, renew=True, progress=progress)
        return got

    def _archive(self, subscription: str, found: list[str], begin: int, last: int, until: int | None, root: Path) -> Download:
        """Return the download as it stands. Where a usage point is unique for ever its folder outlives the subscription."""
        above = (self.custodian.name,) if self.custodian.identity_unique else (self.custodian.name, subscription)
        folders = tuple((point, folder_of(root, *above, point)) for point in found)
        return Download(self.custodian.name, subscription, begin, last, root, folders, until)

    def _fill(self, got: Download, **more: Any) -> None:
        parts = "Batch", "Subscription", got.subscription, "UsagePoint"
        token_of = self._of(got.subscription)
        fill(got, self.custodian, lambda point, params: self._get(token_of, *parts, point, params=params), self._clock, **more)


def _ask(question: str) -> bool:
    """Ask a person."""
    try:
        return input(question).strip().lower() in ("yes", "y")
    except (EOFError, OSError, NotImplementedError):
        raise ConfigurationError("nobody can be asked here", hint="Pass confirm=True where you mean it.") from None
