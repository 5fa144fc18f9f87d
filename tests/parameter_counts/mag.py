"""Verified sizes of MAG-BERT and MAG-XLNet, language model included or not."""

from benchmark.task import Dims, regression

BASE = {
    "text_encoder": "scratch",
    "encoder_hidden": 768,
    "encoder_layers": 12,
    "encoder_heads": 12,
}
WORDS, CHINESE, PIECES = 30_522, 21_128, 32_000
SIMS = Dims({"text": 768, "audio": 33, "vision": 709}, task=regression(-1, 1), vocabulary=CHINESE)
MASK_EMBEDDING = 768  # of XLNet's pretraining, which ours leaves out
COUNTS = [
    (
        "mosi",
        "mag-bert",
        Dims({"text": 768, "audio": 5, "vision": 20}, vocabulary=WORDS),
        BASE,
        110_705_665,
        "total",
    ),
    (
        "mosei",
        "mag-bert",
        Dims({"text": 768, "audio": 74, "vision": 35}, vocabulary=WORDS),
        BASE,
        110_834_689,
        "total",
    ),
    ("sims", "mag-bert", SIMS, BASE, 104_592_385, "total"),
    (
        "mosi orig",
        "mag-bert",
        Dims({"text": 768, "audio": 74, "vision": 47}, vocabulary=WORDS),
        BASE,
        110_853_121,
        "total",
    ),
    # the gate, BERT's pooler and the output layer
    (
        "mosi orig, no encoder",
        "mag-bert",
        Dims({"text": 768, "audio": 74, "vision": 47}, vocabulary=WORDS),
        BASE,
        1_370_112 + 768 * 769 + 769,
        "rest",
    ),
    (
        "mosi orig",
        "mag-xlnet",
        Dims({"text": 768, "audio": 74, "vision": 47}, vocabulary=PIECES),
        BASE,
        118_679_809 - MASK_EMBEDDING,
        "total",
    ),
]
