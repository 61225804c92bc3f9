"""Find duplicate windows: exact ones, and near ones on request; no torch.

Windows are read from their file in parts, because the pages of a whole memory map would count as
memory. Shapes: N windows, L tokens in each, P of them in a part.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rote.core.progress import Progress

PART_BYTES = 1 << 24
PERMUTATIONS = 128  # error of an estimated similarity: about 1 / sqrt(128)
SHINGLE_TOKENS = 5
HASH_SEED = 42
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, kw_only=True)
class WindowFile:
    """N windows of L tokens, one after the other."""

    path: Path
    length: int
    dtype: np.dtype

    def __len__(self) -> int:
        return self.path.stat().st_size // self._window_bytes

    @property
    def _window_bytes(self) -> int:
        return self.length * self.dtype.itemsize

    def parts(self, what: str, progress: Progress) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield all windows in order, [P, L] at a time, each part with its place."""
        num_windows, start = max(1, PART_BYTES // self._window_bytes), 0
        with self.path.open("rb") as stream:
            while data := stream.read(num_windows * self._window_bytes):
                part_PL = np.frombuffer(data, self.dtype).reshape(-1, self.length)
                yield slice(start, start + len(part_PL)), part_PL
                start += len(part_PL)
                progress(what, start, len(self))

    def at(self, indices: np.ndarray) -> np.ndarray:
        """Return windows by index, [N, L]; the memory map is closed after the call."""
        mapped = np.memmap(self.path, self.dtype, mode="r").reshape(-1, self.length)
        return np.array(mapped[indices])


def exact_duplicates(windows: WindowFile, progress: Progress) -> np.ndarray:
    """Return True [N] for each window that equals an earlier one, token by token.

    Equal hashes only select which windows to compare.
    """
    hashes_N = np.empty(len(windows), dtype=np.uint64)
    for place, part_PL in windows.parts("hashing windows", progress):
        hashes_N[place] = window_hashes(part_PL)
    order_N = np.argsort(hashes_N, kind="stable")  # equal hashes: the earlier window first
    sorted_N = hashes_N[order_N]
    follows_N = np.zeros(len(order_N), dtype=bool)  # has the same hash as the one before
    follows_N[1:] = sorted_N[1:] == sorted_N[:-1]
    del hashes_N, sorted_N
    positions = np.flatnonzero(follows_N)
    starts_N = np.flatnonzero(~follows_N)
    firsts = starts_N[np.searchsorted(starts_N, positions, side="right") - 1]
    same = _are_equal(windows, order_N[positions], order_N[firsts], progress)
    duplicate_N = np.zeros(len(order_N), dtype=bool)
    duplicate_N[order_N[positions[same]]] = True
    # Different windows with equal hashes are extremely rare; each such group is compared in full.
    for start in np.unique(firsts[~same]):
        group = order_N[[start, *positions[firsts == start]]]
        duplicate_N[_repeated(windows, np.sort(group))] = True
    return duplicate_N


def near_duplicates(
    windows: WindowFile, duplicate_N: np.ndarray, threshold: float, progress: Progress
) -> np.ndarray:
    """Return True [N] for windows similar to an earlier kept one, exact duplicates excluded.

    Similar: the estimated Jaccard similarity of their sets of 5 consecutive tokens is at least
    ``threshold``, by MinHash with locality-sensitive hashing (``rensa``, extra ``text``). Raises
    ValueError if that is not installed.
    """
    try:
        from rensa import RMinHashDeduplicator
    except ImportError as error:
        raise ValueError(
            f"task.near_duplicate_threshold needs pip install 'rote[text]' ({error})"
        ) from error
    kept = RMinHashDeduplicator(threshold, PERMUTATIONS, use_lsh=True, seed=HASH_SEED)
    near_N = np.zeros(len(duplicate_N), dtype=bool)
    for place, part_PL in windows.parts("finding near duplicates", progress):
        wanted = np.flatnonzero(~duplicate_N[place])
        entries = [(str(place.start + row), _shingles(part_PL[row])) for row in wanted]
        near_N[place.start + wanted] = ~np.array(kept.add_pairs(entries), dtype=bool)
    return near_N


def window_hashes(tokens_PL: np.ndarray) -> np.ndarray:
    """Hash with a polynomial modulo 2^64, its upper bits mixed into the lower: uint64 [P]."""
    hashes_P = np.zeros(len(tokens_PL), dtype=np.uint64)
    for position in range(tokens_PL.shape[1]):
        hashes_P += tokens_PL[:, position] + np.uint64(1)
        hashes_P *= MULTIPLIER
        hashes_P ^= hashes_P >> np.uint64(29)
    return hashes_P


def _are_equal(
    windows: WindowFile, some: np.ndarray, others: np.ndarray, progress: Progress
) -> np.ndarray:
    """Return whether the windows at these pairs of indices are equal in every token."""
    same = np.empty(len(some), dtype=bool)
    size = max(1, PART_BYTES // (windows.length * windows.dtype.itemsize))
    for start in range(0, len(some), size):
        part = slice(start, start + size)
        same[part] = (windows.at(some[part]) == windows.at(others[part])).all(axis=1)
        progress("comparing equal hashes", min(start + size, len(some)), len(some))
    return same


def _repeated(windows: WindowFile, ascending: np.ndarray) -> list[int]:
    """Return which of these windows equal an earlier one of them."""
    seen: set[bytes] = set()
    repeated = []
    for index, row in zip(ascending.tolist(), windows.at(ascending), strict=True):
        data = row.tobytes()
        if data in seen:
            repeated.append(index)
        seen.add(data)
    return repeated


def _shingles(tokens_L: np.ndarray) -> list[bytes]:
    width = min(SHINGLE_TOKENS, len(tokens_L))
    rows = np.lib.stride_tricks.sliding_window_view(tokens_L, width)
    return [row.tobytes() for row in rows]
