"""Correct channels of every kind, and the same with their clock written under each hypothesis; by Python's own zone arithmetic."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import numpy as np

import smd_notebook as smd
from smd_notebook.errors import SmdWarning
from smd_notebook.espi.dialects import STANDARD
from smd_notebook.espi.model import MISSING, MISSING_SMALL, Block, Channel, Entry, MeterReading, Readings, ReadingType

ZONES = (
    "America/Los_Angeles",
    "America/New_York",
    "America/Chicago",
    "America/Phoenix",
    "Europe/London",
    "Australia/Sydney",
    "Asia/Kolkata",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
)
OTHERS = ("America/New_York", "America/Chicago", "America/Phoenix", "Europe/Paris", "Australia/Adelaide")
KINDS = ("hourly", "quarter-hourly", "daily", "bills")
#: How blocks are cut: not at all, at midnight of the place, of standard time, of UTC, of another zone, or a day from the first hour on.
CUTS = (
    "one",
    "local days",
    "local days",
    "standard days",
    "utc days",
    "days of Europe/London",
    "days of America/New_York",
    "days of the file",
)
#: Whose hours the values have: the wall clock's night or sun, or none.
SHAPES = ("night", "night", "sun", "flat")


@dataclass
class Case:
    """A channel as written, the instants that were meant, and how it came about."""

    channel: Channel
    true: np.ndarray
    zone: str
    hypothesis: str
    about: str


def quiet(path: Path, **options: object) -> smd.Feed:
    """Read, and say nothing aloud about clocks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SmdWarning)
        return smd.read(path, **options)


def offset(at: int, zone: ZoneInfo) -> int:
    return int(datetime.fromtimestamp(at, zone).utcoffset().total_seconds())


def standard(zone: str) -> int:
    """The offset without DST: the smaller of January's and July's."""
    return min(offset(int(datetime(2020, month, 15, tzinfo=UTC).timestamp()), ZoneInfo(zone)) for month in (1, 7))


def correct(rng: Random, zone: str, kind: str) -> tuple[list[int], list[int]]:
    """Starts and durations of a correct channel of one day to three years, from any hour, in any year from 2008."""
    where = ZoneInfo(zone)
    first = datetime(rng.randint(2008, 2024), rng.randint(1, 12), rng.randint(1, 28), tzinfo=where)
    days = rng.choice([1, 3, 30, 120, 366, 366, 731, 1096])
    if kind in ("hourly", "quarter-hourly"):
        step = 3600 if kind == "hourly" else 900
        begin = int(first.timestamp()) + (rng.randrange(24) * 3600 if rng.random() < 0.5 else 0)
        end = int((first + timedelta(days=days, hours=rng.choice([0, 0, rng.randrange(24)]))).timestamp())
        if kind == "quarter-hourly":
            end = min(end, begin + 366 * 86400)
        starts = list(range(begin, max(end, begin + 20 * step), step))
        return starts, [step] * len(starts)
    hour = rng.choice([0, 0, 6, 9]) if kind == "daily" else 0
    edges, day = [], first
    while (day - first).days <= max(days, 3 if kind == "daily" else 70):
        edges.append(int(day.replace(hour=hour).timestamp()))
        day += timedelta(days=1 if kind == "daily" else rng.randint(28, 35))
    return edges[:-1], [late - early for early, late in pairwise(edges)]


def written(starts: list[int], zone: str, hypothesis: str, *, folds: bool) -> list[int]:
    """The instants as a faulty exporter writes them."""
    where = ZoneInfo(zone)
    if hypothesis == "utc":
        return starts
    if hypothesis == "download":
        return [starts[-1] + 86_400 * 3 + 1234] * len(starts)
    if hypothesis == "standard":
        return [at + standard(zone) for at in starts]
    local = [datetime.fromtimestamp(at, where) for at in starts]
    if hypothesis == "wall":
        return [int(one.replace(tzinfo=UTC).timestamp()) for one in local]
    other = ZoneInfo(hypothesis[3:])
    return [int(one.replace(tzinfo=other, fold=one.fold if folds else 0).timestamp()) for one in local]


def case(seed: int) -> Case:
    """One case; the seed says everything."""
    rng = Random(seed)
    zone, kind = rng.choice(ZONES), rng.choice(KINDS)
    hypothesis = rng.choice(
        ["utc", "utc", "wall", "wall", "standard", "download", f"as:{rng.choice([one for one in OTHERS if one != zone])}"]
    )
    starts, durations = correct(rng, zone, kind)
    damage = rng.choice(["", "", "", "lost hour", "outages"]) if kind in ("hourly", "quarter-hourly") else ""
    keep = list(range(len(starts)))
    if damage == "lost hour":
        where = ZoneInfo(zone)
        keep = [row for row in keep if not datetime.fromtimestamp(starts[row], where).fold]
    elif damage == "outages":
        for _ in range(rng.randint(1, 4)):
            at, n = rng.randrange(len(keep)), rng.choice([1, 1, 4, 24])
            keep = keep[:at] + keep[at + n :] if len(keep) > n + 10 else keep
    starts, durations = [starts[row] for row in keep], [durations[row] for row in keep]
    wrote = written(starts, zone, hypothesis, folds=rng.random() < 0.5)
    cut = rng.choice(CUTS)
    # days that begin at the hour of an export can look like those of a wrong clock, and only the values tell
    shape = rng.choice(SHAPES) if cut != "days of the file" else "night"
    return Case(
        channel(starts, wrote, durations, zone, kind, cut, shape),
        np.array(starts),
        zone,
        hypothesis,
        f"{kind}, {damage or 'whole'}, blocks: {cut}, shape: {shape}",
    )


def value(at: int, where: ZoneInfo, shape: str) -> int:
    """What is used at an instant: least from 1 to 5 at night; or given by the sun: most at noon."""
    if shape == "flat":
        return 100
    local = datetime.fromtimestamp(at, where)
    hour = local.hour + local.minute / 60
    noise = at // 900 * 7919 % 97
    return (
        round(max(0, 1000 - 160 * abs(hour - 12.75)) + noise)
        if shape == "sun"
        else 300 + noise - 200 * (1 <= hour < 5) + 500 * (17 <= hour < 22)
    )


def day_of(at: int, first: int, where: ZoneInfo, standard_offset: int, cut: str) -> object:
    """Which block an instant falls into."""
    if cut in ("one", "utc days", "standard days"):
        return 0 if cut == "one" else (at + (standard_offset if cut == "standard days" else 0)) // 86_400
    if cut == "days of the file":
        begin = datetime.fromtimestamp(first, where)
        return (datetime.fromtimestamp(at, where).replace(tzinfo=None) - timedelta(hours=begin.hour)).date()
    return datetime.fromtimestamp(at, ZoneInfo(cut[8:]) if cut.startswith("days of") else where).date()


def channel(starts: list[int], wrote: list[int], durations: list[int], zone: str, kind: str, cut: str, shape: str = "flat") -> Channel:
    where, usual = ZoneInfo(zone), standard(zone)
    groups: dict[object, list[int]] = {}
    for row, at in enumerate(starts):
        groups.setdefault(day_of(at, starts[0], where, usual, cut), []).append(row)
    blocks = []
    for number, rows in enumerate(groups.values(), 1):
        n = len(rows)
        none = np.full(n, MISSING_SMALL, dtype=np.int16)
        readings = Readings(
            np.array([wrote[row] for row in rows]),
            np.array([durations[row] for row in rows]),
            np.array([value(starts[row], where, shape) for row in rows]),
            np.full(n, MISSING),
            none,
            none,
            none,
            none,
        )
        blocks.append(Block(readings, entry=Entry(source="made", number=number)))
    length = {"hourly": 3600, "quarter-hourly": 900, "daily": 86_400}.get(kind)
    gas = kind in ("daily", "bills")
    reading_type = ReadingType(accumulation=4, interval_length=length, uom=169 if gas else 72)
    return Channel(
        "made",
        ("made",),
        "made",
        "gas" if gas else "electricity",
        "energy",
        "received" if shape == "sun" else "delivered",
        "Wh",
        length,
        reading_type,
        MeterReading(),
        None,
        STANDARD,
        tuple(blocks),
    )
