"""Strictness: what is found becomes an error in the block, and nowhere else."""

from __future__ import annotations

import asyncio
import contextvars
import pickle
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import smd_notebook as smd
from smd_notebook.errors import ConfigurationError, Finding, FindingError, enforce, is_strict, warn

from .build import START, reading, small
from .tidy import regular

#: A day of hours of which two are missing: a warning, and an information (the last day lacks them too where they are at its end).
GAPPY = small(*(reading(START + 3600 * n, 100 + n) for n in range(24) if n not in (7, 8))).encode()
WHOLE = small(*(reading(START + 3600 * n, 100 + n) for n in range(24))).encode()
PART = small(*(reading(START + 3600 * n, 100 + n) for n in range(20))).encode()


def test_reading_is_eager_inside_and_lazy_outside() -> None:
    feed = smd.read(GAPPY)
    with smd.strict():
        assert smd.read(WHOLE).findings.empty
        with pytest.raises(FindingError) as caught:
            smd.read(GAPPY)
        with pytest.raises(FindingError, match="gap"):
            _ = feed.findings
    assert [(one.code, one.n) for one in caught.value.findings] == [("gap", 2)]
    assert str(caught.value).startswith("gap: electricity delivered: nothing was metered for 2 h\n")
    assert caught.value.hint
    assert feed.findings["code"].tolist() == ["gap"]


def test_information_is_allowed_unless_it_is_named() -> None:
    with smd.strict():
        assert smd.read(PART).findings["code"].tolist() == ["edge-day"]
    with smd.strict("edge-day"), pytest.raises(FindingError, match="edge-day"):
        smd.read(PART)


def test_only_what_is_named() -> None:
    with smd.strict("overlap", "duplicate-conflict"):
        assert smd.read(GAPPY).findings["code"].tolist() == ["gap"]
    with smd.strict("overlap", "gap"), pytest.raises(FindingError):
        smd.read(GAPPY)


@pytest.mark.parametrize(("code", "hint"), [("gaps", "Did you mean 'gap'?"), ("Overlap", "Did you mean 'overlap'?"), ("", "lists")])
def test_a_code_that_no_finding_has_guards_nothing_and_is_refused(code: str, hint: str) -> None:
    with pytest.raises(ConfigurationError, match="no finding has the code") as caught, smd.strict("overlap", code):
        pytest.fail("the block ran")
    assert hint in caught.value.hint
    assert not is_strict()


def test_check_merge_and_samples() -> None:
    frame = regular("2024-01-01", 96, range(96)).drop(index=50)
    feed = smd.read(GAPPY)
    with smd.strict("gap"):
        for call in (lambda: smd.check(frame), lambda: smd.check(feed), lambda: smd.merge([feed])):
            with pytest.raises(FindingError):
                call()
        assert len(smd.sample("apartment").findings)
    with smd.strict("spike"), pytest.raises(FindingError):
        smd.check(regular("2024-01-01", 96, range(96)), service_kw=0.1)


def test_the_gravest_comes_first_and_all_are_there() -> None:
    found = [Finding("a", "info", "i"), Finding("b", "warning", "w"), Finding("c", "error", "e", "do it", channel="x")]
    with smd.strict(), pytest.raises(FindingError) as caught:
        enforce(found)
    assert str(caught.value) == "c: x: e; and 1 more finding\ndo it"
    assert [one.code for one in caught.value.findings] == ["c", "b"]
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.findings, again.hint) == (str(caught.value), caught.value.findings, "do it")


def test_blocks_within_blocks_add_up_and_end() -> None:
    info, grave = Finding("edge-day", "info", ""), Finding("gap", "warning", "")
    assert not is_strict()
    with smd.strict():
        with smd.strict("edge-day"):
            for finding in (info, grave):
                with pytest.raises(FindingError):
                    enforce([finding])
        enforce([info])
        with pytest.raises(FindingError):
            enforce([grave])
    assert not is_strict()
    with smd.strict("edge-day"):
        with smd.strict(), pytest.raises(FindingError):
            enforce([info])
        enforce([grave])
    with pytest.raises(KeyError), smd.strict():
        raise KeyError
    assert not is_strict()
    enforce([info, grave])


def test_warnings_become_errors() -> None:
    finding = Finding("clock-disproved", "error", "")
    with pytest.warns(smd.SmdWarning, match="hm") as told:
        warn("hm")
    assert told[0].filename == __file__
    with smd.strict(), pytest.raises(FindingError, match="hm"):
        warn("hm")
    with smd.strict(), pytest.raises(FindingError, match="clock-disproved"):
        warn("hm", finding)
    with smd.strict("clock-disproved"), pytest.raises(FindingError):
        warn("hm", finding)
    with smd.strict("gap"), pytest.warns(smd.SmdWarning):
        warn("hm", finding)


def test_threads_do_not_touch_each_other() -> None:
    inside, done, seen = threading.Event(), threading.Event(), {}

    def strictly() -> None:
        with smd.strict():
            inside.set()
            done.wait(300)
            seen["strict"] = is_strict()

    thread = threading.Thread(target=strictly)
    thread.start()
    assert inside.wait(300)
    seen["beside"] = is_strict()
    assert smd.read(GAPPY).findings["code"].tolist() == ["gap"]
    done.set()
    thread.join()
    assert seen == {"strict": True, "beside": False}
    with smd.strict(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(contextvars.copy_context().run, is_strict).result()


def test_tasks_inherit_it_and_keep_it_to_themselves() -> None:
    async def strictly(gate: asyncio.Event) -> bool:
        with smd.strict():
            gate.set()
            await asyncio.sleep(0)
            return is_strict() and await asyncio.to_thread(is_strict)

    async def plainly(gate: asyncio.Event) -> bool:
        await gate.wait()
        return is_strict()

    async def both() -> list[bool]:
        gate = asyncio.Event()
        return await asyncio.gather(strictly(gate), plainly(gate))

    assert asyncio.run(both()) == [True, False]

    async def child() -> bool:
        return is_strict()

    async def parent() -> bool:
        with smd.strict():
            task = asyncio.create_task(child())
        return await task

    assert asyncio.run(parent())


def test_what_is_wrong_with_a_clock_stops_a_strict_reading(corpus: Path) -> None:
    file = corpus / "files" / "opower-gas__ngma_billing_2021-05_to_2024-04.xml"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", smd.SmdWarning)
        assert "overlap" in set(smd.read(file).findings["code"])
    with smd.strict(), pytest.raises(FindingError):
        smd.read(file)
