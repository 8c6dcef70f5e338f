"""What goes from one process to another as a text that only who has the key can read or change (Fernet: AES-128-CBC and HMAC-SHA-256)."""

from __future__ import annotations

import json
from typing import Any

from smd_notebook.errors import ConfigurationError
from smd_notebook.espi.resources import Secret

__all__ = ["seal", "unseal"]


def seal(content: dict[str, Any], key: Secret | str) -> str:
    """Return a content as a sealed text.

    Parameters
    ----------
    content : dict
        What JSON takes.
    key : Secret or str
        From ``cryptography.fernet.Fernet.generate_key().decode()``.

    Raises
    ------
    ConfigurationError
        If that is no such key.
    """
    return str(_fernet(key).encrypt(json.dumps(content).encode()).decode())


def unseal(text: str, key: Secret | str) -> dict[str, Any]:
    """Return what was sealed.

    Parameters
    ----------
    text : str
        From `seal`.
    key : Secret or str
        The key that it was sealed with.

    Raises
    ------
    ConfigurationError
        If the key is another, or the text was changed.
    """
    from cryptography.fernet import InvalidToken

    try:
        return dict(json.loads(_fernet(key).decrypt(text.encode())))
    except InvalidToken:
        hint = "It takes the very key and the whole text."
        raise ConfigurationError("this is nothing that was sealed with this key", hint=hint) from None


def _fernet(key: Secret | str) -> Any:
    from cryptography.fernet import Fernet

    try:
        return Fernet(key.reveal() if isinstance(key, Secret) else key)
    except ValueError:
        hint = "Make one with cryptography.fernet.Fernet.generate_key().decode(), and keep it as you keep secrets."
        raise ConfigurationError("this is no key to seal with", hint=hint) from None
