"""Import a dataset of any layout once into the native one."""

import os
from pathlib import Path

from benchmark.datasets.dataset import SPLITS
from benchmark.datasets.labels import neutral_sentence
from benchmark.datasets.native import refuse_existing, write_dataset
from benchmark.datasets.reader import find_reader
from benchmark.datasets.source import need_splits
from benchmark.naming import check_name


def import_dataset(path: Path, folder: Path, name: str) -> list[str]:
    """Write a native dataset folder.

    Args:
        path: a file or folder that a reader recognises.
        folder: to be made; it must not be there yet.
        name: of the new dataset.

    Returns:
        A sentence for what was read, and one for each repair or doubt.

    Raises:
        UserError: the name is none, nothing is there, or it cannot be read; nothing is left
            behind.
    """
    check_name("the dataset", name)
    refuse_existing(folder)
    if os.path.isdir(path):
        path = path.resolve()
    source = find_reader(path).open(path, "", name)
    need_splits(source)
    write_dataset(
        folder,
        name=name,
        task=source.task,
        splits={split: source.read(split) for split in SPLITS},
        vocabulary=source.vocabulary,
        encoder=source.encoder,
        provenance=source.provenance,
        **source.facts,
    )
    sizes = "/".join(str(source.sizes[split]) for split in SPLITS)
    said = [f"read {source.title}: {sizes} samples", *source.notes]
    if source.task.kind == "regression" and "neutral" in source.provenance:
        assumed = source.provenance["neutral"] == "assumed"
        said.append(neutral_sentence(source.task, assumed))
    return said
