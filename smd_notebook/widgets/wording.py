"""What the widget says in each state of an authorization: data for a `Panel`, with nothing secret in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from traceback import clear_frames
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from smd_notebook.access.custodian import Custodian
from smd_notebook.access.redact import redact
from smd_notebook.access.scope import Scope
from smd_notebook.access.stations import (
    Authorized,
    Awaiting,
    Blocked,
    Checking,
    ConfirmRevoke,
    Denied,
    Exchanging,
    Expired,
    Failed,
    NeedsReauth,
    Problem,
    Ready,
    Refreshing,
    Revoked,
    Revoking,
    State,
    Uncertain,
    Unconfigured,
)
from smd_notebook.errors import Network, ServiceError, SmdError

__all__ = ["NAMES", "Around", "button", "problem_of", "said", "shown"]

#: What `Authorize.status` says of each state.
NAMES: dict[type, str] = {
    Unconfigured: "unconfigured",
    Checking: "checking",
    Blocked: "blocked",
    Ready: "ready",
    Awaiting: "awaiting",
    Exchanging: "exchanging",
    Authorized: "authorized",
    Refreshing: "refreshing",
    ConfirmRevoke: "confirming",
    Revoking: "revoking",
    Denied: "denied",
    Expired: "expired",
    Failed: "failed",
    Uncertain: "uncertain",
    NeedsReauth: "lapsed",
    Revoked: "revoked",
}
_SIDES = {"you": "", "utility": "This is what the utility reports.", "network": "It lies between you and the utility."}
_ENDED = {
    Blocked: "The utility cannot be asked yet.",
    Denied: "The customer did not agree. Nothing was granted.",
    Expired: "The time ran out. Nothing was granted.",
    Failed: "It did not work. Nothing was granted.",
    Uncertain: "It is not known whether the utility took the code. Nothing is lost by starting again.",
    NeedsReauth: "The authorization has ended. The customer has to agree again.",
    Unconfigured: "Something is not set up yet.",
}


@dataclass(frozen=True)
class Around:
    """What the state does not hold, and the view shows.

    Parameters
    ----------
    custodian : Custodian
        The utility.
    scope : Scope, optional
        What was granted.
    until : float, optional
        When the authorization ends, where the utility says so [s since 1970-01-01T00:00Z].
    listens : bool
        Whether the answer comes by itself.
    asks : bool
        Whether a customer can be asked: there is an address for the answer.
    trouble : Problem, optional
        What went wrong in the widget itself.
    """

    custodian: Custodian
    scope: Scope | None = None
    until: float | None = None
    listens: bool = False
    asks: bool = True
    trouble: Problem | None = None


def shown(state: State, around: Around) -> dict[str, Any]:
    """Return what to show: title, status, problem, lines, lead and code, link, field and buttons.

    Parameters
    ----------
    state : State
        Where the authorization is.
    around : Around
        What else is shown.

    Returns
    -------
    dict
        Texts only; the link's address and what is typed are not in it.
    """
    who = around.custodian.title
    view: dict[str, Any] = {"title": f"Authorization by a customer of {who}", "state": NAMES[type(state)], "busy": False}
    view |= _body(state, around, who)
    problem = around.trouble or getattr(state, "problem", None)
    view["problem"] = said(problem) if problem else []
    return view


def _body(state: State, around: Around, who: str) -> dict[str, Any]:
    match state:
        case Checking():
            return {"status": f"Trying certificate, client id and secret with {who} …", "busy": True}
        case Ready():
            return {
                "status": "All is set up. The customer can be asked.",
                "buttons": [button("start", "Ask the customer", "primary")],
            }
        case Awaiting():
            return _awaiting(state, around)
        case Exchanging():
            return {"status": "The customer agreed. Fetching the token …", "busy": True}
        case Authorized(grant) if grant.kind == "bulk":
            return {
                "title": f"Your own data at {who}",
                "status": "This is a Self Access registration: you agreed in the utility's portal, and nobody has to be asked.",
                "lines": _granted(around),
                "lead": "In code, with the inbox that fits; docs/self-access.md says which:",
                "code": 'got = client.download_bulk(auth.bulk_id, "2025-01-01", "2026-01-01", inbox=...)',
                "buttons": [button("restart", "Ask a customer all the same")] if around.asks else [],
            }
        case Authorized() | Refreshing():
            return {
                "status": "Authorized." if not isinstance(state, Refreshing) else "Renewing the token …",
                "lines": _granted(around),
                "lead": "In code:",
                "code": 'got = client.download(auth.subscription, "2025-01-01", to="raw/")\nfeed = smd.read(got)',
                "buttons": [button("revoke", "Revoke …")],
            }
        case ConfirmRevoke():
            return {
                "status": f"Delete this authorization at {who}? It cannot be brought back: only the customer can grant it again.",
                "lines": _granted(around),
                "buttons": [button("cancel", "Keep it", "primary"), button("confirm", "Delete the authorization", "danger")],
            }
        case Revoking():
            return {"status": f"Deleting the authorization at {who} …", "busy": True}
        case Revoked():
            return {
                "status": f"The authorization is deleted at {who}, and its tokens are forgotten. Downloaded data stay where they are.",
                "buttons": [button("restart", "Ask again", "primary")],
            }
        case _:
            again = "Check again" if isinstance(state, (Blocked, Unconfigured, Failed)) else "Start again"
            return {"status": _ENDED[type(state)], "buttons": [button("restart", again, "primary")]}


def _awaiting(state: Awaiting, around: Around) -> dict[str, Any]:
    host = urlsplit(around.custodian.authorization_endpoint or "").hostname or ""
    until = _moment(state.deadline, around.custodian.zone, "%H:%M %Z")
    listens = around.listens and state.listening
    come = "the answer comes back by itself" if listens else "then paste below what the browser shows in the end"
    label = "If it does not come back: paste the whole address that the browser shows" if listens else "The address that the browser shows"
    return {
        "status": f"Waiting for the customer, until {until}.",
        "link": {"text": "Open the consent page", "note": f"It is at {host}. Sign in and agree there; {come}."},
        "field": {"name": "paste", "label": label, "text": "Use this address"},
        "buttons": [button("cancel", "Cancel")],
    }


def button(name: str, text: str, kind: str = "plain") -> dict[str, str]:
    """Return a button of a view.

    Parameters
    ----------
    name : str
        What its click is called.
    text : str
        What stands on it.
    kind : {"primary", "plain", "danger"}
        How it looks; one at most is primary.
    """
    return {"name": name, "text": text, "kind": kind}


def _granted(around: Around) -> list[str]:
    """Say what was granted, and until when."""
    if around.scope is None:
        return []
    until = around.until
    ends = _moment(until, around.custodian.zone, "%d %B %Y") if until else "it is revoked, or as the utility says"
    return [*around.scope.explain(), f"granted until {ends}"]


def _moment(at: float, zone: str | None, form: str) -> str:
    return datetime.fromtimestamp(at, ZoneInfo(zone or "UTC")).strftime(form).removeprefix("0")


def problem_of(error: Exception, where: str) -> Problem:
    """Say what an exception means, and empty its frames: a notebook that shows their variables would show codes and tokens.

    Parameters
    ----------
    error : Exception
        The exception.
    where : str
        Where a researcher finds it, such as ``"auth.error"``.
    """
    one: BaseException | None = error
    while one is not None:
        clear_frames(one.__traceback__)
        one = one.__context__
    if not isinstance(error, SmdError):
        return Problem(f"{type(error).__name__}: {redact(str(error))}", "you", f"{where} holds the exception.")
    side: Literal["you", "utility", "network"] = (
        "network" if isinstance(error, Network) else "utility" if isinstance(error, ServiceError) else "you"
    )
    return Problem(str(error.args[0]), side, error.hint, tuple(getattr(error, "ids", {}).items()))


def said(problem: Problem) -> list[str]:
    """Say what happened, whose side it is on, what to do, and what to quote.

    Parameters
    ----------
    problem : Problem
        What went wrong.
    """
    word = problem.what.partition(" ")[0]
    what = problem.what[:1].upper() + problem.what[1:] if word.isalpha() else problem.what  # a file's name stays as it is
    lines = [what if what.endswith(".") else f"{what}.", _SIDES[problem.side], problem.todo]
    if problem.ids:
        lines.append("If you write to the utility, quote " + ", ".join(f"{name} {value}" for name, value in problem.ids) + ".")
    return [line for line in lines if line]
