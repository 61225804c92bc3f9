"""What runs on facts of known entropy have stored of them: in bits, by attribute, by exposures."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rote.analysis.estimate import Rate
from rote.analysis.estimators import rate
from rote.analysis.quantities.answers import answer_quantities
from rote.analysis.results import Results

TRAINED_ON = "biographies"
ENTROPY = re.compile(r"exact_match\.train_\w+_answer_bits")
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """Of one run: each fact counts once, however often it was told."""

    run_id: str
    size: str
    setting: str
    parameters: int
    seed: int
    given_bits: float  # entropy of all values
    stored_bits: float  # less their code length: below 0 where a model is surely wrong

    @property
    def bits_per_parameter(self) -> float:
        """Stored, all parameters counted."""
        return self.stored_bits / self.parameters


@dataclass(frozen=True, kw_only=True)
class Recall:
    """Facts of one attribute told equally often, runs of one size added up."""

    size: str
    parameters: int
    setting: str
    attribute: str
    exposures: int  # 0: held out
    recalled: Rate  # free-running
    entropy_bits: float  # of one value
    stored_bits: float  # a value, mean


def knowledge(runs: pl.DataFrame) -> tuple[Knowledge, ...]:
    """An entry a run on biographies, by parameters."""
    told = answer_quantities(runs.filter(pl.col("trained_on") == TRAINED_ON))
    entropies = [name for name in told.columns if ENTROPY.fullmatch(name)]
    chosen = told.with_columns(given_bits=pl.sum_horizontal(entropies) if entropies else None)
    return tuple(
        Knowledge(
            **{key: run[key] for key in ("run_id", "size", "setting", "parameters", "seed")},
            given_bits=run["given_bits"],
            stored_bits=run["knowledge_bits"],
        )
        for run in chosen.sort("parameters", "setting", "seed").iter_rows(named=True)
    )


def recalls(results: Results, runs: pl.DataFrame) -> tuple[Recall, ...]:
    """An entry a size, setting, attribute and number of exposures."""
    chosen = runs.filter(pl.col("trained_on") == TRAINED_ON).sort("parameters", "setting", "seed")
    parts = chosen.partition_by("size", "setting", maintain_order=True)
    return tuple(found for part in parts for found in _recalls(results, part))


def _recalls(results: Results, runs: pl.DataFrame) -> Iterable[Recall]:
    items = pl.concat([_items(results.folders[run_id].arrays()) for run_id in runs["run_id"]])
    first = runs.row(0, named=True)
    for part in items.partition_by("attribute", "exposures", maintain_order=True):
        yield Recall(
            **{key: first[key] for key in ("size", "parameters", "setting")},
            attribute=part["attribute"][0],
            exposures=part["exposures"][0],
            recalled=rate(int(part["right"].to_numpy().sum()), part.height),
            entropy_bits=part["bits"][0],
            stored_bits=float((part["bits"].to_numpy() - part["code_bits"].to_numpy()).mean()),
        )


def _items(arrays: Arrays) -> pl.DataFrame:
    own = {key.removeprefix("exact_match."): values for key, values in arrays.items()}
    return pl.DataFrame(
        {
            "attribute": own["groups"][own["group"]],
            "exposures": own["exposures"].astype(np.int64),
            "bits": own["answer_bits"].astype(np.float64),
            "code_bits": own["answer_code_bits"].astype(np.float64),
            "right": own["right_free"].astype(np.int64),
        }
    ).sort("attribute", "exposures")
