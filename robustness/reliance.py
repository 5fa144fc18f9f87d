"""What a model makes of its modalities: which of them are taken away, and what each is worth."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from itertools import combinations
from math import factorial

import numpy as np

from benchmark.errors import UserError
from benchmark.records.measurements import AND, MISSING, NOTHING, removal_name

EXACT = 5  # modalities of which every set is taken away; of more, those along sampled orders
PAIRS = 8  # orders that are sampled, each with its reverse

Skills = Mapping[frozenset[str], float | None]
Worth = dict[str, float | None]


def removals(modalities: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What is taken from every sample, by the name of the corruption, the smallest sets first.

    All sets of up to five modalities; of more, those that the sampled orders need, every single one
    and all but every single one. Never all modalities: nothing would remain to predict from, and
    the skill of that is the prior's, 0.

    Raises:
        UserError: a modality whose name cannot be part of such a name.
    """
    for modality in modalities:
        if modality == NOTHING or AND in modality:
            raise UserError(
                f"a modality called {modality!r} cannot be told from others in names such as "
                f"{MISSING}text{AND}audio; rename it"
            )
    kept = _needed(modalities) if len(modalities) > EXACT else None
    return {
        removal_name(gone): gone
        for size in range(len(modalities))
        for gone in (combinations(modalities, size) if kept is None else kept.get(size, ()))
    }


def _needed(modalities: Sequence[str]) -> dict[int, list[tuple[str, ...]]]:
    """Size -> the sets of that size that are taken away where not all can be."""
    whole = frozenset(modalities)
    present = {
        frozenset(order[:count])
        for order in orders(modalities)
        for count in range(1, len(order) + 1)
    }
    present |= {frozenset({one}) for one in modalities} | {whole - {one} for one in modalities}
    places = sorted(
        [place for place, name in enumerate(modalities) if name not in rest] for rest in present
    )
    found: dict[int, list[tuple[str, ...]]] = {}
    for gone in places:
        found.setdefault(len(gone), []).append(tuple(modalities[place] for place in gone))
    return found


def orders(modalities: Sequence[str]) -> list[tuple[str, ...]]:
    """Random orders of adding the modalities, each followed by its reverse; always the same ones.

    They go by hashes, because no generator promises the same draws in all its versions.
    """

    def draw(number: int) -> tuple[str, ...]:
        return tuple(
            sorted(modalities, key=lambda name: blake2b(f"{number} {name}".encode()).digest())
        )

    return [order for n in range(PAIRS) for order in (draw(n), draw(n)[::-1])]


def worth(skills: Skills, modalities: Sequence[str]) -> tuple[Worth, Worth]:
    """Shapley values, and their standard errors where they are estimated.

    Args:
        skills: with exactly these modalities present, as `removals` leaves them; the empty set is
            the prior, skill 0.
        modalities: their names.

    Returns:
        Modality -> value, then modality -> standard error, empty for up to five modalities. None
        for all where a skill is undefined or not there.
    """
    if len(modalities) <= EXACT:
        return shapley(skills, modalities), {}
    gains: dict[str, list[float]] = {name: [] for name in modalities}
    for order in orders(modalities):
        for count, name in enumerate(order):
            before, after = (
                skills.get(frozenset(order[:count])),
                skills.get(frozenset(order[: count + 1])),
            )
            if before is None or after is None:
                return dict.fromkeys(modalities), dict.fromkeys(modalities)
            gains[name].append(after - before)
    # An order and its reverse depend on each other, the pairs do not.
    pairs = {name: np.reshape(values, (PAIRS, 2)).mean(axis=1) for name, values in gains.items()}
    return (
        {name: float(values.mean()) for name, values in pairs.items()},
        {name: float(values.std(ddof=1) / PAIRS**0.5) for name, values in pairs.items()},
    )


def shapley(skills: Skills, modalities: Sequence[str]) -> Worth:
    """Shapley value of each modality: its mean contribution over all orders of adding them.

    Args:
        skills: with exactly these modalities present, for all 2^M sets.
        modalities: names of the M modalities.

    Returns:
        Modality -> value; together they sum to the skill of the full set minus that of the empty
        one. None for all where a skill is undefined or not there.
    """
    known = {subset: skill for subset, skill in skills.items() if skill is not None}
    if len(known) < 2 ** len(modalities):
        return dict.fromkeys(modalities)
    total = factorial(len(modalities))
    values: Worth = {}
    for one in modalities:
        others = [name for name in modalities if name != one]
        value = 0.0
        for size in range(len(modalities)):
            weight = factorial(size) * factorial(len(others) - size) / total
            for chosen in combinations(others, size):
                subset = frozenset(chosen)
                value += weight * (known[subset | {one}] - known[subset])
        values[one] = value
    return values
