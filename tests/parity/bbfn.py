"""BBFN against the authors' code."""

import torch
import torch.nn.functional as F

from benchmark.batch import Batch, Stream
from benchmark.model import Model
from benchmark.registry import create_model
from benchmark.task import MODALITIES
from tests.parity.harness import Fixture, Result, adapter, load_weights
from tests.parity.sequences import dims_of, linear

DROPOUTS = ("attention_dropout", "relu_dropout", "residual_dropout", "output_dropout")
LETTERS = {"text": "l", "audio": "a", "vision": "v"}
DIRECTIONS = {"forwards": "", "backwards": "_reverse"}
KINDS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


@adapter("BBFN", "orig")
def orig(fixture: Fixture) -> Result:
    sizes = fixture.configuration
    kernels = {
        f"kernel_{ours}": fixture.weight(f"SequenceEncoder.proj_{theirs}.weight").shape[2]
        for ours, theirs in LETTERS.items()
    }
    model = create_model(
        "bbfn",
        dims_of(fixture),
        text_pooling="first",
        width=sizes["d"],
        heads=sizes["heads"],
        levels=sizes["layers"],
        domain_weight=sizes["lambda"],
        **kernels,
        **dict.fromkeys(DROPOUTS, 0.0),
    ).eval()
    parameters = load_weights(model, fixture, _names(model, sizes["layers"]))
    batch = _batch(fixture)
    output = model.fuse({name: batch.modalities[name] for name in MODALITIES})
    logits = model.domain_logits(output)
    outputs = {
        "prediction": output.prediction,
        "fusion_vector": output.features["fusion_vector"],
        "discriminator": logits.sigmoid(),
        "discriminator_targets": torch.tensor([0.0, 1.0]).view(1, 2, 1).expand_as(logits),
    }
    losses = {**model.loss_terms(output, batch), "task": model.loss(output, batch)}
    inputs = {name: fixture.input(name) for name in ("bert_hidden", "audio", "vision")}
    for kind in ("weight", "bias"):  # the norms that the reference never uses
        for stack in ("lv", "la"):
            parameters[f"modal_interaction.{stack}.layer_norm.{kind}"] = torch.zeros(1)
    return Result(model, outputs, losses, parameters, inputs)


def _batch(fixture: Fixture) -> Batch:
    """Audio and vision get a zero frame beside each mark of the text."""
    mask = fixture.input("attention_mask").bool()
    label = fixture.input("label")
    partners = {
        name: Stream(F.pad(fixture.input(name), (0, 0, 1, 1)), mask) for name in ("audio", "vision")
    }
    return Batch(
        {"text": Stream(fixture.input("bert_hidden"), mask), **partners},
        label=label,
        index=torch.arange(len(label)),
    )


def _names(model: Model, levels: int) -> dict[str, str]:
    names = {
        **linear("residual.0", "proj1"),
        **linear("residual.3", "proj2"),
        **linear("head", "out_layer"),
    }
    for ours, theirs in LETTERS.items():
        names[f"projections.{ours}.weight"] = f"SequenceEncoder.proj_{theirs}.weight"
    for place, (partner, stack) in enumerate((("audio", "la"), ("vision", "lv"))):
        theirs = f"modal_interaction.{stack}"
        for level in range(levels):
            ours = f"stacks.{partner}.{level}"
            for side, block in enumerate(("l2other", "other2l")):
                names |= _reader(f"{ours}.readers.{side}", f"{theirs}.{block}_layers.{level}")
            names |= _domain(ours, f"{theirs}.div_encoders.{level}", level == 0)
            own = f"discriminators.{place * levels + level}"
            for layer in (0, 2):
                discriminator = f"{theirs}.div_encoders.{level}.discriminator.{layer}"
                names |= linear(f"{own}.{layer}", discriminator)
    return names


def _reader(ours: str, theirs: str) -> dict[str, str]:
    names = {
        **linear(f"{ours}.attention.out_proj", f"{theirs}.self_attn.out_proj"),
        **linear(f"{ours}.attention_gate", f"{theirs}.att_proj.0"),
        **linear(f"{ours}.residual_gate", f"{theirs}.mem_proj.0"),
        **linear(f"{ours}.wide", f"{theirs}.fc1"),
        **linear(f"{ours}.narrow", f"{theirs}.fc2"),
        **linear(f"{ours}.norm_attention", f"{theirs}.layer_norms.0"),
        **linear(f"{ours}.norm_feed_forward", f"{theirs}.layer_norms.1"),
    }
    for kind in ("weight", "bias"):
        names[f"{ours}.attention.in_proj_{kind}"] = f"{theirs}.self_attn.in_proj_{kind}"
    return names


def _domain(ours: str, theirs: str, first: bool) -> dict[str, str]:
    names = {}
    for side, letter in enumerate("lo"):
        own, reference = f"{ours}.summaries.{side}", f"{theirs}.encode_{letter}"
        if first:
            names |= linear(f"{own}.linear", reference)
            continue
        for direction, suffix in DIRECTIONS.items():
            for kind in KINDS:
                names[f"{own}.gru.{direction}.0.{kind}"] = f"{reference}.{kind}{suffix}"
    return names
