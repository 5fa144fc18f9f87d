"""Corruptions: pure functions on a split whose noise depends on the sample, never on the level."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.dataset import Dataset, Floats, Scale, Sequences, Split
from benchmark.errors import UserError, unknown
from benchmark.naming import check_name
from benchmark.plugins import origin
from benchmark.records.measurements import removal_name, removed
from benchmark.registry import keep
from benchmark.task import MODALITIES, Dims
from robustness.missing import remove
from robustness.reliance import removals
from robustness.text import unknown_words, word_counts

SUITE = "1"  # part of every noise key: a change of any corruption's numbers raises it
Apply = Callable[[Split, float, Dataset, int], Split]
DEFAULT_MODALITIES = ("audio", "vision")


@dataclass(frozen=True, slots=True)
class Corruption:
    """A corruption as the registry holds it.

    Attributes:
        name: kind, with `:modality` where it is one modality's form of several.
        modalities: what it changes; all else comes back as it was.
        unit: what a level of 1 means.
        description: one sentence for tables and docs.
        apply: (split, level, dataset, noise_seed) -> split, for levels above 0.
        graded: False where only the levels 0 and 1 exist.
        accepts: why it cannot be applied to such data, or None.
    """

    name: str
    modalities: tuple[str, ...]
    unit: str
    description: str
    apply: Apply
    graded: bool = True
    accepts: Callable[[Dims], str | None] = lambda dims: None


def corrupt(split: Split, name: str, level: float, *, dataset: Dataset, noise_seed: int) -> Split:
    """Corrupt every sample of a split.

    The noise of a sample is drawn from a counter-based generator (Philox) whose key is a BLAKE2
    hash of suite version, dataset, split, sample id, modality, kind and `noise_seed`. So it does
    not depend on the other samples, their order, the padding or the device, and all levels share
    it: what is changed at one level is changed at every higher one.

    Args:
        split: the samples; never modified, so it may be a read-only memory map.
        name: a key of `CORRUPTIONS`, or `missing.` with modalities of the split joined by `+`.
        level: strength in [0, 1]; at 0 the split itself is returned.
        dataset: for its name, its vocabulary and the training statistics.
        noise_seed: which realisation of the noise.

    Raises:
        UserError: an unknown name, or a level that the corruption does not have.
    """
    corruption = find_corruption(name, split)
    if not 0 <= level <= 1:
        raise UserError(f"corruption levels lie in [0, 1], got {level} for {name}")
    if level == 0:
        return split
    if not corruption.graded and level != 1:
        raise UserError(f"{name} is either present or not: use level 0 or 1, got {level}")
    return corruption.apply(split, level, dataset, noise_seed)


def find_corruption(name: str, split: Split) -> Corruption:
    """The corruption of that name for a split of these modalities.

    Raises:
        UserError: there is none.
    """
    if name in CORRUPTIONS:
        return CORRUPTIONS[name]
    modalities = tuple(split.modalities)
    try:
        return _removal(removed(name, modalities))
    except ValueError:
        singles = (removal_name([modality]) for modality in modalities)
        raise unknown("corruption", name, {*CORRUPTIONS, *singles}) from None


def fingerprint(split: Split, modalities: tuple[str, ...] = ("text", "audio", "vision")) -> str:
    """Twelve hex digits over the arrays of these modalities, to compare two machines."""
    state = hashlib.blake2b(digest_size=6)
    for modality in modalities:
        sequences = split.modalities[modality]
        arrays: list[NDArray[np.generic]] = [sequences.values, sequences.lengths]
        if modality == "text" and split.tokens is not None:
            arrays += [split.tokens.ids, split.tokens.lengths, split.tokens.words]
        for array in arrays:
            little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
            state.update(f"{modality}{array.shape}{little.dtype.str}".encode())
            state.update(little.tobytes())
    return state.hexdigest()


def release() -> None:
    """Forget cached draws and training statistics: they can be as large as the split."""
    _uniforms.cache_clear()
    _normals.cache_clear()
    _deviation.cache_clear()


@dataclass(frozen=True, slots=True)
class _Draw:
    """All that decides the noise of one modality of a split; hashable, the key of the caches."""

    dataset: str
    split: str
    modality: str
    kind: str
    noise_seed: int
    ids: tuple[str, ...]
    lengths: tuple[int, ...]

    def generators(self) -> Iterator[tuple[np.random.Generator, slice]]:
        """The generator of each sample and the place of its valid steps among those of all."""
        scope = [SUITE, self.dataset, self.split, self.modality, self.kind, int(self.noise_seed)]
        shared = hashlib.blake2b(json.dumps(scope).encode(), digest_size=16)
        start = 0
        for sample, length in zip(self.ids, self.lengths, strict=True):
            state = shared.copy()
            state.update(sample.encode())
            key = np.frombuffer(state.digest(), dtype="<u8").astype(np.uint64)
            yield np.random.Generator(np.random.Philox(key=key)), slice(start, start + length)
            start += length


def _draw(split: Split, dataset: Dataset, modality: str, kind: str, noise_seed: int) -> _Draw:
    by_word = modality == "text" and kind != "feat.gauss"
    lengths = word_counts(split) if by_word else split.modalities[modality].lengths
    return _Draw(
        dataset.name,
        split.name,
        modality,
        kind,
        noise_seed,
        tuple(split.ids.tolist()),
        tuple(lengths.tolist()),
    )


# The bounds suffice for one noise seed of one corruption, over whose levels a sweep runs.
@lru_cache(maxsize=4)
def _uniforms(draw: _Draw) -> NDArray[np.float64]:
    """Uniforms in [0, 1) for the valid steps of all samples, `(steps,)`."""
    values = np.empty(sum(draw.lengths))
    for generator, place in draw.generators():
        generator.random(out=values[place])
    values.setflags(write=False)
    return values


@lru_cache(maxsize=2)
def _normals(draw: _Draw, width: int) -> Floats:
    """Standard normals for the valid steps of all samples, `(steps, width)`."""
    values = np.empty((sum(draw.lengths), width), dtype=np.float32)
    for generator, place in draw.generators():
        generator.standard_normal(out=values[place], dtype=np.float32)
    values.setflags(write=False)
    return values


class _Identity:
    """Sequences as a cache key: equal only where they hold the very same array."""

    def __init__(self, sequences: Sequences):
        self.sequences = sequences

    def __hash__(self) -> int:
        return id(self.sequences.values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.sequences.values is other.sequences.values


@lru_cache(maxsize=3)
def _deviation(train: _Identity) -> Floats:
    """Standard deviation of each feature over the valid training steps, `(D,)`."""
    return Scale.of(train.sequences).deviation


def uniforms(
    split: Split, dataset: Dataset, modality: str, kind: str, noise_seed: int
) -> NDArray[np.float64]:
    """Numbers in [0, 1) for the valid steps of all samples, `(steps,)`, the same at all levels.

    Those of the text are for words: of its feature rows, or of its tokens if these name more.

    Args:
        split: whose samples get noise, each its own.
        dataset: for its name.
        modality: whose steps.
        kind: of noise; another one gives other numbers.
        noise_seed: which realisation.
    """
    return _uniforms(_draw(split, dataset, modality, kind, noise_seed))


def normals(split: Split, dataset: Dataset, modality: str, kind: str, noise_seed: int) -> Floats:
    """Standard normal numbers for each feature of each valid step, `(steps, D)`; as `uniforms`."""
    draw = _draw(split, dataset, modality, kind, noise_seed)
    return _normals(draw, split.modalities[modality].values.shape[2])


def _gauss(modalities: tuple[str, ...]) -> Apply:
    def apply(split: Split, level: float, dataset: Dataset, noise_seed: int) -> Split:
        for modality in modalities:
            sequences = split.modalities[modality]
            mask = sequences.mask
            draw = _draw(split, dataset, modality, "feat.gauss", noise_seed)
            deviation = _deviation(_Identity(dataset.train.modalities[modality]))
            values = np.array(sequences.values)  # (N, L, D)
            noise = _normals(draw, values.shape[2])  # (steps, D)
            values[mask] += np.float32(2 * level) * deviation * noise
            split = split.with_sequences(modality, Sequences(values, sequences.lengths))
        return split

    return apply


def _words(kind: str) -> Apply:
    def apply(split: Split, level: float, dataset: Dataset, noise_seed: int) -> Split:
        draw = _draw(split, dataset, "text", kind, noise_seed)
        return unknown_words(split, _uniforms(draw) < level, dataset)

    return apply


def _time_drop(modalities: tuple[str, ...]) -> Apply:
    def apply(split: Split, level: float, dataset: Dataset, noise_seed: int) -> Split:
        for modality in modalities:
            if modality == "text":  # a token cannot be zero: its word becomes unknown
                split = _words("time.drop")(split, level, dataset, noise_seed)
                continue
            sequences = split.modalities[modality]
            dropped = sequences.mask  # (N, L)
            draw = _draw(split, dataset, modality, "time.drop", noise_seed)
            dropped[dropped] = _uniforms(draw) < level
            values = np.array(sequences.values)
            values[dropped] = 0
            split = split.with_sequences(modality, Sequences(values, sequences.lengths))
        return split

    return apply


def _mixed(split: Split, level: float, dataset: Dataset, noise_seed: int) -> Split:
    noisy = _gauss(DEFAULT_MODALITIES)(split, level, dataset, noise_seed)
    return _words("text.word_unk")(noisy, level, dataset, noise_seed)


def _removal(gone: tuple[str, ...]) -> Corruption:
    def apply(split: Split, level: float, dataset: Dataset, noise_seed: int) -> Split:
        return remove(split, gone, dataset)

    sentence = f"{' and '.join(gone) or 'nothing'} missing from every sample"
    return Corruption(removal_name(gone), gone, "missing", sentence, apply, graded=False)


def _registry() -> dict[str, Corruption]:
    entries = [
        Corruption(
            "text.word_unk",
            ("text",),
            "share of words",
            "words become the unknown token; their feature rows become zero",
            _words("text.word_unk"),
        ),
        Corruption(
            "mix.all",
            ("text", "audio", "vision"),
            "level of each part",
            "feat.gauss on audio and vision, text.word_unk on text, at the same level",
            _mixed,
        ),
    ]
    for suffix, modalities in (
        ("", DEFAULT_MODALITIES),
        *((f":{name}", (name,)) for name in ("text", "audio", "vision")),
    ):
        entries += [
            Corruption(
                f"feat.gauss{suffix}",
                modalities,
                "noise of 2 training standard deviations",
                "Gaussian noise on every feature of every valid step",
                _gauss(modalities),
            ),
            Corruption(
                f"time.drop{suffix}",
                modalities,
                "share of steps",
                "valid steps become zero, the mask stays",
                _time_drop(modalities),
            ),
        ]
    entries += map(_removal, removals(MODALITIES).values())
    return {entry.name: entry for entry in sorted(entries, key=lambda entry: entry.name)}


def register_corruption(
    name: str,
    *,
    modalities: tuple[str, ...],
    unit: str,
    description: str,
    graded: bool = True,
    accepts: Callable[[Dims], str | None] = lambda dims: None,
) -> Callable[[Apply], Apply]:
    """Register a function (split, level, dataset, noise_seed) -> split as a corruption.

    It is called for levels above 0, keeps the promises of `robustness.promises`, and takes its
    noise from `uniforms` and `normals`, which keep those of randomness.

    Args:
        name: for protocols, records and tables: a letter or digit, then also `_ . + @ : -`.
        modalities: what it changes; all else comes back as it was.
        unit: what a level of 1 means.
        description: one sentence for tables and docs.
        graded: False where only the levels 0 and 1 exist.
        accepts: says why it cannot be applied to such data, or None.

    Raises:
        ValueError: the name is taken.
    """

    def register(apply: Apply) -> Apply:
        check_name("the corruption", name)
        taken = CORRUPTIONS.get(name)
        if taken is not None and origin(taken.apply) != origin(apply):
            raise ValueError(f"two corruptions want the name {name!r}")
        entry = Corruption(name, modalities, unit, description, apply, graded, accepts)
        CORRUPTIONS[name] = entry
        return apply

    return register


CORRUPTIONS: dict[str, Corruption] = _registry()
keep(CORRUPTIONS)
