"""Bulk requests: ask, be promised an answer, be notified of where it is, fetch it. A ledger of all that outlives the notebook.

A notification names no window and proves nothing, so what it leads to is looked at before it counts: an address of the custodian's own
batch, fetched with our token, with readings of the window that was asked for.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from smd_notebook.access.archive import SETTLED, Download, Reply, folder_of, locked, set_aside, store
from smd_notebook.access.custodian import Custodian, origin_of
from smd_notebook.access.ledger import Book, Job
from smd_notebook.access.listing import last_part
from smd_notebook.access.notices import Inbox, Notice
from smd_notebook.access.replies import ids_of
from smd_notebook.access.resources import Resources
from smd_notebook.access.windows import Moment, Window, instant, midnight, parameters, stamp
from smd_notebook.errors import AuthorizationError, BadRequest, ConfigurationError, NotReady, ServiceError, SmdError, warn

if TYPE_CHECKING:
    import requests

__all__ = ["Bulk", "fetch_batch", "is_batch"]

#: How long nothing more may come after the first notification, for what comes in several [s].
_QUIET = 5.0
#: How often an address is asked that says "not yet" (202) or is refused, with pauses of 5 s, 10 s, 20 s ... between
_TRIES = 6
_INTERVAL = re.compile(rb"<(?:[\w.-]+:)?interval\s*>(.{0,2000}?)</(?:[\w.-]+:)?interval\s*>", re.DOTALL)
_NUMBER = re.compile(rb"<(?:[\w.-]+:)?(start|duration)\s*>\s*(\d{1,12})\s*<")


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
        anew: bool = False,
    ) -> Download:
        """Download all that this third party may see in one request; the utility notifies when it is ready.

        This is how Self Access users get their own data. Whatever is known is in a ledger in the archive: the same call, in this
        notebook or in the next, goes on where the last one stopped, and takes what arrived in between. What came stays; only an
        answer without data is asked for again each time.

        Parameters
        ----------
        bulk_id : str or None
            The id of the third party's batches (PG&E: the BulkID); None for that of the credentials, or else of one's own authorization.
        start, end : str, int, float, date or datetime
            The window; a date is its midnight at the utility, and `end` is exclusive. The day that has begun there is left out, and with
            it what is still to come: so that all calls of a day ask for the same.
        inbox : Inbox
            Where notifications arrive: one of `smd_notebook.inbox`.
        to : str or Path
            The archive's folder.
        timeout : float, default 600
            How long to wait for the first notification [s].
        anew : bool, default False
            Whether to ask again although a promise of the last 24 hours is open, for when its notification went astray, or although an
            answer came that may have changed since: it was younger than 45 days, or had estimated or other provisional readings in it.

        Returns
        -------
        Download
            The archive, for `smd_notebook.read`.

        Raises
        ------
        NotReady
            Nothing came in time; the same call waits on, and asks again after a day only, or with `anew`.
        AuthorizationError, ServiceError
            What the utility answered.
        ConfigurationError
            No id is known, the window is empty, or another notebook waits for the same batch.

        Warns
        -----
        SmdWarning
            A notification led elsewhere, or to something else, and was not followed; the utility holds nothing for this window; or an
            archived reply was damaged, which is renamed, and asked for again.
        """
        zone = self.custodian.zone
        window = instant(start, zone), min(instant(end, zone), midnight(self._clock(), zone))
        if not window[0] < window[1]:
            raise ConfigurationError("this window is empty", hint="`start` has to be before `end`, and before today.")
        parts = "Batch", "Bulk", str(bulk_id or self.credentials.bulk_id or self._own_bulk_id())

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
            anew=anew,
            clock=self._clock,
        )

    def _own_bulk_id(self) -> str:
        own = self.own_authorization()
        if own is None:
            hint = "Set SMD_BULK_ID, or give the consent for your own account in the utility's portal: it names the id."
            raise ConfigurationError("the bulk id is not known, and no authorization names one", hint=hint)
        return last_part(own.resource_uri or "")


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
    anew: bool,
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
    anew : bool
        Whether to ask again although a promise is open, or an answer that may change is there.
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
    kind, _, own = batch.rpartition("/")
    name = f"{kind.replace('/', '-').lower()}-{own}"
    root = folder_of(to, custodian.name, name)
    with locked((root,)):
        book = Book(root)
        one = _Batch(custodian, batch, name, root, book, fetch, clock)
        job = book.find(window, clock())
        if job is not None and job.answered and not job.waiting:
            got = one.download(job, Path(to).expanduser())
            for _, folder in got.folders:
                if damaged := set_aside(folder):
                    warn(f"{damaged[0].name} was no longer what was archived; it was renamed, and is asked for again")
            if got.paths and got.complete and not (anew and got.may_change):
                return got
            job = None
        with inbox:  # open before anything is asked: a notification may be here before the promise is
            if job is None or anew:
                job = book.add(one.asked(window, ask))
            until = time.monotonic() + timeout
            while not (job := one.fetched(one.told(job, inbox.wait(0)))).answered:
                left = until - time.monotonic()
                if left <= 0:
                    raise one.problem or NotReady(
                        f"no notification came within {timeout:.0f} s",
                        hint="Make the same call again: it waits on, and asks again after a day only, or with anew=True. "
                        "Does the registered address lead to the inbox?",
                        retryable=True,
                        ids=job.ids,
                    )
                job = one.told(job, inbox.wait(min(left, _QUIET)))
            # what comes in several notifications comes close together
            job = one.fetched(one.told(job, inbox.wait(min(_QUIET, timeout))))
    got = one.download(job, Path(to).expanduser())
    if job.waiting:
        warn("not all that notifications named could be had yet; the same call asks again")
    if not got.paths:
        warn(
            "the utility holds nothing for this window yet; the same call asks again. Has the consent been given, and are the dates right?"
        )
    return got


def is_batch(download: Download) -> bool:
    """Tell whether an archive came by a bulk request.

    Parameters
    ----------
    download : Download
        What is asked about.
    """
    return download.subscription.startswith("batch-")  # as fetch_batch names it; a subscription has a number there


@dataclass
class _Batch:
    """One batch of a custodian's, and what is done to get it."""

    custodian: Custodian
    batch: str
    name: str
    root: Path
    book: Book
    fetch: Callable[[str], requests.Response]
    clock: Callable[[], float]
    #: When an address that said "not yet" may be asked again [s, monotonic]
    due: dict[str, float] = field(default_factory=dict)
    #: What the utility said last where an address was refused
    problem: SmdError | None = None

    def asked(self, window: Window, ask: Callable[[dict[str, str]], requests.Response]) -> Job:
        """Ask, and let the reply decide: data at once, none, or a promise."""
        begun = self.clock()
        answer = ask(dict(parameters(self.custodian, window)))
        reply = self._record(window, answer, begun)
        if reply.status == 202:
            return Job(*window, begun, dict(reply.ids))
        store(folder_of(self.root, "at-once"), reply, answer.content)
        return Job(*window, begun, dict(reply.ids), fetched=("at-once",), answered=True)

    def told(self, job: Job, notices: Iterable[Notice]) -> Job:
        """Write down where notifications lead, before anything is fetched or warned of: they come once, and a warning may be an error."""
        fresh, odd = [], []
        for address in dict.fromkeys(one for notice in notices for one in notice.addresses):
            if any(address in (*one.fetched, *one.waiting, *one.strayed) for one in self.book.jobs):
                continue
            if not _own(self.custodian, address):
                odd.append(f"a notification leads to another place than the utility's resources ({_host(address)}), and was not followed")
            elif not _of(self.custodian, self.batch, address):
                odd.append("a notification speaks of something else than this batch, and was left: other data, or a consent that changed")
            else:
                fresh.append(address)
        told = self.book.put(replace(job, waiting=(*job.waiting, *fresh)), job) if fresh else job
        for one in odd:
            warn(one)
        return told

    def fetched(self, job: Job) -> Job:
        """Fetch what waits, and return how the job stands; data of another job's window counts for that one.

        Anybody may send addresses, and what the utility does not give for one must not stand in the way of the others.
        """
        failed: SmdError | None = None
        refused = []
        for address in job.waiting:
            if time.monotonic() < self.due.get(address, 0.0):
                continue
            begun = self.clock()
            try:
                answer = self.fetch(address)
            except BadRequest:
                job = self._left(job, address)
                warn("a notification led to nothing that the utility knows, and was left")
                continue
            except (AuthorizationError, ServiceError) as error:
                if error.status_code in (None, 429):  # nothing that another address would change
                    raise
                job = self._early(job, address, f"HTTP {error.status_code}")
                if error.retryable:
                    failed = error
                else:
                    self.problem = error
                    refused.append(f"a notification led to what the utility does not give, and is asked for again: {error.args[0]}")
                continue
            if answer.status_code == 202:
                job = self._early(job, address, '"not yet"')
                continue
            others = (one for one in self.book.jobs if not one.answered and one is not job)
            whose = next((one for one in (job, *others) if answer.status_code == 204 or _within(answer.content, one.window)), None)
            record = self._record((whose or job).window, answer, begun)
            store(folder_of(self.root, _place(address)), record, answer.content)
            if whose is None:
                job = self._left(job, address)
                warn("a notification led to data of another time than was asked for; it is archived, and the answer is waited for")
                continue
            before, job = job, self.book.put(replace(job, waiting=_without(job.waiting, address)), job)
            whose = job if whose is before else whose
            answered = self.book.put(replace(whose, fetched=(*whose.fetched, address), answered=True), whose)
            job = answered if whose is job else job
        for one in refused:
            warn(one)
        if failed is not None:
            raise failed
        return job

    def _early(self, job: Job, address: str, said: str) -> Job:
        """Note that an address had no data: it is asked again after ever longer pauses, and not for ever, as anybody may send it."""
        times = job.early.count(address) + 1
        job = self.book.put(replace(job, early=(*job.early, address)), job)
        if times >= _TRIES:
            job = self._left(job, address)
            warn(f"a notification led to {said} {times} times, and was left")
            return job
        self.due[address] = time.monotonic() + _QUIET * 2 ** (times - 1)
        return job

    def _left(self, job: Job, address: str) -> Job:
        """Follow an address no more."""
        return self.book.put(replace(job, waiting=_without(job.waiting, address), strayed=(*job.strayed, address)), job)

    def _record(self, window: Window, answer: requests.Response, asked: float) -> Reply:
        came = self.clock()
        return Reply(
            *window,
            answer.status_code,
            url=str(answer.url),
            provisional="young" if window[1] > came - SETTLED else "empty" if answer.status_code == 204 else "",
            custodian=self.custodian.name,
            subscription=self.name,
            requested_at=stamp(asked),
            received_at=stamp(came),
            content_type=answer.headers.get("Content-Type", ""),
            ids=ids_of(answer.headers),
        )

    def download(self, job: Job, to: Path) -> Download:
        """Return what was archived for a job."""
        places = [one if one == "at-once" else _place(one) for one in job.fetched]
        folders = tuple((self.name, folder_of(self.root, place)) for place in places)
        return Download(self.custodian.name, self.name, job.start, job.end, to, folders, job.end)


def _own(custodian: Custodian, address: str) -> bool:
    try:
        return origin_of(address) == origin_of(custodian.resource_endpoint) and address.startswith(custodian.resource_endpoint + "/")
    except ConfigurationError:
        return False


def _host(address: str) -> str:
    """Return where an address leads, for a warning: anybody may have sent it."""
    try:
        return (urlsplit(origin_of(address)).hostname or "")[:80]
    except ConfigurationError:
        return "no https address"


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


def _without(addresses: tuple[str, ...], address: str) -> tuple[str, ...]:
    return tuple(one for one in addresses if one != address)
