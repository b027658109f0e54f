#!/usr/bin/env python3
"""Print the system to use: the last one that is complete, without rounds that kept the encoder they started from.

A round keeps its start if training makes the error rate on held-out clusters no lower (adapt.held_out). An earlier
round that made it lower is then the better choice.

Reads   EXP_DIR/SYSTEM/{model.pt, clusters/utt2cluster, metrics.jsonl} of each SYSTEM
Writes  nothing; the name goes to the terminal. Nothing is printed if no system is complete

Example
    steps/choose_system.py exp/folder start round1 round2
"""

from pathlib import Path

from dlglc import console
from dlglc.reports.choice import last_system


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("exp_dir", type=Path)
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help="in the order of the recipe")
    args = parser.parse_args()

    system = last_system(args.exp_dir, args.systems)
    if system:
        print(system)


if __name__ == "__main__":
    console.run(main)
