"""Sizes of the interactive-attention model beside its language model, from its formula."""

from benchmark.task import Dims, regression

NAME = "interactive-attention"
MOSEI = {"vision_hidden": 32}
SIMS = {"audio_hidden": 16}
SIMS_DIMS = Dims({"text": 768, "audio": 33, "vision": 709}, task=regression(-1, 1))
ALONE = {"multitask": False}
COUNTS = [
    ("mosi", NAME, Dims({"text": 768, "audio": 5, "vision": 20}), {}, 818_564, "rest"),
    ("mosei", NAME, Dims({"text": 768, "audio": 74, "vision": 35}), MOSEI, 801_668, "rest"),
    ("sims", NAME, SIMS_DIMS, SIMS, 1_163_780, "rest"),
    ("mosi, one head", NAME, Dims({"text": 768, "audio": 5, "vision": 20}), ALONE, 768_641, "rest"),
    (
        "mosei, one head",
        NAME,
        Dims({"text": 768, "audio": 74, "vision": 35}),
        {**MOSEI, **ALONE},
        751_745,
        "rest",
    ),
    ("sims, one head", NAME, SIMS_DIMS, {**SIMS, **ALONE}, 1_113_857, "rest"),
]
