"""What a model makes of its modalities: which of them are taken away, and what each is worth."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import factorial

from benchmark.errors import UserError
from benchmark.records.measurements import AND, MISSING, NOTHING, removal_name


def removals(modalities: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What is taken from every sample, by the name of the corruption.

    All sets but the full one: nothing would remain to predict from, and its skill is that of the
    prior, 0.

    Raises:
        UserError: a modality whose name cannot be part of such a name.
    """
    found = {
        removal_name(gone): gone
        for size in range(len(modalities))
        for gone in combinations(modalities, size)
    }
    for modality in modalities:
        if modality == NOTHING or AND in modality:
            raise UserError(
                f"a modality called {modality!r} cannot be told from others in names such as "
                f"{MISSING}text{AND}audio; rename it"
            )
    return found


def shapley(
    scores: Mapping[frozenset[str], float | None], players: Sequence[str]
) -> dict[str, float | None]:
    """Shapley value of each modality: its mean contribution over all orders of adding them.

    Args:
        scores: skill with exactly these modalities present, for all 2^M subsets; the empty set
            is the prior, skill 0.
        players: names of the M modalities.

    Returns:
        Modality -> value; together they sum to the score of the full set minus that of the empty
        one. None for all where a score is undefined or not there.
    """
    known = {subset: score for subset, score in scores.items() if score is not None}
    if len(known) < 2 ** len(players):
        return dict.fromkeys(players)
    total = factorial(len(players))
    values: dict[str, float | None] = {}
    for player in players:
        others = [name for name in players if name != player]
        value = 0.0
        for size in range(len(players)):
            weight = factorial(size) * factorial(len(others) - size) / total
            for chosen in combinations(others, size):
                subset = frozenset(chosen)
                value += weight * (known[subset | {player}] - known[subset])
        values[player] = value
    return values
