"""The small resources: nodes to dataclasses and back, secrets, and replies of a utility's service."""

from __future__ import annotations

import contextlib
import copy
import json
import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smd_notebook.errors import BrokenXmlError, ConfigurationError, NotEspiError, ReadError
from smd_notebook.espi.model import Summary, UsagePoint
from smd_notebook.espi.resources import (
    ApplicationInformation,
    Authorization,
    BatchList,
    Interval,
    Secret,
    ServiceStatus,
    build,
    decimal_of,
    hidden,
    node_of,
    parse,
    read_resource,
)
from tests.build import ESPI

# -- numbers ------------------------------------------------------------------------------------------------------------------------------


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=6))
def test_numbers_are_exact(number: Decimal) -> None:
    assert decimal_of(format(number, "f")) == number


@pytest.mark.parametrize(
    "text", ["", "x", "NaN", "sNaN", "Infinity", "-inf", "1_000", "1,000", "0x10", "１", "1e999999999", "9" * 41, "1 2"]
)
def test_what_is_no_number(text: str) -> None:
    assert decimal_of(text) is None


@pytest.mark.parametrize(
    ("tag", "given", "attribute", "expected"),
    [
        ("status", "1", "status", 1),
        ("status", " 1 ", "status", 1),
        ("status", "1.0", "status", 1),
        ("status", "", "status", None),
        ("grounded", "true", "grounded", True),
        ("grounded", "0", "grounded", False),
        ("grounded", " TRUE ", "grounded", True),
        ("readCycle", " A ", "read_cycle", "A"),
        ("STATUS", "1", "status", 1),
        ("roleFlags", "0010", "role_flags", "0010"),
        ("status", {"@a": "b", "#text": "1"}, "status", 1),
        ("status", {"@nil": "true"}, "status", None),
    ],
)
def test_what_is_taken(tag: str, given: Any, attribute: str, expected: Any) -> None:
    assert getattr(build(UsagePoint, {tag: given}), attribute) == expected


@pytest.mark.parametrize(
    ("tag", "given"), [("status", "on"), ("status", "1.5"), ("grounded", "maybe"), ("status", {"x": "1"}), ("ServiceCategory", "0")]
)
def test_what_cannot_be_taken_is_kept_and_told(tag: str, given: Any) -> None:
    told: list[str] = []
    found = build(UsagePoint, {tag: given}, lambda code, text: told.append(code))
    assert found.extra == {tag: given}
    assert told == ["not-understood"]


def test_the_first_of_repeated_elements_counts() -> None:
    found = build(UsagePoint, {"status": ["1", "0"]})
    assert found.status == 1
    assert found.extra == {"status": "0"}


def test_both_spellings_of_one_element_are_kept() -> None:
    found = build(UsagePoint, {"ServiceDeliveryPoint": {"tariffProfile": "A"}, "serviceDeliveryPoint": {"tariffProfile": "B"}})
    assert found.service_delivery_point is not None
    assert found.service_delivery_point.tariff_profile == "A"
    assert found.extra == {"serviceDeliveryPoint": {"tariffProfile": "B"}}


NODES: dict[str, tuple[type, dict[str, Any]]] = {
    "a bill": (
        Summary,
        {
            "billingPeriod": {"duration": "2592000", "start": "1704096000"},
            "billLastPeriod": "15303000",
            "costAdditionalDetailLastPeriod": [
                {"amount": "6.5", "note": "Größe", "itemKind": "1"},
                {"amount": "-7", "itemKind": "6", "new": {"a": "b"}},
            ],
            "overallConsumptionLastPeriod": {"powerOfTenMultiplier": "-3", "uom": "72", "value": "1"},
            "tariffRiderRefs": {"tariffRiderRef": {"riderType": "x"}},
        },
    ),
    "a usage point": (
        UsagePoint,
        {"ServiceCategory": {"kind": "0"}, "grounded": "true", "pnodeRefs": {"pnodeRef": [{"ref": "1"}, {"ref": "2"}]}},
    ),
    "an interval": (Interval, {"duration": "1", "start": "-5", "other": "x"}),
}


@pytest.mark.parametrize("name", NODES)
def test_there_and_back(name: str) -> None:
    cls, node = NODES[name]
    thing = build(cls, node)
    again = build(cls, node_of(thing))
    assert again == thing
    assert again.extra == thing.extra


def test_money_with_decimals_stays_exact() -> None:
    found = build(Summary, {"billLastPeriod": "15303000.12345", "costAdditionalDetailLastPeriod": {"amount": "0.1"}})
    assert found.bill_last_period == Decimal("15303000.12345")
    assert found.lines[0].amount == Decimal("0.1")


def test_a_summarys_time_in_fractions_is_cut_and_told() -> None:
    told: list[str] = []
    found = build(Summary, {"statusTimeStamp": "1704096000.9"}, lambda code, text: told.append(code))
    assert found.status_time_stamp == 1704096000
    assert told == ["fractional-time"]


# -- secrets ------------------------------------------------------------------------------------------------------------------------------

CANARY = "CANARY-hunter2"


def test_a_secret_is_never_shown() -> None:
    secret = Secret(CANARY)
    shown = f"{secret} {secret!r} {secret!s:>5} {[secret]} {json.dumps(str(secret))} { {'x': secret}!r} {vars(type(secret))['__slots__']}"
    assert CANARY not in shown
    assert secret.reveal() == CANARY
    assert secret == Secret(CANARY)
    assert secret != CANARY
    assert copy.deepcopy(secret) == secret
    for away in (pickle.dumps, copy.copy):
        with pytest.raises(ConfigurationError, match="cannot be pickled"):
            away(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)


@pytest.mark.parametrize(
    "name",
    [
        "client_secret",
        "access_token",
        "accessToken",
        "refresh_token",
        "registration_access_token",
        "password",
        "Passphrase",
        "id_token",
        "clientSecret",
        "token",
        "authorization_code",
        "apiKey",
    ],
)
def test_names_of_secrets(name: str) -> None:
    for node in (
        {name: CANARY},
        {"a": {name: CANARY}},
        {"a": [{name: CANARY}, {name: [CANARY, CANARY]}]},
        {name: {"#text": CANARY}},
        {f"@{name}": CANARY},
    ):
        assert CANARY not in repr(hidden(node))


@pytest.mark.parametrize(
    "name", ["token_type", "scope", "client_id", "token_endpoint_auth_method", "authorizationServerTokenEndpoint", "tokenized"]
)
def test_names_that_are_no_secrets(name: str) -> None:
    assert hidden({name: "x"}) == {name: "x"}


def test_secrets_are_not_written() -> None:
    thing = build(
        ApplicationInformation, {"client_secret": CANARY, "client_id": "7", "other_token": CANARY, "inner": {"password": CANARY, "a": "b"}}
    )
    assert CANARY not in repr(thing)
    node = node_of(thing)
    assert CANARY not in repr(node)
    assert node == {"client_id": "7", "inner": {"a": "b"}}


# -- replies of a service -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "espi:", "ns0:"])
def test_service_status(prefix: str) -> None:
    declared = f'xmlns{":" + prefix[:-1] if prefix else ""}="{ESPI}"'
    data = f"<{prefix}ServiceStatus {declared}><{prefix}currentStatus>1</{prefix}currentStatus></{prefix}ServiceStatus>".encode()
    found = read_resource(data)
    assert isinstance(found, ServiceStatus)
    assert found.normal
    assert not read_resource(data.replace(b">1<", b">0<")).normal


def test_a_batch_list() -> None:
    found = read_resource(
        f'<BatchList xmlns="{ESPI}"><resources>https://a.example/1</resources><resources>https://a.example/2</resources></BatchList>'.encode()
    )
    assert found == BatchList(resources=("https://a.example/1", "https://a.example/2"))
    assert read_resource(f'<BatchList xmlns="{ESPI}"/>'.encode()) == BatchList()


@pytest.mark.parametrize(
    "around", ["{}", "<entry><content>{}</content></entry>", '<feed><entry><title>x</title><content type="xml">{}</content></entry></feed>']
)
def test_an_authorization_bare_or_in_an_entry(around: str) -> None:
    period = "<authorizedPeriod><duration>0</duration><start>5</start></authorizedPeriod>"
    inside = f"<Authorization>{period}<status>1</status><access_token>t</access_token></Authorization>"
    found = read_resource(around.format(inside).encode())
    assert isinstance(found, Authorization)
    assert found.status == 1
    assert found.authorized_period == Interval(duration=0, start=5)
    assert found.extra == {"access_token": Secret("t")}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"<html/>",
        b"<feed/>",
        b"<entry/>",
        b"<entry><content/></entry>",
        b"<entry><content>text</content></entry>",
        b"<UsagePoint/>",
        b"<feed><entry/><entry/></feed>",
        b"<ServiceStatus",
        b"<!DOCTYPE x><ServiceStatus/>",
        b"<a><b></a>",
        b"\xff\xfe<\0",
        b"<a>&x;</a>",
        b"\0",
        b"<a/>junk",
    ],
)
def test_other_replies_are_errors_of_ours(data: bytes) -> None:
    with pytest.raises(ReadError):
        read_resource(data)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_no_encoding_hides_a_doctype(encoding: str) -> None:
    text = '<!DOCTYPE x [<!ENTITY a "b">]><ServiceStatus><currentStatus>&a;</currentStatus></ServiceStatus>'
    with pytest.raises(ReadError):
        read_resource(text.encode(encoding))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
def test_a_doctype_is_refused_though_it_names_no_entity(encoding: str) -> None:
    """Each element would get the attribute anew: gigabytes from a notification that a stranger sends."""
    text = '<!DOCTYPE x [<!ATTLIST a b CDATA "c">]><ServiceStatus><a/><a/></ServiceStatus>'
    with pytest.raises(BrokenXmlError, match="DOCTYPE"):
        parse(text.encode(encoding))


def test_depth_is_bounded() -> None:
    with pytest.raises(BrokenXmlError):
        parse(b"<a>" * 100_000 + b"</a>" * 100_000)


def test_not_xml_is_not_espi() -> None:
    with pytest.raises(NotEspiError):
        parse(b'{"error": "invalid_request"}')


@given(st.binary(max_size=50), st.sampled_from([b"", b"<a>", b"<?xml version='1.0'?>", b"<entry><content>"]))
def test_no_reply_ever_crashes(data: bytes, before: bytes) -> None:
    with contextlib.suppress(ReadError):
        read_resource(before + data)
