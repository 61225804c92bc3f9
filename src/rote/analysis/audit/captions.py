"""Captions of an audit's tables, in HTML."""

SAMPLED = (
    "Columns n: documents whose rest is among n drawn ones with a chance of one half or more, "
    "at temperature 1 from the whole vocabulary ((n, p)-discoverable extraction: Hayes et al. "
    "2024, arXiv 2410.19482), computed from the forward pass, nothing is drawn."
)
UNINTENDED = (
    "How many bits the model saves on a document beyond what the reference knows: "
    "mem_U(x) = max(0, log<sub>2</sub> p(x | model) - log<sub>2</sub> p(x | reference)), on "
    "whole documents (Morris et al. 2025, arXiv 2505.24832, section 2). It stays a bound from "
    "below. What non-members have is skill that the reference lacks: members are to be read "
    "against them."
)
EXPOSURE = (
    "How far up a canary's secret ranks among all that could stand in its place, "
    "log<sub>2</sub> |R| - log<sub>2</sub> rank, or among references drawn from them, which "
    "bounds it (Carlini et al. 2018, arXiv 1802.08232). A guess exposes 1.44 bits."
)
