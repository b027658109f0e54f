#!/usr/bin/env python3
"""Precision of the gate and of the label correction in each epoch, by the true speakers. For reports only.

The speaker of a cluster is the true speaker of most of its utterances. A label is right if the speaker of its cluster
is the true speaker of the utterance.

Reads   ROUND_DIR/gate/epochNN.npz, UTT2CLUSTER (the labels that the round was trained on), TRUTH (utt2spk.truth).
Writes  ROUND_DIR/gate_quality.jsonl, for each epoch the shares of kept, corrected and dropped labels, and the share of
        right ones among the kept, corrected (after and before the correction) and dropped labels. null if there are no
        such labels.

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
        raise RecipeError(f"{args.truth}: no speaker for '{missing}' of {args.utt2cluster}: add a line for it")
    records = gate_quality(args.round_dir / "gate", list(clusters.values()), [truth[utt] for utt in clusters])
    if not records:
        raise RecipeError(f"{args.round_dir}/gate: no epochNN.npz: train the round first (steps/train_dlglc.py)")
    lines = [json.dumps(record) for record in records]
    write_lines(args.round_dir / "gate_quality.jsonl", lines)
    log.info("%s", lines[-1])


if __name__ == "__main__":
    console.run(main)
