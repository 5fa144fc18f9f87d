"""LMF against the authors' code and MMSA."""

from tests.parity.harness import Fixture, Result, adapter
from tests.parity.subnets import run

NAMES = {
    "factors.audio": "audio_factor",
    "factors.vision": "video_factor",
    "factors.text": "text_factor",
    "rank_weights": "fusion_weights",
    "bias": "fusion_bias",
}
FEATURES = {"rank_products": "rank_products"}


@adapter("LMF", "orig")
def orig(fixture: Fixture) -> Result:
    settings = {"rank": fixture.configuration["rank"], "variant": "orig"}
    return run(fixture, "lmf", settings, NAMES, reduction="sum", features=FEATURES)


@adapter("LMF", "mmsa")
def mmsa(fixture: Fixture) -> Result:
    settings = {"rank": fixture.configuration["rank"], "variant": "mmsa"}
    return run(fixture, "lmf", settings, NAMES, prefix="Model.", features=FEATURES)
