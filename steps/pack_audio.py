#!/usr/bin/env python3
"""Convert all recordings of a data directory to 16 kHz mono 16-bit WAVs in one ark. Then a crop is one read.

The recordings can have any format, sample rate and number of channels that libsndfile or FFmpeg reads. Channels are
mixed, unless DATA_DIR/utt2channel (`id channel` lines, from 0) names a channel. The table `recordings` lists the format
of each recording and what was changed.

With --in-place, the audio files stay where they are, and only their headers are checked. This saves a copy (260 GB for
VoxCeleb2), and is good for 16 kHz mono WAV or FLAC files on a fast local disk. On a shared file system, one ark is much
faster than a million files.

With --cut-above, longer recordings are cut into utterances where nobody speaks. utt2segment has their times, as
`utt recording start end` lines.

An interrupted run continues after the last complete recording.

Reads   DATA_DIR/wav.scp: audio files, `x.ark:offset`, or, with --allow-pipes, `command |`.
Writes  OUT_DIR/{wav.ark, wav.scp, utt2num_samples, utt2dur, utt2reco, utt2segment, recordings}

If a recording cannot be used (missing, damaged, cut short, empty, silent, too short, NaN), this is an error. It lists
all such recordings. With --keep-going they are left out, and `recordings` says why.

Example
    steps/pack_audio.py data/mini/local/train data/mini/train
"""

import argparse
import copy
from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.data.audio import Recordings
from dlglc.data.packing import TABLES, Packer, PackOptions, check_in_place, complaint, write_tables
from dlglc.data.tables import read_table
from dlglc.errors import RecipeError
from dlglc.locks import only_process
from dlglc.provenance import Stamp


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("--sample-rate", type=int, default=16000, help="of the ark, Hz (default: 16000)")
    parser.add_argument("--min-seconds", type=float, default=0.2, help="shortest recording accepted (default: 0.2)")
    parser.add_argument(
        "--cut-above", type=float, default=0.0, metavar="SECONDS", help="cut longer recordings; 0 = never (default: 0)"
    )
    parser.add_argument("--in-place", action="store_true", help="check headers only and copy nothing")
    parser.add_argument("--keep-going", action="store_true", help="leave out recordings that cannot be used")
    parser.add_argument("--allow-pipes", action="store_true", help="run `command |` entries of wav.scp; trust the file")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()

    options = PackOptions(args.sample_rate, args.min_seconds, args.cut_above, args.allow_pipes)
    channels = args.data_dir / "utt2channel"
    inputs = [args.data_dir / "wav.scp", channels if channels.exists() else None]
    outputs = [args.out_dir / name for name in (*TABLES, *([] if args.in_place else ["wav.ark"]))]
    stamp = Stamp(args.out_dir / "packed.json", {**options._asdict(), "in_place": args.in_place}, inputs, outputs)
    with only_process(args.out_dir, wait=True):
        if not stamp.reuse(args.out_dir):
            pack(args, options, channels, stamp)
        for name in ("packing.json", "packing.jsonl"):  # what a kill may leave behind
            (args.out_dir / name).unlink(missing_ok=True)


def pack(args: argparse.Namespace, options: PackOptions, channels: Path, stamp: Stamp) -> None:
    """Pack the recordings, and write the tables and the stamp."""
    recordings = Recordings(args.data_dir, args.sample_rate, probe=False)
    ark = None
    if args.in_place:
        entries = check_in_place(recordings, args.min_seconds)
    else:
        unfinished = copy.copy(stamp)
        unfinished.path = args.out_dir / "packing.json"
        wanted = {utt: int(channel) for utt, channel in read_table(channels).items()} if channels.exists() else {}
        packer = Packer(recordings, wanted, args.out_dir, options)
        entries, ark = packer.pack(unfinished), packer.ark
    bad = sum(bool(entry["reason"]) for entry in entries)
    if bad and not args.keep_going:
        raise RecipeError(complaint(recordings, entries))
    write_tables(entries, args.out_dir, args.sample_rate, ark)
    stamp.write()
    hours = sum(entry["seconds"] for entry in entries if not entry["reason"]) / 3600
    log.info("%d recordings, %.2f hours; %d cannot be used", len(entries) - bad, hours, bad)


if __name__ == "__main__":
    console.run(main)
