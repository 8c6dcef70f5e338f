"""Work in pieces: in order, whoever does it, and whoever dies of it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from smd_notebook.analysis.workers import in_order, unbroken
from smd_notebook.errors import ConfigurationError, SmdError


def square(number: int) -> int:
    return number * number


def die_once(number: int, folder: str) -> int:
    """Kill the process the first time that it comes to number 3."""
    mark = Path(folder) / "died"
    if number == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def die_half_way(folder: str, work: Callable[..., Any], *piece: Any) -> Any:
    """Do some work; the first process that begins when some was done elsewhere is killed instead, once in each folder."""
    done, died = Path(folder, "done"), Path(folder, "died")
    if done.exists():
        with suppress(FileExistsError):
            died.touch(exist_ok=False)  # at most one of them
            os.kill(os.getpid(), signal.SIGKILL)
    result = work(*piece)
    done.touch()
    return result


def die(_: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def test_in_this_process() -> None:
    assert list(in_order(square, ((number,) for number in range(5)), processes=1)) == [0, 1, 4, 9, 16]


@pytest.mark.parametrize(
    "where", [{"processes": 0}, {"processes": -1}, {"processes": "x"}, {"processes": 1.5}, {"client": 5}, {"client": "tcp://x"}]
)
def test_what_nobody_can_work_on_is_refused_before_anything_begins(where: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(where))} must be") as caught:
        in_order(square, [], **where)
    assert caught.value.hint


def test_a_dead_worker_costs_time_and_no_result(tmp_path: Path) -> None:
    pieces = ((number, str(tmp_path)) for number in range(9))
    assert list(in_order(die_once, pieces, processes=2)) == [number * number for number in range(9)]
    assert (tmp_path / "died").exists()


@pytest.mark.prove
def test_workers_that_always_die_are_an_error() -> None:
    with pytest.raises(SmdError, match="again and again"):
        list(in_order(die, ((number,) for number in range(3)), processes=2))


@pytest.mark.prove  # as `test_cluster` does with homes
def test_a_cluster_whose_worker_is_killed(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "silence_logs": 50}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        pieces = ((number, str(tmp_path)) for number in range(9))
        assert list(in_order(die_once, pieces, client=client)) == [number * number for number in range(9)]
    assert (tmp_path / "died").exists()


@pytest.fixture
def ears() -> Iterator[None]:
    """Let this process hear interrupts: a shell's background jobs are born deaf to them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ears")
def test_an_interrupt_waits_for_what_is_begun() -> None:
    done = []

    def write() -> None:
        with unbroken():
            signal.raise_signal(signal.SIGINT)
            done.append(1)

    with pytest.raises(KeyboardInterrupt):
        write()
    assert done == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(ZeroDivisionError), unbroken():
        done.append(1 // 0)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("ears")
def test_who_ignores_interrupts_goes_on_ignoring_them() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with unbroken():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_other_threads_write_as_they_are() -> None:
    done = []

    def write() -> None:
        with unbroken():
            done.append(1)

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert done == [1]
