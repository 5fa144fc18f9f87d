"""Verified sizes of TETFN beside its language model."""

from benchmark.task import Dims, regression

MOSEI = {"audio_lstm": 32, "vision_lstm": 32, "text_width": 64}
SIMS = {
    **{"kernel_text": 3, "kernel_audio": 5, "kernel_vision": 5},
    **{"text_width": 64, "audio_width": 16, "vision_width": 32},
}
COUNTS = [
    ("mosi", "tetfn", Dims({"text": 768, "audio": 5, "vision": 20}), {}, 1_254_224, "rest"),
    ("mosei", "tetfn", Dims({"text": 768, "audio": 74, "vision": 35}), MOSEI, 1_257_360, "rest"),
    (
        "sims",
        "tetfn",
        Dims({"text": 768, "audio": 33, "vision": 709}, task=regression(-1, 1)),
        SIMS,
        1_529_968,
        "rest",
    ),
]
