"""LF-DNN against MMSA."""

from tests.parity.harness import Fixture, Result, adapter
from tests.parity.subnets import HEAD, run


@adapter("LF-DNN", "mmsa")
def mmsa(fixture: Fixture) -> Result:
    settings = {
        "fusion_hidden": fixture.configuration["post_fusion"],
        "fusion_dropout": 0.0,
        "variant": "mmsa",
    }
    features = {"fusion_vector": "fusion"}
    return run(fixture, "lf-dnn", settings, HEAD, prefix="Model.", features=features)
