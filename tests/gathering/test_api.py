"""`rote serve` answers programs in JSON what `rote.results` says, and nothing else."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.site.planted import plant, serving

import rote
from rote.ledger.spec import Spec
from rote.ledger.store import RunFolder, Store
from rote.site.server import Server


class Client:
    """A program with a token."""

    def __init__(self, server: Server) -> None:
        self.connection = http.client.HTTPConnection(*server.server_address[:2])
        self.token = server.address.partition("?token=")[2]

    def get(self, path: str, method: str = "GET", token: str | None = None) -> tuple[int, Any]:
        shown = {"Authorization": f"Bearer {self.token if token is None else token}"}
        self.connection.request(method, f"/api/{path}", headers=shown)
        answer = self.connection.getresponse()
        assert answer.headers["Content-Type"] == "application/json"
        return answer.status, json.loads(answer.read())


@pytest.fixture(scope="module")
def outputs(base: Spec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api") / "outputs"
    plant(folder, base, name="many", num_runs=6)
    return folder


@pytest.fixture
def client(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("ROTE_OUTPUTS", str(outputs))
    with serving(outputs) as server:
        made = Client(server)
        yield made
        made.connection.close()


def test_sweeps_runs_curves_and_arrays_are_those_of_rote_results(client: Client) -> None:
    found = rote.results("many")
    (sweep,) = client.get("sweeps")[1]
    assert sweep == {
        "name": "many", "question": "How much?", "report": "capacity", "num_runs": 6, "num_done": 6,
    }  # fmt: skip
    assert client.get("sweeps/many")[1]["run_ids"] == found.runs["run_id"].to_list()
    runs = client.get("sweeps/many/runs")[1]
    assert runs["axes"] == list(found.axes)
    assert runs["rows"] == json.loads(json.dumps(found.runs.to_dicts()))
    run_id = found.runs["run_id"][3]
    rows = client.get(f"runs/{run_id}/curve")[1]["rows"]
    assert rows == found.curves.filter(run_id=run_id).drop("run_id").to_dicts()
    array = found.arrays(run_id)["cost.train_code_bits"]
    shapes = client.get(f"runs/{run_id}/arrays")[1]["shapes"]
    assert shapes["cost.train_code_bits"] == list(array.shape)
    values = client.get(f"runs/{run_id}/arrays/cost.train_code_bits")[1]["values"]
    assert np.array_equal(np.array(values, np.float32), array)


def test_runs_are_those_of_the_served_folder_whatever_the_environment_names(
    client: Client, base: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = plant(tmp_path, base, name="many", num_runs=2, length=5)
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path))
    served = client.get("sweeps/many/runs")[1]["rows"]
    assert [row["run_id"] for row in served] == client.get("sweeps/many")[1]["run_ids"]
    assert not {row["run_id"] for row in served} & set(other.run_ids)


def test_the_manifest_is_the_file(client: Client, outputs: Path) -> None:
    assert client.get("sweeps/many/manifest")[0] == 404
    folder = outputs / "reports" / "many"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text('{"headlines": ["3 bits"]}')
    assert client.get("sweeps/many/manifest") == (200, {"headlines": ["3 bits"]})


def test_a_number_that_json_lacks_is_null(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = rote.results("many").runs["run_id"][0]
    held = {"bits": np.array([1.0, np.nan, np.inf], np.float32)}
    monkeypatch.setattr(RunFolder, "arrays", lambda self: held)
    assert client.get(f"runs/{run_id}/arrays/bits")[1]["values"] == [1.0, None, None]


def test_without_the_token_and_with_another_method_it_refuses(client: Client) -> None:
    for token in ("", "wrong", client.token[:-1]):
        status, told = client.get("sweeps", token=token)
        assert (status, told["status"]) == (403, 403)
        assert "rote serve" in told["error"]
    assert client.get("sweeps", "POST") == (
        501, {"status": 501, "error": "Unsupported method ('POST')"},
    )  # fmt: skip


@pytest.mark.parametrize(
    "path",
    [
        "", "sweeps/other", "sweeps/many/other", "sweeps/../many/runs", "sweeps/..%2f..%2fetc",
        "runs/..%2f..%2fsecret/curve", "runs/0123456789abcdef/curve", "sweeps/%00", "runs/many",
    ],
)  # fmt: skip
def test_what_it_does_not_know_is_404(client: Client, path: str) -> None:
    status, told = client.get(path)
    assert (status, told["status"]) == (404, 404)


def test_a_sweep_with_no_run_done_is_one_line(client: Client, base: Spec, outputs: Path) -> None:
    plan = plant(outputs, base, name="left", num_runs=1, length=4)
    Store(outputs).run(plan.run_ids[0]).record_path.unlink()
    status, told = client.get("sweeps/left/runs")
    assert (status, told["error"]) == (409, "no run of 'left' is done: rote sweep left")
