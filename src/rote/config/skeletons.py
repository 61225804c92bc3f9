"""Write a first version of a user's own model, task, measure or sweep.

Each is complete: it runs and its test passes before a line is changed.
"""

import os
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path

from rote.config.choices import unknown
from rote.config.compose import OWN
from rote.config.folders import own_choice, sweep_files

TEMPLATES = Path(__file__).parent / "templates"
KINDS = ("model", "task", "measure", "sweep")
MODULE_FILES = {
    "{name}.py": "{kind}.py.txt",
    "conf/{kind}/{name}.yaml": "{kind}.yaml.txt",
    "test_{name}.py": "{kind}_test.py.txt",
}
SWEEP_FILES = {
    "sweeps/{name}.yaml": "sweep.yaml.txt",
    "test_sweep_{name}.py": "sweep_test.py.txt",
}


def write_skeleton(kind: str, name: str, folder: Path) -> list[Path]:
    """Write the files of one kind into ``folder`` and return their paths.

    Raises ValueError, with nothing written, for a kind or name that cannot be used, and where one
    of the files exists.
    """
    if kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    _require_plain(name)
    texts = {
        folder / place.format(kind=kind, name=name): _filled(template.format(kind=kind), name)
        for place, template in (SWEEP_FILES if kind == "sweep" else MODULE_FILES).items()
    }
    if there := next((path for path in texts if os.path.lexists(path)), None):
        raise ValueError(f"{there} exists and stays as it is: choose another name")
    _require_free(kind, name)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:  # x: never overwrites a file
            file.write(text)
    return list(texts)


def next_commands(kind: str, name: str) -> list[str]:
    """Return the commands to type next."""
    chosen = f"{kind}=[cost,{name}]" if kind == "measure" else f"{kind}={name}"
    if kind == "sweep":
        return [f"rote sweep {name} --dry-run", f"python -m pytest test_sweep_{name}.py"]
    return [f"rote train {chosen} size=demo_s --dry-run", f"python -m pytest test_{name}.py"]


def _filled(template: str, name: str) -> str:
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    class_name = "".join(part.capitalize() for part in name.split("_"))
    return text.replace("CLASS", class_name).replace("NAME", name)


def _require_plain(name: str) -> None:
    is_plain = name.isascii() and name.isidentifier() and name == name.lower()
    if not is_plain or iskeyword(name) or name.startswith("_"):
        raise ValueError(f"a name is small letters, digits and _, as in my_gru; got {name!r}")


def _require_free(kind: str, name: str) -> None:
    """Raises ValueError where the name would already choose or import something else."""
    if kind == "sweep":
        if name in sweep_files():
            raise ValueError(f"there is a sweep {name!r} already: choose another name")
        return
    if name in OWN.choices(kind) and own_choice(kind, name) is None:
        raise ValueError(f"rote has {kind}={name} already: choose another name")
    if find_spec(name) is not None:
        raise ValueError(f"Python has a module {name!r} already: choose another name")
