"""Building a model, with word vectors of its own where a dataset has tokens only."""

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from benchmark.batch import Batch, Stream
from benchmark.model import Model
from benchmark.task import Dims

WIDTH = 64  # of a trained word vector


class WordEmbedding(nn.Module):
    """A vector for every token id, trained with the model.

    Args:
        vocabulary: number of token ids.
        width: features of a vector.
    """

    def __init__(self, vocabulary: int, width: int = WIDTH):
        super().__init__()
        self.vectors = nn.Embedding(vocabulary, width)

    def forward(self, batch: Batch) -> Stream:
        """The words of a batch without the start and end marks, `(B, K - 2, width)`."""
        assert batch.token_ids is not None  # the data has tokens, or there were no embedding
        assert batch.token_mask is not None
        mask = batch.token_mask[:, 2:]  # a row of n valid tokens has n - 2 words
        values: Tensor = self.vectors(batch.token_ids[:, 1:-1])
        return Stream(values * mask.unsqueeze(-1), mask)


def build_model(cls: type[Model], dims: Dims, settings: Mapping[str, Any]) -> Model:
    """A model for a dataset.

    Where the text comes as tokens alone, a model that reads word vectors is built for vectors of
    `WIDTH` features, and its attribute `word_embedding` makes them before each forward pass.

    Args:
        cls: its class.
        dims: what it is told about the data.
        settings: keyword arguments of its constructor.
    """
    embeds = _needs_words(cls, dims, settings)
    told = dims
    if embeds:
        lengths = dict(dims.lengths)
        if "tokens" in lengths:
            lengths["text"] = lengths["tokens"] - 2
        widths = {**dims.widths, "text": WIDTH}
        told = replace(dims, widths=widths, vocabulary=0, lengths=lengths)
    model = cls(told, **settings)
    model.task = dims.task
    if embeds:
        model.word_embedding = WordEmbedding(dims.vocabulary)
        model.register_forward_pre_hook(_embed)
    return model


def _needs_words(cls: type[Model], dims: Dims, settings: Mapping[str, Any]) -> bool:
    if dims.text or not dims.vocabulary or "text" not in cls.modalities:
        return False
    if "text_encoder" in inspect.signature(cls).parameters:
        return settings.get("text_encoder") == "features"
    return cls.text_input == "features"


def _embed(model: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    batch, *rest = arguments
    assert isinstance(model.word_embedding, WordEmbedding)
    return (batch.with_stream("text", model.word_embedding(batch)), *rest)
