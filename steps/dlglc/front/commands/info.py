"""Show the card of a bundle: training data, results, thresholds, limits.

Example
    dlg-lc info bundle.dlglc
"""

import argparse
import json

from .common import Command, add_bundle, add_json, answer


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_json(parser)
    add_bundle(parser)


def act(args: argparse.Namespace) -> int:
    """Print the card."""
    from ...bundles.container import CARD, PAGE, read_bundle

    bundle = read_bundle(args.bundle)
    sizes = ", ".join(f"{name} {len(content) / 1e6:.1f} MB" for name, content in sorted(bundle.parts.items()))
    text = f"{bundle.parts[PAGE].decode()}\nBundle {bundle.id}: {sizes}"
    answer({**json.loads(bundle.parts[CARD]), "bundle": bundle.id}, text, args.json)
    return 0


COMMAND = Command(__doc__ or "", add_options, act)
