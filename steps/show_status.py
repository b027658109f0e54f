#!/usr/bin/env python3
"""Show the status of an experiment: each stage is done, running, stopped, waiting or stale.

An output is stale if a setting or an input file has changed since it was made. Everything that was made from a stale
output is stale too. The next run makes stale outputs again. A training with other settings is discarded with
--overwrite only.

Reads   the records beside the outputs in EXP_DIR and DATA
Writes  nothing; a table goes to the terminal

Example
    steps/show_status.py --dino-config conf/mini/dino.yaml data/mini exp/mini untrained dino round1
"""

from pathlib import Path

from dlglc import console
from dlglc.reports.status import status
from dlglc.settings import SCHEMAS, load_settings
from dlglc.settings.options import words_of


def main() -> None:
    parser = console.parser(__doc__)
    for idea in SCHEMAS:
        parser.add_argument(f"--{idea}-config", metavar="YAML", help=f"differences to conf/{idea}.yaml (default: none)")
    parser.add_argument(
        "--set", metavar="IDEA.KEY=VALUE", nargs="+", action="extend", default=[], help="change a key of a file"
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("exp_dir", type=Path)
    parser.add_argument("systems", nargs="+")
    args = parser.parse_args()

    settings = {
        idea: load_settings(schema, getattr(args, f"{idea}_config"), words_of(idea, args.set)).model_dump()
        for idea, schema in SCHEMAS.items()
    }
    titles = {1: "data", 2: "features", 3: "pretraining", 4: "pseudo labels", 5: "rounds", 6: "scores", 7: "report"}
    for state in status(args.exp_dir, args.data, settings, args.systems):
        line = f"stage {state.stage}  {titles[state.stage]:14} {state.what:24} {state.state:8} {state.why}"
        print(line.rstrip())


if __name__ == "__main__":
    console.run(main)
