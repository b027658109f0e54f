"""Use a trained speaker model: compare recordings, identify people, group recordings by voice.

BUNDLE is the file that stage 7 of run.sh made. Recordings may be of any format, sample rate and number of channels.
`dlg-lc COMMAND --help` shows the options of a command, with an example.
"""

import argparse
import io
import sys
from collections.abc import Sequence

from .. import console
from .commands import embed, export, identify, info, verify, who_is_who
from .commands.common import Command

COMMANDS: dict[str, Command] = {
    "verify": verify.COMMAND,
    "embed": embed.COMMAND,
    "identify": identify.COMMAND,
    "who-is-who": who_is_who.COMMAND,
    "export": export.COMMAND,
    "info": info.COMMAND,
}


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = console.parser(__doc__)
    parser.prog = "dlg-lc"
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        text = command.text.strip()
        own = commands.add_parser(
            name, help=text.split("\n", 1)[0], description=text, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        command.add_options(own)
    return parser


def main(words: Sequence[str] | None = None) -> None:
    """Run `dlg-lc`. Exit status: 0 done, 1 something cannot be used, 2 wrong options; --exit-status adds others."""

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be text

    def act() -> None:
        args = make_parser().parse_args(words)
        sys.exit(COMMANDS[args.command].act(args))

    console.run(act, log_to=sys.stderr)
