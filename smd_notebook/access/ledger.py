"""The ledger of bulk requests: what was asked for, what was promised, what came; it outlives the notebook."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from smd_notebook.access.files import read_private, write_private
from smd_notebook.access.windows import Window
from smd_notebook.errors import ConfigurationError

__all__ = ["Book", "Job"]

#: A promise that is older is not waited for any more; PG&E keeps it within minutes [s].
PATIENCE = 86_400.0


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
    early : tuple of str
        Addresses that answered "not yet" (202) or with an error, once for each time.
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
    early: tuple[str, ...] = ()
    answered: bool = False

    @property
    def window(self) -> Window:
        """The window asked for."""
        return self.start, self.end


class Book:
    """The ledger of one batch: one file, replaced in one step.

    Parameters
    ----------
    root : Path
        The batch's folder in the archive.

    Raises
    ------
    ConfigurationError
        If the file is there, and damaged.
    """

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
        """Return the last job for a window, unless its promise is too old.

        Parameters
        ----------
        window : tuple of (int, int)
            What was asked for [s since 1970-01-01T00:00Z].
        now : float
            What time it is [s since 1970].
        """
        mine = [one for one in self.jobs if one.window == window and (one.answered or now - one.asked_at < PATIENCE)]
        return mine[-1] if mine else None

    def add(self, job: Job) -> Job:
        """Write a new job down, and return it.

        Parameters
        ----------
        job : Job
            What was asked for just now.
        """
        self.jobs.append(job)
        return self._written(job)

    def put(self, job: Job, before: Job) -> Job:
        """Write down how a job stands now, and return it.

        Parameters
        ----------
        job : Job
            How it stands.
        before : Job
            How it stood.
        """
        self.jobs[self.jobs.index(before)] = job
        return self._written(job)

    def _written(self, job: Job) -> Job:
        write_private(self._file, json.dumps([asdict(one) for one in self.jobs], indent=1).encode())
        return job
