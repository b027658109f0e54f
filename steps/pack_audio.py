#!/usr/bin/env python3
"""Take audio as it is, and pack it into one ark of 16 kHz mono 16-bit WAVs: any crop is then one read.

Any format, sample rate and number of channels that libsndfile or FFmpeg reads. Channels are mixed down, unless
DATA_DIR/utt2channel (`id channel`, from 0) names one. What was found and done stands in the table `recordings`.

With --in-place the audio stays where it is: headers are checked and lengths noted. It saves the disk a copy (the
260 GB of VoxCeleb2) where 16 kHz mono WAV or FLAC files lie on a quick local disk; a shared file system serves an ark
far better than a million files.

With --cut-above, longer recordings are cut into utterances where nobody speaks; `utt2segment` has their times, as
`utt recording start end`. Packing that was interrupted goes on after the last whole recording.

Reads   DATA_DIR/wav.scp: audio files, `x.ark:offset`, or, with --allow-pipes, `command |`.
Writes  OUT_DIR/{wav.ark, wav.scp, utt2num_samples, utt2dur, utt2reco, utt2segment, recordings}. A recording that cannot
        be used (missing, damaged, cut short, empty, silent, too short, NaN) is an error, which names all of them; with
        --keep-going it is left out, and `recordings` says why.

Example
    steps/pack_audio.py data/mini/local/train data/mini/train
"""

import copy
from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.data.audio import Recordings
from dlglc.data.packing import Packer, PackOptions, check_in_place, complaint, write_tables
from dlglc.data.tables import read_table
from dlglc.errors import RecipeError
from dlglc.provenance import Stamp


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("--sample-rate", type=int, default=16000, help="of the ark, Hz (default: 16000)")
    parser.add_argument("--min-seconds", type=float, default=0.2, help="shortest recording accepted (default: 0.2)")
    parser.add_argument(
        "--cut-above", type=float, default=0.0, metavar="SECONDS", help="cut longer recordings; 0 = none (default: 0)"
    )
    parser.add_argument("--in-place", action="store_true", help="check headers only and copy nothing")
    parser.add_argument("--keep-going", action="store_true", help="leave out what cannot be used, instead of an error")
    parser.add_argument("--allow-pipes", action="store_true", help="run `command |` entries of wav.scp; trust the file")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()

    options = PackOptions(args.sample_rate, args.min_seconds, args.cut_above, args.allow_pipes)
    channels = args.data_dir / "utt2channel"
    inputs = [args.data_dir / "wav.scp", channels if channels.exists() else None]
    stamp = Stamp(args.out_dir / "packed.json", {**options._asdict(), "in_place": args.in_place}, inputs)
    if stamp.matches():
        log.info("%s is finished: reused", args.out_dir)
        return
    stamp.clear()
    args.out_dir.mkdir(parents=True, exist_ok=True)
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
    if ark:
        packer.journal.unlink()
        unfinished.clear()
    stamp.write()
    hours = sum(entry["seconds"] for entry in entries if not entry["reason"]) / 3600
    log.info("%d recordings, %.2f hours; %d cannot be used", len(entries) - bad, hours, bad)


if __name__ == "__main__":
    console.run(main)
