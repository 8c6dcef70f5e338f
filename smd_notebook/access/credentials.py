"""Where a researcher's secrets come from, and who may see them: nobody but the custodian.

Secrets are `Secret` from the moment they are read; what holds them is redacted wherever it is shown, and cannot be pickled or copied.
"""

from __future__ import annotations

import getpass
import html
import json
import os
import ssl
import tempfile
import tomllib
import warnings
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NoReturn, Protocol

from smd_notebook.access.custodian import is_loopback
from smd_notebook.access.files import read_private, refuse_open
from smd_notebook.access.guard import discreet
from smd_notebook.errors import ConfigurationError, needs, warn
from smd_notebook.espi.resources import Secret

__all__ = ["Credentials", "Identity", "load_chain", "on_binder"]

_SECRETS = ("client_secret", "key_passphrase", "registration_token")
_PATHS = ("certificate", "key")
_VARIABLES = {
    "client_id": "SMD_CLIENT_ID",
    "client_secret": "SMD_CLIENT_SECRET",
    "certificate": "SMD_CERT",
    "key": "SMD_KEY",
    "key_passphrase": "SMD_KEY_PASSPHRASE",
    "registration_token": "SMD_REGISTRATION_TOKEN",
    "redirect_uri": "SMD_REDIRECT_URI",
    "third_party_id": "SMD_THIRD_PARTY_ID",
    "bulk_id": "SMD_BULK_ID",
}
_SERVICE = "smd_notebook"
#: The systems' own vaults. Others may keep secrets in plain text, as keyrings.alt does without a word.
_VAULTS = ("keyring.backends.macOS", "keyring.backends.SecretService", "keyring.backends.libsecret", "keyring.backends.kwallet",
           "keyring.backends.Windows")  # fmt: skip


def on_binder() -> bool:
    """Tell whether this is a Binder: a public machine that others run and nobody keeps."""
    return any(os.environ.get(name) for name in ("BINDER_SERVICE_HOST", "BINDER_LAUNCH_HOST"))


class Identity(Protocol):
    """What a client shows in the TLS handshake: a certificate, its key, and what that is encrypted with."""

    @property
    def certificate(self) -> str | Path | None:
        """PEM file of the certificate and those above it, or a PKCS#12 file."""

    @property
    def key(self) -> str | Path | None:
        """PEM file of the private key, where that is not in `certificate`."""

    @property
    def key_passphrase(self) -> Secret | None:
        """What the key, or the PKCS#12 file, is encrypted with."""


@dataclass(frozen=True, repr=False)
class Credentials:
    """What a third party proves itself with.

    Parameters
    ----------
    client_id : str
        As the custodian's portal shows it.
    client_secret : Secret or str
        Likewise.
    certificate : str or Path, optional
        PEM file of the client certificate and those above it, or a PKCS#12 file (``.p12``, ``.pfx``), which holds the key as well.
    key : str or Path, optional
        PEM file of its private key, where that is not in `certificate`; it may be encrypted.
    key_passphrase : Secret or str, optional
        What the key, or the PKCS#12 file, is encrypted with.
    registration_token : Secret or str, optional
        The token for ApplicationInformation, as the portal shows it.
    redirect_uri : str, optional
        The address, registered at the custodian, that customers come back to.
    third_party_id : str, optional
        The short id that the custodian knows a third party by, where it has one.
    bulk_id : str, optional
        The id of the third party's batches, where it has one.

    Raises
    ------
    ConfigurationError
        Where the client id or secret is empty.

    Warns
    -----
    SmdWarning
        Where the redirect URI lets codes travel in the clear (RFC 9700 §2.6).
    """

    client_id: str
    client_secret: Secret
    certificate: str | Path | None = None
    key: str | Path | None = None
    key_passphrase: Secret | None = None
    registration_token: Secret | None = None
    redirect_uri: str | None = None
    third_party_id: str | None = None
    bulk_id: str | None = None

    def __post_init__(self) -> None:
        for name in _SECRETS:
            value = getattr(self, name)
            if isinstance(value, str):
                object.__setattr__(self, name, Secret(value) if value else None)
        if not self.client_id or not isinstance(self.client_secret, Secret):
            raise ConfigurationError("the client id or the client secret is missing", hint="The utility's portal shows both.")
        back = self.redirect_uri or ""
        if back.lower().startswith("http://") and not is_loopback(back):
            warn(
                "the redirect URI begins with http:// and leads to another machine, so that codes come back in the clear. "
                "Register one with https://, or one of your own machine (http://127.0.0.1:PORT/...)"
            )

    @classmethod
    @discreet
    def from_env(cls) -> Credentials:
        """Read them from the environment.

        ``SMD_CLIENT_ID``, ``SMD_CLIENT_SECRET``; as far as needed ``SMD_CERT``, ``SMD_KEY``, ``SMD_KEY_PASSPHRASE``,
        ``SMD_REGISTRATION_TOKEN``, ``SMD_REDIRECT_URI``, ``SMD_THIRD_PARTY_ID``, ``SMD_BULK_ID``.

        Raises
        ------
        ConfigurationError
            Where one that is needed is missing, or a private key would go to a Binder.
        """
        absent = [_VARIABLES[name] for name in ("client_id", "client_secret") if not os.environ.get(_VARIABLES[name])]
        if absent:
            raise ConfigurationError(
                f"{' and '.join(absent)} not set in the environment",
                hint="Set them before Jupyter starts, or use Credentials.from_file or Credentials.ask.",
            )
        return _made({name: os.environ[variable] for name, variable in _VARIABLES.items() if os.environ.get(variable)})

    @classmethod
    @discreet
    def from_file(cls, path: str | Path) -> Credentials:
        """Read them from a TOML file that nobody else may read (mode 0600); its keys are the parameters of this class.

        Parameters
        ----------
        path : str or Path
            The file. Relative paths in it are looked for beside it.

        Raises
        ------
        ConfigurationError
            Where the file is missing, others may read it, it is no TOML, or a key is unknown or missing.
        """
        file = Path(path).expanduser()
        try:
            text = read_private(file).decode()
        except OSError:
            raise ConfigurationError(f"{file.name} cannot be opened", hint="Check the path.") from None
        except UnicodeDecodeError:
            text = "="
        return _made(_parsed(text, file.name), file.parent)

    @classmethod
    @discreet
    def from_keyring(cls, name: str = "default") -> Credentials:
        """Read them from the system's vault, where `to_keyring` put them.

        Parameters
        ----------
        name : str, default "default"
            The name they were put there by.

        Raises
        ------
        ConfigurationError
            Where there is no vault that encrypts, or nothing in it by that name.
        """
        text = _vault().get_password(_SERVICE, name)
        if text is None:
            raise ConfigurationError("nothing is in the keyring by that name", hint="Put it there once by credentials.to_keyring(name).")
        return _made(json.loads(text))

    @discreet
    def to_keyring(self, name: str = "default") -> None:
        """Put them into the system's vault; of certificate and key the paths.

        Parameters
        ----------
        name : str, default "default"
            The name to find them by.

        Raises
        ------
        ConfigurationError
            Where there is no vault that encrypts.
        """
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        texts = {key: value.reveal() if isinstance(value, Secret) else str(value) for key, value in values.items() if value is not None}
        _vault().set_password(_SERVICE, name, json.dumps(texts))

    @classmethod
    @discreet
    def ask(cls) -> Credentials:
        """Ask for them; secrets are not shown while they are typed.

        Raises
        ------
        ConfigurationError
            Where the terminal would show them, or a private key would go to a Binder.
        """
        values = {"client_id": input("Client id: ").strip(), "client_secret": _hidden("Client secret: ")}
        values["certificate"] = input("Certificate (PEM or PKCS#12 file; empty for none): ").strip()
        if values["certificate"]:
            values["key"] = input("Private key (PEM file; empty where it is in the same file): ").strip()
            values["key_passphrase"] = _hidden("Passphrase of the key (empty for none): ")
        values["redirect_uri"] = input("Redirect URI (as registered; empty for none): ").strip()
        return _made({name: value for name, value in values.items() if value})

    def __repr__(self) -> str:
        shown = []
        for one in fields(self):
            value = getattr(self, one.name)
            if value is not None:
                shown.append(f"{one.name}={Path(value).name if one.name in _PATHS else value!r}")
        return f"Credentials({', '.join(shown)})"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"

    def __reduce__(self) -> NoReturn:
        raise ConfigurationError("credentials cannot be pickled or copied", hint="Read them again where they are needed.")


def _made(values: dict[str, Any], folder: Path = Path()) -> Credentials:
    """Return credentials that came from outside of the program, of which a Binder may hold no private key."""
    unknown = sorted(set(values) - set(_VARIABLES))
    if unknown:
        raise ConfigurationError(f"there is no setting {unknown[0]!r}", hint="Known: " + ", ".join(_VARIABLES) + ".")
    wrong = sorted(name for name, value in values.items() if not isinstance(value, str))
    if wrong:
        raise ConfigurationError(f"{wrong[0]} must be a text in quotes")
    if on_binder() and (values.get("certificate") or values.get("key")):
        raise ConfigurationError(
            "a private key does not belong on a Binder, which is a public machine",
            hint="Download on a machine of your own; a Binder can show what was downloaded, and practise with smd.Sandbox.",
        )
    paths = {name: str(folder / Path(values[name]).expanduser()) for name in _PATHS if values.get(name)}
    return Credentials(**{"client_id": "", "client_secret": "", **values, **paths})


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except ValueError:  # whose text may quote the line, and that a secret
        pass
    raise ConfigurationError(f"{name} is not TOML", hint='Write lines such as client_id = "..." with every text in quotes.')


def _hidden(prompt: str) -> str:
    """Ask for a secret where it is not shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(prompt).strip()
        except getpass.GetPassWarning:
            pass
    raise ConfigurationError("this terminal would show the secret", hint="Use Credentials.from_env or Credentials.from_file.")


def _vault() -> Any:
    """Return the system's vault."""
    needs("the keyring", "keyring", "keyring")
    import keyring

    backend = keyring.get_keyring()
    parts = list(getattr(backend, "backends", ())) if type(backend).__module__ == "keyring.backends.chainer" else [backend]
    if not parts or any(type(one).__module__ not in _VAULTS for one in parts):
        raise ConfigurationError(
            "the keyring has no vault that is known to encrypt",
            hint="Use Credentials.from_env or Credentials.from_file.",
        )
    return backend


# -- certificate and key ---------------------------------------------------------------------------------------------------------------


_NOT_THERE = "Check the paths that were given for certificate and key (Credentials.from_env takes them from SMD_CERT and SMD_KEY)."


def load_chain(context: ssl.SSLContext, identity: Identity) -> None:
    """Give certificate and private key to the context that shows them to the custodian.

    Parameters
    ----------
    context : ssl.SSLContext
        The context, which goes to no other origin.
    identity : Identity
        Where they are, such as `Credentials`.

    Raises
    ------
    ConfigurationError
        Where there is none, a file cannot be read, the passphrase is wrong, or key and certificate do not belong together.
    """
    if identity.certificate is None:
        raise ConfigurationError(
            "this utility wants a client certificate, and the credentials name none",
            hint="Name it by SMD_CERT and SMD_KEY, or by certificate and key of Credentials.",
        )
    certificate = Path(identity.certificate).expanduser()
    key = Path(identity.key).expanduser() if identity.key else certificate
    for path in {certificate, key}:
        if not path.is_file():
            raise ConfigurationError(f"{path.name} is not there", hint=_NOT_THERE)
    if certificate.suffix.lower() in (".p12", ".pfx"):
        if identity.key_passphrase is None:
            refuse_open(certificate)
        _load_pkcs12(context, certificate, identity.key_passphrase)
    else:
        if b"ENCRYPTED" not in key.read_bytes():
            refuse_open(key)
        _load_pem(context, certificate, key, identity.key_passphrase)


class _NoPassphrase(Exception):
    """OpenSSL asks for a passphrase that was not given."""


def _load_pem(context: ssl.SSLContext, certificate: Path, key: Path, passphrase: Secret | None) -> None:
    asked = []

    def answer() -> str:  # without it OpenSSL would ask on the terminal, and a notebook hang
        asked.append(True)
        if passphrase is None:
            raise _NoPassphrase
        return passphrase.reveal()

    try:
        context.load_cert_chain(certificate, key, password=answer)
        return
    except _NoPassphrase:
        problem = ("the private key is encrypted, and no passphrase was given", "Set SMD_KEY_PASSPHRASE, or key_passphrase.")
    except OSError as error:  # ssl.SSLError among them
        reason = getattr(error, "reason", "") or ""
        if "MISMATCH" in reason:
            problem = ("the private key does not belong to the certificate", "Use the pair that was made together.")
        elif asked:
            problem = ("the passphrase does not open the private key", "Check SMD_KEY_PASSPHRASE, or key_passphrase.")
        else:
            problem = ("certificate and private key cannot be read", "They must be PEM files, as text that begins with -----BEGIN.")
    raise ConfigurationError(problem[0], hint=problem[1])


def _load_pkcs12(context: ssl.SSLContext, path: Path, passphrase: Secret | None) -> None:
    """Load a PKCS#12 file by way of a temporary PEM file, whose key is encrypted with a passphrase that lives as long as this call."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, pkcs12

    try:
        key, leaf, others = pkcs12.load_key_and_certificates(path.read_bytes(), passphrase.reveal().encode() if passphrase else None)
    except (ValueError, OSError, UnsupportedAlgorithm):
        key = leaf = None
        others = []
    if key is None or leaf is None:
        raise ConfigurationError(f"{path.name} cannot be opened, or lacks a key", hint="Check its passphrase (SMD_KEY_PASSPHRASE).")
    password = os.urandom(32).hex()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode()))
    chain = b"".join(one.public_bytes(Encoding.PEM) for one in (leaf, *others))
    with tempfile.TemporaryDirectory(prefix="smd-") as folder:
        file = Path(folder) / "chain.pem"
        file.touch(mode=0o600)
        file.write_bytes(pem + chain)
        _load_pem(context, file, file, Secret(password))
