"""The way of an authorization as a state machine: ``step(state, event)`` gives the next state and what to do, and does nothing itself.

A widget, a command line and a test are views of it: they carry out the effects, and report what happened as events. An event that means
nothing in a state (a callback that comes twice, a click that comes late) leaves everything as it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, TypeAlias

from smd_notebook import errors
from smd_notebook.access.redirect import parse_first_redirect, parse_redirect
from smd_notebook.access.stations import (
    Authorized,
    Awaiting,
    Blocked,
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
    Exchanging,
    Expired,
    Failed,
    Forget,
    Grant,
    Inbound,
    ListenerLost,
    Misconfigured,
    NeedsReauth,
    Problem,
    Ready,
    Redirected,
    Refresh,
    Refreshed,
    RefreshFailed,
    Refreshing,
    Rejected,
    Restart,
    Revoke,
    Revoked,
    Revoking,
    SelfAccess,
    Start,
    State,
    StopListening,
    Tick,
    Uncertain,
    Unconfigured,
)
from smd_notebook.espi.resources import Secret

__all__ = ["step"]

#: How long a customer has for the utility's pages [s], how often a wrong answer is taken, how early a token is renewed [s], and how
#: often a request that never left is sent.
PATIENCE = 1800.0
MOST_ATTEMPTS = 5
LEEWAY = 120.0
MOST_SENDS = 3


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
        case Unconfigured(), Misconfigured(problem):
            return Unconfigured(problem), ()
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
        case Authorized(grant) if grant.kind == "bulk":  # nothing ends by asking a customer as well
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
        case Redirected(text, heard):
            return _received(state, text, heard)
        case ListenerLost():
            return replace(state, listening=False), ()
        case Cancel():
            return Ready(), (StopListening(),)
        case Tick(now) if now >= state.deadline:
            return Expired(Problem("no answer came from the utility's pages in time", "you", "Start again.")), (StopListening(),)
        case _:
            return state, ()


def _received(state: Awaiting, text: Secret, heard: bool) -> Next:
    """Take the answer apart. What is wrong with it is said, and a better one may follow."""
    try:
        found = parse_redirect(text.reveal(), state.token)
    except errors.Denied as error:
        return Denied(_problem(error, "utility")), (StopListening(),)
    except (errors.StateMismatch, errors.ConfigurationError) as error:
        return _again(state, error, heard)
    except errors.AuthorizationError as error:
        return Failed(_problem(error, "utility")), (StopListening(),)
    return Exchanging(found.code, found.scope), (StopListening(), Exchange(found.code, found.scope))


def _again(state: Awaiting, error: errors.SmdError, heard: bool) -> Next:
    problem, attempts = _problem(error), state.attempts + (not heard)  # anybody can call a listener, and must not end what others began
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
        case ((Authorized() | Refreshing()), Refreshed(expires_at)) if standard:
            return Authorized(replace(grant, expires_at=expires_at)), ()
        case ((Authorized() | Refreshing() | ConfirmRevoke()), RefreshFailed("lapsed", problem)) if standard:
            return NeedsReauth(problem, grant), ()
        case Refreshing(), RefreshFailed(_, problem):
            return Authorized(grant, stale=True, problem=problem), ()
        case ConfirmRevoke(), Confirm():
            return Revoking(grant), (Delete(grant.subscription),)
        case ConfirmRevoke(), Cancel():
            return Authorized(grant), ()
        case _, Deleted() if standard:  # here, or in another cell
            return Revoked(grant.subscription), (Forget(grant.subscription),)
        case Revoking(), DeleteFailed(problem):
            return Authorized(grant, problem=problem), ()
        case _:
            return state, ()


def _problem(error: errors.SmdError, side: Literal["you", "utility"] = "you") -> Problem:
    return Problem(str(error.args[0]), side, error.hint)
