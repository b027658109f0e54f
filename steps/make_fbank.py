#!/usr/bin/env python3
"""Log-mel filter bank energies of a data directory, as a compressed Kaldi ark.

Reads   DATA_DIR/wav.scp.
Writes  OUT_DIR/{feats.ark, feats.scp, utt2num_frames}. A recording too short for one frame is an error.

Example
    steps/make_fbank.py --config conf/fbank.yaml data/mini/train data/mini/train
"""

import os
from pathlib import Path

import kaldiio
import torch

from dlglc import console
from dlglc.console import log
from dlglc.data.audio import Recordings
from dlglc.data.fbank import Fbank
from dlglc.data.tables import write_table
from dlglc.errors import RecipeError
from dlglc.provenance import Stamp
from dlglc.settings import add_settings_options, settings_of
from dlglc.settings.schema import FbankSettings


def main() -> None:
    parser = console.parser(__doc__)
    add_settings_options(parser, "fbank")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()

    settings = settings_of(FbankSettings, args)
    stamp = Stamp(args.out_dir / "feats.json", settings.model_dump(), [args.data_dir / "wav.scp"])
    if stamp.matches():
        log.info("%s/feats.ark is finished: reused", args.out_dir)
        return
    stamp.clear()
    fbank = Fbank(settings).to(args.device)
    recordings = Recordings(args.data_dir, fbank.sample_rate)
    args.out_dir.mkdir(parents=True, exist_ok=True)
    num_frames = {}
    with kaldiio.WriteHelper(
        f"ark,scp:{args.out_dir}/feats.ark,{args.out_dir}/feats.scp.tmp",
        compression_method=settings.compression or None,
    ) as writer:
        for i, utt in console.progress(enumerate(recordings.ids), len(recordings), "utterances"):
            if recordings.num_samples[i] < fbank.length:
                raise RecipeError(f"{args.data_dir}/wav.scp:{i + 1}: {utt}: too short for one frame: take the line out")
            feats = fbank(torch.from_numpy(recordings.read(i)).to(args.device)[None])[0]
            writer(utt, feats.cpu().numpy())
            num_frames[utt] = len(feats)
    os.replace(args.out_dir / "feats.scp.tmp", args.out_dir / "feats.scp")
    write_table(args.out_dir / "utt2num_frames", num_frames)
    stamp.write()
    log.info("%d utterances, %d frames", len(num_frames), sum(num_frames.values()))


if __name__ == "__main__":
    console.run(main)
