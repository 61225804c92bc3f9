"""Read published claims: each file of claims/ is one claim, and the tests that decide it.

A test names a report, one or more of its numbers (``*`` matches any text), and a rule. Rules:

above: x          the number is above x
below: x          it is below x
within: [a, b]    it is from a to b
alike: x          all matching numbers lie within the share x of their mean
says: text        the report's own verdict is this text

A rule is judged on the whole 95 % interval, so that a number without one decides nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from rote.config.choices import unknown
from rote.config.folders import claim_files

PRINTED, SMALLER = "printed", "smaller"
TOPICS = (
    "capacity", "text", "membership", "extraction", "memorise or generalise", "random labels",
    "scaling",
)  # fmt: skip
RULES = ("above", "below", "within", "alike", "says")
TEXTS = ("topic", "says", "source", "printed", "about")
KEYS = (*TEXTS, "tests")
KEYS_OF_TEST = ("sweep", "settings", "report", "number", "value", "interval", "rule")


@dataclass(frozen=True, kw_only=True)
class ClaimTest:
    """What decides a claim; raises ValueError for settings or a rule that are not known."""

    sweep: str  # that trains the runs
    settings: str  # printed: those of the source; smaller: other sizes, data or steps
    number: str  # of the report, as its manifest names it; * matches any text
    rule: Mapping[str, Any]  # one of `RULES`
    value: str = "verdict"  # dotted path within the number
    interval: str = ""  # dotted path of the interval; "": that which is named after the value
    report: str = ""  # the folder in outputs/reports; "": the sweep's

    def __post_init__(self) -> None:
        if self.settings not in (PRINTED, SMALLER):
            raise unknown("settings", str(self.settings), (PRINTED, SMALLER))
        if not isinstance(self.rule, Mapping) or len(self.rule) != 1:
            raise ValueError(f"a rule is one of {', '.join(RULES)} with its number: {self.rule!r}")
        name, bound = next(iter(self.rule.items()))
        if name not in RULES:
            raise unknown("rule", str(name), RULES)
        if not _fits(name, bound):
            raise ValueError(f"the rule {name} cannot take {bound!r}")

    @property
    def folder(self) -> str:
        """The report's folder."""
        return self.report or self.sweep


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A published statement; raises ValueError for a topic that is not known, or without tests."""

    name: str
    topic: str
    says: str
    source: str
    printed: str  # the number, table or direction in the source
    about: str  # the models, data and training that the source speaks of
    tests: Sequence[ClaimTest]

    def __post_init__(self) -> None:
        for key in TEXTS:
            if not isinstance(getattr(self, key), str):
                raise ValueError(f"{key} must be text: {getattr(self, key)!r}")
        if self.topic not in TOPICS:
            raise unknown("topic", self.topic, TOPICS)
        if not self.tests:
            raise ValueError("it has no tests: nothing could decide it")


def load_claims() -> tuple[Claim, ...]:
    """Read all claims, by topic and then by name; raises ValueError naming a file that is none."""
    claims = [read_claim(path) for path in claim_files().values()]
    return tuple(sorted(claims, key=lambda each: (TOPICS.index(each.topic), each.name)))


def read_claim(path: Path) -> Claim:
    """Read one file; raises ValueError naming the file if it holds no claim."""
    try:
        content: Any = OmegaConf.to_container(OmegaConf.load(path))
        if not isinstance(content, dict):
            raise ValueError("it holds no keys")
        _require_keys(content, KEYS)
        listed = content.pop("tests")
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            raise ValueError("tests must be a list of keys with values")
        for each in listed:
            _require_keys(each, KEYS_OF_TEST)
        return Claim(name=path.stem, tests=tuple(ClaimTest(**each) for each in listed), **content)
    except (YAMLError, OmegaConfBaseException, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a claim: {error}") from error


def _require_keys(content: Mapping[Any, Any], allowed: Sequence[str]) -> None:
    if wrong := sorted(set(map(str, content)) - set(allowed)):
        raise unknown("key", wrong[0], allowed)


def _fits(rule: str, bound: Any) -> bool:
    if rule == "says":
        return isinstance(bound, str)
    if rule == "within":
        is_pair = isinstance(bound, list) and len(bound) == 2
        return is_pair and all(map(_is_number, bound)) and bound[0] < bound[1]
    return _is_number(bound) and (rule != "alike" or bound > 0)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
