"""Functions that secrets go through: interrupted and refused, with every variable on the way looked at."""

from __future__ import annotations

import base64
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import smd_notebook as smd
from smd_notebook.access.guard import discreet, uninterrupted
from smd_notebook.access.session import Session
from smd_notebook.access.stores import FileStore
from smd_notebook.access.tokens import Key, Token, Tokens
from smd_notebook.espi.resources import Secret
from tests.wire import BEARER, CODE, REFRESH, SECRET, Request, Server, credentials, custodian_at, reply, shown_by

BASIC = base64.b64encode(f"{credentials().client_id}:{SECRET}".encode()).decode()
KEY = Key("wire", credentials().client_id, "38475")


def interrupt() -> None:
    """Press Ctrl-C, as Jupyter does."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@pytest.fixture(autouse=True)
def _hears() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are born deaf to it
    yield
    signal.signal(signal.SIGINT, before)


class Interrupted:
    """A utility that is slow enough for an interrupt while it answers, and takes a refresh token once."""

    def __init__(self) -> None:
        self.valid, self.refreshed = REFRESH, 0

    def __call__(self, request: Request) -> bytes:
        if self.refreshed == 0:
            time.sleep(0.1)
            interrupt()
            time.sleep(0.2)
        if "/token" not in request.path:
            return reply(200, b"<feed/>")
        if self.valid not in request.body and CODE not in request.body:
            return reply(400, b'{"error": "invalid_grant"}')
        self.refreshed += 1
        self.valid = f"{REFRESH}-{self.refreshed}"
        uri = "https://x.example/Subscription/38475"
        return reply(
            200, json.dumps({"access_token": f"{BEARER}-new", "refresh_token": self.valid, "expires_in": 3600, "resourceURI": uri})
        )


def test_an_interrupt_shows_no_secret() -> None:
    with Server(Interrupted()) as server, Session(custodian_at(server), credentials()) as session:
        for ask in (
            lambda: session.get("a", token=BEARER),
            lambda: session.delete("a", token=BEARER),
            lambda: session.token_request({"grant_type": "refresh_token", "refresh_token": Secret(REFRESH)}),
        ):
            with pytest.raises(KeyboardInterrupt) as caught:
                ask()
            shown = shown_by(caught.value)
            assert [one for one in ("CANARY", BASIC) if one in shown] == []


def test_an_interrupt_loses_no_token(tmp_path: Path) -> None:
    """The old refresh token is worth nothing once the utility has answered: the new one is kept although nobody waits for it any more."""
    utility, store = Interrupted(), FileStore(tmp_path / "tokens")
    with Server(utility) as server, Session(custodian_at(server), credentials()) as session:
        with store.lock(KEY):
            store.put(KEY, Token("access", Secret(BEARER), Secret(REFRESH), expires_at=0.0, subscription="38475"))
        tokens = Tokens(session, store)
        with pytest.raises(KeyboardInterrupt):
            tokens.access("38475")
        assert tokens.access("38475").access_token == Secret(f"{BEARER}-new")
        assert utility.refreshed == 1
        assert tokens.refresh("38475").refresh_token == Secret(f"{REFRESH}-2")


def test_an_interrupt_loses_no_consent(tmp_path: Path) -> None:
    with Server(Interrupted()) as server, Session(custodian_at(server), credentials()) as session:
        tokens = Tokens(session, FileStore(tmp_path / "tokens"))
        with pytest.raises(KeyboardInterrupt):
            tokens.exchange(CODE, "https://x.example/callback")
        assert tokens.subscriptions() == ["38475"]


def test_a_second_interrupt_does_not_wait() -> None:
    done, go, heard = threading.Event(), threading.Event(), threading.Semaphore(0)

    def hear(*_: object) -> None:
        heard.release()
        raise KeyboardInterrupt

    def work() -> None:
        for _ in range(2):
            time.sleep(0.2)  # until it is waited for
            interrupt()
            heard.acquire(timeout=300)  # two that are not told apart would be one
        go.wait(300)
        done.set()

    signal.signal(signal.SIGINT, hear)
    with pytest.raises(KeyboardInterrupt):
        uninterrupted(work)
    assert not done.is_set()
    go.set()
    assert done.wait(300)  # it goes on by itself


def test_what_is_pasted_is_in_no_frame(tmp_path: Path) -> None:
    file = tmp_path / "smd.toml"
    file.write_text(f'client_id = "abc"\nclient_secret = "{SECRET}"\ncolour = "red"\n')
    file.chmod(0o600)
    address = f"https://x.example/callback?code={CODE}&state=CANARY-state"
    with Server(lambda request: reply(400, b'{"error": "invalid_grant"}')) as server:
        client = smd.Client(custodian_at(server), credentials())
        calls: list[Callable[[], object]] = [
            lambda: client.exchange(address),
            lambda: client.exchange(CODE),
            lambda: client.exchange(f"{address}&code=again"),
            lambda: smd.Credentials.from_file(file),
        ]
        for call in calls:
            with pytest.raises(smd.errors.SmdError) as caught:
                call()
            assert "CANARY" not in shown_by(caught.value)


def test_what_is_said_stays_as_it_is() -> None:
    @discreet
    def sum_of(a: int, *, b: int = 1) -> int:
        """Add."""
        if b == 0:
            raise smd.errors.ConfigurationError("no", hint="yes")
        return a + b

    assert (sum_of(1, b=2), sum_of.__doc__) == (3, "Add.")
    with pytest.raises(smd.errors.ConfigurationError, match="no") as caught:
        sum_of(1, b=0)
    assert caught.value.hint == "yes"
