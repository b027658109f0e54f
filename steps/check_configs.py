#!/usr/bin/env python3
"""Look at all settings before hours are spent: every key known, every name valid, no more clusters than utterances.

Reads   the files conf/<idea>.yaml that are named (one per idea), and DATA_DIR/utt2spk where it is there already.
Writes  nothing; leaves with an error that names file, line and remedy.

Example
    steps/check_configs.py --data data/mini/train conf/fbank.yaml conf/mini/dino.yaml conf/mini/cluster.yaml
"""

from pathlib import Path

from libs import cli
from libs.cli import RecipeError
from libs.config import load_config
from libs.encoders import build_encoder
from libs.fbank import Fbank
from libs.gate import decide_gate
from libs.training import build_optimiser, learning_rate


def main():
    parser = cli.parser(__doc__)
    parser.add_argument("--data", type=Path, metavar="DATA_DIR", help="training data, if it is prepared")
    parser.add_argument("configs", nargs="+", metavar="YAML")
    args = parser.parse_args()

    for path in args.configs:
        idea = Path(path).stem
        config = load_config(idea, path)
        try:
            check(idea, config, args.data)
        except RecipeError as error:
            raise RecipeError(f"{path}: {error}") from None


def check(idea: str, config: dict, data: Path | None) -> None:
    """What the types of the keys cannot tell: build the parts that a configuration describes."""
    if idea == "fbank":
        Fbank(config)
    if idea == "dino":
        if config["on_collapse"] not in ("stop", "warn"):
            raise RecipeError(f"on_collapse '{config['on_collapse']}': choose stop or warn")
        build_optimiser(build_encoder(config["encoder"], 80), config["optimiser"])
    if idea == "dlglc":
        decide_gate(config["gate"], None, None, 1)
    if idea in ("dino", "dlglc"):
        if config["accumulate"] < 1:
            raise RecipeError(f"accumulate {config['accumulate']}: an update has 1 part or more")
        learning_rate(config["optimiser"], config["epochs"], config["epochs"], config["batch_size"])
    if idea == "cluster" and data is not None and (data / "utt2spk").exists():
        utterances = len((data / "utt2spk").read_text().splitlines())
        if config["num_clusters"] > utterances:
            raise RecipeError(
                f"num_clusters {config['num_clusters']}: {data} has {utterances} utterances: set fewer clusters, about "
                "one and a half times the speakers you expect"
            )


if __name__ == "__main__":
    cli.run(main)
