"""From a customer's consent to one tidy file, and back to having no access: what a study needs, in one call."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from smd_notebook.errors import ConfigurationError, on_disk, warn
from smd_notebook.espi.resources import Secret
from smd_notebook.widgets.errands import BEAT

if TYPE_CHECKING:
    import pandas as pd

    from smd_notebook.access.archive import Download
    from smd_notebook.access.client import Client, Subscription
    from smd_notebook.feed import Feed

__all__ = ["Collected", "collect"]

#: Gets the address of the consent page, and returns the one that the browser shows in the end.
Receive = Callable[[str], str | Awaitable[str]]


@dataclass(frozen=True)
class Collected:
    """What `collect` made.

    Parameters
    ----------
    feed : Feed
        The data.
    csv : Path
        The file it is in.
    download : Download
        The archive of raw replies that it was read from.
    subscription : Subscription
        What the customer granted.
    coverage : dict of str to float
        Of each usage point, the share of the window that has readings.
    revoked : bool
        Whether the authorization is deleted.
    kept : str
        Why it was kept, where it was to be deleted.
    """

    feed: Feed = field(repr=False)
    csv: Path
    download: Download = field(repr=False)
    subscription: Subscription
    coverage: dict[str, float]
    revoked: bool = False
    kept: str = ""


async def collect(
    client: Client,
    *,
    months: int = 12,
    csv: str | Path = "usage.csv",
    revoke: bool = True,
    to: str | Path = "raw/",
    receive: Receive | None = None,
    min_coverage: float = 0.95,
    progress: bool = True,
) -> Collected:
    """Have a customer consent, download, write one CSV file, and delete the authorization once all is safe.

    Parameters
    ----------
    client : Client
        Of the utility.
    months : int
        How many months back from now.
    csv : str or Path
        The file to write, for the user alone (0600). One that is there is replaced.
    revoke : bool
        Whether to delete the authorization in the end. That is done only where the archive is whole and intact, the file was read back
        equal, and the readings of every usage point cover the window; else a warning says why it was kept.
    to : str or Path
        The folder for the archive of raw replies.
    receive : callable, optional
        Gets the address of the consent page, and returns, or is awaited for, the address that the browser shows in the end; by default
        the address is shown, and the answer pasted.
    min_coverage : float
        Which share of the window [0 to 1] must have readings. Utilities publish a day or two late.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    Collected
        The feed, the file, the archive, and whether the authorization is deleted.

    Raises
    ------
    AuthorizationError, ServiceError
        What the utility answered. The archive keeps what came before, and `Client.download` goes on from there.
    ConfigurationError
        Where an argument is wrong.
    asyncio.CancelledError
        Where it was interrupted: the download ends with the chunk that it is at, and the authorization is kept.

    Warns
    -----
    SmdWarning
        Where the authorization was kept although it was to be deleted.

    Examples
    --------
    >>> import pathlib, tempfile, smd_notebook as smd
    >>> with smd.Sandbox(households=["apartment"], clock=lambda: 1740873600.0) as utility, tempfile.TemporaryDirectory() as folder:
    ...     client = smd.Client(utility.custodian, utility.credentials, clock=utility.clock)
    ...     places = {"csv": pathlib.Path(folder, "usage.csv"), "to": pathlib.Path(folder, "raw")}
    ...     made = asyncio.run(smd.collect(client, months=1, receive=utility.consent, progress=False, **places))
    >>> made.revoked, made.csv.name
    (True, 'usage.csv')
    """
    _check(months, min_coverage)
    url = client.authorization_url()
    answer = (receive or _paste)(url)
    redirected = Secret(str(await answer if inspect.isawaitable(answer) else answer))
    # in a thread, so that widgets and everything else of the kernel go on; an interrupt ends the awaiting, and has to be passed on to it
    stop = Event()
    work = asyncio.create_task(asyncio.to_thread(_finish, client, redirected, months, Path(csv), revoke, to, min_coverage, progress, stop))
    try:
        while not work.done():
            await asyncio.wait([work], timeout=BEAT)
        return _told(work.result())
    except (asyncio.CancelledError, KeyboardInterrupt):
        stop.set()
        work.cancel()
        raise


def collect_blocking(
    client: Client,
    *,
    months: int = 12,
    csv: str | Path = "usage.csv",
    revoke: bool = True,
    to: str | Path = "raw/",
    receive: Receive | None = None,
) -> Collected:
    """Do what `collect` does and return when it is done: the command line's way."""
    _check(months, 0.95)
    redirected = Secret(str((receive or _paste)(client.authorization_url())))
    return _told(_finish(client, redirected, months, Path(csv), revoke, to, 0.95, progress=True))


def _told(made: Collected) -> Collected:
    if made.kept:
        warn(f"the authorization was kept: {made.kept}. client.revoke(...) deletes it once you have what you need")
    return made


def _check(months: int, min_coverage: float) -> None:
    if isinstance(months, bool) or not 1 <= months <= 60:
        raise ConfigurationError("months has to be 1 to 60")
    if not 0 <= min_coverage <= 1:
        raise ConfigurationError("min_coverage has to be 0 to 1")


def _finish(
    client: Client,
    redirected: Secret,
    months: int,
    csv: Path,
    revoke: bool,
    to: str | Path,
    min_coverage: float,
    progress: bool,
    stop: Event | None = None,
) -> Collected:
    """Do everything after the customer has consented."""
    from smd_notebook.feed import read

    subscription = client.exchange(redirected)
    end = client.now()
    got = client.download(subscription, _months_before(end, months, client.custodian.zone), to=to, progress=progress, stop=stop)
    feed = read(got)
    frame = feed.tidy()
    coverage = _coverage(frame, got)
    same = _write(feed, frame, csv)
    thin = sum(share < min_coverage for share in coverage.values())
    doubts = {
        "the archive is incomplete or damaged": not got.complete,
        f"{csv.name} did not read back equal": not same,
        f"readings of {thin} of {len(coverage)} usage points cover less than {min_coverage:.0%} of the window": thin,
    }
    kept = next((why for why, holds in doubts.items() if holds), "") if revoke else ""
    if stop is not None and stop.is_set():  # nobody waits for it any more, so what cannot be brought back is left alone
        kept = "it was interrupted"
    revoked = revoke and not kept and client.revoke(subscription, confirm=True)
    return Collected(feed, csv, got, subscription, coverage, revoked, kept)


def _months_before(end: int, months: int, zone: str | None) -> int:
    """Return the midnight so many months before an instant.

    >>> _months_before(1743490800, 1, "America/Los_Angeles")  # 2025-04-01 and 2025-03-01, local midnights in summer and winter
    1740816000
    """
    from smd_notebook.access.windows import instant

    place = zone or "UTC"
    day = datetime.fromtimestamp(end, ZoneInfo(place))
    number = day.year * 12 + day.month - 1 - months
    year, month = divmod(number, 12)
    last = (datetime(year + month // 11, (month + 1) % 12 + 1, 1) - datetime(year, month + 1, 1)).days  # noqa: DTZ001 - a calendar only
    return instant(f"{year:04d}-{month + 1:02d}-{min(day.day, last):02d}", place)


def _coverage(frame: pd.DataFrame, got: Download) -> dict[str, float]:
    """Return of each usage point the share of the window that its best channel has readings for."""
    import pandas as pd

    start, end = (pd.Timestamp(at, unit="s", tz="UTC") for at in got.window)
    inside = frame[(frame["start"] < end) & (frame["end"] > start)]
    spans = inside["end"].where(inside["end"] < end, end) - inside["start"].where(inside["start"] > start, start)
    seconds = spans.dt.total_seconds().groupby([inside["usage_point"], inside["channel"]], observed=True).sum()
    found = {str(name): float(best) / (got.end - got.start) for name, best in seconds.groupby(level=0).max().items()}
    # a feed knows a usage point by its whole path, or by its last part where that is unique
    return {
        point: max((share for name, share in found.items() if name == point or name.endswith(f"/{point}")), default=0.0)
        for point, _ in got.folders
    }


def _write(feed: Feed, frame: pd.DataFrame, csv: Path) -> bool:
    """Write the file under a hidden name, for the user alone; put it in place, and tell whether it reads back equal."""
    from smd_notebook.tables import read_tidy

    part = csv.with_name(f".{csv.name}.part.csv")
    with on_disk(csv, "Choose another with csv=."):
        part.unlink(missing_ok=True)  # of a run that was killed, or a link that somebody has put there to have its target overwritten
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        feed.to_csv(part)
        back = read_tidy(part)
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        part.replace(csv)
    return len(back) == len(frame) and bool((back["value"].to_numpy() == frame["value"].to_numpy()).all())


def _paste(url: str) -> str:
    """Show the address, and take what is pasted, unseen: it holds the code."""
    import sys
    from getpass import getpass

    sys.stdout.write(f"Open this address, consent, and copy the address that the browser shows in the end:\n{url}\n")
    return getpass("Paste it here (it stays hidden): ")
