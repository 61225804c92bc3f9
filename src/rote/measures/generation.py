"""Generate samples of the model, rank them, and look them up word for word in the training data.

Sources: Carlini et al. 2021 (arXiv 2012.07805), sections 4 and 5; definition 2 for k-eidetic
memorisation, which counts the training documents that hold a piece of a sample. The inputs of the
rankings are stored; `rote.analysis.quantities.generations` derives the rankings. Shapes: N samples,
B batch, L tokens of a sample with its prompt, P tokens of the longest prompt, W windows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from rote.core.checks import require_whole
from rote.core.rng import generator
from rote.measures.cost import batches, rows_per_batch, token_batches
from rote.measures.drawing import Drawing, drawn
from rote.measures.protocol import Measurement
from rote.models.likelihood import token_nats
from rote.scores.blind import distinct
from rote.scores.likelihood import zlib_bytes
from rote.tasks.occurrences import Occurrences
from rote.tasks.protocol import HasText, Sequences, Task, text_of

NumDocuments = Callable[[Sequence[int]], int]  # number of documents that contain these tokens

SEQUENCES_AT_ONCE = 4096
CUT = "\N{REPLACEMENT CHARACTER}"


def num_documents(
    samples_NL: np.ndarray, *, match_tokens: int, holding: NumDocuments
) -> np.ndarray:
    """Count the documents that hold the rarest window of each sample that occurs in the data, [N].

    A window has ``match_tokens`` tokens. int64; 0 if no window occurs. Raises ValueError where
    samples are shorter than a window.
    """
    length = samples_NL.shape[1]
    if not 1 <= match_tokens <= length:
        raise ValueError(f"no window of {match_tokens} tokens fits into samples of {length}")
    known: dict[bytes, int] = {}  # a model repeats what it has memorised again and again
    rarest_N = np.zeros(len(samples_NL), dtype=np.int64)
    for row, sample_L in enumerate(samples_NL):
        windows = np.lib.stride_tricks.sliding_window_view(sample_L, match_tokens)
        keys = [window.tobytes() for window in windows]
        for key, window in zip(keys, windows, strict=True):
            if key not in known:
                known[key] = holding(window.tolist())
        rarest_N[row] = min((known[key] for key in keys if known[key]), default=0)
    return rarest_N


def among_sequences(sequences: Sequences, task: Task, device: torch.device) -> NumDocuments:
    """Return a function that counts the sequences, repeats too, that contain given tokens.

    Its index takes 5 bytes a packed byte.
    """
    number = sequences.num_sequences
    parts = token_batches(sequences, number, task, device, SEQUENCES_AT_ONCE)
    rows = (row for _, tokens_BL in parts for row in tokens_BL.cpu().numpy())
    index = Occurrences.of_tokens(rows, vocab_size=task.vocab_size)
    return lambda tokens: index.count_tokens(tokens).documents


def among_texts(index: Occurrences, text: HasText) -> NumDocuments:
    """Return a function that counts the documents that contain the text of given tokens.

    ``index`` is one of bytes. Characters that the tokens cut are left out at both ends; if no
    others are left, the count is 0.
    """

    def holding(tokens: Sequence[int]) -> int:
        whole = text.decode(np.array([tokens]))[0].strip(CUT)
        return index.count_bytes(whole.encode()).documents if whole else 0

    return holding


Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Target:
    """The inputs of an attack on a model, besides the model."""

    length: int  # tokens of a sample with its prompt; the model reads at most as many
    vocab_size: int
    prompts_BP: Tensor  # from text that is not training data, on the model's device; used in turn
    in_training: NumDocuments
    in_heldout: NumDocuments  # the control: text found there can be guessed
    text: HasText | None  # None: tokens are not text
    references: Mapping[str, nn.Module] = field(default_factory=dict)  # with the same tokens


@dataclass(frozen=True, kw_only=True)
class Generation:
    """Draws samples in several ways; raises ValueError for a setting out of range."""

    num_samples: int  # of each drawing
    match_tokens: int
    window_tokens: int
    drawings: Mapping[str, Drawing]

    def __post_init__(self) -> None:
        require_whole("measure.generation.num_samples", self.num_samples, 1)
        require_whole("measure.generation.match_tokens", self.match_tokens, 1)
        require_whole("measure.generation.window_tokens", self.window_tokens, 1)
        if len(self.drawings) == 0:
            raise ValueError("measure.generation.drawings is empty: nothing would be drawn")

    def check(self, task: Task) -> None:
        """Raises ValueError where a window is longer than a sample."""
        self._require_room(task.length)

    def __call__(
        self, model: nn.Module, task: Task, *, seed: int, device: torch.device
    ) -> Measurement:
        """Attack a run's model; its held-out sequences are the prompts and the control."""
        train, heldout = task.train(seed), task.heldout(seed)
        num_prompts = min(self.num_samples, heldout.num_sequences)
        target = Target(
            length=task.length,
            vocab_size=task.vocab_size,
            prompts_BP=heldout.tokens(torch.arange(num_prompts, device=device)),
            in_training=among_sequences(train, task, device),
            in_heldout=among_sequences(heldout, task, device),
            text=text_of(task),
        )
        return self.attack(model, target, seed=seed, device=device)

    def attack(
        self, model: nn.Module, target: Target, *, seed: int, device: torch.device
    ) -> Measurement:
        """Return arrays ``<drawing>_<piece>``, a value (for ``tokens`` a row) for each sample.

        Pieces: the nats of the whole sample, and under each reference; the least nats of
        ``window_tokens`` in a row; for text the bytes under zlib, and the nats and tokens of its
        lower-case form, cut at L; the number of training documents that hold its rarest verbatim
        window (k), and of control documents; whether no earlier sample is a near-duplicate. Raises
        ValueError as `check`.
        """
        self._require_room(target.length)
        if (longest := target.prompts_BP.shape[1]) < self._longest_prompt:
            raise ValueError(f"a prompt takes {self._longest_prompt} tokens, there are {longest}")
        totals: dict[str, float] = {}
        arrays: Arrays = {}
        turn_N = torch.arange(self.num_samples, device=device) % len(target.prompts_BP)
        for name, drawing in self.drawings.items():
            shape = (self.num_samples, target.length - drawing.prompt_tokens)
            random = generator(seed, "generation", name)  # of the CPU, wherever the model is
            uniform_NS = torch.rand(shape, generator=random, dtype=torch.float64).to(device)
            prompts_NP = target.prompts_BP[turn_N, : drawing.prompt_tokens]
            samples_NL = drawn(model, prompts_NP, uniform_NS, drawing, vocab_size=target.vocab_size)
            pieces = self._ranked_by(model, target, samples_NL)
            pieces |= self._judged(target, samples_NL.cpu().numpy(), drawing.prompt_tokens)
            totals |= {f"{name}_{key}": total for key, total in _totals(pieces).items()}
            arrays |= {f"{name}_{key}": piece for key, piece in pieces.items()}
        return Measurement(totals=totals, arrays=arrays)

    @property
    def _longest_prompt(self) -> int:
        return max(drawing.prompt_tokens for drawing in self.drawings.values())

    def _require_room(self, length: int) -> None:
        prompt_tokens = self._longest_prompt
        for key, tokens, most in (
            ("match_tokens", self.match_tokens, length - prompt_tokens),
            ("window_tokens", self.window_tokens, length),
        ):
            if tokens > most:
                raise ValueError(
                    f"measure.generation.{key}={tokens} is more than the {most} tokens there are: "
                    f"samples have {length} tokens, prompts up to {prompt_tokens}"
                )

    def _ranked_by(self, model: nn.Module, target: Target, samples_NL: Tensor) -> Arrays:
        nats_NL = _nats(model, samples_NL, target.vocab_size)
        window_nats_NW = nats_NL.unfold(1, self.window_tokens, 1).sum(dim=-1)
        pieces = {"nats": _numbers(nats_NL.sum(dim=1))}
        pieces["window_nats"] = _numbers(window_nats_NW.amin(dim=1))
        for name, reference in target.references.items():
            nats_NL = _nats(reference, samples_NL, target.vocab_size)
            pieces[f"reference_{name}_nats"] = _numbers(nats_NL.sum(dim=1))
        if target.text is not None:
            texts = target.text.decode(samples_NL.cpu().numpy())
            pieces["zlib_bytes"] = zlib_bytes([text.encode() for text in texts])
            pieces |= _lowercase(model, target, texts, samples_NL.device)
        return pieces

    def _judged(self, target: Target, samples_NL: np.ndarray, prompt_tokens: int) -> Arrays:
        pieces: Arrays = {"tokens": samples_NL.astype(np.min_scalar_type(target.vocab_size - 1))}
        for key, holding in (
            ("documents", target.in_training),
            ("heldout_documents", target.in_heldout),
        ):
            pieces[key] = num_documents(
                samples_NL[:, prompt_tokens:], match_tokens=self.match_tokens, holding=holding
            )
        pieces["is_distinct"] = np.zeros(len(samples_NL), dtype=np.uint8)
        pieces["is_distinct"][distinct(_guesses(target.text, samples_NL))] = 1
        return pieces


def _totals(pieces: Arrays) -> dict[str, float]:
    """Count all samples, and those that are not near-duplicates."""
    is_distinct_N = pieces["is_distinct"] == 1
    found_N, guessed_N = pieces["documents"] > 0, pieces["heldout_documents"] > 0
    return {
        "samples": len(found_N),
        "distinct": int(is_distinct_N.sum()),
        "memorised": int(found_N.sum()),
        "distinct_memorised": int((found_N & is_distinct_N).sum()),
        "distinct_in_heldout": int((guessed_N & is_distinct_N).sum()),
    }


def _guesses(text: HasText | None, samples_NL: np.ndarray) -> Sequence[Sequence[str | int]]:
    """Split each text into words, as in the paper; without a text, return tokens."""
    if text is None:
        return samples_NL.tolist()
    return [whole.split() for whole in text.decode(samples_NL)]


def _lowercase(
    model: nn.Module, target: Target, texts: Sequence[str], device: torch.device
) -> Arrays:
    """Return nats and tokens of the texts in lower case, cut to the model's length."""
    assert target.text is not None
    rows = [target.text.encode(text.lower())[: target.length] for text in texts]
    lengths_N = torch.tensor([len(row) for row in rows], device=device)
    tokens_NL = torch.zeros(len(rows), target.length, dtype=torch.int64)
    for tokens_L, row in zip(tokens_NL, rows, strict=True):
        tokens_L[: len(row)] = torch.tensor(row)
    nats_NL = _nats(model, tokens_NL.to(device), target.vocab_size)
    inside_NL = torch.arange(target.length, device=device) < lengths_N[:, None]
    return {
        "lowercase_nats": _numbers(nats_NL.where(inside_NL, 0.0).sum(dim=1)),
        "lowercase_tokens": lengths_N.cpu().numpy(),
    }


@torch.inference_mode()
def _nats(model: nn.Module, tokens_NL: Tensor, vocab_size: int) -> Tensor:
    """Return the nats of each token, float64 [N, L]."""
    size = rows_per_batch(tokens_NL.shape[1], vocab_size, tokens_NL.device)
    nats_NL = torch.empty(tokens_NL.shape, dtype=torch.float64, device=tokens_NL.device)
    for rows in batches(len(tokens_NL), size):
        nats_NL[rows] = token_nats(model, tokens_NL[rows])
    return nats_NL


def _numbers(values_N: Tensor) -> np.ndarray:
    return values_N.float().cpu().numpy()
