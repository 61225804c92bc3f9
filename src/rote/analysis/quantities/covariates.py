"""Properties of a text that may go with how much of it is memorised.

TF-IDF as in Morris et al. 2025 (arXiv 2505.24832), section 4, with natural logarithms:

    TF-IDF(d; D) = 1/|d| * sum over words w of d of log(|D| / tf(w, D))

|d| words in the text, |D| texts in the collection, tf(w, D) occurrences of w in all of them: large
for texts of rare words, negative for texts of words that come more than once a text.
"""

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WORD = re.compile(r"\w+|[^\w\s]")  # runs of letters, digits and underscores; every other sign alone
CODE_SIGNS = frozenset("{}[]()<>=_;:/\\|&*+#@$%^~`\"'")
COMMON_SHARE = 0.99  # of all tokens: the tokens outside of this many are called rare
ZLIB_LEVEL = 9


def words(text: str) -> list[str]:
    """Lower-cased words and single signs; a window may begin or end inside a word."""
    return WORD.findall(text.lower())


def term_frequencies(texts: Iterable[str]) -> Counter[str]:
    """tf(w, D) of every word."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(words(text))
    return counts


def tf_idf(text: str, frequencies: Counter[str], num_texts: int) -> float:
    """(1 / |d|) sum over its words of ln(|D| / tf(w, D)), nats a word (Morris et al. 2025).

    Of a text of the collection of ``num_texts``; 0 for a text without words.
    """
    found = words(text)
    if not found:
        return 0.0
    return sum(float(np.log(num_texts / frequencies[word])) for word in found) / len(found)


def compressed_bytes(text: str) -> int:
    """Length under zlib: how much the text repeats itself."""
    return len(zlib.compress(text.encode(), ZLIB_LEVEL))


def character_shares(text: str) -> dict[str, float]:
    """Shares of characters of one class: a coarse look at script and at code."""
    count = max(1, len(text))
    return {
        "non_ascii_share": sum(not sign.isascii() for sign in text) / count,
        "digit_share": sum(sign.isdigit() for sign in text) / count,
        "code_sign_share": sum(sign in CODE_SIGNS for sign in text) / count,
    }


def rare_token_shares(tokens_NL: NDArray[np.int64], counts_V: NDArray[np.int64]) -> Floats:
    """[N], the share of each window's tokens outside the commonest that make up 99 % of all."""
    order = np.argsort(-counts_V, kind="stable")
    before = np.cumsum(counts_V[order]) - counts_V[order]
    is_rare_V = np.empty(len(counts_V), dtype=bool)
    is_rare_V[order] = before >= COMMON_SHARE * counts_V.sum()
    return is_rare_V[tokens_NL].mean(axis=1)


def covariates_of(
    texts: Sequence[str],
    tokens_NL: NDArray[np.int64],
    *,
    frequencies: Counter[str],
    num_texts: int,
    token_counts_V: NDArray[np.int64],
) -> dict[str, Floats]:
    """Each covariate, [N]; word and token counts are those of the collection."""
    shares = [character_shares(text) for text in texts]
    return {
        "tf_idf": np.array([tf_idf(text, frequencies, num_texts) for text in texts]),
        "compressed_bytes": np.array([compressed_bytes(text) for text in texts], float),
        "text_bytes": np.array([len(text.encode()) for text in texts], float),
        "rare_token_share": rare_token_shares(tokens_NL, token_counts_V),
        **{name: np.array([each[name] for each in shares]) for name in character_shares("")},
    }
