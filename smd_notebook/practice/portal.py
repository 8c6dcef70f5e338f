"""The utility's portal, for the browser: sign in, consent, and back to the third party (protocol.md §1.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from hmac import compare_digest
from secrets import token_urlsafe
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Request, Response

from smd_notebook.practice.customers import GROUPS, Customer
from smd_notebook.practice.grants import CODE_LIFETIME
from smd_notebook.practice.pages import STYLE, Choice, callback_page, consent_page, home_page, login_page, message_page
from smd_notebook.practice.utility import Utility

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["Portal"]

_ZONE = ZoneInfo("America/Los_Angeles")
_DATES = re.compile(r"(MinAuthEndDate|PreferredAuthEndDate)[:=](.*)")
_LOOPBACK = re.compile(r"http://(?:127\.0\.0\.1|localhost):(\d{1,5})(/.*)")
_PATIENCE, _CROWD = 1800, 200
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass
class _Visit:
    """A consent that is being asked for; whoever knows its name is the customer's browser."""

    redirect_uri: str
    state: str | None
    earliest: float | None
    preferred: float | None
    test: bool
    since: float
    customer: Customer | None = None


class Portal:
    """The WSGI application.

    Parameters
    ----------
    utility : Utility
        What stands behind it.
    """

    def __init__(self, utility: Utility) -> None:
        self._utility = utility
        self._visits: dict[str, _Visit] = {}
        self._lock = Lock()
        self._form_token = token_urlsafe(16)
        self._pages: dict[tuple[str, str], Callable[[Request], Response]] = {
            ("GET", "/"): lambda _: self._home(),
            ("GET", "/style.css"): lambda _: Response(STYLE.read_bytes(), content_type="text/css"),
            ("GET", "/myAuthorization"): lambda request: self._arrive(request, test=False),
            ("GET", "/testAuthorization"): lambda request: self._arrive(request, test=True),
            ("GET", "/login"): self._login,
            ("POST", "/login"): self._login,
            ("POST", "/decision"): self._decide,
            ("GET", "/callback"): self._callback,
            ("POST", "/begin"): self._begin,
            ("POST", "/test"): self._test,
            ("POST", "/stop"): self._stop,
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        request = Request(environ)
        request.max_content_length = 65_536
        path = request.path.rstrip("/") or "/"
        if path != "/" and request.path.endswith("/"):  # relative addresses would lead astray
            response = _to(f"..{path}?{request.query_string.decode()}")
        elif page := self._pages.get((request.method, path)):
            try:
                response = page(request)
            except RequestEntityTooLarge:
                response = _page(message_page("This request cannot be completed", "It is too large."), 413)
        else:
            response = _page(message_page("Page not found", "There is no such page here."), 404)
        if "X-Forwarded-Prefix" in request.headers and (beside := _LOOPBACK.fullmatch(response.headers.get("Location", ""))):
            # the browser is elsewhere, behind jupyter-server-proxy: a port of this machine is beside ours, under the same prefix
            response.headers["Location"] = f"../{beside[1]}{beside[2]}"
        response.headers.extend(_HEADERS)
        return response(environ, start_response)

    # -- the customer arrives ------------------------------------------------------------------------------------------------------------

    def _arrive(self, request: Request, *, test: bool) -> Response:
        application, asked = self._utility.application, request.args
        if asked.get("clientId") == application.client_id and "client_id" not in asked:
            return self._select_scope()
        if asked.get("client_id") != application.client_id:
            return _page(message_page("This request cannot be completed", "The company that sent you is not known to us (client_id)."), 400)
        redirect_uri = asked.get("redirect_uri", "")
        if not self._registered(redirect_uri):
            text = "The company that sent you gave an address that is not registered (redirect_uri)."
            return _page(message_page("This request cannot be completed", text), 400)
        now = self._utility.clock()
        visit = _Visit(redirect_uri, asked.get("state"), None, None, test, now)
        if asked.get("response_type") != "code":
            return self._leave(visit, {"error": "invalid_request", "error_description": "response_type must be code"})
        try:
            visit.earliest, visit.preferred = _end_dates(asked.get("scope", ""), now)
        except ValueError:
            return self._leave(
                visit, {"error": "invalid_request", "error_description": "MinAuthEndDate or PreferredAuthEndDate is not valid"}
            )
        if test:
            visit.customer = self._utility.customers[0]
        name = token_urlsafe(16)
        with self._lock:
            self._visits = {key: one for key, one in self._visits.items() if one.since > now - _PATIENCE}
            while len(self._visits) >= _CROWD:
                del self._visits[next(iter(self._visits))]
            self._visits[name] = visit
        if visit.customer:
            return self._ask(name, visit, visit.customer)
        return _page(login_page(name, application.name, self._utility.customers, guest=asked.get("login") == "guest"))

    def _registered(self, redirect_uri: str) -> bool:
        """Tell whether a customer may be sent there: where it is registered, or leads to this machine (RFC 8252 §7.3)."""
        if not (redirect_uri.isascii() and redirect_uri.isprintable()) or set(redirect_uri) & set(" \\"):
            return False  # two programs could read it as two different addresses
        try:
            parts = urlsplit(redirect_uri)
            local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1") and "@" not in parts.netloc
        except ValueError:
            return False
        return redirect_uri in self._utility.application.redirect_uris or (local and not parts.fragment)

    def _visit(self, request: Request) -> tuple[str, _Visit | None]:
        name = request.values.get("session", "")
        return name, self._visits.get(name)

    def _login(self, request: Request) -> Response:
        name, visit = self._visit(request)
        if visit is None:
            return _gone()
        if request.form.get("go") == "cancel":
            return self._cancel(name, visit)
        guest, error = request.values.get("tab") == "guest", ""
        if request.method == "POST":
            wanted = ("account", "postcode") if guest else ("email", "password")
            shown = [request.form.get(field, "").strip() for field in wanted]
            visit.customer = next((one for one in self._utility.customers if [getattr(one, field) for field in wanted] == shown), None)
            if visit.customer:
                return self._ask(name, visit, visit.customer)
            error = f"{'Account number and ZIP code' if guest else 'Email and password'} do not match those of a customer. Try again."
        return _page(
            login_page(name, self._utility.application.name, self._utility.customers, guest=guest, error=error), 403 if error else 200
        )

    # -- the customer decides ------------------------------------------------------------------------------------------------------------

    def _ask(self, name: str, visit: _Visit, customer: Customer, choice: Choice | None = None, error: str = "") -> Response:
        if choice is None:
            choice = Choice([one.usage_point for one in customer.agreements], until=_day(visit.preferred), earliest=_day(visit.earliest))
        third_party = self._utility.application.name
        return _page(consent_page(name, third_party, customer, choice, test=visit.test, error=error), 400 if error else 200)

    def _decide(self, request: Request) -> Response:
        name, visit = self._visit(request)
        if visit is None or visit.customer is None:
            return _gone()
        if request.form.get("go") != "authorize":
            return self._cancel(name, visit)
        known = {one.usage_point for one in visit.customer.agreements}
        points = [one for one in request.form.getlist("agreement") if one in known]
        groups = [one for one in request.form.getlist("group") if one in GROUPS]
        dated = request.form.get("length") == "date"
        until = request.form.get("until", "")
        unsaid = not dated and until not in ("", _day(visit.preferred))
        choice = Choice(points, groups, until if dated or unsaid else "", _day(visit.earliest))
        if not points:
            return self._ask(name, visit, visit.customer, choice, "Choose at least one service agreement.")
        if not groups:
            return self._ask(name, visit, visit.customer, choice, "Choose at least one kind of data.")
        if unsaid:
            return self._ask(name, visit, visit.customer, choice, "You chose a last day, but not that access ends with it.")
        try:
            end = _end_of(date.fromisoformat(until)) if dated else None
        except (ValueError, OverflowError):
            return self._ask(name, visit, visit.customer, choice, "Choose the last day of access.")
        if end is not None and (end <= self._utility.clock() or (visit.earliest is not None and end < visit.earliest)):
            return self._ask(name, visit, visit.customer, choice, "The last day of access is too early.")
        with self._lock:
            if self._visits.pop(name, None) is None:  # a second click
                return _gone()
        made = self._utility.grant(visit.customer, points, groups, end, test=visit.test)
        issue = self._utility.grants.issue
        code = issue("code", CODE_LIFETIME, made.id, redirect_uri=visit.redirect_uri, test=visit.test)
        old = visit.test or "authorization-code" in self._utility.variants
        return self._leave(visit, {"authorization_code" if old else "code": code, "scope": made.scope})

    def _cancel(self, name: str, visit: _Visit) -> Response:
        self._visits.pop(name, None)
        return self._leave(visit, {"error": "access_denied", "error_description": "the customer did not authorize access"})

    def _leave(self, visit: _Visit, fields: dict[str, str]) -> Response:
        """Send the customer back; to our own stand-in for a third party by a relative address, which works through any proxy."""
        if visit.state is not None:
            fields["state"] = visit.state
        return self._back(visit.redirect_uri, fields)

    def _back(self, address: str, fields: dict[str, str]) -> Response:
        if address == f"{self._utility.portal}/callback":
            address = "callback"
        return _to(f"{address}{'&' if '?' in address else '?'}{urlencode(fields)}")

    def _callback(self, request: Request) -> Response:
        address = f"{self._utility.portal}/callback?{request.query_string.decode()}"
        return _page(callback_page(address, denied="error" in request.args, begins="ThirdPartyID" in request.args))

    # -- what begins at the utility ------------------------------------------------------------------------------------------------------

    def _home(self, error: str = "") -> Response:
        utility, application = self._utility, self._utility.application
        granted = [one for name in list(utility.grants.authorizations) if (one := utility.grants.active(name))]
        begin = application.portal_uri is not None
        text = home_page(self._form_token, application.name, utility.customers, granted, begin=begin, error=error)
        return _page(text, 400 if error else 200)

    def _ours(self, request: Request) -> bool:
        return compare_digest(request.form.get("form_token", "").encode(), self._form_token.encode())

    def _begin(self, request: Request) -> Response:
        portal_uri = self._utility.application.portal_uri
        if not self._ours(request) or portal_uri is None:
            return self._home("This page was too old. Try again.")
        return _to(portal_uri)

    def _test(self, request: Request) -> Response:
        return self._select_scope() if self._ours(request) else self._home("This page was too old. Try again.")

    def _select_scope(self) -> Response:
        """Send the browser where the third party picks from the scope that it may have: the OAuth test's first redirect."""
        application = self._utility.application
        fields = {"scope": application.scope, "ThirdPartyID": application.third_party_id}
        return self._back(application.scope_selection_uri or f"{self._utility.portal}/callback", fields)

    def _stop(self, request: Request) -> Response:
        name = request.form.get("authorization", "")
        if not self._ours(request) or self._utility.grants.active(name) is None:
            return self._home("This page was too old. Try again.")
        self._utility.revoke(name)
        return _to("./")


def _page(text: str, status: int = 200) -> Response:
    return Response(text, status, content_type="text/html; charset=utf-8")


def _to(address: str) -> Response:
    return Response(status=302, headers={"Location": address})


def _gone() -> Response:
    text = "You waited too long, or have answered already. Go back to the company that sent you, and begin again."
    return _page(message_page("This page has expired", text), 400)


def _end_dates(scope: str, now: float) -> tuple[float | None, float | None]:
    """Return MinAuthEndDate and PreferredAuthEndDate of a scope [s since 1970-01-01T00:00Z]; raise ValueError where they make no sense."""
    found: dict[str, float] = {}
    for part in scope.split(";"):
        if match := _DATES.fullmatch(part.strip()):
            if not match[2].isdecimal() or len(match[2]) > 10:
                raise ValueError(scope)
            found[match[1]] = float(match[2])
    earliest, preferred = found.get("MinAuthEndDate"), found.get("PreferredAuthEndDate")
    if any(one is not None and one <= now for one in (earliest, preferred)) or (earliest and preferred and preferred < earliest):
        raise ValueError(scope)
    return earliest, preferred


def _day(moment: float | None) -> str:
    return "" if moment is None else datetime.fromtimestamp(moment, _ZONE).date().isoformat()


def _end_of(day: date) -> float:
    return datetime.combine(day + timedelta(days=1), time(0), _ZONE).timestamp()
