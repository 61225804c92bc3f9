"""A kind of report is a folder that is found by its name."""

from inspect import signature

import pytest

from rote.analysis.report import kinds, maker, require_kind


def test_every_kind_can_be_made() -> None:
    assert "capacity" in kinds()
    for kind in kinds():
        assert list(signature(maker(kind)).parameters) == ["results"]


def test_an_unknown_kind_names_the_choices() -> None:
    with pytest.raises(ValueError, match=r"report 'capcity' is not known.*'capacity'"):
        require_kind("capcity")
