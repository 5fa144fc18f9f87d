"""Verified sizes of MMIM beside its language model, bounds included."""

from benchmark.task import Dims, regression

BOTH = {"bidirectional": True}
COUNTS = [
    ("mosi", "mmim", Dims({"text": 768, "audio": 5, "vision": 20}), BOTH, 281_673, "rest"),
    ("mosei", "mmim", Dims({"text": 768, "audio": 74, "vision": 35}), BOTH, 292_425, "rest"),
    (
        "sims",
        "mmim",
        Dims({"text": 768, "audio": 33, "vision": 709}, task=regression(-1, 1)),
        BOTH,
        373_449,
        "rest",
    ),
    ("mosi orig", "mmim", Dims({"text": 768, "audio": 5, "vision": 20}), {}, 277_257, "rest"),
    ("mosei orig", "mmim", Dims({"text": 768, "audio": 74, "vision": 35}), {}, 282_633, "rest"),
]
