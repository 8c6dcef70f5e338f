"""Tariff files: the facts are those that were published, whatever their layout."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smd_notebook.analysis import load_tariff
from smd_notebook.analysis.schedules import as_date, day_number
from smd_notebook.errors import ConfigurationError

NAMES = ("E-TOU-C", "E-TOU-D", "EV2-A", "E-ELEC")
OWN = """
name = "Two seasons"
utility = "Somewhere"
source = "https://example.org/rates"
status = "made up"
currency = "USD"
{top}
[seasons]
summer = ["05-16", "10-15"]
winter = ["10-16", "05-15"]
[periods]
rest = "off-peak"
peak = {{ hours = [[7, 9], [17, 20]], days = "workday", seasons = ["winter"] }}
[[rates]]
start = {start}
source = "sheet 1"
summer = {{ off-peak = 0.1 }}
winter = {{ off-peak = 0.2, peak = 0.5 }}
daily = 0.25
{rest}
"""


def own(folder: Path, *, top: str = "", start: str = "2024-01-01", rest: str = "") -> Path:
    path = folder / "own.toml"
    path.write_text(OWN.format(top=top, start=start, rest=rest), encoding="utf-8")
    return path


def days(*texts: str) -> Any:
    return np.array([day_number(date.fromisoformat(text)) for text in texts])


# what Advice 7846-E has (definition R12) --------------------------------------------------------------------------------------------


def test_ev2_a() -> None:
    rates = load_tariff("EV2-A", on="2026-03-01").rates
    assert rates.source == "Advice 7846-E"
    assert [rates.energy["summer", name] for name in ("peak", "part-peak", "off-peak")] == [0.53809, 0.4276, 0.22558]
    assert [rates.energy["winter", name] for name in ("peak", "part-peak", "off-peak")] == [0.41099, 0.39428, 0.22558]
    assert rates.daily == {"tier_1": 0.19713, "tier_2": 0.39688, "tier_3": 0.79343}


def test_e_tou_c_with_its_baseline() -> None:
    tariff = load_tariff("e-tou-c", on=date(2026, 3, 1))
    rates = tariff.rates
    assert [rates.energy["summer", "peak"], rates.energy["summer", "off-peak"]] == [0.5224, 0.3994]
    assert [rates.energy["winter", "peak"], rates.energy["winter", "off-peak"]] == [0.39757, 0.36757]
    assert rates.baseline_credit == 0.0814
    assert tariff.baseline["basic"]["X"] == {"summer": 9.8, "winter": 9.7}
    assert tariff.baseline["all_electric"]["Z"] == {"summer": 6.7, "winter": 15.7}
    assert len(tariff.baseline["basic"]) == len(tariff.baseline["all_electric"]) == 10


@pytest.mark.parametrize(
    ("name", "on", "expected"),
    [
        ("E-ELEC", "2025-08-31", 0.61418),
        ("E-ELEC", "2025-09-01", 0.6043),
        ("EV2-A", "2025-01-01", 0.6159),
        ("E-TOU-D", "2026-11-01", 0.47708),
    ],
)
def test_rates_are_those_of_the_day(name: str, on: str, expected: float) -> None:
    assert load_tariff(name, on=on).rates.energy["summer", "peak"] == expected


@pytest.mark.parametrize("name", NAMES)
def test_every_tariff_says_where_it_is_from_and_what_it_leaves_out(name: str) -> None:
    tariff = load_tariff(name, on="2026-03-01")
    assert tariff.source.startswith("https://www.pge.com/tariffs/")
    assert "not read at the source" in tariff.status
    for word in ("choice aggregator", "CARE", "Climate Credit", "taxes"):
        assert any(word in text for text in tariff.left_out)


@pytest.mark.parametrize("name", NAMES)
def test_hours_and_seasons(name: str) -> None:
    tariff = load_tariff(name, on="2026-03-01")
    peak = range(17, 20) if name == "E-TOU-D" else range(16, 21)
    part = (15, 21, 22, 23) if name in ("EV2-A", "E-ELEC") else ()
    expected = tuple("peak" if hour in peak else "part-peak" if hour in part else "off-peak" for hour in range(24))
    for season in tariff.seasons:
        assert season.workday == expected
        assert season.weekend == (("off-peak",) * 24 if name == "E-TOU-D" else expected)
    assert tariff.season_on(days("2024-05-31", "2024-06-01", "2024-09-30", "2024-10-01", "2024-02-29")).tolist() == [1, 0, 0, 1, 1]


def test_holidays_are_the_eight_of_the_tariff() -> None:
    """Saturdays and Sundays may be listed besides: they are weekend as it is."""
    listed = {
        2024: "01-01 02-19 05-27 07-04 09-02 11-11 11-28 12-25",
        2025: "01-01 02-17 05-26 07-04 09-01 11-11 11-27 12-25",
        2026: "01-01 02-16 05-25 07-03 09-07 11-11 11-26 12-25",
    }
    tariff = load_tariff("E-TOU-D", on="2026-03-01")
    for year, texts in listed.items():
        whole = np.arange(*days(f"{year}-01-01", f"{year + 1}-01-01"))
        found = whole[tariff.day_off(whole) & ((whole + 3) % 7 < 5)]  # 1970-01-01 was a Thursday
        assert [str(day)[5:] for day in found.view("M8[D]")] == texts.split()
    assert tariff.day_off(days("2026-06-19", "2026-07-03", "2026-07-04", "2026-07-06")).tolist() == [False, True, True, False]


# files of one's own -----------------------------------------------------------------------------------------------------------------


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    tariff = load_tariff(own(tmp_path), on="2024-01-01")
    winter = next(one for one in tariff.seasons if one.name == "winter")
    assert [hour for hour in range(24) if winter.workday[hour] == "peak"] == [7, 8, 17, 18, 19]
    assert tariff.periods() == [("summer", "off-peak"), ("winter", "off-peak"), ("winter", "peak")]
    assert tariff.rates.daily == {"": 0.25}
    assert tariff.season_on(days("2024-05-15", "2024-05-16", "2024-10-15", "2024-10-16")).tolist() == [1, 0, 0, 1]


def test_holidays_of_ones_own(tmp_path: Path) -> None:
    tariff = load_tariff(own(tmp_path, top="holidays = [2024-01-03]"), on="2024-01-01")
    assert tariff.day_off(days("2024-01-03", "2024-01-04")).tolist() == [True, False]


def test_a_known_last_day_is_kept(tmp_path: Path) -> None:
    tariff = load_tariff(own(tmp_path, top="end = 2024-12-31"), on="2024-12-31")
    assert tariff.version_on(days("2023-12-31", "2024-12-31", "2025-01-01")).tolist() == [-1, 0, -1]
    with pytest.raises(ConfigurationError, match="no rates on 2025-01-01"):
        load_tariff(own(tmp_path, top="end = 2024-12-31"), on="2025-01-01")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"top": 'holidays = "'}, "cannot be read"),
        ({"top": 'holidays = "Atlantis"'}, "no holiday calendar"),
        ({"top": 'holidays = ["soon"]'}, "a holiday is no date"),
        ({"start": "2024-13-01"}, "cannot be read"),
        ({"start": '"no date"'}, "start is no date"),
        ({"rest": "[[rates]]\nstart = 2025-01-01"}, "not complete"),
        ({"rest": "baseline_credit = 0.1"}, "baseline allowances"),
        (
            {"rest": '[[rates]]\nstart = 2024-01-01\nsource = ""\nsummer = { off-peak = 1 }\nwinter = { off-peak = 1, peak = 1 }'},
            "first days",
        ),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, changes: dict[str, str], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        load_tariff(own(tmp_path, **changes), on="2024-06-01")


def test_seasons_must_cover_the_year(tmp_path: Path) -> None:
    path = own(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace('"10-16", "05-15"', '"10-17", "05-15"'), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="do not cover the year"):
        load_tariff(path, on="2024-06-01")


def test_hours_beyond_the_day_are_refused(tmp_path: Path) -> None:
    path = own(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("[17, 20]", "[17, 25]"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="between 0 and 24"):
        load_tariff(path, on="2024-06-01")


@pytest.mark.parametrize(
    ("name", "on", "text"),
    [
        ("E-6", "2026-03-01", "no tariff is called 'E-6'"),
        ("EV2-A", "2024-12-31", "no rates on 2024-12-31"),
        ("EV2-A", "yesterday", "on is no date"),
        ("gone.toml", "2026-03-01", "gone.toml cannot be read"),
    ],
)
def test_what_is_not_there_is_said(name: str, on: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        load_tariff(name, on=on)


def test_dates() -> None:
    assert as_date(np.datetime64("2026-03-01"), "on") == date(2026, 3, 1)
    with pytest.raises(ConfigurationError, match="on is no date"):
        as_date(None, "on")
