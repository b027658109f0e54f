"""Where a GPU computes float32 products in TF32, and which kernels it takes.

TF32 has 10 bits of mantissa instead of 23. The training of an encoder in float32 uses it, because the products are
several times as fast. Filter bank energies, cosines with class weights, embeddings and k-means need all bits.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def use_exact_products() -> None:
    """Compute products and convolutions in full float32. By default, torch lets convolutions use TF32."""
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False


def use_training_kernels() -> None:
    """Allow TF32, and let cuDNN try its kernels for each new shape and keep the fastest one.

    Crops have few shapes, so trying pays in a training. Whole utterances have hundreds of shapes, and it would not.
    """
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True


@contextmanager
def exact_products() -> Iterator[None]:
    """Compute the matrix products in the `with` block in full float32, also in a training."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
