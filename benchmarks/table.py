"""What every benchmark shares: CPU time side by side, peak memory in a process of its own, and one table of all of them."""

from __future__ import annotations

import argparse
import gc
import importlib
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from feeds import Style, feed

__all__ = ["Row", "cpu_times", "feed_file", "main", "peak_memory"]

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    what : str
        What is measured, against what.
    measured : float or None
        The figure; None where it could not be measured, for the reason that `goal` then gives.
    goal : str
        ``"<= 0.5"`` or ``">= 30"``; empty where nothing is promised.
    unit : str
        Unit of the figure; empty for a ratio.
    """

    what: str
    measured: float | None
    goal: str = ""
    unit: str = ""

    def __str__(self) -> str:
        """Return the line as it is printed."""
        if self.measured is None:
            return f"| {self.what:<76} | {self.goal} |"
        sign, _, bound = self.goal.partition(" ")
        met = self.measured <= float(bound) if sign == "<=" else self.measured >= float(bound) if sign else None
        figure = f"{self.measured:.3g}" if self.measured < 1000 else f"{self.measured:.0f}"
        word = "" if met is None else "met" if met else "MISSED"
        return f"| {self.what:<76} | {figure:>7} {self.unit:<5} | {self.goal:>8} | {word:<6} |"


def cpu_times(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return CPU seconds of each contender, round by round, all of them in every round, so that a busy machine hits all alike."""
    for run in contenders.values():
        run()
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            gc.collect()
            begin = time.process_time()
            run()
            found[name].append(time.process_time() - begin)
    return found


def ratio(over: list[float], under: list[float]) -> float:
    """Return the median of the ratios of two contenders, round by round."""
    return median(a / b for a, b in zip(over, under, strict=True))


def feed_file(n: int, style: Style) -> Path:
    """Return a feed of n readings as a file, made once a run."""
    path = Path(_folder.name) / f"{abs(hash((n, style)))}.xml"
    if not path.exists():
        with path.open("wb") as file:
            file.writelines(feed(n, style))
    return path


_folder = tempfile.TemporaryDirectory(prefix="smd_bench")

_PEAK = """
import resource, sys
{setup}
def anonymous():
    fields = dict(line.split(":") for line in open("/proc/self/status"))
    return int(fields["RssAnon"].split()[0])
import threading, time
before = peak = anonymous()
done = False
def watch():
    global peak
    while not done:
        peak = max(peak, anonymous())
        time.sleep(0.002)
watcher = threading.Thread(target=watch)
watcher.start()
result = {run}
done = True
watcher.join()
print(max(peak, anonymous()) - before, {size})
"""


def peak_memory(setup: str, run: str, size: str = "0") -> tuple[float, float]:
    """Return by how many MiB of anonymous memory a fresh Python grows while it runs an expression, and what `size` gives then."""
    code = _PEAK.format(setup=setup, run=run, size=size)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    peak, result = done.stdout.split()
    return float(peak) / 1024, float(result)


def main(*scripts: str) -> None:
    """Print one table of these scripts' rows, or of every script's."""
    parser = argparse.ArgumentParser(description="CPU-time ratios, measured side by side; medians.")
    parser.add_argument("--full", action="store_true", help="the large feeds as well (350,400 readings, 1 GB): some ten minutes")
    full = parser.parse_args().full
    begun = time.monotonic()
    print(f"{platform.python_implementation()} {platform.python_version()} on {platform.machine()}, {time.strftime('%Y-%m-%d')}")
    print(f"| {'what : against what':<76} | {'measured':<13} | {'goal':>8} |        |")
    print(f"|{'-' * 78}|{'-' * 15}|{'-' * 10}|{'-' * 8}|")
    for name in scripts or sorted(path.stem for path in HERE.glob("bench_*.py")):
        rows: Callable[[bool], Iterable[Row]] = importlib.import_module(name).rows
        for row in rows(full):
            print(row, flush=True)
    print(f"{time.monotonic() - begun:.0f} s")


def rows_of(times: dict[str, list[float]], claims: Iterable[tuple[str, str, str, str]]) -> Iterator[Row]:
    """Yield a row for each claim: what it says, the contender above, the one below, the goal; contenders that are missing are told."""
    for what, over, under, goal in claims:
        if over in times and under in times:
            yield Row(what, ratio(times[over], times[under]), goal)


if __name__ == "__main__":
    main()
