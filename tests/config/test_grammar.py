"""Sweeps of Hydra's grammar: which values they list, what is refused, and python -O."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rote.config.compose import OWN
from rote.config.grammar import parse, swept_values, written


def listed(text: str) -> list[Any]:
    return swept_values(parse([text])[0], OWN.choices)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("size=glob(demo*)", ["demo_m", "demo_s"]),
        ("size=glob([demo*,80k],exclude=*_m)", ["80k", "demo_s"]),
        ("precision=glob(fp*)", ["fp16_mixed", "fp32", "fp8"]),
        ("optim/schedule=glob(co*)", ["constant", "cosine", "cosine_floor"]),
        ("seed=choice(1,2)", [1, 2]),
        ("seed=range(1,4)", [1, 2, 3]),
        ("seed=range(3)", [0, 1, 2]),
        ("seed=range(0,1,step=0.25)", [0.0, 0.25, 0.5, 0.75]),
        ("seed=sort(3,1,2)", [1, 2, 3]),
        ("seed=sort(range(3),reverse=true)", [2, 1, 0]),
        ("seed=tag(a,b,choice(1,2))", [1, 2]),
        ("seed=int(choice('1','2'))", [1, 2]),
        ("log.group='5',5,null,true,\"a,b\"", ["5", 5, None, True, "a,b"]),
        ("optim.optimiser.adamw_betas=[0.8,0.9],[0.9,0.99]", [[0.8, 0.9], [0.9, 0.99]]),
        ("optim.optimiser={lr:1},{lr:2}", [{"lr": 1}, {"lr": 2}]),
    ],
)
def test_values_are_listed(text: str, values: list[Any]) -> None:
    assert listed(text) == values


def test_shuffled_values_are_the_same_values() -> None:
    assert sorted(listed("seed=shuffle(range(5))")) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed=interval(0,1)", "an interval has no values to list: use choice"),
        ("seed=tag(a,interval(0,1))", "an interval has no values to list"),
        ("seed=glob(*)", "glob.. picks choices of a group, and seed is not one"),
        ("size=glob(none*)", r"size 'none\*' is not known"),
        ("seed=range(0,10,0)", "the step of a range cannot be 0"),
        ("seed=range(0,nan)", "a range needs finite numbers"),
        ("seed=range(0,inf)", "a range needs finite numbers"),
        ("seed=range(0,1e9)", "more than 100,000 values"),
        ("seed=shuffle(range(0,1000000000))", "more than 100,000 values"),
        ("seed=choice()", "choice.*empty"),
        ("log.group=extend_list(a)", "extend_list"),  # Hydra 1.4 knows it
        ("seed=[choice(1,2)]", "cannot stand inside a value"),
        ("seed=nothing(1)", "Unknown function"),
        ("seed=a,", "cannot read"),
        ("se ed=1", "cannot read"),
        ("", "cannot read"),
    ],
)
def test_what_cannot_be_listed_is_said_plainly(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        listed(text)
    said = str(caught.value)
    assert "\n" not in said
    assert not any(word in said for word in ("ConfigLoader", "ValueType", "Exception", "hydra.cc"))


@pytest.mark.parametrize(
    "value",
    [
        None, True, 5, 1.5, 1e-7, "5", "null", "true", "1e5", "nan", "", "plain", "a b", "a,b",
        "it's", 'a "word"', r"C:\dir", "C:\\dir\\", r"\'", "${size.width}", "é", "٣", "a=b", "[x]",
        ["5", 5], {"key": "5", "other": [None]},
    ],
)  # fmt: skip
def test_what_is_written_is_read_back(value: Any) -> None:
    assert parse([f"key={written(value)}"])[0].value() == value


@pytest.mark.parametrize("level", ["1", "2"])
def test_overrides_are_read_without_asserts(tmp_path: Path, level: str) -> None:
    grid = ["range(0,2)", "choice({a:1},{b:[2,x]})", "'a,b'"]
    code = (
        "from rote.config.compose import OWN, Composer\n"
        "from rote.config.grammar import parse, swept_values\n"
        "assert False, 'asserts are on'\n"
        f"print([swept_values(parse(['k=' + each])[0], OWN.choices) for each in {grid[:2]}])\n"
        "print(Composer().config(['size=80k', 'seed=3', 'log.group=\\'a,b\\''])['log']['group'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"PYTHONOPTIMIZE": level},
    )  # fmt: skip
    assert done.stdout == "[[0, 1], [{'a': 1}, {'b': [2, 'x']}]]\na,b\n", done.stderr
