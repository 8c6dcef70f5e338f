"""Records of the OpenEI Utility Rate Database as tariffs: what they hold is priced or refused, never passed over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any

from smd_notebook.analysis.schedules import Rates, Season, Tariff
from smd_notebook.errors import ConfigurationError

__all__ = ["from_urdb"]

_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
#: What a bill would need and this package does not price: these fields, unless they hold nothing.
_REFUSED = {
    "demandratestructure": "demand charges",
    "flatdemandstructure": "demand charges",
    "coincidentratestructure": "charges for coincident demand",
    "demandrachetpercentage": "demand ratchets",
    "minmonthlycharge": "a minimum charge",
    "annualmincharge": "a minimum charge",
    "mincharge": "a minimum charge",
    "fixedchargeeaaddl": "charges for further meters",
    "fueladjustmentsmonthly": "monthly fuel adjustments",
}


def _day(seconds: Any) -> date:
    """Return the date of a time of the record, which is given as seconds since 1970."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=float(seconds))).date()


def _holds(value: Any) -> bool:
    """Whether anything but zeros is in a field."""
    if isinstance(value, Mapping):
        return any(_holds(item) for key, item in value.items() if key in ("rate", "adj"))
    if isinstance(value, list):
        return any(_holds(item) for item in value)
    return value not in (None, "", 0, 0.0, "0")


def _price(number: int, tiers: list[Mapping[str, Any]]) -> float:
    if len(tiers) != 1:
        raise ConfigurationError(
            f"period {number} of the record has {len(tiers)} tiers, which are not priced here",
            hint="Only flat rates by season, day type and hour are; a baseline allowance can be written in a .toml file (docs/bills.md).",
        )
    tier = tiers[0]
    unit = tier.get("unit", "kWh")
    if unit != "kWh" or "max" in tier:
        raise ConfigurationError(f"period {number} of the record is priced by {unit} or up to a limit", hint="Only plain kWh are.")
    return float(tier.get("rate", 0)) + float(tier.get("adj", 0))


def from_urdb(record: Mapping[str, Any], on: date) -> Tariff:
    """Return a record of the OpenEI Utility Rate Database as a tariff.

    Parameters
    ----------
    record : mapping
        One rate, or a reply of the database with one rate in its ``items``.
    on : date
        The day on which it is wanted.

    Returns
    -------
    Tariff
        Periods are called ``"period 0"`` and so on, seasons by their months.

    Raises
    ------
    ConfigurationError
        If it is not such a record, or holds what is not priced here.

    References
    ----------
    OpenEI, Utility Rate Database, API version 8: energyratestructure, energyweekdayschedule, energyweekendschedule.

    Examples
    --------
    >>> flat = [[0] * 24] * 12
    >>> record = {"name": "Flat", "startdate": 0, "energyratestructure": [[{"rate": 0.125, "adj": 0.25}]]}
    >>> tariff = from_urdb({**record, "energyweekdayschedule": flat, "energyweekendschedule": flat}, date(2024, 1, 1))
    >>> tariff.rates.energy
    {('Jan-Dec', 'period 0'): 0.375}
    """
    if "items" in record:
        items = record["items"]
        if len(items) != 1:
            raise ConfigurationError(f"the reply holds {len(items)} rates", hint="Choose one: reply['items'][0].")
        record = items[0]
    needed = ("energyratestructure", "energyweekdayschedule", "energyweekendschedule")
    missing = [name for name in needed if not record.get(name)]
    if missing:
        raise ConfigurationError(f"not a rate of the OpenEI database: no {', '.join(missing)}", hint="Ask it for detail=full.")
    refused = sorted({what for name, what in _REFUSED.items() if _holds(record.get(name))})
    if refused:
        raise ConfigurationError(f"the record has {', '.join(refused)}, which are not priced here", hint="Its bills would be too low.")
    workday, weekend = record["energyweekdayschedule"], record["energyweekendschedule"]
    prices = [_price(number, tiers) for number, tiers in enumerate(record["energyratestructure"])]
    tables = [table for table in (workday, weekend) if len(table) != 12 or any(len(hours) != 24 for hours in table)]
    if tables or not all(0 <= number < len(prices) for table in (workday, weekend) for hours in table for number in hours):
        raise ConfigurationError("the schedules of the record are not 12 months of 24 hours of its periods", hint="Ask for it again.")
    seasons = []
    for _, run in groupby(range(12), key=lambda month: (workday[month], weekend[month])):
        months = list(run)
        name = _MONTHS[months[0]] + (f"-{_MONTHS[months[-1]]}" if len(months) > 1 else "")
        hours = [tuple(f"period {number}" for number in table[months[0]]) for table in (workday, weekend)]
        seasons.append(Season(name, (months[0] + 1, 1), (months[-1] + 1, _DAYS[months[-1]]), hours[0], hours[1]))
    energy = {(season.name, period): prices[int(period.split()[1])] for season in seasons for period in (*season.workday, *season.weekend)}
    amount, unit = (
        float(record.get("fixedchargefirstmeter") or record.get("fixedmonthlycharge") or 0),
        record.get("fixedchargeunits", "$/month"),
    )
    if amount and unit not in ("$/month", "$/day"):
        raise ConfigurationError(f"the record has a fixed charge in {unit}", hint="$/month and $/day are priced.")
    left_out = ["holidays (the database has none)", "taxes and riders that the record does not hold"]
    if any("sell" in tier for tiers in record["energyratestructure"] for tier in tiers):
        left_out.append("the record's own sell rates (give export_price)")
    return Tariff(
        name=str(record.get("name", "unnamed")),
        utility=str(record.get("utility", "")),
        source=str(record.get("source") or record.get("uri") or f"OpenEI Utility Rate Database {record.get('label', '')}").strip(),
        on=on,
        seasons=tuple(seasons),
        versions=(
            Rates(
                start=_day(record.get("startdate") or 0),
                source=f"OpenEI {record.get('label', 'record')}",
                energy=energy,
                daily={"": amount} if amount and unit == "$/day" else {},
                monthly=amount if unit == "$/month" else 0.0,
            ),
        ),
        left_out=tuple(left_out),
        end=_day(record["enddate"]) if record.get("enddate") else None,
        status="as the database has it",
    )
