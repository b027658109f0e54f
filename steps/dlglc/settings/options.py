"""`--config FILE` and `--set KEY=VALUE` of the scripts."""

import argparse
import re
from typing import TypeVar

from .loading import load_settings
from .schema import SCHEMAS, Settings

Wanted = TypeVar("Wanted", bound=Settings)


def add_settings_options(parser: argparse.ArgumentParser, idea: str, *others: str) -> None:
    """Add --config and --set for conf/<idea>.yaml, and --<other>-config for what the script reads besides.

    A key of another idea is set with its name in front: --set augment.probability=0.
    """
    parser.add_argument("--config", metavar="YAML", help=f"differences to conf/{idea}.yaml (default: none)")
    for other in others:
        parser.add_argument(
            f"--{other}-config", metavar="YAML", help=f"differences to conf/{other}.yaml (default: none)"
        )
    ideas = f" (keys of {', '.join(others)} with that name in front)" if others else ""
    parser.add_argument(
        "--set", metavar="KEY=VALUE", nargs="+", action="extend", default=[],
        help=f"change single keys, e.g. --set epochs=3{ideas}",
    )  # fmt: skip
    parser.set_defaults(own_idea=idea, ideas=(idea, *others))


def words_of(idea: str, words: list[str]) -> list[str]:
    """The `IDEA.KEY=VALUE` words that are for one idea."""
    return [word for word in words if word.startswith(f"{idea}.")]


def settings_of(schema: type[Wanted], args: argparse.Namespace) -> Wanted:
    """The settings of one idea, by the options of the command line.

    Raises:
        RecipeError: as load_settings.
    """
    own = schema.idea == args.own_idea
    path = args.config if own else getattr(args, f"{schema.idea}_config")
    words = []
    for word in args.set:
        prefix = re.match(r"(\w+)\.", word)
        named = prefix is not None and prefix[1] in SCHEMAS and prefix[1] in args.ideas
        if (prefix is not None and prefix[1] == schema.idea) if named else own:
            words.append(word)
    return load_settings(schema, path, words)
