"""MISA against the authors' code and MMSA."""

import torch
from torch import Tensor

from benchmark.batch import Batch, Stream
from benchmark.registry import create_model
from benchmark.task import Dims
from tests.parity.harness import Fixture, Result, adapter, load_weights
from tests.parity.sequences import LSTM_WEIGHTS, linear

LETTERS = {"text": "t", "vision": "v", "audio": "a"}
LAST = {"text": 1, "vision": 1, "audio": 3}  # numbers in the reference's names


@adapter("MISA", "orig")
def orig(fixture: Fixture) -> Result:
    text = fixture.input("attention_mask") > 0
    lengths = fixture.input("lengths")
    return _run(fixture, text, lengths, "", objective="squared")


@adapter("MISA", "mmsa")
def mmsa(fixture: Fixture) -> Result:
    text = fixture.input("text_bert")[:, 1] > 0
    return _run(fixture, text, None, "Model.", objective="absolute", variant="mmsa")


def _run(
    fixture: Fixture, text: Tensor, lengths: Tensor | None, prefix: str, **settings: str
) -> Result:
    """Run with the text mask and the lengths of audio and vision, whose steps all count if None."""
    sizes = fixture.configuration
    model = create_model(
        "misa",
        Dims(sizes["width"]),
        text_pooling="mean",
        hidden=sizes["hidden"],
        similarity="moments" if sizes["cmd"] else "adversarial",
        similarity_weight=sizes["weights"]["sim"],
        difference_weight=sizes["weights"]["diff"],
        reconstruction_weight=sizes["weights"]["recon"],
        reversal_weight=sizes["reverse_grad_weight"],
        **settings,
    ).eval()
    names = {own: prefix + name for own, name in _names(sizes["cmd"]).items()}
    parameters = load_weights(model, fixture, names)
    batch = _batch(fixture, text, lengths)
    output = model(batch)
    terms = model.loss_terms(output, batch)
    rebuilt = {f"recon_{name}": value for name, value in model.rebuild(output.features).items()}
    losses = {
        "prediction": terms["prediction"],
        "diff": terms["difference"],
        "recon": terms["reconstruction"],
        "cmd" if sizes["cmd"] else "domain": terms["similarity"],
        "task": model.loss(output, batch),
    }
    inputs = {"bert_hidden": batch.text.values}
    inputs |= {name: batch.modalities[name].values for name in ("audio", "vision")}
    outputs = {"prediction": output.prediction, **output.features, **rebuilt}
    return Result(model, outputs, losses, parameters, inputs)


def _batch(fixture: Fixture, text: Tensor, lengths: Tensor | None) -> Batch:
    def stream(name: str) -> Stream:
        values = fixture.input(name)
        steps = torch.arange(values.shape[1]).expand(values.shape[:2])
        return Stream(values, steps >= 0 if lengths is None else steps < lengths.unsqueeze(1))

    label = fixture.input("label")
    return Batch(
        {
            "text": Stream(fixture.input("bert_hidden"), text),
            "audio": stream("audio"),
            "vision": stream("vision"),
        },
        label=label,
        index=torch.arange(len(label)),
    )


def _names(cmd: bool) -> dict[str, str]:
    names = {}
    for name, letter in LETTERS.items():
        if name != "text":
            for place, ours in enumerate(("first", "second"), start=1):
                for kind in LSTM_WEIGHTS:
                    own, theirs = f"sequences.{name}.{ours}", f"{letter}rnn{place}.{kind}_l0"
                    names[f"{own}.forwards.0.{kind}_l0"] = theirs
                    names[f"{own}.backwards.0.{kind}_l0"] = f"{theirs}_reverse"
            names |= linear(f"sequences.{name}.norm", f"{letter}layer_norm")
        block = f"project_{letter}.project_{letter}"
        names |= linear(f"project.{name}.0", block)
        names |= linear(f"project.{name}.2", f"{block}_layer_norm")
        names |= linear(f"private.{name}", f"private_{letter}.private_{letter}_{LAST[name]}")
        names |= linear(f"reconstruct.{name}", f"recon_{letter}.recon_{letter}_1")
    names |= linear("shared", "shared.shared_1")
    names |= linear("head.0", "fusion.fusion_layer_1") | linear("head.3", "fusion.fusion_layer_3")
    layer = "transformer_encoder.layers.0"
    for kind in ("weight", "bias"):
        names[f"fusion.self_attn.in_proj_{kind}"] = f"{layer}.self_attn.in_proj_{kind}"
    for block in ("self_attn.out_proj", "linear1", "linear2", "norm1", "norm2"):
        names |= linear(f"fusion.{block}", f"{layer}.{block}")
    if not cmd:
        for ours, theirs in ((0, 1), (3, 2)):
            names |= linear(f"discriminator.{ours}", f"discriminator.discriminator_layer_{theirs}")
    return names
