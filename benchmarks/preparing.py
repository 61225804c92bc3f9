"""What preparing 1 GB of text costs, and that it drops the planted duplicates and nothing else.

The text is made of the standard library's words in random order, so that no two windows are equal
but those of documents that are repeated on purpose. Run: python benchmarks/preparing.py
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from rote.core.progress import no_progress
from rote.core.provenance import provenance
from rote.tasks.text.prepare import prepare
from rote.tasks.text.prepared import Prepared, open_prepared
from rote.tasks.text.recipe import Recipe
from rote.tasks.text.sources import LocalFiles, PythonLibrary
from rote.tasks.text.tokenisers import Bytes, Tokeniser, TrainedBPE, load

RESULTS = Path(__file__).parent / "results" / "preparing.json"
LENGTH = 64
WORDS_A_DOCUMENT = 500
REPEAT_EVERY = 100  # one document in so many is there twice
NUM_FILES = 8
TOKENISERS: dict[str, Tokeniser] = {
    "bytes": Bytes(),
    "bpe": TrainedBPE(vocab_size=2048, train_bytes=16 << 20),
}


def main() -> None:
    """Write the text once, prepare it with each tokeniser in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--tokenisers", nargs="+", choices=TOKENISERS, default=list(TOKENISERS))
    parser.add_argument("--here", choices=TOKENISERS)  # in the process of its own
    arguments = parser.parse_args()
    if arguments.here:
        sys.stdout.write(json.dumps(prepare_and_prove(arguments.here)))
        return
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_text(int(arguments.gigabytes * 1e9))
        for name in arguments.tokenisers:
            result = {**in_its_own_process(name), "provenance": provenance()}
            results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
            results[name] = result
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    sys.stdout.write(RESULTS.read_text())


def write_text(wanted_bytes: int) -> None:
    """Lines of JSON; every so many documents one is written again, in another file."""
    library = " ".join(piece.text for piece in PythonLibrary(content="sources").pieces())
    # Longer words would fill windows of their own, equal wherever they occur.
    words = np.array(sorted(set(re.findall(r"\b[a-zA-Z_]{3,12}\b", library))), dtype=object)
    generator = np.random.default_rng(0)
    written = number = 0
    with ExitStack() as stack:
        paths = [Path(f"part{number}.jsonl") for number in range(NUM_FILES)]
        streams = [stack.enter_context(path.open("w")) for path in paths]
        while written < wanted_bytes:
            text = " ".join(words[generator.integers(len(words), size=WORDS_A_DOCUMENT)])
            again = number % REPEAT_EVERY == 0
            for file in (number, number + 1) if again else (number,):
                row = {"text": text, "copy": file != number}
                streams[file % NUM_FILES].write(json.dumps(row) + "\n")
                written += len(text)
            number += 1


def in_its_own_process(name: str) -> dict[str, Any]:
    """So that its peak memory is its own."""
    command = [sys.executable, __file__, "--here", name]
    return dict(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))


def prepare_and_prove(name: str) -> dict[str, Any]:
    """Seconds, peak memory, and whether what is gone is what was planted."""
    recipe = Recipe(
        source=LocalFiles(paths=["part*.jsonl"], field="text"),
        tokeniser=TOKENISERS[name],
        length=LENGTH,
        windows="all",
        near_duplicate_threshold=None,
    )
    started = time.monotonic()
    prepared = open_prepared(prepare(recipe, no_progress))
    seconds = time.monotonic() - started
    peak_bytes = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts = prepared.manifest["counts"]
    return {
        "length": LENGTH,
        "tokeniser": repr(recipe.tokeniser),
        "seconds": round(seconds, 1),
        "tokens_per_second": round(counts["tokens"] / seconds),
        "peak_memory_bytes": peak_bytes,
        **counts,
        **proof(prepared),
    }


def proof(prepared: Prepared) -> dict[str, Any]:
    """The second document of each planted pair must have lost all its windows, the first none.

    Where no more windows are gone in all than were planted, no other document has lost any.
    """
    numbers: dict[str, list[int]] = {}  # of the documents, by how they begin: 20 random words
    texts: dict[str, str] = {}
    rows = (json.loads(line) for path in sorted(Path().glob("part*.jsonl")) for line in path.open())
    for number, row in enumerate(rows):
        beginning = row["text"][:200]
        numbers.setdefault(beginning, []).append(number)
        if row["copy"]:
            texts[beginning] = row["text"]
    kept = np.bincount(prepared.documents(), minlength=number + 1)
    encoded = load(prepared.folder).encode(list(texts.values()))
    windows = {key: len(tokens) // LENGTH for key, tokens in zip(texts, encoded, strict=True)}
    right = sum(kept[numbers[key]].tolist() == [number, 0] for key, number in windows.items())
    removed = prepared.manifest["counts"]["exact_duplicates_removed"]
    return {
        "planted_documents": len(windows),
        "pairs_whose_second_alone_is_gone": int(right),
        "planted_duplicates": sum(windows.values()),
        "nothing_else_is_gone": removed == sum(windows.values()),
    }


if __name__ == "__main__":
    main()
