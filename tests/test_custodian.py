"""Custodians: what differs between utilities, as data."""

from __future__ import annotations

import pickle
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

import smd_notebook as smd
from smd_notebook.access import custodians
from smd_notebook.access.custodian import Custodian, Limits, is_loopback, origin_of
from smd_notebook.errors import ConfigurationError

KNOWN = [getattr(custodians, name) for name in custodians.__all__ if isinstance(getattr(custodians, name), Custodian)]
LEAST = 'name = "mine"\ntoken_endpoint = "https://a.example/t"\nresource_endpoint = "https://b.example/r/"\n'


def read(tmp_path: Path, text: str) -> Custodian:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return Custodian.from_toml(file)


def test_the_public_face() -> None:
    assert smd.custodians is custodians
    assert smd.custodians.PGE.verified
    assert sorted(one.name for one in KNOWN if one.verified) == ["pge", "pge-test"]


@pytest.mark.parametrize("custodian", KNOWN, ids=lambda one: one.name)
def test_every_known_one_is_whole(custodian: Custodian) -> None:
    assert custodians.named(custodian.name) is custodian
    assert not custodian.local
    assert all(one.startswith("https://") for one in custodian.origins)
    assert pickle.loads(pickle.dumps(custodian)) == custodian
    assert len({one.name for one in KNOWN}) == len(KNOWN)


def test_only_the_oauth_endpoints_of_the_test_differ() -> None:
    differ = {one.name for one in fields(Custodian) if getattr(custodians.PGE, one.name) != getattr(custodians.PGE_TEST, one.name)}
    assert differ == {"name", "title", "authorization_endpoint", "token_endpoint", "notes"}
    assert custodians.PGE.vendor == custodians.PGE_TEST.vendor == "pge"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://API.Pge.com/x", "https://api.pge.com:443"),
        ("https://api.pge.com:443", "https://api.pge.com:443"),
        ("http://localhost:80/x", "http://localhost:80"),
        ("https://[::1]:8443/x", "https://[::1]:8443"),
    ],
)
def test_origins(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.pge.com/x",
        "/x",
        "ftp://api.pge.com/x",
        "https:///x",
        "https://api.pge.com@evil.example/x",
        "https://evil.example\\@api.pge.com/x",
        "https://api.pge.com:99999/x",
        "https://api.pge.com:x/x",
        "https://api.pge.com/a b",
        "https://api.pge.com/\r\nX: y",
        "https://[::1/x",
        "https://api。pge.com/x",
    ],
)
def test_what_is_no_origin(url: str) -> None:
    with pytest.raises(ConfigurationError, match="absolute https"):
        origin_of(url)


@pytest.mark.parametrize(
    ("url", "local"),
    [("https://127.0.0.1/", True), ("https://127.9.9.9/", True), ("https://[::1]/", True), ("https://localhost.example/", False)],
)
def test_loopback(url: str, local: bool) -> None:
    assert is_loopback(url) is local


def test_addresses_of_resources() -> None:
    at = custodians.PGE.resource_endpoint
    assert custodians.PGE.url() == at
    assert custodians.PGE.url("Batch", "Subscription", 1, **{"published-min": 2, "published-max": "2025-01-01T00:00:00Z"}) == (
        at + "/Batch/Subscription/1?published-min=2&published-max=2025-01-01T00%3A00%3A00Z"
    )
    assert custodians.PGE.url("a/b?c#d e", "Zm9v==") == at + "/a%2Fb%3Fc%23d%20e/Zm9v%3D%3D"


@pytest.mark.parametrize("part", ["", ".", ".."])
def test_a_part_leads_nowhere_else(part: str) -> None:
    with pytest.raises(ConfigurationError, match="elsewhere"):
        custodians.PGE.url("Subscription", part)


def test_toml_with_the_least(tmp_path: Path) -> None:
    got = read(tmp_path, LEAST)
    assert got == Custodian(name="mine", token_endpoint="https://a.example/t", resource_endpoint="https://b.example/r")
    assert got.origins == ("https://a.example:443", "https://b.example:443")
    assert (got.title, got.vendor, got.verified) == ("mine", "mine", False)


def test_toml_with_everything(tmp_path: Path) -> None:
    text = LEAST + (
        'title = "Mine"\nauthorization_endpoint = "http://localhost:8000/consent"\nmutual_tls = true\nca_bundle = "ca.pem"\n'
        'tls_maximum = "1.2"\nclient_auth = "post"\ntoken_parameters = "query"\nclient_token_scope = "x"\nrefresh_scope = "omit"\n'
        'window = "date"\nwindow_names = ["a", "b", "c", "d"]\nchunk_days = 7\ncode_lifetime = 60\nvendor = "v"\nzone = "America/Toronto"\n'
        '[limits]\nper_second = 0.5\nper_day = 0\nreset = "00:00"\nzone = "UTC"\n[authorization_extras]\nlogin = "guest"\n'
    )
    got = read(tmp_path, text)
    assert got.ca_bundle == str(tmp_path / "ca.pem")
    assert got.limits == Limits(per_second=0.5, per_hour=None, per_day=None, reset="00:00", zone="UTC")
    assert got.authorization_extras == (("login", "guest"),)
    assert got.window_names == ("a", "b", "c", "d")
    assert (got.mutual_tls, got.tls_maximum, got.client_auth, got.token_parameters, got.window) == (True, "1.2", "post", "query", "date")


def test_a_limit_that_is_not_said_is_none_and_the_day_is_the_utilitys(tmp_path: Path) -> None:
    got = read(tmp_path, LEAST + 'zone = "America/New_York"\n[limits]\nper_day = 500\n')
    assert got.limits == Limits(None, None, 500, reset="00:00", zone="America/New_York")
    like = replace(custodians.PGE, limits=Limits(1, 2, 3, "05:00", "UTC"))
    file = tmp_path / "qa.toml"
    file.write_text('name = "qa"\nzone = "America/New_York"\n[limits]\nper_hour = 9\n', encoding="utf-8")
    assert Custodian.from_toml(file, like=like).limits == Limits(1, 9, 3, "05:00", "UTC")


def test_toml_like_a_known_one(tmp_path: Path) -> None:
    file = tmp_path / "qa.toml"
    file.write_text('name = "pge-qa"\nwindow = "iso"\n', encoding="utf-8")
    got = Custodian.from_toml(file, like=custodians.PGE)
    assert got == replace(custodians.PGE, name="pge-qa", window="iso", verified=False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = ", "is not TOML"),
        ('name = "mine"', "token_endpoint, resource_endpoint missing"),
        (LEAST + "colour = 1", "no setting 'colour'"),
        (LEAST + "mutual_tls = 1", "mutual_tls must be true or false"),
        (LEAST + 'chunk_days = "30"', "chunk_days must be a whole number"),
        (LEAST + "chunk_days = true", "chunk_days must be a whole number"),
        (LEAST + "chunk_days = 0", "chunk_days must be at least 1"),
        (LEAST + "title = 1", "title must be a text"),
        (LEAST + "limits = 1", "limits must be a table"),
        (LEAST + "limits = {per_year = 1}", "no setting 'per_year'"),
        (LEAST + "limits = {per_hour = -1}", "per_hour must be a number above 0"),
        (LEAST + 'limits = {per_hour = "x"}', "per_hour must be a number above 0"),
        (LEAST + 'limits = {reset = "25:00"}', "reset must be a time of day"),
        (LEAST + 'limits = {zone = "Mars/Olympus"}', "IANA"),
        (LEAST + "limits = {zone = 1}", "IANA"),
        (LEAST + 'zone = "../etc/passwd"', "IANA"),
        (LEAST + 'window = "weeks"', 'window must be one of "epoch", "iso", "date"'),
        (LEAST + 'window_names = ["a"]', "list of four"),
        (LEAST + 'authorization_endpoint = "http://a.example/x"', "authorization_endpoint must begin with https"),
        (LEAST.replace("https://a", "http://a"), "token_endpoint must begin with https"),
        (LEAST.replace("https://b.example", "http://localhost"), "resource_endpoint must begin with https"),
        (LEAST.replace("https://b.example/r/", "here"), "resource_endpoint: this is no absolute https"),
        (LEAST.replace('"mine"', '"My Utility/.."'), "small letters"),
    ],
)
def test_toml_that_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith("mine.toml")


def test_toml_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml cannot be opened"):
        Custodian.from_toml(tmp_path / "none.toml")
    file = tmp_path / "bytes.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="not TOML"):
        Custodian.from_toml(file)


@pytest.mark.parametrize("given", [{"client_auth": "tls"}, {"tls_maximum": "1.1"}, {"token_parameters": "header"}, {"code_lifetime": 0}])
def test_settings_that_are_none(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        replace(custodians.PGE, **given)


def test_a_name_that_is_unknown() -> None:
    with pytest.raises(ConfigurationError, match="no custodian of that name"):
        custodians.named("nobody")
