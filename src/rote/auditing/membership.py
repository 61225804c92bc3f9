"""Compute membership scores from the results of all stages; higher = member.

Shapes: D documents of both sets, E evaluated ones, T tokens of all of them, W neighbours of one,
S references, F features.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from rote.auditing.passes import BEHIND_PREFIX, FORWARD, GRADIENT, LOWERED, NEIGHBOURS, Stages
from rote.auditing.scoring import BEGINNING_LOG_P, LOG_P, TOKEN_IS_GREEDY, TOKEN_LOG_P
from rote.scores.blind import blind_scores, word_ids
from rote.scores.documents import Floats
from rote.scores.likelihood import lowercase, neighbourhood, recall, reference, zlib_bytes
from rote.scores.quantile import FEWEST, above_quantile
from rote.scores.shadow_models import Shadows, lira_offline, offline_prior, rmia
from rote.scores.token_frequency import rarity_nats
from rote.scores.token_shifts import error_zone, window_votes

# The relation of a reference to the model's own p is unknown: p without the document is used as it
# is (a = 1), and any excess makes a document more surprising than another (gamma = 1).
RMIA_A, RMIA_GAMMA = 1.0, 1.0
FEWEST_FOR_LIRA = 2  # references, to estimate a spread

Passed = Mapping[str, np.ndarray]


class MembershipScores:
    """Scores of every document; NaN for those set aside, where a score is not computed for them."""

    def __init__(self, stages: Stages, passed: Mapping[str, Passed]) -> None:
        self.stages, self.corpus, self.passed = stages, stages.corpus, passed
        self.lengths_D = np.array([len(tokens) for tokens in self.corpus.tokens], dtype=np.int64)
        self.log_p_D: Floats = passed[FORWARD][LOG_P]  # of whole documents, nats
        references = [passed[name][LOG_P] for name in passed if name.startswith("reference-")]
        self.references_SD = np.array(references).reshape(-1, len(self.lengths_D))

    def computed(self, names: Sequence[str]) -> dict[str, Floats]:
        """Return each score that can be computed, [D]; ``names`` are those of the references."""
        forward, passed = self.passed[FORWARD], self.passed
        nats_D = -self.log_p_D / self.lengths_D
        made = {"loss": -nats_D}
        if self.corpus.texts is not None:
            made["zlib"] = -nats_D / zlib_bytes([text.encode() for text in self.corpus.texts])
        made |= {name: forward[name] for name in ("min_k", "min_k_plus_plus", "dc_pdd")}
        if GRADIENT in passed:
            made["gradient_norm"] = self._spread(passed[GRADIENT]["gradient_norm"])
        if LOWERED in passed:
            lengths_D = self._lengths(self.stages.lowered())
            nats_of_lowered_D = -self._spread(passed[LOWERED][LOG_P]) / lengths_D
            made["lowercase"] = lowercase(nats_D, nats_of_lowered_D)
        if BEHIND_PREFIX in passed:
            lengths_D = self._lengths(self.stages.behind_prefix())
            alone_D = -forward[BEGINNING_LOG_P] / lengths_D
            behind_D = -self._spread(passed[BEHIND_PREFIX][LOG_P]) / lengths_D
            made["recall"] = recall(alone_D, behind_D)
        if NEIGHBOURS in passed:
            made["neighbourhood"] = neighbourhood(nats_D, self._neighbours())
        for name, log_p_D in zip(names, self.references_SD, strict=True):
            made[name] = reference(nats_D, -log_p_D / self.lengths_D)
        return made | self._beside_others()

    def blind(self) -> Floats:
        """Return scores from a bag of words, or of tokens without text, that need no model."""
        corpus = self.corpus
        bags = corpus.tokens if corpus.texts is None else word_ids(corpus.texts)
        places = corpus.evaluated_E
        members = [bags[place] for place in places if corpus.is_member_D[place]]
        others = [bags[place] for place in places if not corpus.is_member_D[place]]
        return self._spread(np.concatenate(blind_scores(members, others)))

    def _beside_others(self) -> dict[str, Floats]:
        """Return scores that need references or known non-members.

        They are per token, so that long documents do not saturate them.
        """
        made: dict[str, Floats] = {}
        num_references, aside_D = len(self.references_SD), self.corpus.aside_D
        log_p_D = self.log_p_D / self.lengths_D
        log_p_SD = self.references_SD / self.lengths_D
        untrained = Shadows(log_p_SB=log_p_SD, trained_SB=np.zeros(log_p_SD.shape, dtype=np.bool_))
        if num_references:
            first, forward = self.passed["reference-0"], self.passed[FORWARD]
            shift_nats_T = forward[TOKEN_LOG_P].astype(np.float64) - first[TOKEN_LOG_P]
            made["ez"] = error_zone(shift_nats_T, forward[TOKEN_IS_GREEDY], self.lengths_D)
            made["wbc"] = window_votes(shift_nats_T, self.lengths_D)
        if aside_D.sum() >= FEWEST:
            features_DF = self._features()
            known = log_p_D[aside_D], features_DF[aside_D]
            made["quantile"] = above_quantile(log_p_D, features_DF, *known)
        if num_references and aside_D.any():
            prior_D = offline_prior(untrained, a=RMIA_A)
            known = log_p_D[aside_D], prior_D[aside_D]
            made["rmia"] = rmia(log_p_D, prior_D, *known, gamma=RMIA_GAMMA)
        if num_references >= FEWEST_FOR_LIRA:
            made["lira"] = lira_offline(log_p_D, untrained, fixed_variance=True)
        return made

    def _features(self) -> Floats:
        """Return what is known without a model, [D, F]: how long and how rare documents are."""
        columns = [np.log(self.lengths_D), rarity_nats(self.corpus.tokens, self.stages.counts_V)]
        if self.corpus.texts is not None:
            sizes_D = zlib_bytes([text.encode() for text in self.corpus.texts])
            columns.append(sizes_D / self.lengths_D)
        return np.column_stack(columns)

    def _neighbours(self) -> Floats:
        """Return nats per token of each document's neighbours, [D, W]."""
        log_p = self.passed[NEIGHBOURS][LOG_P]
        log_p_EW = log_p.reshape(-1, self.stages.settings.num_neighbours)
        nats_DW = np.full((len(self.lengths_D), log_p_EW.shape[1]), np.nan)
        places_E = self.corpus.evaluated_E
        nats_DW[places_E] = -log_p_EW / self.lengths_D[places_E, None]
        return nats_DW

    def _lengths(self, rows_E: Sequence[np.ndarray]) -> Floats:
        return self._spread(np.array([len(row) for row in rows_E], dtype=np.float64))

    def _spread(self, values_E: np.ndarray) -> Floats:
        """Return [D] values with NaN for documents that were set aside."""
        values_D = np.full(len(self.lengths_D), np.nan)
        values_D[self.corpus.evaluated_E] = values_E
        return values_D
