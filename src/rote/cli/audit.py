"""Define the command that audits a model: a Hugging Face folder, an adapter, or a run."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from rote.cli.arguments import Json, argument, flag, texts, whole
from rote.cli.models import find_run
from rote.cli.progress import Bar
from rote.cli.screen import Screen, print_json, screen
from rote.io.outputs import outputs_folder
from rote.io.write import require_writable

if TYPE_CHECKING:
    from rote.auditing.targets import AuditTarget

SETS = {"members": "members", "nonmembers": "non-members"}
COUNTED = ("empty", "too_short", "duplicates", "truncated")
WARNINGS = ("leaks", "confounded", "regurgitates")
FILES = ".txt, .jsonl, .csv, .parquet"
REFERENCE = argument(
    "not trained on the members", converter=texts, consume_multiple=1, show_default=False,
    metavar="MODEL ...", alias="--standard",
)  # fmt: skip
SUITE = argument(
    "hubble, pythia or canaries, and its files, in place of members and non-members",
    converter=texts, consume_multiple=(2, 2), show_default=False, metavar="NAME FOLDER",
)  # fmt: skip
Accelerator = Literal["auto", "cpu", "gpu"]
tokens = partial(whole, 1, 10**7)


def audit(
    model: Annotated[str, argument("a Hugging Face folder, or a run as for compress")],
    /,
    *,
    members: Annotated[Path | None, argument(f"documents it was trained on: {FILES}")] = None,
    nonmembers: Annotated[Path | None, argument(f"others of the same source: {FILES}")] = None,
    suite: Annotated[tuple[str, ...], SUITE] = (),
    reference: Annotated[tuple[str, ...], REFERENCE] = (),
    base: Annotated[Path | None, argument("the model that an adapter folder changes")] = None,
    canaries: Annotated[Path | None, argument("what was planted: a run's manifest.json")] = None,
    field: Annotated[str, argument("of a row with the text")] = "text",
    quick: Annotated[bool, flag("the scores of one forward pass alone")] = False,
    max_tokens: Annotated[int, tokens("of a document at most, the context besides")] = 1024,
    prefix_tokens: Annotated[int, tokens("that extraction gives the model")] = 50,
    suffix_tokens: Annotated[int, tokens("that it has to give back")] = 50,
    seed: Annotated[int, whole(0, 2**63 - 1, "of halves and of what is set aside")] = 0,
    precision: Annotated[str | None, argument("fp32, bf16_true, ...; default: a run's own")] = None,
    accelerator: Annotated[Accelerator, argument("where to compute", converter=None)] = "auto",
    start_token: Annotated[int | None, whole(0, 2**31 - 1, "what position 0 reads")] = None,
    allow_pickle: Annotated[bool, flag("weights in pytorch_model.bin")] = False,
    output: Annotated[Path | None, argument("a folder in the place of outputs/audits")] = None,
    json: Json = False,
) -> int:
    """Writes outputs/audits/<name>-<8 hex digits>/ and prints its headlines.

    Raises ValueError with one line for anything that cannot be audited.
    """
    from rote.analysis.audit.report import is_finished, read_numbers, write_report
    from rote.auditing.request import AuditRequest, AuditSettings
    from rote.auditing.targets import precision_of
    from rote.models.adapters import is_adapter
    from rote.training.quantisation_aware import QuantisationAware

    documents = _documents(members, nonmembers, suite, field)
    target = partial(_target, start_token=start_token, allow_pickle=allow_pickle, base=base)
    if base is not None and not any(is_adapter(Path(word)) for word in (model, *reference)):
        raise ValueError(f"--base is the model that an adapter changes, and {model} is no adapter")
    audited = target(model)
    scored_in = precision_of(precision or audited.precision)
    if isinstance(scored_in, QuantisationAware) and scored_in.name != audited.precision:
        reason = "only a run that was trained in it has such weights"
        raise ValueError(f"--precision {scored_in.name}: {reason}")
    request = AuditRequest(
        target=audited,
        references=[target(word) for word in reference],
        **documents,
        canaries=canaries or (documents["suite"] and documents["suite"].manifest),
        settings=AuditSettings(
            field=field,
            max_tokens=max_tokens,
            quick=quick,
            prefix_tokens=prefix_tokens,
            suffix_tokens=suffix_tokens,
            precision=scored_in.name,
            device=_device(accelerator),
            seed=seed,
            start_token=start_token,
            allow_pickle=allow_pickle,
        ),
    )
    with Bar() as progress:
        progress("reading every file once, for its digest", 0, None)
        digests = request.digests()
    root = require_writable(output or outputs_folder() / "audits")
    folder = root.absolute() / request.folder_name(digests)
    if not is_finished(folder):
        from rote.auditing.audit import delete_partial_results, run_audit

        with Bar() as progress:
            stored = run_audit(request, digests, folder, progress)
        write_report(stored, folder)
        delete_partial_results(folder)
    numbers = read_numbers(folder)
    if json:
        print_json(numbers)
    else:
        _print_audit(screen(), numbers, folder)
    return 0


def _documents(
    members: Path | None, nonmembers: Path | None, suite: tuple[str, ...], field: str
) -> dict[str, Any]:
    """Return the members, non-members and suite of a request; raises ValueError unless clear."""
    from rote.auditing.suites import CANARIES, FIELD, HUBBLE, PYTHIA, Suite, find_suite
    from rote.config.choices import unknown

    if bool(suite) == (members is not None or nonmembers is not None):
        raise ValueError("give --members and --nonmembers, or --suite NAME FOLDER")
    if not suite:
        if members is None or nonmembers is None:
            raise ValueError(f"{'--members' if members is None else '--nonmembers'} is missing")
        return {"members": members, "nonmembers": nonmembers, "suite": None}
    if field != FIELD:
        raise ValueError(f"the texts of a suite are in its field {FIELD!r}: leave out --field")
    name, path = suite
    if name not in (HUBBLE, PYTHIA, CANARIES):
        raise unknown("suite", name, (HUBBLE, PYTHIA, CANARIES))
    found = find_suite(name, Path(path))
    if isinstance(found, Suite):
        return {"members": found.path, "nonmembers": found.path, "suite": found}
    return {"members": found[0], "nonmembers": found[1], "suite": None}


def _target(
    word: str, *, start_token: int | None, allow_pickle: bool, base: Path | None
) -> "AuditTarget":
    """Return the run of this name; a folder that is not a run is a third party's checkpoint."""
    from rote.auditing.targets import CheckpointTarget, RunTarget

    path = Path(word)
    if path.is_dir() and not (path / "spec.yaml").is_file():
        return CheckpointTarget(path, start_token=start_token, allow_pickle=allow_pickle, base=base)
    try:
        folder = find_run(outputs_folder(), word)
    except ValueError as error:
        raise ValueError(f"{word!r} is no folder, and as one of ours: {error}") from error
    return RunTarget(folder)


def _device(accelerator: str) -> str:
    import torch

    from rote.training.distributed import device_of

    device = device_of(accelerator).type
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--accelerator gpu: torch sees no CUDA device here")
    return device


def _print_audit(console: Screen, numbers: dict[str, Any], folder: Path) -> None:
    from rote.analysis.audit.report import NUMBERS, PAGE
    from rote.analysis.audit.wording import start_warnings

    for key, name in SETS.items():
        counts = numbers[key]
        left_out = [f"{counts[each]:,} {each.replace('_', ' ')}" for each in COUNTED]
        console.say(
            f"{name}: {counts['scored']:,} of {counts['rows']:,} documents ({', '.join(left_out)})"
        )
    for warning in start_warnings(numbers):
        console.say(warning, style="yellow")
    for headline in numbers["headlines"]:
        verdict = headline.partition(": ")[2].partition(".")[0]
        style = "yellow" if verdict in WARNINGS else "green"
        console.say(headline, style=style)
    console.say(folder / PAGE)
    console.say(folder / NUMBERS)
