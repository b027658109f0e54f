"""Training steps of ECAPA-TDNN and of its peers, for the case `ecapa`.

As a script, `encoder_steps.py WIDTH FORM` does steps of one form in a process of its own (see StepsElsewhere): one for
each line of its standard input. It says when it is ready, and answers each line with the step's seconds.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from layers import layer_by_layer
from measure import ROOT, THREADS, Timed, clock
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


class StepsElsewhere:
    """Training steps in a process with an environment of its own. A call does some steps.

    Args:
        width: a key of WIDTHS.
        form: ours or layers.
        environment: variables of the process.
        wall: True: wall clock. False: the process's own clock (see measure.clock).
        steps: of a call.
    """

    forks = False  # its memory is that of another process

    def __init__(self, width: str, form: str, environment: dict[str, str], wall: bool = False, steps: int = 1):
        self.wall, self.steps = wall, steps
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/bench/encoder_steps.py"), width, form],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __enter__(self) -> "StepsElsewhere":
        if self.process.stdout.readline() != "ready\n":  # no turn counts its start
            raise RuntimeError("encoder_steps.py ended before its first step: see its message above")
        return self

    def __call__(self) -> Timed:
        before, own = time.monotonic(), 0.0
        for _ in range(self.steps):
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            own += float(self.process.stdout.readline())
        return Timed(time.monotonic() - before if self.wall else own)

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait()


def main() -> None:
    torch.set_num_threads(THREADS)
    ours, layers, _ = encoder_steps(sys.argv[1])
    run = ours if sys.argv[2] == "ours" else layers
    run()
    print("ready", flush=True)
    for _ in sys.stdin:
        before = clock()
        run()
        print(clock() - before, flush=True)


if __name__ == "__main__":
    main()
