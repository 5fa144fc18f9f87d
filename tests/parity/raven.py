"""RAVEN through the fixtures of its authors, with and without their cuts of the graph."""

import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.raven import RAVEN
from benchmark.batch import Stream
from benchmark.task import Dims
from tests.parity.harness import Fixture, Result, adapter, load_weights
from tests.parity.sequences import LSTM_WEIGHTS, linear, stored_inputs

REFERENCE = {"audio": "covarep", "vision": "facet"}


@adapter("RAVEN", "orig")
def orig(fixture: Fixture) -> Result:
    return run(fixture, "released")


@adapter("RAVEN", "orig, detach calls removed")
def attached(fixture: Fixture) -> Result:
    return run(fixture, "attached")


def run(fixture: Fixture, variant: str) -> Result:
    configuration = fixture.configuration
    model = RAVEN(
        Dims(configuration["width"]),
        projection=configuration["norm"],
        cell=configuration["cell"],
        hidden=configuration["lstm"],
        shift=configuration["shift_weight"],
        words=configuration["words"],
        dropout=0.0,
        variant=variant,
    ).eval()
    parameters = load_weights(model, fixture, names())
    text = fixture.input("text")
    output = model.read(
        Stream(text, steps(text.shape[1], fixture.input("lengths"))),
        frames(fixture, "audio"),
        frames(fixture, "vision"),
    )
    return Result(
        model,
        {"prediction": output.prediction},
        {"task": F.mse_loss(output.prediction, fixture.input("label"))},
        parameters,
        stored_inputs(fixture),
    )


def steps(count: int, lengths: Tensor) -> Tensor:
    return torch.arange(count) < lengths.unsqueeze(-1)


def frames(fixture: Fixture, name: str) -> Stream:
    values = fixture.input(name)
    mask = steps(values.shape[2], fixture.input(f"{name}_lengths"))
    return Stream(values.flatten(0, 1), mask.flatten(0, 1))


def names() -> dict[str, str]:
    result = {
        **linear("audio_norm", "normcovarep"),
        **linear("projections.audio", "fc_rszcovarep"),
        **linear("projections.vision", "fc_rszFacet"),
        **linear("shift", "calcAddon"),
        **linear("head", "fc_afterLSTM"),
        **{f"words.forwards.0.{kind}_l0": f"lstm1.layer_1.lstm.{kind}" for kind in LSTM_WEIGHTS},
    }
    for own, reference in REFERENCE.items():
        result |= linear(f"gates.{own}", f"{reference}W")
        result |= {
            f"frames.{own}.forwards.0.{kind}_l0": f"{reference}LSTM.{kind}_l0"
            for kind in LSTM_WEIGHTS
        }
    return result
