"""Models with a convolution a modality take three different kernels."""

from dataclasses import replace

import pytest
from torch import nn

from baselines.layers.convolution import same_length
from benchmark.conformance.promises import CHECKS
from benchmark.conformance.tiny_data import build, tiny_dims
from benchmark.errors import UserError
from benchmark.registry import get_model, list_models
from benchmark.task import MODALITIES

KERNELS = [f"kernel_{name}" for name in MODALITIES]
NAMES = [entry.name for entry in list_models() if set(KERNELS) <= set(entry.parameters)]


def test_no_model_has_one_kernel_for_all() -> None:
    assert {"bbfn", "mult", "tetfn", "tfr-net"} <= set(NAMES)
    assert not any("kernel" in entry.parameters for entry in list_models())


@pytest.mark.parametrize("kernels", [(1, 3, 5), (5, 1, 3)])
@pytest.mark.parametrize("name", NAMES)
def test_every_modality_may_have_a_kernel_of_its_own(
    name: str, kernels: tuple[int, int, int]
) -> None:
    entry = get_model(name)
    entry = replace(entry, smoke={**entry.smoke, **dict(zip(KERNELS, kernels, strict=True))})
    model = build(entry, tiny_dims(entry.cls))
    found = {m.kernel_size[0] for m in model.modules() if isinstance(m, nn.Conv1d)}
    assert set(kernels) <= found
    for promise in ("output", "padding", "gradients"):
        CHECKS[promise](entry)


@pytest.mark.parametrize("kernel", [0, 2, 4])
def test_a_kernel_without_a_middle_is_refused(kernel: int) -> None:
    with pytest.raises(UserError, match="odd kernel"):
        same_length(3, 4, kernel)
