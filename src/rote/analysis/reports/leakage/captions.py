"""Hold the captions of figures, and the texts for missing parts, as HTML."""

CAPTIONS = {
    "membership_law": (
        "Small marks are runs (hollow: not converged), large ones means over seeds with 95 % "
        "intervals. Members are the training sequences that measure <code>membership</code> "
        "scored, non-members the held-out ones; planted canaries are neither. The threshold on "
        "the loss is chosen on one half, where it misses as many members as it accuses others, "
        "and F1 is counted on the other half with both classes weighing the same: a score that "
        "knows nothing has 1/2 (F1 at equal errors; the largest F1, 2/3 there, stands in the "
        "table of runs). |D| counts all training sequences, canaries and repeats too. The law is"
        " F1 = (1 + height &sigma;(slope x + offset)) / 2, fitted to all sizes together; its "
        "band is of the curve, with sizes as clusters; single runs scatter more. Published: "
        "Morris et al. 2025, section 5, who do not state how their threshold was chosen, and "
        "whose constants belong to sequences of 64 tokens: x counts sequences, and shorter ones "
        "hold less."
    ),
    "scores": (
        "AUROC is the chance that a member scores above a non-member. Lines join means over "
        "seeds; intervals are 95 %, over sequences, their ends averaged over seeds: these share "
        "their held-out sequences and err alike. The reference score is what a model saves a "
        "token over the oracle, the best run on the reference pool."
    ),
    "shadows": (
        "Each run of a size and N was the target once, the runs of the other seeds its shadows; "
        "in each row marks stand by size, then N, from above. Members are the samples it was "
        "trained on, non-members the other samples of the pool. A score is judged on the samples"
        " that have enough shadows for it; which these are depends on seeds alone. Sources: "
        "LiRA, Carlini et al. 2022 (arXiv 2112.03570); RMIA, Zarifzadeh et al. 2024 (arXiv "
        "2312.03262), gamma = 1, its population the held-out windows, its offline prior tuned on"
        " the shadows. Intervals are 95 %, of AUROC the mean over targets, of members found "
        "exact (Clopper and Pearson) with targets added up, at the thresholds that were chosen."
    ),
    "exposure": (
        "Exposure is log2 |R| less log2 of the rank that a model gives a secret among all that "
        "could stand in its place. Where these are too many it is estimated from a sample, which"
        " shows no more than log2 of the number drawn (Carlini et al. 2018, arXiv 1802.08232). "
        "Large marks are means over canaries, seeds together; intervals are 95 %, of means "
        "between known bounds (Learned-Miller and Thomas 2019, arXiv 1905.06208), and none for "
        "fewer than 3 canaries. At 0 are controls, drawn alike and never inserted."
    ),
    "canaries_extracted": (
        "A canary is extracted where greedy decoding after its template gives the whole secret. "
        "Intervals are Clopper and Pearson's, 95 %, seeds added up. Controls, at 0, can be "
        "guessed only."
    ),
    "windows_extracted": (
        "A window is extracted where greedy continuation of its prefix gives the rest exactly. "
        "Drawn is the rate of training windows less that of held-out windows, which can only be "
        "guessed; repeats and canaries are left out. Intervals are Newcombe's, 95 %, seeds added"
        " up; held-out windows, which seeds share, count once."
    ),
    "risk": (
        "Small marks are runs, large ones means over seeds. Canaries are all that were inserted,"
        " however often; windows are those of the longest prefix. Size and N move both axes: "
        "marks of equal size (equal N) compare models. The table has Spearman's rank "
        "correlations over runs, at equal N of ranks among the runs of each N; intervals are "
        "Bonett and Wright's (2000), 95 %."
    ),
    "sizes": (
        "The same against size. Lines join means over seeds at one N, every small mark is a run."
        " The table below compares the ends: F1 and extraction by adding reaches of intervals as"
        " squares, exposure by the same canaries in both models (Student's t over canaries, 8 at"
        " least). Intervals are over sequences and canaries; how far runs of other seeds scatter"
        " shows in the small marks."
    ),
}
NO_MEMBERSHIP = "No run measured membership: add <code>membership</code> to measure."
NO_COST = "No run with membership counted its training sequences: add <code>cost</code> to measure."
NO_SHADOWS = (
    "No shadow models: runs of task text that differ in their seed alone, with "
    "<code>superset</code> in measure, make LiRA and RMIA possible."
)
PRIVATE = (
    "Training with DP-SGD promises the planned epsilon at delta for one sequence more or less. Its "
    "loss on members and non-members refutes a smaller epsilon than the bound: a bound above the "
    "plan shows a fault. The first two bounds take scores as independent; that of one run does "
    "not, and its epsilon of replacing a sequence is up to twice the planned one (Jagielski et al. "
    "2020, arXiv 2006.07709; Nasr et al. 2023, arXiv 2302.07956; Steinke et al. 2023, arXiv "
    "2305.08846)."
)
NO_EXPOSURE = (
    "No run measured exposure: add <code>exposure</code> to measure, with "
    "<code>task=canaries</code>."
)
NO_CANARIES_TRIED = (
    "No run tried to extract canaries: measure <code>exposure</code> does so today, on "
    "<code>task=canaries</code>."
)
NO_WINDOWS = "No run extracted windows: add <code>extraction</code> to measure."
NO_LOSS = "No run has a held-out loss: add <code>cost</code> to measure."
ONE_SIZE = (
    "Nothing compares sizes: all runs are of one size, or runs of one size differ in more than "
    "data and seed."
)
