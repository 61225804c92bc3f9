"""Models under audit, or to compare with: a Hugging Face folder or a run of ours.

What is asked before any weight is loaded: digests of its files, tokens, limits.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import nn

from rote.config.build import build
from rote.config.compose import Composer
from rote.io.write import sha256_of_file
from rote.ledger.store import RunFolder
from rote.models.checkpoint import (
    architecture,
    load_causal_lm,
    load_tokeniser,
    require_fitting,
)
from rote.models.hf_folder import CONFIG, tokeniser_files, weight_files
from rote.models.likelihood import START_TOKEN
from rote.models.tokeniser_process import StartToken, TokeniserProcess, chosen_start
from rote.precision import DTYPES, Precision
from rote.run.weights import Trained, load_trained
from rote.tasks.protocol import text_of


class AuditTarget(Protocol):
    """A model, not yet loaded."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    @property
    def kind(self) -> str:
        """What it is, in words."""
        ...

    @property
    def precision(self) -> str:
        """The number format that it is audited in where nobody says otherwise."""
        ...

    @property
    def vocab_size(self) -> int:
        """Logits at each position."""
        ...

    @property
    def max_length(self) -> int | None:
        """Tokens of a document; None where the model has no bound."""
        ...

    @property
    def start_token(self) -> int:
        """What position 0 reads."""
        ...

    @property
    def note(self) -> str | None:
        """What is to be known about its start token; None for nothing."""
        ...

    @property
    def has_text(self) -> bool:
        """Whether it has a tokeniser."""
        ...

    def digests(self) -> Mapping[str, str]:
        """SHA-256 of every file that a number depends on."""
        ...

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Tokens, int64, none added at either end."""
        ...

    def decode(self, tokens: Sequence[np.ndarray]) -> list[str]:
        """The text of each; a character that it cuts becomes U+FFFD."""
        ...

    def load(self, precision: Precision) -> nn.Module:
        """On the CPU, not training; raises ValueError."""
        ...


class CheckpointTarget:
    """A folder as ``save_pretrained`` leaves it; raises ValueError for one that is refused."""

    def __init__(self, folder: Path, *, start_token: int | None, allow_pickle: bool) -> None:
        self.folder, self.allow_pickle = folder.resolve(), allow_pickle
        self.architecture = architecture(self.folder)
        self.weights = weight_files(self.folder, allow_pickle=allow_pickle)
        require_fitting(self.folder, self.architecture, self.weights)
        self._start_token = self._start(start_token)

    @property
    def name(self) -> str:
        """The folder's."""
        return self.folder.name

    @property
    def kind(self) -> str:
        """Its architecture."""
        return f"Hugging Face folder, {self.architecture.model_type}"

    @property
    def precision(self) -> str:
        """What is exact wherever weights came from."""
        return "fp32"

    @property
    def vocab_size(self) -> int:
        """As configured."""
        return self.architecture.vocab_size

    @property
    def max_length(self) -> int | None:
        """As configured."""
        return self.architecture.max_length

    @property
    def start_token(self) -> int:
        """As somebody said, or as the tokeniser or the configuration names it."""
        return self._start_token.token

    @property
    def note(self) -> str | None:
        """Where tokeniser and configuration name different ones."""
        return self._start_token.note

    @property
    def has_text(self) -> bool:
        """Whether files of a tokeniser lie in the folder: transformers makes up an empty one."""
        return bool(tokeniser_files(self.folder))

    def digests(self) -> Mapping[str, str]:
        """Configuration, weights, tokeniser."""
        paths = [self.folder / CONFIG, *self.weights, *tokeniser_files(self.folder)]
        return {str(path.relative_to(self.folder)): sha256_of_file(path) for path in paths}

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Without special tokens."""
        return self._tokeniser.encode(texts)

    def decode(self, tokens: Sequence[np.ndarray]) -> list[str]:
        """Special tokens too."""
        return self._tokeniser.decode(tokens)

    def load(self, precision: Precision) -> nn.Module:
        """From safetensors, unless a pickle was insisted on."""
        return load_causal_lm(
            self.folder,
            dtype=DTYPES[precision.weights],
            start_token=self.start_token,
            allow_pickle=self.allow_pickle,
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
        return TokeniserProcess(self.folder, load_tokeniser)


class RunTarget:
    """A finished run that kept its weights; raises ValueError for another."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.trained: Trained = load_trained(folder)
        self.text = text_of(self.trained.task)

    @property
    def name(self) -> str:
        """Its id."""
        return self.folder.run_id

    @property
    def kind(self) -> str:
        """Its architecture."""
        return f"run of rote, {type(self.trained.model).__name__}"

    @property
    def precision(self) -> str:
        """The one that it was trained in."""
        return str(self.trained.spec.what["precision"]["name"])

    @property
    def start_token(self) -> int:
        """What our sequences begin by reading."""
        return START_TOKEN

    @property
    def note(self) -> None:
        """Nothing: there is one."""

    @property
    def vocab_size(self) -> int:
        """The task's."""
        return self.trained.task.vocab_size

    @property
    def max_length(self) -> int | None:
        """The task's."""
        return self.trained.task.length

    @property
    def has_text(self) -> bool:
        """Whether its tokens are text."""
        return self.text is not None

    def digests(self) -> Mapping[str, str]:
        """The run id covers the tokeniser."""
        return {
            "run": self.folder.run_id,
            self.folder.weights_path.name: sha256_of_file(self.folder.weights_path),
        }

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """By the task."""
        assert self.text is not None
        return [np.array(self.text.encode(text), dtype=np.int64) for text in texts]

    def decode(self, tokens: Sequence[np.ndarray]) -> list[str]:
        """By the task."""
        assert self.text is not None
        return [self.text.decode(row[None])[0] for row in tokens]

    def load(self, precision: Precision) -> nn.Module:
        """As it was trained, cast where another format is asked for."""
        return precision.cast(self.trained.model)


def precision_of(name: str) -> Precision:
    """A choice of conf/precision; raises ValueError with the choices."""
    precision: Precision = build(Composer().config([f"precision={name}"])["precision"])
    return precision
