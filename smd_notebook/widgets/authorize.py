"""`Authorize`: a cell in which a customer is asked, and out of which a subscription comes."""

from __future__ import annotations

import asyncio
import secrets
import threading
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from smd_notebook.access.client import Client, Subscription
from smd_notebook.access.flow import step
from smd_notebook.access.guard import discreet
from smd_notebook.access.listing import last_part, seconds
from smd_notebook.access.scope import Scope
from smd_notebook.access.stations import (
    ENDS,
    Authorized,
    Awaiting,
    Cancel,
    Check,
    Checked,
    CheckFailed,
    Checking,
    Configured,
    Confirm,
    ConfirmRevoke,
    Consent,
    Delete,
    Deleted,
    DeleteFailed,
    Denied,
    Effect,
    Event,
    Exchange,
    Exchanged,
    ExchangeFailed,
    Expired,
    Grant,
    ListenerLost,
    Misconfigured,
    Problem,
    Ready,
    Redirected,
    Refreshed,
    RefreshFailed,
    Restart,
    Revoke,
    Revoked,
    SelfAccess,
    Start,
    State,
    StopListening,
    Tick,
    Unconfigured,
)
from smd_notebook.access.tokens import News, Token
from smd_notebook.errors import (
    AuthorizationError,
    BadRequest,
    CertificateRejected,
    ConfigurationError,
    Network,
    NotReady,
)
from smd_notebook.errors import Denied as DeniedError
from smd_notebook.errors import Expired as ExpiredError
from smd_notebook.errors import Revoked as RevokedError
from smd_notebook.espi.resources import Authorization, Secret
from smd_notebook.widgets.errands import Errands, Turns
from smd_notebook.widgets.panel import Panel
from smd_notebook.widgets.receivers import PasteBack, receiver_for
from smd_notebook.widgets.wording import NAMES, Around, problem_of, shown

__all__ = ["Authorize"]

_LAPSED = {
    "ended": Problem("the utility no longer renews the token", "utility", "The customer may have stopped sharing. Ask again."),
    "forgotten": Problem("the tokens of this consent were forgotten here", "you", "At the utility the consent may stand. Ask again."),
}
_RAISED: dict[type, type[AuthorizationError]] = {Denied: DeniedError, Expired: ExpiredError}


class Authorize:
    """A widget that asks a customer for consent, and holds what was granted.

    Show it in a cell. It says what to do next, opens the utility's page in another tab, takes the answer, and exchanges it for tokens. No
    cell waits meanwhile; ``await auth.wait()`` does where that is wanted. Where nothing can be clicked, as in a terminal, its text holds
    the link, and ``auth.paste(...)`` takes the answer.

    Parameters
    ----------
    client : Client
        Of the utility.
    scope : str
        What to ask for; by default what the custodian wants asked.
    receiver : PasteBack, optional
        How the answer comes back: `Loopback`, `ProxiedLoopback` or `PasteBack` of `smd_notebook.widgets.receivers`; by default the one that
        fits the registered redirect address and the place where the kernel runs.

    Attributes
    ----------
    subscription : Subscription or None
        What was granted; None before, and after it was revoked or has ended.
    bulk_id : str or None
        Of a Self Access registration, where nobody has to be asked: what ``client.download_bulk`` takes; else None.
    error : BaseException or None
        What went wrong last.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> with smd.Sandbox(households=["apartment"]) as utility:
    ...     auth = smd.Authorize(smd.Client(utility.custodian, utility.credentials))
    ...     auth.paste(utility.consent(auth.link))
    ...     auth.status, auth.subscription.scope.interval_durations
    ('authorized', (900, 3600))
    >>> auth.close()
    """

    def __init__(self, client: Client, *, scope: str = "", receiver: PasteBack | None = None) -> None:
        self.client = client
        self.subscription: Subscription | None = None
        self.bulk_id: str | None = None
        self.error: BaseException | None = None
        self._scope = scope
        self._receiver = receiver_for(client) if receiver is None else receiver
        self._state: State = Unconfigured()
        self._token = Secret("")
        self._url = ""
        self._own: Authorization | None = None
        self._until: float | None = None
        self._trouble: Problem | None = None
        self._timer: threading.Timer | None = None
        self._turns = Turns()
        self._lock = threading.RLock()
        self._errands = Errands()
        self._panel = Panel(self._act, lambda: self.link)
        self._unwatch = client.tokens.watch(lambda *news: self._errands.post(lambda: self._heard(*news)))
        self._feed(self._configured())
        if not self._errands.here() and isinstance(self._state, Ready):
            self._begin()  # no loop, no clicks: what remains is the link, and to paste

    # -- what a researcher uses ----------------------------------------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """Where it is: ``"checking"``, ``"ready"``, ``"awaiting"``, ``"authorized"``, ``"denied"`` and so on."""
        return NAMES[type(self._state)]

    @property
    def link(self) -> str:
        """The address of the consent page, as the browser reaches it; empty unless an answer is awaited."""
        return self._receiver.reach(self._url) if self._url else ""

    async def start(self) -> str:
        """Do what the first button does, when all is checked; return the address of the consent page.

        Returns
        -------
        str
            The address, for one customer, once; as this machine reaches it. `link` is how the browser does.

        Raises
        ------
        AuthorizationError
            Where the utility cannot be asked, a customer has agreed already, or nobody has to.
        """
        await self._until_not(Checking)
        if isinstance(self._state, Authorized):
            raise self._raised()
        self._feed(Restart())
        await self._until_not(Checking)
        if isinstance(self._state, Ready):
            self._begin()
        if not isinstance(self._state, Awaiting):
            raise self._raised()
        return self._url

    @discreet
    def paste(self, text: str) -> None:
        """Take the answer: the whole address that the browser shows in the end, its query, or the code.

        Parameters
        ----------
        text : str
            What was copied.
        """
        self._errands.here()
        self._feed(Redirected(Secret(text)))

    async def wait(self, timeout: float | None = None) -> Subscription:
        """Wait until the customer has answered. Clicks and other widgets go on meanwhile.

        Parameters
        ----------
        timeout : float, optional
            How long at most [s]; by default as long as it takes.

        Returns
        -------
        Subscription
            What was granted.

        Raises
        ------
        Denied, Expired, Revoked, AuthorizationError
            Where nothing was granted.
        TimeoutError
            Where there is no answer in time.
        """
        async with asyncio.timeout(timeout):
            await self._until_not(*(one for one in NAMES if one not in (Authorized, *ENDS)))
        if self.subscription is None:
            raise self._raised()
        return self.subscription

    def close(self) -> None:
        """Stop listening, and take the widget off the page. What was granted stays."""
        self._stop()
        self._unwatch()
        self._panel.close()

    def __repr__(self) -> str:
        lines = [f"<Authorize: {self.client.custodian.title}, {self.status}>"]
        lines += shown(self._state, self._around())["problem"]
        if isinstance(self._state, Awaiting) and not self._errands.here():
            lines += ["Open this address, agree, and copy the address that the browser shows in the end:", self.link]
            lines += ["Then: auth.paste('that address')"]
        return "\n".join(lines)

    def _repr_mimebundle_(self, **more: Any) -> Any:
        """Show the widget; where there is no widget manager, this text. It is saved with the notebook: no link in it."""
        return self._panel.bundle(
            f"<Authorize: {self.client.custodian.title}>\n"
            "Without buttons: `await auth.start()`, open auth.link in a browser and agree, then auth.paste(getpass.getpass('Address: '))",
            **more,
        )

    # -- events --------------------------------------------------------------------------------------------------------------------------

    def _act(self, name: str, text: Secret) -> None:
        """Handle a click. Jupyter swallows what a handler raises, so it is shown here."""
        self._errands.here()
        try:
            match name:
                case "start":
                    self._begin()
                case "paste":
                    self._feed(Redirected(text))
                case "restart":
                    self._feed(self._configured() if isinstance(self._state, Unconfigured) else Restart())
                case "cancel":
                    self._feed(Cancel())
                case "revoke":
                    self._feed(Revoke())
                case "confirm":
                    self._feed(Confirm())
        except Exception as error:  # noqa: BLE001 - whatever it is, it must be seen
            self._show(self._problem(error))

    def _configured(self) -> Event:
        """Tell whether the client has what a consent needs; whoever has no redirect address may be a Self Access user."""
        lacks = self._lacks()
        return Misconfigured(self._problem(lacks)) if lacks and self._asks() else Configured()

    def _lacks(self) -> ConfigurationError | None:
        try:
            self.client.authorization_url(secrets.token_urlsafe(32), redirect_uri=self._receiver.redirect_uri)
        except ConfigurationError as error:
            return error
        return None

    def _asks(self) -> bool:
        return bool(self._receiver.redirect_uri or self.client.credentials.redirect_uri)

    def _heard(self, news: News, subscription: str | None, token: Token | None) -> None:
        """Follow what became of the consent elsewhere: in another cell, or in a download that found it withdrawn."""
        grant = getattr(self._state, "grant", None)
        if grant is None or subscription not in (None, grant.subscription):
            return
        if news == "revoked":
            self._feed(Deleted())
        elif token is not None and self.subscription is not None:
            scope = Scope(token.scope)
            self.subscription = replace(self.subscription, scope=scope if scope.blocks else self.subscription.scope)
            self._feed(Refreshed(token.expires_at))
        elif isinstance(self._state, (Authorized, ConfirmRevoke)):
            self.subscription = None
            self._feed(RefreshFailed("lapsed", _LAPSED["ended" if news == "ended" else "forgotten"]))

    def _begin(self) -> None:
        self._feed(Start(Secret(secrets.token_urlsafe(32)), self.client.now(), self._scope))

    def _feed(self, event: Event) -> None:
        """Let something have happened: take the step, do what it asks for, show where that leads."""
        with self._lock:
            self._state, effects = step(self._state, event)
            for effect in effects:
                self._do(effect)
            self._show()
            self._turns.tell()

    def _do(self, effect: Effect) -> None:
        match effect:
            case Check():
                self._errands.run(self._check, self._checked)
            case Consent(token, scope, deadline):
                self._listen(token, scope, deadline)
            case StopListening():
                self._stop()
            case Exchange(code, scope):
                self._errands.run(lambda: self._exchange(code, scope), self._feed)
            case Delete():
                self._errands.run(self._delete, self._feed)
            case _:  # the client renews tokens by itself, and forgets them as it deletes
                self.subscription = None

    # -- what is to be done --------------------------------------------------------------------------------------------------------------

    def _check(self) -> Event:
        """Take certificate, client id and secret to the utility and back."""
        try:
            self.client.service_status()
        except (BadRequest, NotReady):
            pass  # it understood who we are, and has no such resource
        except Exception as error:  # noqa: BLE001 - shown
            refused = "certificate" if isinstance(error, CertificateRejected) else "credentials"
            kind = refused if isinstance(error, (AuthorizationError, ConfigurationError)) else "offline"
            return CheckFailed(kind, self._problem(error))
        return self._self_access()

    def _self_access(self) -> Event:
        """Look whether it is one's own data that this registration is for: where it may be, by what the credentials hold."""
        own = self.client.credentials
        if own.bulk_id or not self._asks():
            with suppress(Exception):  # then it is taken for any other registration
                self._own = self.client.own_authorization()
        lacks = None if self._own else self._lacks()
        return CheckFailed("credentials", self._problem(lacks)) if lacks else Checked()

    def _checked(self, event: Event) -> None:
        self._feed(event)
        if self._own is not None and isinstance(self._state, Ready):
            self.bulk_id, self._until = last_part(self._own.resource_uri or ""), _end_of(self._own)
            self._feed(SelfAccess(self.bulk_id))

    def _listen(self, token: Secret, scope: str, deadline: float) -> None:
        lost = False
        try:
            self._receiver.open(
                lambda text: self._errands.post(lambda: self._feed(Redirected(text, heard=True))),
                lambda: self._errands.post(lambda: self._feed(ListenerLost())),
            )
        except OSError:
            lost = True  # the port is taken: then the answer is pasted
        self._token = token
        self._url = self.client.authorization_url(token, scope=scope or None, redirect_uri=self._receiver.redirect_uri)
        self._timer = threading.Timer(
            max(0.0, deadline - self.client.now()) + 1, lambda: self._errands.post(lambda: self._feed(Tick(self.client.now())))
        )
        self._timer.daemon = True
        self._timer.start()
        if lost:
            self._feed(ListenerLost())

    def _stop(self) -> None:
        self._url = ""
        self._receiver.close()
        if self._timer:
            self._timer.cancel()

    def _exchange(self, code: Secret, scope: str) -> Event:
        answer = Secret(urlencode({"code": code.reveal(), "state": self._token.reveal(), "scope": scope}))
        try:
            found = self.client.exchange(answer)
        except ExpiredError as error:
            return ExchangeFailed("lapsed", self._problem(error))
        except Network as error:
            return ExchangeFailed("unsent" if error.retryable else "unanswered", self._problem(error))
        except Exception as error:  # noqa: BLE001 - shown
            return ExchangeFailed("refused", self._problem(error))
        self.subscription, self._until, self.error = found, None, None
        with suppress(Exception):  # what was granted is not lost where the utility does not say until when
            self._until = _end_of(self.client.authorization(found))
        return Exchanged(Grant(found.id, found.scope.text))

    def _delete(self) -> Event:
        try:
            self.client.revoke(self.subscription or "", confirm=True)
        except Exception as error:  # noqa: BLE001 - shown
            return DeleteFailed(self._problem(error))
        return Deleted()

    # -- what is shown -------------------------------------------------------------------------------------------------------------------

    def _around(self) -> Around:
        scope = self.subscription.scope if self.subscription else Scope(self._own.scope or "") if self._own else None
        return Around(self.client.custodian, scope, self._until, self._receiver.listens, self._asks(), self._trouble)

    def _show(self, trouble: Problem | None = None) -> None:
        self._trouble = trouble
        self._panel.show(shown(self._state, self._around()))

    def _problem(self, error: Exception) -> Problem:
        """Say what an exception means; it stays in `error`."""
        self.error = error
        return problem_of(error, "auth.error")

    def _raised(self) -> AuthorizationError:
        """Return the error that the state stands for."""
        if isinstance(self._state, Revoked):
            return RevokedError("the authorization was revoked", hint="Only the customer can grant it again.")
        problem = getattr(self._state, "problem", None)
        if problem is None:
            if self.bulk_id is not None:
                return AuthorizationError(
                    "this is a Self Access registration: nobody has to be asked", hint="client.download_bulk(auth.bulk_id, ...)"
                )
            return AuthorizationError("a customer has agreed already", hint="auth.subscription is what was granted.")
        return _RAISED.get(type(self._state), AuthorizationError)(problem.what, hint=problem.todo, ids=dict(problem.ids))

    async def _until_not(self, *states: type) -> None:
        """Wait while it is in one of these states."""
        self._errands.here()
        await self._turns.until(lambda: not isinstance(self._state, states))


def _end_of(authorization: Authorization) -> float | None:
    """Return when an authorization ends, where the utility says so [s since 1970-01-01T00:00Z]."""
    period = authorization.authorized_period
    return seconds(period.start + period.duration) if period and period.start and period.duration else None
