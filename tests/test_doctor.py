"""A check-up says what is wrong and what to do, and raises nothing that a utility answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import smd_notebook as smd
from smd_notebook.__main__ import main
from smd_notebook.access.doctor import Checkup, _clock_check, check_client, check_credentials
from smd_notebook.access.limits import RateGate
from smd_notebook.access.stores import MemoryStore


@pytest.fixture
def utility() -> Iterator[smd.Sandbox]:
    with smd.Sandbox(households=["apartment"]) as one:
        yield one


def client_of(utility: smd.Sandbox, folder: Path, credentials: Any = None) -> smd.Client:
    custodian = utility.custodian
    gate = RateGate(custodian.limits, vendor=custodian.vendor, client_id="doctor", folder=folder)
    return smd.Client(custodian, credentials or utility.credentials, store=MemoryStore(), gate=gate)


def outcomes(found: Checkup) -> dict[str, str]:
    for check in found:
        assert check.outcome in ("ok", "unknown") or check.advice, check
    return {check.name: check.outcome for check in found}


def test_all_is_well(utility: smd.Sandbox, tmp_path: Path) -> None:
    client = client_of(utility, tmp_path)
    found = check_client(client)
    assert found.well
    assert set(outcomes(found).values()) == {"ok"}
    assert {"key size", "dates", "use", "client access token", "service status", "clock", "rate limits"} <= set(outcomes(found))
    assert "<th>what to do</th>" in found._repr_html_()
    secret = utility.credentials.client_secret.reveal()
    assert secret not in str(found) + found._repr_html_()
    client.session.close()


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("invalid-certificate", "client access token"),
        ("bad-gateway", "client access token"),
        ("dropped", "client access token"),
    ],
)
def test_a_token_that_does_not_come(utility: smd.Sandbox, tmp_path: Path, fault: str, name: str) -> None:
    utility.faults.add(fault, path="*/token", times=None)
    client = client_of(utility, tmp_path)
    found = check_client(client)
    assert not found.well
    assert outcomes(found)[name] == "failed"
    assert outcomes(found)["service status"] == "unknown"
    client.session.close()


@pytest.mark.parametrize(
    ("body", "outcome"),
    [(b"<ServiceStatus xmlns='http://naesb.org/espi'><currentStatus>0</currentStatus></ServiceStatus>", "failed"), (b"<x/>", "failed")],
)
def test_a_service_that_is_down(utility: smd.Sandbox, tmp_path: Path, body: bytes, outcome: str) -> None:
    utility.faults.add("nothing", path="*/ReadServiceStatus", body=body)
    client = client_of(utility, tmp_path)
    assert outcomes(check_client(client))["service status"] == outcome
    client.session.close()


def test_without_a_network_and_without_settings(utility: smd.Sandbox, tmp_path: Path) -> None:
    bare = replace(utility.credentials, redirect_uri=None)
    found = check_credentials(utility.custodian, bare)
    assert len(utility.requests) == 0
    assert outcomes(found)["redirect address"] == "warning"
    assert "client access token" not in outcomes(found)
    none = check_credentials(utility.custodian, replace(bare, certificate=None))
    assert outcomes(none)["certificate file"] == "failed"


def test_clocks() -> None:
    now = 1_784_131_200.0  # 2026-07-15 16:00:00 UTC
    date = "Wed, 15 Jul 2026 16:00:00 GMT"
    assert _clock_check(date, now + 59).outcome == "ok"
    assert _clock_check(date, now + 3600).found == "3600 s ahead of the server's"
    assert _clock_check(date, now - 120).found == "120 s behind the server's"
    assert _clock_check("soon", now).outcome == "ok"
    assert _clock_check("", time.time()).outcome == "ok"


def test_the_command(utility: smd.Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    about, custodian = utility.describe(), tmp_path / "practice.toml"
    settings = {"token_endpoint": about["token_endpoint"], "resource_endpoint": about["resource_endpoint"], "ca_bundle": about["ca"]}
    custodian.write_text('name = "practice"\nmutual_tls = true\n' + "".join(f'{name} = "{one}"\n' for name, one in settings.items()))
    environment = {"CLIENT_ID": "client_id", "CLIENT_SECRET": "client_secret", "CERT": "certificate", "KEY": "key"}
    for name, key in environment.items():
        monkeypatch.setenv(f"SMD_{name}", about[key])
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert main(["doctor", "--custodian", str(custodian)]) == 0
    said = capsys.readouterr().out
    assert "✓ service status" in said
    assert about["client_secret"] not in said
    monkeypatch.setenv("SMD_KEY", about["inbox_key"])
    assert main(["doctor", "--custodian", str(custodian), "--offline"]) == 1
    assert "the key belongs to another certificate" in capsys.readouterr().out
    assert main(["doctor", "--custodian", str(custodian)]) == 1  # and nothing is asked
    assert main(["doctor", "--new-key", str(tmp_path / "new"), "--host", "lab.example.org", "--organization", "Lab"]) == 0
    assert (tmp_path / "new" / "smd.csr").exists()
    assert main(["doctor", "--new-key", str(tmp_path / "new")]) == 1
    capsys.readouterr()
    assert main(["doctor", "--new-key", str(tmp_path / "other"), "--host", "a b", "--organization", "Lab"]) == 1
    assert "--host is no host name" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
