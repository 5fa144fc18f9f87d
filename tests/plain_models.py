"""Six published models as one would write them down in plain PyTorch: what ours are timed against.

Transcribed equation by equation, every step of time and every modality spelled out in the order of
the papers, without masks but for the lengths that two of the models pack by. Sizes come from the
settings of our model of that name, so that both have the same parameters.
"""

import math
from types import SimpleNamespace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmark.task import Dims


class Sample(NamedTuple):
    """A batch: streams `(B, T, D)`; valid steps, labels, places in the split, `(B,)` each."""

    text: Tensor
    audio: Tensor
    vision: Tensor
    lengths: Tensor
    label: Tensor
    index: Tensor


class PlainModel(nn.Module):
    """A network with its loss; `after_step` runs after the optimiser."""

    def loss(self, sample: Sample) -> Tensor:
        return (self(sample).squeeze(1) - sample.label).abs().mean()

    def after_step(self, sample: Sample) -> None:
        """Nothing, for most models."""


def average_subnet(inputs: int, hidden: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm1d(inputs),
        nn.Dropout(dropout),
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
    )


def small_net(inputs: int, hidden: int, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, outputs)
    )


def with_one(vector: Tensor) -> Tensor:
    return torch.cat([vector.new_ones(len(vector), 1), vector], dim=1)


def mean_of_valid(states: Tensor, lengths: Tensor) -> Tensor:
    mask = (torch.arange(states.shape[1]) < lengths.unsqueeze(1)).unsqueeze(2).float()
    return (states * mask).sum(dim=1) / mask.sum(dim=1)


def pack(states: Tensor, lengths: Tensor):
    return pack_padded_sequence(states, lengths.cpu(), batch_first=True, enforce_sorted=False)


class PlainSubnets(PlainModel):
    """The three subnets below TFN and LMF; audio and vision are averaged over the padded axis."""

    def __init__(self, dims: Dims, settings: SimpleNamespace):
        super().__init__()
        self.audio = average_subnet(dims.audio, settings.audio_hidden, settings.dropout)
        self.vision = average_subnet(dims.vision, settings.vision_hidden, settings.dropout)
        self.lstm = nn.LSTM(dims.text, settings.text_hidden, batch_first=True)
        self.dropout = nn.Dropout(settings.dropout)
        self.linear = nn.Linear(settings.text_hidden, settings.text_outputs)

    def vectors(self, sample: Sample) -> tuple[Tensor, Tensor, Tensor]:
        _, (last, _) = self.lstm(sample.text)
        text = self.linear(self.dropout(last.squeeze(0)))
        audio, vision = self.audio(sample.audio.mean(dim=1)), self.vision(sample.vision.mean(dim=1))
        return with_one(text), with_one(audio), with_one(vision)


class PlainTFN(PlainSubnets):
    def __init__(self, dims: Dims, settings: SimpleNamespace):
        super().__init__(dims, settings)
        widths = (settings.audio_hidden, settings.vision_hidden, settings.text_outputs)
        products = math.prod(width + 1 for width in widths)
        self.fusion_dropout = nn.Dropout(settings.fusion_dropout)
        self.first = nn.Linear(products, settings.fusion_hidden)
        self.second = nn.Linear(settings.fusion_hidden, settings.fusion_hidden)
        self.third = nn.Linear(settings.fusion_hidden, 1)

    def forward(self, sample: Sample) -> Tensor:
        text, audio, vision = self.vectors(sample)
        pairs = torch.bmm(audio.unsqueeze(2), vision.unsqueeze(1)).view(len(text), -1, 1)
        products = torch.bmm(pairs, text.unsqueeze(1)).view(len(text), -1)
        hidden = F.relu(self.first(self.fusion_dropout(products)))
        hidden = F.relu(self.second(hidden))
        return torch.sigmoid(self.third(hidden)) * 6 - 3


class PlainLMF(PlainSubnets):
    def __init__(self, dims: Dims, settings: SimpleNamespace):
        super().__init__(dims, settings)
        rank = settings.rank
        self.text_factor = nn.Parameter(torch.empty(rank, settings.text_outputs + 1, 1))
        self.audio_factor = nn.Parameter(torch.empty(rank, settings.audio_hidden + 1, 1))
        self.vision_factor = nn.Parameter(torch.empty(rank, settings.vision_hidden + 1, 1))
        self.weights = nn.Parameter(torch.empty(1, rank))
        self.bias = nn.Parameter(torch.zeros(1, 1))
        for factor in (self.text_factor, self.audio_factor, self.vision_factor, self.weights):
            nn.init.xavier_normal_(factor)

    def forward(self, sample: Sample) -> Tensor:
        text, audio, vision = self.vectors(sample)
        text = torch.matmul(text, self.text_factor)  # (rank, B, 1)
        audio = torch.matmul(audio, self.audio_factor)
        vision = torch.matmul(vision, self.vision_factor)
        products = audio * vision * text
        return torch.matmul(self.weights, products.permute(1, 0, 2)).squeeze(1) + self.bias


class PlainMFN(PlainModel):
    """Cells, attention, gates and memory inside one loop over time."""

    def __init__(self, dims: Dims, settings: SimpleNamespace):
        super().__init__()
        s, self.memory = settings, settings.memory
        self.hidden = (s.hidden_text, s.hidden_audio, s.hidden_vision)
        self.text = nn.LSTMCell(dims.text, s.hidden_text)
        self.audio = nn.LSTMCell(dims.audio, s.hidden_audio)
        self.vision = nn.LSTMCell(dims.vision, s.hidden_vision)
        window, gated = 2 * sum(self.hidden), 2 * sum(self.hidden) + s.memory
        self.attention = small_net(window, s.attention, window, s.attention_dropout)
        self.proposal = small_net(window, s.proposal, s.memory, s.proposal_dropout)
        self.retain = small_net(gated, s.retain, s.memory, s.retain_dropout)
        self.update = small_net(gated, s.update, s.memory, s.update_dropout)
        self.head = small_net(sum(self.hidden) + s.memory, s.out, 1, s.out_dropout)

    def forward(self, sample: Sample) -> Tensor:
        batch, steps = sample.text.shape[:2]
        text, audio, vision = (
            (torch.zeros(batch, width), torch.zeros(batch, width)) for width in self.hidden
        )
        memory = torch.zeros(batch, self.memory)
        for step in range(steps):
            before = [text[1], audio[1], vision[1]]
            text = self.text(sample.text[:, step], text)
            audio = self.audio(sample.audio[:, step], audio)
            vision = self.vision(sample.vision[:, step], vision)
            window = torch.cat([*before, text[1], audio[1], vision[1]], dim=1)
            attended = F.softmax(self.attention(window), dim=1) * window
            proposed = torch.tanh(self.proposal(attended))
            both = torch.cat([attended, memory], dim=1)
            retain, update = torch.sigmoid(self.retain(both)), torch.sigmoid(self.update(both))
            memory = retain * memory + update * proposed
        return self.head(torch.cat([text[0], audio[0], vision[0], memory], dim=1))


class PlainAttention(nn.Module):
    """Multi-head attention: one packed projection, scores, softmax, dropout, weighted sum."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(3 * width, width)))
        self.bias = nn.Parameter(torch.zeros(3 * width))
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        if query is key:
            query, key, value = F.linear(query, self.weight, self.bias).chunk(3, dim=2)
        else:
            weights, biases = self.weight.chunk(3), self.bias.chunk(3)
            query = F.linear(query, weights[0], biases[0])
            key = F.linear(key, weights[1], biases[1])
            value = F.linear(value, weights[2], biases[2])
        query, key, value = self.split(query * self.scale), self.split(key), self.split(value)
        weights = F.softmax(query @ key.transpose(2, 3) + mask, dim=3)  # (B, heads, Tq, Tk)
        context = self.dropout(weights) @ value
        return self.out(context.transpose(1, 2).flatten(2))

    def split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


class PlainLayer(nn.Module):
    def __init__(self, width: int, dropout: float, s: SimpleNamespace):
        super().__init__()
        self.attention = PlainAttention(width, s.heads, dropout)
        self.first_norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.relu_dropout, self.dropout = s.relu_dropout, s.residual_dropout

    def forward(self, x: Tensor, keys: Tensor | None, values: Tensor | None, mask: Tensor):
        query = key = value = self.first_norm(x)
        if keys is not None:
            key, value = self.first_norm(keys), self.first_norm(values)
        attended = self.attention(query, key, value, mask)
        x = x + F.dropout(attended, self.dropout, self.training)
        hidden = F.dropout(F.relu(self.wide(self.second_norm(x))), self.relu_dropout, self.training)
        return x + F.dropout(self.narrow(hidden), self.dropout, self.training)


class PlainEncoder(nn.Module):
    def __init__(self, width: int, layers: int, dropout: float, s: SimpleNamespace):
        super().__init__()
        self.layers = nn.ModuleList(PlainLayer(width, dropout, s) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.scale, self.dropout = math.sqrt(width), s.embedding_dropout
        rate = torch.exp(torch.arange(width // 2) * (-math.log(10000) / (width // 2 - 1)))
        angle = torch.arange(512).unsqueeze(1) * rate
        table = torch.cat([angle.sin(), angle.cos()], dim=1)
        table[0] = 0
        self.register_buffer("table", table)

    def forward(self, x: Tensor, source: Tensor | None = None) -> Tensor:
        keys = values = None
        queries = steps = x.shape[1]
        if source is not None:
            steps = source.shape[1]
            keys, values = self.embed(source), self.embed(source)
        mask = torch.full((queries, steps), -math.inf).triu(1 + abs(steps - queries))
        x = self.embed(x)
        for layer in self.layers:
            x = layer(x, keys, values, mask)
        return self.norm(x)

    def embed(self, x: Tensor) -> Tensor:
        place = torch.arange(1, x.shape[1] + 1) * (x[:, :, 0] != 0)
        return F.dropout(self.scale * x + self.table[place], self.dropout, self.training)


class PlainMulT(PlainModel):
    """Six cross-modal encoders, three memories that run to the end, the last step of each."""

    def __init__(self, dims: Dims, settings: SimpleNamespace):
        super().__init__()
        s, width = settings, settings.width
        self.text_dropout, self.output_dropout = s.text_dropout, s.output_dropout
        self.text = nn.Conv1d(dims.text, width, s.kernel_text, bias=False)
        self.audio = nn.Conv1d(dims.audio, width, s.kernel_audio, bias=False)
        self.vision = nn.Conv1d(dims.vision, width, s.kernel_vision, bias=False)
        of_text = s.attention_dropout_text
        of_audio, of_vision = s.attention_dropout_audio, s.attention_dropout_vision
        self.text_from_audio = PlainEncoder(width, s.layers, of_audio, s)
        self.text_from_vision = PlainEncoder(width, s.layers, of_vision, s)
        self.audio_from_text = PlainEncoder(width, s.layers, of_text, s)
        self.audio_from_vision = PlainEncoder(width, s.layers, of_vision, s)
        self.vision_from_text = PlainEncoder(width, s.layers, of_text, s)
        self.vision_from_audio = PlainEncoder(width, s.layers, of_audio, s)
        depth = max(s.layers, s.memory_layers)
        self.text_memory = PlainEncoder(2 * width, depth, of_text, s)
        self.audio_memory = PlainEncoder(2 * width, depth, of_text, s)
        self.vision_memory = PlainEncoder(2 * width, depth, of_text, s)
        self.first, self.second = (nn.Linear(6 * width, 6 * width) for _ in range(2))
        self.out = nn.Linear(6 * width, 1)

    def forward(self, sample: Sample) -> Tensor:
        text = F.dropout(sample.text, self.text_dropout, self.training)
        text = self.text(text.transpose(1, 2)).transpose(1, 2)
        audio = self.audio(sample.audio.transpose(1, 2)).transpose(1, 2)
        vision = self.vision(sample.vision.transpose(1, 2)).transpose(1, 2)
        of_text = [self.text_from_audio(text, audio), self.text_from_vision(text, vision)]
        of_audio = [self.audio_from_text(audio, text), self.audio_from_vision(audio, vision)]
        of_vision = [self.vision_from_text(vision, text), self.vision_from_audio(vision, audio)]
        last_text = self.text_memory(torch.cat(of_text, dim=2))[:, -1]
        last_audio = self.audio_memory(torch.cat(of_audio, dim=2))[:, -1]
        last_vision = self.vision_memory(torch.cat(of_vision, dim=2))[:, -1]
        hidden = torch.cat([last_text, last_audio, last_vision], dim=1)
        inner = F.dropout(F.relu(self.first(hidden)), self.output_dropout, self.training)
        return self.out(hidden + self.second(inner))


class PlainHead(nn.Module):
    def __init__(self, inputs: int, width: int, dropout: float):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.first, self.second = nn.Linear(inputs, width), nn.Linear(width, width)
        self.third = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        feature = F.relu(self.first(self.dropout(x)))
        return feature, self.third(F.relu(self.second(feature))).squeeze(1)


class PlainSelfMM(PlainModel):
    """Packed LSTMs, four heads, generated labels from epoch 2 on; m, t, a, v name the heads."""

    def __init__(self, dims: Dims, settings: SimpleNamespace):
        super().__init__()
        s = settings
        self.audio = nn.LSTM(dims.audio, s.audio_lstm, batch_first=True)
        self.vision = nn.LSTM(dims.vision, s.vision_lstm, batch_first=True)
        self.lstm_dropout = nn.Dropout(s.lstm_dropout)
        self.audio_out = nn.Linear(s.audio_lstm, s.audio_out)
        self.vision_out = nn.Linear(s.vision_lstm, s.vision_out)
        self.m = PlainHead(dims.text + s.audio_out + s.vision_out, s.fusion_width, s.fusion_dropout)
        self.t = PlainHead(dims.text, s.text_width, s.text_dropout)
        self.a = PlainHead(s.audio_out, s.audio_width, s.audio_dropout)
        self.v = PlainHead(s.vision_out, s.vision_width, s.vision_dropout)
        self.widths = (s.fusion_width, s.text_width, s.audio_width, s.vision_width)

    def start(self, label: Tensor, epoch: int) -> None:
        """Before training, with the labels of the whole split `(N,)`."""
        self.epoch = epoch
        widths = dict(zip("mtav", self.widths, strict=True))
        self.memory = {name: torch.zeros(len(label), width) for name, width in widths.items()}
        self.labels = {name: label.clone() for name in "mtav"}
        self.positive = {name: torch.zeros(width) for name, width in widths.items()}
        self.negative = {name: torch.zeros(width) for name, width in widths.items()}

    def forward(self, sample: Sample) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        _, (audio, _) = self.audio(pack(sample.audio, sample.lengths))
        _, (vision, _) = self.vision(pack(sample.vision, sample.lengths))
        audio = self.audio_out(self.lstm_dropout(audio.squeeze(0)))
        vision = self.vision_out(self.lstm_dropout(vision.squeeze(0)))
        text = mean_of_valid(sample.text, sample.lengths)
        feature, prediction = {}, {}
        feature["m"], prediction["m"] = self.m(torch.cat([text, audio, vision], dim=1))
        feature["t"], prediction["t"] = self.t(text)
        feature["a"], prediction["a"] = self.a(audio)
        feature["v"], prediction["v"] = self.v(vision)
        return feature, prediction

    def loss(self, sample: Sample) -> Tensor:
        self.feature, prediction = self(sample)
        labels = {name: self.labels[name][sample.index] for name in "mtav"}
        loss = (prediction["m"] - labels["m"]).abs().mean()
        for name in "tav":
            weight = torch.tanh((labels[name] - labels["m"]).abs())
            loss = loss + (weight * (prediction[name] - labels[name]).abs()).mean()
        return loss

    @torch.no_grad()
    def after_step(self, sample: Sample) -> None:
        feature = {name: self.feature[name].detach() for name in "mtav"}
        lean = {}
        for name in "mtav":
            positive = (feature[name] - self.positive[name]).norm(dim=1)
            negative = (feature[name] - self.negative[name]).norm(dim=1)
            lean[name] = (negative - positive) / (positive + 1e-8)
        old, new = (self.epoch - 1) / (self.epoch + 1), 2 / (self.epoch + 1)
        for name in "tav":
            ratio = lean[name] / (lean["m"] + 1e-8)
            label = 0.5 * ratio * sample.label + 0.5 * (sample.label + lean[name] - lean["m"])
            label = label.clamp(-3, 3)
            self.labels[name][sample.index] = old * self.labels[name][sample.index] + new * label
        for name in "mtav":
            self.memory[name][sample.index] = feature[name]
            self.positive[name] = self.memory[name][self.labels[name] > 0].mean(dim=0)
            self.negative[name] = self.memory[name][self.labels[name] < 0].mean(dim=0)


class PlainMISA(PlainModel):
    """Packed BiLSTMs, private and shared vectors, one transformer layer, four losses."""

    def __init__(self, dims: Dims, settings: SimpleNamespace):
        super().__init__()
        s, hidden = settings, settings.hidden
        self.weights = (s.similarity_weight, s.difference_weight, s.reconstruction_weight)
        bidirectional = {"bidirectional": True, "batch_first": True}
        for name, width in (("audio", dims.audio), ("vision", dims.vision)):
            setattr(self, f"{name}_first", nn.LSTM(width, width, **bidirectional))
            setattr(self, f"{name}_norm", nn.LayerNorm(2 * width))
            setattr(self, f"{name}_second", nn.LSTM(2 * width, width, **bidirectional))
        for name, width in (("t", dims.text), ("v", 4 * dims.vision), ("a", 4 * dims.audio)):
            projection = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.LayerNorm(hidden))
            setattr(self, f"project_{name}", projection)
            setattr(self, f"private_{name}", nn.Linear(hidden, hidden))
            setattr(self, f"rebuild_{name}", nn.Linear(hidden, hidden))
        self.shared = nn.Linear(hidden, hidden)
        self.fusion = nn.TransformerEncoderLayer(
            hidden, s.heads, s.feedforward, s.fusion_dropout, batch_first=True
        )
        self.first = nn.Linear(6 * hidden, 3 * hidden)
        self.dropout = nn.Dropout(s.dropout)
        self.second = nn.Linear(3 * hidden, 1)

    def sequence(self, name: str, values: Tensor, lengths: Tensor) -> Tensor:
        states, (first, _) = getattr(self, f"{name}_first")(pack(values, lengths))
        states, _ = pad_packed_sequence(states, batch_first=True)
        states = getattr(self, f"{name}_norm")(states)
        _, (second, _) = getattr(self, f"{name}_second")(pack(states, lengths))
        return torch.cat([first[0], second[0], first[1], second[1]], dim=1)

    def forward(self, sample: Sample) -> Tensor:
        utterance = {
            "t": mean_of_valid(sample.text, sample.lengths),
            "v": self.sequence("vision", sample.vision, sample.lengths),
            "a": self.sequence("audio", sample.audio, sample.lengths),
        }
        self.x, self.p, self.s, self.r = {}, {}, {}, {}
        for name in "tva":
            self.x[name] = getattr(self, f"project_{name}")(utterance[name])
            self.p[name] = torch.sigmoid(getattr(self, f"private_{name}")(self.x[name]))
            self.s[name] = torch.sigmoid(self.shared(self.x[name]))
            self.r[name] = getattr(self, f"rebuild_{name}")(self.p[name] + self.s[name])
        parts = [*self.p.values(), *self.s.values()]
        fused = self.fusion(torch.stack(parts, dim=1))
        hidden = self.dropout(self.first(torch.cat([fused[:, i] for i in range(6)], dim=1)))
        return self.second(F.relu(hidden))

    def loss(self, sample: Sample) -> Tensor:
        task = super().loss(sample)
        p, s = self.p, self.s
        similarity = (
            moments(s["t"], s["v"]) + moments(s["t"], s["a"]) + moments(s["a"], s["v"])
        ) / 3
        difference = correlation(p["t"], s["t"]) + correlation(p["v"], s["v"])
        difference = difference + correlation(p["a"], s["a"]) + correlation(p["a"], p["t"])
        difference = difference + correlation(p["a"], p["v"]) + correlation(p["t"], p["v"])
        rebuilt = sum(F.mse_loss(self.r[name], self.x[name]) for name in "tva") / 3
        terms = (similarity, difference, rebuilt)
        return task + sum(weight * term for weight, term in zip(self.weights, terms, strict=True))


def moments(x: Tensor, y: Tensor) -> Tensor:
    mean_x, mean_y = x.mean(dim=0), y.mean(dim=0)
    total = (mean_x - mean_y).norm()
    for order in range(2, 6):
        gap = ((x - mean_x) ** order).mean(dim=0) - ((y - mean_y) ** order).mean(dim=0)
        total = total + gap.norm()
    return total


def correlation(x: Tensor, y: Tensor) -> Tensor:
    x, y = x - x.mean(dim=0), y - y.mean(dim=0)
    x = x / (x.norm(dim=1, keepdim=True).detach() + 1e-6)
    y = y / (y.norm(dim=1, keepdim=True).detach() + 1e-6)
    return ((x.t() @ y) ** 2).mean()


PLAIN_MODELS = {
    "tfn": PlainTFN,
    "lmf": PlainLMF,
    "mfn": PlainMFN,
    "mult": PlainMulT,
    "self-mm": PlainSelfMM,
    "misa": PlainMISA,
}
