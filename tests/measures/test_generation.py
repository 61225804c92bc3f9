"""Samples and what is told of them, against plain second ways and in real runs."""

import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import MakeSpec
from tests.measures.known import CPU, PLAIN, Bigram, Listed
from torch import Tensor

from rote.analysis.quantities.generations import drawings_in, generated
from rote.cli.main import main
from rote.ledger.store import Store
from rote.measures.drawing import Drawing
from rote.measures.generation import Generation, Target
from rote.models.gpt import GPT
from rote.models.likelihood import token_nats
from rote.run.execute import execute
from rote.tasks.text.tokenisers import ByteEncoder

V, S, N = 256, 12, 30
DRAWINGS = {
    "free": Drawing(sampler=PLAIN, first_temperature=None, decay_tokens=0, prompt_tokens=0),
    "prompted": Drawing(sampler=PLAIN, first_temperature=None, decay_tokens=0, prompt_tokens=4),
}
MEASURE = Generation(num_samples=N, match_tokens=3, window_tokens=5, drawings=DRAWINGS)


def letters(seed: int) -> Bigram:
    """Says letters, large and small, by a random table of one letter before."""
    said = [*b"ABCabc ", *"é".encode()]
    logits_VV = torch.full((V, V), -9.0)
    random = torch.Generator().manual_seed(seed)
    logits_VV[:, said] = 2 * torch.randn(V, len(said), generator=random)
    return Bigram(logits_VV)


class Texts(Listed):
    """Two training texts and two held out."""

    def __init__(self) -> None:
        training = _rows("abcabcABCABC", "Cab Cab bac ")
        super().__init__(training, _rows("aaaaabbbbbcc", "CCCaaaBBBccc"), vocab_size=V)

    def encode(self, text: str) -> Sequence[int]:
        return list(text.encode())

    def decode(self, tokens_NL: np.ndarray) -> list[str]:
        return ByteEncoder().decode(tokens_NL)


def _rows(*texts: str) -> Tensor:
    return torch.tensor([list(text.encode()) for text in texts])


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return dict(MEASURE(letters(0), Texts(), seed=0, device=CPU).arrays)


@pytest.mark.parametrize("name", DRAWINGS)
def test_pieces_are_those_of_the_samples(arrays: dict[str, np.ndarray], name: str) -> None:
    pieces = {key.removeprefix(f"{name}_"): array for key, array in arrays.items()}
    samples_NL = pieces["tokens"]
    assert (samples_NL.shape, samples_NL.dtype) == ((N, S), np.uint8)
    texts = [row.tobytes().decode(errors="replace") for row in samples_NL]
    for row, text in enumerate(texts):
        nats_L = token_nats(letters(0), torch.tensor(samples_NL[row : row + 1]).long())[0].double()
        assert pieces["nats"][row] == pytest.approx(float(nats_L.sum()), rel=1e-6)
        least = min(nats_L[at : at + 5].sum() for at in range(S - 4))
        assert pieces["window_nats"][row] == pytest.approx(float(least), rel=1e-6)
        assert pieces["zlib_bytes"][row] == len(zlib.compress(text.encode()))
        lower = list(text.lower().encode())[:S]
        lower_nats = token_nats(letters(0), torch.tensor([lower]))[0].double().sum()
        assert pieces["lowercase_nats"][row] == pytest.approx(float(lower_nats), rel=1e-6)
        assert pieces["lowercase_tokens"][row] == len(lower)
    assert pieces["is_distinct"].sum() > 5


@pytest.mark.parametrize(("name", "prompt"), [("free", 0), ("prompted", 4)])
def test_what_stands_in_the_data_is_looked_for_behind_the_prompt(
    arrays: dict[str, np.ndarray], name: str, prompt: int
) -> None:
    task, found = Texts(), {"documents": [], "heldout_documents": []}
    rows = {"documents": task.train(0), "heldout_documents": task.heldout(0)}
    for sample_L in arrays[f"{name}_tokens"]:
        for key, data in rows.items():
            said = sample_L[prompt:].tobytes()
            windows = {said[at : at + 3] for at in range(len(said) - 2)}
            texts = [bytes(row) for row in data.tokens_NL.tolist()]
            counts = [sum(window in text for text in texts) for window in windows]
            found[key].append(min((count for count in counts if count), default=0))
    for key, counts in found.items():
        assert arrays[f"{name}_{key}"].tolist() == counts
        assert 0 < np.count_nonzero(counts) < N
    if prompt:
        heads_N = [row.tobytes() for row in arrays[f"{name}_tokens"][:, :prompt]]
        assert heads_N == [b"aaaa", b"CCCa"] * (N // 2)


def test_totals_count_what_arrays_hold(arrays: dict[str, np.ndarray]) -> None:
    totals = MEASURE(letters(0), Texts(), seed=0, device=CPU).totals
    distinct_N = arrays["free_is_distinct"] == 1
    found_N = arrays["free_documents"] > 0
    assert totals["free_samples"] == N
    assert totals["free_distinct"] == distinct_N.sum()
    assert totals["free_memorised"] == found_N.sum()
    assert totals["free_distinct_memorised"] == (found_N & distinct_N).sum()
    guessed_N = arrays["free_heldout_documents"] > 0
    assert totals["free_distinct_in_heldout"] == (guessed_N & distinct_N).sum()


def test_samples_are_a_function_of_the_seed_and_of_their_number(
    arrays: dict[str, np.ndarray],
) -> None:
    fewer = Generation(num_samples=7, match_tokens=3, window_tokens=5, drawings=DRAWINGS)
    again = fewer(letters(0), Texts(), seed=0, device=CPU).arrays
    np.testing.assert_array_equal(again["free_tokens"], arrays["free_tokens"][:7])
    other = fewer(letters(0), Texts(), seed=1, device=CPU).arrays
    assert (other["free_tokens"] != again["free_tokens"]).any()


def test_an_attack_on_any_model_has_its_own_references_and_counts(
    arrays: dict[str, np.ndarray],
) -> None:
    target = Target(
        length=S, vocab_size=V, prompts_BP=_rows("aaaa", "CCCa"), in_training=lambda tokens: 2,
        in_heldout=lambda tokens: 0, text=None, references={"small": letters(1)},
    )  # fmt: skip
    found = MEASURE.attack(letters(0), target, seed=0, device=CPU)
    np.testing.assert_array_equal(found.arrays["prompted_tokens"], arrays["prompted_tokens"])
    nats_NL = token_nats(letters(1), torch.tensor(arrays["free_tokens"]).long())
    expected_N = nats_NL.double().sum(dim=1)
    assert found.arrays["free_reference_small_nats"] == pytest.approx(expected_N, rel=1e-6)
    assert found.totals["free_memorised"] == N
    assert not any("zlib" in name or "lowercase" in name for name in found.arrays)
    with pytest.raises(ValueError, match=r"a prompt takes 4 tokens, there are 3"):
        too_few = replace(target, prompts_BP=_rows("aaa"))
        MEASURE.attack(letters(0), too_few, seed=0, device=CPU)
    with pytest.raises(ValueError, match=r"match_tokens=3 is more than the 2 tokens there are"):
        too_short = replace(target, length=6)
        MEASURE.attack(letters(0), too_short, seed=0, device=CPU)


def test_batches_do_not_change_the_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    gpt = GPT(num_layers=1, width=16, num_heads=2, vocab_size=V, max_length=S).eval()
    whole = MEASURE(gpt, Texts(), seed=0, device=CPU).arrays
    monkeypatch.setattr("rote.measures.drawing.sequences_at_once", lambda *_, **__: 7)
    monkeypatch.setattr("rote.measures.cost.CPU_LOGITS_PER_BATCH", 7 * S * V)
    for name, array in MEASURE(gpt, Texts(), seed=0, device=CPU).arrays.items():
        np.testing.assert_allclose(array, whole[name], rtol=1e-5)


def test_a_model_that_has_memorised_says_its_training_data(tiny: MakeSpec, store: Store) -> None:
    shape = (
        "measure=[cost,discoverable,generation]", "task.num_sequences=8", "size.width=32",
        "measure.discoverable.prefix_tokens=[3]", "measure.generation.num_samples=40",
        "measure.generation.match_tokens=7", "measure.generation.window_tokens=4",
        "measure.generation.drawings.prompted.prompt_tokens=1", "optim.optimiser.lr=1e-2",
    )  # fmt: skip
    memorised = execute(tiny("budget.max_steps=800", *shape), store)
    totals = memorised.measures["generation"]
    arrays = store.run(memorised.run_id).arrays()
    assert drawings_in(arrays) == ["top_k", "decaying", "prompted"]
    assert totals["top_k_samples"] == 40
    assert totals["top_k_memorised"] > 30
    assert 4 <= totals["top_k_distinct_memorised"] <= 8  # of eight sequences
    assert totals["prompted_memorised"] > 0
    for name in drawings_in(arrays):
        assert totals[f"{name}_distinct_in_heldout"] == 0
    found = generated(arrays, "top_k")
    first = np.argsort(-found.rankings["perplexity"])[:4]
    assert (found.documents_N[first] == 1).all()
    new = execute(tiny("budget.max_steps=1", *shape), store)
    assert new.measures["generation"]["top_k_memorised"] == 0


def test_memorised_text_is_found_and_held_out_text_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path / "outputs"))
    random = np.random.default_rng(0)
    rows = ["".join(random.choice([*"abcdefghijkl ABC"], 24)) for _ in range(60)]
    Path("rows.jsonl").write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
    code = main([
        "train", "task=text", "task/source=files", "task.source.paths=[rows.jsonl]",
        "task.length=24", "task.num_sequences=6", "task.num_heldout_sequences=6",
        "measure=[cost,discoverable,generation]", "measure.discoverable.prefix_tokens=[8]",
        "measure.discoverable.num_beams=3", "measure.generation.num_samples=30",
        "measure.generation.match_tokens=12", "measure.generation.window_tokens=12",
        "size=demo_s", "size.width=32", "budget=demo", "budget.max_steps=600",
        "budget.batch_size=6", "optim.optimiser.lr=1e-2", "log=none", "host.accelerator=cpu",
    ])  # fmt: skip
    assert code == 0
    (run,) = (tmp_path / "outputs" / "runs").iterdir()
    told = json.loads((run / "record.json").read_text())["measures"]
    assert told["discoverable"]["train_beam_first_8"] == 6
    assert told["discoverable"]["train_expected_plain_8"] > 5
    assert told["discoverable"]["heldout_expected_plain_8"] < 0.1
    assert told["generation"]["top_k_memorised"] > 20
    assert told["generation"]["top_k_distinct_in_heldout"] == 0
    arrays = Store(tmp_path / "outputs").run(run.name).arrays()
    found = generated(arrays, "top_k")
    assert set(found.rankings) == {"perplexity", "window", "zlib", "lowercase"}
    assert found.ranked("perplexity").precision.value > 0.5
    assert set(found.documents_N[found.is_memorised_N]) == {1}
