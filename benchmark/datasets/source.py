"""Source: where the splits of a dataset are read from, and how they become a `Dataset`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from benchmark.config import digest
from benchmark.datasets.checks import refuse_broken, refuse_overlap
from benchmark.datasets.dataset import (
    SPLITS,
    Dataset,
    Integers,
    Scale,
    Split,
    Strings,
    Vocabulary,
)
from benchmark.datasets.tokens import MAX_TOKENS, make_tokeniser
from benchmark.errors import UserError, unknown
from benchmark.task import Dims, Task


@dataclass(frozen=True)
class Source:
    """A dataset on disk or from a generator, whose splits are read one by one.

    Attributes:
        name: the name used in commands, records and tables.
        task: what the label means.
        format: the layout in words, for `affectbench data ls`.
        sizes: samples of each split; of `all` where the dataset has folds and no splits.
        read: the samples of one split, unscaled.
        read_ids: the ids of one split, without its features.
        digest: hash of every array of every split.
        vocabulary: special ids of the tokens that the splits hold, if they hold any.
        encoder: the text encoder whose tokeniser made these tokens.
        provenance: where the data comes from and what reading it changed.
        folds: split -> fold of each sample, int64 `(N,)`, where the dataset declares them.
        title: what it is read from, as an import says it.
        notes: one sentence for each repair or doubt, as an import says it.
        facts: what an import writes beside the provenance: `features`, `padding`, `licence`, as
            `write_dataset` takes them.
    """

    name: str
    task: Task
    format: str
    sizes: Mapping[str, int]
    read: Callable[[str], Split]
    read_ids: Callable[[str], Strings]
    digest: str
    vocabulary: Vocabulary | None = None
    encoder: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    folds: Mapping[str, Integers] | None = None
    title: str = ""
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def assemble(
    source: Source,
    *,
    text_encoder: str = "",
    standardise: tuple[str, ...] = (),
    max_tokens: int = MAX_TOKENS,
) -> Dataset:
    """Read the training and validation splits, refuse what is broken, add tokens and scales.

    The test split is read when `Dataset.open_test` is called; before that, only its ids are.

    Args:
        source: where the splits come from.
        text_encoder: whose tokeniser makes token ids; see `tokens.make_tokeniser`.
        standardise: streams scaled by the statistics of the training split.
        max_tokens: most tokens of a sample, the start and end marks included.

    Raises:
        UserError: a split is empty or broken, splits overlap, or a stream is unknown.
    """
    need_splits(source)
    train = source.read("train")
    refuse_broken(train, source.name, source.task)
    for name in standardise:
        if name not in train.modalities:
            raise unknown("stream to standardise", name, train.modalities)
    refuse_overlap(source.name, {name: source.read_ids(name) for name in SPLITS})
    tokenise = make_tokeniser(text_encoder, train, source.vocabulary, source.encoder, max_tokens)
    scales = {name: Scale.of(train.modalities[name]) for name in standardise}

    def prepare(split: Split) -> Split:
        refuse_broken(split, source.name, source.task, train)
        for name, scale in scales.items():
            split = split.with_sequences(name, scale.apply(split.modalities[name]))
        return replace(split, tokens=tokenise(split))

    prepared = prepare(train)
    return Dataset(
        name=source.name,
        task=source.task,
        dims=_dims(prepared, source.task, tokenise.vocabulary),
        train=prepared,
        valid=prepare(source.read("valid")),
        open_test=lambda: prepare(source.read("test")),
        fingerprint=digest([source.digest, tokenise.identity, max_tokens]),
        vocabulary=tokenise.vocabulary,
        encoder=tokenise.identity,
        provenance=source.provenance,
        standardised=tuple(standardise),
    )


def need_splits(source: Source) -> None:
    """Stop at a dataset that has folds instead of splits.

    Raises:
        UserError: no fold of it was chosen.
    """
    if set(source.sizes) != set(SPLITS):
        raise UserError(
            f"{source.name!r} is one file with folds and no splits; cross-validate with "
            f"-d {source.name}@folds, or take {source.name}@0 to test on fold 0 alone"
        )


def _dims(train: Split, task: Task, vocabulary: Vocabulary | None) -> Dims:
    lengths = {name: stream.values.shape[1] for name, stream in train.modalities.items()}
    if train.tokens is not None:
        lengths["tokens"] = train.tokens.ids.shape[1]
    return Dims(
        {name: stream.values.shape[2] for name, stream in train.modalities.items()},
        outputs=task.outputs,
        task=task.centred(),
        vocabulary=0 if vocabulary is None else vocabulary.size,
        lengths=lengths,
    )
