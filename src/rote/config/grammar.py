"""Apply Hydra's override grammar: parse overrides, list a sweep's values, write values back.

Under ``python -O`` Hydra cannot read its own grammar, because its visitor steps through the tokens
inside of asserts. That one module is then compiled with its asserts.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from itertools import islice
from math import isfinite
from types import CodeType
from typing import Any

from hydra.core.override_parser import overrides_parser, overrides_visitor
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    Glob,
    IntervalSweep,
    Override,
    Quote,
    QuotedString,
    RangeSweep,
    Sweep,
)
from hydra.errors import HydraException

from rote.config.choices import unknown

PLAIN = re.compile(r"[\w.+-]+", re.ASCII)  # texts that the grammar may read without quotes
CALL = re.compile(r"while evaluating '(?P<call>.*)': (?P<reason>.*)")  # error of a Hydra function
INTERNAL = re.compile(  # text that Hydra and OmegaConf append for their developers
    r"(full_key: \S*|object_type=\w+|reference_type=\S+|See https://hydra\.cc\S* for details)\s*"
)
MOST_VALUES = 100_000  # of one axis


class _WithAsserts(SourceFileLoader):
    """Compiles a module with its asserts, even under -O."""

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.get_data(self.path), self.path, "exec", optimize=0, dont_inherit=True)


def _visitor_with_asserts() -> type[overrides_visitor.HydraOverrideVisitor]:
    loader = _WithAsserts(overrides_visitor.__name__, str(overrides_visitor.__file__))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None  # the loader is given
    module = module_from_spec(spec)
    loader.exec_module(module)
    visitor: type[overrides_visitor.HydraOverrideVisitor] = module.HydraOverrideVisitor
    return visitor


if not __debug__:
    vars(overrides_parser)["HydraOverrideVisitor"] = _visitor_with_asserts()


def parse(overrides: Sequence[str]) -> list[Override]:
    """Parse overrides; raises ValueError with one line for a text that is not an override."""
    return [_parse_one(override) for override in overrides]


@lru_cache(maxsize=2**16)
def _parse_one(text: str) -> Override:
    try:
        override = OverridesParser.create().parse_overrides([text])[0]
    except HydraException as error:
        if found := CALL.search(str(error)):
            raise ValueError(f"{text!r}: {found['call']}: {found['reason']}") from error
        raise ValueError(
            f"cannot read {text!r} as KEY=VALUE: put a value that holds spaces or any of "
            "= , : ( ) [ ] { } in quotes"
        ) from error
    if override.type.name == "EXTEND_LIST":  # of Hydra 1.4, which warns that 1.5 has none
        raise ValueError(f"{text!r}: write the whole list: extend_list() is not read here")
    if not isinstance(override._value, Sweep | Glob) and _holds_sweep(override.value()):
        raise ValueError(f"{text!r}: choice(), range() and the like cannot stand inside a value")
    return override


def swept_values(override: Override, choices: Callable[[str], list[str]]) -> list[Any]:
    """Return the values of a sweep override, in its order.

    ``choices`` lists those of a configuration group, for ``glob()``. Raises ValueError where the
    values cannot be listed.
    """
    line, sweep = override.input_line, override._value
    if isinstance(sweep, IntervalSweep):
        raise ValueError(
            f"{line!r}: an interval has no values to list: use choice(...) or range(...)"
        )
    if isinstance(sweep, Glob):
        return _matching(override, sweep, choices(override.key_or_group))
    if isinstance(sweep, RangeSweep):
        _require_short(line, sweep)
    texts = list(islice(override.sweep_string_iterator(), MOST_VALUES + 1))
    if len(texts) > MOST_VALUES:
        raise ValueError(f"{line!r} has more than {MOST_VALUES:,} values")
    key = override.key_or_group
    return [parse([f"{key}={text}"])[0].value() for text in texts]


def written(value: Any) -> str:
    """Write a value so that `parse` reads the same value back."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{','.join(map(written, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{written(item)}" for key, item in value.items()) + "}"
    text = str(value)
    if not isinstance(value, str) or (PLAIN.fullmatch(text) and _reads_as_itself(text)):
        return text
    return QuotedString(text=text, quote=Quote.single).with_quotes()


def plain_words(error: Exception) -> str:
    """Return Hydra's or OmegaConf's message in one line, without what is for their developers."""
    return " ".join(INTERNAL.sub("", " ".join(str(error).split())).split())


def _holds_sweep(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_sweep, value.values()))
    if isinstance(value, list):
        return any(map(_holds_sweep, value))
    return isinstance(value, Sweep | Glob)


def _matching(override: Override, glob: Glob, choices: list[str]) -> list[Any]:
    key = override.key_or_group
    if not choices:
        raise ValueError(
            f"{override.input_line!r}: glob() picks choices of a group, and {key} is not one"
        )
    names = glob.filter(choices)
    if not names:
        raise unknown(key, ", ".join(glob.include), choices)
    return names


def _require_short(line: str | None, sweep: RangeSweep) -> None:
    numbers = (sweep.start, sweep.stop, sweep.step)
    if not all(isinstance(number, int | float) and isfinite(number) for number in numbers):
        raise ValueError(f"{line!r}: a range needs finite numbers")
    if sweep.step == 0:
        raise ValueError(f"{line!r}: the step of a range cannot be 0")
    if (sweep.stop - sweep.start) / sweep.step > MOST_VALUES:  # type: ignore[operator]
        raise ValueError(f"{line!r} has more than {MOST_VALUES:,} values")


def _reads_as_itself(text: str) -> bool:
    """Return whether the unquoted text is read as itself, and not as a number or as null."""
    value = _parse_one(f"key={text}").value()
    return isinstance(value, str) and value == text
