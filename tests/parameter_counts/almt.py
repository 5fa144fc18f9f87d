"""Verified sizes of ALMT beside its language model."""

from benchmark.task import Dims, regression

DEEP = {"fusion_depth": 4}
MOSI = Dims(
    {"text": 768, "audio": 5, "vision": 20}, lengths={"text": 50, "audio": 375, "vision": 500}
)
MOSEI = Dims(
    {"text": 768, "audio": 74, "vision": 35}, lengths={"text": 50, "audio": 500, "vision": 500}
)
SIMS = Dims(
    {"text": 768, "audio": 33, "vision": 709},
    task=regression(-1, 1),
    lengths={"text": 39, "audio": 400, "vision": 55},
)
COUNTS = [
    ("mosi", "almt", MOSI, {}, 2_603_649, "rest"),
    ("mosei", "almt", MOSEI, DEEP, 3_223_041, "rest"),
    ("sims", "almt", SIMS, DEEP, 3_232_897, "rest"),
]
