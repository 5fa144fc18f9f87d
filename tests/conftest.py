"""One thread in every test: on tiny tensors more threads cost far more than they give."""

import os

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import torch  # noqa: E402  after the variables, which it reads once

torch.set_num_threads(1)
