#!/usr/bin/env python3
"""Check every recording of a data directory and pack all into one ark of 16-bit WAVs: any crop is then one read.

With --in-place the audio stays where it is: headers are checked and lengths noted. It saves the disk a copy (the
260 GB of VoxCeleb2) where WAV or FLAC files lie on a quick local disk; a shared file system serves an ark far better
than a million files. m4a is always packed: it cannot be cropped without decoding all of it.

Packing that was interrupted goes on after the last whole recording.

Reads   DATA_DIR/wav.scp: files that libsndfile reads, m4a (with the Python package av), `x.ark:offset`, or, with
        --allow-pipes, `command |`.
Writes  OUT_DIR/{wav.ark, wav.scp, utt2num_samples, utt2dur}. A recording that is missing, damaged, not mono, of another
        sample rate, empty or shorter than --min-seconds is an error by line; all are listed before the script fails.

Example
    steps/pack_audio.py data/mini/local/train data/mini/train
"""

import copy
from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.data.audio import Recordings
from dlglc.data.packing import check, pack
from dlglc.files import write_lines
from dlglc.provenance import Stamp


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("--sample-rate", type=int, default=16000, help="the only rate accepted, Hz (default: 16000)")
    parser.add_argument("--min-seconds", type=float, default=0.2, help="shortest recording accepted (default: 0.2)")
    parser.add_argument("--in-place", action="store_true", help="check headers only and copy nothing")
    parser.add_argument("--allow-pipes", action="store_true", help="run `command |` entries of wav.scp; trust the file")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()

    settings = {"sample_rate": args.sample_rate, "min_seconds": args.min_seconds, "in_place": args.in_place}
    stamp = Stamp(args.out_dir / "packed.json", settings, [args.data_dir / "wav.scp"])
    if stamp.matches():
        log.info("%s is finished: reused", args.out_dir)
        return
    stamp.clear()
    args.out_dir.mkdir(parents=True, exist_ok=True)
    recordings = Recordings(args.data_dir, args.sample_rate, args.allow_pipes, probe=False)
    shortest = int(args.min_seconds * args.sample_rate)
    if args.in_place:
        num_samples = check(recordings, recordings.probe, shortest)
        write_lines(args.out_dir / "wav.scp", (f"{u} {w}" for u, w in zip(recordings.ids, recordings.where)))
    else:
        unfinished = copy.copy(stamp)
        unfinished.path = args.out_dir / "packing.json"
        num_samples = pack(recordings, shortest, args.out_dir, unfinished)
    pairs = list(zip(recordings.ids, num_samples.tolist()))
    write_lines(args.out_dir / "utt2num_samples", (f"{u} {n}" for u, n in pairs))
    write_lines(args.out_dir / "utt2dur", (f"{u} {n / args.sample_rate:.4f}" for u, n in pairs))
    stamp.write()
    log.info("%d recordings, %.2f hours", len(pairs), num_samples.sum() / args.sample_rate / 3600)


if __name__ == "__main__":
    console.run(main)
