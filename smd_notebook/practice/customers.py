"""Made-up customers, what they may grant, and the data that the utility holds of them at a given moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, lru_cache

from smd_notebook.errors import ConfigurationError
from smd_notebook.espi.links import link
from smd_notebook.espi.model import Block, Document, Summary
from smd_notebook.espi.resources import Interval
from smd_notebook.households import HOUSEHOLDS, household
from smd_notebook.practice.clock import iso

__all__ = ["GROUPS", "Agreement", "Customer", "Window", "customers_of", "granted_part", "scope_of"]

#: Made-up people: name, and the house number and street of a town that is nowhere.
_PEOPLE = (
    ("Rosa Delgado", "12 Meridian Way"),
    ("Kenji Mori", "48 Turbine Court"),
    ("Amina Osei", "7 Ohm Lane"),
    ("Luca Ferri", "301 Faraday Street, Apt 4"),
    ("Test Meter", "1 Closed Form Road"),
)
#: Kinds of data that a customer may grant: key -> heading, words, and the function blocks of the standard that it stands for.
GROUPS: dict[str, tuple[str, str, tuple[int, ...]]] = {
    "usage": ("Energy usage", "How much you used in each interval of the day (15 minutes, an hour or a whole day)", (4,)),
    "billing": ("Billing", "The dates of your bills, their totals and the charges on them", (15, 16)),
    "account": ("Account", "Your name, your account number and the address of the service", (46, 47)),
}
_ALWAYS = (1, 3, 8, 13, 14, 18, 19, 31, 32, 35, 37, 38, 39)
_SERVICE = {0: ("Electric", 5), 1: ("Gas", 10)}
_HALF_DAY, _THREE_DAYS = 43_200, 259_200
_VALIDATED, _REVENUE, _ESTIMATED = 17, 19, 8


@dataclass(frozen=True)
class Agreement:
    """A service agreement: the id of its UsagePoint, the service in words, and its function block."""

    usage_point: str
    service: str
    block: int


@dataclass(frozen=True)
class Customer:
    """A made-up customer of the practice utility.

    Parameters
    ----------
    name, email, password, account, postcode, address : str
        What is typed into the utility's forms. None of it belongs to anybody.
    household : str
        Whose data it has: one of `smd_notebook.sample`'s.
    seed : int
        Which of all such homes.
    """

    name: str
    email: str
    password: str
    account: str
    postcode: str
    address: str
    household: str
    seed: int = 1

    @property
    def document(self) -> Document:
        """All that its meters count from 2025 to the end of the year that follows this one."""
        return _made(self.household, self.seed, datetime.now(UTC).year + 1)

    @cached_property
    def agreements(self) -> tuple[Agreement, ...]:
        """Its service agreements, one for each UsagePoint."""
        found = []
        for point in self.document.usage_points:
            kind = point.service_category.kind if point.service_category else 0
            found.append(Agreement(point.entry.href.rpartition("/")[2], *_SERVICE[kind or 0]))
        return tuple(found)


@lru_cache(maxsize=8)  # Documents are immutable
def _made(name: str, seed: int, last: int) -> Document:
    first = household(name, seed)
    if name == "lapse2024":  # which is of one year by definition
        return first
    years = [first, *(household(name, seed, year) for year in range(2026, last + 1))]
    return replace(
        first,
        blocks=tuple(block for one in years for block in one.blocks),
        summaries=tuple(bill for one in years for bill in one.summaries),
        channels=(),
    )


def customers_of(households: Iterable[str]) -> tuple[Customer, ...]:
    """Return a customer for each household; ``"solar-home:7"`` is that of seed 7.

    Raises
    ------
    ConfigurationError
        Where no household has a name, or one comes twice.

    >>> [one.name for one in customers_of(["solar-home", "apartment:2"])]
    ['Rosa Delgado', 'Kenji Mori']
    """
    found: list[Customer] = []
    for number, text in enumerate(households):
        name, _, seed = text.partition(":")
        if name not in HOUSEHOLDS or not (seed or "1").isdecimal():
            raise ConfigurationError(
                f"no household is called {text!r}", hint="Known: " + ", ".join(HOUSEHOLDS) + "; with a seed, apartment:2."
            )
        if any((one.household, one.seed) == (name, int(seed or 1)) for one in found):
            raise ConfigurationError(f"{text!r} is given twice", hint="Two customers cannot have one meter.")
        person, address = _PEOPLE[number] if number < len(_PEOPLE) else (f"Customer {number + 1}", f"{number + 1} Long Road")
        email = person.lower().replace(" ", ".") + "@example.com"
        account, postcode = f"100000{number + 1:04d}", f"{95900 + number}"
        found.append(Customer(person, email, f"practice-{number + 1}", account, postcode, address, name, int(seed or 1)))
    if not found:
        raise ConfigurationError("a utility needs at least one household")
    return tuple(found)


def scope_of(agreements: Sequence[Agreement], groups: Iterable[str], third_party: str) -> tuple[str, frozenset[int]]:
    """Return the scope that a customer grants, and its function blocks (protocol: PG&E's order and keys)."""
    chosen = [key for key in GROUPS if key in set(groups)]
    blocks = [block for key in chosen for block in GROUPS[key][2]]
    services = sorted({one.block for one in agreements})
    ordered = [*_ALWAYS, *(one for one in (4,) if one in blocks), *services, *(one for one in blocks if one != 4)]
    extra = "_".join([*(key.capitalize() for key in chosen), "Basic"])
    keys = {
        "FB": "_".join(map(str, ordered)),
        "AdditionalScope": extra,
        "IntervalDuration": "900_3600",
        "BlockDuration": "Daily",
        "HistoryLength": "63072000",
        "AccountCollection": "n",
        "BR": third_party,
        "dataCustodianId": "PGE",
    }
    return ";".join(f"{key}={value}" for key, value in keys.items()), frozenset(ordered)


@dataclass(frozen=True)
class Window:
    """Ends of what is asked for [s since 1970-01-01T00:00Z]: of the time that data is about, and of when it was last changed."""

    start: float = float("-inf")
    end: float = float("inf")
    updated_min: float = float("-inf")
    updated_max: float = float("inf")

    def takes(self, span: Interval, updated: float) -> bool:
        """Tell whether a day or a bill, of which any part lies in the window, is sent."""
        start = span.start or 0
        return start < self.end and start + (span.duration or 0) > self.start and self.updated_min <= updated <= self.updated_max


def granted_part(customer: Customer, points: Iterable[str], blocks: frozenset[int], window: Window, now: float) -> Document:
    """Return what the utility holds `now` of what was granted, and lies in the window: whole days, and whole bills.

    A day is there half a day after it ended, with its last reading estimated; three days after it ended come the final values.
    """
    whole, wanted = customer.document, set(points)

    def mine(href: str) -> bool:
        return any(f"/UsagePoint/{point}/" in href + "/" for point in wanted)

    types = {href for one in whole.meter_readings if mine(one.entry.href) for href in one.entry.related}
    interval_data = 4 in blocks
    document = replace(
        whole,
        feeds=(replace(whole.feeds[0], updated=iso(now), published=iso(now)),),
        usage_points=tuple(one for one in whole.usage_points if mine(one.entry.href)),
        meter_readings=tuple(one for one in whole.meter_readings if interval_data and mine(one.entry.href)),
        reading_types=tuple(one for one in whole.reading_types if interval_data and one.entry.href in types),
        summaries=tuple(_bills(whole.summaries, blocks, window, now, mine)) if blocks & {15, 16} else (),
        blocks=tuple(_days(whole.blocks, window, now, mine)) if interval_data else (),
        channels=(),
        findings=(),
    )
    return link(document)


def _days(blocks: Iterable[Block], window: Window, now: float, mine: Callable[[str], bool]) -> Iterator[Block]:
    for block in blocks:
        span = block.interval
        if span is None or span.start is None or not mine(block.entry.href):
            continue
        end = span.start + (span.duration or 0)
        if now < end + _HALF_DAY:
            continue
        young = now < end + _THREE_DAYS
        updated = end + (_HALF_DAY if young else _THREE_DAYS)
        if window.takes(span, updated):
            entry = replace(block.entry, published=iso(end + _HALF_DAY), updated=iso(updated))
            yield replace(_unsettled(block) if young else block, entry=entry)


def _unsettled(block: Block) -> Block:
    """Return a day as it is first known: its last reading is taken to be as the one before, and nothing is of revenue quality yet."""
    value, quality = block.readings.value.copy(), block.readings.quality.copy()
    quality[quality == _REVENUE] = _VALIDATED
    value[-1], quality[-1] = value[-2:][0], _ESTIMATED
    return replace(block, readings=replace(block.readings, value=value, quality=quality))


def _bills(
    summaries: Iterable[Summary], blocks: frozenset[int], window: Window, now: float, mine: Callable[[str], bool]
) -> Iterator[Summary]:
    for one in summaries:
        span = one.billing_period
        if span is None or span.start is None or not mine(one.entry.href):
            continue
        updated = span.start + (span.duration or 0) + _HALF_DAY
        if updated <= now and window.takes(span, updated):
            entry = replace(one.entry, published=iso(updated), updated=iso(updated))
            one = replace(one, entry=entry)
            yield one if 16 in blocks else replace(one, bill_last_period=None, lines=(), currency=None)
