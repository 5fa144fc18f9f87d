"""ALMT against MMSA."""

import torch

from benchmark.batch import Batch, Stream
from benchmark.registry import create_model
from benchmark.task import MODALITIES, Dims
from tests.parity.harness import Fixture, Result, adapter, load_weights
from tests.parity.sequences import linear

LETTERS = {"text": "l", "audio": "a", "vision": "v"}
SETTINGS = {
    "width": "d",
    "tokens": "tokens",
    "head_width": "head_width",
    "hidden": "mlp",
    "embedding_depth": "embedding_depth",
    "embedding_heads": "embedding_heads",
    "text_heads": "text_heads",
    "hyper_depth": "ahl_depth",
    "hyper_heads": "ahl_heads",
    "fusion_depth": "fusion_depth",
    "fusion_heads": "fusion_heads",
    "fusion_hidden": "fusion_mlp",
}


@adapter("ALMT", "mmsa")
def almt(fixture: Fixture) -> Result:
    sizes = fixture.configuration
    model = create_model(
        "almt",
        Dims(sizes["width"], lengths=sizes["time"]),
        text_encoder="features",
        variant="mmsa",
        **{ours: sizes[theirs] for ours, theirs in SETTINGS.items()},
    ).eval()
    parameters = load_weights(model, fixture, _names(model))
    inputs = {name: fixture.input(name) for name in ("bert_hidden", "audio", "vision")}
    lengths = torch.tensor(sizes["text_lengths"])  # the variant is to ignore them
    streams = {}
    for name, values in zip(MODALITIES, inputs.values(), strict=True):
        steps = torch.arange(values.shape[1]).expand(len(values), -1)
        mask = steps < lengths.unsqueeze(1) if name == "text" else steps >= 0
        streams[name] = Stream(values, mask)
    label = fixture.input("label")
    batch = Batch(streams, label=label, index=torch.arange(len(label)))
    output = model(batch)
    outputs = {"prediction": output.prediction, **output.features}
    return Result(model, outputs, {"task": model.loss(output, batch)}, parameters, inputs)


def _names(model: torch.nn.Module) -> dict[str, str]:
    names = {
        "hyper": "h_hyper",
        "text_positions": "l_encoder.pos_embedding",
        "fusion.extra": "fusion_layer.extra_token",
        "fusion.source_positions": "fusion_layer.pos_embedding_s",
        "fusion.target_positions": "fusion_layer.pos_embedding_t",
        **linear("head", "regression_head"),
    }
    for name, letter in LETTERS.items():
        ours, theirs = f"embeddings.{name}", f"embedding_{letter}"
        names |= linear(f"{ours}.linear", f"{theirs}.0")
        names[f"{ours}.tokens"] = f"{theirs}.1.extra_token"
        names[f"{ours}.positions"] = f"{theirs}.1.pos_embedding"
        names |= _layers(model, f"{ours}.layers", f"{theirs}.1.encoder.layers")
    names |= _layers(model, "text_layers", "l_encoder.encoder.layers")
    names |= _layers(model, "fusion.layers", "fusion_layer.CrossTransformerEncoder.layers")
    for place in range(len(model.hyper_layers)):
        ours, theirs = f"hyper_layers.{place}", f"h_hyper_layer.layers.{place}.0"
        for number, norm in enumerate((*MODALITIES, "hyper"), start=1):
            names |= linear(f"{ours}.norms.{norm}", f"{theirs}.norm{number}")
        names[f"{ours}.query.weight"] = f"{theirs}.fn.to_q.weight"
        for name in ("audio", "vision"):
            for kind, letter in (("keys", "k"), ("values", "v")):
                reference = f"{theirs}.fn.to_{letter}_t{name[0]}.weight"
                names[f"{ours}.{kind}.{name}.weight"] = reference
        names |= linear(f"{ours}.out", f"{theirs}.fn.to_out.0")
    return names


def _layers(model: torch.nn.Module, ours: str, theirs: str) -> dict[str, str]:
    names = {}
    for place in range(len(model.get_submodule(ours))):
        own, reference = f"{ours}.{place}", f"{theirs}.{place}"
        for number, letter in enumerate("qkv"):
            names |= linear(f"{own}.norms.{number}", f"{reference}.0.norm_{letter}")
            names[f"{own}.maps.{number}.weight"] = f"{reference}.0.fn.to_{letter}.weight"
        names |= linear(f"{own}.out", f"{reference}.0.fn.to_out.0")
        names |= linear(f"{own}.feed_forward.0", f"{reference}.1.norm")
        names |= linear(f"{own}.feed_forward.1", f"{reference}.1.fn.net.0")
        names |= linear(f"{own}.feed_forward.3", f"{reference}.1.fn.net.3")
    return names
