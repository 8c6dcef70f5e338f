"""The utility's API, behind mutual TLS (protocol.md §1.3 and §1.4): certificate, limits, faults, log; then tokens or resources."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from smd_notebook.practice import provider, tokens
from smd_notebook.practice.call import JSON, Call, Stop, says
from smd_notebook.practice.certificates import thumbprint
from smd_notebook.practice.faults import Fault
from smd_notebook.practice.resources import HANDLERS, PATHS
from smd_notebook.practice.utility import RESOURCES, Utility

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["Api"]

_PIECES = 64


def _rules() -> Iterator[Rule]:
    for name in ("", "test/"):
        yield Rule(f"/datacustodian/{name}oauth/v2/token", endpoint=f"{name}token")
        yield Rule(f"/datacustodian/{name}oauth/v2/authorize", endpoint=f"{name}authorize", methods=["GET"])
    for path, endpoint in PATHS.items():
        yield Rule(RESOURCES + path, endpoint=endpoint, methods=["GET", "DELETE"] if endpoint == "authorization" else ["GET"])


_MAP = Map(list(_rules()), strict_slashes=False)  # one for all: each rule is compiled


class Api:
    """The WSGI application.

    Parameters
    ----------
    utility : Utility
        What stands behind it.
    registered : str
        Thumbprint of the one client certificate that it knows.
    """

    def __init__(self, utility: Utility, registered: str) -> None:
        self._utility = utility
        self._registered = registered
        self._map = _MAP.bind("")

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        request = Request(environ)
        request.max_content_length = 65_536
        fault = self._utility.faults.take(request.method, request.path)
        call = Call(self._utility, request, fault)
        status = 0
        try:
            if fault and fault.delay:
                self._utility.closing.wait(fault.delay)
            if fault and fault.drop == "before":
                raise ConnectionAbortedError
            response = self._answer(call, fault)
            if fault and fault.drop:
                raise ConnectionAbortedError
            status = response.status_code
        except ConnectionAbortedError:
            with suppress(OSError):
                environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise
        finally:
            self._utility.record(call.seen(status))
        whole = response(environ, start_response)
        return _pieces(response.get_data(), fault, self._utility.closing.wait) if fault else whole

    def _answer(self, call: Call, fault: Fault | None) -> Response:
        if fault and fault.status is not None:
            response = Response(fault.body, fault.status)
        else:
            try:
                response = self._dispatch(call)
            except Stop as stop:
                response = stop.response
            if fault and fault.body is not None:
                response.set_data(fault.body)
        if fault and fault.content_type:
            response.content_type = fault.content_type
        response.headers.update(fault.headers if fault else ())
        response.headers.setdefault("x-transaction-id", call.transaction)
        if "fapi" in call.variants:  # FAPI 1.0 part 1, 6.2.1
            response.headers.setdefault("x-fapi-interaction-id", call.request.headers.get("x-fapi-interaction-id", call.transaction))
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    def _dispatch(self, call: Call) -> Response:
        request, utility = call.request, self._utility
        shown, fapi = request.environ.get("SSL_CLIENT_CERT"), "fapi" in call.variants
        if fapi and request.path == provider.METADATA:  # public, as metadata is
            return provider.metadata(call)
        registered = shown is not None and thumbprint(shown) == self._registered
        if fapi:
            provider.check_certificate(registered=registered, token=request.path.endswith(("/token", provider.INTROSPECTION)))
        elif not registered:
            raise says(400, '"Invalid Certificate"', JSON)
        if utility.counter is not None and (early := utility.counter.wait()):
            named = {} if "no-retry-after" in call.variants else {"Retry_After": str(int(early) + 1)}
            raise says(503 if "limit-503" in call.variants else 429, **named)
        if fapi and request.path == provider.INTROSPECTION:
            return provider.introspection(call, self._registered)
        try:
            endpoint, values = self._map.match(request.path, request.method)
        except HTTPException as error:
            if error.code == 405:
                raise says(405) from None
            raise says(404, f"No listener for endpoint: {request.path}") from None
        kind, _, last = endpoint.rpartition("/")
        if last == "token":
            return tokens.answer(call, test=bool(kind))
        if last == "authorize":
            page = "testAuthorization" if kind else "myAuthorization"
            return Response(status=302, headers={"Location": f"{utility.portal}/{page}?{request.query_string.decode()}"})
        return HANDLERS[endpoint](call, **values)


def _pieces(body: bytes, fault: Fault, wait: Callable[[float], bool]) -> Iterator[bytes]:
    """Send a body as the fault has it: not all of it, or piece by piece."""
    if fault.keep is not None:
        body = body[: int(len(body) * fault.keep)]
    size = len(body) // _PIECES + 1 if fault.dribble else len(body) or 1
    for begin in range(0, len(body), size):
        if begin and fault.dribble and wait(fault.dribble):
            return
        yield body[begin : begin + size]
