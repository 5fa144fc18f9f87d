"""One npz file of a plain folder: its arrays as ids, texts, folds and sequences."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.dataset import Floats, Integers, Sequences, Strings
from benchmark.datasets.files.npz import read_npz
from benchmark.datasets.files.padding import padded_left, right_padded, single
from benchmark.errors import UserError
from benchmark.naming import clipped, shown

WHOLE = "all"  # the one part of a dataset that has folds and no splits


class Part:
    """The samples of a split, or of all splits, as one file holds them.

    Args:
        dataset: its name, for sentences.
        split: its name, or `WHOLE`.
        path: of the file.
        wanted: arrays to be read; None reads all.

    Raises:
        UserError: the file is missing or broken.
    """

    def __init__(self, dataset: str, split: str, path: Path, wanted: tuple[str, ...] | None = None):
        self.dataset, self.split, self.file = dataset, split, path.name
        self.place = f"{dataset!r}" if split == WHOLE else f"the {split} split of {dataset!r}"
        self.arrays = read_npz(path, wanted)

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def array(self, name: str) -> NDArray[Any]:
        """An array of at least one axis.

        Raises:
            UserError: it is missing, or one value.
        """
        if name not in self:
            raise UserError(
                f"{self.file} of {self.dataset!r} has no array {shown(name)}, which every split "
                f"needs; it has {', '.join(map(clipped, sorted(self.arrays)[:20])) or 'none'}"
            )
        if not self.arrays[name].ndim:
            raise UserError(
                f"{name!r} in {self.file} of {self.dataset!r} is one value; it needs one row a "
                f"sample"
            )
        return self.arrays[name]

    def texts(self, name: str) -> Strings:
        """One text a sample; numbers are written out.

        Raises:
            UserError: it is missing, of another shape or type, or no ASCII where it is bytes.
        """
        values = self.array(name)
        what = f"{name!r} in {self.file} of {self.dataset!r}"
        if values.ndim != 1:
            raise UserError(f"{what} has shape {values.shape}; it needs one text a sample")
        if values.dtype.kind not in "USiuf":
            raise UserError(f"{what} is {values.dtype}; it needs one text a sample")
        try:
            return values.astype(np.str_)
        except UnicodeDecodeError:
            raise UserError(f"{what} has bytes that are no ASCII; write it as text") from None

    def ids(self, counted: str) -> Strings:
        """The ids: stated, made of video and clip, or else of the place of each sample.

        Args:
            counted: the array whose rows say how many samples there are.
        """
        if "id" in self:
            return self.texts("id")
        if "video_id" in self and "clip" in self:
            videos, clips = self.texts("video_id"), self.texts("clip")
            if len(videos) == len(clips):
                pairs = zip(videos, clips, strict=True)
                return np.array([f"{video}_{clip}" for video, clip in pairs], dtype=np.str_)
        places = range(len(self.array(counted)))
        return np.array([f"{self.split}-{place:05d}" for place in places], dtype=np.str_)

    def folds(self, name: str) -> Integers:
        """The fold of each sample.

        Raises:
            UserError: they are no whole numbers.
        """
        fold = self.array(name)
        whole = fold.dtype.kind in "iu" and fold.ndim == 1
        if not whole or ((fold < 0) | (fold >= 2**31)).any():
            raise UserError(
                f"{name!r} of {self.file} of {self.dataset!r} is {fold.dtype} of shape "
                f"{fold.shape}; it must be one whole number from 0 a sample"
            )
        return fold.astype(np.int64)

    def numbers(self, name: str) -> Floats:
        """One number a sample.

        Raises:
            UserError: it is of another shape or type.
        """
        found = self.array(name)
        if found.dtype.kind not in "fiub" or found.ndim != 1:
            raise UserError(
                f"{self.place} has {name} of type {found.dtype} and shape {found.shape}; it must "
                f"be one number a sample"
            )
        return found.astype(np.float32)

    def sequences(self, name: str, train: "Part") -> Sequences:
        """A modality, right-padded; a vector a sample becomes one step.

        Args:
            name: of the modality.
            train: the part that decides on which side padding is.

        Raises:
            UserError: it is no numbers, of another shape, or its mask or lengths do not fit.
        """
        values = self.array(name)
        if values.dtype.kind not in "fiu" or values.ndim not in (2, 3):
            raise UserError(
                f"{name} of the {self.split} split of {self.dataset!r} is {values.dtype} of shape "
                f"{values.shape}; it must be numbers (samples, features) or "
                f"(samples, steps, features)"
            )
        if values.ndim != train.array(name).ndim:
            raise UserError(
                f"{name} of {self.place} has shape {values.shape}, that of the training split "
                f"{train.array(name).shape}; give both steps or neither"
            )
        if not all(values.shape[1:]):
            raise UserError(
                f"{name} of {self.place} has shape {values.shape}; it needs one step and one "
                f"feature at least: leave it out of every split if it is missing"
            )
        if values.ndim == 2:
            return Sequences(single(values[:, None]), np.ones(len(values), dtype=np.int64))
        content, left = self._content(name, values, train)
        if content.shape != values.shape[:2]:
            raise UserError(
                f"the mask or lengths of {name} in the {self.split} split of {self.dataset!r} do "
                f"not fit its {values.shape[0]} samples of {values.shape[1]} steps"
            )
        return right_padded(values, content, left=left)

    def _content(
        self, name: str, values: NDArray[Any], train: "Part"
    ) -> tuple[NDArray[np.bool_], bool | None]:
        """Where samples begin and end: a mask, lengths, or else the steps that are not zero."""
        if f"{name}_mask" in self:
            mask = self.arrays[f"{name}_mask"]
            if mask.dtype.kind not in "biuf":
                raise UserError(
                    f"{name}_mask of {self.place} is {mask.dtype}; it must be true or false"
                )
            return mask.astype(bool), None
        shared = self.arrays.get("mask")
        if shared is not None and shared.dtype.kind in "biuf" and shared.shape == values.shape[:2]:
            some = (values != 0).any(axis=(1, 2))  # a shared mask does not say what is missing
            return shared.astype(bool) & some[:, None], None
        for key in (f"{name}_lengths", f"{name}_length"):
            if key in self:
                return self._steps(key, values), False
        return _nonzero(values), padded_left(_nonzero(train.array(name)))

    def _steps(self, key: str, values: NDArray[Any]) -> NDArray[np.bool_]:
        lengths, steps = self.arrays[key], values.shape[1]
        numbers = lengths.dtype.kind in "fiu" and lengths.size == len(values)
        if not numbers or not np.isin(lengths, np.arange(steps + 1)).all():
            raise UserError(
                f"{key} of {self.place} must be one whole number from 0 to {steps} a sample, the "
                f"steps that are there"
            )
        found: NDArray[np.bool_] = np.arange(steps) < lengths.reshape(-1, 1)
        return found


def _nonzero(values: NDArray[Any]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (values != 0).any(axis=2)
    return found
