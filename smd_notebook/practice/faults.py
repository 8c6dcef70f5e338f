"""What goes wrong on purpose: a queue of faults, each for the next requests that match it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from threading import Lock
from typing import Any, Literal

from smd_notebook.errors import ConfigurationError
from smd_notebook.practice.variants import checked

__all__ = ["FAULTS", "Fault", "FaultQueue"]

_PAGE = b"<!DOCTYPE html><html><head><title>Service unavailable</title></head><body><h1>We will be back soon</h1></body></html>"
_XML, _JSON, _HTML = "application/atom+xml", "application/json", "text/html; charset=utf-8"


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong with the requests to the API that match it.

    A fault with a `status` answers in the utility's place; the others do something to the utility's own answer.

    Parameters
    ----------
    path : str
        Which requests: a pattern, as a shell has it, of the whole path, such as ``"*/token"`` or ``"*/Batch/*"``.
    method : str, optional
        Which method, if only one.
    times : int, optional
        How many requests it hits; None: all of them.
    skip : int
        How many matching requests pass before it begins.
    status : int, optional
        Answer with this status, and do nothing else.
    body : bytes, optional
        The body instead of the utility's; of a `status`, its whole body.
    content_type : str, optional
        The Content-Type instead of the utility's.
    headers : tuple of (str, str)
        Further headers.
    delay : float
        Wait before doing anything [s].
    keep : float, optional
        Share of the body that is sent before the connection ends, although the length of all of it was announced.
    dribble : float
        Wait between the 64 pieces in which the body is sent [s].
    drop : {"", "before", "after"}
        Close the connection without an answer: before anything was done, or after all was done, as when the reply is lost.
    variants : tuple of str
        Variants of the utility that hold for this request (`VARIANTS`).
    notify : {"", "never", "twice", "early", "late", "foreign"}
        What becomes of the notification that the request leads to: none; the same one twice; before the 202; `late` seconds later;
        with an address elsewhere beside the right one.
    late : float
        How late a late notification is [s].
    """

    path: str = "*"
    method: str | None = None
    times: int | None = 1
    skip: int = 0
    status: int | None = None
    body: bytes | None = None
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0
    keep: float | None = None
    dribble: float = 0.0
    drop: Literal["", "before", "after"] = ""
    variants: tuple[str, ...] = ()
    notify: Literal["", "never", "twice", "early", "late", "foreign"] = ""
    late: float = 3.0

    def __post_init__(self) -> None:
        checked(self.variants)
        if self.keep is not None and not 0 <= self.keep < 1:
            raise ConfigurationError(f"keep={self.keep!r} is no share of the body below 1")


def _says(status: int, body: bytes, kind: str = _JSON, **fields: Any) -> Fault:
    return Fault(status=status, body=body, content_type=kind, **fields)


#: Faults by name.
FAULTS: dict[str, Fault] = {
    "invalid-certificate": _says(400, b'"Invalid Certificate"'),
    "unauthorized": _says(401, b"", "text/plain"),
    "forbidden": _says(403, b"", "text/plain"),
    "no-listener": _says(404, b"No listener for endpoint", "text/plain"),
    "too-fast": _says(429, b"", "text/plain", headers=(("Retry-After", "1"),)),
    "too-fast-silently": _says(429, b"", "text/plain"),
    "server-error": _says(500, _PAGE, _HTML),
    "bad-gateway": _says(502, _PAGE, _HTML),
    "unavailable": _says(503, b"", "text/plain", headers=(("Retry-After", "1"),)),
    "unavailable-silently": _says(503, b"", "text/plain"),
    "no-content": _says(204, b"", _XML),
    "accepted": _says(202, b"", "text/plain"),
    "page": _says(200, _PAGE, _HTML),
    "nothing": _says(200, b"", _XML),
    "redirect": _says(302, b"", "text/plain", headers=(("Location", "https://elsewhere.invalid/"),)),
    "dropped": Fault(drop="before"),
    "reply-lost": Fault(drop="after"),
    "truncated": Fault(keep=0.5),
    "wrong-type": Fault(content_type=_HTML),
    "slow": Fault(delay=2.0),
    "dribble": Fault(dribble=0.05),
    "notified-never": Fault(notify="never"),
    "notified-twice": Fault(notify="twice"),
    "notified-early": Fault(notify="early"),
    "notified-late": Fault(notify="late"),
    "notified-foreign": Fault(notify="foreign"),
}


class FaultQueue:
    """The faults that are to come, in the order in which they were added."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: list[Fault] = []

    def add(self, fault: Fault | str, **changes: Any) -> None:
        """Add a fault; one that `FAULTS` has by its name, changed where `changes` says so.

        Parameters
        ----------
        fault : Fault or str
            What goes wrong.
        **changes
            Fields of it that are otherwise, such as ``path=`` and ``times=``.

        Raises
        ------
        ConfigurationError
            Where no fault has this name, or no field.

        >>> faults = FaultQueue()
        >>> faults.add("truncated", path="*/Batch/*", times=2)
        >>> len(faults)
        1
        """
        if isinstance(fault, str):
            if fault not in FAULTS:
                raise ConfigurationError(f"no fault is called {fault!r}", hint="Known: " + ", ".join(FAULTS) + ".")
            fault = FAULTS[fault]
        if unknown := changes.keys() - Fault.__dataclass_fields__.keys():
            raise ConfigurationError(f"a fault has no field {min(unknown)!r}", hint="Known: " + ", ".join(Fault.__dataclass_fields__) + ".")
        with self._lock:
            self._waiting.append(replace(fault, **changes))

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._waiting.clear()

    def __len__(self) -> int:
        return len(self._waiting)

    def __repr__(self) -> str:
        return f"<FaultQueue: {len(self)} to come>"

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault of a request, if any, and count it.

        Parameters
        ----------
        method, path : str
            The request's.
        """
        with self._lock:
            for number, fault in enumerate(self._waiting):
                if not fnmatchcase(path, fault.path) or fault.method not in (None, method):
                    continue
                if fault.skip:
                    self._waiting[number] = replace(fault, skip=fault.skip - 1)
                    continue
                if fault.times is None:
                    return fault
                if fault.times > 1:
                    self._waiting[number] = replace(fault, times=fault.times - 1)
                else:
                    del self._waiting[number]
                return fault
        return None
