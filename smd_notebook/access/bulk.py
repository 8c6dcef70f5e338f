"""Bulk requests: ask, be promised an answer, be notified of where it is, fetch it. A ledger of all that outlives the notebook.

A notification names no window and proves nothing, so what it leads to is looked at before it counts: an address of the custodian's own
batch, fetched with our token, with readings of the window that was asked for.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from smd_notebook.access.archive import Download, Reply, folder_of, locked, store
from smd_notebook.access.custodian import Custodian, origin_of
from smd_notebook.access.files import read_private, write_private
from smd_notebook.access.notices import Inbox, Notice
from smd_notebook.access.replies import ids_of
from smd_notebook.access.resources import Resources
from smd_notebook.access.windows import Moment, Window, instant, parameters, stamp
from smd_notebook.errors import BadRequest, ConfigurationError, NotReady, warn

if TYPE_CHECKING:
    import requests

__all__ = ["Bulk", "Job", "fetch_batch"]

#: A promise that is older is not waited for any more; PG&E keeps it within minutes [s].
PATIENCE = 86_400.0
#: How long nothing more may come after the first notification, for what comes in several [s].
_QUIET = 5.0
_INTERVAL = re.compile(rb"<(?:[\w.-]+:)?interval\s*>(.{0,2000}?)</(?:[\w.-]+:)?interval\s*>", re.DOTALL)
_NUMBER = re.compile(rb"<(?:[\w.-]+:)?(start|duration)\s*>\s*(\d{1,12})\s*<")


@dataclass(frozen=True, slots=True)
class Job:
    """One request for a batch, as the ledger keeps it.

    Parameters
    ----------
    start, end : int
        The window asked for [s since 1970-01-01T00:00Z].
    asked_at : float
        When [s since 1970].
    ids : dict of str to str
        Headers of the reply that name the request in the utility's own log.
    waiting : tuple of str
        Addresses that notifications named, and that are not fetched yet.
    fetched : tuple of str
        Addresses whose data is archived.
    strayed : tuple of str
        Addresses whose data is of another time than any job asked for.
    answered : bool
        Whether data of this window came, or the word that there is none.
    """

    start: int
    end: int
    asked_at: float
    ids: dict[str, str] = field(default_factory=dict)
    waiting: tuple[str, ...] = ()
    fetched: tuple[str, ...] = ()
    strayed: tuple[str, ...] = ()
    answered: bool = False

    @property
    def window(self) -> Window:
        """The window asked for."""
        return self.start, self.end


class Bulk(Resources):
    """Batches of everything that a third party may see, which arrive by notification; part of `Client`."""

    _clock: Callable[[], float]

    def download_bulk(
        self,
        bulk_id: str | None,
        start: Moment,
        end: Moment,
        *,
        inbox: Inbox,
        to: str | Path = "raw/",
        timeout: float = 600.0,
    ) -> Download:
        """Download all that this third party may see in one request; the utility notifies when it is ready.

        This is how Self Access users get their own data. Whatever is known is in a ledger in the archive: the same call, in this
        notebook or in the next, goes on where the last one stopped, and takes what arrived in between.

        Parameters
        ----------
        bulk_id : str or None
            The id of the third party's batches (PG&E: the BulkID); None for that of the credentials.
        start, end : str, int, float, date or datetime
            The window; a date is its midnight at the utility, and `end` is exclusive.
        inbox : Inbox
            Where notifications arrive: one of `smd_notebook.inbox`.
        to : str or Path
            The archive's folder.
        timeout : float, default 600
            How long to wait for the first notification [s].

        Returns
        -------
        Download
            The archive, for `smd_notebook.read`.

        Raises
        ------
        NotReady
            Nothing came in time; the same call waits on, and asks anew after a day only.
        AuthorizationError, ServiceError
            What the utility answered.
        ConfigurationError
            No id is known, the window is empty, or another notebook waits for the same batch.

        Warns
        -----
        SmdWarning
            A notification led elsewhere, or to something else, and was not followed.
        """
        name = bulk_id or self.credentials.bulk_id
        if not name:
            raise ConfigurationError("the bulk id is not known", hint="Set SMD_BULK_ID; client.authorizations() show it in resource_uri.")
        now, zone = int(self._clock()), self.custodian.zone
        window = instant(start, zone), min(instant(end, zone), now)
        if not window[0] < window[1]:
            raise ConfigurationError("this window is empty", hint="`start` has to be before `end`, and before now.")
        parts = "Batch", "Bulk", str(name)

        def fetch(address: str) -> requests.Response:
            return self._with(self.tokens.client, lambda token: self.session.get(address, token=token.access_token))

        return fetch_batch(
            self.custodian,
            "/".join(parts),
            window,
            inbox=inbox,
            ask=lambda params: self._get(self.tokens.client, *parts, params=params),
            fetch=fetch,
            to=to,
            timeout=timeout,
            clock=self._clock,
        )


def fetch_batch(
    custodian: Custodian,
    batch: str,
    window: Window,
    *,
    inbox: Inbox,
    ask: Callable[[dict[str, str]], requests.Response],
    fetch: Callable[[str], requests.Response],
    to: str | Path,
    timeout: float,
    clock: Callable[[], float],
) -> Download:
    """Ask for a batch and archive what the notifications lead to; take up what was asked before.

    Parameters
    ----------
    custodian : Custodian
        Who is asked.
    batch : str
        What follows the resource endpoint, such as ``"Batch/Bulk/50098"``.
    window : tuple of (int, int)
        What to ask for [s since 1970-01-01T00:00Z]; the end is exclusive.
    inbox : Inbox
        Where notifications arrive.
    ask, fetch : callable
        Send the request, with these parameters; get an address of the custodian's.
    to : path
        The archive.
    timeout : float
        How long to wait for the first notification [s].
    clock : callable
        What time it is [s since 1970].

    Raises
    ------
    NotReady
        Nothing came in time; the same call waits on, and does not ask again within a day.
    AuthorizationError, ServiceError
        What the utility answered.
    ConfigurationError
        Somebody else waits for the same batch.
    """
    name = batch.replace("/", "-")
    root = folder_of(to, custodian.name, name)
    with locked((root,)):
        book = _Book(root)
        job = book.find(window, clock())
        if job is not None and job.answered:
            return _download(custodian, name, job, root, Path(to).expanduser())
        with inbox:  # open before anything is asked: a notification may be here before the promise is
            if job is None:
                job = book.add(_asked(custodian, name, window, root, ask, clock))
            until = time.monotonic() + timeout
            while not (
                job := _fetched(custodian, name, _told(custodian, batch, job, inbox.wait(0), book), root, book, fetch, clock)
            ).answered:
                left = until - time.monotonic()
                if left <= 0:
                    raise NotReady(
                        f"no notification came within {timeout:.0f} s",
                        hint="Make the same call again: it waits on, and asks anew after a day only. "
                        "Does the registered address lead to the inbox?",
                        retryable=True,
                        ids=job.ids,
                    )
                job = _told(custodian, batch, job, inbox.wait(min(left, _QUIET)), book)
            # what comes in several notifications comes close together
            job = _told(custodian, batch, job, inbox.wait(min(_QUIET, timeout)), book)
            job = _fetched(custodian, name, job, root, book, fetch, clock)
    return _download(custodian, name, job, root, Path(to).expanduser())


class _Book:
    """The ledger: one file, replaced in one step."""

    def __init__(self, root: Path) -> None:
        self._file = root / "jobs.json"
        try:
            found = json.loads(read_private(self._file))
            rows: list[dict[str, Any]] = [
                {key: tuple(value) if isinstance(value, list) else value for key, value in one.items()} for one in found
            ]
            self.jobs = [Job(**row) for row in rows]
        except FileNotFoundError:
            self.jobs = []
        except (ValueError, TypeError, KeyError):
            raise ConfigurationError(
                f"{self._file.name} in the archive is damaged", hint="Delete it: what is open is asked for again."
            ) from None

    def find(self, window: Window, now: float) -> Job | None:
        """Return the last job for a window, unless its promise is too old."""
        mine = [one for one in self.jobs if one.window == window and (one.answered or now - one.asked_at < PATIENCE)]
        return mine[-1] if mine else None

    def add(self, job: Job) -> Job:
        """Write a new job down."""
        self.jobs.append(job)
        return self._written(job)

    def put(self, job: Job, before: Job) -> Job:
        """Write down how a job stands now."""
        self.jobs[self.jobs.index(before)] = job
        return self._written(job)

    def _written(self, job: Job) -> Job:
        write_private(self._file, json.dumps([asdict(one) for one in self.jobs], indent=1).encode())
        return job


def _record(custodian: Custodian, name: str, window: Window, answer: requests.Response, asked: float, came: float) -> Reply:
    return Reply(
        *window,
        answer.status_code,
        url=str(answer.url),
        custodian=custodian.name,
        subscription=name,
        requested_at=stamp(asked),
        received_at=stamp(came),
        content_type=answer.headers.get("Content-Type", ""),
        ids=ids_of(answer.headers),
    )


def _asked(
    custodian: Custodian,
    name: str,
    window: Window,
    root: Path,
    ask: Callable[[dict[str, str]], requests.Response],
    clock: Callable[[], float],
) -> Job:
    """Ask, and let the reply decide: data at once, none, or a promise."""
    begun = clock()
    answer = ask(dict(parameters(custodian, window)))
    reply = _record(custodian, name, window, answer, begun, clock())
    if reply.status == 202:
        return Job(*window, begun, dict(reply.ids))
    store(folder_of(root, "at-once"), reply, answer.content)
    return Job(*window, begun, dict(reply.ids), fetched=("at-once",), answered=True)


def _told(custodian: Custodian, batch: str, job: Job, notices: Iterable[Notice], book: _Book) -> Job:
    """Write down where notifications lead, before anything is fetched: they come once."""
    fresh = []
    for address in dict.fromkeys(one for notice in notices for one in notice.addresses):
        if any(address in (*one.fetched, *one.waiting, *one.strayed) for one in book.jobs):
            continue
        if not _own(custodian, address):
            warn("a notification leads to another place than the utility's resources, and was not followed")
        elif not _of(custodian, batch, address):
            warn("a notification speaks of something else than this batch, and was left: other data, or a consent that changed")
        else:
            fresh.append(address)
    return book.put(replace(job, waiting=(*job.waiting, *fresh)), job) if fresh else job


def _fetched(
    custodian: Custodian,
    name: str,
    job: Job,
    root: Path,
    book: _Book,
    fetch: Callable[[str], requests.Response],
    clock: Callable[[], float],
) -> Job:
    """Fetch what waits, and return how the job stands; data of another job's window counts for that one."""
    for address in job.waiting:
        begun = clock()
        try:
            answer = fetch(address)
        except BadRequest:  # anybody may send addresses of nothing, and they must not stand in the way of what is there
            warn("a notification led to nothing that the utility knows, and was left")
            rest = tuple(one for one in job.waiting if one != address)
            job = book.put(replace(job, waiting=rest, strayed=(*job.strayed, address)), job)
            continue
        if answer.status_code == 202:  # told too early: it goes on waiting
            continue
        others = (one for one in book.jobs if not one.answered and one is not job)
        whose = next((one for one in (job, *others) if answer.status_code == 204 or _within(answer.content, one.window)), None)
        window = (whose or job).window
        store(folder_of(root, _place(address)), _record(custodian, name, window, answer, begun, clock()), answer.content)
        job = book.put(replace(job, waiting=tuple(one for one in job.waiting if one != address)), before := job)
        if whose is None:
            warn("a notification led to data of another time than was asked for; it is archived, and the answer is waited for")
            job = book.put(replace(job, strayed=(*job.strayed, address)), job)
        elif whose is before:
            job = book.put(replace(job, fetched=(*job.fetched, address), answered=True), job)
        else:
            book.put(replace(whose, fetched=(*whose.fetched, address), answered=True), whose)
    return job


def _own(custodian: Custodian, address: str) -> bool:
    try:
        return origin_of(address) == origin_of(custodian.resource_endpoint) and address.startswith(custodian.resource_endpoint + "/")
    except ConfigurationError:
        return False


def _of(custodian: Custodian, batch: str, address: str) -> bool:
    """Tell whether an address is a batch's own, letter by letter, and asks for no window: that would be another request, not an answer."""
    path, _, query = address.partition("?")
    named = {name.lower() for name, _ in parse_qsl(query, keep_blank_values=True)}
    return path == f"{custodian.resource_endpoint}/{batch}" and not named & {name.lower() for name in custodian.window_names}


def _within(data: bytes, window: Window) -> bool:
    """Tell whether any interval block begins in a window; feeds without any, as of customers, are taken as they are."""
    starts = []
    for interval in _INTERVAL.findall(data):
        numbers = dict(_NUMBER.findall(interval))
        if b"start" in numbers:
            first = int(numbers[b"start"])
            starts.append((first, first + max(int(numbers.get(b"duration", b"0")), 1)))
    return not starts or any(first < window[1] and window[0] < last for first, last in starts)


def _place(address: str) -> str:
    return sha256(address.encode()).hexdigest()[:16]


def _download(custodian: Custodian, name: str, job: Job, root: Path, to: Path) -> Download:
    places = [one if one == "at-once" else _place(one) for one in job.fetched]
    folders = tuple((name, folder_of(root, place)) for place in places)
    return Download(custodian.name, name, job.start, job.end, to, folders, job.end)
