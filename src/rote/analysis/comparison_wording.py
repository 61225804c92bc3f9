"""A comparison in words: the sentences that the terminal, the page and the figures share."""

from rote.analysis.comparison import Compared, Comparison


def sides(found: Comparison) -> tuple[str, str]:
    """What to call the two: the value of the one thing that differs, or else the sweeps' names."""
    differing = found.differing
    chosen = [each for each in differing if each.key.endswith(".name")] or list(differing)
    if len(chosen) != 1:
        return found.names
    each, leaf = chosen[0], chosen[0].key.rpartition(".")[2]
    if leaf == "name":
        return each.first, each.second
    return f"{leaf}={each.first}", f"{leaf}={each.second}"


def question(found: Comparison) -> str:
    """What the page asks."""
    first, second = sides(found)
    return f"What changes from {first} to {second}?"


def pairs(found: Comparison) -> str:
    """How many runs match, and how many of each sweep do not."""
    matched = "1 run matches" if found.num_pairs == 1 else f"{found.num_pairs} runs match"
    if found.num_shared:
        matched += f", {found.num_shared} of them the same run in both"
    left = [(found.alone.filter(sweep=name).height, name) for name in found.names]
    return "; ".join([matched, *(f"{count} of {name} do not" for count, name in left if count)])


def change(each: Compared) -> str:
    """The difference of one metric, with its interval."""
    value = each.metric.signed.format(each.difference.value)
    unit = f" {each.metric.unit}" if each.metric.unit else ""
    told = each.difference.span(each.metric.signed)
    if each.difference.interval:
        told = f"95 % {told}, {each.difference.n} pairs"
    return f"{value}{unit} ({told})"


def headlines(found: Comparison) -> tuple[str, ...]:
    """A line for each metric whose interval leaves out 0, or one that says there is none."""
    told = [each for each in found.compared if each.difference.sign]
    first, second = sides(found)
    if not told:
        said = _verdict(found.moved[0])
        return (f"{second} against {first}: {said}",)
    return tuple(f"{second} against {first}: {each.metric.name} {change(each)}" for each in told)


def finding(found: Comparison) -> str:
    """The title of the figure of differences: the first metric that moved, and how many did."""
    first, second = sides(found)
    main, num_told = found.moved[0], sum(each.difference.sign != 0 for each in found.compared)
    told = f"{num_told} of {len(found.compared)} intervals leave out 0"
    return f"{second} against {first}: {_verdict(main)}; {told}"


def scattered(found: Comparison) -> str:
    """The title of the figure of pairs: in how many the second is the higher one."""
    first, second = sides(found)
    main = found.moved[0]
    return (
        f"{main.metric.name}: {second} is above {first} in "
        f"{main.num_higher} of {len(main.first)} pairs"
    )


def equal(found: Comparison) -> str:
    """Which metrics are the same in every pair; empty where none is."""
    names = [each.metric.title for each in found.compared if each.is_equal]
    return f"Equal in every pair: {', '.join(names)}." if names else ""


def _verdict(each: Compared) -> str:
    if each.is_equal:
        return f"{each.metric.name} equal in every pair"
    said = f"{each.metric.name} {change(each)}"
    is_open = each.difference.interval is not None and not each.difference.sign
    return f"no difference told in {said}" if is_open else said
