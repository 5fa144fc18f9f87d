"""Promises that every corruption keeps, as plain functions named after the promise."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.conformance.promises import BrokenPromise, CheckResult
from benchmark.datasets.dataset import Dataset, Scale, Sequences, Split, Tokens
from benchmark.datasets.files.padding import missing
from benchmark.datasets.load import load_dataset
from benchmark.errors import UserError, told
from benchmark.records.measurements import MISSING
from robustness.corruptions import corrupt, find_corruption, release

Arrays = dict[str, NDArray[Any]]

SAMPLES = 200  # that a corruption from outside is checked on
STEPS = (0.3, 0.6, 1.0)
DEVIATIONS = 4  # of a binomial or of a sample's standard deviation: once in 16,000 by chance


def levels_of(name: str, split: Split) -> tuple[float, ...]:
    """Levels above 0 at which a corruption is checked."""
    return STEPS if find_corruption(name, split).graded else (1.0,)


def arrays_of(split: Split) -> Arrays:
    """Every array of a split by name: `audio.values`, `tokens.ids`, `label`, ..."""
    found: Arrays = {}
    for place in fields(split):
        value = getattr(split, place.name)
        parts: Mapping[str, Any] = value if isinstance(value, Mapping) else {"": value}
        for key, part in parts.items():
            prefix = key if place.name == "modalities" else f"{place.name}.{key}".rstrip(".")
            if isinstance(part, Sequences | Tokens):
                for inner in fields(part):
                    found[f"{prefix}.{inner.name}"] = getattr(part, inner.name)
            elif isinstance(part, np.ndarray):
                found[prefix] = part
    return found


def check_level_zero_is_identity(name: str, split: Split, dataset: Dataset) -> None:
    """Level 0 gives the split bit for bit."""
    same = arrays_of(corrupt(split, name, 0.0, dataset=dataset, noise_seed=0))
    for key, before in arrays_of(split).items():
        _promise(same[key].tobytes() == before.tobytes(), name, f"level 0 changes {key}")


def check_nested_in_level(name: str, split: Split, dataset: Dataset) -> None:
    """What one level changes every higher one changes too, and by no less."""
    before = arrays_of(split)
    smaller: Arrays = {key: np.zeros(value.shape) for key, value in before.items()}
    for level in levels_of(name, split):
        after = arrays_of(corrupt(split, name, level, dataset=dataset, noise_seed=0))
        for key, value in before.items():
            change = _change(value, after[key])
            nested = change >= smaller[key] - 1e-5
            _promise(bool(nested.all()), name, f"level {level} undoes changes of {key}")
            smaller[key] = change


def check_same_key_same_result(name: str, split: Split, dataset: Dataset) -> None:
    """Dataset, split, sample and noise seed decide the noise, cached or drawn anew."""
    for level in levels_of(name, split):
        first = arrays_of(corrupt(split, name, level, dataset=dataset, noise_seed=3))
        release()
        again = arrays_of(corrupt(split, name, level, dataset=dataset, noise_seed=3))
        for key, value in first.items():
            _promise(np.array_equal(value, again[key]), name, f"{key} differs between two calls")


def check_noise_seed_matters(name: str, split: Split, dataset: Dataset) -> None:
    """Another noise seed, dataset name or split name gives other noise."""
    if not find_corruption(name, split).graded:
        return
    level = STEPS[0]
    first = arrays_of(corrupt(split, name, level, dataset=dataset, noise_seed=0))
    others = {
        "noise seed": corrupt(split, name, level, dataset=dataset, noise_seed=1),
        "dataset": corrupt(
            split, name, level, dataset=replace(dataset, name="another"), noise_seed=0
        ),
        "split": corrupt(
            replace(split, name="another"), name, level, dataset=dataset, noise_seed=0
        ),
    }
    for what, other in others.items():
        after = arrays_of(other)
        differs = any(not np.array_equal(value, after[key]) for key, value in first.items())
        _promise(differs, name, f"another {what} gives the same noise")


def check_input_untouched(name: str, split: Split, dataset: Dataset) -> None:
    """The split that came in stays as it was, writable or not."""
    before = {key: value.tobytes() for key, value in arrays_of(split).items()}
    for level in levels_of(name, split):
        corrupt(split, name, level, dataset=dataset, noise_seed=0)
    for key, value in arrays_of(split).items():
        _promise(value.tobytes() == before[key], name, f"{key} of the input was modified")


def check_masks_and_lengths_kept(name: str, split: Split, dataset: Dataset) -> None:
    """Lengths change only where a modality goes missing; padding stays zero."""
    gone = find_corruption(name, split).modalities if name.startswith(MISSING) else ()
    for level in levels_of(name, split):
        after = corrupt(split, name, level, dataset=dataset, noise_seed=0)
        lengths = {modality: after.modalities[modality].lengths for modality in split.modalities}
        expected = {modality: split.modalities[modality].lengths for modality in split.modalities}
        if split.tokens is not None and after.tokens is not None:
            lengths["text tokens"] = after.tokens.lengths
            expected["text tokens"] = split.tokens.lengths
        for key, value in lengths.items():
            wanted = expected[key] * (key.partition(" ")[0] not in gone)
            _promise(np.array_equal(value, wanted), name, f"the lengths of {key} are wrong")
        for modality in split.modalities:
            padding = after.modalities[modality].values[~after.modalities[modality].mask]
            _promise(not padding.any(), name, f"padding of {modality} is not zero")


def check_shapes_and_dtypes_kept(name: str, split: Split, dataset: Dataset) -> None:
    """No sample, step or feature is lost, and no array changes its type."""
    for level in levels_of(name, split):
        after = arrays_of(corrupt(split, name, level, dataset=dataset, noise_seed=0))
        for key, value in arrays_of(split).items():
            kept = after[key].shape == value.shape and after[key].dtype == value.dtype
            _promise(
                kept,
                name,
                f"{key} becomes {after[key].shape} {after[key].dtype} from "
                f"{value.shape} {value.dtype}",
            )


def check_only_named_modalities_change(name: str, split: Split, dataset: Dataset) -> None:
    """The declared modalities change at level 1, nothing else does (text with its tokens)."""
    named = find_corruption(name, split).modalities
    after = arrays_of(corrupt(split, name, 1.0, dataset=dataset, noise_seed=0))
    changed = {
        _modality_of(key)
        for key, value in arrays_of(split).items()
        if not np.array_equal(value, after[key])
    }
    _promise(
        changed == set(named), name, f"declared are {sorted(named)}, changed {sorted(changed)}"
    )


def check_order_of_samples_does_not_matter(name: str, split: Split, dataset: Dataset) -> None:
    """A sample's noise does not depend on its place or on its neighbours."""
    index = np.random.default_rng(0).permutation(len(split))[: max(1, len(split) - 1)]
    for level in levels_of(name, split):
        whole = corrupt(split, name, level, dataset=dataset, noise_seed=0)
        part = corrupt(split.select(index), name, level, dataset=dataset, noise_seed=0)
        expected = arrays_of(whole.select(index))
        for key, value in arrays_of(part).items():
            _promise(np.array_equal(value, expected[key]), name, f"{key} depends on the order")


def check_padding_does_not_matter(name: str, split: Split, dataset: Dataset) -> None:
    """More padded steps change nothing on the valid ones."""
    padded = split
    for amount, modality in enumerate(split.modalities, start=1):
        padded = padded.with_sequences(modality, _padded(split.modalities[modality], amount))
    for level in levels_of(name, split):
        after = corrupt(split, name, level, dataset=dataset, noise_seed=0)
        wide = corrupt(padded, name, level, dataset=dataset, noise_seed=0)
        for modality in split.modalities:
            values = after.modalities[modality].values
            kept = wide.modalities[modality].values[:, : values.shape[1]]
            _promise(np.array_equal(kept, values), name, f"{modality} depends on its padding")


def check_noise_moments(name: str, split: Split, dataset: Dataset) -> None:
    """Gaussian noise has mean 0 and 2 * level training deviations, within 2 %.

    On few valid entries the bound is what chance allows.
    """
    if not name.startswith("feat.gauss"):
        return
    for modality in find_corruption(name, split).modalities:
        deviation = Scale.of(dataset.train.modalities[modality]).deviation
        mask = split.modalities[modality].mask
        before = split.modalities[modality].values[mask].astype(np.float64)
        for level in STEPS:
            noisy = corrupt(split, name, level, dataset=dataset, noise_seed=0)
            noise = (noisy.modalities[modality].values[mask] - before)[:, deviation > 0]
            noise /= 2 * level * deviation[deviation > 0]
            slack = max(0.02, DEVIATIONS / np.sqrt(2 * noise.size))
            measured = float(noise.std())
            _promise(abs(measured - 1) < slack, name, f"noise deviation {measured:.4f} of 1")
            centre = abs(float(noise.mean()))
            _promise(centre < DEVIATIONS / np.sqrt(noise.size), name, f"noise mean {centre:.4f}")


def check_drop_share(name: str, split: Split, dataset: Dataset) -> None:
    """The share of zeroed steps, or of words made unknown, is that of a binomial."""
    if not name.startswith(("time.drop", "text.word_unk")):
        return
    for modality in find_corruption(name, split).modalities:
        mask = split.modalities[modality].mask
        valid = (
            split.modalities[modality].values[mask].any(axis=1)
        )  # (steps,): zero rows tell nothing
        for level in STEPS:
            noisy = corrupt(split, name, level, dataset=dataset, noise_seed=0)
            dropped = ~noisy.modalities[modality].values[mask][valid].any(axis=1)
            bound = DEVIATIONS * np.sqrt(dropped.size * level * (1 - level))
            off = abs(int(dropped.sum()) - dropped.size * level)
            _promise(
                off <= bound, name, f"{dropped.sum()} of {dropped.size} steps at level {level}"
            )


def check_every_shape_of_data_is_taken(name: str, split: Split, dataset: Dataset) -> None:
    """Tokens or text features alone, a modality that nobody has, and one step are no surprise."""
    for what, change in _shapes(split):
        changed, train = change(split), change(dataset.train)
        try:
            after = corrupt(changed, name, 1.0, dataset=replace(dataset, train=train), noise_seed=0)
        except Exception as error:
            raise BrokenPromise(f"{name}: on data with {what}: {told(error)}") from error
        found = arrays_of(after)
        for key, value in arrays_of(changed).items():
            kept = found[key].shape == value.shape and found[key].dtype == value.dtype
            _promise(kept, name, f"on data with {what} {key} becomes {found[key].shape}")


def _shapes(split: Split) -> Iterator[tuple[str, Callable[[Split], Split]]]:
    """Other shapes that the data of a split may have: in words, and how one comes to it."""

    def tokens_alone(split: Split) -> Split:
        return split.with_sequences("text", missing(len(split), 0))

    def absent(split: Split, modality: str) -> Split:
        width = split.modalities[modality].values.shape[2]
        return split.with_sequences(modality, missing(len(split), width))

    def one_step(split: Split) -> Split:
        for modality, stream in split.modalities.items():
            first = Sequences(stream.values[:, :1], np.minimum(stream.lengths, 1))
            split = split.with_sequences(modality, first)
        return split

    if split.tokens is not None:
        yield "tokens alone", tokens_alone
        yield "text features alone", lambda split: replace(split, tokens=None)
    for modality in split.modalities:
        yield f"no {modality}", partial(absent, modality=modality)
    yield "one step", one_step


CHECKS: dict[str, Callable[[str, Split, Dataset], None]] = {
    check.__name__.removeprefix("check_"): check
    for check in (
        check_level_zero_is_identity,
        check_nested_in_level,
        check_same_key_same_result,
        check_noise_seed_matters,
        check_input_untouched,
        check_masks_and_lengths_kept,
        check_shapes_and_dtypes_kept,
        check_only_named_modalities_change,
        check_order_of_samples_does_not_matter,
        check_padding_does_not_matter,
        check_noise_moments,
        check_drop_share,
        check_every_shape_of_data_is_taken,
    )
}


def run_checks(name: str) -> list[CheckResult]:
    """Try every promise of a corruption on samples of the embedded data.

    Raises:
        UserError: there is no such corruption, or it declines this data.
    """
    dataset = load_dataset("synthetic")
    split = replace(dataset.train.select(np.arange(SAMPLES)), name="test")
    reason = find_corruption(name, split).accepts(dataset.dims)
    if reason:
        raise UserError(f"{name} {reason}: it cannot be checked on the embedded data")
    return [_run_check(check, name, split, dataset) for check in CHECKS]


def _run_check(check: str, name: str, split: Split, dataset: Dataset) -> CheckResult:
    started, sentence = time.perf_counter(), ""
    try:
        CHECKS[check](name, split, dataset)
    except BrokenPromise as error:
        sentence = told(error).removeprefix(f"{name}: ")
    except Exception as error:
        sentence = f"{type(error).__name__}: {told(error)}"
    status: Any = "failed" if sentence else "passed"
    return CheckResult(check, status, sentence, time.perf_counter() - started)


def _modality_of(key: str) -> str:
    """Whose array that is, of the keys of `arrays_of`."""
    return "text" if key.startswith("tokens") else key.rpartition(".")[0] or key


def _padded(sequences: Sequences, amount: int) -> Sequences:
    return Sequences(np.pad(sequences.values, ((0, 0), (0, amount), (0, 0))), sequences.lengths)


def _change(before: NDArray[Any], after: NDArray[Any]) -> NDArray[Any]:
    """How far each entry moved: a distance for features, yes or no for all else."""
    if before.dtype.kind == "f":
        return np.asarray(np.abs(after.astype(np.float64) - before))
    return np.asarray(before != after).astype(np.float64)


def _promise(kept: bool | np.bool_, name: str, sentence: str) -> None:
    if not kept:
        raise BrokenPromise(f"{name}: {sentence}")
