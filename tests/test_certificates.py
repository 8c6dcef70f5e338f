"""A certificate with each fault is told from a good one."""

from __future__ import annotations

import base64
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from smd_notebook.access import certificates
from smd_notebook.access.certificates import check_certificate, load_key, new_request
from smd_notebook.errors import ConfigurationError
from smd_notebook.espi.resources import Secret
from tests.wire import shown_by

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KEYS = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(3)]
WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)


def named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def issued(
    subject: str,
    key: Any,
    issuer: str,
    signer: Any,
    *,
    days: tuple[int, int] = (-10, 300),
    uses: list[Any] | None = None,
    signature: Any = None,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
    )
    if uses is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    return builder.sign(signer, signature or hashes.SHA256())


ROOT = issued("root", KEYS[0], "root", KEYS[0])
MIDDLE = issued("middle", KEYS[1], "root", KEYS[0])


def pem(key: Any, passphrase: bytes | None = None) -> bytes:
    how = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how))


def outcomes(folder: Path, chain: list[x509.Certificate], key: Any = KEYS[2], **options: Any) -> dict[str, tuple[str, str]]:
    (folder / "smd.pem").write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in chain))
    (folder / "smd.key").write_bytes(pem(key))
    (folder / "smd.key").chmod(0o600)
    checks = check_certificate(folder / "smd.pem", folder / "smd.key", now=NOW, **options)
    for check in checks:
        assert (check.outcome == "ok") == (not check.advice), check  # whatever is not well comes with advice
    return {check.name: (check.outcome, check.found) for check in checks}


@pytest.fixture(autouse=True)
def public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the root made here for a public authority."""
    monkeypatch.setattr(certificates, "_public_roots", lambda: (ROOT,))


def test_a_good_certificate_passes_every_check(tmp_path: Path) -> None:
    leaf = issued("lab.example.org", KEYS[2], "middle", KEYS[1], uses=[ExtendedKeyUsageOID.CLIENT_AUTH])
    found = outcomes(tmp_path, [leaf, MIDDLE])
    assert {name: outcome for name, (outcome, _) in found.items()} == dict.fromkeys(
        ["certificate file", "private key", "key and certificate", "key size", "signature", "dates", "use", "chain"], "ok"
    )
    assert found["dates"][1] == "2026-05-22 to 2027-03-28, 300 days left"


@pytest.mark.parametrize(
    ("name", "outcome", "leaf"),
    [
        ("use", "failed", {"uses": [ExtendedKeyUsageOID.SERVER_AUTH]}),
        ("use", "ok", {"uses": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]}),
        ("use", "ok", {}),  # no list of uses excludes none
        ("dates", "failed", {"days": (-400, -1)}),
        ("dates", "failed", {"days": (1, 300)}),
        ("dates", "warning", {"days": (-300, 29)}),
        ("signature", "ok", {"signature": hashes.SHA384()}),
        ("signature", "failed", {"signature": hashes.SHA3_256()}),
    ],
)
def test_each_fault_of_a_certificate_is_told(tmp_path: Path, name: str, outcome: str, leaf: dict[str, Any]) -> None:
    found = outcomes(tmp_path, [issued("lab.example.org", KEYS[2], "root", KEYS[0], **leaf)])
    assert found.pop(name)[0] == outcome
    assert {other for other, _ in found.values()} == {"ok"}


def test_weak_and_unusual_keys(tmp_path: Path) -> None:
    assert outcomes(tmp_path, [issued("a", WEAK, "root", KEYS[0])], WEAK)["key size"] == ("failed", "RSA of 1024 bits")
    curve = ec.generate_private_key(ec.SECP256R1())
    assert outcomes(tmp_path, [issued("a", curve, "root", KEYS[0])], curve)["key size"][0] == "warning"


def test_a_key_of_another_certificate(tmp_path: Path) -> None:
    leaf = issued("a", KEYS[2], "middle", KEYS[1])
    assert outcomes(tmp_path, [leaf, MIDDLE], KEYS[0])["key and certificate"] == ("failed", "the key belongs to another certificate")
    found = outcomes(tmp_path, [MIDDLE, leaf])
    assert found["key and certificate"] == ("failed", "the key belongs to certificate 2 of the file")
    assert found["chain"][0] == "ok"  # one's own is looked at, wherever it stands


def test_chains(tmp_path: Path) -> None:
    leaf = issued("a", KEYS[2], "middle", KEYS[1])
    assert outcomes(tmp_path, [leaf])["chain"] == ("warning", "the file holds your own certificate only")
    assert outcomes(tmp_path, [leaf, issued("stranger", KEYS[1], "s", KEYS[1])])["chain"][0] == "warning"
    forged = issued("a", KEYS[2], "middle", KEYS[0])  # names its issuer, and was signed by another
    assert outcomes(tmp_path, [forged, MIDDLE])["chain"][0] == "warning"
    assert outcomes(tmp_path, [issued("a", KEYS[2], "a", KEYS[2])])["chain"] == ("failed", "self-signed")


def test_keys_that_cannot_be_read(tmp_path: Path) -> None:
    certificate, key = tmp_path / "smd.pem", tmp_path / "smd.key"
    certificate.write_bytes(issued("a", KEYS[2], "root", KEYS[0]).public_bytes(Encoding.PEM))

    def key_check(passphrase: Secret | None = None) -> tuple[str, str]:
        found = {check.name: check for check in check_certificate(certificate, key, passphrase, now=NOW)}
        return found["private key"].outcome, found["private key"].found

    assert key_check() == ("failed", "smd.key cannot be read: No such file or directory")
    key.write_bytes(b"not a key")
    assert key_check()[0] == "failed"
    key.write_bytes(pem(KEYS[2], b"open sesame"))
    key.chmod(0o600)
    assert key_check() == ("failed", "the key is encrypted, and no passphrase was given")
    assert key_check(Secret("wrong"))[0] == "failed"
    assert key_check(Secret("open sesame"))[0] == "ok"
    key.write_bytes(pem(KEYS[2]))
    assert key_check(Secret("open sesame")) == ("failed", "the key is not encrypted, and a passphrase was given")
    key.chmod(0o644)
    assert key_check() == ("warning", "others on this machine may read smd.key (mode 644)")


def test_pkcs12(tmp_path: Path) -> None:
    leaf = issued("a", KEYS[2], "middle", KEYS[1])
    path = tmp_path / "smd.p12"
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"a", KEYS[2], leaf, [MIDDLE], BestAvailableEncryption(b"sesame")))
    path.chmod(0o600)
    assert {check.outcome for check in check_certificate(path, passphrase=Secret("sesame"), now=NOW)} == {"ok"}
    (refused,) = check_certificate(path, passphrase=Secret("wrong"), now=NOW)
    assert (refused.name, refused.outcome) == ("certificate file", "failed")
    assert "wrong" not in repr(refused)


def test_what_is_no_certificate(tmp_path: Path) -> None:
    path = tmp_path / "smd.pem"
    path.write_bytes(b"<html>")
    (check,) = check_certificate(path)
    assert (check.outcome, check.found) == ("failed", "smd.pem is not a certificate in PEM form")


def test_a_request_and_its_key(tmp_path: Path) -> None:
    key, request = new_request(tmp_path / "new", common_name="lab.example.org", organization="Lab", passphrase=Secret("sesame"))
    private = load_pem_private_key(key.read_bytes(), b"sesame")
    asked = x509.load_pem_x509_csr(request.read_bytes())
    assert asked.is_signature_valid
    assert asked.public_key() == private.public_key()
    assert key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigurationError, match=r"there is a smd\.key"):
        new_request(tmp_path / "new", common_name="lab.example.org", organization="Lab")
    assert load_pem_private_key(key.read_bytes(), b"sesame")  # as it was
    with pytest.raises(ConfigurationError, match="do not fit"):
        new_request(tmp_path / "other", common_name="lab.example.org", organization="Lab", country="United States")
    assert not (tmp_path / "other" / "smd.key").exists()


def test_a_key_that_everybody_may_read_signs_nothing(tmp_path: Path) -> None:
    file = tmp_path / "sign.pem"
    file.write_bytes(pem(KEYS[0]))
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match=r"everybody may read the private key sign\.pem"):
        load_key(file)
    file.write_bytes(pem(KEYS[0], b"open sesame"))
    assert load_key(file, Secret("open sesame")) is not None
    file.write_bytes(pem(KEYS[0]))
    file.chmod(0o600)
    assert load_key(file) is not None


def test_a_key_of_an_unknown_curve_is_told_and_no_passphrase_with_it(tmp_path: Path) -> None:
    """SEC1 key of the curve 1.3.132.0.6, which has 112 bits."""
    body = "MD4CAQEEDnysBJ6IAa0hxKn704jIoAcGBSuBBAAGoSADHgAE1EwzZQ9YJcgpCOouJBShGP9Ruhp7Rq/KLJ/JhQ=="
    (tmp_path / "smd.key").write_text(ssl.DER_cert_to_PEM_cert(base64.b64decode(body)).replace("CERTIFICATE", "EC PRIVATE KEY"))
    with pytest.raises(ConfigurationError, match="no key that can be read") as caught:
        load_key(tmp_path / "smd.key", Secret("CANARY-passphrase"))
    assert "CANARY" not in shown_by(caught.value)
