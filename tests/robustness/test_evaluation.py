"""Corruptions keep their promises; robustness scores say what they should of known predictors."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.config import PROTOCOLS, TrainConfig
from benchmark.conformance.promises import BrokenPromise
from benchmark.datasets.dataset import Dataset, Sequences, Split, Tokens, Vocabulary
from benchmark.errors import UserError
from benchmark.evaluation import EvaluationContext
from benchmark.metrics import evaluate_metrics
from benchmark.model import Model, Output
from benchmark.records.measurements import Robustness
from benchmark.task import MODALITIES, Dims, multiclass, multilabel, regression
from benchmark.training.predict import predict
from robustness.corruptions import CORRUPTIONS, Corruption, corrupt, fingerprint
from robustness.evaluation import prior_prediction, robustness
from robustness.promises import CHECKS
from robustness.reliance import shapley
from robustness.scores import (
    at_level,
    auilc,
    drop,
    lnln_mean,
    mb_relative_raw,
    mean,
    mean_over_levels,
    retention,
    score,
    skill,
)

WIDTHS = {"text": 7, "audio": 5, "vision": 9}
LONGEST = {"text": 6, "audio": 11, "vision": 8}


def make_sequences(generator, samples, modality, *, empty=0):
    lengths = generator.integers(1, LONGEST[modality] + 1, samples)
    lengths[:empty] = 0
    values = generator.normal(size=(samples, LONGEST[modality], WIDTHS[modality]))
    mask = np.arange(LONGEST[modality]) < lengths[:, None]
    return Sequences((values * mask[..., None]).astype(np.float32), lengths)


def make_tokens(generator, text):
    """Two tokens for every even word, one for every odd one, between the marks."""
    samples, width = len(text.lengths), 2 * LONGEST["text"]
    ids = np.zeros((samples, width), dtype=np.int64)
    words = np.full((samples, width), -1, dtype=np.int64)
    lengths = np.zeros(samples, dtype=np.int64)
    for row, count in enumerate(text.lengths):
        named = [word for word in range(count) for _ in range(2 - word % 2)]
        lengths[row] = len(named) + 2
        ids[row, 0], ids[row, len(named) + 1] = 2, 3
        ids[row, 1 : len(named) + 1] = generator.integers(5, 20, len(named))
        words[row, 1 : len(named) + 1] = named
    return Tokens(ids, lengths, words)


def make_split(name, samples, seed, *, label=None):
    generator = np.random.default_rng(seed)
    text = make_sequences(generator, samples, "text")
    if label is None:
        label = generator.uniform(-3, 3, samples).astype(np.float32)
    return Split(
        name=name,
        ids=np.array([f"{name}-{row}" for row in range(samples)]),
        label=label,
        modalities={
            "text": text,
            "audio": make_sequences(generator, samples, "audio", empty=1),
            "vision": make_sequences(generator, samples, "vision"),
        },
        tokens=make_tokens(generator, text),
        transcripts=np.array(["unused"] * samples),
    )


def make_dataset(train, test, task=None):
    task = task or regression(-3, 3)
    return Dataset(
        name="tiny",
        task=task,
        dims=Dims(WIDTHS, outputs=task.outputs, task=task, vocabulary=20),
        train=train,
        valid=train,
        open_test=lambda: test,
        fingerprint="none",
        vocabulary=Vocabulary(size=20),
    )


@pytest.fixture(scope="module")
def test_split():
    return make_split("test", 400, seed=1)


@pytest.fixture(scope="module")
def dataset(test_split):
    return make_dataset(make_split("train", 100, seed=0), test_split)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruption_keeps_promise(name, check, test_split, dataset):
    CHECKS[check](name, test_split, dataset)


def fresh_noise(split, level, dataset, noise_seed):
    """Reads the level, the padding and the order of the samples, as no corruption may."""
    generator = np.random.default_rng([int(level * 100), noise_seed])
    noise = generator.normal(size=split.audio.values.shape).astype(np.float32)
    return split.with_sequences("audio", replace(split.audio, values=split.audio.values + noise))


def in_place(split, level, dataset, noise_seed):
    split.audio.values[...] *= 1 - level
    return split


def survivors(split, level, dataset, noise_seed):
    return split.select(np.arange(len(split) - 1))


def unmasking(split, level, dataset, noise_seed):
    lengths = np.maximum(split.audio.lengths - 1, 0)
    values = split.audio.values * (np.arange(LONGEST["audio"]) < lengths[:, None])[..., None]
    return split.with_sequences("audio", Sequences(values, lengths))


def double_precision(split, level, dataset, noise_seed):
    values = split.audio.values.astype(np.float64) * (1 - level)
    return split.with_sequences("audio", Sequences(values, split.audio.lengths))


def wrong_modality(split, level, dataset, noise_seed):
    return corrupt(split, "feat.gauss:vision", level, dataset=dataset, noise_seed=noise_seed)


@pytest.mark.parametrize(
    ("apply", "check"),
    [
        (fresh_noise, "nested_in_level"),
        (fresh_noise, "order_of_samples_does_not_matter"),
        (fresh_noise, "padding_does_not_matter"),
        (fresh_noise, "masks_and_lengths_kept"),
        (fresh_noise, "noise_moments"),
        (fresh_noise, "noise_seed_matters"),
        (in_place, "input_untouched"),
        (survivors, "shapes_and_dtypes_kept"),
        (unmasking, "masks_and_lengths_kept"),
        (double_precision, "shapes_and_dtypes_kept"),
        (wrong_modality, "only_named_modalities_change"),
    ],
)
def test_check_catches_violator(apply, check, test_split, dataset, monkeypatch):
    split = test_split.select(np.arange(50))
    broken = Corruption("feat.gauss-broken", ("audio",), "", "", apply)
    monkeypatch.setitem(CORRUPTIONS, broken.name, broken)
    with pytest.raises(BrokenPromise, match=broken.name):
        CHECKS[check](broken.name, split, dataset)


def test_drop_share_catches_wrong_rate(test_split, dataset, monkeypatch):
    halved = CORRUPTIONS["time.drop:audio"].apply
    broken = Corruption(
        "time.drop-broken",
        ("audio",),
        "",
        "",
        lambda split, level, data, seed: halved(split, level * 0.9, data, seed),
    )
    monkeypatch.setitem(CORRUPTIONS, broken.name, broken)
    with pytest.raises(BrokenPromise, match="steps at level"):
        CHECKS["drop_share"](broken.name, test_split, dataset)


def test_level_zero_returns_the_split_itself(test_split, dataset):
    for name in CORRUPTIONS:
        assert corrupt(test_split, name, 0, dataset=dataset, noise_seed=0) is test_split


def test_read_only_memory_maps_are_enough(test_split, dataset, tmp_path):
    mapped = test_split
    for modality in WIDTHS:
        path = tmp_path / f"{modality}.npy"
        np.save(path, test_split.modalities[modality].values)
        values = np.load(path, mmap_mode="r")
        mapped = mapped.with_sequences(
            modality, Sequences(values, test_split.modalities[modality].lengths)
        )
    for name in CORRUPTIONS:
        expected = corrupt(test_split, name, 1, dataset=dataset, noise_seed=0)
        assert fingerprint(corrupt(mapped, name, 1, dataset=dataset, noise_seed=0)) == fingerprint(
            expected
        )


def test_unknown_words_are_whole_words_in_both_forms(test_split, dataset):
    noisy = corrupt(test_split, "text.word_unk", 0.5, dataset=dataset, noise_seed=0)
    before, after = test_split.tokens, noisy.tokens
    assert (after.ids[before.words < 0] == before.ids[before.words < 0]).all()
    for row, count in enumerate(test_split.text.lengths):
        for word in range(count):
            pieces = after.ids[row][before.words[row] == word]
            zeroed = not noisy.text.values[row, word].any()
            assert (pieces == 1).all() == zeroed
            assert zeroed or (pieces == before.ids[row][before.words[row] == word]).all()


def test_words_beyond_the_feature_rows_are_reached(test_split, dataset):
    short = test_split.with_sequences(
        "text", Sequences(test_split.text.values[:, :1].copy(), np.ones(400, dtype=np.int64))
    )
    noisy = corrupt(short, "text.word_unk", 1, dataset=dataset, noise_seed=0)
    assert (noisy.tokens.ids[short.tokens.words >= 0] == 1).all()
    assert not noisy.text.values.any()


def test_tokens_alone_or_features_alone_are_enough(test_split, dataset):
    expected = corrupt(test_split, "mix.all", 0.5, dataset=dataset, noise_seed=0)
    features = replace(test_split, tokens=None)
    noisy = corrupt(features, "mix.all", 0.5, dataset=dataset, noise_seed=0)
    assert np.array_equal(noisy.text.values, expected.text.values)
    empty = Sequences(np.zeros((400, 1, 0), np.float32), np.zeros(400, dtype=np.int64))
    noisy = corrupt(
        test_split.with_sequences("text", empty),
        "text.word_unk",
        0.5,
        dataset=dataset,
        noise_seed=0,
    )
    assert np.array_equal(noisy.tokens.ids, expected.tokens.ids)


def test_mix_is_made_of_the_single_types(test_split, dataset):
    mixed = corrupt(test_split, "mix.all", 0.4, dataset=dataset, noise_seed=2)
    for name, modalities in (
        ("feat.gauss", ("audio", "vision")),
        ("text.word_unk", ("text",)),
        ("feat.gauss:audio", ("audio",)),
    ):
        single = corrupt(test_split, name, 0.4, dataset=dataset, noise_seed=2)
        assert fingerprint(single, modalities) == fingerprint(mixed, modalities)


def test_modalities_and_samples_have_noise_of_their_own(dataset):
    flat = Sequences(np.ones((50, 8, 5), np.float32), np.full(50, 8))
    split = make_split("test", 50, seed=3)
    split = split.with_sequences("audio", flat).with_sequences("vision", flat)
    noisy = corrupt(split, "time.drop", 0.5, dataset=dataset, noise_seed=0)
    assert not np.array_equal(noisy.audio.values, noisy.vision.values)
    assert len(np.unique(noisy.audio.values[:, :, 0], axis=0)) > 25


def test_changed_data_of_the_same_name_is_not_served_from_a_cache(test_split, dataset):
    first = corrupt(test_split, "feat.gauss", 0.5, dataset=dataset, noise_seed=0)
    louder = replace(
        dataset,
        train=dataset.train.with_sequences(
            "audio", replace(dataset.train.audio, values=dataset.train.audio.values * 10)
        ),
    )
    second = corrupt(test_split, "feat.gauss", 0.5, dataset=louder, noise_seed=0)
    ratio = (second.audio.values - test_split.audio.values).std() / (
        first.audio.values - test_split.audio.values
    ).std()
    assert ratio == pytest.approx(10, rel=1e-3)


def test_every_non_empty_subset_may_remain(test_split, dataset):
    names = [name for name in CORRUPTIONS if name.startswith("missing.")]
    gone = ("audio", "audio+vision", "none", "text", "text+audio", "text+vision", "vision")
    assert sorted(names) == [f"missing.{name}" for name in gone]
    audio_left = corrupt(test_split, "missing.text+vision", 1, dataset=dataset, noise_seed=0)
    assert audio_left.audio is test_split.audio
    assert not audio_left.tokens.mask.any()
    batch = audio_left.batch()
    assert not batch.text.mask.any()
    assert not batch.vision.values.any()


def test_mistakes_are_named(test_split, dataset):
    def apply(name, level, data=dataset):
        return corrupt(test_split, name, level, dataset=data, noise_seed=0)

    with pytest.raises(UserError, match=r"did you mean .*feat\.gauss"):
        apply("feat.gaus", 0.5)
    with pytest.raises(UserError, match=r"\[0, 1\], got 1.5"):
        apply("feat.gauss", 1.5)
    with pytest.raises(UserError, match="use level 0 or 1"):
        apply("missing.text", 0.5)
    for name in ("text.word_unk", "missing.text"):
        with pytest.raises(UserError, match="no vocabulary"):
            apply(name, 1, replace(dataset, vocabulary=None))


GOLDEN = {
    "feat.gauss": "45a881761bfe",
    "time.drop": "cc058e01c139",
    "time.drop:text": "f1b82851709f",
    "text.word_unk": "ea7a6a9802da",
    "mix.all": "f7676aae37db",
    "missing.audio+vision": "748e2a78b74e",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_hash(name):
    lengths = np.array([4, 2, 3])
    mask = np.arange(4) < lengths[:, None]
    values = np.where(mask[..., None], np.arange(1, 25, dtype=np.float32).reshape(3, 4, 2), 0)
    sequences = Sequences(values.astype(np.float32), lengths)
    ids = np.where(mask, 7, 0)
    ids[:, 0] = 2
    words = np.where(mask & (np.arange(4) > 0), np.arange(4) - 1, -1)
    split = Split(
        "test",
        np.array(["one", "two", "three"]),
        np.zeros(3, np.float32),
        dict.fromkeys(MODALITIES, sequences),
        tokens=Tokens(ids, lengths, words),
    )
    noisy = corrupt(
        split,
        name,
        1 if "missing" in name else 0.5,
        dataset=make_dataset(split, split),
        noise_seed=0,
    )
    assert fingerprint(noisy) == GOLDEN[name]


def test_skill_is_zero_for_the_prior_and_one_for_perfection():
    assert skill("mae", 1.4, 1.4) == 0
    assert skill("mae", 0.0, 1.4) == 1
    assert skill("sims_mae", 2.1, 1.4) == pytest.approx(-0.5)
    assert skill("acc2_neg_pos", 0.55, 0.55) == 0
    assert skill("accuracy", 0.8, 0.6) == pytest.approx(0.5)
    assert skill("corr", None, None) == 0
    assert skill("corr", 0.3, None) == 0.3
    assert skill("accuracy", None, 0.5) is None
    assert skill("accuracy", 1.0, 1.0) is None
    assert skill("mae", 0.1, 0.0) is None


def test_mean_over_levels_uses_the_actual_grid():
    assert mean_over_levels([0, 0.2, 1.0], [1.0, 0.5, 0.5]) == pytest.approx(0.55)
    assert mean_over_levels([0.5], [0.3]) == 0.3
    assert mean_over_levels([0, 1], [0.3, None]) is None
    for levels, values in (([], []), ([0, 0], [1, 1]), ([1, 0], [1, 1]), ([0, 1], [1])):
        with pytest.raises(UserError, match="increasing levels"):
            mean_over_levels(levels, values)


def test_legacy_scores_relate_to_the_mean_over_levels():
    levels = [index / 10 for index in range(10)]
    values = [0.8 - 0.3 * level**2 for level in levels]
    average = mean_over_levels(levels, values)
    assert mb_relative_raw(values) == pytest.approx(0.9 * average)
    assert auilc(levels, values) == pytest.approx(0.9 * average)
    assert mb_relative_raw([1.0, 1.0, 1.0]) == pytest.approx(0.2)
    assert lnln_mean([0.2, 0.4, 0.9]) == pytest.approx(0.5)


def test_drop_retention_and_interpolation():
    assert drop(0.5, 0.3) == pytest.approx(0.2)
    assert retention(0.5, 0.3) == pytest.approx(0.6)
    assert retention(0.09, 0.09) is None
    assert retention(0.1, 0.05) == pytest.approx(0.5)
    assert at_level([0, 0.4, 0.6], [1.0, 0.8, 0.4], 0.5) == pytest.approx(0.6)
    assert at_level([0, 0.4], [1.0, 0.8], 0.5) is None
    assert mean([0.1, None]) is None
    assert mean([]) is None


def test_shapley_shares_out_the_full_score():
    players = ("text", "audio", "vision")
    worth = {"text": 0.5, "audio": 0.1, "vision": 0.0}

    def score(subset):
        return sum(worth[name] for name in subset) + 0.2 * ({"text", "audio"} <= set(subset))

    subsets = [
        frozenset(name for bit, name in enumerate(players) if number >> bit & 1)
        for number in range(8)
    ]
    shares = shapley({subset: score(subset) for subset in subsets}, players)
    assert shares == pytest.approx({"text": 0.6, "audio": 0.2, "vision": 0.0})
    assert shapley(dict.fromkeys(subsets), players) == dict.fromkeys(players)


class Constant(Model):
    """Predicts the same for everybody."""

    def __init__(self, value):
        super().__init__()
        self.value = torch.as_tensor(value, dtype=torch.float32)

    def forward(self, batch):
        return Output(self.value.expand(len(batch), *self.value.shape))


class Pooled(Model):
    """Sums the mean of the first feature of the modalities it reads."""

    def __init__(self, *modalities):
        super().__init__()
        self.read = modalities

    def forward(self, batch):
        return Output(sum(batch.modalities[name].mean()[:, 0] for name in self.read))


def evaluate(model, dataset, *, noise_seeds=2):
    test = dataset.open_test()
    context = EvaluationContext(
        model=model,
        dataset=dataset,
        test=test,
        prediction=predict(model, test.batch()),
        valid_prediction=None,
        config=TrainConfig(),
        protocol=PROTOCOLS["quick"].model_copy(update={"noise_seeds": noise_seeds}),
        device=torch.device("cpu"),
        settings={},
        name="tiny",
        seed=0,
    )
    return context, Robustness.model_validate(robustness(context))


def with_signal(split):
    """The label is what `Pooled` reads from text and audio."""
    batch = split.batch()
    label = Pooled("text", "audio")(batch).prediction.numpy()
    return replace(split, label=label)


@pytest.fixture(scope="module")
def learnable():
    return make_dataset(
        with_signal(make_split("train", 60, seed=4)), with_signal(make_split("test", 80, seed=5))
    )


def test_constant_predictor_has_neither_skill_nor_drop(learnable):
    model = Constant(np.median(learnable.train.label))
    _, measured = evaluate(model, learnable)
    scores = score(measured)
    assert set(scores.mean_skill.values()) == {0.0}
    summary = scores.summary
    assert (summary["clean_skill"], summary["drop"], summary["flip_rate"]) == (0, 0, 0)
    assert summary["retention"] is None
    assert set(scores.drop.values()) == set(scores.shapley.values()) == {0}


def test_text_only_predictor_is_flat_under_audio_and_vision_noise(learnable):
    context, measured = evaluate(Pooled("text"), learnable)
    clean = evaluate_metrics(
        learnable.task, label=context.test.label, prediction=context.prediction
    )
    for name in ("feat.gauss", "time.drop"):
        for metric, values in measured.curves[name].metrics.items():
            assert {value for row in values for value in row} == {clean[metric]}
        assert set(measured.curves[name].shift) == {0.0}
    scores = score(measured)
    assert len({skill for _, skill in scores.curves["text.word_unk"]}) > 3
    blank = scores.missing["missing.text+vision"]
    for name in ("audio", "vision"):
        assert scores.drop[name] == 0
        assert scores.shapley[name] == pytest.approx(blank / 3)
    assert measured.missing["missing.audio+vision"] == measured.missing["missing.none"]


def test_sweep_of_a_perfect_model(learnable):
    context, measured = evaluate(Pooled("text", "audio"), learnable, noise_seeds=3)
    json.dumps(measured.model_dump(), allow_nan=False)
    scores = score(measured)
    clean = evaluate_metrics(
        learnable.task, label=context.test.label, prediction=context.prediction
    )
    for name in context.protocol.corruptions:
        curve = measured.curves[name]
        assert curve.levels == list(context.protocol.levels)
        for metric, values in curve.metrics.items():
            assert np.shape(values) == (6, 3)
            assert values[0] == [clean[metric]] * 3
        assert scores.curves[name][0] == (0, 1)
    noisy = np.array(measured.curves["mix.all"].metrics["mae"])
    assert (np.diff(noisy.mean(axis=1)) > 0).all()
    assert len(set(noisy[1])) == 3
    summary = scores.summary
    assert summary["worst_case"] < summary["mean_skill"] < summary["clean_skill"] == 1
    assert summary["retention"] == pytest.approx(summary["mean_skill"])
    assert scores.drop["vision"] == 0
    assert scores.drop["text"] > 0.1
    assert sum(scores.shapley.values()) == pytest.approx(1)


def test_order_of_the_test_split_changes_no_score(learnable):
    order = np.random.default_rng(0).permutation(80)
    shuffled = learnable.open_test().select(order)
    _, first = evaluate(Pooled("text", "audio"), learnable)
    _, second = evaluate(Pooled("text", "audio"), replace(learnable, open_test=lambda: shuffled))
    assert score(first).mean_skill == pytest.approx(score(second).mean_skill, abs=1e-6)


@pytest.mark.parametrize("task", [multiclass("a", "b", "c"), multilabel("a", "b", "c")])
def test_constant_predictor_of_classes_has_no_skill(task):
    generator = np.random.default_rng(0)
    labels = {
        "multiclass": lambda: generator.choice(3, 50, p=[0.6, 0.3, 0.1]),
        "multilabel": lambda: (generator.random((50, 3)) < (0.8, 0.5, 0.1)).astype(np.float32),
    }[task.kind]
    train, test = (
        make_split(name, 50, seed=seed, label=labels())
        for seed, name in enumerate(("train", "test"))
    )
    constant = prior_prediction(task, train.label, 1)[0]
    _, measured = evaluate(Constant(constant), make_dataset(train, test, task), noise_seeds=1)
    scores = score(measured)
    assert set(scores.mean_skill.values()) == {0.0}
    assert scores.summary["flip_rate"] == 0
    assert scores.summary["shift"] is None
