#!/usr/bin/env python3
"""Name what went wrong in an experiment, each problem with a remedy.

Looks for a collapse of DINO or of embeddings, gates that keep every label or almost none, error rates near chance,
rounds that are worse than the round before, one giant cluster or clusters of too few utterances, clusters that change
with the seed, and clusters that are sessions. Without labels and trials it looks at what is left.

Reads   EXP_DIR/<system>/{metrics.jsonl, stamp.json, scores/*, clusters/*, train/embedding.scp}.
        With --data, DATA/train/{utt2sess, utt2reco, utt2spk.truth}, as far as they are there.
Writes  nothing; the problems go to the terminal.

Example
    steps/diagnose.py --data data/mini exp/mini
"""

import textwrap
from pathlib import Path

from dlglc import console
from dlglc.errors import RecipeError
from dlglc.reports.diagnosis import diagnose


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("--data", type=Path, help="data directory, for sessions and true speakers")
    parser.add_argument("exp_dir", type=Path)
    args = parser.parse_args()
    if not args.exp_dir.is_dir():
        raise RecipeError(f"{args.exp_dir}: no such experiment: name a folder under exp/, or run the recipe first")

    diagnosis = diagnose(args.exp_dir, args.data)
    if not diagnosis.found:
        print("Nothing suspicious was found.")
    for number, one in enumerate(diagnosis.found, 1):
        print(textwrap.fill(f"{number}. {one.place}: {one.problem}.", 100, subsequent_indent="   "))
        print(textwrap.fill(f"What to do: {one.remedy}.", 100, initial_indent="   ", subsequent_indent="   "))
    for title, names in (("Checked", diagnosis.checked), ("Not checked", diagnosis.unchecked)):
        if names:
            print(textwrap.fill(f"{title}: {'; '.join(names)}.", 100, subsequent_indent="   "))


if __name__ == "__main__":
    console.run(main)
