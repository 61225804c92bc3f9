"""What counting strings in training data costs: `python benchmarks/occurrences.py 100000000`.

Text of words whose frequencies fall as 1 / rank, in documents of 1,000 words, which are made as the
index reads them. Times are of the processor, making the text left out; memory is the peak of this
process over what it held before, the text in it.
"""

import resource
import sys
import time
from collections.abc import Iterator

import numpy as np

from rote.tasks.occurrences import Occurrences

DOCUMENT_WORDS = 1000


class Documents:
    """Text, one document after another; keeps some of them, and the time that making took."""

    def __init__(self, num_bytes: int) -> None:
        self.num_bytes, self.kept, self.seconds = num_bytes, list[bytes](), 0.0

    def __iter__(self) -> Iterator[bytes]:
        made = documents(self.num_bytes)
        every = max(1, self.num_bytes // 5_000_000)
        started = time.process_time()
        for number, text in enumerate(made):
            self.seconds += time.process_time() - started
            if number % every == 0:
                self.kept.append(text)
            yield text
            started = time.process_time()


def documents(num_bytes: int) -> Iterator[bytes]:
    random = np.random.default_rng(0)
    sizes = random.integers(2, 10, size=50_000)
    words = [random.integers(97, 123, size=n).astype(np.uint8).tobytes() for n in sizes]
    shares = 1 / np.arange(1, len(words) + 1)
    left = num_bytes
    while left > 0:
        picked = random.choice(len(words), size=1000 * DOCUMENT_WORDS, p=shares / shares.sum())
        for start in range(0, len(picked), DOCUMENT_WORDS):
            text = b" ".join([words[i] for i in picked[start : start + DOCUMENT_WORDS]])[:left]
            left -= len(text)
            if text:
                yield text


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(num_bytes: int) -> None:
    texts = Documents(num_bytes)
    before, started = peak_bytes(), time.process_time()
    index = Occurrences.of_bytes(texts)
    built = time.process_time() - started - texts.seconds
    held = peak_bytes() - before
    started = time.process_time()
    found = [
        index.count_bytes(text[100:150]).occurrences for text in texts.kept if len(text) >= 150
    ]
    asked = time.process_time() - started
    assert min(found) >= 1
    sys.stdout.write(
        f"{num_bytes:,} bytes: built in {built:.1f} s of one core, {held / 2**30:.2f} GiB more; "
        f"{asked / len(found) * 1e6:.0f} us a count of 50 bytes\n"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
