"""Self-MM and its label generation against MMSA."""

import torch
from torch import Tensor

from baselines.layers.ulgm import FUSION, HEADS, LabelGenerator, head_losses
from benchmark.batch import Batch, Stream
from benchmark.registry import create_model
from benchmark.task import Dims, regression
from tests.parity.harness import Fixture, Result, adapter, load_weights

STREAMS = ("audio", "vision")


class Samples:
    """A training split that holds nothing but labels."""

    def __init__(self, batch: Batch):
        self.batch = batch
        self.samples = self.batch_size = len(batch)

    def whole(self) -> Batch:
        return self.batch


@adapter("Self-MM", "mmsa")
def self_mm(fixture: Fixture) -> Result:
    sizes = fixture.configuration
    batch = _batch(fixture, sizes["aligned"])
    width = sizes["width"]
    model = create_model(
        "self-mm",
        Dims({"text": width["text"], "audio": width["audio"], "vision": width["vision"]}),
        text_pooling="first",
        **{f"{name}_lstm": sizes["lstm"][name] for name in STREAMS},
        **{f"{name}_out": sizes["out"][name] for name in STREAMS},
        **{f"{name}_width": sizes["p"][name] for name in HEADS},
    )
    parameters = load_weights(model, fixture, _names())
    model.start_training(Samples(batch))
    labels = [fixture.input("label" if name == FUSION else f"label_{name}") for name in HEADS]
    model.generator.labels.copy_(torch.stack(labels))
    model.train()  # the generated labels count in training only; every dropout is 0
    output = model(batch)
    losses = model.loss_terms(output, batch)
    features = dict(output.features)
    outputs = {"prediction": output.prediction}
    outputs |= {f"feature_{name}": features[f"feature_{name}"] for name in HEADS}
    outputs |= {
        f"prediction_{name}": features[f"prediction_{name}"] for name in HEADS if name != FUSION
    }
    losses["task"] = model.loss(output, batch)
    inputs = {"bert_hidden": batch.text.values}
    inputs |= {name: batch.modalities[name].values for name in STREAMS}
    return Result(model, outputs, losses, parameters, inputs)


@adapter("Self-MM label generation (ULGM)", "mmsa")
def label_generation(fixture: Fixture) -> Result:
    sizes = fixture.configuration
    label = fixture.input("label")
    widths = {name: sizes["p"][name] for name in HEADS}
    task = regression(-sizes["H"], sizes["H"])
    generator = LabelGenerator(widths, task, exclude_zero=sizes["exclude_zero"])
    generator.start(Samples(_labels_only(label)))
    outputs, losses = {}, {}
    for epoch in range(sizes["epochs"]):
        generator.start_epoch(epoch + 1)
        for place in range(sizes["batches"]):
            key = f"{epoch + 1}_{place + 1}"
            index = fixture.input("indices")[epoch, place]
            predictions = {
                name: fixture.input(f"prediction_{name}")[epoch, place].clone().requires_grad_(True)
                for name in HEADS
            }
            terms = head_losses(predictions, generator.targets(label[index], index))
            total = torch.stack(list(terms.values())).sum()
            total.backward()
            features = {name: fixture.input(f"feature_{name}")[epoch, place] for name in HEADS}
            generator.update(features, label[index], index)
            losses[f"{key}/total"] = total
            for row, name in enumerate(HEADS):
                losses[f"{key}/{name}"] = terms[name]
                outputs[f"grad_prediction/{key}/{name}"] = predictions[name].grad
                outputs[f"labels/{key}/{name}"] = generator.labels[row].clone()
                for ours, theirs in (("positive", "pos"), ("negative", "neg")):
                    centre = getattr(generator, f"{ours}_{name}").clone()
                    outputs[f"centre_{theirs}/{key}/{name}"] = centre
    return Result(generator, outputs, losses)


def _batch(fixture: Fixture, aligned: bool) -> Batch:
    tokens = fixture.input("text_bert")[:, 1] > 0  # (B, K)

    def stream(name: str) -> Stream:
        values = fixture.input(name)
        lengths = tokens.sum(dim=1) if aligned else fixture.input(f"{name}_lengths")
        return Stream(values, torch.arange(values.shape[1]) < lengths.unsqueeze(1))

    label = fixture.input("label")
    return Batch(
        {
            "text": Stream(fixture.input("bert_hidden"), tokens),
            "audio": stream("audio"),
            "vision": stream("vision"),
        },
        label=label,
        index=torch.arange(len(label)),
    )


def _labels_only(label: Tensor) -> Batch:
    nothing = Stream(torch.zeros(len(label), 1, 1), torch.zeros(len(label), 1, dtype=torch.bool))
    return Batch(
        {"text": nothing, "audio": nothing, "vision": nothing}, label, torch.arange(len(label))
    )


def _names() -> dict[str, str]:
    names = {}
    for ours, theirs in (("audio", "audio"), ("vision", "video")):
        for kind in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
            names[f"{ours}.lstm.forwards.0.{kind}"] = f"Model.{theirs}_model.rnn.{kind}"
        for kind in ("weight", "bias"):
            names[f"{ours}.out.{kind}"] = f"Model.{theirs}_model.linear_1.{kind}"
    for head in HEADS:
        theirs = {"vision": "video"}.get(head, head)
        for layer, ours in enumerate(("represent", "hidden", "out"), start=1):
            for kind in ("weight", "bias"):
                names[f"heads.{head}.{ours}.{kind}"] = f"Model.post_{theirs}_layer_{layer}.{kind}"
    return names
