"""Serve the site over http to one account of this machine, and open it in a browser.

Pages are made on demand and show progress as it happens. The address is not visible to others.
"""

import errno
import json
import os
import secrets
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from rote.core.checks import require_whole
from rote.io.write import sha256
from rote.site.access import REFUSAL, Access
from rote.site.html import counts
from rote.site.site import Site, live_sweep

ADDRESS = "127.0.0.1"
MOMENT_SECONDS = 1.0  # how long a view of the folder counts as current
# A foreign page whose name resolves to this address must not read ours (DNS rebinding).
NAMES = ("127.0.0.1", "localhost")
KINDS = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
    "png": "image/png",
    "csv": "text/csv; charset=utf-8",
}
HEADERS = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Data are scripts, which any page could load.
    "Cross-Origin-Resource-Policy": "same-origin",
    # plotly and reports have inline styles. Nothing else may run, and nothing leaves the page.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; connect-src 'self'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}


class Responses:
    """Page contents by path; one thread at a time looks at the folder."""

    def __init__(self, outputs: Path) -> None:
        self._site = Site(outputs, is_live=True)
        self._lock = threading.Lock()
        self._tables: dict[str, tuple[str, bytes]] = {}
        self._seen = float("-inf")

    def __call__(self, path: str) -> bytes | None:
        """Return the page, or None if there is no such page."""
        with self._lock:
            self.look()
            if path.startswith("live/"):
                return self._live(path.removeprefix("live/").removesuffix(".json").split("/"))
            return self._file(path or "index.html")

    def look(self) -> None:
        """Update the state of every run, unless it is current."""
        if time.monotonic() - self._seen > MOMENT_SECONDS:
            self._site.refresh()
            self._seen = time.monotonic()

    def _live(self, words: list[str]) -> bytes | None:
        site = self._site
        match words:
            case ["index"]:
                answer: Any = {name: counts(sweep) for name, sweep in site.sweeps.items()}
            case ["sweeps", name] if name in site.sweeps:
                answer = live_sweep(site, name)
            case ["runs", run_id] if run_id in site.runs:
                answer = site.run_data([run_id])[run_id]
            case _:
                return None
        return json.dumps(answer, allow_nan=False).encode()

    def _file(self, path: str) -> bytes | None:
        make = self._site.files().get(path)
        if make is None:
            return None
        name = path.removeprefix("data/sweeps/").removesuffix(".js")
        if not path.startswith("data/sweeps/"):
            return make()
        seen = self._site.stamp(name)
        if name not in self._tables or self._tables[name][0] != seen:
            self._tables[name] = (seen, make())
        return self._tables[name][1]


Api = Callable[[str], tuple[HTTPStatus, bytes]]  # from a path below /api/ to status and JSON
API = "/api/"


class Server(ThreadingHTTPServer):
    """Listens from its creation; ``serve_forever`` answers. ``api`` answers programs."""

    daemon_threads = True

    def __init__(self, outputs: Path, *, port: int, api: Api) -> None:
        """Listen on a port, 0 for any free one; raises ValueError if it is taken or not allowed."""
        require_whole("port", port, least=0, most=65535)
        self.answers, self.api = Responses(outputs), api
        self.admission = Access()
        try:
            super().__init__((ADDRESS, port), Handler)
        except PermissionError as error:
            raise ValueError(f"port {port} is not for everybody: rote serve --port 8421") from error
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise ValueError(
                f"port {port} of {ADDRESS} is taken: rote serve --port 0 takes a free one"
            ) from error

    @property
    def address(self) -> str:
        """Return the address to open; it holds the token, and anybody who knows it may read."""
        return self.admission.address(f"http://{ADDRESS}:{self.server_address[1]}/")


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD; the standard library refuses other methods."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds that a silent connection may keep its thread
    server_version = "rote"
    sys_version = ""
    # What the standard library refuses, such as POST, it refuses in JSON.
    error_content_type = "application/json"
    error_message_format = '{"status":%(code)d,"error":"%(message)s"}'

    def do_GET(self) -> None:
        """Send the page, or 304 if the browser has it already."""
        if self._name() not in NAMES:
            return self._refuse("not by this name")
        path, _, query = self.path.partition("?")
        admission = self.server.admission
        if admission.is_shown_by(query):
            body, more = admission.entry(path, self.headers)
            return self._send(HTTPStatus.OK, body, "html", more)
        if not admission.is_admitted(self.headers):
            return self._refuse(REFUSAL)
        if path.startswith(API):
            return self._send(*self.server.api(unquote(path.removeprefix(API))), "json")
        return self._answer(unquote(path).removeprefix("/"))

    do_HEAD = do_GET

    def _refuse(self, why: str) -> None:
        status = HTTPStatus.FORBIDDEN
        if self.path.startswith(API):
            body = json.dumps({"status": status.value, "error": why}).encode()
            return self._send(status, body, "json")
        return self._send(status, why.encode(), "txt")

    def _answer(self, path: str) -> None:
        try:
            body = self.server.answers(path)
        except (OSError, ValueError) as error:
            message = " ".join(str(error).split()).encode()
            return self._send(HTTPStatus.INTERNAL_SERVER_ERROR, message, "txt")
        if body is None:
            return self._send(HTTPStatus.NOT_FOUND, b"no such page", "txt")
        kind = path.rpartition(".")[2] if path else "html"
        return self._send(HTTPStatus.OK, body, kind)

    def log_message(self, *_: Any) -> None:
        """Log nothing: the terminal shows only the address, and requests may hold the token."""

    def _name(self) -> str:
        """Return the host without the port, which a tunnel may change."""
        return self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")

    def _send(
        self, status: HTTPStatus, body: bytes, kind: str, more: Mapping[str, str] | None = None
    ) -> None:
        tag = f'"{sha256(body)[:32]}"'
        if status is HTTPStatus.OK and self.headers.get("If-None-Match") == tag:
            status, body = HTTPStatus.NOT_MODIFIED, b""
        try:
            self.send_response(status)
            for name, value in {**HEADERS, "ETag": tag, **(more or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Type", KINDS.get(kind, "text/plain; charset=utf-8"))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
        except ConnectionError:  # the reader left the page
            self.close_connection = True


@contextmanager
def open_in_browser(address: str, folder: Path) -> Iterator[None]:
    """Open the address through a file in ``folder`` that exists as long as the context.

    Every account of the machine can list a browser's arguments; only ours can read this file. If
    ``folder`` is not writable, no browser is opened: the terminal shows the address.
    """
    path = folder / f"open-{secrets.token_hex(4)}.html"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        yield
        return
    with os.fdopen(descriptor, "w") as stream:
        stream.write(
            "<!doctype html><title>rote</title>"
            f'<meta http-equiv="refresh" content="0; url={escape(address)}">'
        )
    try:
        webbrowser.open(path.absolute().as_uri())
        yield
    finally:
        path.unlink(missing_ok=True)
