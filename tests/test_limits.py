"""The rate gate: never above any limit, hardly below what they allow, and nobody is locked out."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
from bisect import bisect_left
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from smd_notebook.access.custodian import Limits
from smd_notebook.access.limits import RateGate
from smd_notebook.errors import ConfigurationError


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


NOON = at("2026-06-01T19:00")  # noon Pacific, five hours before the reset
RESET = at("2026-06-02T00:00")


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds


def gate(folder: Path, clock: Clock, limits: Limits | None = None, *, vendor: str = "pge", client: str = "me") -> RateGate:
    return RateGate(limits or Limits(), vendor=vendor, client_id=client, folder=folder, clock=clock, sleep=clock.sleep)


def passes(one: RateGate, clock: Clock, n: int) -> list[float]:
    found = []
    for _ in range(n):
        one.acquire()
        found.append(clock.now)
    return found


# -- each window -------------------------------------------------------------------------------------------------------------------------


def test_a_second_apart(tmp_path: Path) -> None:
    clock = Clock()
    times = passes(gate(tmp_path, clock), clock, 5)
    assert times[0] == NOON
    assert all(1 <= b - a <= 1.02 for a, b in itertools.pairwise(times))
    halves = passes(gate(tmp_path, clock, Limits(per_second=0.5), vendor="slow"), clock, 3)
    assert all(2 <= b - a <= 2.04 for a, b in itertools.pairwise(halves))


def test_the_second_is_the_vendors_and_the_rest_the_clients(tmp_path: Path) -> None:
    clock, limits = Clock(), Limits(per_hour=2)
    mine, yours = (gate(tmp_path, clock, limits, client=name) for name in ("me", "you"))
    other = gate(tmp_path, clock, limits, vendor="else")
    times = [passes(one, clock, 1)[0] for one in (mine, yours, mine, yours)]
    assert all(1 <= b - a <= 1.02 for a, b in itertools.pairwise(times))
    assert passes(other, clock, 1) == [times[-1]], "another vendor's second is its own"
    assert (mine.status().used_hour, yours.status().used_hour, other.status().used_hour) == (2, 2, 1)


def test_the_hour_slides(tmp_path: Path) -> None:
    clock = Clock()
    one = gate(tmp_path, clock, Limits(per_second=None, per_hour=3, per_day=None))
    first = passes(one, clock, 1)[0]
    clock.now += 1800
    assert passes(one, clock, 2) == [first + 1800] * 2
    third = passes(one, clock, 1)[0]
    assert 3600 <= third - first <= 3610, "the first is an hour old"
    assert 5400 <= passes(one, clock, 1)[0] - first <= 5410, "the next two are"


def test_the_day_begins_anew_at_the_reset(tmp_path: Path) -> None:
    clock = Clock()
    one = gate(tmp_path, clock, Limits(per_second=None, per_hour=None, per_day=3))
    assert passes(one, clock, 4) == [NOON] * 3 + [RESET]
    assert one.status().used_day == 1
    assert one.status().resets_at == RESET + 86400
    assert max(clock.slept) <= 300, "it looks at the clock now and then"


@pytest.mark.parametrize(
    ("limits", "now", "resets"),
    [
        (Limits(), "2026-03-07T23:59", "2026-03-08T01:00"),  # the day before clocks go forward
        (Limits(), "2026-03-08T01:00", "2026-03-09T00:00"),  # 23 hours
        (Limits(), "2026-10-31T23:59", "2026-11-01T00:00"),
        (Limits(), "2026-11-01T00:00", "2026-11-02T01:00"),  # 25 hours
        (Limits(reset="00:00", zone="UTC"), "2026-03-08T01:00", "2026-03-09T00:00"),
        (Limits(reset="02:30"), "2026-03-08T09:00", "2026-03-08T10:30"),  # 02:30 is not on the clock that night: an hour later
    ],
)
def test_resets_are_on_the_wall_clock(tmp_path: Path, limits: Limits, now: str, resets: str) -> None:
    assert gate(tmp_path, Clock(at(now)), limits).status().resets_at == at(resets)


def test_status_says_when_the_next_may_go(tmp_path: Path) -> None:
    clock = Clock()
    one = gate(tmp_path, clock, Limits(per_hour=2, per_day=3))
    before = one.status()
    assert (before.next_at, before.used_second, before.used_hour, before.used_day, before.resets_at) == (NOON, 0, 0, 0, RESET)
    passes(one, clock, 1)
    after = one.status()
    assert (after.used_second, after.used_hour, after.used_day) == (1, 1, 1)
    assert NOON + 1 <= after.next_at <= NOON + 1.02
    for _ in range(3):
        told = one.status().next_at
        assert abs(passes(one, clock, 1)[0] - told) < 1e-6
    assert one.status().used_second == 1
    clock.now += 5
    assert one.status().used_second == 0


def test_no_limits_need_no_folder(tmp_path: Path) -> None:
    clock = Clock()
    one = gate(tmp_path / "none", clock, Limits(None, None, None))
    assert passes(one, clock, 100) == [NOON] * 100
    assert not (tmp_path / "none").exists()


# -- what may go wrong -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("years", [0.0001, 0.01, 1, 10])
def test_a_clock_that_is_set_back_locks_nobody_out(tmp_path: Path, years: float) -> None:
    limits = Limits(per_hour=5, per_day=8)
    clock = Clock(NOON + years * 365 * 86400)
    one = gate(tmp_path, clock, limits)
    passes(one, clock, 5)
    clock.now = NOON
    times = passes(one, clock, 9)
    assert times[0] - NOON <= 3670, "an hour at most, as if they had gone just now"
    assert times[-1] - NOON <= 86400 + 3670
    assert passes(one, clock, 3)[-1] - times[-1] <= 86400


def test_a_clock_that_is_set_back_gives_no_more_than_the_limits(tmp_path: Path) -> None:
    clock = Clock(NOON + 7200)
    one = gate(tmp_path, clock, Limits(per_second=None, per_hour=None, per_day=4))
    passes(one, clock, 4)
    clock.now = NOON
    assert passes(one, clock, 1) == [RESET]


def test_clocks_that_differ_a_little_share_the_second(tmp_path: Path) -> None:
    ahead, behind = Clock(NOON + 5), Clock(NOON)
    gate(tmp_path, ahead).acquire()
    assert passes(gate(tmp_path, behind), behind, 1)[0] >= NOON + 6


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"[]", b'{"clients": 5}', b'{"last": "x"}', b'{"clients": {"%b": 7}}', b"\xff"),
        *(b'{"last": NaN}', b'{"clients": {"%b": {"hour": [[1, 1e999]]}}}', b'{"clients": {"%b": {"hour": [[NaN, 1]]}}}'),
        b'{"clients": {"%b": {"count": 1e999, "day": 9e12}}}',
    ],
)
def test_a_file_that_cannot_be_read_is_counted_anew(tmp_path: Path, data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    one = gate(tmp_path, clock)
    one.acquire()
    path = next(tmp_path.glob("*.json"))
    client = next(iter(json.loads(path.read_bytes())["clients"]))
    path.write_bytes(data.replace(b"%b", client.encode()))
    clock.now += 10
    times = passes(one, clock, 2)
    assert times[1] - times[0] >= 1
    assert one.status().used_hour == 2


def test_a_file_that_is_somebody_elses_is_no_fresh_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = gate(tmp_path, Clock())
    one.acquire()

    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    for ask in (one.status, one.acquire):
        with pytest.raises(ConfigurationError, match=r"cannot be read \(Permission denied\)"):
            ask()


def test_the_folder_is_private_and_names_nobody(tmp_path: Path) -> None:
    clock = Clock()
    gate(tmp_path / "limits", clock, client="CANARY-client").acquire()
    found = list((tmp_path / "limits").iterdir())
    assert [one.stat().st_mode & 0o777 for one in found] == [0o600] * 2
    assert "CANARY" not in str(found) + "".join(one.read_text() for one in found)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written or locked"):
        gate(tmp_path / "file", clock).acquire()


def test_the_users_own_folder_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    RateGate(Limits(), vendor="pge", client_id="me").acquire()
    if sys.platform == "linux":
        assert len(list((tmp_path / "smd_notebook" / "limits").glob("*.json"))) == 1


def test_threads_count_together(tmp_path: Path) -> None:
    """On the real clock, with a limit that is quickly reached: what passes is counted once each."""
    one = RateGate(Limits(200, None, None), vendor="pge", client_id="me", folder=tmp_path)
    threads = [threading.Thread(target=lambda: [one.acquire() for _ in range(5)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert one.status().used_hour == one.status().used_day == 20


# -- two processes, three days -----------------------------------------------------------------------------------------------------------

WORKER = """
import sys
from smd_notebook.access.custodian import Limits
from smd_notebook.access.limits import RateGate
folder, *numbers = sys.argv[1:]
now = float(sys.stdin.readline())
def tell(word, value):
    global now
    print(word, repr(value), flush=True)
    now = float(sys.stdin.readline())
limits = Limits(*(None if one == "None" else float(one) for one in numbers))
gate = RateGate(limits, vendor="pge", client_id="me", folder=folder, clock=lambda: now, sleep=lambda seconds: tell("sleep", now + seconds))
while True:
    gate.acquire()
    tell("pass", now)
"""


def simulate(folder: Path, limits: Limits, begin: float, end: float) -> list[float]:
    """Have two processes ask as fast as they can, on a clock that goes on when both sleep; return when they passed."""
    numbers = [str(one) for one in (limits.per_second, limits.per_hour, limits.per_day)]
    passed: list[float] = []
    with ExitStack() as stack:
        command = [sys.executable, "-c", WORKER, str(folder), *numbers]
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        workers: list[Any] = [stack.enter_context(subprocess.Popen(command, **pipes)) for _ in range(2)]
        try:
            wake = [begin, begin]
            while min(wake) < end:
                index = wake.index(min(wake))
                workers[index].stdin.write(f"{wake[index]!r}\n")
                workers[index].stdin.flush()
                word, value = workers[index].stdout.readline().split()
                if word == "pass":
                    passed.append(float(value))
                wake[index] = float(value)
        finally:
            for one in workers:
                one.kill()
    return passed


#: Three days from reset to reset over each change of the clock: 17:00 Pacific is 01:00Z in winter, 00:00Z in summer.
SPRING = [at(text) for text in ("2026-03-07T01:00", "2026-03-08T01:00", "2026-03-09T00:00", "2026-03-10T00:00")]
AUTUMN = [at(text) for text in ("2026-10-31T00:00", "2026-11-01T00:00", "2026-11-02T01:00", "2026-11-03T01:00")]


def judge(passed: list[float], limits: Limits, resets: list[float]) -> None:
    """Compare with the limits themselves, and with the most that they allow."""
    assert passed == sorted(passed)
    assert min(b - a for a, b in itertools.pairwise(passed)) >= 1
    best = resets[-1] - resets[0]
    if limits.per_hour:
        ahead = passed[limits.per_hour :]
        assert all(b - a >= 3600 for a, b in zip(passed, ahead, strict=False)), "never more in any hour"
        best = min(best, limits.per_hour * (resets[-1] - resets[0]) / 3600)
    if limits.per_day:
        days = [bisect_left(passed, b) - bisect_left(passed, a) for a, b in itertools.pairwise(resets)]
        assert max(days) <= limits.per_day
        assert min(days) >= 0.98 * limits.per_day
        best = min(best, 3 * limits.per_day)
    assert len(passed) >= 0.98 * best


FEW, HOURLY = Limits(1, 20, 50), Limits(1, 5, None)


@pytest.mark.parametrize(
    ("resets", "limits"), [(SPRING, FEW), (AUTUMN, FEW), (AUTUMN, HOURLY)], ids=["spring", "autumn", "no limit for the day"]
)
def test_two_processes_over_three_days(tmp_path: Path, resets: list[float], limits: Limits) -> None:
    judge(simulate(tmp_path, limits, resets[0], resets[-1]), limits, resets)


def test_two_processes_share_the_second(tmp_path: Path) -> None:
    limits = Limits(1, None, None)
    judge(simulate(tmp_path, limits, NOON, NOON + 500), limits, [NOON, NOON + 500])


@pytest.mark.prove
@pytest.mark.parametrize("resets", [SPRING, AUTUMN], ids=["spring", "autumn"])
def test_two_processes_over_three_days_at_the_limits_of_pge(tmp_path: Path, resets: list[float]) -> None:
    judge(simulate(tmp_path, Limits(), resets[0], resets[-1]), Limits(), resets)
