"""Notifications arrive by every road, once, and what is none does no harm."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import requests
import trustme

from smd_notebook.access import listener
from smd_notebook.access.inbox import Directory, Inbox, LocalHttps, Paste, PollUrl
from smd_notebook.access.notices import notified
from smd_notebook.errors import ConfigurationError, Network, ReadError, SmdWarning
from smd_notebook.espi.resources import Secret

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
    inbox = Directory(tmp_path)
    assert inbox.wait(0) == []
    assert path.exists()
    os.utime(path, (0, time.time() - 60))
    with pytest.warns(SmdWarning, match="1.xml .* is no notification"):
        assert inbox.wait(0) == []
    assert [one.name for one in (tmp_path / "refused").iterdir()] == ["1.xml"]
    with pytest.raises(ConfigurationError, match="there is no folder"):
        Directory(tmp_path / "nowhere")


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
    with inbox:
        assert [notice.addresses for notice in inbox.wait(0)] == [(ONE, TWO), (TWO,)]
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
    authority.cert_pem.write_to_path(paths["ca"])
    return paths


def post(port: int, ca: Path, path: str, body: bytes, headers: dict[str, str] | None = None, method: str = "POST") -> int:
    connection = http.client.HTTPSConnection("localhost", port, context=ssl.create_default_context(cafile=str(ca)), timeout=5)
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
    monkeypatch.setattr(listener, "_LONGEST", 0.5)
    monkeypatch.setattr(listener, "_MOST_AT_ONCE", 2)
    monkeypatch.setattr(listener, "_MOST_WAITING", 1)
    context = ssl.create_default_context(cafile=str(files["ca"]))
    with LocalHttps(files["certificate"], files["key"], port=0, host="127.0.0.1") as inbox:

        def connect() -> ssl.SSLSocket:
            return context.wrap_socket(socket.create_connection(("127.0.0.1", inbox.port), timeout=5), server_hostname="localhost")

        with connect() as slow, connect():
            with pytest.raises(OSError, match=r"."):
                connect().close()  # a third finds no room

            def trickle() -> None:
                for _ in range(100):  # a byte at a time, for ever
                    slow.sendall(b"P")
                    time.sleep(0.05)

            with pytest.raises(OSError, match=r"."):
                trickle()
        time.sleep(0.6)
        assert post(inbox.port, files["ca"], "/", batch_list(ONE).encode()) == 200
        assert post(inbox.port, files["ca"], "/", batch_list(TWO).encode()) == 503  # nobody has asked for the first
        assert [notice.addresses for notice in inbox.wait(0)] == [(ONE,)]


def test_a_listener_may_ask_for_a_certificate(files: dict[str, Path]) -> None:
    with LocalHttps(files["certificate"], files["key"], port=0, host="127.0.0.1", client_ca=files["ca"]) as inbox:
        with pytest.raises(OSError):  # noqa: PT011 - TLS 1.3 tells it at the handshake or at the first byte, by platform
            post(inbox.port, files["ca"], "/", batch_list(ONE).encode())
        assert inbox.wait(0) == []


def test_a_listener_that_cannot_be(files: dict[str, Path]) -> None:
    with pytest.raises(ConfigurationError, match="cannot be used"):
        LocalHttps(files["ca"], files["key"])
    with LocalHttps(files["certificate"], files["key"], port=0, host="127.0.0.1") as first:
        second = LocalHttps(files["certificate"], files["key"], port=first.port, host="127.0.0.1")
        with pytest.raises(ConfigurationError, match=f"cannot listen at port {first.port}"):
            second.__enter__()


class Relay(BaseHTTPRequestHandler):
    """What the page on inboxes says that a relay does."""

    bodies: ClassVar[list[str]] = []
    answer: tuple[int, bytes] | None = None

    def do_GET(self) -> None:
        after = int(self.path.partition("after=")[2])
        kept = [{"id": number, "body": body} for number, body in enumerate(self.bodies, 1) if number > after]
        status, body = self.answer or (200, json.dumps(kept).encode())
        if self.headers["Authorization"] != "Bearer open sesame":
            status = 403
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def relay() -> Iterator[str]:
    Relay.bodies, Relay.answer = [], None
    server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/notices"
    server.shutdown()
    server.server_close()


def test_a_relay_is_asked_for_what_is_new(relay: str) -> None:
    inbox = PollUrl(relay, Secret("open sesame"), every=0)
    Relay.bodies = [batch_list(ONE)]
    with inbox:
        assert [notice.addresses for notice in inbox.wait(0)] == [(ONE,)]
        assert inbox.wait(0) == []
        Relay.bodies.extend(["<html/>", batch_list(TWO)])
        with pytest.warns(SmdWarning, match="no notification"):
            assert [notice.addresses for notice in inbox.wait(0)] == [(TWO,)]
    assert "sesame" not in repr(inbox)


def test_a_relay_that_fails(relay: str) -> None:
    with pytest.raises(Network, match="answered 403"):
        PollUrl(relay, Secret("wrong")).wait(0)
    Relay.answer = (200, b"<html>")
    with pytest.raises(Network, match="something else"):
        PollUrl(relay, Secret("open sesame")).wait(0)
    with pytest.raises(Network, match="cannot be reached"):
        PollUrl("http://127.0.0.1:9/", Secret("x")).wait(0)
    with pytest.raises(ConfigurationError, match="https"):
        PollUrl("http://relay.example/", Secret("x"))


def test_the_relay_of_the_page_works_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                at = f"http://127.0.0.1:{server.server_port}"
                inbox = PollUrl(f"{at}/notices", Secret("open sesame"), every=0)
                assert inbox.wait(0) == []
                for path, status in (("/notify/7f3a", 200), ("/notify/wrong", 404)):
                    assert requests.post(at + path, batch_list(ONE, TWO), timeout=5).status_code == status
                assert requests.post(at + "/notify/7f3a", b"x" * 100_001, timeout=5).status_code == 413
                assert [notice.addresses for notice in inbox.wait(0)] == [(ONE, TWO)]
                assert inbox.wait(0) == []
                with pytest.raises(Network, match="403"):
                    PollUrl(f"{at}/notices", Secret("wrong")).wait(0)
            finally:
                server.shutdown()
                thread.join()
        assert (tmp_path / "relay.db").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)
