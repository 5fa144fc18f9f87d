"""Token ids from transcripts, by a word vocabulary of the training split or a text encoder."""

import hashlib
import os
import re
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.datasets.dataset import Split, Strings, Tokens, Vocabulary
from benchmark.errors import UserError

MAX_TOKENS = 50
MIN_COUNT = 2
SPECIAL_TOKENS = 5  # padding, unknown, start, end, mask: the first ids of a scratch vocabulary
# What decides how an encoder tokenises and what it computes; other files of its folder do not.
ENCODER_FILES = (
    "config.json",
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "*.model",
    "*.safetensors",
    "pytorch_model*.bin",
)
_WORD = re.compile(r"[\u4e00-\u9fff]|[^\s\u4e00-\u9fff]+")


def split_words(transcript: str) -> list[str]:
    """Words of a transcript: split at white space, each Chinese character a word of its own."""
    return _WORD.findall(transcript)


def normalise(word: str) -> str:
    """The form in which a word is looked up: lower case, without punctuation around it."""
    lower = word.lower()
    return lower.strip(".,;:!?\"'()[]…“”‘’，。！？；：、") or lower


@dataclass(frozen=True)
class Tokeniser:
    """Turns the transcripts of a split into tokens.

    Attributes:
        function: the tokens of a split.
        vocabulary: size and special ids; None where there are no tokens.
        identity: the encoder as records name it, `scratch`, or empty.
    """

    function: Callable[[Split], Tokens | None]
    vocabulary: Vocabulary | None
    identity: str

    def __call__(self, split: Split) -> Tokens | None:
        """The tokens of a split; None where it has neither tokens nor transcripts."""
        return self.function(split)


def make_tokeniser(
    text_encoder: str,
    train: Split,
    stored: Vocabulary | None = None,
    stored_encoder: str = "",
    max_tokens: int = MAX_TOKENS,
) -> Tokeniser:
    """Choose where the tokens come from.

    Tokens that the dataset holds are kept, unless an encoder with another vocabulary is asked for
    and there are transcripts. Otherwise transcripts are tokenised: by the tokeniser of the encoder,
    or by a vocabulary of the words that occur at least twice in the training split (`scratch`; also
    if `text_encoder` is empty and there are no text features, without which the text would be
    lost).

    Args:
        text_encoder: empty, `scratch`, a local folder, or a hub name.
        train: the training split.
        stored: vocabulary of the tokens that the dataset holds.
        stored_encoder: whose tokeniser made them.
        max_tokens: most tokens of a sample, the start and end marks included.

    Raises:
        UserError: the encoder is not there or its tokeniser cannot be used.
    """
    if max_tokens < 3:
        raise UserError(f"max_tokens is {max_tokens}; it must leave room for two marks and a word")
    pretrained = text_encoder not in ("", "scratch")
    enough = not text_encoder and train.text.lengths.any()
    if train.tokens is None and (train.transcripts is None or enough):
        return Tokeniser(lambda split: None, None, "")
    if train.tokens is not None and (not pretrained or train.transcripts is None):
        return Tokeniser(lambda split: split.tokens, stored, stored_encoder)
    if pretrained:
        made = _pretrained(text_encoder, max_tokens)
        if train.tokens is not None and made.vocabulary == stored:
            return Tokeniser(lambda split: split.tokens, stored, made.identity)
        return made
    return _scratch(_transcripts(train), max_tokens)


def _transcripts(split: Split) -> Strings:
    if split.transcripts is None:
        raise UserError(
            f"the {split.name} split has no transcripts but the training split has; add them"
        )
    return split.transcripts


def _scratch(transcripts: Strings, max_tokens: int) -> Tokeniser:
    counts = Counter(normalise(word) for text in transcripts for word in split_words(str(text)))
    kept = sorted(word for word, count in counts.items() if count >= MIN_COUNT)
    vocabulary = Vocabulary(size=SPECIAL_TOKENS + len(kept))
    number = {word: SPECIAL_TOKENS + place for place, word in enumerate(kept)}

    def tokenise(split: Split) -> Tokens:
        rows = []
        for text in _transcripts(split):
            found = [
                (number.get(normalise(word), vocabulary.unknown), place)
                for place, word in enumerate(split_words(str(text)))
            ][: max_tokens - 2]
            rows.append([(vocabulary.start, -1), *found, (vocabulary.end, -1)])
        return _pack(rows, max_tokens, vocabulary.pad)

    return Tokeniser(tokenise, vocabulary, "scratch")


def _pretrained(text_encoder: str, max_tokens: int) -> Tokeniser:
    tokenizer = load_tokenizer(text_encoder)
    vocabulary = _special_ids(tokenizer, text_encoder)

    def tokenise(split: Split) -> Tokens:
        words = [split_words(str(text)) for text in _transcripts(split)]
        coded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=max_tokens)
        rows = [
            [
                (token, -1 if word is None else word)
                for token, word in zip(ids, coded.word_ids(sample), strict=True)
            ]
            for sample, ids in enumerate(coded["input_ids"])
        ]
        return _pack(rows, max_tokens, vocabulary.pad)

    return Tokeniser(tokenise, vocabulary, encoder_identity(text_encoder))


def _pack(rows: Sequence[Sequence[tuple[int, int]]], width: int, pad: int) -> Tokens:
    ids = np.full((len(rows), width), pad, dtype=np.int64)
    words = np.full((len(rows), width), -1, dtype=np.int64)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = [token for token, _ in row]
        words[place, : len(row)] = [word for _, word in row]
    return Tokens(ids, np.array([len(row) for row in rows], dtype=np.int64), words)


def _special_ids(tokenizer: Any, text_encoder: str) -> Vocabulary:
    def first(kind: str, *values: int | None) -> int:
        for value in values:
            if value is not None:
                return int(value)
        raise UserError(
            f"the tokeniser of text encoder {_short(text_encoder)!r} has no {kind} token; "
            f"give an encoder of the BERT kind"
        )

    if not tokenizer.is_fast:
        raise UserError(
            f"the tokeniser of text encoder {_short(text_encoder)!r} cannot say which word a "
            f"token belongs to; give an encoder with a tokenizer.json"
        )
    return Vocabulary(
        size=len(tokenizer),
        pad=first("padding", tokenizer.pad_token_id),
        unknown=first("unknown", tokenizer.unk_token_id, tokenizer.mask_token_id),
        start=first("start", tokenizer.cls_token_id, tokenizer.bos_token_id),
        end=first("end", tokenizer.sep_token_id, tokenizer.eos_token_id),
        mask=first("mask", tokenizer.mask_token_id, tokenizer.unk_token_id),
    )


def _short(text_encoder: str) -> str:
    """The encoder without the folders that lead to it."""
    return Path(text_encoder).name if Path(text_encoder).is_dir() else text_encoder


@lru_cache(maxsize=4)
def load_tokenizer(text_encoder: str) -> Any:
    """The tokeniser of a local folder, of the hub's local cache, or of the hub.

    Raises:
        UserError: it is in none of them. Without a network this is found out within seconds.
    """
    folder = Path(text_encoder).expanduser()
    if folder.is_dir():
        return _from_pretrained(str(folder), text_encoder, local=True)
    try:
        return _from_pretrained(text_encoder, text_encoder, local=True)
    except UserError:
        if not _hub_name(text_encoder) or not _hub_answers():
            raise
    return _from_pretrained(text_encoder, text_encoder, local=False)


def _from_pretrained(where: str, text_encoder: str, *, local: bool) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(where, local_files_only=local)
    except (OSError, ValueError, KeyError, ImportError) as error:
        if Path(where).is_dir():
            raise UserError(
                f"text encoder {_short(text_encoder)!r} has no tokeniser that can be read "
                f"({type(error).__name__}); the folder needs config.json and tokenizer.json"
            ) from None
        raise UserError(
            f"text encoder {text_encoder!r} is not there: give a local folder, a hub name that "
            f"is downloaded or can be reached, or 'scratch'"
        ) from None


def _hub_name(text_encoder: str) -> bool:
    return re.fullmatch(r"[\w.-]+(/[\w.-]+)?", text_encoder) is not None


def _hub_answers() -> bool:
    """One short request, because the hub's own client retries for most of a minute."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return False
    address = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False


def encoder_identity(text_encoder: str) -> str:
    """How records name a text encoder: by its content, never by a path.

    Returns:
        `<folder name>#<12 hex digits>` over the files that decide what a local encoder computes,
        `<hub name>#<12 digits of the commit>` for a hub name, `scratch` as it is, or empty.

    Raises:
        UserError: the folder holds none of these files.
    """
    if text_encoder in ("", "scratch"):
        return text_encoder
    folder = Path(text_encoder).expanduser()
    if not folder.is_dir():
        return _hub_identity(text_encoder)
    paths = sorted({path for pattern in ENCODER_FILES for path in folder.glob(pattern)})
    if not paths:
        raise UserError(
            f"text encoder {folder.name!r} is a folder without config.json, tokeniser or weights; "
            f"give the folder that holds them"
        )
    stamps = tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths)
    return f"{folder.resolve().name}#{_content(stamps)}"


@lru_cache(maxsize=16)
def _content(stamps: tuple[tuple[str, int, int], ...]) -> str:
    total = hashlib.blake2b(digest_size=6)
    for path, _, _ in stamps:
        with open(path, "rb") as file:
            part = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32))
        total.update(Path(path).name.encode() + b"\0" + part.digest())
    return total.hexdigest()


def _hub_identity(text_encoder: str) -> str:
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(text_encoder, "config.json") if _hub_name(text_encoder) else None
    if not isinstance(path, str):
        raise UserError(
            f"text encoder {text_encoder!r} is not there: give a local folder, a hub name that "
            f"is downloaded or can be reached, or 'scratch'"
        )
    return f"{text_encoder}#{Path(path).parent.name[:12]}"
