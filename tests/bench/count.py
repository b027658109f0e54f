#!/usr/bin/env python3
"""Print what a training step of VoxCeleb2's size asks of a GPU: bytes, FLOPs and operations, counted on a CPU.

traffic.py says how. The last columns are the time in which a GPU moves so many bytes at 65 % of its memory's rate. No
GPU has been asked: they are no measurement. A compiler is needed to count the fused form of attentive pooling.

Example, after `. ./path.sh`
    PYTHONPATH=$PYTHONPATH:tests/bench tests/bench/count.py
"""

import logging
from contextlib import nullcontext

import torch
import torch._inductor.config
from torch._inductor import metrics
from torch._inductor.compile_fx import inductor_metrics_log
from traffic import Counted, Traffic, dino_step, energies, fbank_and, round_step

from dlglc.dino.run import crop_views
from dlglc.encoders.pooling import fused_statistics, plain_statistics, weighted_statistics
from dlglc.settings.schema import DinoSettings, DlglcSettings

RATES = {"H100": 0.65 * 3350, "H200": 0.65 * 4800}  # GB/s
SAMPLE = (4, 100, 192)  # batch, frames, channels


def pooling_bytes(fused: bool) -> dict[bool, float]:
    """Bytes that the statistics of attentive pooling move for each bfloat16 activation: with and without gradient.

    Args:
        fused: True = in the compiled forms, by torch.compile's own count.
    """
    plain, weighted = (
        fused_statistics("cpu", SAMPLE[2], torch.bfloat16) if fused else (plain_statistics, weighted_statistics)
    )
    if fused and plain is plain_statistics:
        raise SystemExit("count.py: no compiler here: the fused form cannot be counted")
    found = {}
    for gradient in (True, False):
        logits, x = (torch.randn(SAMPLE, dtype=torch.bfloat16).requires_grad_(gradient) for _ in "ab")
        torch._dynamo.reset()
        metrics.reset()
        traffic = Traffic([])
        with nullcontext() if fused else traffic:  # under such a mode nothing is compiled
            output = plain(x) + weighted(logits, x)
            if gradient:
                output.sum().backward()
        found[gradient] = (metrics.num_bytes_accessed if fused else traffic.total) / x.numel()
    return found


def row(title: str, counted: Counted, with_gradient: int, without: int, saved: dict[bool, float]) -> str:
    """A row of the table.

    Args:
        title: of the step.
        counted: its counts.
        with_gradient, without: activations before pooling, of passes with and without a gradient.
        saved: bytes that the fused form saves for each.
    """
    fused = (counted.bytes - with_gradient * saved[True] - without * saved[False]) / 1e9
    parts = [counted.parts.get(name, 0) / 1e9 for name in ("encoder.pool", "encoder")]
    cells = [f"{one:.0f}" for one in (counted.bytes / 1e9, *parts, fused)]
    times = [f"{1e3 * fused / rate:.0f}" for rate in RATES.values()]
    return f"| {' | '.join([title, f'{counted.flops / 1e12:.2f}', f'{counted.operations:,}', *cells, *times])} |"


def main() -> None:
    torch._inductor.config.force_disable_caches = True  # what comes from a cache is not counted
    inductor_metrics_log.setLevel(logging.INFO)
    inductor_metrics_log.propagate, inductor_metrics_log.handlers = False, [logging.NullHandler()]
    whole, fused = pooling_bytes(False), pooling_bytes(True)
    saved = {gradient: whole[gradient] - fused[gradient] for gradient in whole}
    for gradient, name in ((True, "forward and backward"), (False, "forward")):
        print(f"pooling's statistics, {name}: {whole[gradient]:.0f} bytes an activation, fused {fused[gradient]:.0f}")
    print("\n| step | TFLOP | operations | GB | of it pooling | rest of the encoder | GB, fused pooling |", end="")
    print("".join(f" {name}, ms |" for name in RATES), "\n|---|" + "--:|" * (6 + len(RATES)), sep="")
    fbank, settings = fbank_and(DinoSettings, "voxceleb/dino.yaml")
    views, batch, width = crop_views(settings), settings.batch_size, settings.encoder.aggregate
    long, *short = (count * batch * round(100 * seconds) * width for count, seconds in views)
    print(row("DINO", dino_step("voxceleb"), long + sum(short), long, saved))
    _, rounds = fbank_and(DlglcSettings, "voxceleb/dlglc.yaml")
    crop = rounds.batch_size * round(100 * rounds.crop_seconds) * width
    print(row("round, labels alone", round_step("voxceleb", corrects=False), crop, 0, saved))
    print(row("round, with clean views", round_step("voxceleb"), crop, crop, saved))
    print(f"\nThe filter bank of a DINO step moves {energies(views, fbank, batch) / 1e9:.0f} GB more.")


if __name__ == "__main__":
    main()
