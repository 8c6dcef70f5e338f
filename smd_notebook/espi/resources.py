"""Small ESPI resources: XML to nested dicts (by xmltodict) to dataclasses, and back.

A *node* is a nested dict as xmltodict makes it, with local names as keys: ``{"kind": "0"}``, ``{"@rel": "self"}``, lists where an
element repeats. `build` fills a dataclass from a node by the tags that its fields name; what no field names stays in ``extra``.
The reader of feeds makes nodes of the same form itself, so everything here serves both.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, NoReturn, TypeVar
from xml.parsers.expat import ExpatError

from smd_notebook.errors import BrokenXmlError, ConfigurationError, NotEspiError

Node = dict[str, Any]
#: Called with a finding code and a text where a value cannot be taken as it is.
Note = Callable[[str, str], None]
T = TypeVar("T")

#: Elements of the retail customer (customer.xsd), in lower case; they are kept as nodes.
CUSTOMER_ELEMENTS = frozenset(
    {
        "customer",
        "customeraccount",
        "customeragreement",
        "servicelocation",
        "servicesupplier",
        "meter",
        "enddevice",
        "programdateidmappings",
        "statement",
        "retailcustomer",
    }
)
#: Nothing in ESPI nests deeper than about ten; a document that does is refused.
MAX_DEPTH = 64
_SECRET = re.compile(r"(secret|token|password|passphrase|authorization_?code|api_?key)$", re.IGNORECASE)
_NOT_SECRET = {"token_type", "tokentype"}


class Secret:
    """A value that is never shown: not in a repr, a log, an error or a file, and that cannot be pickled.

    >>> Secret("hunter2")
    [redacted]
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself."""
        return self._value

    def __repr__(self) -> str:
        return "[redacted]"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __deepcopy__(self, memo: object) -> Secret:
        return self  # for the sake of dataclasses.asdict; copy.copy is refused with the pickle, which it is made by

    def __reduce__(self) -> NoReturn:
        raise ConfigurationError("a secret cannot be pickled", hint="Leave it behind, and read it again where it is needed.")


def silent(code: str, text: str) -> None:
    """Take a note nowhere."""


def xml(tag: str, kind: Any = "int", *, many: bool = False, repr: bool = True) -> Any:  # noqa: A002 - as dataclasses.field calls it
    """Declare a dataclass field that stands for the element `tag`.

    `kind` is ``int``, ``number`` (integer or decimal), ``epoch``, ``bool``, ``text``, ``secret`` or a dataclass; `many` makes a tuple.
    """
    meta = {"tag": tag, "kind": kind, "many": many}
    return field(default=() if many else None, metadata=meta, repr=repr)


def extra_field() -> Any:
    """Declare the field that keeps what is not modelled."""
    return field(default_factory=dict, repr=False)


def text_of(value: Any) -> str | None:
    """Return the text of a node's value, stripped; None where it is empty or not text."""
    if isinstance(value, dict):
        value = value.get("#text")
    if not isinstance(value, str):
        return None
    return value.strip() or None


def decimal_of(text: str) -> Decimal | None:
    """Return the exact finite number that plain ASCII `text` writes, or None.

    >>> decimal_of(" 0.380 "), decimal_of("1e3"), decimal_of("NaN"), decimal_of("1_000")
    (Decimal('0.380'), Decimal('1E+3'), None, None)
    """
    text = text.strip()
    if not text.isascii() or "_" in text or len(text) > 40:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 40 else None


def _convert(kind: Any, value: Any, tag: str, note: Note) -> Any:
    """Return `value` as `kind`; None where it is empty; raise ValueError where it cannot be taken."""
    if isinstance(kind, type):
        if isinstance(value, str):
            if value.strip():
                raise ValueError(tag)
            value = {}
        return build(kind, value or {}, note)
    text = text_of(value)
    if text is None:
        if isinstance(value, dict) and any(not key.startswith("@") for key in value):
            raise ValueError(tag)
        return None
    if kind == "text":
        return text
    if kind == "secret":
        return Secret(text)
    if kind == "bool":
        return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
    number = decimal_of(text)
    if number is None:
        raise ValueError(tag)
    if number == number.to_integral_value():
        return int(number)
    if kind == "number":
        return number
    if kind == "epoch":
        note("fractional-time", f"{tag} has a fraction of a second; it was cut off")
        return int(number // 1)
    raise ValueError(tag)


@cache
def _plan(cls: Any) -> dict[str, tuple[str, str, Any, bool]]:
    """Return lower-case tag -> (attribute, tag, kind, many) of a dataclass."""
    plan = {}
    for one in fields(cls):
        if "tag" in one.metadata:
            tag = one.metadata["tag"]
            plan[tag.lower()] = (one.name, tag, one.metadata["kind"], one.metadata["many"])
    return plan


def build(cls: type[T], node: Node, note: Note = silent, **given: Any) -> T:
    """Fill dataclass `cls` from `node`; what it has no field for, or cannot take, stays in ``extra`` as it was written.

    Names are matched without case (the 2018 and 2023 schemas differ in it). An element that may not repeat but does keeps its first
    value; the others go to ``extra``.
    """
    plan: dict[str, tuple[str, str, Any, bool]] = _plan(cls)  # type: ignore[arg-type]  # a class is hashable
    extra, values = {}, dict(given)
    for tag, value in node.items():
        target = plan.get(tag.lower())
        if target is None or target[0] in values:
            if not tag.startswith("@xmlns"):
                extra[tag] = _hide(tag, value)
            continue
        name, canonical, kind, many = target
        items = value if isinstance(value, list) else [value]
        taken: list[Any] = []
        left: list[Any] = []
        for item in items:
            try:
                if not many and taken:
                    raise ValueError(canonical)
                taken.append(_convert(kind, item, canonical, note))
            except (ValueError, KeyError):
                left.append(item)
                note("not-understood", f"{canonical} could not be taken as it stands; it is kept as written in `extra`")
        if left:
            extra[tag] = [_hide(tag, item) for item in left] if len(left) > 1 else _hide(tag, left[0])
        if taken:
            values[name] = tuple(item for item in taken if item is not None) if many else taken[0]
    if extra:
        values["extra"] = extra
    return cls(**values)


def _hide(tag: str, value: Any) -> Any:
    """Return `value` with everything in it that a secret's name announces hidden: its text, attributes and children."""
    secret = _SECRET.search(tag) and tag.lower() not in _NOT_SECRET
    if isinstance(value, dict):
        return {key: _hide(tag if secret else key, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_hide(tag, item) for item in value]
    return Secret(value) if secret and isinstance(value, str) else value


def hidden(node: Node) -> Node:
    """Return a copy of `node` in which secrets are `Secret`.

    >>> hidden({"client_secret": "x", "scope": "y"})
    {'client_secret': [redacted], 'scope': 'y'}
    """
    return {key: _hide(key, value) for key, value in node.items()}


def node_of(thing: Any) -> Node:
    """Return the node that `build` makes `thing` of; secrets are left out."""
    node: Node = {}
    for one in fields(thing):
        if "tag" not in one.metadata:
            continue
        value = getattr(thing, one.name)
        if one.metadata["many"]:
            written = [_written(item) for item in value]
            if written:
                node[one.metadata["tag"]] = written
        elif value is not None and not isinstance(value, Secret):
            node[one.metadata["tag"]] = _written(value)
    for tag, value in getattr(thing, "extra", {}).items():
        shown = _shown(value)
        if shown is None:
            continue
        if tag in node:
            before = node[tag] if isinstance(node[tag], list) else [node[tag]]
            node[tag] = before + (shown if isinstance(shown, list) else [shown])
        else:
            node[tag] = shown
    return node


def _written(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, (int, Decimal)):
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    return node_of(value)


def _shown(value: Any) -> Any:
    """Return `value` without its secrets; None where nothing is left."""
    if isinstance(value, Secret):
        return None
    if isinstance(value, dict):
        return {key: shown for key, item in value.items() if (shown := _shown(item)) is not None}
    if isinstance(value, list):
        return [shown for item in value if (shown := _shown(item)) is not None]
    return "" if value is None else value


def local(name: str) -> str:
    """Return a name without its prefix.

    >>> local("ns0:kind"), local("@ns:rel"), local("kind")
    ('kind', '@rel', 'kind')
    """
    if name.startswith("@"):
        return "@" + name[1:].rpartition(":")[2]
    return name.rpartition(":")[2]


def parse(data: bytes) -> tuple[str, Node]:
    """Return the root element's local name and node of one small document, with prefixes taken off.

    Parameters
    ----------
    data : bytes
        One XML document: a ServiceStatus, a BatchList, an Authorization entry, a token reply.

    Raises
    ------
    NotEspiError
        Where it is not XML.
    BrokenXmlError
        Where it is not well-formed, holds a DOCTYPE, or nests too deep.

    >>> parse(b'<a:ServiceStatus xmlns:a="http://naesb.org/espi"><a:currentStatus>1</a:currentStatus></a:ServiceStatus>')
    ('ServiceStatus', {'currentStatus': '1'})
    """
    import xmltodict  # 40 ms; only who reads a reply needs it

    if not data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<", b"\xff\xfe", b"\xfe\xff")):
        raise NotEspiError("this is not XML")
    # in every encoding in which these are other bytes: attributes' defaults in a DOCTYPE make gigabytes of a few hundred kB
    if any(mark.encode(code) in data for mark in ("<!DOCTYPE", "<!ENTITY") for code in ("ascii", "utf-16-le", "utf-16-be")):
        raise BrokenXmlError("it holds a DOCTYPE, which ESPI never does and which is refused")

    def plain(path: Any, key: str, value: Any) -> Any:
        if len(path) > MAX_DEPTH:
            raise BrokenXmlError(f"elements are nested deeper than {MAX_DEPTH}")
        return None if key.startswith("@xmlns") else (local(key), value)

    try:
        tree = xmltodict.parse(data, postprocessor=plain)
    except ExpatError as error:
        raise BrokenXmlError("the XML is not well-formed or was cut short", line=error.lineno) from None
    except (ValueError, RecursionError):
        raise BrokenXmlError("the XML holds what is refused (entities, or extreme depth)") from None
    name, node = next(iter(tree.items()))
    return name, node if isinstance(node, dict) else ({} if node is None else {"#text": node})


@dataclass(frozen=True)
class Interval:
    """A span of time (espi:DateTimeInterval): `start` and `duration` [s]; the end is exclusive."""

    duration: int | None = xml("duration", "epoch")
    start: int | None = xml("start", "epoch")
    extra: Node = extra_field()


@dataclass(frozen=True)
class ServiceStatus:
    """Whether a custodian's service is up (espi:ServiceStatus): 0 unavailable, 1 normal."""

    current_status: int | None = xml("currentStatus")
    entry: Any = field(default=None, repr=False)
    extra: Node = extra_field()

    @property
    def normal(self) -> bool:
        """Whether the service says that it works."""
        return self.current_status == 1


@dataclass(frozen=True)
class BatchList:
    """Addresses of batches that are ready (espi:BatchList), as a notification carries them."""

    resources: tuple[str, ...] = xml("resources", "text", many=True)
    entry: Any = field(default=None, repr=False)
    extra: Node = extra_field()


@dataclass(frozen=True)
class Authorization:
    """One customer's consent (espi:Authorization); `status` is 0 revoked, 1 active, 2 denied."""

    authorized_period: Interval | None = xml("authorizedPeriod", Interval)
    published_period: Interval | None = xml("publishedPeriod", Interval)
    status: int | None = xml("status")
    expires_at: int | None = xml("expires_at", "epoch")
    grant_type: str | None = xml("grant_type", "text")
    scope: str | None = xml("scope", "text")
    token_type: str | None = xml("token_type", "text")
    error: str | None = xml("error", "text")
    error_description: str | None = xml("error_description", "text")
    error_uri: str | None = xml("error_uri", "text")
    resource_uri: str | None = xml("resourceURI", "text")
    authorization_uri: str | None = xml("authorizationURI", "text")
    customer_resource_uri: str | None = xml("customerResourceURI", "text")
    entry: Any = field(default=None, repr=False)
    extra: Node = extra_field()


@dataclass(frozen=True)
class ApplicationInformation:
    """What a custodian holds about a third party's application (espi:ApplicationInformation); its secrets are never shown."""

    data_custodian_id: str | None = xml("dataCustodianId", "text")
    data_custodian_application_status: str | None = xml("dataCustodianApplicationStatus", "text")
    third_party_application_description: str | None = xml("thirdPartyApplicationDescription", "text")
    third_party_application_status: str | None = xml("thirdPartyApplicationStatus", "text")
    third_party_application_type: str | None = xml("thirdPartyApplicationType", "text")
    third_party_application_use: str | None = xml("thirdPartyApplicationUse", "text")
    third_party_phone: str | None = xml("thirdPartyPhone", "text")
    authorization_server_uri: str | None = xml("authorizationServerUri", "text")
    third_party_notify_uri: str | None = xml("thirdPartyNotifyUri", "text")
    authorization_endpoint: str | None = xml("authorizationServerAuthorizationEndpoint", "text")
    registration_endpoint: str | None = xml("authorizationServerRegistrationEndpoint", "text")
    token_endpoint: str | None = xml("authorizationServerTokenEndpoint", "text")
    bulk_request_uri: str | None = xml("dataCustodianBulkRequestURI", "text")
    resource_endpoint: str | None = xml("dataCustodianResourceEndpoint", "text")
    third_party_scope_selection_uri: str | None = xml("thirdPartyScopeSelectionScreenURI", "text")
    third_party_user_portal_uri: str | None = xml("thirdPartyUserPortalScreenURI", "text")
    client_secret: Secret | None = xml("client_secret", "secret")
    logo_uri: str | None = xml("logo_uri", "text")
    client_name: str | None = xml("client_name", "text")
    client_uri: str | None = xml("client_uri", "text")
    redirect_uris: tuple[str, ...] = xml("redirect_uri", "text", many=True)
    client_id: str | None = xml("client_id", "text")
    tos_uri: str | None = xml("tos_uri", "text")
    policy_uri: str | None = xml("policy_uri", "text")
    software_id: str | None = xml("software_id", "text")
    software_version: str | None = xml("software_version", "text")
    client_id_issued_at: int | None = xml("client_id_issued_at", "epoch")
    client_secret_expires_at: int | None = xml("client_secret_expires_at", "epoch")
    contacts: tuple[str, ...] = xml("contacts", "text", many=True)
    token_endpoint_auth_method: str | None = xml("token_endpoint_auth_method", "text")
    scopes: tuple[str, ...] = xml("scope", "text", many=True)
    grant_types: tuple[str, ...] = xml("grant_types", "text", many=True)
    response_types: str | None = xml("response_types", "text")
    registration_client_uri: str | None = xml("registration_client_uri", "text")
    registration_access_token: Secret | None = xml("registration_access_token", "secret")
    scope_selection_uri: str | None = xml("dataCustodianScopeSelectionScreenURI", "text")
    entry: Any = field(default=None, repr=False)
    extra: Node = extra_field()


RESOURCES: dict[str, type] = {
    "servicestatus": ServiceStatus,
    "batchlist": BatchList,
    "authorization": Authorization,
    "applicationinformation": ApplicationInformation,
}


def read_resource(data: bytes) -> Any:
    """Return the ServiceStatus, BatchList, Authorization or ApplicationInformation of a reply, bare or in one Atom entry.

    Raises
    ------
    NotEspiError
        Where it holds something else.

    >>> read_resource(b'<ServiceStatus xmlns="http://naesb.org/espi"><currentStatus>1</currentStatus></ServiceStatus>').normal
    True
    """
    name, node = parse(data)
    found: Any = node
    if name == "feed" and isinstance(node.get("entry"), dict):
        name, node = "entry", node["entry"]
    if name == "entry" and isinstance(node.get("content"), dict):
        name, found = next(((key, value) for key, value in node["content"].items() if not key.startswith("@")), ("content", {}))
    cls = RESOURCES.get(name.lower())
    if cls is None:
        raise NotEspiError("this reply holds none of ServiceStatus, BatchList, Authorization, ApplicationInformation")
    return build(cls, found if isinstance(found, dict) else {})
