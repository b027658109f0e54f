"""Filter bank energies of a data directory as a Kaldi ark (steps/make_fbank.py)."""

import os
from pathlib import Path

import kaldiio
import torch

from ..console import log, progress
from ..errors import RecipeError
from ..locks import only_process
from ..provenance import Stamp
from ..settings.schema import FbankSettings
from .audio import Recordings
from .fbank import Fbank
from .tables import place_of, write_table


def make_fbank(data_dir: Path, out_dir: Path, settings: FbankSettings, device: str) -> None:
    """Write feats.ark, feats.scp and utt2num_frames, unless a finished output is there.

    Args:
        data_dir: data directory with wav.scp.
        out_dir: where the output goes.
        settings: of conf/fbank.yaml.
        device: cpu or cuda.

    Raises:
        RecipeError: a recording is shorter than one frame, by file and line.
    """
    outputs = [out_dir / name for name in ("feats.ark", "feats.scp", "utt2num_frames")]
    stamp = Stamp(out_dir / "feats.json", settings.model_dump(), [data_dir / "wav.scp"], outputs)
    with only_process(out_dir, wait=True):
        if not stamp.reuse(out_dir / "feats.ark"):
            write_fbank(data_dir, out_dir, settings, device)
            stamp.write()


def write_fbank(data_dir: Path, out_dir: Path, settings: FbankSettings, device: str) -> None:
    """Write the files of make_fbank."""
    fbank = Fbank(settings).to(device)
    recordings = Recordings(data_dir, fbank.sample_rate)
    num_frames = {}
    with kaldiio.WriteHelper(
        f"ark,scp:{out_dir}/feats.ark,{out_dir}/feats.scp.tmp", compression_method=settings.compression or None
    ) as writer:
        for i, utt in progress(enumerate(recordings.ids), len(recordings), "utterances"):
            if recordings.num_samples[i] < fbank.length:
                where = place_of(data_dir / "wav.scp", i, utt)
                raise RecipeError(f"{where}: {utt}: too short for one frame: take the line out")
            feats = fbank(torch.from_numpy(recordings.read(i)).to(device)[None])[0]
            writer(utt, feats.cpu().numpy())
            num_frames[utt] = len(feats)
    os.replace(out_dir / "feats.scp.tmp", out_dir / "feats.scp")
    write_table(out_dir / "utt2num_frames", num_frames)
    log.info("%d utterances, %d frames", len(num_frames), sum(num_frames.values()))
