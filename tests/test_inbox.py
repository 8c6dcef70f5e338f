"""Notifications arrive by every road, once, and what is none does no harm."""

from __future__ import annotations

import http.client
import json
import logging
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import trustme

import smd_notebook as smd
from smd_notebook.access import listener
from smd_notebook.access.inbox import Directory, Inbox, LocalHttps, Paste, PollUrl
from smd_notebook.access.notices import notified
from smd_notebook.access.transport import OriginAdapter
from smd_notebook.errors import ConfigurationError, FindingError, Network, ReadError, SmdWarning
from smd_notebook.espi.resources import Secret
from tests.wire import Answer, Request, Server, folder, reply, shown_by

ONE = "https://utility.example/resource/Batch/Bulk/1?correlationID=a"
TWO = "https://utility.example/resource/Batch/Bulk/1?correlationID=b"


def batch_list(*addresses: str, prefix: str = "ns0:") -> str:
    namespace = f"xmlns{':' + prefix[:-1] if prefix else ''}='http://naesb.org/espi'"
    inside = "".join(f"<{prefix}resources>{one.replace('&', '&amp;')}</{prefix}resources>" for one in addresses)
    return f"<{prefix}BatchList {namespace}>{inside}</{prefix}BatchList>"


def in_feed(*lists: str) -> str:
    entries = "".join(f"<entry><id>urn:uuid:1</id><content type='xml'>{one}</content></entry>" for one in lists)
    return f"<feed xmlns='http://www.w3.org/2005/Atom'>{entries}</feed>"


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        (batch_list(ONE), (ONE,)),
        (batch_list(ONE, TWO, ONE, prefix=""), (ONE, TWO)),
        (batch_list("https://utility.example/Batch?a=1&b=2"), ("https://utility.example/Batch?a=1&b=2",)),
        (in_feed(batch_list(ONE)), (ONE,)),
        (in_feed(batch_list(ONE), batch_list(TWO, prefix="")), (ONE, TWO)),
    ],
)
def test_notifications_as_utilities_write_them(text: str, addresses: tuple[str, ...]) -> None:
    assert notified(text.encode()) == addresses


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"<html/>",
        batch_list().encode(),
        batch_list(" ").encode(),
        batch_list(ONE)[:-5].encode(),
        b"<!DOCTYPE x [<!ENTITY e 'https://utility.example/'>]>" + batch_list("&e;").encode(),
        batch_list(*(f"https://utility.example/{n}" for n in range(1001))).encode(),
        batch_list(ONE).encode() + b" " * (1 << 20),
    ],
)
def test_what_is_no_notification_is_refused(body: bytes) -> None:
    with pytest.raises(ReadError):
        notified(body)


def test_a_folder_hands_out_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "1.xml").write_text(batch_list(ONE))
    (tmp_path / "2.xml").write_text(batch_list(TWO))
    (tmp_path / ".3.xml").write_text(batch_list(ONE))
    (tmp_path / "4.xml.part").write_text(batch_list(ONE))
    inbox = Directory(tmp_path)
    assert isinstance(inbox, Inbox)
    with inbox:
        assert [notice.addresses for notice in inbox.wait(0)] == [(ONE,), (TWO,)]
        assert inbox.wait(0) == []
        (tmp_path / "1.xml").write_text(batch_list(TWO))  # another one under the same name
        assert [notice.addresses for notice in inbox.wait(0)] == [(TWO,)]
    assert len(list((tmp_path / "taken").iterdir())) == 3
    assert Directory(tmp_path).wait(0) == []


def test_a_folder_gives_half_a_file_time(tmp_path: Path) -> None:
    path = tmp_path / "1.xml"
    path.write_text(batch_list(ONE)[:-5])
    os.utime(path, (0, time.time() + 600))  # as new as can be, however long this takes
    inbox = Directory(tmp_path)
    assert inbox.wait(0) == []
    assert path.exists()
    os.utime(path, (0, time.time() - 60))
    with pytest.warns(SmdWarning, match="1.xml .* is no notification") as caught:
        assert inbox.wait(0) == []
    assert caught[0].filename == __file__
    assert [one.name for one in (tmp_path / "refused").iterdir()] == ["1.xml"]
    with pytest.raises(ConfigurationError, match="there is no folder"):
        Directory(tmp_path / "nowhere")


def test_a_folder_takes_no_file_of_any_size(tmp_path: Path) -> None:
    with (tmp_path / "1.xml").open("wb") as file:
        file.truncate(1 << 35)  # 32 GiB of nothing
    os.utime(tmp_path / "1.xml", (0, time.time() - 60))
    with pytest.warns(SmdWarning, match="1.xml .* more than 1,048,576 bytes"):
        assert Directory(tmp_path).wait(0) == []
    assert [one.name for one in (tmp_path / "refused").iterdir()] == ["1.xml"]


@pytest.mark.parametrize("method", ["open", "rename"])
def test_a_folder_whose_files_are_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """A web server's script writes as another user."""
    (tmp_path / "1.xml").write_text(batch_list(ONE))

    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, method, refuse)
    with pytest.raises(ConfigurationError, match=r"1.xml .* cannot be .* \(Permission denied\)"):
        Directory(tmp_path).wait(0)
    monkeypatch.undo()
    assert len(Directory(tmp_path).wait(0)) == 1  # nothing is lost


def test_two_notebooks_share_a_folder_without_taking_a_notice_twice(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"{number}.xml").write_text(batch_list(f"https://utility.example/{number}"))
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.extend(n.addresses[0] for n in Directory(tmp_path).wait(0))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(f"https://utility.example/{number}" for number in range(200))


def test_what_a_person_pastes() -> None:
    inbox = Paste()
    inbox.paste(f" {ONE}\n{TWO} ")
    inbox.paste(batch_list(TWO))
    inbox.paste(batch_list(ONE).encode())
    inbox.paste(f"{TWO}\n".encode())
    with inbox:
        assert [notice.addresses for notice in inbox.wait(0)] == [(ONE, TWO), (TWO,), (ONE,), (TWO,)]
        assert inbox.wait(0) == []
    with pytest.raises(ReadError):
        inbox.paste("what?")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> dict[str, Path]:
    own = authority.issue_cert("localhost", "127.0.0.1", key_type=trustme.KeyType.ECDSA)
    paths = {"certificate": tmp_path / "own.pem", "key": tmp_path / "own.key", "ca": tmp_path / "ca.pem"}
    paths["certificate"].write_bytes(own.cert_chain_pems[0].bytes())
    paths["key"].write_bytes(own.private_key_pem.bytes())
    paths["key"].chmod(0o600)
    authority.cert_pem.write_to_path(paths["ca"])
    return paths


def post(port: int, ca: Path, path: str, body: bytes, headers: dict[str, str] | None = None, method: str = "POST") -> int:
    connection = http.client.HTTPSConnection("localhost", port, context=ssl.create_default_context(cafile=str(ca)), timeout=300)
    try:
        connection.request(method, path, body, headers or {})
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_listener_takes_notifications_and_nothing_else(files: dict[str, Path], capfd: pytest.CaptureFixture[str]) -> None:
    inbox = LocalHttps(files["certificate"], files["key"], port=0, host="127.0.0.1", path="/notify-7f3a")
    with inbox:
        port, ca = inbox.port, files["ca"]
        assert post(port, ca, "/notify-7f3a", batch_list(ONE).encode()) == 200
        assert post(port, ca, "/notify-7f3a?x=1", in_feed(batch_list(TWO)).encode()) == 200
        assert post(port, ca, "/", batch_list(ONE).encode()) == 404
        assert post(port, ca, "/notify-7f3a", b"<html/>") == 400
        assert post(port, ca, "/notify-7f3a", b"", {"Content-Length": "99999999"}) == 413
        assert post(port, ca, "/notify-7f3a", b"", {"Content-Length": "-1"}) == 411
        assert post(port, ca, "/notify-7f3a", b"", method="GET") == 501
        assert [notice.addresses for notice in inbox.wait(1)] == [(ONE,), (TWO,)]
        assert inbox.wait(0) == []
    with pytest.raises(OSError, match=r"refused"):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    assert capfd.readouterr() == ("", "")


def test_who_stalls_keeps_nobody_waiting(files: dict[str, Path]) -> None:
    with LocalHttps(files["certificate"], files["key"], port=0, host="127.0.0.1") as inbox:
        with socket.create_connection(("127.0.0.1", inbox.port)) as stalled:
            stalled.sendall(b"\x16")  # begins a handshake, and never goes on
            assert post(inbox.port, files["ca"], "/", batch_list(ONE).encode()) == 200
        assert len(inbox.wait(1)) == 1


def test_a_listener_bounds_what_strangers_take(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_MOST_AT_ONCE", 2)
    monkeypatch.setattr(listener, "_MOST_WAITING", 1)
    context = ssl.create_default_context(cafile=str(files["ca"]))
    with LocalHttps(files["certificate"], files["key"], port=0, host="127.0.0.1") as inbox:

        def connect() -> ssl.SSLSocket:
            return context.wrap_socket(socket.create_connection(("127.0.0.1", inbox.port), timeout=300), server_hostname="localhost")

        def trickle(slow: ssl.SSLSocket) -> None:
            for _ in range(6000):  # a byte at a time, for ever
                slow.sendall(b"P")
                time.sleep(0.05)

        def with_room(ask: Callable[[], Any]) -> Any:
            while True:  # until those before have left
                with suppress(OSError):
                    return ask()
                time.sleep(0.01)

        def send(address: str) -> int:
            return int(with_room(lambda: post(inbox.port, files["ca"], "/", batch_list(address).encode())))

        with connect(), connect(), pytest.raises(OSError, match=r"."):
            connect().close()  # a third finds no room
        monkeypatch.setattr(listener, "_LONGEST", 0.5)
        with with_room(connect) as slow, pytest.raises(OSError, match=r"."):
            trickle(slow)
        monkeypatch.setattr(listener, "_LONGEST", 300)
        assert send(ONE) == 200
        assert send(TWO) == 503  # nobody has asked for the first
        assert [notice.addresses for notice in inbox.wait(0)] == [(ONE,)]


def test_a_listener_may_ask_for_a_certificate(files: dict[str, Path], authority: trustme.CA) -> None:
    """Of an authority that everybody gets certificates from, only what is the utility's."""

    def send(*names: str, common: str | None = None) -> tuple[int, int]:
        context = ssl.create_default_context(cafile=str(files["ca"]))
        if names:
            authority.issue_cert(*names, common_name=common, key_type=trustme.KeyType.ECDSA).configure_cert(context)
        own = {"port": 0, "host": "127.0.0.1", "client_ca": files["ca"], "client_names": ["api.utility.example"]}
        with LocalHttps(files["certificate"], files["key"], **own) as inbox:  # type: ignore[arg-type]
            connection = http.client.HTTPSConnection("localhost", inbox.port, context=context, timeout=300)
            try:
                connection.request("POST", "/", batch_list(ONE).encode())
                return connection.getresponse().status, len(inbox.wait(0))
            finally:
                connection.close()

    assert send("API.utility.example") == (200, 1)
    assert send("other.example", common="api.utility.example") == (200, 1)
    assert send("stranger.example", common="api.utility.example.stranger.example") == (403, 0)
    with pytest.raises(OSError):  # noqa: PT011 - TLS 1.3 tells it at the handshake or at the first byte, by platform
        send()


@pytest.mark.parametrize("path", ["notify-7f3a", "", "https://lab.example/notify-7f3a"])
def test_a_path_that_never_matches_is_refused(files: dict[str, Path], path: str) -> None:
    with pytest.raises(ConfigurationError, match="does not begin with /"):
        LocalHttps(files["certificate"], files["key"], path=path)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_key_that_everybody_may_read_is_refused(files: dict[str, Path]) -> None:
    files["key"].chmod(0o644)
    with pytest.raises(ConfigurationError, match=r"everybody may read the private key own\.key"):
        LocalHttps(files["certificate"], files["key"])


def test_an_inbox_for_everybody_is_told(files: dict[str, Path]) -> None:
    pair = files["certificate"], files["key"]
    for host in ("0.0.0.0", "", "::", "192.0.2.1", "lab.example"):
        with pytest.warns(SmdWarning, match="everybody who finds the port"):
            LocalHttps(*pair, host=host)
    LocalHttps(*pair, path="/notify-7f3a")
    LocalHttps(*pair, client_ca=files["ca"], client_names=["api.utility.example"])
    for host in ("127.0.0.1", "localhost", "::1"):
        LocalHttps(*pair, host=host)


def test_an_authority_alone_lets_in_nobody(files: dict[str, Path]) -> None:
    for given in ({"client_ca": files["ca"]}, {"client_names": ["api.utility.example"]}):
        with pytest.raises(ConfigurationError, match="go together"):
            LocalHttps(files["certificate"], files["key"], **given)  # type: ignore[arg-type]


def test_a_listener_that_cannot_be(files: dict[str, Path]) -> None:
    with pytest.raises(ConfigurationError, match="cannot be used"):
        LocalHttps(files["ca"], files["key"])
    with LocalHttps(files["certificate"], files["key"], port=0, host="127.0.0.1") as first:
        second = LocalHttps(files["certificate"], files["key"], port=first.port, host="127.0.0.1")
        with pytest.raises(ConfigurationError, match=f"cannot listen at port {first.port}"):
            second.__enter__()


class Relay:
    """What the page on inboxes says that a relay does; a test may have it answer otherwise."""

    def __init__(self) -> None:
        self.server = Server(self.answer, mutual=False)
        self.bodies: list[str] = []
        self.other: Answer | None = None

    def answer(self, request: Request) -> Answer:
        after = int(request.path.partition("after=")[2])
        kept = [{"id": number, "body": body} for number, body in enumerate(self.bodies, 1) if number > after]
        known = request.headers.get("authorization") == "Bearer open-sesame"
        return self.other or (reply(200, json.dumps(kept), Set_Cookie="a=b") if known else reply(403))

    def inbox(self, token: Secret | str = "open-sesame") -> PollUrl:
        return PollUrl(self.server.url("/notices"), token, ca_bundle=folder() / "ca.pem", every=0)


@pytest.fixture
def relay() -> Iterator[Relay]:
    one = Relay()
    with one.server:
        yield one


def test_a_relay_is_asked_for_what_is_new(relay: Relay, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    inbox = relay.inbox(Secret("open-sesame"))
    relay.bodies = [batch_list(ONE)]
    with inbox:
        assert [notice.addresses for notice in inbox.wait(0)] == [(ONE,)]
        assert inbox.wait(0) == []
        relay.bodies.extend(["<html/>", batch_list(TWO)])
        with pytest.warns(SmdWarning, match="no notification") as caught:
            assert [notice.addresses for notice in inbox.wait(0)] == [(TWO,)]
        assert caught[0].filename == __file__
    assert "sesame" not in repr(inbox) + caplog.text
    assert not any("cookie" in one.headers for one in relay.server.requests)


def test_a_relay_that_fails(relay: Relay) -> None:
    with pytest.raises(Network, match="answered 403") as caught:
        relay.inbox("wrong").wait(0)
    assert "the token and the address" in caught.value.hint
    answers: list[tuple[Answer, str]] = [
        (reply(200, "<html>"), "something else"),
        (reply(200, "[" * 100_000), "something else"),
        (reply(200, "[" + " " * (1 << 24) + "]"), "larger than is safe"),
        (iter([b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n["]), "broke before the reply was whole"),
    ]
    for relay.other, says in answers:
        with pytest.raises(Network, match=says):
            relay.inbox().wait(0)
    with pytest.raises(Network, match="no connection"):
        PollUrl("https://127.0.0.1:9/", "x").wait(0)
    with pytest.raises(Network, match="not trusted"):
        PollUrl(relay.server.url(), "x").wait(0)
    with pytest.raises(ConfigurationError, match="https"):
        PollUrl("http://127.0.0.1/", "x")


def test_what_is_no_notification_costs_nobody_the_others(relay: Relay, tmp_path: Path) -> None:
    """Where warnings are errors as well."""
    relay.bodies = [batch_list(ONE), "<html/>", batch_list(TWO)]
    for name, body in zip("abc", relay.bodies, strict=True):
        (tmp_path / name).write_text(body)
        os.utime(tmp_path / name, (0, 0))
    for inbox in (relay.inbox(), Directory(tmp_path)):
        with smd.strict(), pytest.raises(FindingError, match="no notification"):
            inbox.wait(0)
        assert [notice.addresses for notice in inbox.wait(0)] == [(ONE,), (TWO,)]


def test_a_relay_that_makes_no_sense(relay: Relay) -> None:
    relay.other = reply(200, '[{"id": 1e999, "body": ""}]')
    with pytest.raises(Network, match="something else"):
        relay.inbox().wait(0)
    relay.other = reply(200, json.dumps([{"id": 1, "body": "\ud800"}, {"id": 2, "body": batch_list(ONE)}]))
    with pytest.warns(SmdWarning, match="no notification"):
        assert [notice.addresses for notice in relay.inbox().wait(0)] == [(ONE,)]


def test_an_interrupt_shows_no_relays_token(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OriginAdapter, "send", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt) as caught:
        relay.inbox().wait(0)
    assert "sesame" not in shown_by(caught.value)


def test_a_relays_token_goes_nowhere_else(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder() / "key.pem"))
    with Server(lambda _: reply(200, "[]"), mutual=False) as foreign:
        relay.other = reply(302, Location=foreign.url("/notices"))
        with pytest.raises(Network, match="answered 302"):
            relay.inbox().wait(0)
        assert foreign.requests == []


def test_the_relay_of_the_page_works_as_it_stands(files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[1] / "docs/self-access.md").read_text(encoding="utf-8")
    (program,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "def application" in block)
    for name, value in {"RELAY_TOKEN": "open sesame", "RELAY_PATH": "/notify/7f3a", "RELAY_FILE": str(tmp_path / "relay.db")}.items():
        monkeypatch.setenv(name, value)
    before = os.umask(0o022)
    try:
        names: dict[str, Any] = {}
        exec(compile(program, "relay.py", "exec"), names)

        class Quiet(WSGIRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

        with make_server("127.0.0.1", 0, names["application"], handler_class=Quiet) as server:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(files["certificate"], files["key"])
            server.socket = context.wrap_socket(server.socket, server_side=True)
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                port, ca = server.server_port, files["ca"]
                inbox = PollUrl(f"https://localhost:{port}/notices", "open sesame", ca_bundle=ca, every=0)
                assert inbox.wait(0) == []
                sent = batch_list(ONE, TWO).encode()
                for path, status in (("/notify/7f3a", 200), ("/notify/wrong", 404)):
                    assert post(port, ca, path, sent) == status
                lengths = {"100001": 413, "9" * 5000: 413, "-1": 411, "": 411, "ten": 411}
                assert {one: post(port, ca, "/notify/7f3a", b"", {"Content-Length": one}) for one in lengths} == lengths
                assert [notice.addresses for notice in inbox.wait(0)] == [(ONE, TWO)]
                assert inbox.wait(0) == []
                with pytest.raises(Network, match="403"):
                    PollUrl(f"https://localhost:{port}/notices", "wrong", ca_bundle=ca).wait(0)
                shown = {"Authorization": "Bearer open sesame"}
                for after in ("x", "-1", "9" * 5000):
                    assert post(port, ca, f"/notices?after={after}", b"", shown, method="GET") == 200
                monkeypatch.setitem(names, "MOST", 25)  # room for so many: the oldest go
                for number in range(30):
                    assert post(port, ca, "/notify/7f3a", batch_list(f"https://utility.example/{number}").encode()) == 200
                found = [notice.addresses[0] for _ in range(3) for notice in inbox.wait(0)]
                assert found == [f"https://utility.example/{number}" for number in range(5, 30)]
            finally:
                server.shutdown()
                thread.join()
        assert (tmp_path / "relay.db").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)
