"""Tokens: renewed once by one of all who ask, kept for the user alone, never lost."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.parse import parse_qs

import pytest

import smd_notebook as smd
from smd_notebook.access.custodians import PGE
from smd_notebook.access.files import locked, write_private
from smd_notebook.access.session import Session
from smd_notebook.access.tokens import FileStore, Key, MemoryStore, Store, Token, Tokens, default_store
from smd_notebook.errors import AuthorizationError, ConfigurationError, Expired, Network, Revoked
from smd_notebook.espi.resources import Secret
from tests.wire import Answer, Request, Server, credentials, custodian_at, reply, shown_by

KEY = Key("wire", "third-party", "38475")
TOKEN = Token(
    "access", Secret("CANARY-a0"), Secret("CANARY-r0"), 1000.0, "FB=1_3", "38475", "https://x.example/Subscription/38475", None, None, 0.0
)
STORES = ("files", "memory")


class Utility:
    """A token endpoint whose refresh tokens work once; a second use revokes the whole family, as RFC 9700 §4.14.2 has it."""

    def __init__(self, *, rotates: bool = True, life: float | None = 3600, **more: Any) -> None:
        self.rotates, self.life, self.more = rotates, life, more
        self.issued, self.grants, self.refused = 0, [], 0  # type: ignore[var-annotated]
        self.valid = "CANARY-r0"
        self.guard = threading.Lock()

    def __call__(self, request: Request) -> Answer:
        sent = {name: value[0] for name, value in parse_qs(request.body).items()}
        with self.guard:
            self.grants.append(sent)
            if sent["grant_type"] == "refresh_token" and sent["refresh_token"] != self.valid:
                self.refused += 1
                self.valid = "revoked"
                return reply(400, json.dumps({"error": "invalid_grant"}))
            self.issued += 1
            body: dict[str, Any] = {"token_type": "Bearer", "scope": "FB=1_3", **self.more}
            if self.life is not None:
                body["expires_in"] = self.life
            if sent["grant_type"] == "client_credentials":
                return reply(200, json.dumps(body | {"client_access_token": f"CANARY-c{self.issued}"}))
            body["access_token"] = f"CANARY-a{self.issued}"
            if self.rotates or sent["grant_type"] == "authorization_code":
                self.valid = body["refresh_token"] = f"CANARY-r{self.issued}"
            return reply(200, json.dumps(body))


def store_of(kind: str, folder: Path) -> Store:
    return FileStore(folder / "tokens") if kind == "files" else MemoryStore()


@contextmanager
def tokens_at(
    utility: Callable[[Request], Answer], store: Store, clock: Callable[[], float] = lambda: 5000.0, **settings: Any
) -> Iterator[Tokens]:
    with Server(utility) as server, Session(custodian_at(server, **settings), credentials()) as session:
        yield Tokens(session, store, clock=clock)


def kept(store: Store, token: Token = TOKEN, key: Key = KEY) -> Store:
    with store.lock(key):
        store.put(key, token)
    return store


# -- the three classes -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STORES)
def test_the_clients_own_token_is_asked_for_once(kind: str, tmp_path: Path) -> None:
    now, utility = [5000.0], Utility()
    with tokens_at(utility, store_of(kind, tmp_path), lambda: now[0]) as tokens:
        first = tokens.client()
        assert (first.kind, first.access_token, first.expires_at, first.subscription) == ("client", Secret("CANARY-c1"), 8600.0, None)
        assert tokens.client() == first
        now[0] = 8600 - 61
        assert tokens.client() == first
        now[0] = 8600 - 60
        second = tokens.client()
        assert second.access_token == Secret("CANARY-c2")
        assert tokens.renewed(first) == second, "somebody else has done so already"
        assert tokens.renewed(second).access_token == Secret("CANARY-c3")
        assert [one["grant_type"] for one in utility.grants] == ["client_credentials"] * 3
        assert tokens.subscriptions() == []


def test_the_registrations_token_is_the_credentials() -> None:
    with Server(Utility()) as server:
        with Session(custodian_at(server), credentials(registration_token=Secret("r"))) as session:
            tokens = Tokens(session, MemoryStore())
            got = tokens.registration()
            assert (got.kind, got.access_token, got.expires_at) == ("registration", Secret("r"), math.inf)
            with pytest.raises(Expired):
                tokens.renewed(got)
        with Session(custodian_at(server), credentials()) as session, pytest.raises(ConfigurationError, match="SMD_REGISTRATION_TOKEN"):
            Tokens(session, MemoryStore()).registration()


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize(
    ("more", "subscription"),
    [
        ({"resourceURI": "https://x.example/espi/1_1/resource/Batch/Subscription/38475"}, "38475"),
        ({"resourceURI": "https://x.example/espi/1_1/resource/Subscription/a%2Fb/UsagePoint/7?x=y"}, "a/b"),
        ({"resourceURI": "https://x.example/Batch/RetailCustomer/9"}, "9"),
        ({"scope": "38475"}, "38475"),
        ({"authorizationURI": "https://x.example/espi/1_1/resource/Authorization/77/"}, "77"),
    ],
)
def test_a_code_becomes_a_token(kind: str, tmp_path: Path, more: dict[str, str], subscription: str) -> None:
    store, utility = store_of(kind, tmp_path), Utility(**more)
    with tokens_at(utility, store, authorization_is_subscription=True) as tokens:
        got = tokens.exchange("CANARY-code", "https://me.example/cb")
        assert (got.kind, got.subscription, got.refresh_token, got.obtained_at) == ("access", subscription, Secret("CANARY-r1"), 5000.0)
        assert tokens.access(subscription) == got == store.get(replace(KEY, subscription=subscription))
        assert tokens.subscriptions() == [subscription]
    assert utility.grants == [{"grant_type": "authorization_code", "code": "CANARY-code", "redirect_uri": "https://me.example/cb"}]


def test_a_token_that_names_no_subscription_is_kept_all_the_same() -> None:
    with tokens_at(Utility(), MemoryStore()) as tokens:
        got = tokens.exchange(Secret("CANARY-code"), "https://me.example/cb")
        assert tokens.subscriptions() == [got.subscription]
        assert str(got.subscription).startswith("unnamed-")


@pytest.mark.parametrize("kind", STORES)
def test_a_token_is_renewed_when_it_ends(kind: str, tmp_path: Path) -> None:
    utility = Utility()
    with tokens_at(utility, kept(store_of(kind, tmp_path))) as tokens:
        got = tokens.access("38475")
        assert (got.access_token, got.refresh_token, got.expires_at) == (Secret("CANARY-a1"), Secret("CANARY-r1"), 8600.0)
        assert got.resource_uri == TOKEN.resource_uri, "what the reply leaves out stays"
        assert tokens.access("38475") == got
        assert tokens.renewed(TOKEN) == got, "somebody else has done so already"
        assert tokens.renewed(got).refresh_token == Secret("CANARY-r2")
        assert tokens.refresh("38475").refresh_token == Secret("CANARY-r3")
    assert utility.grants == [{"grant_type": "refresh_token", "refresh_token": f"CANARY-r{index}"} for index in range(3)]


def test_without_rotation_the_old_refresh_token_stays() -> None:
    utility = Utility(rotates=False)
    with tokens_at(utility, kept(MemoryStore())) as tokens:
        assert tokens.access("38475").refresh_token == tokens.refresh("38475").refresh_token == Secret("CANARY-r0")


@pytest.mark.parametrize(("policy", "scope"), [("omit", None), ("granted", "FB=1_3"), ("FB=4", "FB=4")])
def test_the_scope_of_a_refresh_is_the_custodians_wish(policy: str, scope: str | None) -> None:
    utility = Utility()
    with tokens_at(utility, kept(MemoryStore()), refresh_scope=policy) as tokens:
        tokens.access("38475")
    assert utility.grants[0].get("scope") == scope


def test_the_scope_of_the_clients_own_token() -> None:
    utility = Utility()
    with tokens_at(utility, MemoryStore(), client_token_scope="FB=34_35") as tokens:
        tokens.client()
    assert utility.grants == [{"grant_type": "client_credentials", "scope": "FB=34_35"}]


@pytest.mark.parametrize("life", [None, 30, 0])
def test_lives_that_are_short_or_unknown(life: float | None) -> None:
    utility = Utility(life=life)
    with tokens_at(utility, kept(MemoryStore())) as tokens:
        tokens.access("38475")
        tokens.access("38475")
    assert len(utility.grants) == (2 if life == 0 else 1)


def test_consents_that_are_not_there() -> None:
    with tokens_at(Utility(), MemoryStore()) as tokens:
        for ask in (tokens.access, tokens.refresh):
            with pytest.raises(AuthorizationError, match="no consent is kept"):
                ask("38475")
        with pytest.raises(AuthorizationError, match="forgotten meanwhile"):
            tokens.renewed(TOKEN)
    alone = kept(MemoryStore(), replace(TOKEN, refresh_token=None))
    with tokens_at(Utility(), alone) as tokens, pytest.raises(Expired, match="none to refresh"):
        tokens.access("38475")


def test_a_custodian_of_the_same_name_gets_no_token_of_another(tmp_path: Path) -> None:
    """Custodians are files that people hand around; what is kept is found by their names, and goes to no other server than it came from."""
    ours, other = PGE.origins, "https://elsewhere.example"
    store = kept(FileStore(tmp_path), replace(TOKEN, origins=ours))
    kept(store, replace(TOKEN, kind="client", subscription=None, origins=ours, expires_at=math.inf), replace(KEY, subscription=None))
    for changed, says in (
        ({}, None),
        ({"resource_endpoint": f"{other}/espi"}, "other servers"),
        ({"token_endpoint": f"{other}/t"}, "other servers"),
    ):
        session = Mock(custodian=replace(PGE, name=KEY.custodian, **changed), credentials=credentials())
        session.token_request.side_effect = Network("never sent")
        tokens = Tokens(session, store, clock=lambda: 5.0)
        if says is None:
            assert tokens.access("38475").access_token == tokens.client().access_token == TOKEN.access_token
            continue
        for ask in (tokens.access, tokens.refresh):
            with pytest.raises(ConfigurationError, match=says):
                ask("38475")
        assert not session.token_request.called
        with pytest.raises(Network):  # a new one is asked for
            tokens.client()


@pytest.mark.parametrize("kind", STORES)
def test_a_refresh_that_fails_changes_nothing(kind: str, tmp_path: Path) -> None:
    store = kept(store_of(kind, tmp_path))
    with tokens_at(lambda request: reply(400, '{"error": "invalid_grant"}'), store) as tokens, pytest.raises(Revoked):
        tokens.access("38475")
    with tokens_at(lambda request: iter(()), store) as tokens, pytest.raises(Network):
        tokens.access("38475")
    assert store.get(KEY) == TOKEN
    with tokens_at(Utility(), store) as tokens:
        assert tokens.access("38475").access_token == Secret("CANARY-a1")


@pytest.mark.parametrize("kind", STORES)
def test_forgetting_is_one_call(kind: str, tmp_path: Path) -> None:
    store = store_of(kind, tmp_path)
    other = Key("wire", "somebody-else", "38475")
    with tokens_at(Utility(), store) as tokens:
        tokens.client()
        for name in ("38475", "2", "3"):
            kept(store, replace(TOKEN, subscription=name), replace(KEY, subscription=name))
        kept(store, TOKEN, other)
        tokens.forget("2")
        assert tokens.subscriptions() == ["3", "38475"]
        tokens.forget("2")
        tokens.forget()
        assert store.keys() == [other]
        assert tokens.subscriptions() == []


def test_what_it_shows(tmp_path: Path) -> None:
    with tokens_at(Utility(), kept(FileStore(tmp_path))) as tokens:
        assert "CANARY" not in f"{tokens!r} {tokens.access('38475')!r} {vars(tokens)}"


# -- the files ---------------------------------------------------------------------------------------------------------------------------


def files_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json*"))


def test_files_are_for_the_user_alone(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        kept(FileStore(tmp_path / "a" / "tokens"))
    finally:
        os.umask(umask)
    assert (tmp_path / "a" / "tokens").stat().st_mode & 0o777 == 0o700
    found = sorted((tmp_path / "a" / "tokens").iterdir())
    assert [one.stat().st_mode & 0o777 for one in found] == [0o600] * 2
    assert [one.suffix for one in found] == [".json", ".lock"]
    assert "38475" not in str(found)
    assert "third-party" not in str(found)


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    for token in (
        TOKEN,
        replace(TOKEN, refresh_token=None, expires_at=math.inf, kind="client"),
        replace(TOKEN, scope="ä→", origins=("https://x:443",)),
    ):
        store = kept(FileStore(tmp_path), token)
        assert FileStore(str(tmp_path)).get(KEY) == store.get(KEY) == token
    assert store.keys() == [KEY]
    assert FileStore(tmp_path).get(replace(KEY, subscription="1")) is None
    assert FileStore(tmp_path / "none").keys() == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    store = kept(FileStore(tmp_path))
    files_of(tmp_path)[0].chmod(mode)
    for ask in (lambda: store.get(KEY), store.keys):
        with pytest.raises(ConfigurationError, match="others may read"):
            ask()


def damage(**changes: Any) -> Callable[[bytes], bytes]:
    def apply(data: bytes) -> bytes:
        content = json.loads(data)
        content["token"] |= changes
        return json.dumps(content).encode()

    return apply


@pytest.mark.parametrize(
    "how",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: b"\xff" + data,
        lambda data: b"[]",
        lambda data: b"null",
        lambda data: b"[" * 100_000,
        lambda data: data.replace(b"38475", b"99999"),
        damage(colour="x"),
        damage(kind="x"),
        damage(access_token=5),
        damage(access_token=None),
        damage(refresh_token=["x"]),
        damage(expires_at="NaN"),
        damage(expires_at="soon"),
        damage(obtained_at=None),
        damage(scope=7),
        damage(origins=7),
        damage(origins=[7]),
    ],
    ids=[str(index) for index in range(19)],
)
def test_a_damaged_file_is_an_error_that_says_what_to_do(tmp_path: Path, how: Callable[[bytes], bytes]) -> None:
    store = kept(FileStore(tmp_path))
    path = files_of(tmp_path)[0]
    path.write_bytes(how(path.read_bytes()))
    with pytest.raises(ConfigurationError, match="is damaged") as caught:
        store.get(KEY)
    assert str(path) in caught.value.hint
    assert "CANARY" not in str(caught.value)
    store.forget_all("wire", "third-party")
    assert files_of(tmp_path) == []


def test_what_a_crash_leaves_before_the_last_step_is_finished(tmp_path: Path) -> None:
    store = kept(FileStore(tmp_path))
    path = files_of(tmp_path)[0]
    newer = replace(TOKEN, access_token=Secret("CANARY-a1"), refresh_token=Secret("CANARY-r1"), expires_at=9000.0)
    kept(FileStore(tmp_path / "b"), newer)
    write_private(path.with_suffix(".json-new"), files_of(tmp_path / "b")[0].read_bytes())
    utility = Utility()
    with tokens_at(utility, store) as tokens:
        assert tokens.access("38475") == newer
    assert utility.grants == []
    assert files_of(tmp_path) == [path]


@pytest.mark.parametrize("left", [b"", b'{"key": {"custodian": "wi'])
def test_what_a_crash_leaves_half_written_is_deleted(tmp_path: Path, left: bytes) -> None:
    store = kept(FileStore(tmp_path))
    path = files_of(tmp_path)[0]
    write_private(path.with_suffix(".json-new"), left)
    with store.lock(KEY):
        assert store.get(KEY) == TOKEN
    assert files_of(tmp_path) == [path]


def test_the_new_token_is_on_the_disk_before_anybody_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File and folder are brought to the disk, in this order around the replacement."""
    done: list[str] = []
    sync, swap = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        done.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")  # noqa: PTH112
        sync(handle)

    def moved(self: Path, target: Path) -> Path:
        done.append("replace")
        return swap(self, target)

    store = kept(FileStore(tmp_path))
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", moved)
    with tokens_at(Utility(), store) as tokens:
        tokens.access("38475")
    assert done == ["file", "file", "replace", "folder"]  # the first looks whether there is room


def test_a_disk_that_is_full_loses_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What works once is not spent where what comes for it could not be kept."""
    store, utility = kept(FileStore(tmp_path)), Utility()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with tokens_at(utility, store) as tokens:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with store.lock(KEY), pytest.raises(ConfigurationError, match="No space") as caught:
                store.put(KEY, replace(TOKEN, scope="new"))
            assert "CANARY" not in shown_by(caught.value)
            for ask in (lambda: tokens.refresh("38475"), lambda: tokens.exchange("CANARY-code", "https://x.example/")):
                with pytest.raises(ConfigurationError, match="No space"):
                    ask()
        assert utility.grants == []
        assert store.get(KEY) == TOKEN
        assert len(files_of(tmp_path)) == 1
        assert tokens.refresh("38475").refresh_token == Secret("CANARY-r1")


def test_a_consent_waits_for_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same redirected address is good once there is room."""
    with Server(Utility(scope="38475")) as server:
        known = credentials(redirect_uri="https://x.example/back")
        client = smd.Client(custodian_at(server), known, store=FileStore(tmp_path))
        client.authorization_url("CANARY-state")
        address = "https://x.example/back?code=CANARY-code&state=CANARY-state"
        with monkeypatch.context() as patch:
            patch.setattr(tempfile, "TemporaryFile", Mock(side_effect=OSError(30, "read-only")))
            with pytest.raises(ConfigurationError, match="read-only"):
                client.exchange(address)
        assert client.exchange(address).id == "38475"
        assert client.tokens.access("38475").origins == client.refresh("38475").origins == client.custodian.origins


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written or locked"), FileStore(tmp_path / "file").lock(KEY):
        pass


def test_a_lock_that_somebody_never_gives_back(tmp_path: Path) -> None:
    with locked(tmp_path / "x.lock", 1), pytest.raises(ConfigurationError, match=r"another process has had x\.lock"):  # noqa: SIM117
        with locked(tmp_path / "x.lock", 0.1):
            pass


@pytest.mark.parametrize("variable", ["", "BINDER_SERVICE_HOST", "BINDER_LAUNCH_HOST", "COLAB_RELEASE_TAG"])
def test_where_tokens_are_kept_by_default(monkeypatch: pytest.MonkeyPatch, variable: str, tmp_path: Path) -> None:
    for name in ("BINDER_SERVICE_HOST", "BINDER_LAUNCH_HOST", "COLAB_RELEASE_TAG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv(variable or "SMD_NOTHING", "x")
    found = default_store()
    assert isinstance(found, MemoryStore if variable else FileStore)
    if isinstance(found, FileStore) and sys.platform == "linux":
        assert found.folder == tmp_path / "smd_notebook" / "tokens"


# -- many at once ------------------------------------------------------------------------------------------------------------------------

WORKER = """
import sys, threading
from pathlib import Path
from smd_notebook.access.credentials import Credentials
from smd_notebook.access.custodian import Custodian
from smd_notebook.access.session import Session
from smd_notebook.access.tokens import FileStore, Tokens
at, ca, cert, key, folder, threads = sys.argv[1:]
custodian = Custodian(name="wire", token_endpoint=at + "/oauth/token", resource_endpoint=at + "/r", mutual_tls=True, ca_bundle=ca)
session = Session(custodian, Credentials("third-party", "CANARY-client-secret", cert, key), timeout=(300, 300))
tokens = Tokens(session, FileStore(folder), clock=lambda: 5000.0)
print("ready", flush=True)
for line in sys.stdin:
    got = []
    def ask():
        try:
            got.append(tokens.access("38475").access_token.reveal())
        except Exception as error:
            got.append(repr(error))
    all_of_them = [threading.Thread(target=ask) for _ in range(int(threads))]
    [one.start() for one in all_of_them]
    [one.join() for one in all_of_them]
    print(" ".join(sorted(set(got))), len(got), flush=True)
"""


def race(tmp_path: Path, rounds: int, processes: int = 2, threads: int = 8) -> Utility:
    """Have all ask for a token that has ended, again and again."""
    from tests.wire import folder

    utility, store = Utility(), FileStore(tmp_path / "tokens")
    with Server(utility) as server:
        where = [str(folder() / name) for name in ("ca.pem", "cert.pem", "key.pem")]
        command = [sys.executable, "-c", WORKER, server.url(), *where, str(tmp_path / "tokens"), str(threads)]
        workers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
        try:
            assert [one.stdout and one.stdout.readline() for one in workers] == ["ready\n"] * processes
            token = TOKEN
            for index in range(1, rounds + 1):
                kept(store, replace(token, expires_at=1000.0))
                for one in workers:
                    assert one.stdin
                    one.stdin.write("go\n")
                    one.stdin.flush()
                said = [one.stdout and one.stdout.readline() for one in workers]
                assert said == [f"CANARY-a{index} {threads}\n"] * processes
                found = store.get(KEY)
                assert found is not None
                token = found
        finally:
            for one in workers:
                assert one.stdin
                assert one.stdout
                one.stdin.close()
                one.wait(300)
                one.stdout.close()
    assert len(utility.grants) == rounds
    assert utility.refused == 0
    return utility


def test_of_all_who_ask_at_once_one_goes_to_the_utility(tmp_path: Path) -> None:
    race(tmp_path, 5)


@pytest.mark.prove
def test_of_all_who_ask_at_once_one_goes_to_the_utility_200_times(tmp_path: Path) -> None:
    race(tmp_path, 200)


def test_threads_of_one_process_share_a_memory_store() -> None:
    utility, got = Utility(), []  # type: ignore[var-annotated]
    with tokens_at(utility, kept(MemoryStore())) as tokens:
        threads = [threading.Thread(target=lambda: got.append(tokens.access("38475").access_token)) for _ in range(8)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert got == [Secret("CANARY-a1")] * 8
    assert len(utility.grants) == 1


KILLED = WORKER.replace(
    'print("ready", flush=True)', 'tokens.refresh("38475")\nprint("ready", flush=True)\nwhile True: tokens.refresh("38475")'
)


def kill(tmp_path: Path, times: int) -> None:
    """Kill somebody who refreshes without end at a random moment; whoever comes next finds a token that works.

    The utility notes which rotated token it has sent to the last byte; of those none may be lost, save one whose reply was still on its
    way when the process died.
    """
    from tests.wire import folder

    utility, store = Utility(), kept(FileStore(tmp_path / "tokens"))
    with Server(utility) as server, Session(custodian_at(server), credentials()) as session:
        where = [str(folder() / name) for name in ("ca.pem", "cert.pem", "key.pem")]
        for index in range(times):
            command = [sys.executable, "-c", KILLED, server.url(), *where, str(tmp_path / "tokens"), "1"]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
                assert one.stdout
                one.stdout.readline()
                with pytest.raises(subprocess.TimeoutExpired):
                    one.wait(0.05 + 0.0137 * (index % 10))
                one.kill()
            server.settle()  # what it had sent has arrived, or never does
            assert all(found.stat().st_mode & 0o077 == 0 for found in (tmp_path / "tokens").iterdir())
            with store.lock(KEY):
                found = store.get(KEY)
                assert found is not None
                assert found.refresh_token is not None
                with utility.guard:
                    held, sent = (int(text.rpartition("r")[2]) for text in (found.refresh_token.reveal(), utility.valid))
                    assert sent - held in (0, 1), "only a reply that was on its way can be missing"
                    utility.valid = found.refresh_token.reveal()
                    assert held > index, "each has refreshed at least once"
        Tokens(session, store, clock=lambda: 5000.0).refresh("38475")
    assert utility.refused == 0


def test_a_kill_loses_no_token(tmp_path: Path) -> None:
    kill(tmp_path, 2)


@pytest.mark.prove
def test_fifty_kills_lose_no_token(tmp_path: Path) -> None:
    kill(tmp_path, 50)
