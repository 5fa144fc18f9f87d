"""Verified sizes of TFN."""

from benchmark.task import Dims, regression

ORIG = {
    "audio_hidden": 4,
    "vision_hidden": 16,
    "text_hidden": 128,
    "text_outputs": 64,
    "fusion_hidden": 32,
}
MOSI = {
    "text_hidden": 128,
    "audio_hidden": 32,
    "vision_hidden": 128,
    "text_outputs": 32,
    "fusion_hidden": 64,
}
MOSEI = {**MOSI, "audio_hidden": 16, "text_outputs": 128, "fusion_hidden": 16}
SIMS = {**MOSI, "text_outputs": 256, "fusion_hidden": 32}
COUNTS = [
    ("authors", "tfn", Dims({"text": 300, "audio": 5, "vision": 20}), ORIG, 407_331, "total"),
    ("mosi", "tfn", Dims({"text": 768, "audio": 5, "vision": 20}), MOSI, 9_497_043, "total"),
    ("mosei", "tfn", Dims({"text": 768, "audio": 74, "vision": 35}), MOSEI, 5_042_539, "total"),
    (
        "sims",
        "tfn",
        Dims({"text": 768, "audio": 33, "vision": 709}, task=regression(-1, 1)),
        SIMS,
        35_632_077,
        "total",
    ),
]
