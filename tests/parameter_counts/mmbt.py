"""Size of MMBT's adaptation to audio and vision: a BERT, two maps and the output layer."""

from benchmark.task import Dims

BASE = {
    "text_encoder": "scratch",
    "encoder_hidden": 768,
    "encoder_layers": 12,
    "encoder_heads": 12,
}
BERT, POOLER = 109_482_240, 768 * 769
DIMS = Dims({"text": 768, "audio": 5, "vision": 20}, vocabulary=30_522)
OWN = 4_608 + 16_128 + 769
COUNTS = [
    ("mosi", "mmbt", DIMS, BASE, BERT + OWN, "total"),
    ("mosi, no encoder", "mmbt", DIMS, BASE, POOLER + OWN, "rest"),
]
