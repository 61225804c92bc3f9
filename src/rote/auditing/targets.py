"""Provide models to audit or to compare with: a Hugging Face folder, or a run of rote.

Digests of files, tokens and limits are available before any weight is loaded.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from torch import nn

from rote.config.build import build
from rote.config.compose import Composer
from rote.io.write import sha256_of_file
from rote.ledger.store import RunFolder
from rote.models.adapters import Adapter, is_adapter, read_adapter
from rote.models.checkpoint import architecture, load_causal_lm, load_tokeniser, require_fitting
from rote.models.hf_folder import CONFIG, tokeniser_files, weight_files
from rote.models.likelihood import START_TOKEN
from rote.models.tokeniser_process import StartToken, TokeniserProcess, chosen_start
from rote.precision import DTYPES, Precision
from rote.run.weights import Trained, load_trained
from rote.tasks.protocol import text_of


class AuditTarget(ABC):
    """A model that is not loaded yet."""

    name: str  # to display
    kind: str  # of model, in words
    precision: str  # the default number format of an audit
    vocab_size: int  # number of logits at each position
    max_length: int | None  # the most tokens of a document; None if the model has no limit
    start_token: int  # that position 0 reads
    note: str | None  # a remark about the start token
    has_text: bool  # whether it has a tokeniser

    @abstractmethod
    def digests(self) -> Mapping[str, str]:
        """Return SHA-256 of every file that affects a number."""

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the int64 tokens of each text; none are added at either end."""

    def encode_one(self, text: str) -> list[int]:
        """Return the tokens of one text."""
        tokens: list[int] = self.encode([text])[0].tolist()
        return tokens

    @abstractmethod
    def decode(self, tokens: Sequence[np.ndarray]) -> list[str]:
        """Return the text of each row; a character that is cut becomes U+FFFD."""

    @abstractmethod
    def load(self, precision: Precision) -> nn.Module:
        """Load the model on the CPU, in evaluation mode; raises ValueError."""


class CheckpointTarget(AuditTarget):
    """A folder written by ``save_pretrained``; raises ValueError for one that is refused.

    The folder of a LoRA adapter stands for ``base``, or the local folder that its configuration
    names, with the adapter merged; the tokeniser is the adapter's own if it has one.
    """

    def __init__(
        self, folder: Path, *, start_token: int | None, allow_pickle: bool, base: Path | None = None
    ) -> None:
        self.folder, self.allow_pickle = folder.resolve(), allow_pickle
        self.adapter: Adapter | None = None
        named = self.tokeniser_folder = self.folder
        if is_adapter(self.folder):
            self.adapter = read_adapter(self.folder, allow_pickle=allow_pickle)
            self.folder = self.adapter.base_folder(base)
            if not tokeniser_files(named):
                self.tokeniser_folder = self.folder
        self.architecture = architecture(self.folder)
        self.weights = weight_files(self.folder, allow_pickle=allow_pickle)
        require_fitting(self.folder, self.architecture, self.weights, self.adapter)
        self.name, kind = named.name, self.architecture.model_type
        origin = f"LoRA adapter of {self.folder.name}" if self.adapter else "Hugging Face folder"
        self.kind, self.precision = f"{origin}, {kind}", "fp32"  # exact for weights of any source
        self.vocab_size = self.architecture.vocab_size
        self.max_length = self.architecture.max_length
        # Without tokeniser files transformers would make an empty one.
        self.has_text = bool(tokeniser_files(self.tokeniser_folder))
        start = self._start(start_token)
        self.start_token, self.note = start.token, start.note

    def digests(self) -> Mapping[str, str]:
        """Return the digests of configuration, weights, adapter and tokeniser."""
        paths = [self.folder / CONFIG, *self.weights, *tokeniser_files(self.tokeniser_folder)]
        paths += [] if self.adapter is None else self.adapter.files
        return {
            str(path.relative_to(self.folder))
            if path.is_relative_to(self.folder)
            else f"adapter/{path.name}": sha256_of_file(path)
            for path in paths
        }

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return tokens without special ones."""
        return self._tokeniser.encode(texts)

    def decode(self, tokens: Sequence[np.ndarray]) -> list[str]:
        """Return texts that include special tokens."""
        return self._tokeniser.decode(tokens)

    def load(self, precision: Precision) -> nn.Module:
        """Load safetensors, or a pickle if it was explicitly allowed."""
        return load_causal_lm(
            self.folder,
            dtype=DTYPES[precision.weights],
            start_token=self.start_token,
            allow_pickle=self.allow_pickle,
            adapter=self.adapter,
        )

    def _start(self, given: int | None) -> StartToken:
        if given is not None:
            start: StartToken | None = StartToken(token=given, note=None)
        else:
            named = self._tokeniser.named if self.has_text else None
            start = chosen_start(self.architecture.config, self.architecture.text, named)
        if start is None:
            raise ValueError(
                f"{self.folder / CONFIG} names no bos_token_id and no eos_token_id to put before "
                "the first token: give --start-token N, as the model was trained"
            )
        if not 0 <= start.token < self.vocab_size:
            raise ValueError(
                f"the start token {start.token} is none of the {self.vocab_size} that "
                f"{self.folder} knows: give --start-token N"
            )
        return start

    @cached_property
    def _tokeniser(self) -> TokeniserProcess:
        return TokeniserProcess(self.tokeniser_folder, load_tokeniser)


class RunTarget(AuditTarget):
    """A finished run that kept its weights; raises ValueError for any other run."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.trained: Trained = load_trained(folder)
        model, task, spec = self.trained
        self.text = text_of(task)
        self.name, self.kind = folder.run_id, f"run of rote, {type(model).__name__}"
        self.precision = str(spec.what["precision"]["name"])
        self.vocab_size, self.max_length = task.vocab_size, task.length
        self.start_token, self.note = START_TOKEN, None
        self.has_text = self.text is not None

    def digests(self) -> Mapping[str, str]:
        """Return the run id, which covers the tokeniser, and the digest of the weights."""
        return {
            "run": self.folder.run_id,
            self.folder.weights_path.name: sha256_of_file(self.folder.weights_path),
        }

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the task's tokens of each text."""
        assert self.text is not None
        return [np.array(self.text.encode(text), dtype=np.int64) for text in texts]

    def decode(self, tokens: Sequence[np.ndarray]) -> list[str]:
        """Return the task's text of each row."""
        assert self.text is not None
        return [self.text.decode(row[None])[0] for row in tokens]

    def load(self, precision: Precision) -> nn.Module:
        """Return the trained model, cast to the given precision."""
        return precision.cast(self.trained.model)


def precision_of(name: str) -> Precision:
    """Build a choice of conf/precision; raises ValueError with the choices."""
    precision: Precision = build(Composer().config([f"precision={name}"])["precision"])
    return precision
