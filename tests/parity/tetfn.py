"""TETFN against MMSA."""

import torch

from baselines.layers.ulgm import HEADS
from benchmark.batch import Batch, Stream
from benchmark.registry import create_model
from benchmark.task import MODALITIES, Dims
from tests.parity.harness import Fixture, Result, adapter, load_weights
from tests.parity.mult import LETTERS, encoder
from tests.parity.sequences import LSTM_WEIGHTS, linear


@adapter("TETFN", "mmsa")
def tetfn(fixture: Fixture) -> Result:
    sizes = fixture.configuration
    kernels = sizes["kernels"]
    model = create_model(
        "tetfn",
        Dims(sizes["width"]),
        text_encoder="features",
        width=sizes["d"],
        heads=sizes["heads"],
        kernel_text=kernels["text"],
        kernel_audio=kernels["audio_and_vision"],
        kernel_vision=kernels["audio_and_vision"],
        **{f"{name}_lstm": sizes["lstm"][name] for name in ("audio", "vision")},
        **{f"{name}_width": sizes["p"][name] for name in HEADS},
        variant="mmsa",
    ).eval()
    parameters = load_weights(model, fixture, _names(model))
    batch = _batch(fixture)
    output = model(batch)
    features = dict(output.features)
    features["prediction"] = features.pop("prediction_fusion")
    errors = [(output.features[f"prediction_{name}"] - batch.label).abs().mean() for name in HEADS]
    return Result(
        model,
        features,
        {"task": torch.stack(errors).sum()},
        parameters,
        {
            "bert_hidden": batch.text.values,
            "audio": batch.audio.values,
            "vision": batch.vision.values,
        },
    )


def _batch(fixture: Fixture) -> Batch:
    """True text lengths are given, and the variant is to ignore them."""
    streams = {}
    for name in MODALITIES:
        values = fixture.input("bert_hidden" if name == "text" else name)
        mask = torch.ones(values.shape[:2], dtype=torch.bool)
        streams[name] = Stream(values, mask)
    lengths = torch.tensor(fixture.configuration["text_lengths"])
    text = streams["text"]
    mask = torch.arange(text.values.shape[1]) < lengths.unsqueeze(1)
    streams["text"] = Stream(text.values, mask)
    label = fixture.input("label")
    return Batch(streams, label=label, index=torch.arange(len(label)))


def _names(model: torch.nn.Module) -> dict[str, str]:
    own = dict(model.named_parameters())
    names = {"text.weight": "Model.proj_l.weight"}
    for ours, theirs in (("audio", "audio"), ("vision", "video")):
        for kind in LSTM_WEIGHTS:
            names[f"{ours}.lstm.forwards.0.{kind}_l0"] = f"Model.{theirs}_model.rnn.{kind}_l0"
        names[f"{ours}.conv.weight"] = f"Model.{theirs}_model.conv.weight"
    for place, letter in enumerate(LETTERS.values()):
        names |= encoder(own, f"memories.{place}", f"Model.trans_{letter}_mem")
    for target, t in LETTERS.items():
        for source, s in LETTERS.items():
            if source == target:
                continue
            ours, theirs = f"crossings.{target}_from_{source}", f"Model.trans_{t}_with_{s}"
            if "text" in (source, target):
                names |= encoder(own, ours, theirs)
            else:
                names |= encoder(own, f"{ours}.lower", f"{theirs}.lower_mha")
                names |= encoder(own, f"{ours}.upper", f"{theirs}.upper_mha")
    for head in HEADS:
        theirs = {"vision": "video"}.get(head, head)
        for layer, ours in enumerate(("represent", "hidden", "out"), start=1):
            names |= linear(f"heads.{head}.{ours}", f"Model.post_{theirs}_layer_{layer}")
    return names
