"""A stand-in for a wandb server on loopback: takes runs, gives them back; all in memory."""

import base64
import gzip
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

OPERATION = re.compile(r"(?:query|mutation)\s+(\w+)")
RUN_KEYS = ("run", "name", "runName", "runId")
VIEWER = {
    "id": "u", "entity": "me", "username": "me", "name": "me", "email": "", "admin": False,
    "flags": "{}", "teams": {"edges": []}, "deletedAt": None, "apiKeys": {"edges": []},
}  # fmt: skip
SERVER_INFO = {
    "cliVersionInfo": {"max_cli_version": "9.9.9"}, "latestLocalVersionInfo": None, "features": [],
}  # fmt: skip
LAST_PAGE = {"endCursor": None, "hasNextPage": False}


@dataclass
class Run:
    """What a client has sent of one run, as text where it was text."""

    name: str
    project: str
    display_name: str | None = None
    group: str | None = None
    job_type: str | None = None
    notes: str | None = None
    tags: list[str] = field(default_factory=list)
    config: str = "{}"
    summary: str = "{}"
    history: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    exit_code: int | None = None

    def node(self) -> dict[str, Any]:
        """As GraphQL answers tell of it."""
        last_step = json.loads(self.history[-1])["_step"] if self.history else -1
        return {
            "id": _id(self.name), "internalId": _id(self.name), "name": self.name,
            "displayName": self.display_name, "config": self.config, "summaryMetrics": self.summary,
            "group": self.group, "jobType": self.job_type, "notes": self.notes, "tags": self.tags,
            "sweepName": None, "commit": None, "readOnly": False, "description": "",
            "state": "running" if self.exit_code is None else "finished", "projectId": "1",
            "createdAt": "2026-01-01T00:00:00", "heartbeatAt": "2026-01-01T00:00:00",
            "systemMetrics": "{}", "wandbConfig": "{}", "stopped": False, "fileCount": 0,
            "historyLineCount": len(self.history), "logLineCount": 0, "eventsLineCount": 0,
            "historyKeys": {"lastStep": last_step, "keys": {}},
            "historyTail": json.dumps(self.history[-1:]), "eventsTail": "[]", "events": [],
            "user": {"name": "me", "username": "me"}, "history": self.history,
            "project": {"id": "p", "name": self.project, "entity": {"id": "e", "name": "me"}},
            "parquetHistory": {"parquetUrls": [], "liveData": [{"_step": 0}]},
        }  # fmt: skip


class Server(ThreadingHTTPServer):
    """Listens on a free port of loopback from its making on."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.runs: dict[str, Run] = {}
        self.views: list[dict[str, Any]] = []
        self.operations: list[str] = []
        self.is_broken = False  # answers every upload with an error
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def answer(self, query: str, given: dict[str, Any]) -> dict[str, Any]:
        """The data of a GraphQL request."""
        found = OPERATION.search(query)
        operation = found[1] if found else ""
        self.operations.append(operation)
        if operation == "UpsertBucket":
            return {"upsertBucket": {"bucket": self._upsert(given).node(), "inserted": True}}
        if operation == "CreateRunFiles":
            return {"createRunFiles": self._upload_to(given)}
        if operation == "CreateArtifact":  # one that is there already needs no upload
            there = {"id": "a", "state": "COMMITTED", "artifactSequence": {"latestArtifact": None}}
            return {"createArtifact": {"artifact": there}}
        if operation == "GetProjects":
            return {"models": {"pageInfo": LAST_PAGE, "edges": []}}
        if operation == "CreateProject" or "upsertModel" in query:
            return {"upsertModel": {"model": {"id": "p", "name": "rote"}, "inserted": True}}
        if "upsertView" in query:
            return {"upsertView": {"view": self._save_view(given), "inserted": True}}
        if "runs(" in query:
            return {"project": self._found(given)}
        run = self.runs.get(next((given[key] for key in RUN_KEYS if key in given), ""))
        node = _narrowed(run, given) if run else None
        return {
            "viewer": VIEWER, "serverInfo": SERVER_INFO,
            "project": {"internalId": "1", "run": node, "artifact": None},
            "model": {"bucket": node},
        }  # fmt: skip

    def stream(self, run_id: str, sent: dict[str, Any]) -> None:
        """Lines of a run's files, each at its offset."""
        run = self.runs[run_id]
        for name, part in (sent.get("files") or {}).items():
            if name == "wandb-history.jsonl":
                run.history[part["offset"] :] = part["content"]
            elif name == "wandb-summary.json":
                run.summary = part["content"][-1]
        if sent.get("complete"):
            run.exit_code = sent["exitcode"]

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is no news."""

    def _upsert(self, given: dict[str, Any]) -> Run:
        run = self.runs.setdefault(given["name"], Run(given["name"], given["project"]))
        run.config = given.get("config") or run.config
        run.display_name = given.get("displayName") or run.display_name
        run.group = given.get("groupName") or run.group
        run.job_type = given.get("jobType") or run.job_type
        run.notes = given.get("notes") or run.notes
        run.tags = given.get("tags") or run.tags
        return run

    def _upload_to(self, given: dict[str, Any]) -> dict[str, Any]:
        folder = f"{self.url}/storage/{given['run']}"
        files = [{"name": name, "uploadUrl": f"{folder}/{name}"} for name in given["files"]]
        return {"runID": _id(given["run"]), "uploadHeaders": [], "files": files}

    def _save_view(self, given: dict[str, Any]) -> dict[str, Any]:
        self.views.append(given)
        project = {"id": "p", "name": given["projectName"], "entityName": given["entityName"]}
        return {**given, "id": _id(given["displayName"]), "project": project}

    def _found(self, given: dict[str, Any]) -> dict[str, Any]:
        wanted = json.loads(given.get("filters") or "{}")
        nodes = [run.node() for run in self.runs.values() if _matches(run, wanted)]
        edges = [{"node": node, "cursor": node["name"]} for node in nodes]
        return {
            "internalId": "1", "runCount": len(edges), "readOnly": False,
            "runs": {"totalCount": len(edges), "edges": edges, "pageInfo": LAST_PAGE},
        }  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        answer: dict[str, Any] = {}
        parts = self.path.split("/")
        if self.path == "/graphql":
            asked = json.loads(body)
            answer = {"data": self.server.answer(asked["query"], asked.get("variables") or {})}
        elif self.server.is_broken:
            self.send_error(400)
            return
        elif parts[-1] == "file_stream":
            self.server.stream(parts[-2], json.loads(body))
            answer = {"exitcode": None, "limits": {}}
        elif parts[1] == "storage":
            self.server.runs[parts[2]].files["/".join(parts[3:])] = body
        self._send(json.dumps(answer).encode())

    do_GET = do_PUT = do_POST

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Tests are quiet."""


def _narrowed(run: Run, given: dict[str, Any]) -> dict[str, Any]:
    """The run; where steps are asked for, those rows alone."""
    node = run.node()
    if "minStep" in given:
        low, high = int(given["minStep"]), int(given["maxStep"])
        node["history"] = [row for row in run.history if low <= json.loads(row)["_step"] < high]
    return node


def _matches(run: Run, wanted: dict[str, Any]) -> bool:
    told = {"group": run.group, "jobType": run.job_type, "name": run.name}
    return all(
        told[key] in value["$in"] if isinstance(value, dict) else told[key] == value
        for key, value in wanted.items()
    )


def _id(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
