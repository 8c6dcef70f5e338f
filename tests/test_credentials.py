"""Credentials: where they come from, and that nobody sees them."""

from __future__ import annotations

import builtins
import copy
import getpass
import json
import pickle
import ssl
import sys
import types
import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509 import load_pem_x509_certificate

import smd_notebook as smd
from smd_notebook.access.credentials import Credentials, load_chain, on_binder
from smd_notebook.errors import ConfigurationError, SmdWarning
from smd_notebook.espi.resources import Secret

CANARY = "CANARY-hunter2"
TOML = f'client_id = "abc"\nclient_secret = "{CANARY}"\n'


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLIENT_ID", "CLIENT_SECRET", "CERT", "KEY", "KEY_PASSPHRASE", "REGISTRATION_TOKEN", "REDIRECT_URI", "THIRD_PARTY_ID"):
        monkeypatch.delenv(f"SMD_{name}", raising=False)
    for name in ("BINDER_SERVICE_HOST", "BINDER_LAUNCH_HOST"):
        monkeypatch.delenv(name, raising=False)


def private(path: Path, text: str = TOML) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


# -- where they come from ----------------------------------------------------------------------------------------------------------------


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"CLIENT_ID": "abc", "CLIENT_SECRET": CANARY, "CERT": "/a/c.pem", "KEY": "/a/k.pem", "KEY_PASSPHRASE": "p"}
    given |= {"REGISTRATION_TOKEN": "r", "REDIRECT_URI": "https://x.example/cb", "THIRD_PARTY_ID": "50098", "BULK_ID": "7"}
    for name, value in given.items():
        monkeypatch.setenv(f"SMD_{name}", value)
    got = smd.Credentials.from_env()
    assert got == Credentials("abc", Secret(CANARY), "/a/c.pem", "/a/k.pem", Secret("p"), Secret("r"), "https://x.example/cb", "50098", "7")


def test_an_environment_that_lacks_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="SMD_CLIENT_ID and SMD_CLIENT_SECRET not set"):
        Credentials.from_env()
    monkeypatch.setenv("SMD_CLIENT_ID", "abc")
    monkeypatch.setenv("SMD_CLIENT_SECRET", "")
    with pytest.raises(ConfigurationError, match=r"^SMD_CLIENT_SECRET not set"):
        Credentials.from_env()


def test_from_a_file(tmp_path: Path) -> None:
    file = private(tmp_path / "smd.toml", TOML + 'certificate = "c.pem"\nkey = "/a/k.pem"\n')
    got = Credentials.from_file(str(file))
    assert got.client_secret.reveal() == CANARY
    assert (got.certificate, got.key) == (str(tmp_path / "c.pem"), "/a/k.pem")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o602, 0o777])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = private(tmp_path / "smd.toml")
    file.chmod(mode)
    with pytest.raises(ConfigurationError, match=r"others may read smd\.toml") as caught:
        Credentials.from_file(file)
    assert caught.value.hint == f"chmod 600 {file}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f'client_secret = {CANARY}"', "is not TOML"),
        (f"\udcff{CANARY}", "is not TOML"),
        (TOML + 'colour = "x"', "no setting 'colour'"),
        (TOML + "certificate = 1", "certificate must be a text"),
        (f'client_secret = "{CANARY}"', "client id or the client secret is missing"),
        ('client_id = "abc"\nclient_secret = ""', "client id or the client secret is missing"),
    ],
)
def test_a_file_that_is_wrong_and_its_error_shows_nothing(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "smd.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    file.chmod(0o600)
    with pytest.raises(ConfigurationError, match=says) as caught:
        Credentials.from_file(file)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        Credentials.from_file(tmp_path / "none.toml")


def answers(monkeypatch: pytest.MonkeyPatch, *texts: str, hidden: Callable[[str], str]) -> list[str]:
    asked: list[str] = []
    given = iter(texts)

    def shown(prompt: str = "") -> str:
        asked.append(prompt)
        return next(given)

    monkeypatch.setattr(builtins, "input", shown)
    monkeypatch.setattr(getpass, "getpass", hidden)
    return asked


def test_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    secret: list[str] = []
    asked = answers(monkeypatch, " abc ", "c.p12", "", "", hidden=lambda prompt: secret.append(prompt) or CANARY)  # type: ignore[func-returns-value]
    got = Credentials.ask()
    assert got == Credentials("abc", Secret(CANARY), "c.p12", None, Secret(CANARY))
    assert [one.split(":")[0].split(" (")[0] for one in asked] == ["Client id", "Certificate", "Private key", "Redirect URI"]
    assert len(secret) == 2


def test_a_terminal_that_would_show_a_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def shows(prompt: str) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        return CANARY

    answers(monkeypatch, "abc", hidden=shows)
    with pytest.raises(ConfigurationError, match="would show"):
        Credentials.ask()


class Vault:
    """A keyring that keeps what it is given, and calls itself by any module's name."""

    def __init__(self, module: str, *inner: Vault) -> None:
        self.held: dict[tuple[str, str], str] = {}
        self.__class__ = type("Keyring", (Vault,), {"__module__": module})
        if module.endswith("chainer"):
            self.backends = inner

    def get_password(self, service: str, name: str) -> str | None:
        return self.held.get((service, name))

    def set_password(self, service: str, name: str, value: str) -> None:
        self.held[service, name] = value


def install(monkeypatch: pytest.MonkeyPatch, vault: Vault) -> None:
    module = types.ModuleType("keyring")
    module.get_keyring = lambda: vault  # type: ignore[attr-defined]
    module.__spec__ = ssl.__spec__  # any: find_spec asks for one
    monkeypatch.setitem(sys.modules, "keyring", module)


@pytest.mark.parametrize(
    "vault", [Vault("keyring.backends.SecretService"), Vault("keyring.backends.chainer", Vault("keyring.backends.macOS"))]
)
def test_the_systems_vault(monkeypatch: pytest.MonkeyPatch, vault: Vault) -> None:
    install(monkeypatch, vault)
    with pytest.raises(ConfigurationError, match="nothing is in the keyring"):
        Credentials.from_keyring("lab")
    given = Credentials("abc", Secret(CANARY), "c.pem", registration_token=Secret("r"))
    given.to_keyring("lab")
    assert Credentials.from_keyring("lab") == given
    assert list(vault.held) == [("smd_notebook", "lab")]


@pytest.mark.parametrize(
    "vault",
    [
        Vault("keyring.backends.fail"),
        Vault("keyring.backends.null"),
        Vault("keyrings.alt.file"),
        Vault("keyring.backends.chainer"),
        Vault("keyring.backends.chainer", Vault("keyring.backends.macOS"), Vault("keyrings.alt.file")),
    ],
)
def test_a_keyring_that_does_not_encrypt_is_refused(monkeypatch: pytest.MonkeyPatch, vault: Vault) -> None:
    install(monkeypatch, vault)
    with pytest.raises(ConfigurationError, match="known to encrypt"):
        Credentials("abc", Secret(CANARY)).to_keyring()
    with pytest.raises(ConfigurationError, match="known to encrypt"):
        Credentials.from_keyring()
    assert vault.held == {}


def test_no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setattr("smd_notebook.errors.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="keyring") as caught:
        Credentials.from_keyring()
    assert "'.[keyring]'" in caught.value.hint


# -- who may see them --------------------------------------------------------------------------------------------------------------------


def test_nothing_shows_them() -> None:
    one = Credentials("abc", Secret(CANARY), "/home/jane/c.pem", "/home/jane/k.pem", Secret(CANARY), Secret(CANARY))
    shown = f"{one} {one!r} {one._repr_html_()} {asdict(one)} {vars(one)} {[one]}"
    assert CANARY not in shown
    assert "jane" not in repr(one)
    assert repr(Credentials("<b>", Secret("x"))) == "Credentials(client_id='<b>', client_secret=[redacted])"
    assert "<b>" not in Credentials("<b>", Secret("x"))._repr_html_()
    for away in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(ConfigurationError, match="cannot be pickled or copied"):
            away(one)
    with pytest.raises(TypeError):
        json.dumps(asdict(one))


def test_codes_do_not_travel_in_the_clear_unsaid() -> None:
    """RFC 9700 §2.6; an address of this machine is allowed (RFC 8252 §7.3)."""
    for address in ("http://lab.example/OAuthCallback", "HTTP://127.0.0.1.example/"):
        with pytest.warns(SmdWarning, match="codes come back in the clear"):
            Credentials("a", "b", redirect_uri=address)  # type: ignore[arg-type]
    for address in ("https://lab.example/", "http://127.0.0.1:8000/x", "http://localhost:3000/x", "http://[::1]:1/"):
        Credentials("a", "b", redirect_uri=address)  # type: ignore[arg-type]


def test_a_plain_text_becomes_a_secret() -> None:
    one = Credentials("abc", CANARY, registration_token="")  # type: ignore[arg-type]
    assert one.client_secret == Secret(CANARY)
    assert one.registration_token is None
    assert replace(one, client_id="d").client_secret == Secret(CANARY)


@pytest.mark.parametrize("variable", ["BINDER_SERVICE_HOST", "BINDER_LAUNCH_HOST"])
def test_a_binder_gets_no_private_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str) -> None:
    assert not on_binder()
    monkeypatch.setenv(variable, "mybinder.example")
    assert on_binder()
    assert Credentials.from_file(private(tmp_path / "a.toml")).client_id == "abc"
    for line in ('certificate = "c.pem"', 'key = "k.pem"'):
        with pytest.raises(ConfigurationError, match="public machine"):
            Credentials.from_file(private(tmp_path / "b.toml", TOML + line))
    for name in ("CLIENT_ID", "CLIENT_SECRET", "CERT"):
        monkeypatch.setenv(f"SMD_{name}", "x")
    with pytest.raises(ConfigurationError, match="public machine"):
        Credentials.from_env()


# -- certificate and key -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def leaf() -> trustme.LeafCert:
    return trustme.CA().issue_cert("third-party.example", key_type=trustme.KeyType.RSA)


def pem_of(leaf: trustme.LeafCert, passphrase: str | None = None) -> bytes:
    how = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return load_pem_private_key(leaf.private_key_pem.bytes(), None).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


def pair(folder: Path, certificate: bytes, key: bytes, mode: int = 0o600) -> dict[str, Path]:
    (folder / "c.pem").write_bytes(certificate)
    (folder / "k.pem").write_bytes(key)
    (folder / "k.pem").chmod(mode)
    return {"certificate": folder / "c.pem", "key": folder / "k.pem"}


def load(**given: Any) -> None:
    load_chain(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), Credentials("abc", Secret("s"), **given))


def test_pairs_that_load(tmp_path: Path, leaf: trustme.LeafCert) -> None:
    certificate = leaf.cert_chain_pems[0].bytes()
    load(**pair(tmp_path, certificate, pem_of(leaf)))
    load(**pair(tmp_path, certificate, pem_of(leaf, CANARY), 0o644), key_passphrase=Secret(CANARY))
    load(certificate=pair(tmp_path, certificate + pem_of(leaf), b"")["certificate"].chmod(0o600) or tmp_path / "c.pem")


@pytest.mark.parametrize("passphrase", [CANARY, None])
def test_pkcs12(tmp_path: Path, leaf: trustme.LeafCert, passphrase: str | None) -> None:
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    certificate = load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
    how = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    file = tmp_path / "both.p12"
    file.write_bytes(pkcs12.serialize_key_and_certificates(b"x", key, certificate, None, how))  # type: ignore[arg-type]
    file.chmod(0o644)
    if passphrase is None:
        with pytest.raises(ConfigurationError, match=r"everybody may read the private key both\.p12"):
            load(certificate=file)
        file.chmod(0o600)
    load(certificate=file, key_passphrase=Secret(passphrase) if passphrase else None)
    with pytest.raises(ConfigurationError, match=r"both\.p12 cannot be opened"):
        load(certificate=file, key_passphrase=Secret("wrong"))


def test_pairs_that_do_not_load(tmp_path: Path, leaf: trustme.LeafCert) -> None:
    certificate, other = leaf.cert_chain_pems[0].bytes(), trustme.CA().issue_cert("else.example", key_type=trustme.KeyType.RSA)
    for key, mode, passphrase, says in (
        (pem_of(leaf), 0o644, None, r"everybody may read the private key k\.pem"),
        (pem_of(leaf, "p"), 0o600, None, "no passphrase was given"),
        (pem_of(leaf, "p"), 0o600, Secret(CANARY), "passphrase does not open"),
        (pem_of(other), 0o600, None, "does not belong to the certificate"),
        (b"x", 0o600, None, "cannot be read"),
    ):
        with pytest.raises(ConfigurationError, match=says) as caught:
            load(**pair(tmp_path, certificate, key, mode), key_passphrase=passphrase)
        assert CANARY not in str(caught.value)
        assert caught.value.__context__ is None


def test_pairs_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="wants a client certificate"):
        load()
    with pytest.raises(ConfigurationError, match=r"none\.pem is not there"):
        load(certificate=tmp_path / "none.pem")
