"""From consent to one file, and the authorization deleted only once everything is safe."""

from __future__ import annotations

import asyncio
import stat
import threading
from pathlib import Path

import pytest

import smd_notebook as smd
from smd_notebook.errors import ConfigurationError, Denied, NotReady, SmdWarning
from smd_notebook.study import _write, collect, collect_blocking

from .stop import stopped
from .test_client import NOW, POINT, consented, make, practice


@pytest.fixture(scope="module")
def utility():
    with practice() as found:
        yield found


@pytest.fixture
def client(utility):
    utility.faults.clear()
    return make(utility)


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    return {"csv": tmp_path / "usage.csv", "to": tmp_path / "raw"}


def customer(utility):
    return lambda url: utility.consent(url, usage_points=[POINT])


def run(*args, **kwargs):
    return asyncio.run(collect(*args, progress=False, **kwargs))


def status(client, made) -> int:
    return next(row.status for row in client.authorizations() if row.entry.id == made.subscription.id)


def test_one_call_from_consent_to_a_file(utility, client, places):
    made = run(client, months=2, receive=customer(utility), **places)
    back = smd.read_tidy(made.csv)
    held = utility.held(make_again(utility)).tidy()
    held = held[(held["start"] >= "2025-01-01") & (held["start"] < "2025-03-01")]
    mine = back[back["start"] >= "2025-01-01"]
    assert mine["value"].sum() == pytest.approx(held["value"].sum(), rel=1e-12)
    assert len(mine) == len(held) >= 55 * 24
    assert made.revoked
    assert not made.kept
    assert status(client, made) == 0
    assert 0.95 < made.coverage[POINT] <= 1
    assert stat.S_IMODE(made.csv.stat().st_mode) == 0o600
    assert not [path for path in made.csv.parent.iterdir() if path.name.startswith(".")]
    with pytest.raises(smd.SmdError):
        client.usage_points(made.subscription)


def make_again(utility):
    """Return a fresh subscription of the same customer, to look at what the utility holds."""
    return consented(make(utility), utility)


def test_it_can_be_awaited_and_asked_to_keep(utility, client, places):
    async def receive(url: str) -> str:
        await asyncio.sleep(0)
        return utility.consent(url, usage_points=[POINT])

    made = run(client, months=1, receive=receive, revoke=False, **places)
    assert not made.revoked
    assert not made.kept
    assert status(client, made) == 1


def test_an_interrupted_cell_stops_what_goes_on_behind_it(utility, client, places, monkeypatch):
    """The thread ends before its next chunk, writes no file and revokes nothing; and the archive goes on when it is asked to."""
    client_download, ended = client.download, threading.Event()
    begun, go = threading.Event(), threading.Event()

    def slow(*args, stop, **more):
        begun.set()
        assert go.wait(30)
        try:
            return client_download(*args, stop=stop, **more)
        finally:
            ended.set()

    monkeypatch.setattr(client, "download", slow)

    async def interrupted():
        cell = asyncio.create_task(collect(client, months=2, receive=customer(utility), progress=False, **places))
        await asyncio.to_thread(begun.wait, 10)
        await stopped(cell)
        go.set()

    asyncio.run(interrupted())
    assert ended.wait(10)
    assert not places["csv"].exists()
    assert [one.status for one in client.authorizations()][-1] == 1
    monkeypatch.undo()
    assert run(client, months=2, receive=customer(utility), **places).revoked


def test_the_kernel_goes_on_meanwhile(utility, client, places):
    """A cell that awaits it blocks nothing: other tasks run while it downloads."""
    beats = 0

    async def both():
        async def beat():
            nonlocal beats
            while True:
                await asyncio.sleep(0.01)
                beats += 1

        heart = asyncio.create_task(beat())
        made = await collect(client, months=1, receive=customer(utility), progress=False, **places)
        heart.cancel()
        return made

    assert asyncio.run(both()).revoked
    assert beats > 3


@pytest.mark.parametrize(
    ("months", "share", "why"),
    [(36, 0.95, "1 of 1 usage points cover less than 95%"), (1, 1.0, "less than 100%")],
)
def test_an_authorization_is_kept_where_readings_are_missing(utility, client, places, months, share, why):
    with pytest.warns(SmdWarning, match=why):
        made = run(client, months=months, receive=customer(utility), min_coverage=share, **places)
    assert not made.revoked
    assert status(client, made) == 1
    assert made.csv.exists()


def test_an_authorization_is_kept_where_the_file_does_not_read_back(utility, client, places, monkeypatch):
    real = smd.read_tidy
    monkeypatch.setattr("smd_notebook.tables.read_tidy", lambda path: real(path).iloc[:-1])
    with pytest.warns(SmdWarning, match="did not read back equal"):
        made = run(client, months=1, receive=customer(utility), **places)
    assert status(client, made) == 1


def test_an_authorization_is_kept_where_the_archive_is_damaged(utility, client, places, monkeypatch):
    from smd_notebook import study

    def write(feed, frame, csv):
        for path in places["to"].rglob("*.xml"):
            path.write_bytes(b"<feed/>")
        return True

    monkeypatch.setattr(study, "_write", write)
    with pytest.warns(SmdWarning, match="incomplete or damaged"):
        made = run(client, months=1, receive=customer(utility), **places)
    assert status(client, made) == 1


def test_nothing_is_deleted_where_something_fails(utility, client, places):
    with pytest.raises(Denied):
        run(client, receive=lambda url: utility.consent(url, deny=True), **places)
    utility.faults.add("accepted", path="*/Batch/*", times=None)
    with pytest.raises(NotReady):
        run(client, months=1, receive=customer(utility), **places)
    assert client.authorizations()[-1].status == 1
    assert not places["csv"].exists()


def test_a_file_that_cannot_be_written(utility, client, places, tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be written"):
        run(client, months=1, receive=customer(utility), to=places["to"], csv=tmp_path / "no" / "usage.csv")


@pytest.mark.parametrize("wrong", [{"months": 0}, {"months": 61}, {"months": True}, {"min_coverage": 1.5}])
def test_arguments(client, places, wrong):
    with pytest.raises(ConfigurationError):
        run(client, **places, **wrong)


def test_the_command_lines_way_blocks_and_asks_for_a_paste(utility, client, places, monkeypatch, capsys):
    import getpass

    def paste(prompt: str) -> str:
        shown = capsys.readouterr().out
        return utility.consent(shown.split()[-1], usage_points=[POINT])

    monkeypatch.setattr(getpass, "getpass", paste)
    made = collect_blocking(client, months=1, **places)
    assert made.revoked
    assert made.download.end == NOW


def test_a_link_in_a_shared_folder_overwrites_nothing(tmp_path: Path):
    other, csv = tmp_path / "precious", tmp_path / "usage.csv"
    other.write_text("precious")
    (tmp_path / ".usage.csv.part.csv").symlink_to(other)
    feed = smd.sample("apartment")
    assert _write(feed, feed.tidy(), csv)
    assert (other.read_text(), csv.is_symlink(), csv.stat().st_mode & 0o777) == ("precious", False, 0o600)
