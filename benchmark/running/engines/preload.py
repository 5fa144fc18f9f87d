"""Imported once by the server that worker processes are forked from, so that they start at once."""

import torch
from transformers import BertConfig, BertModel  # noqa: F401  token models import it at first use

import benchmark.running.cell  # noqa: F401
from benchmark.registry import list_models

torch.set_num_threads(1)  # no thread pool may exist before a fork
list_models()
torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])  # the first optimiser imports a compiler
