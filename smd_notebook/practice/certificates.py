"""A throwaway authority, and what it signs: all in one folder that nobody else can read."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import trustme

from smd_notebook.access.files import write_private

__all__ = ["Certificates", "thumbprint"]

_HOSTS = ("127.0.0.1", "localhost", "::1")


def thumbprint(pem: str) -> str:
    """Return the SHA-256 of a certificate in hexadecimal digits."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


class Certificates:
    """The files: ``ca.pem``, and certificate and key of `client` (the third party), `server`, `notifier` and `inbox`.

    The third party's key is RSA, as PG&E asks. The notifier's is what the utility shows when it brings a notification, the inbox's is
    for the server that takes it.
    """

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA(organization_name="Practice utility")
        self.folder = folder
        self._written: list[Path] = []
        self.ca = self.write("ca.pem", self._authority.cert_pem.bytes())
        self.client, self.client_key = self.issue("client", rsa=True)
        self.server, self.server_key = self.issue("server")
        self.notifier, self.notifier_key = self.issue("notifier")
        self.inbox, self.inbox_key = self.issue("inbox")
        self.registered = thumbprint(self.client.read_text())

    @property
    def notifier_name(self) -> str:
        """The common name of what is shown with a notification."""
        return "practice notifier"

    def issue(self, name: str, *, rsa: bool = False) -> tuple[Path, Path]:
        """Sign a certificate for this machine; return the paths of certificate and key."""
        kind = trustme.KeyType.RSA if rsa else trustme.KeyType.ECDSA
        leaf = self._authority.issue_cert(*_HOSTS, common_name=f"practice {name}", organization_name="Practice utility", key_type=kind)
        chain = b"".join(one.bytes() for one in leaf.cert_chain_pems)
        return self.write(f"{name}.pem", chain), self.write(f"{name}.key", leaf.private_key_pem.bytes())

    def context(self, *, newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED) -> ssl.SSLContext:
        """Return the server's side: it asks for a certificate, and lets in who has none, to be told so in words."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_2, newest
        context.load_cert_chain(self.server, self.server_key)
        context.load_verify_locations(self.ca)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def remove(self) -> None:
        """Delete what was written."""
        for path in self._written:
            path.unlink(missing_ok=True)

    def write(self, name: str, data: bytes) -> Path:
        """Write a file into the folder (0600)."""
        path = self.folder / name
        write_private(path, data, durable=False)  # for as long as the utility runs
        self._written.append(path)
        return path
