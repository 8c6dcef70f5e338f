"""The variant "fapi": the API as a FAPI provider has it, with metadata, tokens bound to the certificate, and introspection."""

from __future__ import annotations

import base64
import json
from typing import Any

from werkzeug.wrappers import Response

from smd_notebook.practice.call import JSON, Call, Stop, says

__all__ = ["INTROSPECTION", "METADATA", "check_certificate", "introspection", "metadata"]

METADATA, INTROSPECTION = "/.well-known/openid-configuration", "/introspect"
_TOKEN_PATH = "/datacustodian/oauth/v2/token"  # noqa: S105 - an address


def metadata(call: Call) -> Response:
    """Say where everything is (RFC 8414; aliases: RFC 8705 §5)."""
    at = call.utility.api
    found = {
        "issuer": at,
        "token_endpoint": at + _TOKEN_PATH,
        "introspection_endpoint": at + INTROSPECTION,
        "mtls_endpoint_aliases": {"token_endpoint": at + _TOKEN_PATH, "introspection_endpoint": at + INTROSPECTION},
        "token_endpoint_auth_methods_supported": ["tls_client_auth"],
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": ["usage"],
        "tls_client_certificate_bound_access_tokens": True,
    }
    return Response(json.dumps(found), content_type=JSON)


def check_certificate(*, registered: bool, token: bool) -> None:
    """Refuse a certificate that is not the client's: at the token endpoint it proves who asks, elsewhere the token is bound to it."""
    if registered:
        return
    if token:
        raise _says(401, error="invalid_client")
    raise says(401, WWW_Authenticate='Bearer error="invalid_token"')


def introspection(call: Call, registered: str) -> Response:
    """Say what is known of a token (RFC 7662), and which certificate it is bound to (RFC 8705 §3.2)."""
    if call.request.form.get("client_id") != call.utility.application.client_id:
        raise _says(401, error="invalid_client")
    token = call.utility.grants.find(call.request.form.get("token", ""))
    if token is None or token.kind != "client" or call.now >= token.expires_at:
        return Response('{"active": false}', content_type=JSON)
    bound = base64.urlsafe_b64encode(bytes.fromhex(registered)).rstrip(b"=").decode()
    found = {"active": True, "client_id": call.utility.application.client_id, "exp": int(token.expires_at), "cnf": {"x5t#S256": bound}}
    return Response(json.dumps(found), content_type=JSON)


def _says(status: int, **fields: Any) -> Stop:
    return Stop(Response(json.dumps(fields), status, content_type=JSON))
