"""Text only: what the words alone give, the floor that a multimodal model has to beat."""

from typing import Any, Literal

from torch import Tensor, nn

from baselines.layers.recurrent import MaskedLSTM
from baselines.layers.text import FINE_TUNING, TextEncoder
from benchmark import Batch, Dims, Model, Output, Stream, register_model

FEATURES: dict[str, dict[str, Any]] = {
    "mmmo_mini": {
        **{"lr": 0.001, "batch_size": 16},
        "recipe": "chosen on validation: the learning rate of three, over five folds",
    },
    "mosi": {"hidden": 128, "dropout": 0.2, "recipe": "untuned default"},
    "mosei": {"hidden": 128, "dropout": 0.2, "batch_size": 128, "recipe": "untuned default"},
    "sims": {"hidden": 128, "dropout": 0.2, "recipe": "untuned default"},
    "synthetic": {
        **{"lr": 1e-3, "epochs": 20},
        "recipe": "chosen on validation: the learning rate, over three seeds",
    },
    "mosi_utterance": {
        **{"pooling": "mean", "hidden": 128, "dropout": 0.3, "lr": 3e-3},
        "recipe": "untuned default",
    },
    "mosi_std": {"hidden": 128, "dropout": 0.2, "recipe": "untuned default"},
}
SIX_EPOCHS = {
    **{"lr": 1e-3, "encoder_lr": 5e-5, "batch_size": 32},
    **{"epochs": 6, "patience": 0, "schedule": "linear", "warmup": 0.1},
    "recipe": "chosen on validation: the number of epochs",
}


@register_model(
    "text-only",
    display="Text only",
    kind="floor",
    defaults=FEATURES,
    fine_tuning={"": FINE_TUNING, "mosi_std": SIX_EPOCHS},
    smoke={"hidden": 8, "dropout": 0.0},
)
class TextOnly(Model):
    """Text encoder, pooling, one hidden layer; with a pretrained encoder plain fine-tuning.

    Args:
        dims: widths and vocabulary of the data.
        text_encoder: see `TextEncoder`.
        pooling: how the steps become one vector: `mean` over the valid ones, `first` (the start
            mark of an encoder), `lstm` (its last valid state), `auto` (`mean` over tokens, `lstm`
            over features).
        hidden: width of the hidden layer, and of the LSTM.
        dropout: before the hidden layer and after it.
    """

    modalities = ("text",)

    def __init__(
        self,
        dims: Dims,
        *,
        text_encoder: str = "auto",
        pooling: Literal["auto", "mean", "first", "lstm"] = "auto",
        hidden: int = 64,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.encoder = TextEncoder(dims, text_encoder)
        if pooling == "auto":
            pooling = "mean" if self.encoder.reads_tokens else "lstm"
        self.pooling = pooling
        self.lstm = MaskedLSTM(self.encoder.width, hidden) if pooling == "lstm" else None
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(hidden if pooling == "lstm" else self.encoder.width, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, dims.outputs),
        )

    def forward(self, batch: Batch) -> Output:
        return Output(self.head(self._pool(self.encoder(batch))))

    def _pool(self, stream: Stream) -> Tensor:
        """One vector for each sample, `(B, width)`."""
        if self.lstm is not None:
            return self.lstm(stream)[1][0]
        return stream.mean() if self.pooling == "mean" else stream.values[:, 0]


@register_model(
    "text-only-features", kind="floor", defaults=FEATURES, smoke={"hidden": 12, "dropout": 0.0}
)
class TextOnlyFeatures(TextOnly):
    """The same on the text stream itself, whatever encoder others use: the floor beside them.

    Args:
        dims: widths of the data.
        pooling: see `TextOnly`.
        hidden: width of the hidden layer, and of the LSTM.
        dropout: before the hidden layer and after it.
    """

    def __init__(
        self,
        dims: Dims,
        *,
        pooling: Literal["mean", "first", "lstm"] = "lstm",
        hidden: int = 64,
        dropout: float = 0.1,
    ):
        super().__init__(
            dims, text_encoder="features", pooling=pooling, hidden=hidden, dropout=dropout
        )
