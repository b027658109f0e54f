"""What several commands of dlg-lc need."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import RecipeError

if TYPE_CHECKING:
    from ..model import Heard, Model


class Command(NamedTuple):
    """A command.

    Attributes:
        text: its help: a line, then more, with an example.
        add_options: adds them to its parser.
        act: does it, and returns the exit status.
    """

    text: str
    add_options: Callable[[argparse.ArgumentParser], None]
    act: Callable[[argparse.Namespace], int]


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """Add the argument BUNDLE."""
    parser.add_argument("bundle", metavar="BUNDLE", help="the file that stage 7 of run.sh made")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def add_false_accept(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --false-accept.

    Args:
        what: happens at this rate.
    """
    parser.add_argument(
        "--false-accept", type=share, default=0.01, metavar="RATE", help=f"{what} (default: 0.01, which is 1 %%)"
    )


def share(text: str) -> float:
    """A number above 0 and below 1, for argparse."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a number above 0 and below 1")
    return value


def answer(record: dict[str, Any], text: str, as_json: bool) -> None:
    """Print a record as JSON, or its text."""
    print(json.dumps(record, ensure_ascii=False) if as_json else text)


def warn(text: str) -> None:
    """Print a remark where it does not mix with the output."""
    print(f"dlg-lc: {text}", file=sys.stderr)


def find_recordings(inputs: Sequence[str]) -> dict[str, str]:
    """The recordings that words name.

    Args:
        inputs: audio files, folders with audio files below them, and Kaldi tables (wav.scp) of `id path` lines.

    Returns:
        Id → path. The id of a file is its path, of a file in a folder the path below that folder, with -- for / and %20
        for a blank (`data.folder.id_of`).

    Raises:
        RecipeError: a folder holds no audio, or two recordings have one id.
    """
    from ...data.folder import find_audio, id_of
    from ...data.tables import read_table

    found: dict[str, str] = {}
    for word in inputs:
        if os.path.isdir(word):
            there = find_audio(Path(word))
            files = {**there.files, **there.strange}
            if not files:
                raise RecipeError(f"{word}: no audio file in it; endings of other files: {there.endings}")
        elif word.endswith(".scp"):
            files = dict(read_table(word))
        else:
            files = {id_of(os.path.normpath(word).lstrip("/")): word}
        twice = next((name for name in files if name in found), None)
        if twice is not None:
            raise RecipeError(f"{word}: a recording before has the id '{twice}', too: name the common folder of both")
        found |= files
    return found


def hear_all(model: "Model", recordings: dict[str, str], count_voices: bool = False) -> Iterator[tuple[str, "Heard"]]:
    """Hear recordings one after the other. Those that cannot be used are named on stderr, and left out.

    Raises:
        RecipeError: none can be used.
    """
    from ...console import progress

    used = 0
    for name, path in progress(recordings.items(), len(recordings), "recordings"):
        try:
            heard = model.hear(path, count_voices=count_voices)
        except RecipeError as error:
            warn(f"left out: {error}")
            continue
        used += 1
        yield name, heard
    if not used:
        raise RecipeError(f"none of {len(recordings)} recordings can be used")


def bullet_list(lines: Iterable[str]) -> str:
    """Lines with a mark in front, each on a line of its own, after a line end; nothing if there are none."""
    return "".join(f"\n- {line}" for line in lines)
