"""Records of the OpenEI database: what they hold is priced or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from smd_notebook.analysis import load_tariff
from smd_notebook.errors import ConfigurationError

WORK = [[0] * 16 + [1] * 5 + [0] * 3 if month in range(5, 9) else [2] * 24 for month in range(12)]
FREE = [[0] * 24 if month in range(5, 9) else [2] * 24 for month in range(12)]


def record(**changes: Any) -> dict[str, Any]:
    return {
        "label": "539fb7c4ec4f024d8a5e6f3a",
        "utility": "Somewhere Electric",
        "name": "TOU",
        "startdate": 1704067200,  # 2024-01-01
        "energyratestructure": [[{"rate": 0.1, "unit": "kWh"}], [{"rate": 0.25, "adj": 0.125}], [{"rate": 0.08, "sell": 0.03}]],
        "energyweekdayschedule": WORK,
        "energyweekendschedule": FREE,
        "fixedchargefirstmeter": 0.5,
        "fixedchargeunits": "$/day",
    } | changes


def test_a_record() -> None:
    tariff = load_tariff(record(), on="2024-07-01")
    assert [(one.name, one.first, one.last) for one in tariff.seasons] == [
        ("Jan-May", (1, 1), (5, 31)),
        ("Jun-Sep", (6, 1), (9, 30)),
        ("Oct-Dec", (10, 1), (12, 31)),
    ]
    assert tariff.seasons[1].workday == ("period 0",) * 16 + ("period 1",) * 5 + ("period 0",) * 3
    assert tariff.seasons[1].weekend == ("period 0",) * 24
    assert tariff.rates.energy["Jun-Sep", "period 1"] == 0.375
    assert tariff.rates.energy["Oct-Dec", "period 2"] == 0.08
    assert tariff.rates.daily == {"": 0.5}
    assert any("sell" in text for text in tariff.left_out)


def test_files_and_replies(tmp_path: Path) -> None:
    path = tmp_path / "rate.json"
    path.write_text(json.dumps({"items": [record()]}), encoding="utf-8")
    assert load_tariff(path, on="2024-07-01") == load_tariff(record(), on="2024-07-01")
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"rate\.json cannot be read"):
        load_tariff(path, on="2024-07-01")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"energyratestructure": [[{"rate": 0.1, "max": 300}, {"rate": 0.2}]] * 3}, "2 tiers"),
        ({"energyratestructure": [[{"rate": 0.1, "max": 300}]] * 3}, "up to a limit"),
        ({"energyratestructure": [[{"rate": 0.1, "unit": "kWh/kW"}]] * 3}, "priced by kWh/kW"),
        ({"energyratestructure": [[{"rate": 0.1}]] * 2}, "schedules"),
        ({"energyweekdayschedule": WORK[:11]}, "schedules"),
        ({"energyweekdayschedule": []}, "no energyweekdayschedule"),
        ({"flatdemandstructure": [[{"rate": 5.0}]]}, "demand charges"),
        ({"demandratestructure": [[{"rate": 0}], [{"rate": 9}]]}, "demand charges"),
        ({"coincidentratestructure": [[{"rate": 1}]]}, "coincident"),
        ({"minmonthlycharge": 10}, "minimum"),
        ({"fixedchargeunits": "$/year"}, r"in \$/year"),
        ({"enddate": 1719705600}, "no rates on 2024-07-01"),  # 2024-06-30
        ({"startdate": 1722470400}, "no rates on 2024-07-01"),  # 2024-08-01
    ],
)
def test_what_is_not_priced_is_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        load_tariff(record(**changes), on="2024-07-01")


def test_demand_of_nothing_is_no_demand_charge() -> None:
    assert load_tariff(record(flatdemandstructure=[[{"rate": 0}]], minmonthlycharge=0), on="2024-07-01").rates.monthly == 0


def test_several_rates_are_not_chosen_from() -> None:
    with pytest.raises(ConfigurationError, match="holds 2 rates"):
        load_tariff({"items": [record(), record()]}, on="2024-07-01")
