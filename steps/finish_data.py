#!/usr/bin/env python3
"""Complete a packed data directory: speakers, sessions and trials of its utterances, and a summary.

If every recording in LOCAL_DIR is its own speaker, every utterance in OUT_DIR is its own speaker too, also if a
recording was cut into several utterances. If more recordings than --max-unusable cannot be used, this is an error.

Reads   LOCAL_DIR/{wav.scp, utt2spk, utt2spk.truth, utt2sess, sess2book, trials*}
        OUT_DIR/{wav.scp, utt2reco, recordings, utt2segment}
Writes  OUT_DIR/{utt2spk, spk2utt, utt2spk.truth, utt2sess, sess2book, trials*} for the utterances of OUT_DIR
        OUT_DIR/unusable.txt, `path: reason` lines of the recordings that cannot be used
        If recordings were cut, OUT_DIR/original/{wav.scp, segments, utt2spk, spk2utt}, the same utterances as segments
        of the original files, in Kaldi's form.

Example
    steps/finish_data.py --max-unusable 0.1 data/folder/local/train data/folder/train
"""

from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.data.finishing import finish_tables, finish_trials, write_original
from dlglc.data.folder import shown_path
from dlglc.data.survey import describe_recordings, read_recordings
from dlglc.data.tables import read_table
from dlglc.errors import RecipeError
from dlglc.files import write_lines


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument(
        "--max-unusable",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="accepted share of unusable recordings (default: 0)",
    )
    parser.add_argument("local_dir", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()
    if not 0 <= args.max_unusable <= 1:
        raise RecipeError(f"--max-unusable {args.max_unusable}: must be a share from 0 to 1")

    where = {name: shown_path(path) for name, path in read_table(args.local_dir / "wav.scp").items()}
    recordings = read_recordings(args.out_dir / "recordings")
    bad = [r for r in recordings if not r.usable]
    unusable = args.out_dir / "unusable.txt"
    write_lines(unusable, (f"{where.get(r.name, r.name)}: {r.reason}" for r in bad))
    for line in describe_recordings(recordings):
        log.info("%s", line)
    if bad:
        log.info("  %s lists the recordings that cannot be used, with reasons", unusable)
    share = len(bad) / len(recordings)
    if len(bad) == len(recordings) or share > args.max_unusable:
        listed = "\n  ".join(f"{where.get(r.name, r.name)}: {r.reason}" for r in bad[:20])
        raise RecipeError(
            f"{len(bad)} of {len(recordings)} recordings cannot be used ({100 * share:.1f} %, accepted are "
            f"{100 * args.max_unusable:.1f} %):\n  {listed}\n  All of them are in {unusable}. Repair or remove files, "
            f"or accept the loss: ./run.sh --max-unusable {min(1.0, share + 0.005):.2f}"
        )
    finish_tables(args.local_dir, args.out_dir)
    finish_trials(args.local_dir, args.out_dir)
    write_original(args.local_dir, args.out_dir)


if __name__ == "__main__":
    console.run(main)
