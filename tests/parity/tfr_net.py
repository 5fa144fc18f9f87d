"""TFR-Net against MMSA."""

import copy

import torch
import torch.nn.functional as F

from baselines.tfr_net import NO_DROPOUT, sources
from benchmark.batch import Stream
from benchmark.model import Model
from benchmark.registry import create_model
from benchmark.task import MODALITIES, Dims
from tests.parity.harness import Fixture, Result, adapter, load_weights
from tests.parity.mult import LETTERS, encoder
from tests.parity.sequences import linear

ALIGN, FUSION = "Model.align_subnet.Model", "Model.fusion_subnet.Model"
DIRECTIONS = {"forwards": "", "backwards": "_reverse"}
NORM = f"{FUSION}.classifier.linear_trans_norm"


@adapter("TFR-Net", "mmsa")
def mmsa(fixture: Fixture) -> Result:
    sizes = fixture.configuration
    width, kernels = sizes["width"], dict(zip(MODALITIES, sizes["kernels"], strict=True))
    model = create_model(
        "tfr-net",
        Dims(
            {"text": width["text"], "audio": width["audio"], "vision": width["vision"]},
            lengths=sizes["time"],
        ),
        variant="mmsa",
        width=sizes["d"],
        heads=sizes["heads"],
        layers=sizes["layers"],
        temporal_heads=sizes["temporal_heads"],
        gru_layers=sizes["gru_layers"],
        hidden=sizes["cls"],
        similarity=sizes["weight_sim"],
        **{f"kernel_{name}": kernels[name] for name in MODALITIES},
        **{f"gru_{name}": sizes["gru"][name] for name in MODALITIES},
        **{f"weight_{n}": w for n, w in zip(MODALITIES, sizes["weight_gen"], strict=True)},
        **NO_DROPOUT,
    )
    names = _names(model)
    parameters = load_weights(model, fixture, names)
    in_training = copy.deepcopy(model).train()
    in_training_parameters = load_weights(in_training, fixture, names)
    result = _run(fixture, model.eval(), parameters)
    result.train = lambda: _run(fixture, in_training, in_training_parameters)
    return result


def _run(fixture: Fixture, model: Model, parameters: dict[str, torch.Tensor]) -> Result:
    keys = {"text": "bert_hidden", "audio": "audio", "vision": "vision"}
    masks = {name: fixture.input(f"{name}_mask") for name in ("audio", "vision")}
    masks["text"] = fixture.input("text_bert")[:, 1]
    whole, partial, lost = {}, {}, {}
    for name, key in keys.items():
        mask = masks[name] > 0
        whole[name] = Stream(fixture.input(key), mask)
        partial[name] = Stream(fixture.input(f"{key}_missing"), mask)
        lost[name] = mask & (fixture.input(f"{name}_missing_mask") == 0)
    output = model.reconstruct(whole, partial, lost)
    prediction = F.l1_loss(output.prediction, fixture.input("label"))
    generation = model.generation_loss(output)
    return Result(
        model,
        {"prediction": output.prediction, **output.features},
        {"prediction": prediction, "generation": generation, "task": prediction + generation},
        parameters,
        {key: fixture.input(key) for key in keys.values()},
        {name: tensor for name, tensor in parameters.items() if "running" in name},
    )


def _names(model: Model) -> dict[str, str]:
    own = dict(model.named_parameters())
    names = {
        **linear("norm", NORM),
        **linear("hidden", f"{FUSION}.classifier.linear_trans_hidden"),
        **linear("head", f"{FUSION}.classifier.linear_trans_final"),
    }
    names |= {f"norm.running_{kind}": f"{NORM}.running_{kind}" for kind in ("mean", "var")}
    letters = {**LETTERS, "text": "l"}
    for name, letter in letters.items():
        names[f"projections.{name}.weight"] = f"{ALIGN}.proj_{letter}.weight"
        for source in sources(name):
            kind = "mem" if source == name else f"with_{letters[source]}"
            names |= encoder(
                own, f"crossings.{name}_from_{source}", f"{ALIGN}.trans_{letter}_{kind}"
            )
        names |= encoder(own, f"rebuilders.{name}", f"{ALIGN}.trans_{letter}_final")
        names |= linear(f"generators.{name}", f"Model.generator_{name[0]}.Model.linear")
        ours, theirs = f"poolings.{name}", f"{FUSION}.{name}_encoder"
        names |= {
            **linear(f"{ours}.gate", f"{theirs}.cnn"),
            **linear(f"{ours}.out", f"{theirs}.fc"),
        }
        for direction, suffix in DIRECTIONS.items():
            for layer in range(len(model.poolings[name].gru.forwards)):
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    names[f"{ours}.gru.{direction}.{layer}.{kind}_l0"] = (
                        f"{theirs}.gru.gru.{kind}_l{layer}{suffix}"
                    )
    return names
