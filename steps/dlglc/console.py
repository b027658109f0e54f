"""The frame of every script: help from its docstring, errors without traceback, log lines, progress."""

import argparse
import logging
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from tqdm import tqdm

from .errors import RecipeError

log = logging.getLogger("dlg-lc")

Item = TypeVar("Item")


class Parser(argparse.ArgumentParser):
    """An argument parser whose `--set` takes `key=value` words only.

    `--set a=1 b=2 DIR` sets two keys and leaves DIR to the positional arguments. argparse alone would take DIR as well.
    """

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """As argparse does it, on the words of split_set."""
        return super().parse_known_args(split_set(sys.argv[1:] if args is None else list(args)), namespace)


def split_set(words: list[str]) -> list[str]:
    """`--set a=1 b=2 DIR` as `--set=a=1 --set=b=2 DIR`; a --set that no assignment follows stays as it is."""
    out: list[str] = []
    setting = False
    for word in words:
        if setting and re.match(r"[A-Za-z_][\w.]*=", word):
            if out[-1] == "--set":
                out.pop()
            out.append(f"--set={word}")
        else:
            setting = word == "--set"
            out.append(word)
    return out


def parser(doc: str | None) -> Parser:
    """A parser whose --help is the script's own docstring: what it does, reads, writes, an example."""
    return Parser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def run(main: Callable[[], None]) -> None:
    """Call main(). A RecipeError becomes one message on stderr and exit status 1."""
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S"
    )
    try:
        main()
    except RecipeError as error:
        script = sys.argv[0].rsplit("/", 1)[-1]
        print(f"{script}: error: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:  # the reader (head, less) has left: not our error
        sys.exit(1)


def progress(iterable: Iterable[Item], total: int, what: str, every: float = 30.0) -> Iterator[Item]:
    """Iterate with a bar on a terminal; in a log, write a plain line (done, rate, time left) each `every` seconds.

    Args:
        iterable: what to pass through.
        total: number of items expected.
        what: the unit, e.g. "utterances".
        every: seconds between two lines where stderr is no terminal.
    """
    if sys.stderr.isatty():
        yield from tqdm(iterable, total=total, unit=f" {what}", leave=False)
        return
    start = last = time.monotonic()
    for done, item in enumerate(iterable, 1):
        yield item
        now = time.monotonic()
        if now - last >= every:
            last = now
            rate = done / (now - start)
            log.info("%d of %d %s, %.1f per second, %.0f s left", done, total, what, rate, (total - done) / rate)
