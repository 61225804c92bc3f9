"""Pages of the site that are made and not written: command line, configuration, changelog."""

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from rote.cli.main import COMMANDS, main
from rote.config.compose import groups
from rote.config.folders import conf_folder
from rote.config.sweep import read_sweep

ROOT = Path(__file__).parents[1]
MANY = 10  # choices of a group: more of them share a table, a row each
GLOBAL = "# @package _global_"
OF_COMPOSING = ("_self_", "override ")  # in a list of defaults: the order, and Hydra's own parts
OF_HYDRA = {
    "_target_": "the class or function that is built",
    "_partial_": "true: built when the rest of its arguments is known",
    "_convert_": "all: given as plain dictionaries and lists",
}
COMMAND_LINE = """\
# Command line

Made from the commands themselves. Exit codes: 0 done, 1 something failed, 2 the input was wrong,
130 interrupted. `ROTE_OUTPUTS` names another outputs folder, `ROTE_TRACEBACK=1` shows the whole of
an error.
"""
CONFIGURATION = """\
# Configuration

Made from the YAML files of `conf/` and `sweeps/`: every key, its default, and the comment beside
it. A key is set by its name, a group by a choice: `rote train task=text task.length=32`. Keys that
no file names are refused. All but those of `host` and `log` are part of the run id.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Hook of mkdocs: adds what is made here to what was found in docs/."""
    for name, content in (
        ("command_line.md", command_line()),
        ("configuration.md", configuration()),
        ("changelog.md", changelog()),
    ):
        files.append(File.generated(config, name, content=content))
    return files


def changelog() -> str:
    """CHANGELOG.md, its links as seen from docs/."""
    return (ROOT / "CHANGELOG.md").read_text().replace("](docs/", "](")


def command_line() -> str:
    """The help of `rote` and of each of its commands."""
    parts = [COMMAND_LINE, _help()]
    for name in (name for group in COMMANDS.values() for name in group):
        parts += [f"## rote {name}\n", _help(name)]
    return "\n".join(parts)


def _help(*command: str) -> str:
    with redirect_stdout(io.StringIO()) as printed:
        main([*command, "--help"])
    return f"```text\n{printed.getvalue().rstrip()}\n```\n"


def configuration() -> str:
    """Every key of conf/, and the sweeps."""
    train = conf_folder() / "train.yaml"
    parts = [CONFIGURATION, "## train.yaml\n", _choice(train, "", {})]
    for group, choices in groups().items():
        parts.append(f"## {group}\n")
        paths = [conf_folder() / group / f"{choice}.yaml" for choice in choices]
        if len(paths) > MANY:
            parts.append(_table(("choice", "settings", "meaning"), map(_in_a_row, paths)))
            continue
        keys = [key for path in paths for key in YamlFile(path).settings()]
        said = {key.name: key.meaning for key in keys if key.meaning}
        for path in paths:
            parts += [f"### {group}={path.stem}\n", _choice(path, _prefix(path, group), said)]
    return "\n".join([*parts, "## sweeps\n", _sweeps()])


def _prefix(path: Path, group: str) -> str:
    return "" if GLOBAL in path.read_text() else f"{group.replace('/', '.')}."


def _choice(path: Path, prefix: str, said: Mapping[str, str]) -> str:
    """``said``: meanings in the group's other files, for keys that have none beside them here."""
    file = YamlFile(path)
    rows = [
        (f"`{prefix}{key.name}`", _code(key.default), key.meaning or said.get(key.name, ""))
        for key in file.settings()
    ]
    begun = f"\n\nBegins with {', '.join(map(_code, file.defaults()))}." if file.defaults() else ""
    table = _table(("key", "default", "meaning"), rows) if rows else ""
    return f"{file.header()}{begun}\n\n{table}"


def _in_a_row(path: Path) -> tuple[str, ...]:
    file = YamlFile(path)
    settings = ", ".join(f"{key.name}: {key.default}" for key in file.settings())
    return (f"`{path.stem}`", _code(settings), file.header())


def _sweeps() -> str:
    rows = []
    for path in sorted((ROOT / "sweeps").glob("*.yaml")):
        sweep = read_sweep(path)
        axes = [*sweep.grid.product, *sweep.grid.zip, *sweep.grid.cases]
        named = f"{len(axes)}: {', '.join(map(_code, axes))}"
        rows.append((f"`{sweep.name}`", sweep.question, f"`{sweep.report}`", named))
    return _table(("sweep", "question", "report", "axes"), rows)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


@dataclass(frozen=True)
class Key:
    """A key of a YAML file, its value as written, and the comments that belong to it."""

    name: str
    default: str
    meaning: str


class YamlFile:
    """A file of conf/, comments included."""

    def __init__(self, path: Path) -> None:
        self.text = path.read_text()
        self.lines = self.text.splitlines()
        self.tree = yaml.compose(self.text)
        code = (n for n, line in enumerate(self.lines) if line and not line.startswith("#"))
        self.first = next(code, len(self.lines))

    def header(self) -> str:
        """The comment that the file begins with."""
        above = self.lines[: self.first]
        return _text(line for line in above if line and line != GLOBAL)

    def defaults(self) -> list[str]:
        """The choices of other groups that it begins with."""
        for name, value in self._pairs(self.tree):
            if name.value == "defaults":
                items = (self._source(item) for item in value.value)
                return [item for item in items if not item.startswith(OF_COMPOSING)]
        return []

    def settings(self) -> Iterator[Key]:
        """Every key but ``defaults``, as dotted names."""
        for key in self._keys(self.tree, ""):
            if key.name != "defaults":
                yield key

    def _keys(self, tree: yaml.Node | None, prefix: str) -> Iterator[Key]:
        for name, value in self._pairs(tree):
            dotted = f"{prefix}{name.value}"
            if isinstance(value, yaml.MappingNode) and not value.flow_style:
                if meaning := self._meaning(name, name):
                    yield Key(dotted, "", meaning)
                yield from self._keys(value, f"{dotted}.")
            else:
                yield Key(dotted, self._source(value), self._meaning(name, value))

    def _pairs(self, tree: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
        return list(tree.value) if isinstance(tree, yaml.MappingNode) else []

    def _source(self, node: yaml.Node) -> str:
        if isinstance(node, yaml.SequenceNode) and not node.flow_style:
            return ", ".join(map(self._source, node.value))
        text = self.text[node.start_mark.index : node.end_mark.index]
        return " ".join(text.split())

    def _meaning(self, name: yaml.Node, value: yaml.Node) -> str:
        is_block = isinstance(value, yaml.SequenceNode) and not value.flow_style
        end = (name if is_block else value).end_mark
        beside = self.lines[end.line][end.column :].lstrip(": ")
        texts = [*self._above(name.start_mark.line)]
        if beside.startswith("#"):
            texts.append(_text([beside]))
        return " · ".join(texts) or OF_HYDRA.get(name.value, "")

    def _above(self, line: int) -> list[str]:
        first = line
        while first > self.first and self.lines[first - 1].lstrip().startswith("#"):
            first -= 1
        comment = _text(self.lines[first:line])
        return [comment] if comment else []


def _text(comments: Iterable[str]) -> str:
    """What stands in lines of comment, as Markdown that shows <names> as they are."""
    return " ".join(line.lstrip("# ") for line in comments).replace("<", "&lt;")
