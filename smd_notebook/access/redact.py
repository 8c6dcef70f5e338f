"""No secret in a log: what the libraries below write at DEBUG is redacted before any handler sees it."""

from __future__ import annotations

import logging
import re

from smd_notebook.espi.resources import Secret

__all__ = ["guard_logs", "hide", "redact"]

_LOGGERS = ("requests_oauthlib", "oauthlib", "urllib3", "requests")
_NAMES = r"\w*(?:token|secret|passphrase|password|assertion|verifier)|(?:authorization_)?code|state"
_PATTERNS = (
    re.compile(r"\b(Basic|Bearer)(\s+)[\w+/.~=-]{6,}", re.IGNORECASE),
    # a=b in an address or a form, "a": "b" in JSON, 'a': b'b' in Python
    re.compile(rf"""(\b(?:{_NAMES})["']?)(\s*[:=]\s*b?["']?)[^"'&\s,;<>}}\])]+""", re.IGNORECASE),
    re.compile(rf"(<(?:\w+:)?(?:{_NAMES}))(\b[^<>]*>)[^<]+", re.IGNORECASE),
)
#: What is known to be secret; the patterns catch what is not known yet, such as a token that has just come.
_known: set[str] = set()


def hide(*secrets: Secret | None) -> None:
    """Remember secrets, so that no log shows them, in whatever words they stand.

    Parameters
    ----------
    *secrets : Secret or None
        What to hide.
    """
    _known.update(one.reveal() for one in secrets if one is not None and len(one.reveal()) >= 6)


def redact(text: str) -> str:
    """Return a text without what is a secret, or looks like one.

    Parameters
    ----------
    text : str
        Any text.

    Examples
    --------
    >>> redact("Authorization: Bearer abcdef0123456789")
    'Authorization: Bearer [redacted]'
    >>> redact('{"client_access_token": "abc", "expires_in": 3600}')
    '{"client_access_token": "[redacted]", "expires_in": 3600}'
    """
    for known in tuple(_known):
        text = text.replace(known, "[redacted]")
    for pattern in _PATTERNS:
        text = pattern.sub(r"\1\2[redacted]", text)
    return text


class _Redacting(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - a log call that is wrong must not break what it speaks of
            text = str(record.msg)
        record.msg, record.args = redact(text), None
        if record.exc_info:
            record.exc_text, record.exc_info = redact(logging.Formatter().formatException(record.exc_info)), None
        return True


_FILTER = _Redacting()


def guard_logs() -> None:
    """Redact what the HTTP and OAuth libraries log.

    A filter holds for the one logger that it is put on, not for those below, so each gets it.
    """
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in _LOGGERS]
    for name in {*_LOGGERS, *names}:
        logging.getLogger(name).addFilter(_FILTER)  # adds it once
