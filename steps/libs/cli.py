"""The frame of every stage script: help made from its docstring, errors without tracebacks, log lines, progress."""

import argparse
import logging
import sys
import time

from tqdm import tqdm


class RecipeError(Exception):
    """A mistake the user can mend. The text names the file, the line where there is one, and the remedy."""


log = logging.getLogger("dlg-lc")


def parser(doc: str) -> argparse.ArgumentParser:
    """An ArgumentParser whose --help is the script's own docstring (what it does, reads, writes, an example)."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def run(main) -> None:
    """Call main() and leave with its exit status: 0, or 1 after one line on stderr for a RecipeError."""
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S"
    )
    try:
        main()
    except RecipeError as error:
        script = sys.argv[0].rsplit("/", 1)[-1]
        print(f"{script}: error: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:  # the reader (head, less) has left: not an error of ours
        sys.exit(1)


def progress(iterable, total: int, what: str, every: float = 30.0):
    """Iterate with a bar on a terminal, and with a plain line (done, rate, time left) each `every` seconds in a log.

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
