"""Import a foreign layout once: a pickle of MMSA, or a plain folder of npz files."""

import os
from pathlib import Path

from benchmark.datasets.labels import neutral_sentence
from benchmark.datasets.load import find_source
from benchmark.datasets.native import write_dataset
from benchmark.datasets.readers.mmsa import import_mmsa
from benchmark.datasets.source import SPLITS, need_splits
from benchmark.naming import check_name


def import_dataset(path: Path, folder: Path, name: str) -> list[str]:
    """Write a native dataset folder.

    Args:
        path: a pickle file of MMSA, or a folder that `load_dataset` reads.
        folder: to be made; it must not be there yet.
        name: of the new dataset.

    Returns:
        A sentence for what was read, and one for each repair or doubt.

    Raises:
        UserError: the name is none, nothing is there, or it cannot be read; nothing is left
            behind.
    """
    check_name("the dataset", name)
    if not os.path.isdir(path):
        report = import_mmsa(path, folder, name)
        sizes = "/".join(str(report.sizes[split]) for split in SPLITS)
        return [f"read {report.known or 'an unknown file'}: {sizes} samples", *report.notes]
    source = find_source(str(path.resolve()))
    need_splits(source)
    write_dataset(
        folder,
        name=name,
        task=source.task,
        splits={split: source.read(split) for split in SPLITS},
        vocabulary=source.vocabulary,
        encoder=source.encoder,
        provenance=dict(source.provenance),
    )
    sizes = "/".join(str(source.sizes[split]) for split in SPLITS)
    found = [f"read a {source.format} folder: {sizes} samples"]
    if source.task.kind == "regression":
        assumed = source.provenance.get("neutral") == "assumed"
        found.append(neutral_sentence(source.task, assumed))
    return found
