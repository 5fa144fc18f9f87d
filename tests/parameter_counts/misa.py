"""Verified sizes of MISA beside its language model, without what the references never use."""

from benchmark.task import Dims, regression

SETTINGS = {"text_pooling": "mean", "variant": "mmsa"}
ORIG = {"text_pooling": "mean"}
DISCRIMINATOR = 4 * 128 + 4  # shared against private
MMSA_UNUSED = DISCRIMINATOR + 2 * 2 * 768  # and a LayerNorm for a recurrent text encoder
ORIG_UNUSED = DISCRIMINATOR + 2 * 2 * 300

COUNTS = [
    (
        "mosi",
        "misa",
        Dims({"text": 768, "audio": 5, "vision": 20}),
        SETTINGS,
        1_138_033 - MMSA_UNUSED,
        "rest",
    ),
    (
        "mosei",
        "misa",
        Dims({"text": 768, "audio": 74, "vision": 35}),
        SETTINGS,
        1_435_105 - MMSA_UNUSED,
        "rest",
    ),
    (
        "sims",
        "misa",
        Dims({"text": 768, "audio": 33, "vision": 709}, task=regression(-1, 1)),
        SETTINGS,
        21_664_749 - MMSA_UNUSED,
        "rest",
    ),
    (
        "mosi orig",
        "misa",
        Dims({"text": 768, "audio": 74, "vision": 47}),
        ORIG,
        1_479_169 - ORIG_UNUSED,
        "rest",
    ),
    (
        "mosei orig",
        "misa",
        Dims({"text": 768, "audio": 74, "vision": 35}),
        ORIG,
        1_433_233 - ORIG_UNUSED,
        "rest",
    ),
]
