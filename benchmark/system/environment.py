"""What a number depends on besides its cell: device, threads, precision, versions, commit."""

import functools
import os
import platform
import random
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def check_device(device: str) -> None:
    """Refuse a device that is not there.

    Raises:
        UserError: an unknown kind of device, or no such GPU.
    """
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
        raise UserError(f"unknown device {device!r}; allowed: cpu, cuda, cuda:0, cuda:1, ...")
    if kind == "cuda":
        count = torch.cuda.device_count()
        if count == 0 or int(number or 0) >= count:
            raise UserError(
                f"device {device!r} is not there: this machine has {count} CUDA devices; "
                f"use --device cpu"
            )


def prepare(device: str, threads: int, precision: str) -> None:
    """Set threads, precision and determinism of this process."""
    torch.set_num_threads(threads)
    allow = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = allow
    torch.backends.cudnn.allow_tf32 = allow
    if device.startswith("cuda"):
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        # The one attention kernel for fp32 whose backward sums in no fixed order.
        torch.backends.cuda.enable_mem_efficient_sdp(False)


def seed_everything(seed: int) -> None:
    """Seed every global generator; the only place that touches them."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  a stranger's model may draw from it
    torch.manual_seed(seed)


def hardware(device: str, threads: int, precision: str) -> str:
    """The processor a cost was measured on, with threads and precision."""
    if device.startswith("cuda"):
        name = torch.cuda.get_device_name(torch.device(device))
        return f"{name}, {precision}"
    return f"{_processor()}, {threads} thread{'s' if threads > 1 else ''}, {precision}"


@functools.cache
def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def environment(device: str, threads: int, precision: str) -> dict[str, Any]:
    """Versions, device and flags: what a number depends on besides its cell."""
    facts: dict[str, Any] = {
        "affectbench": _version("affectbench"),
        "python": platform.python_version(),
        "system": platform.system(),
        "device": device,
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "precision": precision,
        "commit": _commit(),
        **{name: _version(name) for name in ("torch", "transformers", "numpy", "scipy", "pandas")},
    }
    if device.startswith("cuda"):
        facts["gpu"] = torch.cuda.get_device_name(torch.device(device))
        facts["cuda"] = torch.version.cuda
        facts["cudnn"] = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        facts["tf32"] = torch.backends.cuda.matmul.allow_tf32
    return facts


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@functools.cache
def _commit() -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None
