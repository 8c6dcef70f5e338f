"""The certificate that a third party shows to a utility: what is wrong with it, and how to ask for one."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from smd_notebook.access.files import refuse_open
from smd_notebook.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from smd_notebook.espi.resources import Secret

__all__ = ["Check", "check_certificate", "load_identity", "load_key", "new_request"]

Outcome = Literal["ok", "warning", "failed", "unknown"]
_LEAST_BITS = 2048
_SOON = timedelta(days=30)
_SHA2 = {"sha224", "sha256", "sha384", "sha512"}
#: The order in which PEM files are made by those who issue certificates: one's own first
_APPEND = "Append the certificates of the issuing authority (its `chain` or `bundle` file) to yours, in order, your own first."


@dataclass(frozen=True)
class Check:
    """One line of a check-up.

    Parameters
    ----------
    name : str
        What was looked at.
    outcome : {"ok", "warning", "failed", "unknown"}
        ``"unknown"`` where it could not be looked at, as something before it failed.
    found : str
        What was found; never a secret.
    advice : str
        What to do about it; empty where there is nothing to do.
    """

    name: str
    outcome: Outcome
    found: str
    advice: str = ""


def check_certificate(
    certificate: Path, key: Path | None = None, passphrase: Secret | None = None, *, now: datetime | None = None
) -> list[Check]:
    """Look at a client certificate and its key as a utility's gateway will.

    Parameters
    ----------
    certificate : Path
        PEM file of the certificate and those of its issuers, or PKCS#12 file (``.p12``, ``.pfx``) with the key inside.
    key : Path, optional
        PEM file of the private key.
    passphrase : Secret, optional
        What the key is encrypted with.
    now : datetime, optional
        The time to hold its dates against; by default the machine's.

    Returns
    -------
    list of Check
        One each for file, key, match, key size, signature, dates, use and chain.

    Notes
    -----
    PG&E asks for RSA of at least 2048 bits, a SHA-2 signature and a public authority, and refuses self-signed certificates. Extended key
    usage is that of RFC 5280, 4.2.1.12: a certificate that lists uses must list clientAuth, or servers refuse it from a client. Public
    authorities have begun to issue certificates for servers only.

    Examples
    --------
    >>> [(check.name, check.outcome) for check in check_certificate(Path("nowhere.pem"))]
    [('certificate file', 'failed')]
    """
    try:
        chain, private, problem = _load(certificate, key, passphrase)
    except ConfigurationError as error:
        return [Check("certificate file", "failed", str(error.args[0]), error.hint)]
    checks = [Check("certificate file", "ok", f"{len(chain)} certificate{'s' * (len(chain) != 1)} in {certificate.name}")]
    checks.extend(_key_checks(chain, private, problem, key or certificate))
    leaf = next((one for one in chain if private is not None and one.public_key() == private.public_key()), chain[0])
    checks.extend(_leaf_checks(leaf, now or datetime.now(UTC)))
    checks.append(_chain_check(leaf, [one for one in chain if one is not leaf]))
    return checks


def _load(
    certificate: Path, key: Path | None, passphrase: Secret | None
) -> tuple[list[x509.Certificate], PrivateKeyTypes | None, Check | None]:
    """Return the certificates, the key if it can be read, and what is wrong with the key if it cannot."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import pkcs12

    secret = passphrase.reveal().encode() if passphrase else None
    data = _bytes_of(certificate)
    if certificate.suffix.lower() in (".p12", ".pfx"):
        try:
            private, leaf, others = pkcs12.load_key_and_certificates(data, secret)
        except (ValueError, UnsupportedAlgorithm):
            text = f"{certificate.name} cannot be opened: it is damaged, or its passphrase is another"
            raise ConfigurationError(text, hint="Set SMD_KEY_PASSPHRASE to its passphrase.") from None
        if leaf is None:
            raise ConfigurationError(f"{certificate.name} holds no certificate", hint="Export it anew with certificate and key.")
        return [leaf, *others], private, None
    try:
        chain = x509.load_pem_x509_certificates(data)
    except ValueError:
        text = f"{certificate.name} is not a certificate in PEM form"
        raise ConfigurationError(
            text, hint="It begins with -----BEGIN CERTIFICATE-----; `openssl x509 -inform der` turns DER into it."
        ) from None
    return chain, *_load_key(key or certificate, secret)


def _load_key(path: Path, secret: bytes | None) -> tuple[PrivateKeyTypes | None, Check | None]:
    """Return the key of a PEM file if it can be read, and what is wrong with it if it cannot."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(_bytes_of(path), secret), None
    except TypeError:
        wrong = "is encrypted, and no passphrase was given" if secret is None else "is not encrypted, and a passphrase was given"
        return None, Check("private key", "failed", f"the key {wrong}", "Set SMD_KEY_PASSPHRASE, or leave it unset, accordingly.")
    except ConfigurationError as error:
        return None, Check("private key", "failed", str(error.args[0]), error.hint)
    except (ValueError, UnsupportedAlgorithm):
        found = f"{path.name} holds no key that can be read, or its passphrase is another"
        return None, Check("private key", "failed", found, "It begins with -----BEGIN PRIVATE KEY----- or -----BEGIN ENCRYPTED ...")


def load_key(path: Path, passphrase: Secret | None = None) -> PrivateKeyTypes:
    """Return the private key of a PEM file.

    Parameters
    ----------
    path : Path
        The file.
    passphrase : Secret, optional
        What the key is encrypted with.

    Raises
    ------
    ConfigurationError
        If it cannot be read, or it is not encrypted and everybody may read it.
    """
    if passphrase is None:
        refuse_open(path.expanduser())
    private, problem = _load_key(path, passphrase.reveal().encode() if passphrase else None)
    if private is None:
        raise _no_key(path, problem)
    return private


def _no_key(path: Path, problem: Check | None) -> ConfigurationError:
    text, hint = (problem.found, problem.advice) if problem else (f"{path.name} holds no key", "")
    return ConfigurationError(text, hint=hint)


def load_identity(
    certificate: Path, key: Path | None = None, passphrase: Secret | None = None
) -> tuple[list[x509.Certificate], PrivateKeyTypes]:
    """Return the certificates, one's own first, and the private key.

    Parameters
    ----------
    certificate, key : Path
        As for `check_certificate`.
    passphrase : Secret, optional
        What the key is encrypted with.

    Raises
    ------
    ConfigurationError
        If they cannot be read.
    """
    chain, private, problem = _load(certificate, key, passphrase)
    if private is None:
        raise _no_key(certificate, problem)
    return chain, private


def _bytes_of(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{path.name} cannot be read: {error.strerror}", hint=f"The folder looked in is {path.absolute().parent}."
        ) from None


def _key_checks(chain: Sequence[x509.Certificate], private: PrivateKeyTypes | None, problem: Check | None, path: Path) -> Iterator[Check]:
    if problem or private is None:
        yield problem or Check("private key", "failed", "there is none", "Give the key's file: SMD_KEY.")
        return
    mode = path.expanduser().stat().st_mode & 0o777
    if os.name == "posix" and mode & 0o077:
        yield Check("private key", "warning", f"others on this machine may read {path.name} (mode {mode:o})", f"chmod 600 {path.name}")
    else:
        yield Check("private key", "ok", f"readable from {path.name}")
    place = next((number for number, one in enumerate(chain) if one.public_key() == private.public_key()), None)
    if place is None:
        advice = "The key must be the one that the certificate was asked for with; a new key needs a new certificate."
        yield Check("key and certificate", "failed", "the key belongs to another certificate", advice)
    elif place:
        yield Check(
            "key and certificate", "failed", f"the key belongs to certificate {place + 1} of the file", "Put your own certificate first."
        )
    else:
        yield Check("key and certificate", "ok", "they belong together")


def _leaf_checks(leaf: x509.Certificate, now: datetime) -> Iterator[Check]:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID as Use

    public = leaf.public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        advice = "PG&E documents RSA only; ask for an RSA certificate if it is refused."
        yield Check("key size", "warning", "not an RSA key", advice)
    elif public.key_size < _LEAST_BITS:
        advice = f"At least {_LEAST_BITS} bits are asked for: make a new key and certificate."
        yield Check("key size", "failed", f"RSA of {public.key_size} bits", advice)
    else:
        yield Check("key size", "ok", f"RSA of {public.key_size} bits")

    used = leaf.signature_hash_algorithm
    name = used.name if used else "none"
    if name in _SHA2:
        yield Check("signature", "ok", name)
    else:
        yield Check("signature", "failed", name, "SHA-2 is asked for: have the certificate issued anew.")

    first, last = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    span = f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
    if now < first:
        yield Check("dates", "failed", f"valid from {first:%Y-%m-%d %H:%M} UTC only", "Wait, or set this machine's clock right.")
    elif now >= last:
        yield Check("dates", "failed", f"expired on {last:%Y-%m-%d}", "Have it renewed, and upload the new one at the utility.")
    elif last - now < _SOON:
        advice = "Renew it now: the utility has to have the new certificate before the old one ends."
        yield Check("dates", "warning", f"{span}, {(last - now).days} days left", advice)
    else:
        yield Check("dates", "ok", f"{span}, {(last - now).days} days left")

    try:
        uses = list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        yield Check("use", "ok", "no use is excluded")
        return
    if Use.CLIENT_AUTH in uses or Use.ANY_EXTENDED_KEY_USAGE in uses:
        yield Check("use", "ok", "may be shown by a client (clientAuth)")
    else:
        advice = "Ask the authority for a certificate with extended key usage clientAuth; many issue them for servers only by now."
        yield Check("use", "failed", "is for servers only (no clientAuth)", advice)


def _chain_check(leaf: x509.Certificate, others: Sequence[x509.Certificate]) -> Check:
    """Follow the certificate to a public authority."""
    if leaf.issuer == leaf.subject:
        return Check("chain", "failed", "self-signed", "Utilities take certificates of public authorities only: have one issued.")
    one, left = leaf, list(others)
    while True:
        if any(_issued(one, root) for root in _public_roots()):
            break
        above = next((other for other in left if _issued(one, other)), None)
        if above is None:
            if not others:
                return Check("chain", "warning", "the file holds your own certificate only", _APPEND)
            return Check("chain", "warning", "the chain does not lead to a public authority that this machine knows", _APPEND)
        left.remove(above)
        one = above
    return Check("chain", "ok", f"leads to a public authority over {len(others) - len(left)} between")


def _issued(one: x509.Certificate, above: x509.Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    if one.issuer != above.subject:
        return False
    try:
        one.verify_directly_issued_by(above)
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False
    return True


@cache
def _public_roots() -> tuple[x509.Certificate, ...]:
    import certifi
    from cryptography import x509

    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some old roots do not keep to RFC 5280 in every detail, and are trusted all the same
        for block in re.findall(
            rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", Path(certifi.where()).read_bytes(), re.DOTALL
        ):
            with suppress(ValueError):
                found.append(x509.load_pem_x509_certificate(block))
    return tuple(found)


def new_request(
    folder: Path, *, common_name: str, organization: str, country: str = "US", passphrase: Secret | None = None
) -> tuple[Path, Path]:
    """Make a private key and a certificate signing request (PKCS#10, RFC 2986) to send to a public authority.

    Parameters
    ----------
    folder : Path
        Where to write ``smd.key`` (mode 0600) and ``smd.csr``.
    common_name : str
        Name of the host or person that the certificate is for; authorities want a host name that you own.
    organization : str
        Who asks.
    country : str, default "US"
        Two letters, ISO 3166.
    passphrase : Secret, optional
        What to encrypt the key with.

    Returns
    -------
    key, request : Path
        The files made.

    Raises
    ------
    ConfigurationError
        If there is a key or request in the folder already: no key is ever overwritten.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> key, request = new_request(folder, common_name="data.example.org", organization="Example University")
    >>> request.read_text().splitlines()[0]
    '-----BEGIN CERTIFICATE REQUEST-----'
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID as Use

    folder = folder.expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    key_file, request_file = folder / "smd.key", folder / "smd.csr"
    for path in (key_file, request_file):
        if path.exists():
            raise ConfigurationError(f"there is a {path.name} in {folder} already", hint="Choose another folder, or move it away.")
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    names = (
        (x509.NameOID.COUNTRY_NAME, country),
        (x509.NameOID.ORGANIZATION_NAME, organization),
        (x509.NameOID.COMMON_NAME, common_name),
    )
    try:
        subject = x509.Name([x509.NameAttribute(oid, text) for oid, text in names])
    except ValueError as error:
        raise ConfigurationError(f"these names do not fit into a request: {error}", hint="The country has two letters.") from None
    uses = x509.ExtendedKeyUsage([Use.CLIENT_AUTH, Use.SERVER_AUTH])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject).add_extension(uses, critical=False)
    request = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(common_name)]), critical=False).sign(key, hashes.SHA256())
    how = serialization.BestAvailableEncryption(passphrase.reveal().encode()) if passphrase else serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
    with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    request_file.write_bytes(request.public_bytes(serialization.Encoding.PEM))
    return key_file, request_file
