"""Verified parameter counts of MFN."""

from benchmark.task import Dims

NAMES = (
    *("hidden_text", "hidden_audio", "hidden_vision", "memory"),
    *("attention", "proposal", "retain", "update", "out"),
)


def _settings(*widths: int) -> dict[str, int]:
    return dict(zip(NAMES, widths, strict=True))


ORIG = Dims({"text": 300, "audio": 5, "vision": 20})
MAE = _settings(88, 48, 16, 128, 128, 64, 256, 64, 64)
ACCURACY = _settings(64, 8, 80, 400, 128, 128, 128, 128, 256)
MOSI = _settings(256, 32, 256, 400, 32, 64, 256, 32, 128)
MOSEI = _settings(128, 32, 128, 128, 128, 128, 256, 256, 128)
SIMS = _settings(64, 16, 64, 64, 128, 128, 64, 64, 64)

COUNTS = [
    ("orig, MAE setting", "mfn", ORIG, MAE, 454_193, "total"),
    ("orig, Acc setting", "mfn", ORIG, ACCURACY, 721_217, "total"),
    ("MMSA MOSI", "mfn", Dims({"text": 768, "audio": 5, "vision": 20}), MOSI, 2_172_657, "total"),
    (
        "MMSA MOSEI",
        "mfn",
        Dims({"text": 768, "audio": 74, "vision": 35}),
        MOSEI,
        1_276_865,
        "total",
    ),
    ("MMSA SIMS", "mfn", Dims({"text": 768, "audio": 33, "vision": 709}), SIMS, 601_505, "total"),
]
