"""Plays the customer: fills in the portal's forms and sends them, as a browser would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from urllib.parse import urljoin

from smd_notebook.errors import ConfigurationError

__all__ = ["Visit"]


class _Forms(HTMLParser):
    """Collects the fields of a page's forms, as they would be sent untouched."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, list[tuple[str, str]]]] = []
        self.alert = ""
        self._in_alert = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fields = {name: value or "" for name, value in attrs}
        self._in_alert = self._in_alert or fields.get("role") == "alert"
        if tag == "form":
            self.forms.append((fields.get("action", ""), []))
        elif tag == "input" and self.forms and "name" in fields:
            box = fields.get("type") in ("checkbox", "radio")
            if not box or "checked" in fields:
                self.forms[-1][1].append((fields["name"], fields.get("value", "on" if box else "")))

    def handle_data(self, data: str) -> None:
        if self._in_alert:
            self.alert += data

    def handle_endtag(self, _: str) -> None:
        self._in_alert = False


class Visit:
    """A browser at one page of the portal.

    Parameters
    ----------
    url : str
        Where to begin.
    portal : str
        What the addresses of the portal begin with; nothing else is ever asked.
    """

    def __init__(self, url: str, portal: str) -> None:
        self._portal = portal
        self._url = url
        self.left: str | None = None
        self._ask("GET", url)

    def submit(self, changes: Mapping[str, str | Iterable[str]]) -> None:
        """Send the page's form with some fields otherwise.

        Raises
        ------
        ConfigurationError
            Where the page has no form; with the page's own words, where it has some.
        """
        if not self._page.forms:
            raise ConfigurationError(f"the practice utility says: {self.alert}")
        action, fields = self._page.forms[0]
        kept = [(name, value) for name, value in fields if name not in changes]
        for name, value in changes.items():
            kept += [(name, one) for one in ([value] if isinstance(value, str) else value)]
        self._ask("POST", urljoin(self._url, action), kept)

    def asks(self, *names: str) -> bool:
        """Tell whether the page's form has a field of one of these names."""
        return any(name in names for _, fields in self._page.forms for name, _ in fields)

    @property
    def alert(self) -> str:
        """What the page says is wrong."""
        return self._page.alert

    def _ask(self, method: str, url: str, data: list[tuple[str, str]] | None = None) -> None:
        import requests

        with requests.Session() as session:
            session.trust_env = False  # this machine's proxies are no way to this machine
            for _ in range(5):
                if not url.startswith(self._portal + "/"):
                    raise ConfigurationError("this address is not of the practice utility's portal")
                reply = session.request(method, url, data=data, allow_redirects=False, timeout=30)
                if not reply.is_redirect:
                    self._url, self._page = url, _Forms(reply.text)
                    return
                url, method, data = urljoin(url, reply.headers["Location"]), "GET", None
                if not url.startswith(self._portal + "/") or url.startswith(self._portal + "/callback"):
                    self.left = url
                    return
        raise ConfigurationError("the practice utility's portal sends its visitors in circles")
