"""One base for every error, findings as data, one warning class.

Texts say what is wrong, where, and what to do; they never hold a reading, a token, a code, an account number or an address.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

__all__ = [
    "ArchiveError",
    "BrokenXmlError",
    "ConfigurationError",
    "Finding",
    "NotEspiError",
    "ReadError",
    "SmdError",
    "SmdWarning",
    "TimeZoneError",
    "UnitError",
    "needs",
]

Severity = Literal["info", "warning", "error"]


class SmdError(Exception):
    """Base of every error this package raises on purpose.

    Parameters
    ----------
    message : str
        What is wrong.
    hint : str, optional
        What to do about it.

    Attributes
    ----------
    status_code : int or None
        HTTP status of a utility's reply, where there was one.
    retryable : bool
        Whether trying again may help.
    retry_after : float or None
        How long to wait before trying again [s].
    """

    status_code: int | None = None
    retryable: bool = False
    retry_after: float | None = None

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def where(self) -> str:
        """Say where it happened; empty where that is not known."""
        return ""

    def __str__(self) -> str:
        place = self.where()
        text = f"{place}: {self.args[0]}" if place else str(self.args[0])
        return f"{text}\n{self.hint}" if self.hint else text


class ReadError(SmdError, ValueError):
    """What was given cannot be read.

    Parameters
    ----------
    message : str
        What is wrong.
    source : str, optional
        File, or file and archive member.
    line : int, optional
        Line of the file, from 1.
    entry : int, optional
        Atom entry of the feed, from 1.
    hint : str, optional
        What to do about it.
    """

    def __init__(
        self,
        message: str = "",
        *,
        source: str = "",
        line: int | None = None,
        entry: int | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.source = source
        self.line = line
        self.entry = entry

    def where(self) -> str:
        """Say which file, line and entry."""
        parts = [self.source] if self.source else []
        if self.line is not None:
            parts.append(f"line {self.line}")
        if self.entry:
            parts.append(f"entry {self.entry}")
        return ", ".join(parts)


class NotEspiError(ReadError):
    """What was given is readable but holds no ESPI (Green Button) resource."""


class BrokenXmlError(ReadError):
    """The XML is not well-formed, cut short, or holds what is refused (a DOCTYPE, extreme depth)."""


class ArchiveError(ReadError):
    """A zip or gzip file is damaged, encrypted, or larger than is safe to unpack."""


class UnitError(SmdError, ValueError):
    """A unit is unknown, or one unit cannot be turned into the other."""


class TimeZoneError(SmdError, ValueError):
    """A time zone is unknown or cannot be used."""


class ConfigurationError(SmdError):
    """A setting, an optional package or an argument is missing or wrong."""


def needs(what: str, package: str, extra: str) -> None:
    """Raise where an optional package is not installed.

    Raises
    ------
    ConfigurationError
        It names the extra to install.

    >>> needs("Arrays", "numpy", "none")
    """
    if find_spec(package) is None:
        raise ConfigurationError(f"{what} needs {package}", hint=f"pip install 'smd_notebook[{extra}]'")


class SmdWarning(UserWarning):
    """Something about the data that changes what a result means."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was noticed about the data, as data.

    Parameters
    ----------
    code : str
        Short stable name, such as ``"gap"``; `docs/findings.md` explains each.
    severity : {"info", "warning", "error"}
        ``error`` where results would be wrong, ``warning`` where they may be, ``info`` else.
    message : str
        What was seen, in words; never a reading or anything personal.
    suggestion : str, optional
        What to do about it.
    channel : str, optional
        Label of the channel, where it concerns one.
    start, end : int, optional
        The span it concerns [s since 1970-01-01T00:00Z]; `end` is exclusive.
    n : int, optional
        How many readings or places it concerns.
    value : float, optional
        A number that belongs to it, named by `message`.
    source : str, optional
        The file it was seen in.
    """

    code: str
    severity: Severity
    message: str
    suggestion: str = ""
    channel: str = ""
    start: int | None = None
    end: int | None = None
    n: int = 1
    value: float | None = None
    source: str = ""
