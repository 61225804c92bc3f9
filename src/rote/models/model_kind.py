"""Whether a configuration is that of a causal language model, and in words what it is if not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

ENCODER = "an encoder, which reads a text from both sides and gives it no likelihood"
ENCODER_DECODER = "an encoder-decoder, which gives a likelihood to an answer, not to a text"
CLASSIFIER = "a classifier, which gives labels: audit the language model that it was made from"
OF_ENDINGS = {
    "ForMaskedLM": ENCODER,
    "ForPreTraining": ENCODER,
    "ForNextSentencePrediction": ENCODER,
    "Classification": CLASSIFIER,
    "ForQuestionAnswering": CLASSIFIER,
    "ForMultipleChoice": CLASSIFIER,
    "ForRegression": CLASSIFIER,
    "RewardModel": CLASSIFIER,
}
CAUSAL_ENDINGS = ("CausalLM", "LMHeadModel", "LMHead")


def require_causal(folder: Path, config: Mapping[str, Any], transformers: Any) -> str:
    """The model_type; ``config`` is that of config.json.

    Raises ValueError for a model that gives no likelihood of a text, and for one that comes with
    code of its own.
    """
    names = transformers.models.auto.modeling_auto
    kind = str(config.get("model_type"))
    if kind not in transformers.CONFIG_MAPPING:
        own = " but in code of its own, which is never run" if "auto_map" in config else ""
        raise ValueError(f"{folder}: transformers knows no model_type {kind!r}{own}")
    is_causal = kind in names.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    reason = _other_kind(kind, config, names, transformers)
    if reason is not None or not is_causal:
        known = "" if reason is None else f": it is {reason}"
        raise ValueError(f"{folder}: {kind!r} is no causal language model{known}")
    return kind


def _other_kind(kind: str, config: Mapping[str, Any], names: Any, transformers: Any) -> str | None:
    architecture = _architecture(config)
    if architecture.endswith(CAUSAL_ENDINGS) and config.get("is_encoder_decoder") is not True:
        return None
    for ending, words in OF_ENDINGS.items():
        if architecture.endswith(ending):
            return words
    default = getattr(transformers.CONFIG_MAPPING[kind], "is_encoder_decoder", False)
    if config.get("is_encoder_decoder", default) is True:
        return ENCODER_DECODER
    if kind in names.MODEL_FOR_MASKED_LM_MAPPING_NAMES and config.get("is_decoder") is not True:
        return ENCODER
    return None


def _architecture(config: Mapping[str, Any]) -> str:
    listed = config.get("architectures")
    return str(listed[0]) if isinstance(listed, list) and listed else ""
