"""What counting strings in training data costs: `python benchmarks/occurrences.py 100000000`.

Text of words whose frequencies fall as 1 / rank, in documents of 1,000 words. Times are of the
processor; memory is the peak of this process over what it held before building.
"""

import resource
import sys
import time

import numpy as np

from rote.tasks.occurrences import Occurrences

DOCUMENT_WORDS = 1000


def documents(num_bytes: int) -> list[bytes]:
    random = np.random.default_rng(0)
    sizes = random.integers(2, 10, size=50_000)
    words = [random.integers(97, 123, size=n).astype(np.uint8).tobytes() for n in sizes]
    shares = 1 / np.arange(1, len(words) + 1)
    made: list[bytes] = []
    left = num_bytes
    while left > 0:
        picked = random.choice(len(words), size=1000 * DOCUMENT_WORDS, p=shares / shares.sum())
        for start in range(0, len(picked), DOCUMENT_WORDS):
            text = b" ".join([words[i] for i in picked[start : start + DOCUMENT_WORDS]])[:left]
            left -= len(text)
            made += [text] if text else []
    return made


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(num_bytes: int) -> None:
    texts = documents(num_bytes)
    before, started = peak_bytes(), time.process_time()
    index = Occurrences.of_bytes(texts)
    built, held = time.process_time() - started, peak_bytes() - before
    random = np.random.default_rng(1)
    picked = [texts[i] for i in random.integers(len(texts), size=1000)]
    started = time.process_time()
    found = [index.count_bytes(text[100:150]).occurrences for text in picked if len(text) >= 150]
    asked = time.process_time() - started
    assert min(found) >= 1
    sys.stdout.write(
        f"{num_bytes:,} bytes: built in {built:.1f} s of one core, {held / 2**30:.2f} GiB more; "
        f"{asked / len(found) * 1e6:.0f} us a count of 50 bytes\n"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
