"""Merge a LoRA adapter, as PEFT saves it, into the base model that it was trained on.

A weight W of the base becomes W + alpha / R B A (Hu et al. 2021, arXiv 2106.09685), with sqrt(R) in
place of R for rank-stabilised adapters (Kalajdzievski 2023, arXiv 2312.03732). What this module
does not know how to merge, it refuses by name. Shapes: R rank, I inputs and O outputs of a layer.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rote.models.hf_folder import ADAPTER, require_file, require_plain_entries
from rote.models.hf_folder import read_object as read_config
from rote.models.stored_weights import StoredWeights, stored_weights

WEIGHTS, PICKLE = "adapter_model.safetensors", "adapter_model.bin"
PREFIX = "base_model.model."
LOW_RANK = re.compile(r"(?P<module>.+)\.lora_(?P<embedding>embedding_)?A(\.weight)?")
ALPHA = 8  # the default of PEFT
NAME = re.compile(r"\w+(\.\w+)*", re.ASCII)
# Keys of adapter_config.json that are merged here, or that change nothing after training. Any
# other key that is set is refused: it may change how the adapter acts (DoRA, QALoRA, ...).
KNOWN = {
    "alpha_pattern", "auto_mapping", "base_model_name_or_path", "bias", "eva_config",
    "exclude_modules", "fan_in_fan_out", "inference_mode", "init_lora_weights",
    "layers_pattern", "layers_to_transform", "loftq_config", "lora_alpha", "lora_dropout",
    "megatron_core", "modules_to_save", "peft_type", "peft_version", "qalora_group_size", "r",
    "rank_pattern", "revision", "target_modules", "task_type", "use_rslora",
}  # fmt: skip
# How A and B began. The other ways (pissa, olora, loftq, ...) also change the base.
KEEP_THE_BASE = (True, False, "gaussian", "eva", "orthogonal")


@dataclass(frozen=True, kw_only=True)
class LowRank:
    """A product B A that is added to a weight."""

    weight: str  # its name in the base
    in_name: str  # of A, [R, I], in the adapter's file
    out_name: str  # of B, [O, R]
    alpha: float
    is_transposed: bool  # the base stores this weight as [I, O]


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """A folder with adapter_config.json, whose weights are not loaded yet."""

    folder: Path
    config: Mapping[str, Any]
    weights: Path

    @property
    def files(self) -> list[Path]:
        """The files that affect a number."""
        return [self.folder / ADAPTER, self.weights]

    def base_folder(self, given: Path | None) -> Path:
        """Return ``given``, or the local folder that the configuration names.

        Raises ValueError if neither is a folder; nothing is downloaded.
        """
        named = self.config.get("base_model_name_or_path")
        of = f" of {named!r}" if isinstance(named, str) and named else ""
        if given is None and of and Path(str(named)).is_dir():
            given = Path(str(named))
        if given is None:
            raise ValueError(
                f"{self.folder} is an adapter{of}: give --base FOLDER with the model that it was "
                "trained on"
            )
        if not given.is_dir():
            raise ValueError(f"--base {given} is no folder: give that of the adapter's base model")
        return given.resolve()

    def require_fitting(self, base: nn.Module) -> None:
        """Raises ValueError unless every tensor belongs to a weight of ``base`` of its shape."""
        weights = dict(base.named_parameters(remove_duplicate=False))
        uses = Counter(map(id, weights.values()))
        with stored_weights([self.weights]) as stored:
            for weight, shape in self._shapes(stored).items():
                if weight not in weights:
                    raise ValueError(f"{self.folder} changes {weight!r}, which its base lacks")
                if shape != tuple(weights[weight].shape):
                    raise ValueError(
                        f"{self.folder}: the change of {weight!r} is {[*shape]}, the base's weight "
                        f"is {[*weights[weight].shape]}: it belongs to another base"
                    )
                if uses[id(weights[weight])] > 1:
                    raise ValueError(
                        f"{self.folder} changes {weight!r}, which the base ties to another weight: "
                        "merge it with peft and save the result untied"
                    )

    @torch.no_grad()
    def merge(self, base: nn.Module) -> None:
        """Change the weights of ``base``, which `require_fitting` accepted; sums in float32."""
        weights = dict(base.named_parameters())
        with stored_weights([self.weights]) as stored:
            low_rank, whole = self._changes(stored)
            for weight, name in whole.items():
                weights[weight].copy_(stored.by_name[name][:])
            for each in low_rank:
                in_RI, out_OR = (
                    stored.by_name[name][:].float() for name in (each.in_name, each.out_name)
                )
                rank = len(in_RI)
                by = math.sqrt(rank) if self.config.get("use_rslora") else rank
                change_OI: Tensor = each.alpha / by * out_OR @ in_RI
                changed = weights[each.weight]
                changed.copy_(changed.float() + (change_OI.T if each.is_transposed else change_OI))

    def _shapes(self, stored: StoredWeights) -> dict[str, tuple[int, ...]]:
        """Return the shape of what is added to, or replaces, each weight of the base."""
        low_rank, whole = self._changes(stored)
        shapes = {weight: stored.shapes[name] for weight, name in whole.items()}
        for each in low_rank:
            first, second = stored.shapes[each.in_name], stored.shapes.get(each.out_name)
            if second is None or len(first) != 2 or len(second) != 2 or first[0] != second[1]:
                raise ValueError(
                    f"{self.folder}: {each.in_name} is {[*first]} and {each.out_name} "
                    f"{second and [*second]}: they make no product"
                )
            shape = (second[0], first[1])
            shapes[each.weight] = shape[::-1] if each.is_transposed else shape
        return shapes

    def _changes(self, stored: StoredWeights) -> tuple[list[LowRank], dict[str, str]]:
        """Return products to add, and stored names of the weights that are replaced."""
        low_rank = list(self._low_rank(stored))
        used = {name for each in low_rank for name in (each.in_name, each.out_name)}
        whole: dict[str, str] = {}
        saved = tuple(self.config.get("modules_to_save") or ())
        for name in sorted(stored.shapes.keys() - used):
            weight = name.removeprefix(PREFIX).replace(".base_layer.", ".")
            module = weight.rpartition(".")[0]
            is_saved = any(f".{each}." in f".{module}." for each in saved)
            if not (is_saved or ".base_layer." in name):
                raise ValueError(
                    f"{self.folder} holds {name!r}, which is neither an A or B of LoRA nor part of "
                    "modules_to_save: merge it with peft (merge_and_unload) and audit the result"
                )
            whole[weight] = name
        return low_rank, whole

    def _low_rank(self, stored: StoredWeights) -> Iterator[LowRank]:
        for name in sorted(stored.shapes):
            if found := LOW_RANK.fullmatch(name):
                module = found["module"].removeprefix(PREFIX)
                kind = f".lora_{found['embedding'] or ''}"
                yield LowRank(
                    weight=f"{module}.weight",
                    in_name=name,
                    out_name=f"{kind}B".join(name.rsplit(f"{kind}A", 1)),
                    alpha=_alpha(self.config, module),
                    is_transposed=bool(found["embedding"] or self.config.get("fan_in_fan_out")),
                )


def is_adapter(folder: Path) -> bool:
    """Whether the folder holds an adapter."""
    return (folder / ADAPTER).exists() or bool(list(folder.glob("adapter_model.*")))


def read_adapter(folder: Path, *, allow_pickle: bool) -> Adapter:
    """Read the configuration of a LoRA adapter, and find its weights.

    Raises ValueError for other kinds of adapters, for settings that are not merged here, and for
    weights that are missing or may not be read.
    """
    require_plain_entries(folder)
    config = read_config(folder / ADAPTER)
    if config.get("peft_type") != "LORA":
        raise ValueError(
            f"{folder} is an adapter of kind {config.get('peft_type')!r}, and only LORA is merged: "
            "merge it with peft (merge_and_unload), save that with its tokeniser, and audit it"
        )
    began, bias = config.get("init_lora_weights", True), config.get("bias", "none")
    unknown = sorted(key for key, value in config.items() if value and key not in KNOWN)
    if began not in KEEP_THE_BASE:
        unknown.append(f"init_lora_weights {began!r}")
    if bias != "none":
        unknown.append(f"bias {bias!r}")
    if unknown:
        raise ValueError(
            f"{folder / ADAPTER} sets {', '.join(unknown)}, which is not merged here: merge it "
            "with peft (merge_and_unload), save that with its tokeniser, and audit it"
        )
    _require_plain(folder / ADAPTER, config)
    path = folder / WEIGHTS
    if not path.exists() and (folder / PICKLE).exists():
        if not allow_pickle:
            raise ValueError(f"{folder / PICKLE} is a pickle, which may run code: --allow-pickle")
        path = folder / PICKLE
    require_file(path)
    return Adapter(folder=folder, config=config, weights=path)


def _require_plain(path: Path, config: Mapping[str, Any]) -> None:
    """Raises ValueError for values of another type, and for patterns that are more than names.

    A stranger's regular expression may take for ever.
    """
    patterns, saved = config.get("alpha_pattern") or {}, config.get("modules_to_save") or []
    if not isinstance(patterns, dict) or not isinstance(saved, list):
        raise ValueError(f"{path}: alpha_pattern must be an object, modules_to_save a list")
    if unclear := [each for each in patterns if not NAME.fullmatch(each)]:
        raise ValueError(
            f"{path}: alpha_pattern {unclear[0]!r} is more than the end of a name, which is not "
            "merged here: merge it with peft (merge_and_unload) and audit the result"
        )
    for alpha in (config.get("lora_alpha", ALPHA), *patterns.values()):
        if type(alpha) not in (int, float) or not math.isfinite(alpha):
            raise ValueError(f"{path}: lora_alpha must be a number, got {alpha!r}")


def _alpha(config: Mapping[str, Any], module: str) -> float:
    """Return lora_alpha, or the first of alpha_pattern that ends the module's name."""
    patterns = config.get("alpha_pattern") or {}
    fitting = (each for each in patterns if f".{module}".endswith(f".{each}"))
    return float(patterns.get(next(fitting, None), config.get("lora_alpha", ALPHA)))
