"""The site is built without a warning, loads nothing from elsewhere, and no link is broken."""

import html
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from tests.docs.pages import DOCS, PAGES, ROOT, name

from rote.cli.main import COMMANDS
from rote.config.compose import groups
from rote.config.folders import conf_folder, sweep_files
from rote.ledger.spec import flatten

TEXTS = [*PAGES, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
MADE = ("command_line.md", "configuration.md", "changelog.md")  # by docs/reference.py
LINK = re.compile(r"\]\(([^)\s]+)\)")
LOADED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"?(https?:|//)|@import|url\(.?https?:"
)
STYLES = re.compile(
    r"<link\b[^>]*rel=\"?(?:stylesheet|preconnect|preload)[^>]*href=\"?(?:https?:|//)"
)
ABSOLUTE = re.compile(r"(?<![\w.:/~<-])/(home|root|tmp|work|opt|usr|mnt|srv|var|etc|Users)/")
FILE = re.compile(r"`((?:src|conf|sweeps|tests|docs|benchmarks)/[\w./-]+)`")
PLACEHOLDER = re.compile(r"(^|/|test_)x(\.|/|$)")  # x.py: the one to be written
WORDS = re.compile(r"<code>([^<]*)</code>")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built strictly: a warning is an error. Not with --quiet, under which none is counted."""
    for package in ("mkdocs", "material", "mkdocstrings_handlers"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install 'rote[docs]'")
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_built(site: Path) -> None:
    wanted = {path.stem for path in DOCS} | {Path(made).stem for made in MADE}
    assert wanted <= {path.stem for path in site.glob("*.html")}


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        text = path.read_text()
        assert not (LOADED.search(text) or STYLES.search(text)), path.name
    for path in site.rglob("*.css"):
        assert not re.search(r"url\(.?(https?:|//)", path.read_text()), path.name


def test_the_reference_has_every_key_and_sweep(site: Path) -> None:
    told = set(map(html.unescape, WORDS.findall((site / "configuration.html").read_text())))
    assert told >= set(sweep_files())
    for group, choices in groups().items():
        for choice in choices:
            path = conf_folder() / group / f"{choice}.yaml"
            is_global = "@package _global_" in path.read_text()
            prefix = "" if is_global or group == "size" else f"{group.replace('/', '.')}."
            for key in keys(path):
                named = key if group != "size" else choice
                assert {f"{prefix}{each}" for each in with_parents(named)} & told, (path, key)


def keys(path: Path) -> list[str]:
    content = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(content, dict)
    return [key for key in flatten(content) if key != "defaults"]


def with_parents(key: str) -> set[str]:
    """A mapping that is written on one line is told as one value."""
    parts = key.split(".")
    return {".".join(parts[:end]) for end in range(1, len(parts) + 1)}


def test_the_reference_has_every_command(site: Path) -> None:
    text = (site / "command_line.html").read_text()
    for command in (each for group in COMMANDS.values() for each in group):
        assert f'id="rote-{command}"' in text
        assert f"Usage: rote {command}" in text


def test_the_interface_has_signatures_and_words(site: Path) -> None:
    text = (site / "python.html").read_text()
    assert 'id="rote.run.execute.execute"' in text
    assert "return its record at once if it is done" in text


@pytest.mark.parametrize("page", TEXTS, ids=name)
def test_links_and_images_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        target = link.partition("#")[0]
        if re.match(r"https?:|mailto:", link) or not target or target in MADE:
            continue
        assert (page.parent / target).exists(), f"{name(page)}: {link}"


@pytest.mark.parametrize("page", TEXTS, ids=name)
def test_no_page_knows_the_machine_it_was_written_on(page: Path) -> None:
    assert not ABSOLUTE.search(page.read_text())


@pytest.mark.parametrize("page", TEXTS, ids=name)
def test_files_that_are_named_are_there(page: Path) -> None:
    named = FILE.findall(page.read_text())
    assert not [path for path in named if not (PLACEHOLDER.search(path) or (ROOT / path).exists())]
