"""One thread in every test: on tiny tensors more threads cost far more than they give."""

import os
import sys
from collections.abc import Iterator

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import pytest  # noqa: E402
import torch  # noqa: E402  after the variables, which it reads once

import benchmark.plugins as plugins  # noqa: E402
import benchmark.registry as registry  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test registers is gone after it."""
    registry.list_models()  # loads what is ours
    before = [dict(entries) for entries in registry.KEPT]
    monkeypatch.setattr(plugins, "_broken", dict(plugins._broken))
    yield
    for entries, old in zip(registry.KEPT, before, strict=True):
        entries.clear()
        entries.update(old)
    for name in [name for name in sys.modules if name.startswith("affectbench_plugin_")]:
        del sys.modules[name]
