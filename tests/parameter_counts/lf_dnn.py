"""Verified sizes of LF-DNN."""

from benchmark.model import Dims
from benchmark.task import regression

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
    ("mosi", "lf-dnn", Dims(768, 5, 20), MOSI, 597_171, "total"),
    ("mosei", "lf-dnn", Dims(768, 74, 35), MOSEI, 572_283, "total"),
    ("sims", "lf-dnn", Dims(768, 33, 709, task=regression(-1, 1)), SIMS, 635_821, "total"),
]
