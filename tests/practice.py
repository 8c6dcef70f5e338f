"""A third party in a few lines of `requests`, for tests of the practice utility: not our own client, which must not judge itself."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

import smd_notebook as smd


class Party:
    """What a third party does, one request at a time."""

    def __init__(self, utility: smd.Sandbox) -> None:
        self.utility = utility
        self.about = utility.describe()
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = self.about["ca"]
        self.session.cert = (self.about["certificate"], self.about["key"])
        self.auth = (self.about["client_id"], self.about["client_secret"])
        self.redirect_uri = self.about["redirect_uris"][0]

    def authorization_url(self, page: str = "authorization_endpoint", **changes: str | None) -> str:
        fields = {
            "client_id": self.about["client_id"],
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "state": "xyz",
        } | changes
        return self.about[page] + "?" + urlencode({name: value for name, value in fields.items() if value is not None})

    def consent(self, **choices: Any) -> dict[str, str]:
        """Return what the redirect carries."""
        return fields_of(self.utility.consent(self.authorization_url(), **choices))

    def token(self, grant_type: str, *, endpoint: str = "token_endpoint", where: str = "data", **fields: str) -> requests.Response:
        return self.session.post(self.about[endpoint], auth=self.auth, timeout=30, **{where: {"grant_type": grant_type, **fields}})

    def exchange(self, **choices: Any) -> dict[str, Any]:
        """Return the tokens of a new consent; `subscription` is its id."""
        code = self.consent(**choices)["code"]
        reply = self.token("authorization_code", code=code, redirect_uri=self.redirect_uri)
        assert reply.status_code == 200, reply.text
        return reply.json() | {"subscription": reply.json()["resourceURI"].rpartition("/")[2]}

    def client_token(self) -> str:
        return self.token("client_credentials").json()["client_access_token"]

    def get(self, path: str, token: str, method: str = "GET", **params: str | int) -> requests.Response:
        url = path if path.startswith("https:") else self.about["resource_endpoint"] + path
        named = {name.replace("_", "-"): value for name, value in params.items()}
        return self.session.request(
            method, url, headers={"Authorization": f"Bearer {token}"}, params=named, timeout=30, allow_redirects=False
        )

    def close(self) -> None:
        self.session.close()


def fields_of(address: str) -> dict[str, str]:
    """Return the query of an address, in which each name stands once."""
    found = parse_qs(urlsplit(address).query, strict_parsing=True)
    assert all(len(values) == 1 for values in found.values())
    return {name: values[0] for name, values in found.items()}
