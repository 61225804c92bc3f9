"""spec.yaml read, whoever wrote it: a bounded amount of YAML, without aliases, not too deep."""

import io
from pathlib import Path

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rote.io.read import MOST_LEVELS, Damaged, read_bytes
from rote.io.shapes import tree
from rote.ledger.spec import Spec, spec_of

MOST_BYTES = 1 << 20  # a spec has some 3 KiB
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_spec(path: Path) -> Spec:
    """Raises ValueError naming the file where it is not a spec, or not there."""
    try:
        data = read_bytes(path, most_bytes=MOST_BYTES)
    except FileNotFoundError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    try:
        text = data.decode()
        _require_plain(text)
        plain = OmegaConf.to_container(OmegaConf.load(io.StringIO(text)))
        tree(plain, "")
        return spec_of(plain)
    except (OSError, TypeError, ValueError, yaml.YAMLError, OmegaConfBaseException) as error:
        raise Damaged(path, error) from error
    except (RecursionError, OverflowError) as error:
        raise Damaged(path, f"it cannot be read as YAML ({error})") from error


def _require_plain(text: str) -> None:
    """Raises ValueError for aliases, which may be circular or grow without end, and for depth."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("aliases (*name) are not allowed in a spec")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_LEVELS:
            raise ValueError(f"it is nested more than {MOST_LEVELS} levels deep")
