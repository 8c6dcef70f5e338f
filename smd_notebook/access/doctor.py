"""A check-up before the first request, or when one fails: certificate, clock, token, service, each with what to do about it."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Iterable
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from smd_notebook.access.certificates import Check, check_certificate
from smd_notebook.errors import SmdError
from smd_notebook.espi.resources import ServiceStatus, read_resource

if TYPE_CHECKING:
    from smd_notebook.access.client import Client
    from smd_notebook.access.credentials import Credentials
    from smd_notebook.access.custodian import Custodian

__all__ = ["Checkup", "check_client", "check_credentials"]

_MARKS = {"ok": "✓", "warning": "!", "failed": "✗", "unknown": "?"}
_SKEW = 60.0  # s; signed statements and TLS certificates bear a minute


class Checkup(tuple[Check, ...]):
    """Checks in the order in which things depend on each other; a table where it is shown."""

    __slots__ = ()

    @property
    def well(self) -> bool:
        """Whether nothing failed and nothing is left unknown."""
        return all(check.outcome in ("ok", "warning") for check in self)

    def __str__(self) -> str:
        wide = max((len(check.name) for check in self), default=0)
        lines = []
        for check in self:
            lines.append(f"{_MARKS[check.outcome]} {check.name:<{wide}}  {check.found}")
            lines += [f"{'':{wide + 4}}{check.advice}"] * bool(check.advice)
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = (
            f"<tr><td>{_MARKS[check.outcome]} {check.outcome}</td><td>{html.escape(check.name)}</td>"
            f"<td>{html.escape(check.found)}</td><td>{html.escape(check.advice)}</td></tr>"
            for check in self
        )
        head = "<tr><th>outcome</th><th>what</th><th>found</th><th>what to do</th></tr>"
        return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def check_credentials(custodian: Custodian, credentials: Credentials) -> Checkup:
    """Look at what can be seen without asking anybody: certificate, key, redirect address.

    Parameters
    ----------
    custodian : Custodian
        Who will be asked.
    credentials : Credentials
        What it will be shown.

    Returns
    -------
    Checkup
        One line for each thing, with what to do.
    """
    return Checkup(_own(custodian, credentials))


def check_client(client: Client, *, clock: Callable[[], float] = time.time) -> Checkup:
    """Look at everything that a request to a custodian depends on, and ask it for a token and its service's status.

    Parameters
    ----------
    client : Client
        With the credentials to look at.
    clock : callable, optional
        The machine's clock [s since 1970]; for tests.

    Returns
    -------
    Checkup
        One line for each thing, with what to do; it raises nothing that a utility answers.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> with smd.Sandbox(households=["apartment"]) as utility:
    ...     found = check_client(smd.Client(utility.custodian, utility.credentials))
    >>> [check.name for check in found if check.outcome == "failed"]
    []
    """
    return Checkup([*_own(client.custodian, client.credentials), *_asked(client, clock)])


def _own(custodian: Custodian, own: Credentials) -> Iterable[Check]:
    if custodian.mutual_tls and own.certificate is None:
        yield Check("certificate file", "failed", "none is set", "Set SMD_CERT and SMD_KEY, or certificate and key of Credentials.")
    elif custodian.mutual_tls and own.certificate is not None:
        found = check_certificate(Path(own.certificate), Path(own.key) if own.key else None, own.key_passphrase)
        # a practice utility's own authority is as good as a public one there
        yield from (check for check in found if not (check.name == "chain" and custodian.local))
    if own.redirect_uri is None:
        advice = "Set SMD_REDIRECT_URI to the registered one. Self Access users need none."
        yield Check("redirect address", "warning", "none is set", advice)
    else:
        yield Check("redirect address", "ok", own.redirect_uri.partition("?")[0])


def _asked(client: Client, clock: Callable[[], float]) -> Iterable[Check]:
    """Ask for a token, and with it for the service's status."""
    try:
        token = client.client_token()
    except SmdError as error:
        yield Check("client access token", "failed", str(error.args[0]), error.hint)
        yield Check("service status", "unknown", "not asked: there is no token")
        return
    yield Check("client access token", "ok", f"good for {max(token.expires_at - client.now(), 0) / 60:.0f} minutes")
    try:
        reply = client.session.get(client.custodian.url("ReadServiceStatus"), token=token.access_token)
        status = read_resource(reply.content)
    except SmdError as error:
        yield Check("service status", "failed", str(error.args[0]), error.hint or "Try again later; if it stays so, write to the utility.")
        return
    if isinstance(status, ServiceStatus) and status.normal:
        yield Check("service status", "ok", "normal")
    else:
        said = status.current_status if isinstance(status, ServiceStatus) else "not given"
        yield Check("service status", "failed", f"the utility says that its service is not up (status {said})", "Try again later.")
    yield _clock_check(reply.headers.get("Date", ""), clock())
    limits = client.status()
    waits = (
        "the next request may go now"
        if limits.next_at <= client.now()
        else f"the next request goes in {limits.next_at - client.now():.0f} s"
    )
    yield Check("rate limits", "ok", waits)


def _clock_check(date: str, now: float) -> Check:
    """Compare this machine's clock with the server's (RFC 9110 6.6.1)."""
    try:
        skew = now - parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        return Check("clock", "ok", "the server does not say what time it is")
    if abs(skew) <= _SKEW:
        return Check("clock", "ok", "agrees with the server's")
    way = "ahead of" if skew > 0 else "behind"
    return Check(
        "clock",
        "warning",
        f"{abs(skew):.0f} s {way} the server's",
        "Set this machine's clock right: dates of certificates and tokens hang on it.",
    )
