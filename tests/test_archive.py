"""The archive of raw replies: whole or not there, private, and honest about what is missing or damaged."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

import smd_notebook as smd
from smd_notebook.access import archive
from smd_notebook.access.archive import Download, Reply, folder_of, locked, set_aside, store, whole
from smd_notebook.errors import ConfigurationError, NotReady, ReadError, Unavailable

HOUR = 3600


def feed(start: int, end: int, *, quality: int | None = None) -> bytes:
    """An IntervalBlock of hourly readings of 1 each."""
    mark = f"<ReadingQuality><quality>{quality}</quality></ReadingQuality>" if quality is not None else ""
    rows = "".join(
        f"<IntervalReading>{mark}<timePeriod><duration>3600</duration><start>{at}</start></timePeriod><value>1</value></IntervalReading>"
        for at in range(start, end, HOUR)
    )
    span = f"<interval><duration>{end - start}</duration><start>{start}</start></interval>"
    return f'<?xml version="1.0"?>\n<IntervalBlock xmlns="http://naesb.org/espi">{span}{rows}</IntervalBlock>'.encode()


def reply(start: int, end: int, status: int = 200, received: str = "2025-06-01T00:00:00Z", **more) -> Reply:
    given = {"custodian": "pge", "subscription": "1", "usage_point": "7", "received_at": received}
    return Reply(start, end, status, **given | more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "raw", "pge", "7")


def download(folder: Path, start: int, end: int) -> Download:
    return Download("pge", "1", start, end, folder.parents[1], (("7", folder),))


def test_a_complete_download_is_read_and_nothing_is_counted_twice(folder):
    store(folder, reply(0, 24 * HOUR), feed(0, 24 * HOUR))
    store(folder, reply(24 * HOUR, 48 * HOUR), feed(23 * HOUR, 49 * HOUR))  # as custodians do, wider than asked for
    store(folder, reply(48 * HOUR, 72 * HOUR, 204))
    got = download(folder, 0, 72 * HOUR)
    assert got.complete
    frame = smd.read(got).tidy(raw=True)
    assert frame["raw_value"].sum() == 49
    assert [one.status for one in got.replies] == [200, 200, 204]


def test_provenance_says_what_was_asked_and_what_came(folder):
    data = feed(0, HOUR)
    given = {"url": "https://u.example/Batch?published-min=0", "ids": {"x-transaction-id": "7"}, "content_type": "application/atom+xml"}
    done = store(folder, reply(0, HOUR, **given), data)
    told = json.loads((folder / "19700101T000000Z_19700101T010000Z.json").read_text())
    assert told["sha256"] == hashlib.sha256(data).hexdigest() == done.sha256
    assert (told["size"], told["readings"], told["start"], told["end"], told["status"]) == (len(data), 1, 0, HOUR, 200)
    assert {name: told[name] for name in given} == given
    assert told["package"] == smd.__version__
    assert (folder / told["file"]).read_bytes() == data


def test_files_are_private(folder):
    store(folder, reply(0, HOUR), feed(0, HOUR))
    with locked((folder,)):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}
    assert len(modes) == 3
    assert set(modes.values()) == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.parents[:2])} == {0o700}


def test_a_folder_that_is_there_keeps_its_mode_and_those_below_do_not(tmp_path):
    (tmp_path / "raw" / "pge").mkdir(parents=True, mode=0o755)
    (tmp_path / "raw").chmod(0o755)
    folder_of(tmp_path / "raw", "pge", "7")
    assert stat.S_IMODE((tmp_path / "raw").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "raw" / "pge").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["../../etc", "a/b", "", ".", "..", "x" * 300, "CON\x00", "é", "nul", "com1", "A"])
def test_no_usage_point_leads_out_of_the_archive(tmp_path, name):
    path = folder_of(tmp_path / "raw", "pge", name)
    assert path.parent == tmp_path / "raw" / "pge"
    assert path.name.isalnum()


def test_ids_that_differ_in_case_alone_share_no_folder(tmp_path):
    """There are file systems that take both for one name: there, one home's readings would have stood as the other's."""
    names = ["7a", "7A", "meter-aB", "meter-Ab"]
    folders = {folder_of(tmp_path / "raw", "pge", name).name.lower() for name in names}
    assert len(folders) == len(names)
    assert "7a" in folders


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "raw").write_text("a file")
    with pytest.raises(ConfigurationError, match="cannot be made"):
        folder_of(tmp_path / "raw", "pge")


@pytest.mark.parametrize(
    ("data", "good"),
    [
        (feed(0, HOUR), True),
        (b'<feed xmlns="http://www.w3.org/2005/Atom"/>', True),
        (feed(0, HOUR)[:-1], False),
        (feed(0, HOUR)[:200], False),
        (feed(0, HOUR) + b"<more/>", False),
        (b"", False),
        (b"<html><body>Bad Gateway</body></html>", False),
        (b'{"error": "x"}', False),
        (b"<!DOCTYPE feed><feed/>", False),
    ],
)
def test_only_a_whole_reply_is_kept(folder, data, good):
    assert whole(data) is good
    if not good:
        with pytest.raises(Unavailable) as caught:
            store(folder, reply(0, HOUR), data)
        assert caught.value.retryable
        assert list(folder.iterdir()) == []


def test_what_is_missing_is_said_and_refused(folder):
    got = download(folder, 0, 72 * HOUR)
    assert got.missing() == (("7", (0, 72 * HOUR)),)
    store(folder, reply(0, 24 * HOUR), feed(0, 24 * HOUR))
    store(folder, reply(24 * HOUR, 48 * HOUR, 202))  # taken, and not answered yet
    assert got.missing() == (("7", (24 * HOUR, 72 * HOUR)),)
    with pytest.raises(NotReady, match="1 span is missing"):
        smd.read(got)
    assert len(got.paths) == 1
    store(folder, reply(24 * HOUR, 48 * HOUR), feed(24 * HOUR, 48 * HOUR))
    assert got.missing() == (("7", (48 * HOUR, 72 * HOUR)),)
    assert len(list(folder.glob("*.json"))) == 2  # the open one became the answer


def test_nothing_held_is_said(folder):
    store(folder, reply(0, HOUR, 204))
    got = download(folder, 0, HOUR)
    assert got.complete
    with pytest.raises(ReadError, match="holds nothing"):
        smd.read(got)


@pytest.mark.parametrize("how", ["changed", "gone", "record"])
def test_damage_is_seen_set_aside_and_asked_for_again(folder, how):
    done = store(folder, reply(0, HOUR), feed(0, HOUR))
    got, path = download(folder, 0, HOUR), folder / done.file
    if how == "changed":
        path.write_bytes(path.read_bytes().replace(b"<value>1<", b"<value>2<"))
    elif how == "gone":
        path.unlink()
    else:
        path.with_suffix(".json").write_text('{"start": 0')
    assert got.missing() == (("7", (0, HOUR)),)
    with pytest.raises(ReadError if how != "record" else NotReady):
        list(got)
    assert set_aside(folder)
    store(folder, reply(0, HOUR), feed(0, HOUR))
    assert got.complete
    assert smd.read(got).tidy(raw=True)["raw_value"].sum() == 1
    assert (how == "gone") or list(folder.glob("*.damaged"))


@pytest.mark.parametrize("change", [{"file": "../x.xml"}, {"file": ".hidden"}, {"start": "0"}, {"end": 0}, {"ids": []}])
def test_a_record_is_not_trusted(folder, change):
    store(folder, reply(0, HOUR), feed(0, HOUR))
    (record,) = folder.glob("*.json")
    record.write_text(json.dumps(json.loads(record.read_text()) | change))
    assert archive.replies(folder) == []


def test_later_replies_stand_for_earlier_ones_unless_they_hold_less(folder):
    store(folder, reply(0, 24 * HOUR, received="2025-01-01T00:00:00Z", provisional="young"), feed(0, 20 * HOUR))
    store(folder, reply(0, 24 * HOUR, received="2025-03-01T00:00:00Z"), feed(0, 24 * HOUR))
    got = download(folder, 0, 24 * HOUR)
    assert [path.name for path in got.paths] == ["19700101T000000Z_19700102T000000Z-2.xml"]
    assert len(got.replies) == 2  # nothing is thrown away
    store(folder, reply(0, 48 * HOUR, received="2025-04-01T00:00:00Z"), feed(0, 4 * HOUR))
    store(folder, reply(0, 24 * HOUR, 204, received="2025-05-01T00:00:00Z"))
    assert len(got.paths) == 2
    assert smd.read(got).tidy(raw=True)["raw_value"].sum() == 24


@pytest.mark.parametrize(("quality", "provisional"), [(None, ""), (17, ""), (0, ""), (8, "quality"), (14, "quality")])
def test_lesser_qualities_are_provisional(folder, quality, provisional):
    assert store(folder, reply(0, HOUR), feed(0, HOUR, quality=quality)).provisional == provisional
    assert store(folder, reply(HOUR, 2 * HOUR, provisional="young"), feed(HOUR, 2 * HOUR, quality=quality)).provisional == "young"


def test_prefixed_elements_are_counted_too(folder):
    data = b'<n:e xmlns:n="http://naesb.org/espi"><n:IntervalReading ><n:quality>8</n:quality></n:IntervalReading></n:e>'
    done = store(folder, reply(0, HOUR), data)
    assert (done.readings, done.provisional) == (1, "quality")


def test_what_a_crash_left_is_swept_up_and_never_read(folder):
    (folder / ".19700101T000000Z_19700101T010000Z.xml-abc").write_bytes(b"<half")
    got = download(folder, 0, HOUR)
    assert not got.complete
    with locked((folder,)):
        assert [path.name for path in folder.iterdir()] == [".lock"]


def _hold(folder, ready, done):
    with locked((folder,)):
        ready.set()
        done.wait(600)


@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_a_full_disk_leaves_nothing_that_counts(folder, monkeypatch, call):
    """Whichever file it is that finds no room, the reply or its provenance, or the folder's own entry of either."""
    store(folder, reply(0, HOUR), feed(0, HOUR))
    before, real, calls = {path.name for path in folder.iterdir()}, os.fsync, itertools.count(1)

    def full(handle: int) -> None:
        if next(calls) == call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ConfigurationError, match=r"cannot be written \(No space left on device\)") as caught:
            store(folder, reply(HOUR, 2 * HOUR), feed(HOUR, 2 * HOUR))
    assert f"Make room in {folder}" in caught.value.hint
    assert {path.name for path in folder.iterdir()} == before
    got = download(folder, 0, 2 * HOUR)
    assert got.missing() == (("7", (HOUR, 2 * HOUR)),)
    with locked((folder,)):
        store(folder, reply(HOUR, 2 * HOUR), feed(HOUR, 2 * HOUR))
    assert got.complete
    assert smd.read(got).tidy()["value"].sum() == 2


def test_a_folder_that_cannot_be_written(folder):
    (folder / ".lock").mkdir()
    with pytest.raises(ConfigurationError, match=r"'\.lock' cannot be written") as caught, locked((folder,)):
        pass
    assert str(folder) in caught.value.hint


def test_two_processes_do_not_write_into_one_folder(folder):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(folder, ready, done))
    other.start()
    try:
        assert ready.wait(300)
        with pytest.raises(ConfigurationError, match="another download") as caught, locked((folder,)):
            pass
        assert "to=" in caught.value.hint
    finally:
        done.set()
        other.join(300)
    with locked((folder,)):
        pass


def test_it_shows_itself_without_readings(folder):
    store(folder, reply(0, HOUR, provisional="young"), feed(0, HOUR))
    got = download(folder, 0, 2 * HOUR)
    assert repr(got) == f"<Download: pge, subscription 1, 1970-01-01T00:00:00Z to 1970-01-01T02:00:00Z, 1 usage point, in {got.to}>"
    html = got._repr_html_()
    assert "1970-01-01T00:00:00Z to 1970-01-01T02:00:00Z" in html
    assert "<td style='text-align:left'>7</td>" in html
    assert os.fspath(folder) not in html
