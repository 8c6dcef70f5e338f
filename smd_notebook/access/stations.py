"""What an authorization goes through: its states, what may happen to it, and what is to be done; all frozen, and no more than data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from smd_notebook.espi.resources import Secret

__all__ = [
    "EFFECTS",
    "ENDS",
    "EVENTS",
    "STATES",
    "Authorized",
    "Awaiting",
    "Blocked",
    "Cancel",
    "Check",
    "CheckFailed",
    "Checked",
    "Checking",
    "Configured",
    "Confirm",
    "ConfirmRevoke",
    "Consent",
    "Delete",
    "DeleteFailed",
    "Deleted",
    "Denied",
    "Effect",
    "Event",
    "Exchange",
    "ExchangeFailed",
    "Exchanged",
    "Exchanging",
    "Expired",
    "Failed",
    "Forget",
    "Grant",
    "Inbound",
    "ListenerLost",
    "Misconfigured",
    "NeedsReauth",
    "Problem",
    "Ready",
    "Redirected",
    "Refresh",
    "RefreshFailed",
    "Refreshed",
    "Refreshing",
    "Rejected",
    "Restart",
    "Revoke",
    "Revoked",
    "Revoking",
    "SelfAccess",
    "Start",
    "State",
    "StopListening",
    "Tick",
    "Uncertain",
    "Unconfigured",
]


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
    """Credentials or settings are missing; `problem` says what is wanted first."""

    problem: Problem | None = None


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

    problem: Problem


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
    """What a person pasted, or the browser brought to a listener (`heard`); it holds the code, hence a Secret."""

    text: Secret
    heard: bool = False


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
