"""What make-believe homes use: a year's calendar and weather, appliances, and the meters that count them.

Chance is made of PCG64's raw bits, whose stream numpy guarantees (that of its distributions it does not), and the rest is + - * /, floor
and comparison, which IEEE 754 fixes to the last bit: so the same name and seed give the same integers on every machine and under every
numpy. No sin, exp, interp or sum of floats here: their last digit depends on the processor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import accumulate
from zlib import crc32
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from smd_notebook.espi.model import MISSING_SMALL

__all__ = ["DAY", "DELIVERED", "HOMES", "HOUR", "QUARTER", "RECEIVED", "VALIDATED", "Ints", "Point", "Register", "lapse_meters", "meters"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ZONE = ZoneInfo("America/Los_Angeles")
QUARTER, HOUR, DAY = 900, 3600, 86_400
DELIVERED, RECEIVED = 1, 19
_ESTIMATED, VALIDATED, _REVENUE = 8, 17, 19
_CCF = 103_500_000  # [1e-8 therm]: gas is counted in whole hundreds of cubic feet

# -- chance, the calendar and the weather ------------------------------------------------------------------------------------------------


class _Dice:
    """Chance: the same word and numbers give the same throws."""

    def __init__(self, word: str, *numbers: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence([crc32(word.encode()), *numbers]))

    def uniform(self, n: int, low: float = 0.0, high: float = 1.0) -> Floats:
        raw: npt.NDArray[np.uint64] = self._bits.random_raw(n)
        return low + (high - low) * ((raw >> np.uint64(11)) * np.float64(2.0**-53))

    def one(self, low: float, high: float) -> float:
        return float(self.uniform(1, low, high)[0])

    def normal(self, n: int) -> Floats:
        """Return standardised sums of four uniform numbers: near enough to normal, and never beyond 3.5."""
        sums: Ints = self._bits.random_raw(n).view(np.uint16).reshape(-1, 4).sum(axis=1, dtype=np.int64)
        return (sums - 131_070) / np.float64(37_837)


def _following(shocks: Floats, memory: float) -> Floats:
    """Return the series in which each value keeps `memory` of the one before."""
    return np.array(list(accumulate(shocks.tolist(), lambda before, shock: memory * before + shock)))


def _sine(turns: Floats) -> Floats:
    """Return Bhaskara I's sine of an angle [turns]: good to 0.002, and made of + - * / only."""
    part = turns - np.floor(turns)
    arc = np.where(part < 0.5, part, part - 0.5)
    return np.where(part < 0.5, 16.0, -16.0) * (arc * (0.5 - arc)) / (1.25 - 4 * (arc * (0.5 - arc)))


def _hump(clock: Floats, middle: float, width: float) -> Floats:
    """Return a smooth hump of height 1 around a time of day, `width` [h] to either side."""
    away = ((clock - middle + 12) % 24 - 12) / width
    return np.maximum(0.0, 1 - away * away) * np.maximum(0.0, 1 - away * away)


class _Year:
    """A year's quarter hours on the wall's clock, and its weather: one for all homes, so that their peaks coincide.

    Arrays of shape (n,), but `first` (where each day begins, and the end) and `midnights` [s since 1970-01-01T00:00Z]: (days + 1,).
    """

    def __init__(self, year: int) -> None:
        begin, end = (int(datetime(one, 1, 1, tzinfo=ZONE).timestamp()) for one in (year, year + 1))
        local = (datetime.fromtimestamp(second, ZONE).timetuple() for second in range(begin, end, HOUR))
        table = np.array([(one.tm_yday - 1, one.tm_hour, one.tm_wday, one.tm_mon) for one in local], dtype=np.int64)
        self.day, self.hour, self.weekday, self.month = table.repeat(4, axis=0).T
        self.start = np.arange(begin, end, QUARTER, dtype=np.int64)
        self.minute = self.start // 60 % 60
        self.clock = self.hour + self.minute / 60
        self.first = np.searchsorted(self.day, np.arange(self.day[-1] + 2))
        self.midnights = np.append(self.start, end)[self.first]
        self.days, self.n = len(self.first) - 1, len(self.start)
        self._weather(_Dice("weather", year))

    def _weather(self, dice: _Dice) -> None:
        """Set `season` (-1 in January, 1 in July), `temperature` [°C] and `sunshine` on a roof that looks south at 20 degrees [kW/m2]."""
        warm, fair = 2.2 * _following(dice.normal(self.days + 1), 0.7), 0.2 * _following(dice.normal(self.days + 1), 0.5)
        elapsed = (self.start + QUARTER // 2 - self.start[0]) / DAY
        day = np.floor(elapsed).astype(np.int64)
        self.season = _sine((elapsed - 115) / 365.25)
        clear = np.clip(0.84 + 0.18 * self.season + fair[day], 0.15, 1.0)
        flicker = 1.2 * clear * (1 - clear) * _following(dice.normal(self.n), 0.85)
        # 38.5 degrees north, 121.5 west; without the equation of time
        solar_time = (self.start + QUARTER // 2) % DAY / HOUR - 8.1
        declination = 23.45 / 360 * _sine((elapsed - 80) / 365.25)
        up, across = _sine(declination), _sine(declination + 0.25) * _sine((solar_time - 6) / 24)
        height, onto = 0.6225 * up + 0.7826 * across, np.maximum(0.0, 0.3173 * up + 0.9483 * across)
        self.sunshine = 1.08 * np.clip(clear + flicker, 0.08, 1.0) * np.where(height > 0, onto * height / (height + 0.12), 0.0)
        self.temperature = 16.5 + 8.5 * self.season + warm[day] + (elapsed - day) * (warm[day + 1] - warm[day])
        self.temperature += (6.5 + 2.5 * self.season) * (0.4 + 0.6 * clear) * _sine((solar_time - 9) / 24)

    def at(self, day: npt.NDArray[np.intp], clock: Floats) -> npt.NDArray[np.intp]:
        """Return the quarter hours in which the wall shows `clock` [h] on each `day`; beyond 24 it is the next day's."""
        shown = np.maximum.accumulate(96 * self.day + 4 * self.hour + self.minute // 15)  # the hour that comes twice counts once
        return np.searchsorted(shown, 96 * day + np.floor(4 * clock).astype(np.int64))


_year = lru_cache(maxsize=4)(_Year)

# -- what homes do -----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Register:
    """What a meter counted in one direction; arrays of shape (n,), and `ends`: where the last interval does."""

    flow: int
    length: int
    start: Ints
    value: Ints
    quality: Ints
    tou: Ints
    ends: int


@dataclass(frozen=True, eq=False)
class Point:
    """A usage point: its registers, the days that its bills begin on and the last one ends, and what sets gas apart."""

    name: str
    registers: Sequence[Register]
    bills: Sequence[int] = ()
    service: int = 0
    commodity: int = 1
    uom: int = 72
    power_of_ten: int = -3


class _Home:
    """A home's year: `power` [W] is what it draws in each quarter hour, and grows as things are added."""

    def __init__(self, name: str, seed: int, year: int, size: float) -> None:
        self.year, self.dice = _year(year), _Dice(name, seed)
        clock, days, n = self.year.clock, self.year.days, self.year.n
        self.free = self.year.weekday >= 5
        self.there, away = np.ones(days), int(self.dice.one(165, 230))
        self.there[away : away + 7] = 0.0  # a week's holiday
        work = 0.15 + 0.6 * _hump(clock, 7.25, 2.0) + 0.95 * _hump(clock, 19.5, 4.5)
        rest = 0.25 + 0.5 * _hump(clock, 9.5, 3.0) + 0.35 * _hump(clock, 14.0, 4.0) + 0.85 * _hump(clock, 19.5, 4.5)
        awake = np.where((clock < 5.5) | (clock >= 23), 0.25, 1.0) * np.where(self.free, rest, work)
        mood = np.clip(1 + 0.2 * self.dice.normal(days), 0.4, 1.8) * self.there
        moment = np.clip(1 + 0.4 * _following(self.dice.normal(n), 0.6), 0.25, 3.0) * (1 - 0.15 * self.year.season)
        steady, fridge = self.dice.one(70, 130), self.dice.uniform(n, 45, 135)
        self.power = size * self.dice.one(0.8, 1.25) * (steady + fridge + 460 * awake * mood[self.year.day] * moment)

    def run(self, watts: float, hours: tuple[float, float], at: float, spread: float, often: tuple[float, float]) -> None:
        """Add an appliance of `watts` [W], for between `hours` [h] from `at` ± `spread` [h], on a share of work and free days."""
        chance = np.where(self.free[self.year.first[:-1]], often[1], often[0]) * self.there
        days = np.flatnonzero(self.dice.uniform(self.year.days) < chance)
        begin = self.year.at(days, np.maximum(0.0, at + spread * self.dice.normal(len(days))))
        quarters = self.dice.uniform(len(days), 4 * hours[0], 4 * hours[1])
        for step in range(int(4 * hours[1]) + 1):
            inside = begin + step < self.year.n
            np.add.at(self.power, begin[inside] + step, watts * np.clip(quarters - step, 0.0, 1.0)[inside])

    def cool(self, watts: float, comfort: float) -> None:
        """Add an air conditioner of `watts` [W]; walls follow the weather by hours, and it may be warmer when nobody is home."""
        clock, temperature = self.year.clock, self.year.temperature
        empty = (~self.free & (clock >= 8.5) & (clock < 16)) | (self.there[self.year.day] == 0)
        need = (0.55 * temperature + 0.45 * _following(0.03 * temperature, 0.97) - comfort - 2.5 * empty) / 9
        duty = np.clip(need + self.dice.uniform(self.year.n, -0.18, 0.18), 0.0, 1.0)
        self.power += watts * np.where(need > 0.02, duty, 0.0)

    def heat(self, watts: float, loss: float) -> None:
        """Add a heat pump of up to `watts` [W]: the house loses `loss` [W/K], is let cool at night and warmed up in the morning."""
        clock, temperature = self.year.clock, self.year.temperature
        comfort = np.where((clock >= 22) | (clock < 5.5), 18.0, 20.5) - 3 * (1 - self.there[self.year.day])
        warmth = loss * (comfort - temperature) + 2200 * _hump(clock, 6.25, 1.5) - 900 - 1500 * self.year.sunshine
        need = np.where(temperature < 16, np.maximum(0.0, warmth), 0.0) / np.clip(2.4 + 0.08 * temperature, 1.6, 4.2)
        self.power += np.clip(need * self.dice.uniform(self.year.n, 0.8, 1.2), 0.0, watts)

    def electricity(self, length: int, sun: Floats | None = None, *, partial: bool = False) -> Point:
        """Return the meter of what was added, in steps of 0.1 Wh; `sun` [W] is what the roof makes, `partial` a rate with partial peaks.

        It counts both ways within a quarter hour: the load is taken to lie somewhat above its mean in one half, below in the other.
        """
        made = np.floor(2.5 * (np.zeros(self.year.n) if sun is None else sun) + 0.5).astype(np.int64)
        net = np.floor(2.5 * self.power + 0.5).astype(np.int64) - made
        swing = np.floor(self.dice.uniform(self.year.n) * np.minimum(300, made // 4)).astype(np.int64)
        step, hour, summer = length // QUARTER, self.year.hour, (self.year.month >= 6) & (self.year.month <= 9)
        tou = np.where((hour >= 16) & (hour < 21), 1, np.where(partial & ((hour == 15) | (hour >= 21)), 3, 2))
        tou = np.where(summer, tou, np.array([0, 4, 6, 5])[tou])[::step]
        quality, registers = self._quality(self.year.n // step, DAY // length, 6), []
        for flow, sign in ((DELIVERED, 1), (RECEIVED, -1))[: 1 if sun is None else 2]:
            both = np.maximum(0, sign * net + swing) + np.maximum(0, sign * net - swing)
            value = 50 * both.reshape(-1, step).sum(axis=1)
            registers.append(Register(flow, length, self.year.start[::step], value, quality, tou, int(self.year.midnights[-1])))
        return Point("electricity", registers, self._bill_days())

    def gas(self, base: float, slope: float) -> Point:
        """Return a meter that counts whole hundreds of cubic feet: `base` [therm] a day, and `slope` [therm/K] below 17 °C."""
        morning = self.year.temperature[self.year.first[:-1] + 36]  # at nine, when it is close to the day's mean
        use = base * np.clip(1 + 0.3 * self.dice.normal(self.year.days), 0.3, 2.0) * (0.1 + 0.9 * self.there)
        use += slope * np.maximum(0.0, 17 - morning) * (0.4 + 0.6 * self.there)
        shown = np.floor(np.append(0.0, np.cumsum(use)) * 1e8 / _CCF).astype(np.int64)
        quality, no_tou, days = self._quality(self.year.days, 1, 2), np.full(self.year.days, MISSING_SMALL), self.year.midnights
        register = Register(DELIVERED, DAY, days[:-1], _CCF * (shown[1:] - shown[:-1]), quality, no_tou, int(days[-1]))
        return Point("gas", [register], self._bill_days(), service=1, commodity=7, uom=169, power_of_ten=-8)

    def _quality(self, n: int, per_day: int, runs: int) -> Ints:
        """Return revenue quality, but for a few estimated stretches and the last days, which are only validated so far."""
        quality = np.full(n, _REVENUE)
        quality[-3 * per_day :] = VALIDATED
        for begin in np.floor(self.dice.uniform(runs) * n).astype(int).tolist():
            quality[begin : begin + 1 + int(self.dice.one(0, per_day / 4))] = _ESTIMATED
        return quality

    def _bill_days(self) -> list[int]:
        shifts = np.floor(self.dice.uniform(11, -1, 2)).astype(int).tolist()
        return [0, *(month * self.year.days // 12 + shift for month, shift in enumerate(shifts, 1)), self.year.days]


def _solar_home(home: _Home) -> list[Point]:
    home.run(1400, (0.5, 1.0), 18.25, 0.6, (0.7, 0.7))
    home.run(1100, (0.8, 1.2), 20.75, 0.7, (0.5, 0.5))
    home.run(2600, (0.6, 1.1), 13.0, 2.0, (0.12, 0.6))
    home.cool(home.dice.one(2600, 3600), 24.0)
    panels = home.dice.one(3600, 5600)
    sun = panels * np.minimum(0.9, 0.84 * home.year.sunshine)
    return [home.electricity(QUARTER, sun), home.gas(home.dice.one(0.3, 0.45), home.dice.one(0.09, 0.13))]


def _ev_home(home: _Home) -> list[Point]:
    home.run(1500, (0.5, 1.0), 18.5, 0.6, (0.6, 0.6))
    home.run(2600, (0.6, 1.1), 11.0, 2.0, (0.1, 0.6))
    home.cool(home.dice.one(2400, 3200), 25.0)
    home.run(7200, (1.0, 3.5), 24.15, 0.04, (0.5, 0.3))  # by a timer, when the cheap hours begin
    home.run(7200, (0.5, 2.0), 18.5, 1.0, (0.05, 0.05))  # somebody is in a hurry
    return [home.electricity(QUARTER, partial=True)]


def _heat_pump_home(home: _Home) -> list[Point]:
    home.run(1800, (0.5, 1.2), 18.25, 0.6, (0.75, 0.75))
    home.run(2200, (0.6, 1.1), 12.0, 2.0, (0.1, 0.6))
    for at in (7.75, 20.75):
        home.run(480, (1.0, 2.2), at, 0.5, (0.95, 0.9))  # the water heater, after showers
    home.heat(4800, home.dice.one(190, 260))
    home.cool(home.dice.one(2000, 2600), 24.5)
    return [home.electricity(HOUR, partial=True)]


def _apartment(home: _Home) -> list[Point]:
    home.run(1300, (0.4, 0.9), 18.75, 0.7, (0.6, 0.6))
    home.cool(home.dice.one(700, 950), 27.0)  # in one window
    return [home.electricity(HOUR), home.gas(home.dice.one(0.2, 0.3), home.dice.one(0.035, 0.05))]


#: The seeded homes: how large they are, and what they do.
HOMES: dict[str, tuple[float, Callable[[_Home], list[Point]]]] = {
    "solar-home": (1.2, _solar_home),
    "ev-home": (1.0, _ev_home),
    "heat-pump-home": (0.9, _heat_pump_home),
    "apartment": (0.5, _apartment),
}


def meters(name: str, seed: int, year: int) -> tuple[list[Point], Ints]:
    """Return the meters of a home, and the midnights of its year.

    Parameters
    ----------
    name : str
        One of `HOMES`.
    seed : int
        Which of all such homes.
    year : int
        Calendar year.
    """
    size, live = HOMES[name]
    home = _Home(name, seed, year, size)
    return live(home), home.year.midnights


def lapse_meters() -> tuple[list[Point], Ints]:
    """Return the two closed-form meters, gross and net, and the midnights of their year; see `households.lapse2024`."""
    year = _year(2024)
    k, hour, weekday, day = np.arange(year.n, dtype=np.int64), year.hour, year.weekday, year.day + 1
    morning = np.where((hour >= 7) & (hour < 9) & (weekday < 5), 180, np.where((hour >= 9) & (hour < 12) & (weekday >= 5), 90, 0))
    load = 60 + (37 * k * k + 11 * k) % 53 + np.where((hour >= 17) & (hour < 21), 400 + 10 * ((7 * day) % 13), morning)
    load += np.where(((weekday == 1) | (weekday == 4)) & (hour < 4), 1800, 0)
    load += np.where((hour >= 13) & (hour < 20), 25 * np.maximum(0, 92 - np.abs(day - 213)) // 2, 0)
    solar = np.maximum(0, 900 - 45 * np.abs(4 * hour + year.minute // 15 - 52)) * np.where((day >= 80) & (day <= 265), 3, 2) // 3
    quality, tou, ends = np.full(year.n, _REVENUE), np.full(year.n, MISSING_SMALL), int(year.midnights[-1])

    def point(name: str, delivered: Ints, received: Ints) -> Point:
        flows = ((DELIVERED, delivered), (RECEIVED, received))
        return Point(name, [Register(flow, QUARTER, year.start, 1000 * value, quality, tou, ends) for flow, value in flows])

    net = point("net", np.maximum(0, load - solar), np.maximum(0, solar - load))
    return [point("gross", load, solar), net], year.midnights
