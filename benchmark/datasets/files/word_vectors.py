"""Word vectors: the text stream of a dataset that has transcripts and no text features."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.dataset import Floats, Sequences, Strings
from benchmark.datasets.files.npz import npz_names, read_npz
from benchmark.datasets.files.regular import file_digest
from benchmark.datasets.tokens import normalise, split_words
from benchmark.errors import UserError

MAX_WORDS = 50  # rows of the stream; 99 % of the utterances of MOSI have fewer words


@dataclass(frozen=True)
class WordVectors:
    """Vectors of words.

    Attributes:
        name: of their folder.
        rows: word, in lower case -> row of `vectors`.
        vectors: float32 `(words, D)`.
        digest: hash of their file.
    """

    name: str
    rows: Mapping[str, int]
    vectors: Floats
    digest: str

    def coverage(self, transcripts: NDArray[np.str_]) -> float:
        """Share of all words in the transcripts that have a vector."""
        words = [normalise(word) for text in transcripts for word in split_words(str(text))]
        return sum(word in self.rows for word in words) / max(len(words), 1)

    def embed(self, transcripts: Strings) -> Sequences:
        """One row a word, `(N, MAX_WORDS, D)`; a word without a vector is a zero row."""
        values = np.zeros((len(transcripts), MAX_WORDS, self.vectors.shape[1]), np.float32)
        lengths = np.zeros(len(transcripts), np.int64)
        for sample, text in enumerate(transcripts):
            words = split_words(str(text))[:MAX_WORDS]
            lengths[sample] = len(words)
            for step, word in enumerate(words):
                row = self.rows.get(normalise(word))
                if row is not None:
                    values[sample, step] = self.vectors[row]
        return Sequences(values, lengths)


def read_word_vectors(folder: Path) -> WordVectors | None:
    """The vectors of a folder with one npz file of `word` and `vector`; None if it is not one.

    Raises:
        UserError: the file is corrupt, or these are no words and vectors.
    """
    paths = sorted(folder.glob("*.npz"))
    if len(paths) != 1 or not {"word", "vector"} <= {*npz_names(paths[0])}:
        return None
    arrays = read_npz(paths[0], ("word", "vector"))
    words, vectors = arrays["word"], arrays["vector"]
    texts = words.dtype.kind == "U" and words.ndim == 1
    numbers = vectors.dtype.kind in "fiu" and vectors.ndim == 2 and vectors.shape[1] > 0
    if not texts or not numbers or len(words) != len(vectors):
        raise UserError(
            f"{folder.name}/{paths[0].name} has 'word' {words.dtype} of shape {words.shape} and "
            f"'vector' {vectors.dtype} of shape {vectors.shape}; it needs one text and one row of "
            f"numbers a word"
        )
    rows = {str(word): row for row, word in enumerate(words)}
    return WordVectors(folder.name, rows, vectors.astype(np.float32), file_digest(paths[0]))
