"""`rote serve` answers this machine's browser, and nobody and nothing else."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.site.conftest import NUM_RUNS

from rote.ledger.store import Store
from rote.site.server import Server

Ask = http.client.HTTPConnection


@pytest.fixture
def ask(outputs: Path) -> Iterator[Ask]:
    server = Server(outputs, port=0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    connection = http.client.HTTPConnection(*server.server_address[:2])
    yield connection
    connection.close()
    server.shutdown()
    server.server_close()


def get(ask: Ask, path: str, method: str = "GET", **headers: str) -> tuple[int, dict, bytes]:
    ask.request(method, path, headers={name.replace("_", "-"): v for name, v in headers.items()})
    answer = ask.getresponse()
    return answer.status, dict(answer.headers), answer.read()


def test_pages_and_data_are_those_of_the_files(ask: Ask, site: Path) -> None:
    for path in ("data/sweeps/many.js", "assets/style.css", "reports/many.html"):
        status, _, body = get(ask, f"/{path}")
        assert (status, body) == (200, (site.parent / path).read_bytes())
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
    status, headers, _ = get(ask, "/data/sweeps/many.js", Host="localhost:9999")
    assert status == 200
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "script-src 'self';" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert get(ask, "/", "POST")[0] == 501


def test_progress_is_told_once_and_then_not_again(ask: Ask, outputs: Path) -> None:
    status, headers, body = get(ask, "/live/sweeps/many.json")
    told = json.loads(body)
    assert status == 200
    assert told["counts"] == {"done": NUM_RUNS - 1, "running": 0, "failed": 1, "left": 0}
    assert [state for _, state, _ in told["states"]] == ["failed"]
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
    with Server(outputs, port=0) as server:
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
    assert process.stdout.readline().startswith("http://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (0, "ended\n", "")


def test_no_folder_is_one_clear_line(tmp_path: Path) -> None:
    process = serve(tmp_path / "none", "--port", "0")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "there is no outputs folder" in errors
