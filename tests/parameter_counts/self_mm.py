"""Verified sizes of Self-MM beside its language model."""

from benchmark.task import Dims, regression

SIMS = {"vision_lstm": 64, "text_width": 64}
COUNTS = [
    ("mosi", "self-mm", Dims({"text": 768, "audio": 5, "vision": 20}), {}, 159_332, "rest"),
    ("mosei", "self-mm", Dims({"text": 768, "audio": 74, "vision": 35}), {}, 165_668, "rest"),
    (
        "sims",
        "self-mm",
        Dims({"text": 768, "audio": 33, "vision": 709}, task=regression(-1, 1)),
        SIMS,
        381_380,
        "rest",
    ),
]
