"""Everything that differs between utilities, as data.

No other module of `smd_notebook.access` knows any utility by name: what one does differently from another is a field here.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

from smd_notebook.errors import ConfigurationError

__all__ = ["Custodian", "Limits", "is_loopback", "origin_of"]

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
#: What no address may hold: two programs could read it as two different hosts.
_ODD = re.compile(r"[\x00-\x20\x7f\\]")
_CHOICES = {
    "client_auth": ("basic", "post"),
    "token_parameters": ("body", "query"),
    "tls_maximum": (None, "1.2", "1.3"),
    "window": ("epoch", "iso", "date"),
}


def origin_of(url: str) -> str:
    """Return the scheme, host and port of an address (RFC 6454 §4).

    Parameters
    ----------
    url : str
        An absolute ``https`` or ``http`` address.

    Raises
    ------
    ConfigurationError
        Where it is none, or holds what different programs may read differently (a user name, a backslash, spaces).

    Examples
    --------
    >>> origin_of("https://API.pge.com/GreenButtonConnect")
    'https://api.pge.com:443'
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if parts.scheme not in ("https", "http") or not host or "@" in parts.netloc or _ODD.search(url) or not host.isascii():
        raise ConfigurationError("this is no absolute https address", hint="Give one such as https://api.pge.com/path.")
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port or (443 if parts.scheme == 'https' else 80)}"


def is_loopback(url: str) -> bool:
    """Tell whether an address leads to this very machine.

    Parameters
    ----------
    url : str
        An absolute address.

    Examples
    --------
    >>> is_loopback("https://localhost:8443/x"), is_loopback("https://127.0.0.1.example/x")
    (True, False)
    """
    host = urlsplit(origin_of(url)).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Limits:
    """How many requests a custodian allows; None where it names no limit.

    Parameters
    ----------
    per_second : float or None, default 1
        Requests a second, over all client ids of one vendor.
    per_hour : int or None, default 2000
        Requests in any 3600 s, for one client id.
    per_day : int or None, default 20000
        Requests from one reset to the next, for one client id.
    reset : str, default "17:00"
        When the day's count begins anew, on the wall clock of `zone`.
    zone : str, default "America/Los_Angeles"
        IANA zone of `reset`.
    """

    per_second: float | None = 1.0
    per_hour: int | None = 2000
    per_day: int | None = 20_000
    reset: str = "17:00"
    zone: str = "America/Los_Angeles"

    def __post_init__(self) -> None:
        for name in ("per_second", "per_hour", "per_day"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0):
                raise ConfigurationError(f"limits: {name} must be a number above 0, or none at all")
        if not _CLOCK.fullmatch(str(self.reset)):
            raise ConfigurationError("limits: reset must be a time of day", hint='Write it as "17:00".')
        _zone(self.zone)


@dataclass(frozen=True, kw_only=True)
class Custodian:
    """Who holds the data, and how it wants to be asked.

    Parameters
    ----------
    name : str
        Short name of small letters, digits, ``-`` and ``_``; part of the names of archives and stored tokens.
    title : str
        Its name for people.
    authorization_endpoint : str
        Where the customer consents, in a browser; empty where nothing is published.
    token_endpoint : str
        Where codes become tokens.
    resource_endpoint : str
        What the addresses of all resources begin with, such as ``"https://api.pge.com/GreenButtonConnect/espi/1_1/resource"``.
    mutual_tls : bool
        Whether it asks for a client certificate (RFC 8705).
    ca_bundle : str or None
        PEM file of the authorities that its own certificate may come from; by default those that come with certifi.
    tls_maximum : {None, "1.2", "1.3"}
        The newest TLS version to offer, for servers that ask for the certificate in the middle of a connection.
    client_auth : {"basic", "post"}
        How client id and secret are shown: HTTP Basic, or among the parameters (RFC 6749 §2.3.1).
    token_parameters : {"body", "query"}
        Where the parameters of a token request go.
    client_token_scope : str
        The scope to ask for with the client's own token, or ``"omit"``.
    authorization_scope : str
        The scope to ask the customer for, or ``"omit"``.
    refresh_scope : str
        The scope to ask for when refreshing: ``"omit"``, ``"granted"`` (what the customer granted) or a scope itself.
    authorization_extras : tuple of (str, str)
        Further parameters of the consent page's address.
    window : {"epoch", "iso", "date"}
        How the ends of a window are written: seconds since 1970, ``2025-01-01T08:00:00Z``, or ``2025-01-01``.
    window_names : tuple of 4 str
        Parameters for the earliest and latest published, the earliest and latest updated.
    chunk_days : int
        How many days to ask for at a time.
    code_lifetime : int
        How long an authorization code lives [s].
    limits : Limits
        How many requests it allows.
    vendor : str
        Who shares its limit per second; by default the custodian's own name.
    zone : str or None
        IANA zone of its territory, where it has one.
    identity_unique : bool
        Whether the last part of a UsagePoint's path is unique for ever, whoever's consent it is reached by.
    authorization_is_subscription : bool
        Whether one id names the Authorization, the Subscription and the RetailCustomer.
    verified : bool
        Whether clients are known that work with the real service by these settings; the others are put together from what is published.
    notes : str
        What else there is to know.
    """

    name: str
    title: str = ""
    authorization_endpoint: str = ""
    token_endpoint: str
    resource_endpoint: str
    mutual_tls: bool = False
    ca_bundle: str | None = None
    tls_maximum: Literal["1.2", "1.3"] | None = None
    client_auth: Literal["basic", "post"] = "basic"
    token_parameters: Literal["body", "query"] = "body"
    client_token_scope: str = "omit"
    authorization_scope: str = "omit"
    refresh_scope: str = "omit"
    authorization_extras: tuple[tuple[str, str], ...] = ()
    window: Literal["epoch", "iso", "date"] = "epoch"
    window_names: tuple[str, str, str, str] = ("published-min", "published-max", "updated-min", "updated-max")
    chunk_days: int = 30
    code_lifetime: int = 600
    limits: Limits = field(default_factory=Limits)
    vendor: str = ""
    zone: str | None = None
    identity_unique: bool = False
    authorization_is_subscription: bool = False
    verified: bool = False
    notes: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError("a custodian's name has small letters, digits, - and _ only", hint='Such as "pge" or "my-utility".')
        for name in ("token_endpoint", "resource_endpoint", "authorization_endpoint"):
            self._check_address(name)
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                named = ", ".join(f'"{one}"' for one in choices if one)
                raise ConfigurationError(f"{self.name}: {name} must be one of {named}")
        for name in ("chunk_days", "code_lifetime"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{self.name}: {name} must be at least 1")
        if self.zone is not None:
            _zone(self.zone)
        object.__setattr__(self, "resource_endpoint", self.resource_endpoint.rstrip("/"))
        object.__setattr__(self, "title", self.title or self.name)
        object.__setattr__(self, "vendor", self.vendor or self.name)

    def _check_address(self, name: str) -> None:
        address = getattr(self, name)
        if name == "authorization_endpoint" and not address:
            return
        try:
            origin_of(address)
        except ConfigurationError as error:
            raise ConfigurationError(f"{self.name}: {name}: {error.args[0]}", hint=error.hint) from None
        # The consent page is a browser's business, and a practice one on this machine needs no TLS; the others carry secrets.
        if not address.startswith("https://") and not (name == "authorization_endpoint" and is_loopback(address)):
            raise ConfigurationError(f"{self.name}: {name} must begin with https://, because secrets go there")

    @property
    def origins(self) -> tuple[str, ...]:
        """Scheme, host and port of the token and resource endpoints: the only places that certificate and tokens may go to."""
        return tuple(dict.fromkeys((origin_of(self.token_endpoint), origin_of(self.resource_endpoint))))

    @property
    def local(self) -> bool:
        """Whether it is on this very machine, as a practice utility is."""
        return is_loopback(self.token_endpoint) and is_loopback(self.resource_endpoint)

    def url(self, *parts: str | int, **params: str | int) -> str:
        """Return the address of a resource.

        Parameters
        ----------
        *parts : str or int
            What follows the resource endpoint, each between two slashes.
        **params : str or int
            Parameters of its query.

        Raises
        ------
        ConfigurationError
            Where a part is empty, ``.`` or ``..``.

        Examples
        --------
        >>> from smd_notebook.access.custodians import PGE
        >>> PGE.url("Subscription", 12345, "UsagePoint", **{"published-min": 1735689600})
        'https://api.pge.com/GreenButtonConnect/espi/1_1/resource/Subscription/12345/UsagePoint?published-min=1735689600'
        """
        texts = [str(part) for part in parts]
        if any(text in ("", ".", "..") for text in texts):
            raise ConfigurationError("a part of a resource's address is empty or leads elsewhere")
        address = "/".join([self.resource_endpoint, *(quote(text, safe="") for text in texts)])
        return f"{address}?{urlencode(params)}" if params else address

    @classmethod
    def from_toml(cls, path: str | Path, *, like: Custodian | None = None) -> Custodian:
        """Read a custodian's settings from a TOML file; its keys are the parameters of this class.

        Parameters
        ----------
        path : str or Path
            The file. A relative `ca_bundle` in it is looked for beside it.
        like : Custodian, optional
            One whose settings hold where the file has none.

        Raises
        ------
        ConfigurationError
            Where the file is missing, is no TOML, or a key is unknown, missing or of another type.
        """
        file = Path(path)
        try:
            given = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError:
            raise ConfigurationError(f"{file.name} cannot be opened", hint="Check the path.") from None
        except ValueError as error:  # TOML and UTF-8 alike
            raise ConfigurationError(f"{file.name} is not TOML: {error}") from None
        try:
            return cls._from(given, file.parent, like)
        except ConfigurationError as error:
            raise ConfigurationError(f"{file.name}: {error.args[0]}", hint=error.hint) from None

    @classmethod
    def _from(cls, given: dict[str, Any], folder: Path, like: Custodian | None) -> Custodian:
        values = {name: _typed(name, value) for name, value in given.items()}
        if "limits" in values:  # what is not said is not limited, or as `like` has it; a utility's day is that of its own zone
            unsaid = asdict(like.limits) if like else _UNLIMITED | ({"zone": values["zone"]} if values.get("zone") else {})
            values["limits"] = Limits(**{**unsaid, **values["limits"]})
        if "ca_bundle" in values:
            values["ca_bundle"] = str(folder / values["ca_bundle"])
        # settings that somebody changed are no longer those that were seen to work
        if like is not None:
            return replace(like, **{"verified": False, **values})
        absent = [name for name in ("name", "token_endpoint", "resource_endpoint") if name not in values]
        if absent:
            raise ConfigurationError(f"{', '.join(absent)} missing")
        return cls(**values)


_UNLIMITED: dict[str, Any] = {"per_second": None, "per_hour": None, "per_day": None, "reset": "00:00", "zone": "UTC"}
_TYPES: dict[str, Any] = {
    **dict.fromkeys(("mutual_tls", "identity_unique", "authorization_is_subscription", "verified"), bool),
    **dict.fromkeys(("chunk_days", "code_lifetime"), int),
    **dict.fromkeys(("limits", "authorization_extras"), dict),
    "window_names": list,
}


def _typed(name: str, value: Any) -> Any:
    """Return what TOML holds under a key as the field wants it."""
    known = [one.name for one in fields(Custodian)]
    if name not in known:
        raise ConfigurationError(f"there is no setting {name!r}", hint="Known: " + ", ".join(known) + ".")
    kind: Any = _TYPES.get(name, str)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        words = {bool: "true or false", int: "a whole number", dict: "a table", list: "a list", str: "a text in quotes"}
        raise ConfigurationError(f"{name} must be {words[kind]}")
    if name == "limits":
        settings = [one.name for one in fields(Limits)]
        if unknown := sorted(set(value) - set(settings)):
            raise ConfigurationError(f"limits has no setting {unknown[0]!r}", hint="Known: " + ", ".join(settings) + ".")
        return {
            key: (one or None) if key.startswith("per_") else one for key, one in value.items()
        }  # a limit of 0 is none: TOML has no null
    if name == "authorization_extras":
        return tuple((str(key), str(one)) for key, one in value.items())
    if name == "window_names":
        if len(value) != 4 or not all(isinstance(one, str) for one in value):
            raise ConfigurationError("window_names must be a list of four texts")
        return tuple(value)
    return value


@cache
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, TypeError, KeyError):
        raise ConfigurationError("zone must be an IANA time zone", hint='Such as "America/Los_Angeles".') from None
