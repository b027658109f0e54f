#!/usr/bin/env python3
"""Read every output of an experiment, and compare it with its checksum.

Every step looks at some places of its inputs before it uses them. This script reads all of them, so that it also finds
a single changed bit. A damaged output is made again by its stage: run.sh --stage N.

Reads   the records beside the outputs in each FOLDER, the outputs, models and checkpoints
Writes  nothing; the exit status is 1 if a file is not what was written

Example
    steps/verify_outputs.py data/mini exp/mini
"""

from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.errors import RecipeError
from dlglc.reports.verification import verify


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("folders", metavar="FOLDER", type=Path, nargs="+")
    args = parser.parse_args()

    result = verify(args.folders)
    if result.unknown:
        log.info("%d outputs have no checksum: version 0.2 wrote none", result.unknown)
    if result.wrong:
        shown = "\n  ".join(result.wrong)
        raise RecipeError(f"{len(result.wrong)} files are not what was written:\n  {shown}\n  Run their stage again")
    log.info("%d files are what was written", result.files)


if __name__ == "__main__":
    console.run(main)
