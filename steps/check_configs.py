#!/usr/bin/env python3
"""Check all settings before a long run: every key is known, every value is allowed, no settings contradict each other.

Reads   one file conf/<idea>.yaml per idea, and DATA_DIR/utt2spk if it exists.
Writes  nothing. A wrong setting is an error with file, line and remedy. With --show, the settings that differ from the
        defaults go to the terminal. With --value, the values of these keys alone do, a line each.

Example
    steps/check_configs.py --data data/mini/train conf/fbank.yaml conf/mini/dino.yaml conf/mini/cluster.yaml
    steps/check_configs.py --value dino.stage1 --value dino.workers conf/mini/dino.yaml
    steps/check_configs.py --show --set dino.epochs=4 conf/mini/dino.yaml
"""

from pathlib import Path

from dlglc import console
from dlglc.data.mel import mel_filters
from dlglc.errors import RecipeError
from dlglc.settings import SCHEMAS, Settings, changes, load_settings
from dlglc.settings.messages import nearest, shown
from dlglc.settings.schema import ClusterSettings, FbankSettings


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("--data", type=Path, metavar="DATA_DIR", help="training data; it need not exist yet")
    parser.add_argument("--show", action="store_true", help="print the settings that differ from the defaults")
    parser.add_argument(
        "--value", metavar="IDEA.KEY", action="append", help="print the value of this key and check nothing more"
    )
    parser.add_argument(
        "--set",
        metavar="IDEA.KEY=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="change a key of one of the files",
    )
    parser.add_argument("configs", nargs="+", metavar="YAML", type=Path)
    args = parser.parse_args()

    for word in args.set:
        idea = word.partition("=")[0].partition(".")[0]
        if idea not in SCHEMAS or "." not in word.partition("=")[0]:
            raise RecipeError(
                f"--set {word}: write IDEA.KEY=VALUE, where IDEA is the name of a file in conf/: "
                f"{', '.join(SCHEMAS)}{nearest(idea, SCHEMAS)}"
            )
    for idea in sorted({word.partition(".")[0] for word in args.set} - {path.stem for path in args.configs}):
        load_settings(SCHEMAS[idea], None, [word for word in args.set if word.startswith(f"{idea}.")])
    if args.value:
        for name in args.value:
            print(value(name, args.configs, args.set))
        return
    for path in args.configs:
        if path.stem not in SCHEMAS:
            names = ", ".join(f"{idea}.yaml" for idea in SCHEMAS)
            raise RecipeError(f"{path}: unknown name of a settings file: rename it to one of {names}")
        words = [word for word in args.set if word.startswith(f"{path.stem}.")]
        schema = SCHEMAS[path.stem]
        check(path, load_settings(schema, path, words), args.data)
        if args.show:
            show(schema, path, words)


def value(name: str, configs: list[Path], words: list[str]) -> object:
    """The value of a key.

    Args:
        name: IDEA.KEY; the key of a section as IDEA.SECTION.KEY.
        configs: settings files; that of IDEA is among them.
        words: of --set.

    Raises:
        RecipeError: no file of this name, or no such key.
    """
    idea, *keys = name.split(".")
    path = next((path for path in configs if path.stem == idea), None)
    if path is None:
        raise RecipeError(f"--value {name}: give the file {idea}.yaml, too")
    found: object = load_settings(SCHEMAS[idea], path, [word for word in words if word.startswith(f"{idea}.")])
    for key in keys:
        if not hasattr(found, key):
            raise RecipeError(f"--value {name}: {path} has no key '{key}': see conf/{idea}.yaml")
        found = getattr(found, key)
    return found


def check(path: Path, settings: Settings, data: Path | None) -> None:
    """Check what depends on more than the settings themselves: the mel filters, and the size of the data.

    Args:
        path: the settings file, for messages.
        settings: of this file.
        data: training data directory, or None.
    """
    if isinstance(settings, FbankSettings):
        try:
            mel_filters(settings)
        except RecipeError as error:
            raise RecipeError(f"{path}: {error}") from None
    if isinstance(settings, ClusterSettings) and data is not None and (data / "utt2spk").exists():
        utterances = len((data / "utt2spk").read_text().splitlines())
        if settings.num_clusters > utterances:
            raise RecipeError(
                f"{path}: num_clusters {settings.num_clusters}: {data} has {utterances} utterances: set fewer "
                "clusters, about 1.5 times the number of speakers that you expect"
            )


def show(schema: type[Settings], path: Path, words: list[str]) -> None:
    """Print the settings that differ from conf/<idea>.yaml: key, value, default, and the place where it was set."""
    for change in changes(schema, path, words):
        value, default = (shown(value) for value in (change.value, change.default))
        print(f"  {schema.idea}.{change.key} = {value}  (default {default}; {change.where})")


if __name__ == "__main__":
    console.run(main)
