"""Cases about training steps of the encoder."""

import os
from collections.abc import Callable
from typing import Any

import torch
from encoder_steps import WIDTHS, StepsElsewhere, encoder_steps
from layers import layer_by_layer
from measure import Peer, compare

from dlglc.dino.head import DinoHead
from dlglc.dino.loss import dino_loss, teacher_probabilities
from dlglc.encoders.ecapa_tdnn import EcapaTdnn


def ecapa() -> None:
    """ECAPA-TDNN forward and backward, batch 32, in the recipe's environment and with malloc as it comes"""
    untuned = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}  # without path.sh's
    for width, (_, frames) in WIDTHS.items():
        ours, layers, speechbrain = encoder_steps(width)
        peers = {"layer by layer (as WeSpeaker, 3D-Speaker)": Peer(layers, goal=1.25)}
        if width == "C=512":
            peers["SpeechBrain"] = Peer(speechbrain, goal=1.25)
        with StepsElsewhere(width, "layers", untuned) as plain:
            peers["layer by layer, malloc as it comes"] = Peer(plain, goal=2)
            compare(f"ECAPA-TDNN {width}, 32 × {frames} frames, fwd + bwd", ours, peers)


def dino() -> None:
    """A DINO step on features: 2 long and 4 short crops of 32 utterances, C = 96, stride 2"""
    torch.manual_seed(0)
    options, _ = WIDTHS["C=96, stride 2"]
    encoder, head = EcapaTdnn(*options), DinoHead(128, 512, 128, 512)
    crops = [torch.randn(32, frames, 80) for frames in (200, 200, 100, 100, 100, 100)]
    together = [torch.cat(crops[:2]), torch.cat(crops[2:])]
    centre = torch.zeros(512)

    def step(forward: Callable[[Any, torch.Tensor], torch.Tensor], groups: list, long_groups: list) -> None:
        """A step in which each group of crops is one forward pass."""
        for module in (encoder, head):
            module.zero_grad(set_to_none=True)
        student = head(torch.cat([forward(encoder, group) for group in groups])).unflatten(0, (6, 32))
        with torch.no_grad():
            teacher = head(torch.cat([forward(encoder, group) for group in long_groups])).unflatten(0, (2, 32))
        dino_loss(student, teacher_probabilities(teacher, centre, 0.04), 0.1).backward()

    peers = {
        "crop by crop": Peer(lambda: step(EcapaTdnn.forward, crops, crops[:2])),
        "crop by crop and layer by layer": Peer(lambda: step(layer_by_layer, crops, crops[:2])),
    }
    ours = "DINO step, 32 × (2 × 2 s + 4 × 1 s), C = 96"
    compare(ours, lambda: step(EcapaTdnn.forward, together, together[:1]), peers, 9)
