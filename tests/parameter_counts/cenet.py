"""Verified sizes of CENET beside its language model."""

from benchmark.task import Dims, regression

ENGLISH, CHINESE = 109_482_240, 102_267_648  # BERT with its pooler
UNUSED = (3 + 5 + 6) * 768  # embeddings of sentiment, part of speech, polarity
LITERAL = {"text_encoder": "features", "variant": "mmsa"}
SIMS = Dims({"text": 768, "audio": 33, "vision": 709}, task=regression(-1, 1))
COUNTS = [
    (
        "mosi",
        "cenet",
        Dims({"text": 768, "audio": 5, "vision": 20}),
        LITERAL,
        116_010_241 - ENGLISH - UNUSED,
        "rest",
    ),
    (
        "mosei",
        "cenet",
        Dims({"text": 768, "audio": 74, "vision": 35}),
        LITERAL,
        116_074_753 - ENGLISH - UNUSED,
        "rest",
    ),
    ("sims", "cenet", SIMS, LITERAL, 109_346_305 - CHINESE - UNUSED, "rest"),
]
