"""Any set of modalities may go missing; of many the worth is estimated, with its error."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.batch import Batch
from benchmark.config import PROTOCOLS, TrainConfig
from benchmark.datasets.dataset import Dataset, Split
from benchmark.errors import UserError
from benchmark.evaluation import EvaluationContext, predict
from benchmark.model import Model, Output
from benchmark.records.measurements import Robustness, removal_name, removed
from leaderboard.render.csv import tidy
from leaderboard.render.latex import latex
from robustness.corruptions import corrupt
from robustness.evaluation import robustness
from robustness.promises import CHECKS
from robustness.reliance import EXACT, PAIRS, orders, removals, shapley, worth
from robustness.scores import score
from tests.robustness.test_evaluation import make_dataset, make_sequences, make_split
from tests.table_records import build, measured, score_record

USUAL = ("text", "audio", "vision")
SIX = (*USUAL, "poster", "metadata", "touch")


def subsets(names: tuple[str, ...]) -> list[frozenset[str]]:
    return [frozenset(c) for size in range(len(names) + 1) for c in combinations(names, size)]


def test_the_usual_three_may_be_missing_alone_and_in_pairs() -> None:
    assert list(removals(USUAL)) == [
        *("missing.none", "missing.text", "missing.audio", "missing.vision"),
        *("missing.text+audio", "missing.text+vision", "missing.audio+vision"),
    ]


@pytest.mark.parametrize("count", [1, 2, 4, 5])
def test_every_set_but_all_is_taken_from_up_to_five(count: int) -> None:
    found = removals(SIX[:count])
    assert {frozenset(gone) for gone in found.values()} == set(subsets(SIX[:count])[:-1])
    assert all(removed(name, SIX) == gone for name, gone in found.items())


@pytest.mark.parametrize("count", [6, 8, 12])
def test_of_more_the_sets_along_the_orders_are_taken(count: int) -> None:
    names = tuple(f"m{number}" for number in range(count))
    found = removals(names)
    gone = list(found.values())
    assert len(gone) == len(set(gone)) < 2**count - 1
    assert len(gone) <= 1 + 2 * count + 2 * PAIRS * (count - 1)
    assert [len(one) for one in gone] == sorted(len(one) for one in gone)
    singles = {(name,) for name in names}
    assert singles <= set(gone)
    rests = {frozenset(names) - frozenset(one) for one in gone}
    assert {frozenset(single) for single in singles} <= rests
    for order in orders(names):
        assert all(frozenset(order[:size]) in rests for size in range(1, count + 1))


def test_orders_come_in_pairs_and_are_always_the_same() -> None:
    found = orders(SIX)
    assert len(found) == 2 * PAIRS
    assert all(sorted(order) == sorted(SIX) for order in found)
    assert all(one == other[::-1] for one, other in zip(found[::2], found[1::2], strict=True))
    assert len(set(found)) > PAIRS
    # Records name the sets that were measured along these; other orders could not read them.
    assert found[0] == ("touch", "audio", "metadata", "poster", "vision", "text")


def test_names_that_could_not_be_told_apart_are_refused() -> None:
    for name in ("none", "text+audio"):
        with pytest.raises(UserError, match="rename it"):
            removals((*USUAL, name))
    for name in ("missing.audio+text", "missing.t", "missing.", "missing.text+audio+vision"):
        with pytest.raises(ValueError, match="does not say which"):
            removed(name, USUAL)


def additive(names: tuple[str, ...]) -> dict[frozenset[str], float | None]:
    return {chosen: sum(0.1 * names.index(name) for name in chosen) for chosen in subsets(names)}


def test_a_sum_is_shared_out_exactly_by_estimates_too() -> None:
    shares, errors = worth(additive(SIX), SIX)
    expected = {name: 0.1 * place for place, name in enumerate(SIX)}
    assert shares == pytest.approx(expected)
    assert errors == pytest.approx(dict.fromkeys(SIX, 0.0), abs=1e-12)
    assert worth(additive(SIX[:EXACT]), SIX[:EXACT])[1] == {}


def test_estimates_lie_about_the_exact_values_as_far_as_their_errors_say() -> None:
    distances = []
    for seed in range(60):
        generator = np.random.default_rng(seed)
        names = tuple(f"{name}-{seed}" for name in SIX)  # by which the orders go
        skills: dict[frozenset[str], float | None] = {
            chosen: float(generator.uniform()) if chosen else 0.0 for chosen in subsets(names)
        }
        exact, (shares, errors) = shapley(skills, names), worth(skills, names)
        assert sum(shares.values()) == pytest.approx(skills[frozenset(names)])
        distances += [(shares[name] - exact[name]) / errors[name] for name in names]
    # Student's t of eight pairs has a deviation of 1.18.
    assert 1.0 < np.std(distances) < 1.4


def test_an_undefined_skill_makes_all_of_it_undefined() -> None:
    skills = {**additive(SIX), frozenset({orders(SIX)[0][0]}): None}
    assert worth(skills, SIX) == (dict.fromkeys(SIX), dict.fromkeys(SIX))


class Pooled(Model):
    """Sums the mean of the first feature of the modalities it reads, and counts its calls."""

    def __init__(self, *modalities: str):
        super().__init__()
        self.modalities = modalities  # type: ignore[misc]
        self.calls = 0

    def forward(self, batch: Batch) -> Output:
        self.calls += 1
        return Output(sum(batch.modalities[name].mean()[:, 0] for name in self.modalities))


def with_more(name: str, samples: int, seed: int, *extra: str) -> Split:
    generator = np.random.default_rng(seed + 100)
    split = make_split(name, samples, seed)
    more = {one: make_sequences(generator, samples, "audio") for one in extra}
    return replace(split, modalities={**split.modalities, **more})


def labelled(split: Split, *modalities: str) -> Split:
    return replace(split, label=Pooled(*modalities)(split.batch()).prediction.numpy())


def evaluate(dataset: Dataset, model: Pooled) -> Robustness:
    test = dataset.open_test()
    rules = PROTOCOLS["quick"].model_copy(update={"corruptions": (), "evaluation_batch": 10**6})
    context = EvaluationContext(
        model=model,
        dataset=dataset,
        test=test,
        prediction=predict(model, test.batch()),
        valid_prediction=None,
        config=TrainConfig(),
        protocol=rules,
        device=torch.device("cpu"),
        settings={},
        name="tiny",
        seed=0,
    )
    model.calls = 0
    return Robustness.model_validate(robustness(context))


def dataset_of(*extra: str, reads: tuple[str, ...]) -> Dataset:
    train, test = (
        labelled(with_more(name, 60, seed, *extra), *reads)
        for seed, name in enumerate(("train", "test"))
    )
    return make_dataset(train, test)


def test_a_poster_goes_missing_like_any_other() -> None:
    reads = ("text", "poster")
    model = Pooled(*reads)
    found = evaluate(dataset_of("poster", "metadata", reads=reads), model)
    assert found.modalities == [*USUAL, "poster", "metadata"]
    assert len(found.missing) == 31
    assert model.calls == 3  # without text, without poster, without both: the rest is the same
    scores = score(found)
    assert scores.summary["clean_skill"] == 1
    assert scores.missing["missing.audio+vision+metadata"] == 1
    assert scores.missing["missing.poster"] < 0.9
    assert scores.missing["missing.poster"] == scores.missing["missing.audio+poster"]
    assert scores.drop["metadata"] == 0
    assert scores.drop["poster"] > 0.1
    assert sum(scores.shapley.values()) == pytest.approx(1)
    assert scores.shapley_error == {}


def test_of_six_modalities_tables_tell_the_error_of_the_estimate() -> None:
    found = evaluate(dataset_of(*SIX[3:], reads=("text", "touch")), Pooled("text", "touch"))
    record = measured(score_record(), robustness=found)
    table = build(record)
    keys = {column.key for column in table.columns}
    assert {"shapley.touch", "shapley_error.touch", "skill.missing.touch"} <= keys
    lines = tidy([table])
    assert "robustness,shapley_error.touch,test" in lines
    usual = build(score_record())
    assert not any(column.key.startswith("shapley_error") for column in usual.columns)
    printed = [column.header for column in table.at("missing")]
    assert printed[:3] == ["nothing missing", "no text", "no audio"]
    assert {"only text", "only touch"} <= set(printed)
    assert len(printed) == 1 + 6 + 6
    assert "Only touch $\\uparrow$" in latex([table])


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("gone", [("poster",), ("text", "poster"), ("audio", "vision", "poster")])
def test_removals_keep_the_promises_of_corruptions(check: str, gone: tuple[str, ...]) -> None:
    dataset = dataset_of("poster", reads=("text",))
    CHECKS[check](removal_name(gone), dataset.open_test(), dataset)


def test_what_is_not_there_cannot_go_missing() -> None:
    dataset = dataset_of("poster", reads=("text",))
    options: dict[str, Any] = {"dataset": dataset, "noise_seed": 0}
    for name in ("missing.smell", "missing.t", "missing.poster+text"):
        with pytest.raises(UserError, match="unknown corruption"):
            corrupt(dataset.open_test(), name, 1, **options)
