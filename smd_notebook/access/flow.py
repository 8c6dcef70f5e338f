"""The way of an authorization as a state machine: ``step(state, event)`` gives the next state and what to do, and does nothing itself.

A widget, a command line and a test are views of it: they carry out the effects, and report what happened as events. An event that means
nothing in a state (a callback that comes twice, a click that comes late) leaves everything as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

from smd_notebook import errors
from smd_notebook.access.redirect import parse_first_redirect, parse_redirect
from smd_notebook.espi.resources import Secret

__all__ = ["EFFECTS", "EVENTS", "STATES", "Effect", "Event", "Grant", "Problem", "State", "step"]

#: How long a customer has for the utility's pages [s], how often a wrong answer is taken, how early a token is renewed [s], and how
#: often a request that never left is sent.
PATIENCE = 1800.0
MOST_ATTEMPTS = 5
LEEWAY = 120.0
MOST_SENDS = 3


@dataclass(frozen=True)
class Problem:
    """What went wrong, as a view shows it.

    Parameters
    ----------
    what : str
        What happened.
    side : {"you", "utility", "network"}
        Whose side it is on.
    todo : str
        What to do.
    ids : tuple of (str, str)
        Numbers of the utility's reply, to quote when asking there.
    """

    what: str
    side: Literal["you", "utility", "network"] = "you"
    todo: str = ""
    ids: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Grant:
    """What was granted: a subscription with its scope, until when its token lasts [s since 1970-01-01T00:00Z], and of which kind."""

    subscription: str
    scope: str = ""
    expires_at: float | None = None
    kind: Literal["standard", "bulk"] = "standard"


# -- states ----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unconfigured:
    """Credentials or settings are missing; `problems` says which."""

    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Checking:
    """Certificate, client access token and service status are being tried."""


@dataclass(frozen=True)
class Blocked:
    """The check failed: `kind` is ``certificate``, ``credentials`` or ``offline``."""

    kind: str
    problem: Problem


@dataclass(frozen=True)
class Ready:
    """All is set; a person chooses how to go on."""

    problem: Problem | None = None


@dataclass(frozen=True)
class Awaiting:
    """The customer is at the utility's pages; we wait for the answer, by a listener or by pasting it."""

    token: Secret
    deadline: float
    scope: str = ""
    listening: bool = True
    attempts: int = 0
    problem: Problem | None = None


@dataclass(frozen=True)
class Exchanging:
    """The code is being exchanged for tokens."""

    code: Secret
    scope: str = ""
    sends: int = 1


@dataclass(frozen=True)
class Authorized:
    """There is a subscription; `stale` where its token could not be renewed for now."""

    grant: Grant
    stale: bool = False
    problem: Problem | None = None


@dataclass(frozen=True)
class Refreshing:
    """The token is being renewed."""

    grant: Grant


@dataclass(frozen=True)
class ConfirmRevoke:
    """A person is asked whether the authorization shall really be deleted: it cannot be brought back."""

    grant: Grant


@dataclass(frozen=True)
class Revoking:
    """The authorization is being deleted."""

    grant: Grant


@dataclass(frozen=True)
class Denied:
    """The customer did not agree."""

    problem: Problem


@dataclass(frozen=True)
class Expired:
    """The code, or the time for an answer, ran out."""

    problem: Problem


@dataclass(frozen=True)
class Failed:
    """The utility refused, and asking again in the same way will not help."""

    problem: Problem


@dataclass(frozen=True)
class Uncertain:
    """The code was sent and no answer came: it may be spent. Nothing is lost by starting again."""

    problem: Problem


@dataclass(frozen=True)
class NeedsReauth:
    """The utility no longer renews the token: the customer has to agree again."""

    problem: Problem
    grant: Grant


@dataclass(frozen=True)
class Revoked:
    """The authorization is deleted."""

    subscription: str


State: TypeAlias = (
    Unconfigured | Checking | Blocked | Ready | Awaiting | Exchanging | Authorized | Refreshing | ConfirmRevoke | Revoking
    | Denied | Expired | Failed | Uncertain | NeedsReauth | Revoked
)  # fmt: skip
STATES = get_args(State)
#: Nothing but `Restart` leads out of these.
ENDS = (Blocked, Denied, Expired, Failed, Uncertain, NeedsReauth, Revoked)


# -- events ----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Configured:
    """Credentials and settings are there."""


@dataclass(frozen=True)
class Misconfigured:
    """They are not, or not all."""

    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Checked:
    """The check went well."""


@dataclass(frozen=True)
class CheckFailed:
    """It did not: `kind` is ``certificate``, ``credentials`` or ``offline``."""

    kind: str
    problem: Problem


@dataclass(frozen=True)
class Start:
    """Ask the customer: `token` is a fresh state for the address, `now` the time [s], `scope` what to ask for."""

    token: Secret
    now: float
    scope: str = ""


@dataclass(frozen=True)
class Inbound:
    """The utility sent a customer to us, to an address with a scope: the first redirect of its OAuth test, or a consent begun there."""

    address: Secret
    token: Secret
    now: float
    third_party: str = ""


@dataclass(frozen=True)
class SelfAccess:
    """One's own data: the authorization was given in the utility's portal, and is used with the client access token."""

    bulk_id: str


@dataclass(frozen=True)
class Redirected:
    """What the browser brought back, or a person pasted; it holds the code, hence a Secret."""

    text: Secret


@dataclass(frozen=True)
class ListenerLost:
    """Nothing listens for the answer any more: from here on it has to be pasted."""


@dataclass(frozen=True)
class Tick:
    """Time went by."""

    now: float


@dataclass(frozen=True)
class Cancel:
    """A person wants to go back."""


@dataclass(frozen=True)
class Exchanged:
    """Tokens came, and are stored."""

    grant: Grant


@dataclass(frozen=True)
class ExchangeFailed:
    """No tokens: the code is no longer good (``lapsed``), the request never left (``unsent``), no answer came, or it was ``refused``."""

    kind: Literal["lapsed", "unsent", "unanswered", "refused"]
    problem: Problem


@dataclass(frozen=True)
class Rejected:
    """A request with the token was answered with 401 or 403."""


@dataclass(frozen=True)
class Refreshed:
    """The token was renewed, and is stored."""

    expires_at: float


@dataclass(frozen=True)
class RefreshFailed:
    """It was not: the utility no longer renews it (``lapsed``), or cannot be reached (``network``)."""

    kind: Literal["lapsed", "network"]
    problem: Problem


@dataclass(frozen=True)
class Revoke:
    """A person wants the authorization deleted."""


@dataclass(frozen=True)
class Confirm:
    """A person means it."""


@dataclass(frozen=True)
class Deleted:
    """The utility deleted the authorization, or has none any more."""


@dataclass(frozen=True)
class DeleteFailed:
    """It did not."""

    problem: Problem


@dataclass(frozen=True)
class Restart:
    """Begin again."""


Event: TypeAlias = (
    Configured | Misconfigured | Checked | CheckFailed | Start | Inbound | SelfAccess | Redirected | ListenerLost | Tick | Cancel
    | Exchanged | ExchangeFailed | Rejected | Refreshed | RefreshFailed | Revoke | Confirm | Deleted | DeleteFailed | Restart
)  # fmt: skip
EVENTS = get_args(Event)


# -- effects ---------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Check:
    """Try certificate, client access token and service status; report `Checked` or `CheckFailed`."""


@dataclass(frozen=True)
class Consent:
    """Show the link to the utility's pages (with this state and scope), and listen until `deadline` [s]; report `Redirected`."""

    token: Secret
    scope: str
    deadline: float


@dataclass(frozen=True)
class StopListening:
    """Nothing is awaited any more."""


@dataclass(frozen=True)
class Exchange:
    """Exchange the code, store the tokens, report `Exchanged` or `ExchangeFailed`."""

    code: Secret
    scope: str


@dataclass(frozen=True)
class Refresh:
    """Renew the token, store it, report `Refreshed` or `RefreshFailed`."""

    subscription: str


@dataclass(frozen=True)
class Delete:
    """Delete the authorization at the utility; report `Deleted` or `DeleteFailed`."""

    subscription: str


@dataclass(frozen=True)
class Forget:
    """Forget the tokens of a subscription."""

    subscription: str


Effect: TypeAlias = Check | Consent | StopListening | Exchange | Refresh | Delete | Forget
EFFECTS = get_args(Effect)
Next: TypeAlias = tuple[State, tuple[Effect, ...]]


# -- the machine -----------------------------------------------------------------------------------------------------------------------


def step(state: State, event: Event) -> Next:
    """Return the next state and what to do; never raises, and asks nothing of the world.

    Parameters
    ----------
    state : State
        Where we are; begin with `Unconfigured()`.
    event : Event
        What happened.

    Returns
    -------
    tuple of (State, tuple of Effect)
        The same state and no effects where the event means nothing here.

    Examples
    --------
    >>> state, effects = step(Unconfigured(), Configured())
    >>> state, effects = step(state, Checked())
    >>> state, effects = step(state, Start(Secret("s"), now=0))
    >>> state, effects = step(state, Redirected(Secret("https://localhost/callback?code=abcd&state=s")))
    >>> state, effects
    (Exchanging(code=[redacted], scope='', sends=1), (StopListening(), Exchange(code=[redacted], scope='')))
    """
    match state, event:
        case _, Restart():
            return _restart(state)
        case Unconfigured(), Configured():
            return Checking(), (Check(),)
        case Unconfigured(), Misconfigured(problems):
            return Unconfigured(problems), ()
        case Checking(), Checked():
            return Ready(), ()
        case Checking(), CheckFailed(kind, problem):
            return Blocked(kind, problem), ()
        case Ready(), Start(token, now, scope):
            return _await(token, now, scope)
        case Ready(), SelfAccess(bulk_id):
            return Authorized(Grant(bulk_id, kind="bulk")), ()
        case ((Ready() | Awaiting()), Inbound()):
            return _inbound(state, event)
        case Awaiting(), _:
            return _awaiting(state, event)
        case Exchanging(), _:
            return _exchanging(state, event)
        case ((Authorized() | Refreshing() | ConfirmRevoke() | Revoking()), _):
            return _granted(state, event)
        case _:
            return state, ()


def _restart(state: State) -> Next:
    match state:
        case Blocked() | Failed():
            return Checking(), (Check(),)
        case Denied() | Expired() | Uncertain() | NeedsReauth() | Revoked():
            return Ready(), ()
        case _:
            return state, ()


def _await(token: Secret, now: float, scope: str) -> Next:
    deadline = now + PATIENCE
    return Awaiting(token, deadline, scope), (Consent(token, scope, deadline),)


def _inbound(state: Ready | Awaiting, event: Inbound) -> Next:
    """Go on with a consent that began at the utility; one that was begun here is given up for it."""
    try:
        first = parse_first_redirect(event.address.reveal(), event.third_party)
    except (errors.AuthorizationError, errors.ConfigurationError) as error:
        return replace(state, problem=_problem(error)), ()
    after, effects = _await(event.token, event.now, first.scope)
    return after, ((StopListening(), *effects) if isinstance(state, Awaiting) else effects)


def _awaiting(state: Awaiting, event: Event) -> Next:
    match event:
        case Redirected(text):
            return _received(state, text)
        case ListenerLost():
            return replace(state, listening=False), ()
        case Cancel():
            return Ready(), (StopListening(),)
        case Tick(now) if now >= state.deadline:
            return Expired(Problem("no answer came from the utility's pages in time", "you", "Start again.")), (StopListening(),)
        case _:
            return state, ()


def _received(state: Awaiting, text: Secret) -> Next:
    """Take the answer apart. What is wrong with it is said, and a better one may follow: anybody can call a listener."""
    try:
        found = parse_redirect(text.reveal(), state.token)
    except errors.Denied as error:
        return Denied(_problem(error, "utility")), (StopListening(),)
    except (errors.StateMismatch, errors.ConfigurationError) as error:
        return _again(state, error)
    except errors.AuthorizationError as error:
        return Failed(_problem(error, "utility")), (StopListening(),)
    return Exchanging(found.code, found.scope), (StopListening(), Exchange(found.code, found.scope))


def _again(state: Awaiting, error: errors.SmdError) -> Next:
    problem, attempts = _problem(error), state.attempts + 1
    if attempts >= MOST_ATTEMPTS:
        return Failed(problem), (StopListening(),)
    return replace(state, attempts=attempts, problem=problem), ()


def _exchanging(state: Exchanging, event: Event) -> Next:
    match event:
        case Exchanged(grant):
            return Authorized(grant), ()
        case ExchangeFailed("lapsed", problem):
            return Expired(problem), ()
        case ExchangeFailed("unsent", _) if state.sends < MOST_SENDS:
            return replace(state, sends=state.sends + 1), (Exchange(state.code, state.scope),)
        case ExchangeFailed("unanswered", problem):
            return Uncertain(problem), ()
        case ExchangeFailed(_, problem):
            return Failed(problem), ()
        case _:
            return state, ()


def _granted(state: Authorized | Refreshing | ConfirmRevoke | Revoking, event: Event) -> Next:
    grant, standard = state.grant, state.grant.kind == "standard"
    match state, event:
        case Authorized(), Tick(now) if standard and grant.expires_at is not None and now >= grant.expires_at - LEEWAY:
            return Refreshing(grant), (Refresh(grant.subscription),)
        case Authorized(), Rejected() if standard:
            return Refreshing(grant), (Refresh(grant.subscription),)
        case Authorized(), Revoke() if standard:
            return ConfirmRevoke(grant), ()
        case Refreshing(), Refreshed(expires_at):
            return Authorized(replace(grant, expires_at=expires_at)), ()
        case Refreshing(), RefreshFailed("lapsed", problem):
            return NeedsReauth(problem, grant), ()
        case Refreshing(), RefreshFailed(_, problem):
            return Authorized(grant, stale=True, problem=problem), ()
        case ConfirmRevoke(), Confirm():
            return Revoking(grant), (Delete(grant.subscription),)
        case ConfirmRevoke(), Cancel():
            return Authorized(grant), ()
        case Revoking(), Deleted():
            return Revoked(grant.subscription), (Forget(grant.subscription),)
        case Revoking(), DeleteFailed(problem):
            return Authorized(grant, problem=problem), ()
        case _:
            return state, ()


def _problem(error: errors.SmdError, side: Literal["you", "utility"] = "you") -> Problem:
    return Problem(str(error.args[0]), side, error.hint)
