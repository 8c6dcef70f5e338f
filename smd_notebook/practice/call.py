"""One request to the API: who asks, with which token, for which window."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode
from uuid import uuid4

from werkzeug.wrappers import Request, Response

from smd_notebook.practice.customers import Window
from smd_notebook.practice.faults import Fault
from smd_notebook.practice.grants import Authorization, Kind
from smd_notebook.practice.utility import Seen, Utility

__all__ = ["ATOM", "JSON", "TEXT", "Call", "Stop", "says"]

ATOM, JSON, TEXT = "application/atom+xml", "application/json", "text/plain"
#: Parameters that the log shows; the others may be secrets.
_OPEN = ("published-min", "published-max", "updated-min", "updated-max", "correlationID")


class Stop(Exception):
    """The reply is known already."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def says(status: int, text: str = "", kind: str = TEXT, **headers: str) -> Stop:
    """Return what to raise to answer with a status and a short text."""
    found = {name.replace("_", "-"): value for name, value in headers.items()}
    return Stop(Response(text, status, found, content_type=kind))


class Call:
    """A request, and what holds for it.

    Parameters
    ----------
    utility : Utility
        Whom it is for.
    request : Request
        The request.
    fault : Fault, optional
        What is to go wrong.
    """

    def __init__(self, utility: Utility, request: Request, fault: Fault | None) -> None:
        self.utility = utility
        self.request = request
        self.fault = fault
        self.variants = utility.variants | set(fault.variants if fault else ())
        self.now = utility.clock()
        self.transaction = str(uuid4())
        self.grant = ""

    @property
    def address(self) -> str:
        """The address that was asked for, without its query."""
        return self.utility.api + self.request.path

    def seen(self, status: int) -> Seen:
        """Return what the log keeps of it."""
        query = {name: value if name in _OPEN else "[redacted]" for name, value in self.request.args.items()}
        _, value = self._bearer()
        token = self.utility.grants.find(value)
        kind = (token.kind if token else "unknown") if value else ""
        return Seen(self.request.method, self.request.path, urlencode(query), kind, self.grant, status, self.fault is not None, self.now)

    def _bearer(self) -> tuple[str, str]:
        scheme, _, value = self.request.headers.get("Authorization", "").partition(" ")
        return (scheme, value.strip()) if scheme.lower() == "bearer" else ("", "")

    def needs(self, kind: Kind) -> str:
        """Check that a token of this class is shown, and return the id of the consent that it is for ("" for none)."""
        scheme, value = self._bearer()
        if not scheme:
            raise says(401, WWW_Authenticate="Bearer")
        token = self.utility.grants.find(value)
        invalid = 'Bearer error="invalid_token"'
        if token is None or token.kind == "code":
            raise says(401, WWW_Authenticate=invalid)
        if self.now >= token.expires_at:
            raise says(403 if "expired-403" in self.variants else 401, WWW_Authenticate=invalid)
        if token.kind != kind:
            raise says(403)
        if token.authorization is not None and self.utility.grants.active(token.authorization) is None:
            raise says(401, WWW_Authenticate=invalid)
        return token.authorization or ""

    def consent(self, subscription: str | None = None) -> Authorization:
        """Check that an access token is shown, for this subscription if one is named, and return the consent."""
        held = self.needs("access")
        if subscription not in (None, held):
            raise says(403)
        return self.utility.grants.authorizations[held]

    def window(self) -> Window:
        """Return the window that is asked for."""
        ends = [self._moment(name) for name in ("published-min", "published-max", "updated-min", "updated-max")]
        if "no-future" in self.variants and ends[1] is not None and ends[1] > self.now:
            raise says(400, "published-max is in the future")
        whole = Window()
        start, end, updated_min, updated_max = ends
        return Window(
            whole.start if start is None else start,
            whole.end if end is None else end,
            whole.updated_min if updated_min is None else updated_min,
            whole.updated_max if updated_max is None else updated_max,
        )

    def _moment(self, name: str) -> float | None:
        text = self.request.args.get(name)
        if text is None:
            return None
        if text.isascii() and text.isdecimal() and len(text) < 12:
            if "iso-windows" not in self.variants:
                return float(text)
        elif "epoch-windows" not in self.variants and len(text) == len("2025-01-01T00:00:00Z"):
            try:
                return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
            except ValueError:
                pass
        raise says(400, f"{name} cannot be taken")
