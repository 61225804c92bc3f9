"""`rote serve` answers the browser of whoever started it, and nobody and nothing else."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.site.conftest import NUM_RUNS
from tests.site.planted import serving

from rote.ledger.store import Store
from rote.site.access import REFUSAL
from rote.site.server import open_in_browser


@dataclass
class Ask:
    """A browser that has been let in."""

    connection: http.client.HTTPConnection
    token: str
    port: int

    @property
    def cookie(self) -> str:
        return f"rote-{self.port}={self.token}"


@pytest.fixture
def ask(outputs: Path) -> Iterator[Ask]:
    with serving(outputs) as server:
        connection = http.client.HTTPConnection(*server.server_address[:2])
        yield Ask(connection, server.address.partition("?token=")[2], server.server_address[1])
        connection.close()


def get(ask: Ask, path: str, method: str = "GET", **headers: str) -> tuple[int, dict, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    ask.connection.request(method, path, headers={"Cookie": ask.cookie, **named})
    answer = ask.connection.getresponse()
    return answer.status, dict(answer.headers), answer.read()


def test_only_the_printed_address_lets_in(ask: Ask) -> None:
    wrong = ask.token[:-1] + ("a" if ask.token[-1] != "a" else "b")
    for path in ("/", "/data/sweeps/many.js", "/live/index.json", f"/?token={wrong}", "/?token="):
        for cookie in ("", f"rote-{ask.port}={wrong}", f"rote-1={ask.token}", "\xff=\xff"):
            status, headers, body = get(ask, path, Cookie=cookie)
            assert (status, "Set-Cookie" in headers) == (403, False)
            assert body == REFUSAL.encode()
    assert len(ask.token) >= 43


def test_the_address_leaves_a_cookie_and_goes_on_without_the_token(ask: Ask) -> None:
    status, headers, body = get(ask, f"/sweeps/many.html?token={ask.token}", Cookie="")
    assert status == 200
    assert headers["Set-Cookie"] == f"{ask.cookie}; HttpOnly; SameSite=Strict; Path=/"
    assert headers["Refresh"] == "0; url=/sweeps/many.html"
    assert headers["Cache-Control"] == "no-store"
    assert ask.token.encode() not in body
    for path in ("//evil.example/", "/%5C%5Cevil.example/", "/\\evil.example/"):
        onward = get(ask, f"{path}?token={ask.token}")[1]["Refresh"]
        assert onward == "0; url=/evil.example/"


def test_a_tunnel_from_another_port_has_a_cookie_of_its_own(ask: Ask) -> None:
    headers = get(ask, f"/?token={ask.token}", Host="localhost:9999", Cookie="")[1]
    assert headers["Set-Cookie"].startswith(f"rote-9999={ask.token};")
    others = 'rote-8421=another; app={"a": "b;c"}; '
    cookie = f"{others}rote-9999={ask.token}"
    assert get(ask, "/", Host="localhost:9999", Cookie=cookie)[0] == 200
    assert get(ask, "/", Host="localhost:9998", Cookie=cookie)[0] == 403


def test_the_browser_is_sent_through_a_file_that_only_we_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr("webbrowser.open", seen.append)
    with open_in_browser("http://127.0.0.1:1/?token=secret", tmp_path):
        (page,) = tmp_path.iterdir()
        assert page.stat().st_mode & 0o777 == 0o600
        assert "url=http://127.0.0.1:1/?token=secret" in page.read_text()
    assert seen == [page.as_uri()]
    assert not page.exists()
    with open_in_browser("http://127.0.0.1:1/?token=secret", tmp_path / "none"):
        assert seen == [page.as_uri()]


def test_pages_and_data_are_those_of_the_files(ask: Ask, site: Path) -> None:
    for path, kind in (
        ("data/sweeps/many.js", "text/javascript; charset=utf-8"),
        ("assets/style.css", "text/css; charset=utf-8"),
        ("reports/many.html", "text/html; charset=utf-8"),
        ("reports/many/main.png", "image/png"),
    ):
        status, headers, body = get(ask, f"/{path}")
        assert (status, body) == (200, (site.parent / path).read_bytes())
        assert headers["Content-Type"] == kind
    status, headers, body = get(ask, "/")
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert b'data-live="yes"' in body


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd", "/assets/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd", "/reports/../../runs", "/reports/..%2f..%2fsecret.html",
        "/assets/%00", "/data/runs/..%2f..%2f..%2fsecret.js", "/live/runs/..%2f..%2fsecret.json",
        "/live/sweeps/nothing.json", "/assets/data.js/..", "/runs", "/live/",
    ],
)  # fmt: skip
def test_nothing_but_its_own_files_is_answered(ask: Ask, outputs: Path, path: str) -> None:
    for secret in ("secret.html", "secret.js", "secret.json"):
        (outputs.parent / secret).write_text("secret")
    status, _, body = get(ask, path)
    assert (status, body) == (404, b"no such page")


def test_a_page_elsewhere_gets_nothing(ask: Ask) -> None:
    for name in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
        status, _, body = get(ask, "/data/sweeps/many.js", Host=name)
        assert (status, body) == (403, b"not by this name")
    status, headers, _ = get(ask, "/data/sweeps/many.js", Host=f"localhost:{ask.port}")
    assert status == 200
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "script-src 'self';" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert get(ask, "/", "POST")[0] == 501


def test_progress_is_told_once_and_then_not_again(ask: Ask, outputs: Path) -> None:
    status, headers, body = get(ask, "/live/sweeps/many.json")
    told = json.loads(body)
    assert status == 200
    assert told["counts"] == {"done": NUM_RUNS - 2, "running": 0, "failed": 2, "left": 0}
    assert [state for _, state, _ in told["states"]] == ["failed", "damaged"]
    again = get(ask, "/live/sweeps/many.json", If_None_Match=headers["ETag"])
    assert (again[0], again[2]) == (304, b"")
    run_id = told["states"][0][0]
    run = json.loads(get(ask, f"/live/runs/{run_id}.json")[2])
    assert run["reason"] == "Diverged: the loss is 17"
    assert Store(outputs).run(run_id).failure() is not None
    assert json.loads(get(ask, "/live/index.json")[2])["many"] == told["counts"]


def test_head_has_no_body(ask: Ask) -> None:
    status, headers, body = get(ask, "/", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 0


def test_it_listens_to_this_machine_alone(outputs: Path) -> None:
    with serving(outputs) as server:
        assert server.server_address[0] == "127.0.0.1"


def serve(outputs: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rote", "serve", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "ROTE_OUTPUTS": str(outputs)},
    )  # fmt: skip


def test_a_taken_port_is_one_clear_line(outputs: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = serve(outputs, "--port", str(port))
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    told = f"rote: port {port} of 127.0.0.1 is taken: rote serve --port 0 takes a free one\n"
    assert errors == told


def test_ctrl_c_ends_it_well(outputs: Path) -> None:
    process = serve(outputs, "--port", "0")
    assert process.stdout is not None
    assert re.match(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}  \(", process.stdout.readline())
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (0, "ended\n", "")


def test_no_folder_is_one_clear_line(tmp_path: Path) -> None:
    process = serve(tmp_path / "none", "--port", "0")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "there is no outputs folder" in errors
