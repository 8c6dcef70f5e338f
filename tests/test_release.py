"""The release screen: the ground truth of the definitions, and sums that would give away what is withheld."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook.analysis import release_screen, resample
from smd_notebook.analysis.release import why_withheld
from smd_notebook.errors import ConfigurationError, SmdError, SmdWarning, UnitError

from .tidy import regular


def homes(values: list[Any], periods: int = 1, **kinds: Any) -> pd.DataFrame:
    """Return customers of these amounts in hours of one day."""
    frames = [regular("2024-01-01", periods, value, length="1h", usage_point=str(number), **kinds) for number, value in enumerate(values)]
    return pd.concat(frames, ignore_index=True)


def bins(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["scope"] == "bin"].reset_index(drop=True)


@pytest.mark.parametrize(
    ("customers", "values", "passes"),
    [
        ("residential", [1.0] * 99, False),
        ("residential", [1.0] * 100, True),
        ("non-residential", [1.0] * 14, False),
        ("non-residential", [1.0] * 15, True),
        ("non-residential", [85.0 / 14] * 14 + [15.0], True),  # the largest is 15 % to the last digit
        ("non-residential", [84.99 / 14] * 14 + [15.01], False),
        ("non-residential", [0.0] * 15, True),  # of nothing, nobody has more than others
    ],
)
def test_ground_truth(customers: Any, values: list[float], passes: bool) -> None:
    table = release_screen(homes(values), customers=customers)
    assert table["scope"].tolist() == ["bin", "period"]
    assert table["released"].tolist() == [passes, passes]
    assert table["n_customers"].tolist() == [len(values)] * 2
    assert (table["why"] == "").tolist() == [passes, passes]
    assert table["value"].notna().tolist() == [passes, passes]
    if passes:
        assert table["value"].tolist() == pytest.approx([sum(values)] * 2)


def test_why() -> None:
    assert why_withheld([1, 99], [0, 0], [0, 0], "residential").tolist() == [
        "1 customer, and 100 are needed",
        "99 customers, and 100 are needed",
    ]
    assert why_withheld([15], [1501], [10000], "non-residential").tolist() == ["one customer is more than 15 % of it"]
    assert why_withheld([15], [1500], [10000], "non-residential").tolist() == [""]


def test_a_home_that_is_nearly_all_of_a_sum_passes_the_rule_and_is_warned_of() -> None:
    with pytest.warns(SmdWarning, match="more than half of 2 sum"):
        table = release_screen(homes([0.0] * 99 + [1e6]))
    assert table["released"].all()


def test_what_one_customer_uses_is_not_to_be_had_from_a_released_row() -> None:
    table = release_screen(homes([1.0] * 100))
    assert table.columns.tolist() == [
        *("group", "service", "measure", "flow", "start", "end", "scope", "n_customers", "value", "unit", "released", "why")
    ]


def test_every_bin_is_screened_and_a_withheld_one_is_shown_and_kept_out_of_the_sum() -> None:
    frame = homes([1.0] * 100, periods=3)
    frame.loc[(frame["usage_point"] == "7") & (frame["start"].dt.hour == 1), "value"] = None
    with pytest.warns(SmdWarning, match="by subtraction"):
        table = release_screen(frame)
    assert bins(table)["released"].tolist() == [True, False, True]
    assert bins(table)["n_customers"].tolist() == [100, 99, 100]
    assert bins(table)["why"].tolist()[1] == "99 customers, and 100 are needed"
    assert pd.isna(bins(table)["value"][1])
    # 299 less twice 100 is the bin that is withheld
    assert table[table["scope"] == "period"]["why"].tolist() == ["would give away what is withheld, by subtraction"]
    assert "100 residential" in smd.cite(table)


def test_the_sum_is_published_where_withheld_bins_together_pass() -> None:
    # in each of two hours another customer has more than 15 %, and in both together nobody has
    values = [[10.0, 10.0]] * 18 + [[50.0, 0.0], [0.0, 50.0]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = release_screen(homes(values, periods=2), customers="non-residential")
    assert bins(table)["released"].tolist() == [False, False]
    assert table[table["scope"] == "period"]["value"].tolist() == [460.0]


def test_the_whole_is_withheld_where_it_gives_away_a_group() -> None:
    frame = homes([1.0] * 199)
    groups = {str(number): "north" if number < 100 else "south" for number in range(199)}
    with pytest.warns(SmdWarning, match="by subtraction"):
        table = release_screen(frame, groups=groups)
    found = bins(table).set_index("group")
    assert found["released"].to_dict() == {"all": False, "north": True, "south": False}
    assert found.loc["all", "why"] == "would give away what is withheld, by subtraction"
    assert found.loc["south", "why"] == "99 customers, and 100 are needed"
    assert table[table["scope"] == "period"].set_index("group")["released"].to_dict() == {"all": False, "north": True, "south": False}


def test_two_withheld_groups_hide_each_other() -> None:
    groups = {str(number): ("north", "south", "west")[number // 60] if number < 120 else "west" for number in range(240)}
    table = bins(release_screen(homes([1.0] * 240), groups=groups)).set_index("group")
    assert table["released"].to_dict() == {"all": True, "north": False, "south": False, "west": True}
    assert table.loc["all", "value"] == 240


def test_days_of_one_group_and_the_whole_period_do_not_give_away_the_other_group() -> None:
    # each day the whole is withheld, as it less the north is the south; so must the whole period be, as all days of the north are known
    groups = {str(number): "north" if number < 100 else "south" for number in range(123)}
    with pytest.warns(SmdWarning, match="by subtraction"):
        table = release_screen(homes([1.0] * 123, periods=3), groups=groups)
    assert table[table["group"] == "all"]["released"].tolist() == [False] * 4
    assert table[table["group"] == "north"]["released"].all()


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.prove) for seed in range(4, 30))])
def test_nothing_that_can_be_computed_from_what_is_released_fails_the_rule(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rules: dict[str, tuple[int, int | None]] = {"residential": (4, None), "non-residential": (4, 40)}
    monkeypatch.setattr("smd_notebook.analysis.release.RELEASE_RULES", rules)
    random = np.random.default_rng(seed)
    n, periods, names = 14, 3, ["a", "b", "c"]
    amounts = np.round(random.lognormal(0, 1.2 * (seed % 2), (n, periods)) * 100)
    there = random.random((n, periods)) > 0.15
    of = random.choice(len(names), n, p=[0.45, 0.35, 0.2])
    customers = list(rules)[seed % 2]
    frame = homes([np.where(there[one], amounts[one], np.nan).tolist() for one in range(n)], periods=periods)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = release_screen(frame, customers=customers, groups={str(one): names[of[one]] for one in range(n)})  # type: ignore[arg-type]
    # a reader's equations: a row a sum that is released, a column a cell
    cells = list(itertools.product(range(periods), range(len(names))))
    hours = sorted(set(table["start"]))
    known = [
        [row["group"] in ("all", names[group]) and (row["scope"] == "period" or row["start"] == hours[hour]) for hour, group in cells]
        for _, row in table[table["released"]].iterrows()
    ]
    assert known  # else the test would show nothing
    _, strength, directions = np.linalg.svd(np.array(known, dtype="f8"))
    free = directions[int((strength > 1e-9).sum()) :]  # what could be otherwise without any sum being another
    choices = np.array(list(itertools.product([0, 1], repeat=len(cells))))[1:]
    for choice in choices[np.abs(choices @ free.T).max(axis=1, initial=0) < 1e-9]:
        inside = np.zeros((n, periods), dtype=bool)
        for hour, group in itertools.compress(cells, choice):
            inside[:, hour] |= there[:, hour] & (of == group)
        each = (amounts * inside).sum(axis=1)[inside.any(axis=1)]
        if each.size:
            assert each.size >= 4
            assert customers == "residential" or each.max() <= 0.4 * each.sum() + 1e-9


def test_a_usage_point_with_a_missing_group_has_none() -> None:
    # 125 less 120 would be the five that are of no group
    with pytest.raises(ConfigurationError, match=r"5 usage point\(s\) have no group"):
        release_screen(homes([1.0] * 125), groups={str(number): "a" if number < 120 else None for number in range(125)})  # type: ignore[misc]


def test_usage_points_of_a_customer_are_one_customer() -> None:
    values = [85.0 / 14] * 14 + [15.0, 15.0]  # two meters of one business: together more than 15 %
    assert release_screen(homes(values), customers="non-residential")["released"].all()
    names = {str(number): f"customer {min(number, 14)}" for number in range(16)}
    table = release_screen(homes(values), customers="non-residential", customer=names)
    assert table["n_customers"].tolist() == [15, 15]
    assert table["why"].tolist() == ["one customer is more than 15 % of it"] * 2
    with pytest.raises(ConfigurationError, match=r"1 usage point\(s\) have no customer"):
        release_screen(homes(values), customer={str(number): "one" for number in range(15)})


def test_channels_of_a_customer_are_one_customer() -> None:
    frame = homes([1.0] * 60)
    other = frame.assign(channel="electricity delivered, phase B")
    table = release_screen(pd.concat([frame, other], ignore_index=True))
    assert table["n_customers"].tolist() == [60, 60]
    assert not table["released"].any()


def test_flows_and_services_are_not_added_and_power_has_no_sum_over_time() -> None:
    frame = pd.concat([homes([1.0] * 100), homes([2.0] * 100, measure="power", unit="W", channel="power")], ignore_index=True)
    table = release_screen(frame)
    assert table[["measure", "scope", "value"]].to_numpy().tolist() == [
        ["energy", "bin", 100.0],
        ["power", "bin", 200.0],
        ["energy", "period", 100.0],
    ]


def test_bins_count_where_they_are_covered() -> None:
    frame = homes([1.0] * 100, periods=4)
    frame = frame[~((frame["usage_point"] == "3") & (frame["start"].dt.hour == 2))]
    binned = resample(
        frame, [pd.Timestamp("2024-01-01", tz="America/Los_Angeles"), pd.Timestamp("2024-01-01 04:00", tz="America/Los_Angeles")]
    )
    assert not release_screen(binned)["released"].any()
    assert release_screen(binned, min_coverage=0.75)["value"].tolist() == [399.0, 399.0]


def test_the_difference_to_an_earlier_publication() -> None:
    frame = homes([1.0] * 150)
    before = {str(number) for number in range(149)}
    with pytest.warns(SmdWarning, match="by 1, fewer than 100"):
        release_screen(frame, earlier=[before])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        release_screen(frame, earlier=[{str(number) for number in range(150)}, {str(number) for number in range(50)}, {"elsewhere"}])


def test_usage_points_are_no_list_of_publications() -> None:
    points = [str(number) for number in range(150)]
    for earlier in (points, "abc", [pd.DataFrame({"usage_point": points})], pd.DataFrame({"usage_point": points})):
        with pytest.raises(ConfigurationError, match="list of publications"):
            release_screen(homes([1.0] * 149), earlier=earlier)  # type: ignore[arg-type]
    with pytest.warns(SmdWarning, match="by 1, fewer than 100"):
        release_screen(homes([1.0] * 149), earlier=[pd.Series(points)])


def test_refusals() -> None:
    frame = homes([1.0] * 2)
    with pytest.raises(ConfigurationError, match="no release rule"):
        release_screen(frame, customers="agricultural")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="have no group"):
        release_screen(frame, groups={"0": "a"})
    with pytest.raises(ConfigurationError, match="everybody"):
        release_screen(frame, groups={"0": "a", "1": "all"})
    with pytest.raises(ConfigurationError, match="between 0 and 1"):
        release_screen(frame, min_coverage=2)
    with pytest.raises(UnitError, match="running total"):
        release_screen(homes([1.0], measure="register"))


def test_no_amount_counts_twice() -> None:
    frame = homes([1.0] * 100)
    with pytest.raises(SmdError, match="overlap"):
        release_screen(pd.concat([frame, frame.iloc[:1]]))


def test_times_as_objects() -> None:
    frame = homes([1.0] * 100)
    objects = frame.assign(start=frame["start"].astype(object), end=frame["end"].astype(object))
    assert release_screen(objects)["value"].tolist() == [100.0, 100.0]
