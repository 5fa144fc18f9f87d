"""Verified size of BBFN beside its language model."""

from benchmark.task import Dims

UNUSED_NORMS = 2 * 2 * 40  # one in each stack of the reference, which ours leaves out
COUNTS = [
    (
        "a74 v47",
        "bbfn",
        Dims({"text": 768, "audio": 74, "vision": 47}),
        {"width": 40, "heads": 8, "levels": 2},
        480_285 - UNUSED_NORMS,
        "rest",
    ),
]
