import numpy as np
import pytest

from benchmark.datasets.load import load_dataset
from benchmark.datasets.synthetic import DEAD_ZONE, STRENGTHS, make_synthetic
from benchmark.metrics import evaluate_metrics

MODALITIES = ("text", "audio", "vision")


@pytest.fixture(scope="module")
def dataset():
    return make_synthetic()


def pooled(split, modality):
    sequences = split.modalities[modality]
    total = (sequences.values * sequences.mask[..., None]).sum(axis=1)
    return total / sequences.lengths[:, None]


def fit(train_features, target, features):
    """Least squares with an intercept."""
    design = np.column_stack([train_features, np.ones(len(train_features))])
    weights = np.linalg.lstsq(design, target, rcond=None)[0]
    return np.column_stack([features, np.ones(len(features))]) @ weights


def latents(train, split):
    return {
        name: fit(pooled(train, name), train.unimodal_labels[name], pooled(split, name))
        / STRENGTHS[name]
        for name in MODALITIES
    }


def error(prediction, split):
    return float(np.abs(prediction - split.label).mean())


def test_same_seed_gives_the_same_data_and_another_seed_does_not(dataset):
    again, other = make_synthetic(), make_synthetic(1)
    for name in MODALITIES:
        np.testing.assert_array_equal(
            dataset.train.modalities[name].values, again.train.modalities[name].values
        )
    np.testing.assert_array_equal(dataset.open_test().label, again.open_test().label)
    assert dataset.fingerprint == again.fingerprint != other.fingerprint
    assert not np.array_equal(dataset.train.label, other.train.label)


def test_sizes_widths_and_lengths_differ(dataset):
    assert [len(s) for s in (dataset.train, dataset.valid, dataset.open_test())] == [600, 200, 400]
    assert len(set(dataset.dims.inputs)) == 3
    assert len({dataset.dims.lengths[name] for name in MODALITIES}) == 3
    assert len(np.unique(dataset.train.audio.lengths)) > 5


def test_latents_are_recoverable_and_the_oracle_is_their_sum(dataset):
    test = dataset.open_test()
    found = latents(dataset.train, test)
    total = sum(
        strength * np.prod([found[part] for part in name.split("*")], axis=0)
        for name, strength in STRENGTHS.items()
        if name != "noise"
    )
    assert np.abs(np.clip(total, -3, 3) - test.oracle).max() < 0.1


def test_text_beats_the_median_all_beat_text_and_interactions_beat_all(dataset):
    train, test = dataset.train, dataset.open_test()
    median = error(np.median(train.label), test)
    text = error(fit(pooled(train, "text"), train.label, pooled(test, "text")), test)
    every = [np.concatenate([pooled(s, n) for n in MODALITIES], axis=1) for s in (train, test)]
    linear = error(fit(every[0], train.label, every[1]), test)
    oracle = error(test.oracle, test)
    assert text < 0.9 * median
    assert linear < 0.85 * text
    assert oracle < 0.5 * linear


def test_oracle_is_a_median_of_the_label(dataset):
    test = make_synthetic(3, (10, 10, 4000)).open_test()
    assert abs((test.label > test.oracle).mean() - (test.label < test.oracle).mean()) < 0.05
    for shift in (-0.1, 0.1):
        assert error(test.oracle, test) < error(test.oracle + shift, test)


def test_some_labels_are_exactly_neutral_so_that_the_conventions_differ(dataset):
    splits = (dataset.train, dataset.valid, dataset.open_test())
    label = np.concatenate([split.label for split in splits])
    assert 0.04 < (label == 0).mean() < 0.06
    assert all(0.03 < (split.label == 0).mean() < 0.07 for split in splits)
    large = make_synthetic(5, (20000, 10, 10)).train.label
    assert (large == 0).mean() == pytest.approx(dataset.provenance["neutral_share"], abs=0.003)
    assert np.abs(large[large != 0]).min() >= DEAD_ZONE
    test = splits[2]
    values = evaluate_metrics(dataset.task, label=test.label, prediction=test.oracle)
    for metric in ("acc2", "f1"):
        assert abs(values[f"{metric}_neg_nonneg"] - values[f"{metric}_neg_pos"]) > 0.01


def test_the_dead_zone_holds_for_oracle_and_single_modalities_alike(dataset):
    test = dataset.open_test()
    for values in (test.oracle, *test.unimodal_labels.values()):
        assert (values == 0).any()
        assert np.abs(values[values != 0]).min() >= DEAD_ZONE


def test_label_is_balanced_and_shares_add_up(dataset):
    assert 0.4 < (dataset.train.label > 0).mean() < 0.6
    assert sum(dataset.provenance["variance_shares"].values()) == pytest.approx(1)


def test_terms_have_their_stated_strength():
    train = make_synthetic(0, (6000, 10, 10)).train
    for name in MODALITIES:
        assert train.unimodal_labels[name].std() == pytest.approx(abs(STRENGTHS[name]), rel=0.05)


def test_tokens_carry_the_text(dataset):
    split = dataset.valid
    tokens, vocabulary = split.tokens, dataset.vocabulary
    assert vocabulary.size == 60
    assert (tokens.ids[:, 0] == vocabulary.start).all()
    last = tokens.ids[np.arange(len(split)), tokens.lengths - 1]
    assert (last == vocabulary.end).all()
    assert (tokens.ids[~tokens.mask] == vocabulary.pad).all()
    np.testing.assert_array_equal(tokens.lengths, split.text.lengths + 2)
    rows = split.text.values[split.text.mask]
    ids = tokens.ids[:, 1:-1][split.text.mask]
    for token in np.unique(ids):
        assert rows[ids == token].std(axis=0).max() < 0.05
    assert [len(text.split()) for text in split.transcripts] == split.text.lengths.tolist()


def test_groups_do_not_overlap(dataset):
    splits = (dataset.train, dataset.valid, dataset.open_test())
    groups = [set(split.groups) for split in splits]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]
    assert len(groups[0]) < len(dataset.train) / 2


def test_loading_by_name_standardises_with_the_training_split():
    loaded = load_dataset("synthetic", standardise=("audio",))
    audio = loaded.train.audio
    steps = audio.values[audio.mask]
    np.testing.assert_allclose(steps.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(steps.std(axis=0), 1, atol=1e-4)
    assert not audio.values[~audio.mask].any()
    assert loaded.standardised == ("audio",)
    np.testing.assert_array_equal(loaded.train.text.values, make_synthetic().train.text.values)
