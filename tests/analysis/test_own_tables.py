"""Tables as people write them: read to the same numbers, or the cell at fault is named."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from rote.analysis.csv_runs import measured_rows, read_runs
from rote.analysis.laws import kinds
from rote.analysis.laws.law import RunCount
from rote.analysis.tables.separated import ChosenColumns
from rote.core.units import nats_from_bits

NAMES = ("parameters", "tokens", "loss_nats")
ROWS = [(1_000_000.0, 20_000_000.0, 9.25), (4_000_000.0, 80_000_000.0, 7.5)]
Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(content: str | bytes) -> Path:
        path = tmp_path / "mine.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


def read(path: Path, mapping: str = "") -> list[tuple[float, ...]]:
    points = measured_rows(read_runs(path, mapping), kinds.law("parametric"), RunCount.TOTAL)
    return list(zip(*(points[name].tolist() for name in NAMES), strict=True))


PLAIN = "parameters,tokens,loss_nats\n1000000,20000000,9.25\n4000000,80000000,7.5\n"
SAME: dict[str, str | bytes] = {
    "plain": PLAIN,
    "semicolons": PLAIN.replace(",", ";"),
    "tabs": PLAIN.replace(",", "\t"),
    "pipes": PLAIN.replace(",", " | "),
    "spaces": PLAIN.replace(",", "   "),
    "padded": PLAIN.replace(",", " , "),
    "old Mac's line ends": PLAIN.replace("\n", "\r"),
    "Windows' line ends": PLAIN.replace("\n", "\r\n"),
    "UTF-8 with a mark": b"\xef\xbb\xbf" + PLAIN.encode(),
    "UTF-16": PLAIN.encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "UTF-16 without a mark": PLAIN.encode("utf-16-le"),
    "UTF-32": PLAIN.encode("utf-32"),
    "Latin": PLAIN.replace("\n", ",\u00e9\n").encode("latin-1"),
    "comments": f"# from a spreadsheet\n\n{PLAIN}# the end\n",
    "a title": f"Runs of last year\n{PLAIN}",
    "names in a comment": f"# {PLAIN}",
    "Excel's own line": "sep=;\n" + PLAIN.replace(",", ";"),
    "blank lines": PLAIN.replace("\n", "\n\n"),
    "commas at the ends": PLAIN.replace("\n", ",\n"),
    "decimal commas": PLAIN.replace(",", ";").replace(".", ","),
    "decimal commas and tabs": PLAIN.replace(",", "\t").replace(".", ","),
    "German": "parameters;tokens;loss_nats\n1.000.000;20.000.000;9,25\n4.000.000;80.000.000;7,5\n",
    "English": 'parameters,tokens,loss_nats\n"1,000,000","20,000,000",9.25\n4000000,8e7,7.5\n',
    "French": "parameters;tokens;loss_nats\n1 000 000;20 000 000;9,25\n4 000 000;8e7;7,5\n",
    "Swiss": "parameters,tokens,loss_nats\n1'000'000,20'000'000,9.25\n4_000_000,8e7,7.5\n",
    "multiples": "parameters,tokens,loss_nats\n1M,0.02B,9.25\n4m,80000k,7.5\n",
    "signs": "parameters,tokens,loss_nats\n+1e6,2.E7,9.25\n4E+6,.8e8,7.5\n",
    "quotes": '"parameters","tokens","loss_nats"\n"1000000", "2e7","9.25"\n4000000,8e7,"7.5"\n',
    "JSON lines": "".join(
        json.dumps(dict(zip(NAMES, row, strict=True))) + "\n" for row in ROWS
    ),
    "JSON": json.dumps([dict(zip(NAMES, row, strict=True)) for row in ROWS]),
    "JSON of columns": json.dumps(dict(zip(NAMES, zip(*ROWS, strict=True), strict=True))),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_the_same_numbers_are_read(write: Write, name: str) -> None:
    assert read(write(SAME[name])) == ROWS


def test_parquet_is_read(tmp_path: Path) -> None:
    pl.DataFrame(ROWS, schema=list(NAMES), orient="row").write_parquet(tmp_path / "mine.parquet")
    assert read(tmp_path / "mine.parquet") == ROWS


HEAD = "parameters,tokens,loss_nats\n1000000,20000000,9.25\n"
FAULTS: list[tuple[str | bytes, str]] = [
    (f"{HEAD}1,2,N/A\n", "mine.csv: line 3, column 'loss_nats' holds 'N/A', which is no number"),
    (f"# a\n{HEAD}\n1,,3\n", "line 5, column 'tokens' is empty"),
    (f"{HEAD}1,2\n", "line 3, column 'loss_nats' is empty"),
    (f"{HEAD}1,2,3,4\n", "line 3 has 4 cells, the names in line 1 are 3: a cell that"),
    (f"{HEAD}1,2,2.5b\n", "line 3, column 'loss_nats' holds '2.5b'"),
    (f"{HEAD}1,2,0x10\n", "'0x10', which is no number"),
    (f"{HEAD}1,2,1.2.3\n", "'1.2.3', which is no number"),
    (f"{HEAD}1,2,\u0663\n", "which is no number"),
    (HEAD.replace("9.25", '"9,25"') + "3,4,7.5\n", "column 'loss_nats' holds '7.5', whose"),
    ("parameters\ttokens\tloss_nats\n1\t2\t1,234\n3\t4\t1,235\n", "'1,234' may be 1234 or 1.234"),
    ("1,2,3\n4,5,6\n", "line 1 holds numbers: the first line must name the columns"),
    ("parameters,tokens\n1,2,3\n4,5,6\n", "line 1 has 2 cells, the others have 3"),
    ("parameters,tokens,loss_nats\n", "below its names, in line 1, is nothing"),
    ('parameters,tokens,loss_nats\n1,"2,3\n', "line 2: a quote is not closed"),
    ("parameters,tokens,tokens,loss_nats\n1,2,3,4\n", "2 columns are called 'tokens'"),
    ("", "is not a table: it is empty"),
    ("# nothing\n", "nothing but comments"),
    (b"PK\x03\x04rest", "is a spreadsheet or a zip archive: save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0rest", "is an old Excel workbook"),
    (b"\x1f\x8brest", "is compressed by gzip: unpack it first"),
    (b"PAR1rest", "is a damaged parquet file"),
    ("<html></html>", "is HTML or XML"),
    (b"a,b\n1,\x01\n", "bytes that are no text"),
    ('{"parameters": 1}\n[2]\n', "line 2 is not an object of columns"),
    ('{"parameters": 1}\n{"par\n', "line 2 is not JSON"),
    ('[{"parameters": 1, "tokens": 2, "loss_nats": true}]', "row 1, column 'loss_nats' holds True"),
    ('[{"parameters": 1, "tokens": 2}, {"loss_nats": 3}]', "row 2, column 'parameters' is empty"),
    (f'[{{"parameters": {10**400}, "tokens": 2, "loss_nats": 3}}]', "'parameters' holds 10000"),
    ("[" * 9000, "mine.csv is not a table: its JSON is nested too deeply"),
    ("N;D;L\n1;2;3\n", "needs parameters and tokens and loss_nats: .*: 'N', 'D', 'L'"),
    ("parameters,tokens\n1,2\n", "needs loss_nats: --columns loss_nats=..."),
    ("loss_nats,loss_bits\n1,2\n", "one unit is needed"),
    (f"{HEAD}1,2,nan\n", "line 3, column 'loss_nats' holds 'nan'"),
    (f"{HEAD}1,2,0\n", "loss_nats of run 2 is 0"),
    (f"{HEAD}1,2,-3\n", "loss_nats of run 2 is -3"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), FAULTS, ids=lambda each: str(each)[:40])
def test_the_true_cause_is_named(write: Write, content: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")) as caught:
        read(write(content))
    assert "\n" not in str(caught.value)
    assert "truncate_ragged" not in str(caught.value)


def test_columns_are_mapped_scaled_and_in_one_unit(write: Write) -> None:
    path = write("N (m),D,val\n1,10,2.0\n3,40,1.5\n")
    mapping = "parameters=N (m)*1e6,tokens=D*1e9,loss_nats=val"
    assert read(path, mapping) == [(1e6, 1e10, 2.0), (3e6, 4e10, 1.5)]
    bits = mapping.replace("nats", "bits")
    assert read(path, bits)[0][2] == nats_from_bits(2.0)
    runs = read_runs(path, bits)
    points = measured_rows(runs, kinds.law("parametric"), RunCount.NON_EMBEDDING)
    assert points.count is RunCount.NON_EMBEDDING
    with pytest.raises(ValueError, match="needs flops"):
        measured_rows(runs, kinds.law("isoflop"), RunCount.TOTAL)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.csv is not a table"):
        read_runs(tmp_path / "none.csv", "")


NAMED = '"N, params",a=b,N*1e6,N,D,x_bits\n1,2,3,4,5,6\n'


@pytest.mark.parametrize(
    ("mapping", "chosen"),
    [
        ("parameters=N, params,f1=D",
         {"parameters": ChosenColumns("N, params"), "f1": ChosenColumns("D")}),
        ('parameters="N, params"*1e6', {"parameters": ChosenColumns("N, params", 1e6)}),
        ("f1='N, params' * 2, steps = D",
         {"f1": ChosenColumns("N, params", 2.0), "steps": ChosenColumns("D")}),
        ("parameters=a=b*1e6", {"parameters": ChosenColumns("a=b", 1e6)}),
        ("parameters=N*1e6", {"parameters": ChosenColumns("N*1e6")}),
        ("parameters=N*2", {"parameters": ChosenColumns("N", 2.0)}),
        ("parameters=N,tokens=N,",
         {"parameters": ChosenColumns("N"), "tokens": ChosenColumns("N")}),
        ("", {}),
    ],
)  # fmt: skip
def test_any_column_can_be_named(
    write: Write, mapping: str, chosen: dict[str, ChosenColumns]
) -> None:
    assert read_runs(write(NAMED), mapping).chosen == chosen


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("parameters", "takes NAME=COLUMN"),
        ("parameters=M", "column of mine.csv 'M' is not known"),
        ("parameters=N*", "the factor of 'N' must be a number above 0, got ''"),
        ("parameters=N*0", "the factor of 'N'"),
        ("parameters=N*nan", "the factor of 'N'"),
        ("parameters=N*1e", "the factor of 'N'"),
        ("parameters=N*1e999", "the factor of 'N'"),
        ("parameters=N,parameters=D", "names parameters twice"),
        ("=N", "takes NAME=COLUMN"),
        ("size=N", "column 'size' is not known"),
        ("loss_nats=x_bits", "says bits: map it to loss_bits"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(write: Write, mapping: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_runs(write(NAMED), mapping)


@pytest.mark.parametrize(
    ("head", "row", "mapping", "doubts"),
    [
        ("Params (M),Tokens (B),Loss", "64,5,3",
         "parameters=Params (M),tokens=Tokens (B),loss_nats=Loss",
         ["parameters=Params (M)*1e6", "tokens=Tokens (B)*1e9"]),
        ("Params (M),Tokens (B),Loss", "64,5,3",
         "parameters=Params (M)*1e6,tokens=Tokens (B)*1e9,loss_nats=Loss", []),
        ("N,D,L", "64,5,3", "parameters=N,tokens=D,loss_nats=L", ["implausibly few"] * 2),
        ("N,D,L", "124,2.5e9,3", "parameters=N,tokens=D,loss_nats=L", ["for each parameter"]),
        ("N in B,D,L", "7,2e12,3", "parameters=N in B,tokens=D,loss_nats=L", ["*1e9"]),
        ("N,D,L", "1e8,2e9,24", "parameters=N,tokens=D,loss_nats=L", ["a perplexity?"]),
        ("N,D,L", "1e8,2e9,3", "parameters=N,tokens=D,loss_nats=L", []),
        ("N,D,L", "2868,250000,3", "parameters=N,tokens=D,loss_nats=L", []),
    ],
)  # fmt: skip
def test_counts_in_other_units_are_doubted(
    write: Write, head: str, row: str, mapping: str, doubts: list[str]
) -> None:
    runs = read_runs(write(f"{head}\n{row}\n"), mapping)
    found = runs.doubts(NAMES)
    assert len(found) == len(doubts)
    assert all(part in said for part, said in zip(doubts, found, strict=True))
