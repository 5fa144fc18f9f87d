"""The embedded dataset: planted unimodal, bimodal and trimodal terms of known strength."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from benchmark.config import digest
from benchmark.datasets.dataset import (
    SPLITS,
    Dataset,
    Floats,
    Integers,
    Sequences,
    Split,
    Strings,
    Tokens,
    Vocabulary,
)
from benchmark.datasets.source import Source, assemble
from benchmark.task import regression

VERSION = 2  # to be raised when the same seed gives other data
SPECIAL_TOKENS = 5
TEXT = (12, 16)  # most steps, width
AUDIO = (20, 6)
VISION = (16, 8)
SIZES = (600, 200, 400)

# Weight of each term of the label, up to the sign its standard deviation; a product of names is an
# interaction. One sign differs from the others, so that as many labels are positive as negative.
STRENGTHS: Mapping[str, float] = {
    "text": 0.95,
    "audio": 0.5,
    "vision": 0.5,
    "text*audio": 0.55,
    "text*vision": -0.45,
    "audio*vision": 0.3,
    "text*audio*vision": 0.35,
    "noise": 0.3,
}
DEAD_ZONE = 0.08  # a score closer to neutral than this is given the label 0
NEUTRAL_SHARE = 0.047  # of the labels that are 0 therefore, in expectation; in CMU-MOSI it is 4.4 %

# One line for each level of sentiment, from the lowest to the highest.
WORDS = (
    ("awful", "horrible", "terrible", "disgusting", "worst"),
    ("bad", "hate", "poor", "ugly", "stupid"),
    ("boring", "dull", "annoying", "weak", "lame"),
    ("slow", "flat", "odd", "tired", "cheap"),
    ("hardly", "lacking", "predictable", "uneven", "tame"),
    ("movie", "scene", "story", "actor", "film"),
    ("okay", "decent", "fair", "fine", "watchable"),
    ("nice", "pleasant", "neat", "solid", "likeable"),
    ("good", "fun", "clever", "warm", "charming"),
    ("great", "lovely", "exciting", "impressive", "love"),
    ("amazing", "wonderful", "brilliant", "perfect", "best"),
)
LEVELS = np.linspace(-2.5, 2.5, len(WORDS))


@dataclass(frozen=True)
class _World:
    """What all splits share: embeddings of the words and the directions of the latents."""

    embeddings: NDArray[np.float64]  # (words, D)
    audio: NDArray[np.float64]  # (D,)
    vision: NDArray[np.float64]  # (D,)


def make_synthetic(seed: int = 0, sizes: tuple[int, int, int] = SIZES) -> Dataset:
    """A regression on [-3, 3] from three sequences of different lengths and widths.

    Each sample has one latent number a modality, of mean 0 and deviation about 1. In the text it is
    the mean sentiment of its words; in audio and vision it is the mean of the steps along one fixed
    direction. With t, a, v these numbers and s the strengths,

        score = s_t t + s_a a + s_v v + s_ta ta + s_tv tv + s_av av + s_tav tav + noise
        label = 0 where |score| < 0.08, else clip(score, -3, 3)

    Nearly one label in twenty is exactly neutral, as in CMU-MOSI, so that the two conventions of
    Acc-2 and F1 differ. Labels of single modalities are made of their own term in the same way.

    The latents are functions of the sequences, so the sum without noise is known from the input,
    and the label made of it is the median of the label given the input: the noise is symmetric, and
    clipping and the dead zone are monotone, so that the median goes through them. No prediction has
    a lower expected absolute error; `Split.oracle` is it.

    Args:
        seed: decides everything.
        sizes: samples of the training, validation and test split.
    """
    return assemble(synthetic_source(seed, sizes))


def synthetic_source(seed: int = 0, sizes: tuple[int, int, int] = SIZES) -> Source:
    """The same before tokens and scales."""
    world = _make_world(seed)
    counts = dict(zip(SPLITS, sizes, strict=True))
    shares = {name: strength**2 for name, strength in STRENGTHS.items()}
    total = sum(shares.values())
    return Source(
        name="synthetic",
        task=regression(-3, 3),
        format="embedded",
        sizes=counts,
        read=lambda split: _make_split(world, seed, split, counts[split]),
        read_ids=lambda split: _make_ids(split, counts[split]),
        # Not of the arrays: their last bits may differ between processors, and the recipe is all.
        digest=digest(["synthetic", VERSION, seed, list(sizes)]),
        vocabulary=Vocabulary(size=SPECIAL_TOKENS + LEVELS.size * len(WORDS[0])),
        encoder="synthetic",
        provenance={
            "title": "planted unimodal, bimodal and trimodal terms",
            "seed": seed,
            "strengths": dict(STRENGTHS),
            "variance_shares": {name: share / total for name, share in shares.items()},
            "neutral": "stated",
            "neutral_share": NEUTRAL_SHARE,
        },
    )


def _make_world(seed: int) -> _World:
    generator = np.random.default_rng([seed, len(SPLITS)])
    count, width = LEVELS.size * len(WORDS[0]), TEXT[1]
    embeddings = generator.normal(size=(count, width))
    # The first feature is the sentiment of the word; the others tell the words apart.
    embeddings[:, 0] = np.repeat(LEVELS, len(WORDS[0]))
    return _World(
        embeddings @ _rotation(generator, width),
        _rotation(generator, AUDIO[1])[0],
        _rotation(generator, VISION[1])[0],
    )


def _rotation(generator: np.random.Generator, width: int) -> NDArray[np.float64]:
    rotation: NDArray[np.float64] = np.linalg.qr(generator.normal(size=(width, width)))[0]
    return rotation


def _make_ids(split: str, count: int) -> Strings:
    return np.array([f"{split}-{place:05d}" for place in range(count)], dtype=np.str_)


def _make_split(world: _World, seed: int, split: str, count: int) -> Split:
    generator = np.random.default_rng([seed, SPLITS.index(split)])
    tokens, text, t, transcripts = _make_text(generator, world, count)
    audio, a = _make_stream(generator, world.audio, count, AUDIO[0], shortest=5)
    vision, v = _make_stream(generator, world.vision, count, VISION[0], shortest=4)
    latents = {"text": t, "audio": a, "vision": v}
    clean = np.zeros(count)
    for name, strength in STRENGTHS.items():
        if name != "noise":
            clean += strength * np.prod([latents[part] for part in name.split("*")], axis=0)
    noisy = clean + STRENGTHS["noise"] * generator.normal(size=count)
    return Split(
        name=split,
        ids=_make_ids(split, count),
        label=_make_label(noisy),
        modalities={"text": text, "audio": audio, "vision": vision},
        tokens=tokens,
        groups=_make_groups(generator, split, count),
        transcripts=transcripts,
        unimodal_labels={
            name: _make_label(STRENGTHS[name] * latent) for name, latent in latents.items()
        },
        oracle=_make_label(clean),
    )


def _make_label(score: NDArray[np.float64]) -> Floats:
    """The label of a score: exactly neutral near 0, clipped to the scale; never decreasing."""
    return np.where(np.abs(score) < DEAD_ZONE, 0, np.clip(score, -3, 3)).astype(np.float32)


def _make_text(
    generator: np.random.Generator, world: _World, count: int
) -> tuple[Tokens, Sequences, NDArray[np.float64], Strings]:
    """Words around a level, their embeddings, and the mean level of the words of each sample."""
    longest, width = TEXT
    lengths = generator.integers(3, longest, size=count, endpoint=True)
    mask = np.arange(longest) < lengths[:, None]  # (N, L)
    aim = generator.uniform(-2, 2, size=(count, 1))
    level = aim + generator.normal(scale=0.6, size=(count, longest))
    step = np.rint((level - LEVELS[0]) / (LEVELS[1] - LEVELS[0])).astype(np.int64)
    step = np.clip(step, 0, LEVELS.size - 1)
    word = step * len(WORDS[0]) + generator.integers(0, len(WORDS[0]), size=step.shape)
    latent = (LEVELS[step] * mask).sum(axis=1) / lengths / 1.15  # deviation close to 1
    values = world.embeddings[word] + 0.01 * generator.normal(size=(count, longest, width))
    names = np.array([name for row in WORDS for name in row])
    transcripts = np.array(
        [" ".join(names[row[:size]]) for row, size in zip(word, lengths, strict=True)]
    )
    return (
        _tokens(word, mask, lengths),
        Sequences((values * mask[..., None]).astype(np.float32), lengths),
        latent,
        transcripts,
    )


def _tokens(word: Integers, mask: NDArray[np.bool_], lengths: Integers) -> Tokens:
    vocabulary = Vocabulary(size=0)
    samples, longest = word.shape
    ids = np.full((samples, longest + 2), vocabulary.pad, dtype=np.int64)
    words = np.full((samples, longest + 2), -1, dtype=np.int64)
    ids[:, 0] = vocabulary.start
    ids[:, 1:-1] = np.where(mask, word + SPECIAL_TOKENS, vocabulary.pad)
    ids[np.arange(samples), lengths + 1] = vocabulary.end
    words[:, 1:-1] = np.where(mask, np.arange(longest), -1)
    return Tokens(ids, lengths + 2, words)


def _make_stream(
    generator: np.random.Generator,
    direction: NDArray[np.float64],
    count: int,
    longest: int,
    shortest: int,
) -> tuple[Sequences, NDArray[np.float64]]:
    """Steps whose mean along the direction is the latent; across it, noise of deviation 1/2."""
    lengths = generator.integers(shortest, longest, size=count, endpoint=True)
    mask = np.arange(longest) < lengths[:, None]  # (N, L)
    latent = generator.uniform(-sqrt(3), sqrt(3), size=count)
    wobble = 0.5 * generator.normal(size=mask.shape) * mask
    wobble -= wobble.sum(axis=1, keepdims=True) / lengths[:, None]  # the mean is exact
    noise = 0.5 * generator.normal(size=(*mask.shape, direction.size))
    noise -= (noise @ direction)[..., None] * direction
    values = (latent[:, None] + wobble)[..., None] * direction + noise  # (N, L, D)
    return Sequences((values * mask[..., None]).astype(np.float32), lengths), latent


def _make_groups(generator: np.random.Generator, split: str, count: int) -> Strings:
    """Pseudo videos of three to eight samples in a row, never shared by two splits."""
    sizes = generator.integers(3, 8, size=count, endpoint=True)
    group = np.repeat(np.arange(count), sizes)[:count]
    return np.array([f"{split}-video-{number:03d}" for number in group], dtype=np.str_)
