"""hidden.scp: the output of an encoder's frozen parts for every utterance, as Kaldi matrices with 16 bits a number.

An adaptation on a CPU computes this output once and then trains the parts behind it only.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import kaldiio
import torch

from ..arrays import Array
from ..errors import RecipeError
from ..files import write_lines

TWO_BYTES = 3  # Kaldi's kTwoByteAuto


class HiddenWriter:
    """Writes hidden.ark, and hidden.scp at the end. hidden.scp is complete or not there.

    Args:
        out_dir: the folder.
    """

    def __init__(self, out_dir: Path):
        self.out_dir = out_dir
        self.scp, self.part = out_dir / "hidden.scp", out_dir / ".hidden.scp.part"

    def __enter__(self) -> "HiddenWriter":
        self.out_dir.mkdir(parents=True, exist_ok=True)
        self.scp.unlink(missing_ok=True)
        places = f"ark,scp:{self.out_dir}/hidden.ark,{self.part}"
        self.writer = kaldiio.WriteHelper(places, compression_method=TWO_BYTES)
        return self

    def keep(self, frames: torch.Tensor, ids: Sequence[str]) -> torch.Tensor:
        """Write (B, T', X) frames of utterances, and return them."""
        for utt, matrix in zip(ids, frames.cpu().numpy()):
            self.writer(utt, matrix)
        return frames

    def __exit__(self, kind: Any, *rest: Any) -> None:
        self.writer.close()
        if kind is not None:
            (self.out_dir / "hidden.ark").unlink()
        else:
            write_lines(self.scp, sorted(self.part.read_text(encoding="utf-8").splitlines()))
        os.unlink(self.part)


def check_hidden(scp: Path, utt: str, kept: Array, now: torch.Tensor) -> None:
    """Compare the kept frames of an utterance with what the encoder makes of it now.

    Args:
        scp: the table of the kept frames.
        utt: the utterance.
        kept, now: (T', X) frames.

    Raises:
        RecipeError: they differ: the frozen parts of the encoder are others.
    """
    if kept.shape == tuple(now.shape):
        likeness = torch.cosine_similarity(torch.from_numpy(kept).flatten(), now.cpu().flatten(), dim=0)
        if likeness > 0.999:
            return
    raise RecipeError(
        f"{scp}: the frames of {utt} are not those of this encoder: its frozen parts or the recording have changed: "
        "extract them again (steps/extract_embeddings.py --trained-parts)"
    )
