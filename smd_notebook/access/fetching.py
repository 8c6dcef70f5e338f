"""Fill an archive: ask for what is not there yet, chunk by chunk, and let the reply decide what it is.

200 is data, 204 is none, 202 is a promise; the path says nothing about it. Whatever stops it, the next call goes on from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from smd_notebook.access.archive import SETTLED, Download, Reply, locked, plain_name, replies, set_aside, store
from smd_notebook.access.custodian import Custodian
from smd_notebook.access.files import write_private
from smd_notebook.access.replies import ids_of
from smd_notebook.access.windows import Window, chunks, gaps, parameters, stamp
from smd_notebook.errors import NotReady, ServiceError, warn

if TYPE_CHECKING:
    import requests

__all__ = ["Ask", "fill", "known_points", "remember_points"]

#: Asks for one usage point's data with these parameters.
Ask = Callable[[str, Mapping[str, str]], "requests.Response"]
#: How often a reply that is damaged, or says that there is nothing, is asked for.
TRIES = 3


def fill(
    download: Download,
    custodian: Custodian,
    ask: Ask,
    clock: Callable[[], float],
    *,
    renew: bool = False,
    progress: bool = True,
    stop: Event | None = None,
) -> None:
    """Ask for what a download lacks.

    Parameters
    ----------
    download : Download
        What is wanted, and where.
    custodian : Custodian
        How long chunks are, and how windows are written.
    ask : callable
        Sends a request.
    clock : callable
        What time it is [s since 1970-01-01T00:00Z].
    renew : bool
        Whether to ask again for what was provisional when it was archived.
    progress : bool
        Whether to show a bar.
    stop : threading.Event, optional
        Ends it before the next chunk, once it is set.

    Raises
    ------
    NotReady
        The utility answers later, by a notification.
    AuthorizationError, ServiceError
        What the utility answered; what was archived before stays.
    ConfigurationError
        Another download is writing into the same folder, or it cannot be written; what was archived before stays.

    Warns
    -----
    SmdWarning
        Where an archived reply was damaged: it is renamed, and asked for again.
    """
    from tqdm.auto import tqdm

    with locked(tuple(folder for _, folder in download.folders)):
        for _, folder in download.folders:
            if damaged := set_aside(folder):
                warn(f"{damaged[0].name} was no longer what was archived; it was renamed, and is fetched again")
        plan = [
            (point, folder, window)
            for point, folder in download.folders
            for gap in gaps(download.window, _settled(folder, renew=renew))
            for window in chunks(gap, custodian.chunk_days, custodian.zone)
        ]
        for point, folder, window in tqdm(plan, desc="download", unit="chunk", disable=not (progress and plan)):
            if stop is not None and stop.is_set():
                return
            _chunk(download, point, folder, window, custodian, ask, clock)


def _settled(folder: Path, *, renew: bool) -> list[Window]:
    return [one.window for one in replies(folder) if one.done and not (renew and one.provisional)]


def _chunk(
    download: Download, point: str, folder: Path, window: Window, custodian: Custodian, ask: Ask, clock: Callable[[], float]
) -> None:
    """Ask for one window until the reply is whole, and archive it."""
    given: dict[str, Any] = {"custodian": download.custodian, "subscription": download.subscription, "usage_point": point}
    wanted, left = parameters(custodian, window), TRIES
    while True:
        left -= 1
        asked = clock()
        try:
            answer = ask(point, wanted)
            came = clock()
            reply = Reply(
                *window,
                answer.status_code,
                url=str(answer.url),
                provisional="young" if window[1] > came - SETTLED else "empty" if answer.status_code == 204 else "",
                requested_at=stamp(asked),
                received_at=stamp(came),
                content_type=answer.headers.get("Content-Type", ""),
                ids=ids_of(answer.headers),
                **given,
            )
            # a first "nothing there" is asked again: a year later nobody could tell a hiccup from a home without a meter
            if reply.status != 204 or left < TRIES - 1:
                store(folder, reply, answer.content)
                return _refuse_promise(reply)
        except ServiceError as error:
            # 200 with something else in it: a reply cut short, a page of a gateway
            if not (left and error.status_code == 200 and error.retryable):
                raise


def _refuse_promise(reply: Reply) -> None:
    if reply.status == 202:
        raise NotReady(
            "the utility prepares this data, and will notify the registered address when it is there",
            hint="client.download_bulk with an inbox takes such notifications. What was archived stays, and this span is open: "
            "the same download asks for it again.",
            status_code=202,
            retryable=True,
            ids=reply.ids,
        )


# -- which usage points there are ------------------------------------------------------------------------------------------------------


def _list(to: Path, custodian: str, subscription: str) -> Path:
    return to / custodian / f"subscription-{plain_name(subscription)}.json"


def remember_points(to: Path, custodian: str, subscription: str, points: list[str]) -> None:
    """Write down which usage points a subscription has, so that what is complete needs no network to be found again."""
    write_private(_list(to, custodian, subscription), json.dumps({"usage_points": points}).encode())


def known_points(to: Path, custodian: str, subscription: str) -> list[str]:
    """Return the usage points that were written down; none where nothing was."""
    try:
        found = json.loads(_list(to, custodian, subscription).read_bytes())["usage_points"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [str(one) for one in found] if isinstance(found, list) else []
