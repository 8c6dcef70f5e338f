"""The token endpoints (RFC 6749 with PG&E's names and shapes: protocol.md §1.3)."""

from __future__ import annotations

from typing import Any

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response

from smd_notebook.practice.call import JSON, Call, Stop, says
from smd_notebook.practice.grants import REFRESH_LIFETIME, TOKEN_LIFETIME, Authorization, Refused
from smd_notebook.practice.replies import token_reply

__all__ = ["answer"]

_CLIENT_SCOPE = "5+6+7"


def answer(call: Call, *, test: bool) -> Response:
    """Answer a token request."""
    if call.request.method != "POST":
        raise _refusal(call, 405, "invalid_request", f"{call.request.method} not permitted")
    parameters = _parameters(call)
    _check_client(call, parameters)
    grant = parameters.get("grant_type", "")
    if not grant:
        raise _refusal(call, 400, "invalid_request", "Missing grant_type")
    if grant not in ("client_credentials", "authorization_code", "refresh_token"):
        raise _refusal(call, 400, "unsupported_grant_type", "this grant_type is not supported")
    call.grant = grant
    try:
        fields = _client(call) if grant == "client_credentials" else _customer(call, grant, parameters, test=test)
    except Refused as refused:
        raise _refusal(call, 400, refused.error, refused.description) from None
    return _reply(call, 200, fields)


def _parameters(call: Call) -> dict[str, str]:
    try:
        query, body = call.request.args.to_dict(), call.request.form.to_dict()
    except RequestEntityTooLarge:
        raise says(413) from None
    if "query-parameters" in call.variants:
        return query
    if "body-parameters" in call.variants:
        return body
    return query | body


def _check_client(call: Call, parameters: dict[str, str]) -> None:
    """Check who asks; the words are PG&E's."""
    application = call.utility.application
    if "fapi" in call.variants:  # the certificate has proved who asks
        if parameters.get("client_id") != application.client_id:
            raise _refusal(
                call, 401, "invalid_client", "the client_id is missing or another one: with the variant fapi use smd.FapiSession"
            )
        return
    basic = call.request.authorization
    if "post-credentials" in call.variants:
        shown = parameters.get("client_id", ""), parameters.get("client_secret", "")
    elif basic is not None and basic.type == "basic":
        shown = basic.username or "", basic.password or ""
    else:
        shown = "", ""
    if not shown[0]:
        raise _refusal(call, 400, "invalid_request", "client_id is empty")
    if shown != (application.client_id, application.client_secret):
        raise _refusal(call, 400, "invalid_client", "client credentials doesn't match")


def _client(call: Call) -> dict[str, Any]:
    name = "access_token" if call.variants & {"plain-access-token", "fapi"} else "client_access_token"
    token = call.utility.grants.issue("client", TOKEN_LIFETIME)
    return {name: token, "expires_in": TOKEN_LIFETIME, "scope": _CLIENT_SCOPE, "token_type": "Bearer"}


def _customer(call: Call, grant: str, parameters: dict[str, str], *, test: bool) -> dict[str, Any]:
    """Exchange a code or a refresh token."""
    grants, refresh = call.utility.grants, ""
    rotate = not call.variants & {"no-rotation", "silent-refresh"}
    if grant == "authorization_code":
        one, family = grants.exchange(parameters.get("code", ""), parameters.get("redirect_uri", ""), test=test)
    else:
        refresh = parameters.get("refresh_token", "")
        one, family = grants.refresh(refresh, rotate=rotate, test=test)
    if rotate or not refresh:
        refresh = grants.issue("refresh", REFRESH_LIFETIME, one.id, family=family, test=test)
        named = True
    else:
        named = "silent-refresh" not in call.variants
    access = grants.issue("access", TOKEN_LIFETIME, one.id, family=family, test=test)
    return {"access_token": access, **({"refresh_token": refresh} if named else {}), **_about(call, one)}


def _about(call: Call, one: Authorization) -> dict[str, Any]:
    endpoint = call.utility.endpoint
    return {
        "expires_in": TOKEN_LIFETIME,
        "token_type": "Bearer",
        "scope": one.id if "subscription-scope" in call.variants else one.scope,
        "resourceURI": f"{endpoint}/Batch/Subscription/{one.id}",
        "authorizationURI": f"{endpoint}/Authorization/{one.id}",
    }


def _refusal(call: Call, status: int, error: str, description: str) -> Stop:
    if status == 405:
        return says(405, f'{{"error":"{error}","error_description":"{description}"}}', JSON)
    return Stop(_reply(call, status, {"error": error, "error_description": description}))


def _reply(call: Call, status: int, fields: dict[str, Any]) -> Response:
    body, kind = token_reply(fields, xml="xml-tokens" in call.variants)
    return Response(body, status, {"Pragma": "no-cache"}, content_type=kind)
