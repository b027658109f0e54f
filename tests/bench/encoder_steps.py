"""Training steps of ECAPA-TDNN and of its peers, for the case `ecapa`.

As a script, `encoder_steps.py WIDTH` runs the layer-by-layer step in a process of its own. It does one step for each
line of its standard input and answers each with the step's seconds.
"""

import sys
from collections.abc import Callable
from typing import Any

import torch
from layers import layer_by_layer
from measure import THREADS, clock
from peers import peer_module

from dlglc.encoders.ecapa_tdnn import EcapaTdnn

# Name of a width: arguments of EcapaTdnn, frames of a crop.
WIDTHS = {"C=512": ((80, 512), 300), "C=96, stride 2": ((80, 96, 128, 0, 8, 64, 2), 200)}

Step = Callable[[], None]


def encoder_step(model: torch.nn.Module, forward: Callable[[Any, torch.Tensor], Any], feats: torch.Tensor) -> Step:
    """A forward and a backward pass of a batch."""

    def run() -> None:
        model.zero_grad(set_to_none=True)
        embeddings = forward(model, feats)
        (embeddings * embeddings.detach().roll(1, 0)).sum().backward()

    return run


def encoder_steps(width: str) -> tuple[Step, Step, Step | None]:
    """Steps on a batch of 32 crops.

    Args:
        width: a key of WIDTHS.

    Returns:
        ours, the layer-by-layer form, and SpeechBrain's. SpeechBrain's is None if SpeechBrain is not installed or has
        no encoder of this width.
    """
    (options, frames), sb = WIDTHS[width], peer_module("speechbrain.lobes.models.ECAPA_TDNN")
    torch.manual_seed(0)
    model, feats = EcapaTdnn(*options), torch.randn(32, frames, 80)
    theirs = None
    if sb and width == "C=512":
        other = sb.ECAPA_TDNN(80, lin_neurons=192, attention_channels=128, channels=[512] * 4 + [1536])
        theirs = encoder_step(other, lambda m, x: m(x), feats)
    return encoder_step(model, EcapaTdnn.forward, feats), encoder_step(model, layer_by_layer, feats), theirs


def main() -> None:
    torch.set_num_threads(THREADS)
    _, run, _ = encoder_steps(sys.argv[1])
    run()
    for _ in sys.stdin:
        before = clock()
        run()
        print(clock() - before, flush=True)


if __name__ == "__main__":
    main()
