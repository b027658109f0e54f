#!/usr/bin/env python3
"""For reporting only: how right the gate and the correction were, epoch by epoch, by the true speakers.

A cluster stands for the speaker that most of its utterances have. A label is right when it is a cluster of the
utterance's own speaker.

Reads   ROUND_DIR/gate/epochNN.npz, UTT2CLUSTER (the labels the round was trained on), TRUTH (utt2spk.truth).
Writes  ROUND_DIR/gate_quality.jsonl: per epoch the shares kept, corrected and dropped, and the precision of the labels
        that were kept, corrected (after the correction and before it) and dropped; null where there are none.

Example
    steps/gate_quality.py exp/mini/round1 exp/mini/dino/clusters/utt2cluster data/mini/train/utt2spk.truth
"""

import json
from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.data.tables import read_table
from dlglc.errors import RecipeError
from dlglc.files import write_lines
from dlglc.reports.quality import gate_quality


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("round_dir", type=Path)
    parser.add_argument("utt2cluster", type=Path)
    parser.add_argument("truth", type=Path)
    args = parser.parse_args()

    clusters, truth = read_table(args.utt2cluster), read_table(args.truth)
    missing = next((utt for utt in clusters if utt not in truth), None)
    if missing is not None:
        raise RecipeError(f"{args.truth}: no speaker for '{missing}' of {args.utt2cluster}")
    records = gate_quality(args.round_dir / "gate", list(clusters.values()), [truth[utt] for utt in clusters])
    if not records:
        raise RecipeError(f"{args.round_dir}/gate: no epochNN.npz: has the round been trained?")
    lines = [json.dumps(record) for record in records]
    write_lines(args.round_dir / "gate_quality.jsonl", lines)
    log.info("%s", lines[-1])


if __name__ == "__main__":
    console.run(main)
