"""Define the command that judges published claims by the reports made here."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rote.cli.arguments import Json, argument, flag
from rote.cli.progress import Bar
from rote.cli.screen import print_json, screen
from rote.io.outputs import outputs_folder
from rote.io.read import require_no_damage

if TYPE_CHECKING:
    from rote.analysis.claims.evidence import JudgedClaim

RUN = "small: first launch and report each sweep that a laptop can run, an hour in all"
WITH = "an earlier claims.json, for numbers whose reports are not here"
BILL = "plan each sweep that would decide more, and say what it costs"


def claims(
    *,
    run: Annotated[Literal["small"] | None, argument(RUN, converter=None)] = None,
    with_: Annotated[Path | None, argument(WITH, name="--with", metavar="FILE")] = None,
    bill: Annotated[bool, flag(BILL)] = False,
    json: Json = False,
) -> int:
    """Writes outputs/claims/: claims.html, claims.md, claims.json.

    Raises ValueError for a file that is no claim or no scorecard, and for damaged reports, once the
    scorecard is written.
    """
    from rote.analysis.claims import scorecard
    from rote.analysis.claims.claim import SMALLER, load_claims
    from rote.analysis.claims.evidence import judge
    from rote.analysis.report import reproduce, write_page
    from rote.io.write import require_writable, write_json, write_text

    known = load_claims()
    earlier = scorecard.read_earlier(with_) if with_ else []
    outputs = require_writable(outputs_folder())
    if run:
        tests = [test for claim in known for test in claim.tests if test.settings == SMALLER]
        _launch(dict.fromkeys(test.sweep for test in tests))
    damaged: list[str] = []
    judged = [judge(claim, outputs / "reports", earlier, damaged) for claim in known]
    bills = _bills(judged) if bill else {}
    folder = outputs / "claims"
    content = scorecard.scorecard(judged, bills)
    write_page(
        folder / "claims.html", name="claims", question=scorecard.QUESTION, content=content,
        closing=reproduce(["rote claims --run small"]),
    )  # fmt: skip
    write_text(folder / "claims.md", scorecard.markdown(judged, bills))
    made = scorecard.scorecard_json(judged, bills)
    write_json(folder / "claims.json", made)
    if json:
        print_json(made)
    screen().print(scorecard.summary(judged))
    screen().say(f"{folder / 'claims.html'}, claims.md, claims.json")
    require_no_damage(list(dict.fromkeys(damaged)))
    return 0


def _launch(sweeps: Iterable[str]) -> None:
    """Run and report the sweeps one by one; raises Failed for one whose runs fail."""
    from rote.cli.results import report
    from rote.cli.screen import Failed
    from rote.cli.sweeps import sweep

    for name in sweeps:
        if sweep(name, follow=True):
            raise Failed(f"{name}: runs failed, see rote status {name}")
        report(name)


def _bills(judged: "Sequence[JudgedClaim]") -> dict[str, str]:
    """Return what each deciding sweep costs, by its name; or why that is not known here."""
    from rote.cli.launching import cost_of

    bills: dict[str, str] = {}
    with Bar() as progress:
        for name in dict.fromkeys(each.deciding.sweep for each in judged if each.deciding):
            try:
                bills[name] = cost_of(name, progress)
            except ValueError as error:  # its text is on the hub, say, and there is no network
                bills[name] = f"not known here: {str(error).partition(' (')[0]}"
    return bills
