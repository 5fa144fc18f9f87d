"""Small datasets of every kind as folders of npz files, for tests."""

import json
from pathlib import Path
from typing import Any

import numpy as np

WORDS = ("good", "bad", "fine", "awful", "film", "great", "dull", "plot", "cast", "tense")
KINDS: dict[str, dict[str, Any]] = {
    "mosi": {"range": [-3, 3], "neutral": 0},
    "sims": {"range": [-1, 1], "neutral": 0},
    "reviews": {"range": [1, 5], "neutral": 3},
    "classes": {"names": ["joy", "anger", "calm"]},
    "labels": {"names": ["happy", "sad", "angry", "calm"]},
}
SHAPES: dict[str, dict[str, Any]] = {
    "sequences": {},
    "tokens-only": {"streams": (), "words": True},
    "features-only": {"words": False},
    "no-vision": {"streams": ("text", "audio")},
    "one-step": {"steps": 1},
}


def make_folder(
    root: Path,
    name: str,
    kind: str = "mosi",
    *,
    streams: tuple[str, ...] = ("text", "audio", "vision"),
    words: bool = False,
    steps: int = 6,
    sizes: tuple[int, int, int] = (40, 16, 20),
    labels: dict[str, Any] | None = None,
) -> Path:
    """Write a dataset whose label follows one number that every stream shows.

    Args:
        root: the data folder.
        name: of the dataset.
        kind: a key of `KINDS`.
        streams: modalities that have features.
        words: whether there are transcripts.
        steps: longest sequence; 1 writes vectors.
        sizes: samples of the splits.
        labels: instead of what `KINDS` declares.
    """
    folder = root / name
    folder.mkdir(parents=True)
    declared = KINDS[kind] if labels is None else labels
    generator = np.random.default_rng(0)
    for split, size in zip(("train", "valid", "test"), sizes, strict=True):
        score = generator.uniform(-1, 1, size)
        arrays: dict[str, Any] = {
            "id": np.array([f"{split}{place}" for place in range(size)]),
            "label": _label(kind, score, declared),
        }
        for width, stream in enumerate(streams, start=3):
            values = score[:, None, None] + 0.1 * generator.normal(size=(size, steps, width))
            lengths = generator.integers(1, steps + 1, size)
            values[np.arange(steps) >= lengths[:, None]] = 0
            arrays[stream] = (values if steps > 1 else values[:, 0]).astype(np.float32)
        if words:
            chosen = (score[:, None] > 0) * 5 + generator.integers(0, 5, (size, 5))
            arrays["raw_text"] = np.array([" ".join(WORDS[w] for w in row) for row in chosen])
        np.savez(folder / f"{split}.npz", **arrays)
    (folder / "dataset.json").write_text(json.dumps({"name": name, "labels": declared}))
    return folder


def _label(kind: str, score: Any, declared: dict[str, Any]) -> Any:
    if kind == "classes":
        return np.digitize(score, [-0.3, 0.3])
    if kind == "labels":
        return np.stack([score > edge for edge in (-0.5, 0, 0.3, 0.6)], axis=1).astype(np.int64)
    low, high = declared["range"]
    return (low + (score + 1) / 2 * (high - low)).astype(np.float32)
