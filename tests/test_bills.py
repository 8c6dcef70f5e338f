"""Bills and their lines: amounts, energy, periods and zones; and what is told where they do not agree."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

import smd_notebook as smd
from tests.build import CLOCK, PACIFIC, POINT, START, codes_of, element, entry, feed_xml, local_time, small, usage_point
from tests.oracle import child, children, number, whole

HREF = f"{POINT}/UsageSummary"


def measured(name: str, value: Any, *, uom: Any = 72, power: Any = None) -> str:
    return element(name, element("powerOfTenMultiplier", power) + element("uom", uom) + element("value", value))


def line(
    amount: Any = None, *, kind: int = 3, note: str = "Energy", energy: Any = None, uom: int = 72, power: Any = None, more: str = ""
) -> str:
    quantity = measured("measurement", energy, power=power) if energy is not None else ""
    body = element("amount", amount) + element("note", note) + quantity
    return element("costAdditionalDetailLastPeriod", body + element("itemKind", kind) + more)


def bill(
    *parts: str, start: Any = START, duration: Any = 2_592_000, href: str = f"{HREF}/1", name: str = "UsageSummary", more: str = ""
) -> str:
    period = element("duration", duration) + element("start", start)
    return entry(element(name, element("billingPeriod", period) + "".join(parts) + element("statusTimeStamp", START)), href, HREF)


def read(*entries: str, clock: tuple[Any, ...] | None = PACIFIC) -> Any:
    clocks = [local_time(*clock)] if clock else []
    return smd.read(feed_xml(usage_point(related=[f"{POINT}/MeterReading", HREF, *([CLOCK] if clock else [])]), *clocks, *entries).encode())


USD = element("currency", 840)
DETAIL = element("itemPeriod", element("duration", 86_400) + element("start", START)) + element("unitCost", 12_000)


@pytest.mark.parametrize("name", ["UsageSummary", "ElectricPowerUsageSummary"])
def test_a_bill(name: str) -> None:
    feed = read(
        bill(
            element("billLastPeriod", 6_780_000),
            element("billToDate", 1_000_000),
            element("costAdditionalLastPeriod", 780_000),
            line(6_000_000, energy=343_000, note="Off Peak"),
            line(780_000, kind=6, note="Tax", more=DETAIL),
            USD,
            measured("overallConsumptionLastPeriod", 343_000_000, power=-3),
            measured("currentBillingPeriodOverAllConsumption", 5, uom=169, power=1),
            measured("peakDemand", 4_200, uom=38),
            element("qualityOfReading", 17),
            element("commodity", 1),
            element("tariffProfile", "E-TOU-C"),
            name=name,
        )
    )
    (row,) = feed.bills().to_dict("records")
    assert row.pop("start").isoformat() == "2024-01-01T00:00:00-08:00"
    assert row.pop("end").isoformat() == "2024-01-31T00:00:00-08:00"
    assert row == {
        "usage_point": POINT.strip("/"),
        "service": "electricity",
        "zone": "America/Los_Angeles",
        "bill": 67.8,
        "bill_to_date": 10.0,
        "additional": 7.8,
        "lines_total": 67.8,
        "currency": "USD",
        "energy": 343_000.0,
        "unit": "Wh",
        "energy_to_date": 50.0,
        "unit_to_date": "therm",
        "peak_demand": 4200.0,
        "peak_unit": "W",
        "quality": "validated",
        "tariff": "E-TOU-C",
        "n_lines": 2,
    }
    lines = feed.bill_lines()
    assert lines["line"].tolist() == [1, 2]
    assert lines["amount"].tolist() == [60.0, 7.8]
    assert lines["note"].tolist() == ["Off Peak", "Tax"]
    assert lines["quantity"].tolist()[0] == 343_000.0
    assert lines["unit"].isna().tolist() == [False, True]
    assert lines["unit_cost"].tolist()[1] == 0.12
    assert lines["item_end"].iloc[1].isoformat() == "2024-01-02T00:00:00-08:00"
    assert (lines["start"] == feed.bills()["start"].iloc[0]).all()
    assert not {"bill-lines-differ", "cost-scale", "bill-energy-differs"} & codes_of(feed)


def test_bills_stand_in_the_order_of_their_periods() -> None:
    feed = read(
        *(bill(element("billLastPeriod", 100_000 * k), USD, start=START + 2_592_000 * k, href=f"{HREF}/{9 - k}") for k in (2, 0, 1))
    )
    assert feed.bills()["bill"].tolist() == [0.0, 1.0, 2.0]
    assert feed.bills()["start"].is_monotonic_increasing


def test_a_bill_and_its_correction_are_both_there_and_told() -> None:
    def one(amount: int, made: int, **others: Any) -> str:
        text = bill(element("billLastPeriod", amount * 100_000), USD, href=f"{HREF}/{amount}", **others)
        return text.replace(f"<e:statusTimeStamp>{START}<", f"<e:statusTimeStamp>{START + made}<")

    feed = read(one(7, 9_000_000), one(5, 3_000_000), one(6, 1, start=START + 2_592_000))
    (told,) = [one for one in feed.listed if one.code == "bill-repeated"]
    assert (told.severity, told.n) == ("warning", 1)
    assert feed.bills()["bill"].tolist() == [5, 7, 6]  # the later of the first period's two stands below
    assert feed.bills().drop_duplicates(["usage_point", "start", "end"], keep="last")["bill"].tolist() == [7, 6]
    twice = smd.merge([read(one(7, 0)), read(one(7, 5))])  # the same bill, downloaded twice, is one
    assert (len(twice.bills()), "bill-repeated" in codes_of(twice)) == (1, False)


def test_without_money_one_energy_twice_is_told_and_two_directions_are_not() -> None:
    """NIST's net-zero house has two summaries a period: of what was delivered, and of what was received."""

    def one(energy: int, number: int, *parts: str, power: int = 0) -> str:
        return bill(measured("overallConsumptionLastPeriod", energy, power=power), *parts, href=f"{HREF}/{number}")

    assert "bill-repeated" not in codes_of(read(one(329_048, 1), one(9_711, 2)))
    assert "bill-repeated" not in codes_of(read(one(0, 1), one(0, 2), bill(href=f"{HREF}/3"), bill(href=f"{HREF}/4")))
    (told,) = [one for one in read(one(9_711, 1), one(5, 2), one(9_711_000, 3, power=-3)).listed if one.code == "bill-repeated"]
    assert told.n == 1
    assert "bill-repeated" not in codes_of(read(one(9_711, 1), one(9_711, 2, element("billLastPeriod", 100_000), USD)))


@pytest.mark.parametrize(
    ("clock", "tz", "zone"),
    [
        (PACIFIC, None, "America/Los_Angeles"),
        (("B40E2000", 3600, "360E2000", -18000), None, "America/New_York"),
        (PACIFIC, "Europe/Paris", "Europe/Paris"),
        (None, None, "UTC"),
    ],
)
def test_bills_without_readings_are_on_the_feed_s_clock(clock: Any, tz: str | None, zone: str) -> None:
    related = [HREF, *([CLOCK] if clock else [])]
    clocks = [local_time(*clock)] if clock else []
    feed = smd.read(feed_xml(usage_point(related=related), *clocks, bill(USD)).encode(), tz=tz)
    assert feed.bills()["zone"].tolist() == [zone]
    assert str(feed.bills()["start"].dt.tz) == zone
    assert feed.bills()["start"].iloc[0].timestamp() == START


@pytest.mark.parametrize("power", [None, -3, 6, 400, 4096, 10**12, -(10**12)])
def test_any_power_of_ten(power: Any) -> None:
    """One of the corpus' files has 4096."""
    feed = read(bill(measured("overallConsumptionLastPeriod", 5, power=power), measured("peakDemand", -5, uom=38, power=power)))
    expected = {None: 5.0, -3: 0.005, 6: 5e6, -(10**12): 0.0}.get(power, float("inf"))
    assert feed.bills()["energy"].tolist() == [expected]
    assert feed.bills()["peak_demand"].tolist() == [-expected]
    assert "cost-scale" not in codes_of(feed)


@pytest.mark.parametrize("power", [400, 99_999, -99_999, 10**12])
def test_any_power_of_ten_of_readings(power: int) -> None:
    feed = smd.read(small(power=power).encode())
    assert set(feed.tidy(raw=True)["value"]) == {float("inf") if power > 0 else 0.0}
    repr(feed)


def test_empty_and_odd_bills() -> None:
    feed = read(
        entry(element("UsageSummary", ""), f"{HREF}/1"),
        bill(start=None, duration=None, href=f"{HREF}/2"),
        bill(duration=None, href=f"{HREF}/3"),
        bill(start=10**17, href=f"{HREF}/4"),
        bill(element("billLastPeriod", "12.5"), element("currency", 0), href=f"{HREF}/5"),
        bill(element("billLastPeriod", "a lot"), element("currency", 999), href=f"{HREF}/6"),
        bill(line(), line("0.5"), href=f"{HREF}/7"),
    )
    frame = feed.bills()
    assert len(frame) == 7
    assert frame["start"].isna().sum() == 3
    assert sorted(frame["bill"].dropna()) == [0.000125]
    assert sorted(frame["currency"].dropna()) == ["XXX"] or sorted(frame["currency"].dropna()) == ["999"]
    assert frame["lines_total"].dropna().tolist() == [0.000005]
    assert len(feed.bill_lines()) == 2


def test_types_do_not_depend_on_what_is_there() -> None:
    empty = smd.read(feed_xml().encode().replace(b"</feed>", usage_point().replace("a:", "").replace("e:", "espi:").encode() + b"</feed>"))
    full = read(bill(USD, line(1)), clock=None)
    for name in ("bills", "bill_lines"):
        nothing, something = getattr(empty, name)(), getattr(full, name)()
        assert len(nothing) == 0
        assert len(something) == 1
        assert nothing.dtypes.equals(something.dtypes)


# -- what does not agree -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amounts", "total", "codes"),
    [
        ((6_000_000, 780_000), 6_780_000, set()),
        ((6_000_000, 780_000), 6_780_001, set()),  # a rounding
        ((6_000_000, 780_000), 6_000_000, {"bill-lines-differ"}),
        ((60_000, 7_800), 6_780_000, {"bill-lines-differ", "cost-scale"}),
        ((60_000_000, 7_800_000), 6_780_000, {"bill-lines-differ", "cost-scale"}),
        ((-100_000, 100_000), 0, set()),
    ],
)
def test_lines_and_totals_of_money(amounts: tuple[int, ...], total: int, codes: set[str]) -> None:
    feed = read(bill(element("billLastPeriod", total), *(line(amount) for amount in amounts), USD))
    assert {"bill-lines-differ", "cost-scale"} & codes_of(feed) == codes


@pytest.mark.parametrize("times", [1, 2, 3, 4])
def test_lines_and_totals_of_energy(times: int) -> None:
    """PG&E's lines hold the energy by period, by tier and by both."""
    feed = read(bill(*(line(1, energy=100, power=1) for _ in range(times)), measured("overallConsumptionLastPeriod", 1_000_000, power=-3)))
    assert ("bill-energy-differs" in codes_of(feed)) == (times == 4)


# -- of the corpus -------------------------------------------------------------------------------------------------------------------------


def test_the_bill_of_the_corpus_is_233_dollars_64(corpus: Path) -> None:
    frame = smd.read(corpus / "files/pge-smd__verdigris_UsageSummaries.xml").bills()
    assert frame["bill"].dropna().tolist() == [233.64]
    row = frame[frame["bill"].notna()].iloc[0]
    assert row["start"].isoformat() == "2015-06-11T00:00:00-07:00"
    assert (row["end"] - row["start"]).days == 29


def summaries(path: Path) -> list[tuple[Any, list[Any]]]:
    """Return every bill of a file with its lines, by another parser."""
    try:
        root = etree.fromstring(path.read_bytes(), etree.XMLParser(huge_tree=True, no_network=True))
    except etree.XMLSyntaxError:
        return []
    found = list(root.iter("{*}UsageSummary", "{*}ElectricPowerUsageSummary"))
    return [(node, children(node, "costAdditionalDetailLastPeriod")) for node in found]


def exact(node: Any) -> Decimal | None:
    value = number(child(node, "value"))
    power = whole(child(node, "powerOfTenMultiplier")) or 0
    return None if value is None else Decimal(value.numerator) / value.denominator * Decimal(10) ** power


def test_bills_of_the_corpus_are_what_a_second_reader_reads(corpus: Path) -> None:
    """Amounts and energy of every bill and line; and energy equal to the sum of lines, or a whole multiple, wherever a file states both."""
    checked = with_lines = 0
    for path in sorted((corpus / "files").glob("*.xml")):
        expected = summaries(path)
        if not expected:
            continue
        feed = smd.read(path, clock="utc")
        bills, lines = feed.bills(), feed.bill_lines()
        assert len(bills) == len(expected), path.name
        amounts = sorted(float(value / 100_000) for node, _ in expected if (value := number(child(node, "billLastPeriod"))) is not None)
        assert sorted(bills["bill"].dropna()) == amounts, path.name
        energies = [exact(child(node, "overallConsumptionLastPeriod")) for node, _ in expected]
        assert sorted(bills["energy"].dropna()) == pytest.approx(sorted(float(one) for one in energies if one is not None)), path.name
        assert len(lines) == sum(len(found) for _, found in expected)
        quantities = [exact(child(one, "measurement")) for _, found in expected for one in found]
        assert sorted(lines["quantity"].dropna()) == pytest.approx(sorted(float(one) for one in quantities if one is not None)), path.name
        checked += len(bills)
        for _, row in bills[bills["n_lines"] > 0].iterrows():
            mine = lines[(lines["usage_point"] == row["usage_point"]) & (lines["start"] == row["start"])]
            if row["energy"] > 0 and (mine["unit"] == row["unit"]).all():
                with_lines += 1
                times = mine["quantity"].sum() / row["energy"]
                assert times == pytest.approx(round(times), rel=1e-3), path.name
                assert round(times) in (1, 2, 3), path.name
                assert "bill-energy-differs" not in codes_of(feed)
    assert checked > 60
    assert with_lines >= 40


# -- customers -----------------------------------------------------------------------------------------------------------------------------


def test_customers_as_a_long_frame(corpus: Path) -> None:
    feed = smd.read(corpus / "files/pge-smd__verdigris_RetailCustomer.xml")
    frame = feed.customers()
    root = etree.parse(corpus / "files/pge-smd__verdigris_RetailCustomer.xml").getroot()
    ends = [node for content in root.iter("{*}content") for node in content.iter() if not len(node)]
    leaves = [text for node in ends if (text := (node.text or "").strip())]
    assert leaves
    assert sorted(frame["value"]) == sorted(leaves)
    assert not any(text in repr(feed) + feed._repr_html_() for text in leaves if len(text) > 6)


WITH_SECRETS = [
    "gba__Multiple_Authorization_feed_anonymised.xml",
    "gba__ApplicationInformationSample.xml",
    "cityssm__Authorization_entryOnly.xml",
]


@pytest.mark.parametrize("name", WITH_SECRETS)
def test_secrets_of_resources_are_not_shown(name: str, corpus: Path, tmp_path: Path) -> None:
    data = (corpus / "files" / name).read_bytes()
    root = etree.fromstring(data)
    words = ("token", "secret")
    secrets = {
        node.text.strip()
        for node in root.iter()
        if isinstance(node.tag, str) and etree.QName(node).localname.lower().endswith(words) and (node.text or "").strip()
    }
    feed = smd.read(data)
    feed.to_espi(tmp_path / "a.xml")
    shown = repr(feed) + repr(feed.resources) + feed.customers().to_csv() + feed._repr_html_() + (tmp_path / "a.xml").read_text()
    assert [secret for secret in secrets if len(secret) > 3 and secret in shown] == []
