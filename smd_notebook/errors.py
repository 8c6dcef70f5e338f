"""One base for every error, findings as data, one warning class.

Texts say what is wrong, where, and what to do; they never hold a reading, a token, a code, an account number or an address.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from smd_notebook.catalogue import CODES

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "ArchiveError",
    "AuthorizationError",
    "BadRequest",
    "BrokenXmlError",
    "CertificateRejected",
    "ConfigurationError",
    "Denied",
    "Expired",
    "Finding",
    "FindingError",
    "Network",
    "NotEspiError",
    "NotReady",
    "RateLimited",
    "ReadError",
    "Revoked",
    "ServiceError",
    "SmdError",
    "SmdWarning",
    "StateMismatch",
    "TimeZoneError",
    "Unavailable",
    "UnitError",
    "enforce",
    "gathered",
    "is_strict",
    "needs",
    "on_disk",
    "strict",
    "warn",
]

Severity = Literal["info", "warning", "error"]
_PACKAGE = __file__.removesuffix("errors.py")


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


# -- what a utility answered -----------------------------------------------------------------------------------------------------------


class _ReplyError(SmdError):
    """An error that a utility's reply, or the lack of one, is behind.

    Parameters
    ----------
    message : str
        What is wrong.
    hint : str, optional
        What to do about it.
    status_code : int, optional
        HTTP status of the reply, where there was one.
    retryable : bool, default False
        Whether the same request may succeed later.
    retry_after : float, optional
        How long the utility asks to wait [s].
    ids : mapping of str to str, optional
        Headers by which the utility finds the request in its own log (PG&E: ``x-transaction-id``, ``x-tracking-id``).
    """

    def __init__(
        self,
        message: str = "",
        *,
        hint: str = "",
        status_code: int | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
        ids: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status_code, self.retryable, self.retry_after = status_code, retryable, retry_after
        self.ids = dict(ids or {})

    def __str__(self) -> str:
        quoted = ", ".join(f"{name} {value}" for name, value in self.ids.items())
        return super().__str__() + (f"\nIf you write to the utility, quote {quoted}." if quoted else "")


class AuthorizationError(_ReplyError):
    """The utility, or its customer, does not allow what was asked (RFC 6749 §4.1.2.1 and §5.2)."""


class Denied(AuthorizationError):
    """The customer declined, or the consent does not cover what was asked."""


class StateMismatch(AuthorizationError):
    """The page that came back belongs to no consent that was begun here (RFC 6749 §10.12)."""


class Expired(AuthorizationError):
    """The authorization code, the token or the consent has run out."""


class Revoked(AuthorizationError):
    """The consent was withdrawn, or replaced by a newer one."""


class CertificateRejected(AuthorizationError):
    """The utility does not accept the client certificate, or none was shown."""


class ServiceError(_ReplyError):
    """The utility's service did not do what it was asked."""


class BadRequest(ServiceError):
    """The utility does not understand the request, or has nothing under that address."""


class NotReady(ServiceError):
    """The utility has taken the request and not finished yet."""


class RateLimited(ServiceError):
    """More requests than the utility allows; `retry_after` says when the next may go."""


class Unavailable(ServiceError):
    """The service is down, or something else answered in its place."""


class Network(ServiceError):
    """No whole reply arrived: no connection, a time-out, a body cut short, a server that is not who it should be."""


def needs(what: str, package: str, extra: str) -> None:
    """Raise where an optional package is not installed.

    Parameters
    ----------
    what : str
        What needs it.
    package : str
        The module to import.
    extra : str
        The extra of this package that installs it.

    Raises
    ------
    ConfigurationError
        It names the extra to install.

    >>> needs("Arrays", "numpy", "none")
    """
    if find_spec(package) is None:
        raise ConfigurationError(f"{what} needs {package}", hint=f"pip install '.[{extra}]' from the clone")


@contextmanager
def on_disk(path: Path, hint: str = "") -> Iterator[None]:
    """Say what a disk that is full, or may not be written to, means for what is being written.

    Parameters
    ----------
    path : Path
        What is written.
    hint : str, optional
        What to do about it.

    Raises
    ------
    ConfigurationError
        Where it cannot be written.
    """
    try:
        yield
    except OSError as error:
        hint = hint or f"Make room in {path.parent}, or let this user write there, and run this again."
        raise ConfigurationError(f"{path.name!r} cannot be written ({error.strerror or type(error).__name__})", hint=hint) from None


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


# -- strictness ------------------------------------------------------------------------------------------------------------------------


class FindingError(SmdError):
    """Something was found about the data where the caller allows nothing of the kind (`strict`).

    Parameters
    ----------
    message : str
        What was found.
    hint : str, optional
        What to do about it.
    findings : tuple of Finding
        All that is not allowed, the gravest first.
    """

    def __init__(self, message: str = "", *, hint: str = "", findings: tuple[Finding, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.findings = findings


@dataclass(frozen=True, slots=True)
class _Strictness:
    """What becomes an error: every finding but mere information, and findings of some codes."""

    grave: bool = False
    codes: frozenset[str] = frozenset()

    def catches(self, finding: Finding) -> bool:
        return finding.code in self.codes or (self.grave and finding.severity != "info")


# A context variable and not a global one: a task or thread that is strict must not make others so.
_STRICTNESS: ContextVar[_Strictness] = ContextVar("smd_notebook strictness", default=_Strictness())  # noqa: B039 - it is frozen


@contextmanager
def strict(*codes: str) -> Iterator[None]:
    """Make findings and warnings about the data errors.

    Inside, `smd_notebook.read` and `smd_notebook.merge` look for everything at once, and what they find is raised, like what
    `Feed.findings` and `smd_notebook.check` find of any feed or frame.

    Parameters
    ----------
    *codes : str
        Codes of findings that are not allowed, whatever their severity; `docs/findings.md` explains each. By default every finding
        of severity ``"warning"`` or ``"error"``, and every `SmdWarning`.

    Raises
    ------
    ConfigurationError
        Where no finding has one of the codes: it would guard nothing.
    FindingError
        In the block, where something is found that is not allowed; its `findings` say what.

    Notes
    -----
    Blocks within blocks add up. It holds for the code that runs in the block: tasks of asyncio and `asyncio.to_thread` inherit it,
    threads that are started otherwise do not, and nothing that runs beside it is touched.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> with smd.strict():
    ...     feed = smd.sample("lapse2024")
    >>> frame = feed.tidy().drop(index=range(8, 16))
    >>> with smd.strict("gap"):
    ...     smd.check(frame)
    Traceback (most recent call last):
    ...
    smd_notebook.errors.FindingError: gap: electricity delivered (1): nothing was metered for 2 h
    ...
    """
    for code in codes:
        if code not in CODES:
            near = get_close_matches(str(code), CODES, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else "docs/findings.md lists the codes."
            raise ConfigurationError(f"no finding has the code {code!r}", hint=hint)
    before = _STRICTNESS.get()
    token = _STRICTNESS.set(_Strictness(before.grave or not codes, before.codes | frozenset(codes)))
    try:
        yield
    finally:
        _STRICTNESS.reset(token)


def is_strict() -> bool:
    """Tell whether anything about the data may become an error here."""
    return _STRICTNESS.get() != _Strictness()


def enforce(findings: Iterable[Finding]) -> None:
    """Raise what `strict` does not allow; nothing outside of it.

    Parameters
    ----------
    findings : iterable of Finding
        What was found.

    Raises
    ------
    FindingError
        Where one of them is not allowed.
    """
    if not is_strict():
        return
    caught = [finding for finding in findings if _STRICTNESS.get().catches(finding)]
    if caught:
        caught.sort(key=lambda one: ("error", "warning", "info").index(one.severity))
        first, more = caught[0], len(caught) - 1
        text = ": ".join(part for part in (first.code, first.channel, first.message) if part)
        text += f"; and {more} more finding" + "s" * (more > 1) if more else ""
        raise FindingError(text, hint=first.suggestion, findings=tuple(caught))


_GATHERED: ContextVar[list[str] | None] = ContextVar("smd_notebook warnings", default=None)


@contextmanager
def gathered() -> Iterator[list[str]]:
    """Gather what is warned of about the data, instead of warning.

    Unlike `warnings.catch_warnings` it is for the code of this block alone: a cell that runs beside it, in another thread, goes on to warn.

    Examples
    --------
    >>> with gathered() as told:
    ...     warn("mind the gap")
    >>> told
    ['mind the gap']
    """
    found: list[str] = []
    token = _GATHERED.set(found)
    try:
        yield found
    finally:
        _GATHERED.reset(token)


def warn(message: str, *findings: Finding) -> None:
    """Warn of something about the data, or raise it where `strict` makes it an error; the line shown is the caller's, not one of ours.

    Parameters
    ----------
    message : str
        What to say.
    *findings : Finding
        What it is about. Without any, only a `strict` that names no codes makes it an error.

    Raises
    ------
    FindingError
        Inside of `strict`.
    """
    enforce(findings)
    if _STRICTNESS.get().grave:
        raise FindingError(message, findings=findings)
    if (told := _GATHERED.get()) is not None:
        told.append(message)
        return
    level, frame = 1, inspect.currentframe()
    while frame and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, SmdWarning, stacklevel=level)
