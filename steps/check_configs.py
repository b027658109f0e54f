#!/usr/bin/env python3
"""Look at all settings before hours are spent: every key known, every value allowed, none that cancel each other.

Reads   the files conf/<idea>.yaml that are named (one per idea), and DATA_DIR/utt2spk where it is there already.
Writes  nothing; leaves with an error that names file, line and remedy. With --show, the settings that differ from the
        defaults go to the terminal.

Example
    steps/check_configs.py --data data/mini/train conf/fbank.yaml conf/mini/dino.yaml conf/mini/cluster.yaml
    steps/check_configs.py --show --set dino.epochs=4 conf/mini/dino.yaml
"""

from pathlib import Path

from dlglc import console
from dlglc.data.fbank import Fbank
from dlglc.errors import RecipeError
from dlglc.settings import SCHEMAS, Settings, changes, load_settings
from dlglc.settings.messages import nearest
from dlglc.settings.schema import ClusterSettings, FbankSettings


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("--data", type=Path, metavar="DATA_DIR", help="training data, if it is prepared")
    parser.add_argument("--show", action="store_true", help="print the settings that differ from the defaults")
    parser.add_argument(
        "--set", metavar="IDEA.KEY=VALUE", nargs="+", action="extend", default=[], help="change keys of any file"
    )
    parser.add_argument("configs", nargs="+", metavar="YAML", type=Path)
    args = parser.parse_args()

    for word in args.set:
        idea = word.partition("=")[0].partition(".")[0]
        if idea not in SCHEMAS or "." not in word.partition("=")[0]:
            raise RecipeError(
                f"--set {word}: begin with the name of a file in conf/: IDEA.KEY=VALUE, IDEA one of "
                f"{', '.join(SCHEMAS)}{nearest(idea, SCHEMAS)}"
            )
    for path in args.configs:
        if path.stem not in SCHEMAS:
            raise RecipeError(f"{path}: settings are in {', '.join(f'{idea}.yaml' for idea in SCHEMAS)}")
        words = [word for word in args.set if word.startswith(f"{path.stem}.")]
        schema = SCHEMAS[path.stem]
        check(path, load_settings(schema, path, words), args.data)
        if args.show:
            show(schema, path, words)


def check(path: Path, settings: Settings, data: Path | None) -> None:
    """What a key's own type and range cannot tell."""
    if isinstance(settings, FbankSettings):
        try:
            Fbank(settings)
        except RecipeError as error:
            raise RecipeError(f"{path}: {error}") from None
    if isinstance(settings, ClusterSettings) and data is not None and (data / "utt2spk").exists():
        utterances = len((data / "utt2spk").read_text().splitlines())
        if settings.num_clusters > utterances:
            raise RecipeError(
                f"{path}: num_clusters {settings.num_clusters}: {data} has {utterances} utterances: set fewer "
                "clusters, about one and a half times the speakers you expect"
            )


def show(schema: type[Settings], path: Path, words: list[str]) -> None:
    """What differs from conf/<idea>.yaml, a line each: key, value, default, and where it was set."""
    for change in changes(schema, path, words):
        print(f"  {schema.idea}.{change.key} = {change.value}  (default {change.default}; {change.where})")


if __name__ == "__main__":
    console.run(main)
