"""Where a GPU computes float32 products in TF32, and which kernels a training takes there.

TF32 has 10 bits of mantissa instead of 23. The training of an encoder in float32 uses it, because the products are
several times as fast. Filter bank energies, cosines with class weights, embeddings and k-means need all bits.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

HOURS_WORTH_TUNING = 400.0  # of crops: then compiling and trying kernels save what they cost (docs/benchmarks.md)
_compiled = False


def use_exact_products() -> None:
    """Compute products and convolutions in full float32. By default, torch lets convolutions use TF32."""
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False


def use_training_kernels(hours: float) -> None:
    """Allow TF32. In a long training cuDNN tries its kernels for each shape, and parts of an encoder are compiled.

    Each takes seconds at the start, and crops have few shapes. Whole utterances have hundreds of shapes: for them it
    never pays.

    Args:
        hours: of crops that this process will compute in the whole training.
    """
    global _compiled
    _compiled = torch.backends.cudnn.benchmark = hours >= HOURS_WORTH_TUNING
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True


def compiled_forms() -> bool:
    """True in a training that is long enough to compile parts of an encoder for a GPU."""
    return _compiled


@contextmanager
def exact_products() -> Iterator[None]:
    """Compute the matrix products in the `with` block in full float32, also in a training."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
