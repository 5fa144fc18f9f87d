"""TFN against the authors' PyTorch code and MMSA."""

from torch import Tensor

from benchmark.model import Model, Output
from benchmark.task import MODALITIES
from tests.parity.harness import Fixture, Result, adapter
from tests.parity.subnets import HEAD, run


def _fusion(model: Model, output: Output) -> Tensor:
    return model.fuse(*(output.features[name] for name in MODALITIES))


FEATURES = {"fusion_tensor": _fusion}


def _settings(fixture: Fixture, variant: str) -> dict:
    return {
        "fusion_hidden": fixture.configuration["post_fusion"],
        "fusion_dropout": 0.0,
        "variant": variant,
    }


@adapter("TFN", "orig")
def orig(fixture: Fixture) -> Result:
    return run(fixture, "tfn", _settings(fixture, "orig"), HEAD, reduction="sum", features=FEATURES)


@adapter("TFN", "mmsa")
def mmsa(fixture: Fixture) -> Result:
    return run(fixture, "tfn", _settings(fixture, "mmsa"), HEAD, prefix="Model.", features=FEATURES)
