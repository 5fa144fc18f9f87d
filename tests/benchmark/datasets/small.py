"""Small arrays of three splits, and a plain folder of them."""

import json

import numpy as np

SPLITS = ("train", "valid", "test")


def make_arrays(split, samples=6, *, steps=5, seed=0):
    generator = np.random.default_rng([seed, SPLITS.index(split)])
    return {
        "id": np.array([f"{split}{place}" for place in range(samples)]),
        "text": generator.normal(size=(samples, 7)).astype(np.float32),
        "audio": generator.normal(size=(samples, steps, 3)).astype(np.float32),
        "vision": generator.normal(size=(samples, steps, 2)).astype(np.float32),
        "label": generator.uniform(-3, 3, size=samples).astype(np.float32),
    }


def write_npz(folder, arrays, manifest=None):
    folder.mkdir()
    for split, values in arrays.items():
        np.savez(folder / f"{split}.npz", **values)
    manifest = {"labels": {"range": [-3, 3]}} if manifest is None else manifest
    (folder / "dataset.json").write_text(json.dumps(manifest))
    return folder
