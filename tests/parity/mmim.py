"""MMIM against the authors' code and MMSA."""

import torch

from benchmark.batch import Batch, Stream
from benchmark.conformance.tiny_data import tiny_batches
from benchmark.registry import create_model
from benchmark.task import Dims
from tests.parity.harness import Fixture, Result, adapter, load_weights
from tests.parity.sequences import LSTM_WEIGHTS, linear

STREAMS = ("audio", "vision")
SIGNS = ("pos", "neg")


@adapter("MMIM", "orig")
def orig(fixture: Fixture) -> Result:
    return _run(fixture, "")


@adapter("MMIM", "mmsa")
def mmsa(fixture: Fixture) -> Result:
    return _run(fixture, "Model.")


def _run(fixture: Fixture, prefix: str) -> Result:
    sizes = fixture.configuration
    pairs = ("tv", "ta", "va") if sizes["add_va"] else ("tv", "ta")
    memory = {pair: [fixture.input(f"memory_{pair}_{sign}") for sign in SIGNS] for pair in pairs}
    model = create_model(
        "mmim",
        Dims(sizes["width"]),
        text_pooling="first",
        bidirectional=sizes["bidirectional"],
        width=sizes["fusion"],
        dropout=0.0,
        projected_audio=memory["ta"][0].shape[1],
        projected_vision=memory["tv"][0].shape[1],
        vision_audio=sizes["add_va"],
        contrast_weight=sizes["alpha"],
        bound_weight=sizes["beta"],
        **{f"{name}_hidden": sizes["lstm"][name] for name in STREAMS},
        **{f"{name}_out": sizes["out"][name] for name in STREAMS},
    ).eval()
    names = _names(sizes["bidirectional"], pairs)
    parameters = load_weights(model, fixture, {own: prefix + name for own, name in names.items()})
    model.requires_grad_(True)  # the fixtures also hold gradients of what the first stage trains
    batch = _batch(fixture)
    model.start_training(tiny_batches(batch, len(batch)))
    sides = [len(rows) for rows in memory["tv"]]
    model.memory_members = torch.eye(2).repeat_interleave(torch.tensor(sides), dim=0)
    for pair, rows in memory.items():
        setattr(model, f"memory_{pair}", torch.cat(rows))
    model.batches_seen.fill_(2)

    output = model(batch)
    terms, vectors = model.loss_terms(output, batch), output.features
    outputs = {"prediction": output.prediction, "fusion_vector": vectors["fusion"]}
    outputs |= {f"{name}_vector": vectors[name] for name in ("text", *STREAMS)}
    for pair, rows in model.projections(vectors).items():
        for sign, chosen in zip(SIGNS, (batch.label > 0, batch.label < 0), strict=True):
            outputs[f"memory_{pair}_{sign}_next"] = rows[chosen]
    losses = {f"lld_{pair}": value for pair, value in model.log_likelihoods(vectors).items()}
    entropies = model.entropies(vectors, batch.label)
    losses |= {f"entropy_{pair}": value for pair, value in entropies.items()}
    losses |= {"lld": terms["log_likelihood"], "entropy": terms["entropy"]}
    losses |= {"nce": terms["contrast"], "prediction": terms["task"]}
    losses["task"] = model.loss(output, batch)
    inputs = {"bert_hidden": batch.text.values}
    inputs |= {name: batch.modalities[name].values for name in STREAMS}
    return Result(model, outputs, losses, parameters, inputs)


def _batch(fixture: Fixture) -> Batch:
    text = fixture.input("bert_hidden")

    def stream(name: str) -> Stream:
        values, lengths = fixture.input(name), fixture.input(f"{name}_lengths")
        return Stream(values, torch.arange(values.shape[1]) < lengths.unsqueeze(1))

    label = fixture.input("label")
    return Batch(
        {
            "text": Stream(text, torch.ones(text.shape[:2], dtype=torch.bool)),
            "audio": stream("audio"),
            "vision": stream("vision"),
        },
        label=label,
        index=torch.arange(len(label)),
    )


def _names(bidirectional: bool, pairs: tuple[str, ...]) -> dict[str, str]:
    names = {}
    for ours, theirs in (("audio", "acoustic_enc"), ("vision", "visual_enc")):
        for kind in LSTM_WEIGHTS:
            names[f"{ours}.lstm.forwards.0.{kind}_l0"] = f"{theirs}.rnn.{kind}_l0"
            if bidirectional:
                names[f"{ours}.lstm.backwards.0.{kind}_l0"] = f"{theirs}.rnn.{kind}_l0_reverse"
        names |= linear(f"{ours}.out", f"{theirs}.linear_1")
    for pair in pairs:
        for ours, theirs in (("mean", "mlp_mu"), ("log_variance", "mlp_logvar")):
            for place in (0, 2):
                names |= linear(f"bounds.{pair}.{ours}.{place}", f"mi_{pair}.{theirs}.{place}")
        names |= linear(f"bounds.{pair}.project.0", f"mi_{pair}.entropy_prj.0")
    for name in ("text", *STREAMS):
        names |= linear(f"predictors.{name}", f"cpc_z{name[0]}.net")
    for ours, place in (("fusion.1", 1), ("fusion.3", 2), ("head", 3)):
        names |= linear(ours, f"fusion_prj.linear_{place}")
    return names
