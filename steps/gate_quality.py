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

import numpy as np
from libs import cli
from libs.cli import RecipeError, log
from libs.datadir import read_table, write_text


def main():
    parser = cli.parser(__doc__)
    parser.add_argument("round_dir", type=Path)
    parser.add_argument("utt2cluster", type=Path)
    parser.add_argument("truth", type=Path)
    args = parser.parse_args()

    clusters, truth = read_table(args.utt2cluster), read_table(args.truth)
    missing = next((utt for utt in clusters if utt not in truth), None)
    if missing is not None:
        raise RecipeError(f"{args.truth}: no speaker for '{missing}' of {args.utt2cluster}")
    _, labels = np.unique(list(clusters.values()), return_inverse=True)
    _, speakers = np.unique([truth[utt] for utt in clusters], return_inverse=True)
    counts = np.zeros((labels.max() + 1, speakers.max() + 1), dtype=np.int32)
    np.add.at(counts, (labels, speakers), 1)
    speaker_of = counts.argmax(1)

    files = sorted((args.round_dir / "gate").glob("epoch*.npz"))
    if not files:
        raise RecipeError(f"{args.round_dir}/gate: no epochNN.npz: has the round been trained?")
    lines = []
    for file in files:
        with np.load(file, allow_pickle=False) as record:
            decision, target = record["decision"], record["target"]
        before, after = speaker_of[labels] == speakers, speaker_of[target] == speakers
        kept, corrected, dropped = decision == 1, decision == 2, decision == 0
        line = {
            "epoch": int(file.stem.removeprefix("epoch")),
            "labels_right": share(before),
            "kept": share(kept),
            "kept_right": share(before[kept]),
            "corrected": share(corrected),
            "corrected_right": share(after[corrected]),
            "corrected_right_before": share(before[corrected]),
            "dropped": share(dropped),
            "dropped_right": share(before[dropped]),
        }
        lines.append(json.dumps(line))
    write_text(args.round_dir / "gate_quality.jsonl", "\n".join(lines) + "\n")
    log.info("%s", lines[-1])


def share(flags: np.ndarray) -> float | None:
    """Mean of booleans, None of none."""
    return round(float(flags.mean()), 4) if len(flags) else None


if __name__ == "__main__":
    cli.run(main)
