"""Text only: what the words alone give, the floor that a multimodal model has to beat."""

from typing import Literal

from torch import Tensor, nn

from baselines.layers.recurrent import MaskedLSTM
from baselines.layers.text import TextEncoder
from benchmark import Batch, Dims, Model, Output, Stream, register_model

FINE_TUNING = {
    "lr": 1e-3,
    "encoder_lr": 5e-5,
    "batch_size": 32,
    "schedule": "linear",
    "warmup": 0.1,
}


@register_model(
    "text-only",
    display="Text only",
    kind="floor",
    defaults={
        "mosi": {**FINE_TUNING, "epochs": 6},
        "mosei": {**FINE_TUNING, "epochs": 5},
        "sims": {**FINE_TUNING, "epochs": 6},
        "synthetic": {"lr": 3e-3, "epochs": 20},
        "mosi_utterance": {
            "text_encoder": "features",
            "pooling": "mean",
            "hidden": 128,
            "dropout": 0.3,
            "lr": 3e-3,
        },
        "mosi_std": {**FINE_TUNING, "epochs": 6},
    },
    smoke={"hidden": 8, "dropout": 0.0},
)
class TextOnly(Model):
    """Text encoder, pooling, one hidden layer.

    With a pretrained encoder this is plain fine-tuning: own learning rate for the encoder, a short
    warm-up, linear decay.

    Args:
        dims: widths and vocabulary of the data.
        text_encoder: `auto`, `scratch`, `features`, a local folder or a hub name.
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
        self.text_input = "tokens" if self.encoder.reads_tokens else "features"
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
