"""The text encoder that token models share, and the recipe by which they fine-tune it."""

import os
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from benchmark import Batch, Dims, Stream, UserError

# What a model with a pretrained encoder is trained with where it has no recipe of its own.
FINE_TUNING: dict[str, Any] = {
    **{"lr": 5e-4, "encoder_lr": 5e-5, "batch_size": 32, "clip_norm": 1.0},
    **{"epochs": 10, "patience": 0, "schedule": "linear", "warmup": 0.1},
    "recipe": "untuned default: one fine-tuning recipe for all models",
}
BORROWED = "untuned default: the published settings for a fine-tuned BERT"

Pooling = Literal["auto", "first", "mean"]


class TextEncoder(nn.Module):
    """Hidden states of the words of a batch.

    Args:
        dims: widths and vocabulary of the data.
        name: `features` (the text stream itself stands for the hidden states), `scratch` (a small
            BERT made from its configuration), a local folder, a hub name, or `auto`, see
            `plain_encoder`.
        hidden: width of the scratch encoder.
        layers: its depth.
        heads: its attention heads.

    Attributes:
        width: features of a hidden state.
        reads_tokens: False in the mode `features`; what a model's `text_input` goes by.
        pretrained: True if the weights were loaded; they get the encoder's learning rate.
    """

    is_text_encoder = True

    def __init__(
        self,
        dims: Dims,
        name: str = "auto",
        *,
        hidden: int = 32,
        layers: int = 2,
        heads: int = 4,
    ):
        super().__init__()
        name = plain_encoder(dims, name)
        self.reads_tokens = name != "features"
        self.pretrained = name not in ("scratch", "features")
        self.model: nn.Module | None = None
        self.width = dims.text
        if name == "features":
            return
        if not dims.vocabulary:
            raise UserError(
                f"text encoder {name!r} needs token ids and this dataset has none; use 'features'"
            )
        if name == "scratch":
            self.model = self.from_scratch(dims.vocabulary, hidden, layers, heads)
        else:
            self.model = load_pretrained(name, dims.vocabulary)
        self.width = int(self.model.config.hidden_size)

    def forward(self, batch: Batch) -> Stream:
        """Hidden states `(B, K, width)` with their mask; zero where the text is missing."""
        if self.model is None:
            return batch.text
        hidden = self.model(
            input_ids=batch.token_ids, attention_mask=key_bias(batch.token_mask, self.model.dtype)
        ).last_hidden_state  # (B, K, width)
        return Stream(hidden * batch.token_mask.unsqueeze(-1), batch.token_mask)

    def takes_first(self, pooling: Pooling) -> bool:
        """Whether the first state stands for a text; `auto`: an encoder's, none of features."""
        return self.reads_tokens if pooling == "auto" else pooling == "first"

    @staticmethod
    def from_scratch(vocabulary: int, hidden: int, layers: int, heads: int) -> nn.Module:
        """An untrained encoder."""
        from transformers import BertConfig, BertModel

        config = BertConfig(
            vocab_size=vocabulary,
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=4 * hidden,
            max_position_embeddings=512,
        )
        return BertModel(config, add_pooling_layer=False)


def expect_layer(layers: nn.ModuleList, injection: int) -> None:
    """Check the place where a model enters an encoder.

    Raises:
        UserError: there is no layer of that index.
    """
    if not 0 <= injection < len(layers):
        raise UserError(
            f"injection {injection} is no layer of this text encoder; allowed: 0 to "
            f"{len(layers) - 1}"
        )


def plain_encoder(dims: Dims, name: str) -> str:
    """The name; for `auto` `features`, or `scratch` where the data has tokens and no features."""
    if name != "auto":
        return name
    return "scratch" if dims.vocabulary and not dims.text else "features"


def spoken(batch: Batch) -> Tensor:
    """Token ids `(B, K)`; where the text is missing all are 0, so that it says nothing."""
    return batch.token_ids.masked_fill(~batch.token_mask.any(dim=1, keepdim=True), 0)


def attendable(mask: Tensor) -> Tensor:
    """The mask with the first step of empty rows opened, so that their softmax stays finite."""
    first = torch.zeros_like(mask)
    first[:, 0] = True
    return mask | (first & ~mask.any(dim=1, keepdim=True))


def row_bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """What the layers of a BERT add to their scores, `(B, 1, 1, K)`: lowest outside the mask."""
    zero = torch.zeros((), dtype=dtype, device=mask.device)
    return zero.masked_fill(~mask[:, None, None], torch.finfo(dtype).min)


def key_bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """The bias of every query, `(B, 1, K, K)`, with the first key of empty rows open.

    Given a mask `(B, K)` BERT-type encoders would look on the host whether it hides anything.
    """
    return row_bias(attendable(mask), dtype).expand(-1, -1, mask.shape[1], -1)


def load_pretrained(name: str, vocabulary: int) -> nn.Module:
    """Load an encoder's safetensors from a local folder or the hub's cache.

    Args:
        name: a local folder, or a hub name.
        vocabulary: largest token id of the data plus one.

    Raises:
        UserError: the encoder is not there, or its vocabulary is smaller than the data's.
    """
    from transformers import AutoModel
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    local = Path(name).is_dir() or bool(os.environ.get("HF_HUB_OFFLINE"))
    try:
        model = AutoModel.from_pretrained(name, use_safetensors=True, local_files_only=local)
    except (OSError, ValueError) as error:
        raise UserError(
            f"text encoder {name!r} cannot be loaded: give a local folder with config.json and "
            f"model.safetensors, or a hub name with the network up ({type(error).__name__})"
        ) from None
    size = int(model.config.vocab_size)
    if vocabulary > size:
        raise UserError(
            f"text encoder {name!r} knows {size} tokens and the data uses {vocabulary}; load the "
            f"dataset with the same text encoder"
        )
    if hasattr(model, "pooler"):
        model.pooler = None  # models bring their own heads; an unused pooler would never train
    return model
