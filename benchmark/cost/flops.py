"""Multiply-adds of a forward pass, counted where every operator is dispatched."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from benchmark.batch import Batch
from benchmark.model import Model
from benchmark.training.predict import predict_batch


@dataclass(frozen=True, slots=True)
class Count:
    """Multiply-adds (MACs) of one forward pass; 1 MAC is 2 FLOPs.

    Attributes:
        macs: of the whole model.
        encoder_macs: the part inside text encoders.
        uncounted: operators from outside PyTorch, whose work is unknown.
    """

    macs: int
    encoder_macs: int
    uncounted: tuple[str, ...]


def count_macs(model: Model, batch: Batch, *, precision: str = "fp32") -> Count:
    """Count a forward pass in evaluation mode.

    Counted are matrix products, convolutions, recurrent and attention kernels, bilinear forms and
    outer products, whichever module or function calls them; sums, activations, norms and
    elementwise products are not, as usual. Padding is counted, because it is computed.

    Args:
        model: comes back in the mode it had.
        batch: one sample, if the count of one sample is wanted.
        precision: `bf16` runs under autocast; the count is the same.
    """
    counter = _Counter()
    fast = torch.backends.mha.get_fastpath_enabled()
    # The fast path of a transformer layer is one operator that hides all its products.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with inside_encoders(model, counter.enter, counter.leave), counter:
            predict_batch(model, batch, precision=precision)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return Count(counter.macs, counter.encoder_macs, tuple(sorted(counter.uncounted)))


def text_encoders(model: nn.Module) -> dict[str, nn.Module]:
    """Outermost submodules that say `is_text_encoder` and have parameters, by name."""
    found: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        inner = any(name.startswith(f"{outer}.") for outer in found)
        if name and not inner and getattr(module, "is_text_encoder", False):
            found[name] = module
    return {name: module for name, module in found.items() if list(module.parameters())}


@contextmanager
def inside_encoders(
    model: nn.Module, enter: Callable[[], None], leave: Callable[[], None]
) -> Iterator[None]:
    """Call `enter` and `leave` around everything that text encoders compute.

    The parts of an encoder down to its layers are watched too, for models that call those instead
    of the whole; nested calls count once.
    """
    depth = 0

    def before(*_: Any) -> None:
        nonlocal depth
        depth += 1
        if depth == 1:
            enter()

    def after(*_: Any) -> None:
        nonlocal depth
        depth -= 1
        if depth == 0:
            leave()

    handles = []
    for encoder in text_encoders(model).values():
        for name, module in encoder.named_modules():
            if name.count(".") > 3:  # single layers are the deepest that models call themselves
                continue
            handles += [
                module.register_forward_pre_hook(before),
                module.register_forward_hook(after),
            ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees each operator below autograd, after composite functions fell apart."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.macs = 0
        self.encoder_macs = 0
        self.uncounted: set[str] = set()
        self._encoding = False

    def enter(self) -> None:
        self._encoding = True

    def leave(self) -> None:
        self._encoding = False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        name = str(func.overloadpacket)
        rule = _RULES.get(name)
        if rule is None:
            with self:  # inference mode hands composite functions over whole
                parts = func.decompose(*args, **named)
            if parts is not NotImplemented:
                return parts
        output = func(*args, **named)
        if rule is not None:
            macs = rule(output, *args)
            self.macs += macs
            self.encoder_macs += macs * self._encoding
        elif name.startswith("aten._scaled_dot_product"):
            macs = _attention(*args[:3])
            self.macs += macs
            self.encoder_macs += macs * self._encoding
        elif func.namespace not in ("aten", "prim", "profiler"):
            self.uncounted.add(name)
        return output


def _product(output: Tensor, left: Tensor, right: Tensor, *_: Any) -> int:
    """Any product that sums over the last axis of `left`."""
    return output.numel() * left.shape[-1]


def _added_product(output: Tensor, _: Tensor, left: Tensor, right: Tensor, *__: Any) -> int:
    return output.numel() * left.shape[-1]


def _summed_product(_: Tensor, __: Tensor, left: Tensor, right: Tensor, *___: Any) -> int:
    """`addbmm`, whose output lost the batch axis."""
    return left.numel() * right.shape[-1]


def _outer(output: Tensor, *_: Any) -> int:
    return output.numel()


def _multiplication(output: Tensor, left: Tensor, right: Any, *_: Any) -> int:
    """A broadcast that is larger than both factors is an outer product; others are elementwise."""
    if not isinstance(right, Tensor) or not output.is_floating_point():
        return 0
    return output.numel() if output.numel() > max(left.numel(), right.numel()) else 0


def _convolution(output: Tensor, values: Tensor, weight: Tensor, *rest: Any) -> int:
    transposed = rest[4]
    steps = values if transposed else output  # every input or every output meets one filter
    return steps.numel() * (weight.numel() // weight.shape[0])


def _recurrent_layer(_: Any, values: Tensor, inputs: Tensor, states: Tensor, *rest: Any) -> int:
    """One direction of one oneDNN layer: both matrices meet every step."""
    return values.numel() // values.shape[-1] * (inputs.numel() + states.numel())


def _recurrent_stack(_: Any, values: Tensor, weights: Sequence[Tensor], *rest: Any) -> int:
    """All layers and directions at once: every matrix meets every step, biases none."""
    matrices = sum(weight.numel() for weight in weights if weight.ndim == 2)
    return values.numel() // values.shape[-1] * matrices


def _trilinear(_: Tensor, left: Tensor, weight: Tensor, right: Tensor, *rest: Any) -> int:
    """`nn.Bilinear`: `left` meets the weight `(O, I, J)`, the result `(O, J)` meets `right`."""
    rows = left.numel() // weight.shape[1]
    return rows * (weight.numel() + weight.shape[0] * weight.shape[2])


def _attention(query: Tensor, key: Tensor, value: Tensor) -> int:
    """Scores and weighted sum of `(B, heads, L, D)` over `(B, heads, S, D)`."""
    return query.numel() // query.shape[-1] * key.shape[-2] * (query.shape[-1] + value.shape[-1])


_RULES: dict[str, Callable[..., int]] = {
    "aten.mm": _product,
    "aten.bmm": _product,
    "aten.mv": _product,
    "aten.dot": _product,
    "aten.vdot": _product,
    "aten.linear": _product,
    "aten.addmm": _added_product,
    "aten._addmm_activation": _added_product,
    "aten.baddbmm": _added_product,
    "aten.addmv": _added_product,
    "aten.addbmm": _summed_product,
    "aten.addr": _outer,
    "aten.mul": _multiplication,
    "aten.convolution": _convolution,
    "aten.mkldnn_rnn_layer": _recurrent_layer,
    "aten._cudnn_rnn": _recurrent_stack,
    "aten.miopen_rnn": _recurrent_stack,
    "aten._trilinear": _trilinear,
}
