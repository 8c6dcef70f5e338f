"""What is known of a utility's exports beyond the standard: one small record each, found by the host in a feed's links.

A record only ever adds knowledge (a zone, how far an id can be trusted, the cost divisor); no feed is read by rules of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from smd_notebook.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Dialect:
    """One utility's (or platform's) habits.

    Parameters
    ----------
    name : str
        Short name, as `smd_notebook.read(dialect=...)` takes it.
    hosts : tuple of str
        Host names, or endings of them, that its links carry; with the beginning of the path, where the host alone says too little.
    zone : str or None
        IANA zone of its territory, where it has one.
    unique_usage_points : bool
        Whether the last part of a UsagePoint's path is unique for ever, whatever stands before it.
    cost_divisor : int
        What a cost is divided by to give currency units (ESPI: 100 000).
    clock : str
        How its clock was seen to be written, where that is not UTC: ``"standard"`` or ``"wall"``. It breaks ties, it proves nothing.
    """

    name: str
    hosts: tuple[str, ...] = ()
    zone: str | None = None
    unique_usage_points: bool = False
    cost_divisor: int = 100_000
    clock: str = ""


STANDARD = Dialect("standard")
#: Name of the dialect of portals' CSV tables, whatever the utility.
TABLE = "portal-csv"
DIALECTS: tuple[Dialect, ...] = (
    Dialect("pge", ("pge.com", "127.0.0.1/GreenButtonConnect"), "America/Los_Angeles", unique_usage_points=True),
    Dialect("sce", ("sce.com",), "America/Los_Angeles"),
    Dialect("sdge", ("sdge.com",), "America/Los_Angeles"),
    Dialect("coned", ("coned.com",), "America/New_York"),
    Dialect("consumers", ("consumersenergy.com",), "America/Detroit"),
    Dialect("londonhydro", ("londonhydro.com",), "America/Toronto"),
    Dialect("bidgely", ("bidgely.com",), clock="standard"),
    Dialect("savage", ("savagedata.com",), "America/Toronto"),
)


def dialect_named(name: str) -> Dialect:
    """Return the record called `name`.

    Raises
    ------
    ConfigurationError
        Where there is none.

    >>> dialect_named("pge").zone
    'America/Los_Angeles'
    """
    for dialect in (STANDARD, *DIALECTS):
        if dialect.name == name:
            return dialect
    raise ConfigurationError(f"no dialect is called {name!r}", hint="Known: " + ", ".join(d.name for d in (STANDARD, *DIALECTS)) + ".")


def dialect_of(href: str) -> Dialect | None:
    """Return the record whose host an absolute link carries, if any.

    >>> dialect_of("https://api.pge.com/GreenButtonConnect/espi/1_1/resource/Batch/Bulk/1").name
    'pge'
    >>> dialect_of("https://127.0.0.1:8443/GreenButtonConnect/espi/1_1/resource/Batch/Bulk/1").name  # the practice utility
    'pge'
    >>> dialect_of("/espi/1_1/resource/Batch/Bulk/1"), dialect_of("https://127.0.0.1/espi/1_1/resource/Batch/Bulk/1")
    (None, None)
    """
    if "://" not in href:
        return None
    try:
        parts = urlsplit(href)
        host = (parts.hostname or "").lower()
    except ValueError:  # urllib refuses some
        return None
    for dialect in DIALECTS:
        for end, _, path in (one.partition("/") for one in dialect.hosts):
            if (host == end or host.endswith("." + end)) and parts.path.startswith(f"/{path}"):
                return dialect
    return None
