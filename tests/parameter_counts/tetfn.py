"""Verified sizes of TETFN beside its language model."""

from benchmark.model import Dims
from benchmark.task import regression

MOSEI = {"audio_lstm": 32, "vision_lstm": 32, "text_width": 64}
SIMS = {
    **{"kernel_text": 3, "kernel_audio": 5, "kernel_vision": 5},
    **{"text_width": 64, "audio_width": 16, "vision_width": 32},
}
COUNTS = [
    ("mosi", "tetfn", Dims(768, 5, 20), {}, 1_254_224, "rest"),
    ("mosei", "tetfn", Dims(768, 74, 35), MOSEI, 1_257_360, "rest"),
    ("sims", "tetfn", Dims(768, 33, 709, task=regression(-1, 1)), SIMS, 1_529_968, "rest"),
]
