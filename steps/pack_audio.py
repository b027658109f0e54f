#!/usr/bin/env python3
"""Check every recording of a data directory and pack all into one ark of 16-bit WAVs: any crop is then one read.

Reads   DATA_DIR/wav.scp: files that libsndfile reads, `x.ark:offset`, or, with --allow-pipes, `command |`.
Writes  OUT_DIR/{wav.ark, wav.scp, utt2num_samples, utt2dur}. A recording that is missing, damaged, not mono, of another
        sample rate, empty or shorter than --min-seconds is an error by line; all are listed before the script fails.

Example
    steps/pack_audio.py data/mini/local/train data/mini/train
"""

import os
from pathlib import Path

import kaldiio
import numpy as np
from libs import cli
from libs.audio import Recordings
from libs.cli import RecipeError, log
from libs.datadir import read_table, write_table
from libs.stamp import Stamp


def main():
    parser = cli.parser(__doc__)
    parser.add_argument("--sample-rate", type=int, default=16000, help="the only rate accepted, Hz (default: 16000)")
    parser.add_argument("--min-seconds", type=float, default=0.2, help="shortest recording accepted (default: 0.2)")
    parser.add_argument("--allow-pipes", action="store_true", help="run `command |` entries of wav.scp; trust the file")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()

    settings = {"sample_rate": args.sample_rate, "min_seconds": args.min_seconds}
    stamp = Stamp(args.out_dir / "packed.json", settings, [args.data_dir / "wav.scp"])
    if stamp.matches():
        log.info("%s/wav.ark is finished: reused", args.out_dir)
        return
    stamp.clear()
    args.out_dir.mkdir(parents=True, exist_ok=True)
    scp = args.data_dir / "wav.scp"
    read_table(scp)  # its own errors first
    num_samples = pack(scp, args)
    os.replace(args.out_dir / "wav.scp.tmp", args.out_dir / "wav.scp")
    write_table(args.out_dir / "utt2num_samples", num_samples)
    write_table(args.out_dir / "utt2dur", {u: f"{n / args.sample_rate:.4f}" for u, n in num_samples.items()})
    stamp.write()
    log.info("%d recordings, %.2f hours", len(num_samples), sum(num_samples.values()) / args.sample_rate / 3600)


def pack(scp: Path, args) -> dict[str, int]:
    """Write the ark; returns the number of samples of each recording."""
    faults: list[str] = []
    num_samples: dict[str, int] = {}
    recordings = Recordings(args.data_dir, args.sample_rate, args.allow_pipes, probe=False)
    shortest = int(args.min_seconds * args.sample_rate)
    with kaldiio.WriteHelper(f"ark,scp:{args.out_dir}/wav.ark,{args.out_dir}/wav.scp.tmp") as writer:
        for i, utt in cli.progress(enumerate(recordings.ids), len(recordings), "recordings"):
            try:
                samples = recordings.read(i)
            except RecipeError as error:
                faults.append(str(error))
                continue
            if len(samples) < shortest:
                faults.append(
                    f"{scp}:{i + 1}: {utt}: {len(samples) / args.sample_rate:.2f} s, under {args.min_seconds} s: "
                    "take the line out of wav.scp and run utils/fix_data_dir.sh"
                )
            elif not np.any(samples):
                faults.append(f"{scp}:{i + 1}: {utt}: silent, every sample is 0: take the line out of wav.scp")
            else:
                writer(utt, (args.sample_rate, samples))
                num_samples[utt] = len(samples)
    if faults:
        shown = "\n  ".join(faults[:20])
        more = f"\n  … and {len(faults) - 20} more" if len(faults) > 20 else ""
        raise RecipeError(f"{len(faults)} of {len(recordings)} recordings cannot be used:\n  {shown}{more}")
    return num_samples


if __name__ == "__main__":
    cli.run(main)
