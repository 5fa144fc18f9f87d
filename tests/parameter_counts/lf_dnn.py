"""Verified sizes of LF-DNN."""

from benchmark.task import Dims, regression

MOSI = {
    "text_hidden": 128,
    "audio_hidden": 16,
    "vision_hidden": 128,
    "text_outputs": 256,
    "fusion_hidden": 128,
}
MOSEI = {**MOSI, "audio_hidden": 32, "text_outputs": 128}
SIMS = {**MOSI, "audio_hidden": 32, "fusion_hidden": 32}
COUNTS = [
    ("mosi", "lf-dnn", Dims({"text": 768, "audio": 5, "vision": 20}), MOSI, 597_171, "total"),
    ("mosei", "lf-dnn", Dims({"text": 768, "audio": 74, "vision": 35}), MOSEI, 572_283, "total"),
    (
        "sims",
        "lf-dnn",
        Dims({"text": 768, "audio": 33, "vision": 709}, task=regression(-1, 1)),
        SIMS,
        635_821,
        "total",
    ),
]
