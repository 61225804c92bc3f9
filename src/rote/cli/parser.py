"""The words of every command but `train`, whose words are Hydra's."""

import argparse
from importlib import metadata

from rote.cli.arguments import Parser, run_id, whole

DESCRIPTION = "Measure how much a transformer memorises, when it generalises instead, what leaks."
EPILOG = "Outputs go to ./outputs, or to the folder that ROTE_OUTPUTS names."
MODE_HELP = (
    "cached (default), retry: failures too, repair: damaged runs too, force: all anew, "
    "read-only: launch nothing"
)
SOURCE_HELP = "wandb:ENTITY/PROJECT or wandb-offline:FOLDER, instead of the records on disk"
TOKENS = whole(1, 10**7)
LAUNCHED_COMMANDS = {
    "resume": "send what is neither done, nor under way, nor failed",
    "retry": "as resume, and what failed is tried again",
    "repair": "as resume, and finished runs that are damaged are trained anew",
}


def parser_of_commands() -> argparse.ArgumentParser:
    """All commands but the words of `train`, which are Hydra's."""
    parser: argparse.ArgumentParser = Parser(prog="rote", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("-q", "--quiet", action="store_true", help="errors alone; comes first")
    parser.add_argument("--version", action="version", version=metadata.version("rote"))
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.type = str  # its words are checked by the command's own parser

    commands.add_parser("train", help="one run, or a grid with -m; see rote train --help")

    new = commands.add_parser("new", help="write a model, task, measure or sweep to begin with")
    new.add_argument("kind", choices=("model", "task", "measure", "sweep"))
    new.add_argument("name", help="small letters, digits and _; also that of its module")

    sweep = commands.add_parser("sweep", help="launch a sweep file and follow it to its end")
    sweep.add_argument("name", help="a file of sweeps/, without .yaml")
    sweep.add_argument("overrides", nargs="*", help="KEY=VALUE; for an axis: its new values")
    sweep.add_argument("--dry-run", action="store_true", help="check every point, print the bill")
    sweep.add_argument("--mode", default="cached", metavar="MODE", help=MODE_HELP)
    _add_json(sweep, "print where its runs stand at the end; of a dry run the bill")
    _add_follow(sweep)

    status = commands.add_parser("status", help="where the runs of a sweep stand")
    status.add_argument("name", nargs="?", help="a launched sweep; without it, all of them")
    _add_json(status, "print every run of them")
    _add_follow(status)

    for command, text in LAUNCHED_COMMANDS.items():
        again = commands.add_parser(command, help=text)
        again.add_argument("name", help="a launched sweep")
        _add_json(again, "print where its runs stand at the end")
        _add_follow(again)

    stop = commands.add_parser("cancel", help="end the jobs of a sweep, keep what they have done")
    stop.add_argument("name", help="a launched sweep")
    _add_json(stop, "print which jobs were ended")

    logs = commands.add_parser("logs", help="what a run's worker wrote last")
    logs.add_argument("run_id", type=run_id, help="16 hex digits, as rote status shows them")
    logs.add_argument("--lines", type=whole(1, 10**6), default=40, help="how many (default: 40)")

    _add_tracking(commands)
    compare = commands.add_parser("compare", help="two sweeps run by run: what differs, how much")
    compare.add_argument("first", help="a launched sweep")
    compare.add_argument("second", help="another, which shares points with it but for a setting")
    _add_json(compare, "print what is written")

    _add_serve(commands)
    _add_planning(commands)
    _add_audit(commands)
    _add_coding(commands)

    completion = commands.add_parser(
        "completion", help='for a shell: eval "$(rote completion bash)"'
    )
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    doctor = commands.add_parser(
        "doctor", help="what this machine has, and what to do about the rest"
    )
    doctor.add_argument("--outputs", action="store_true", help="every file of the outputs instead")
    _add_json(doctor, "print what was found")
    return parser


def _add_serve(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    report = commands.add_parser("report", help="fit, draw and write the report of a sweep")
    what = report.add_mutually_exclusive_group(required=True)
    what.add_argument("name", nargs="?", help="a launched sweep")
    what.add_argument("--all", action="store_true", help="a site of all sweeps and runs instead")
    text = "instead of the sweep's own, which for a grid of `rote train -m` is capacity"
    report.add_argument("--kind", help=text)
    _add_capacity_from(report)
    report.add_argument("--wandb", action="store_true", help="log it as a run beside its own")
    _add_json(report, "print its numbers and where the page is; with --all what was written")
    serve = commands.add_parser("serve", help="the same site, live, for this machine's browser")
    serve.add_argument(
        "--port", type=whole(0, 65535), default=8421, help="(default: 8421; 0: a free one)"
    )
    serve.add_argument("--open", action="store_true", help="open it in a browser")


def _add_capacity_from(parser: argparse.ArgumentParser) -> None:
    text = "whose reported capacity to scale by, instead of what the sweep's file names"
    parser.add_argument("--capacity-from", metavar="SWEEP", help=text)


def _add_planning(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    fit = commands.add_parser("fit", help="scaling and other laws through a sweep or a table")
    fit.add_argument("source", help="a launched sweep, or a file: .csv, .tsv, .json, .parquet")
    fit.add_argument("--law", metavar="LAW", help="default: each that the runs can tell")
    fit.add_argument(
        "--columns", metavar="NAME=COLUMN,...", default="", type=str,
        help="of a file, e.g. parameters=N,tokens=D*1e9,loss_nats=loss; loss_bits for bits a token",
    )  # fmt: skip
    fit.add_argument(
        "--resamples", type=whole(0, 10**5), default=1000, metavar="R", help="(default: 1000)"
    )
    fit.add_argument(
        "--clusters", choices=("parameters", "tokens", "unique_tokens", "flops"),
        help="draw runs of equal ones together: their residuals are alike (default: each alone)",
    )  # fmt: skip

    plan = commands.add_parser("plan", help="which size and how much data, and what it leaks")
    for name, text in (
        ("flops", "budget of training, 6 N D"),
        ("loss", "held-out nats a token to reach"),
        ("tokens", "distinct ones that there are; seen again where the budget buys more"),
        ("params", "sizes to look at, e.g. 124m,1.5b; default: a ladder about the best"),
        ("max-f1", "of membership inference, from 0.5 to 1"),
        ("max-exposure", "of canaries, bits"),
        ("max-extracted", "share of training windows"),
        ("device-flops", "that one device sustains a second (default: 4e14)"),
    ):
        plan.add_argument(f"--{name}", metavar="X", help=text)
    plan.add_argument("--from", dest="source", metavar="SWEEP", help="laws of its runs, where told")
    _add_capacity_from(plan)
    for parser, made in ((fit, "fit.json"), (plan, "plan.json")):
        _add_json(parser, f"print where the page is, and {made}")
        parser.add_argument(
            "--count", default="total", choices=("total", "non-embedding"), help="of parameters"
        )


def _add_tracking(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    collect = commands.add_parser("collect", help="records of a sweep into one typed table")
    collect.add_argument("name", help="a launched sweep; with --from also a group in wandb")
    collect.add_argument("--from", dest="source", metavar="SOURCE", help=SOURCE_HELP)
    _add_json(collect, "print where the table is, its columns and the runs that it lacks")

    dashboard = commands.add_parser("dashboard", help="a wandb workspace and report, as JSON")
    dashboard.add_argument("name", nargs="?", help="a launched sweep")
    dashboard.add_argument("--kind", help="of report: instead of a sweep, or for one of another")
    where = dashboard.add_mutually_exclusive_group()
    where.add_argument("--print", action="store_true", help="the default; calls no server")
    where.add_argument("--push", metavar="ENTITY/PROJECT", help="save it there; needs wandb login")

    sync = commands.add_parser("sync", help="send offline wandb runs to a server, each once")
    sync.add_argument("name", nargs="?", help="a launched sweep; without it, all that is here")
    sync.add_argument("--dry-run", action="store_true", help="list them, send nothing")
    _add_json(sync, "print each log and its state")
    sync.add_argument(
        "--jobs", type=whole(1, 64), default=5, metavar="N", help="runs at a time (default: 5)"
    )


def _add_audit(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    audit = commands.add_parser("audit", help="what a model gives away of its training data")
    audit.add_argument("model", help="a Hugging Face folder, or a run as for compress")
    for side in ("members", "nonmembers"):
        text = "documents it was trained on" if side == "members" else "others of the same source"
        audit.add_argument(
            f"--{side}", required=True, metavar="FILE", help=f"{text}: .txt, .jsonl, .csv, .parquet"
        )
    audit.add_argument(
        "--reference", nargs="+", default=[], metavar="MODEL", help="not trained on the members"
    )
    audit.add_argument("--canaries", metavar="MANIFEST", help="what was planted, as runs leave it")
    audit.add_argument("--field", default="text", help="of a row with the text (default: text)")
    audit.add_argument("--quick", action="store_true", help="the scores of one forward pass alone")
    for name, default, kind, text in (
        ("max-tokens", 1024, TOKENS, "of a document at most, the context besides"),
        ("prefix-tokens", 50, TOKENS, "that extraction gives the model"),
        ("suffix-tokens", 50, TOKENS, "that it has to give back"),
        ("seed", 0, whole(0, 2**63 - 1), "of halves and of what is set aside"),
    ):
        help_text = f"{text} (default: {default})"
        audit.add_argument(f"--{name}", type=kind, default=default, metavar="N", help=help_text)
    audit.add_argument("--precision", help="fp32 (default; for a run its own), bf16_true, ...")
    audit.add_argument("--accelerator", default="auto", choices=("auto", "cpu", "gpu"))
    audit.add_argument(
        "--start-token", type=whole(0, 2**31 - 1), metavar="N", help="what position 0 reads"
    )
    audit.add_argument("--allow-pickle", action="store_true", help="weights in pytorch_model.bin")
    audit.add_argument("--output", metavar="FOLDER", help="instead of outputs/audits")
    _add_json(audit, "print audit.json")


def _add_coding(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    pack = commands.add_parser("compress", help="code a file with a run's model, bit for bit")
    unpack = commands.add_parser("decompress", help="the file that rote compress was given")
    for parser in (pack, unpack):
        parser.add_argument("run", help="run id or its beginning, its folder, or a sweep (newest)")
    pack.add_argument("file", nargs="?", help="what to compress")
    pack.add_argument("--task-train", action="store_true", help="the run's own training set")
    _add_json(pack, "print sums, not a table")
    _add_json(unpack, "print what was written")
    unpack.add_argument("file", help="what rote compress wrote")
    for parser in (pack, unpack):
        parser.add_argument("-o", "--output", required=True, help="what to write")
        parser.add_argument("--force", action="store_true", help="replace it where it exists")


def _add_follow(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--follow", "--watch", action="store_true", help="watch it to its end")


def _add_json(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--json", action="store_true", help=f"{what}, as the one JSON document")
