"""Verified sizes of LMF."""

from benchmark.task import Dims, regression

ORIG = {
    "audio_hidden": 4,
    "vision_hidden": 16,
    "text_hidden": 128,
    "text_outputs": 64,
    "rank": 4,
}
MOSI = {
    "text_hidden": 128,
    "audio_hidden": 16,
    "vision_hidden": 128,
    "text_outputs": 64,
    "rank": 3,
}
SIMS = {**MOSI, "text_hidden": 64, "vision_hidden": 64, "text_outputs": 32, "rank": 4}
COUNTS = [
    ("authors", "lmf", Dims({"text": 300, "audio": 5, "vision": 20}), ORIG, 229_763, "total"),
    ("mosi", "lmf", Dims({"text": 768, "audio": 5, "vision": 20}), MOSI, 505_071, "total"),
    (
        "mosei",
        "lmf",
        Dims({"text": 768, "audio": 74, "vision": 35}),
        {**MOSI, "rank": 4},
        508_475,
        "total",
    ),
    (
        "sims",
        "lmf",
        Dims({"text": 768, "audio": 33, "vision": 709}, task=regression(-1, 1)),
        SIMS,
        272_381,
        "total",
    ),
]
