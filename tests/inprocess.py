"""Commands as a person types them, without a new interpreter: `main()` in this process."""

import contextlib
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess
from unittest import mock

from hydra.core.global_hydra import GlobalHydra

from rote.cli.main import main


def rote(folder: Path, *words: str) -> CompletedProcess[str]:
    """The result of ``rote words`` in ``folder``, as `subprocess.run` would return it."""
    out, errors = StringIO(), StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
        mock.patch("sys.argv", ["rote", *words]),
    ):
        code = _exit_code(words)
    return CompletedProcess(words, code, out.getvalue(), errors.getvalue())


def _exit_code(words: tuple[str, ...]) -> int:
    """Also of parsers and of Hydra, which leave through SystemExit."""
    GlobalHydra.instance().clear()
    try:
        return main(list(words))
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else int(left.code is not None)
