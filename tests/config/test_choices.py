"""What is said of a word that is not among the choices."""

from rote.config.choices import unknown


def test_the_nearest_choice_is_named_and_all_are_listed() -> None:
    told = str(unknown("size", "81k", ["80k", "93k"]))
    assert told == "size '81k' is not known. Did you mean '80k'? Choices: 80k, 93k"


def test_where_there_are_none_none_are_listed() -> None:
    assert str(unknown("launched sweep", "demo", [])) == (
        "launched sweep 'demo' is not known: there is none yet"
    )
