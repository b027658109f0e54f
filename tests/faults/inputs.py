"""Mutated inputs for every reader. Each is read as the same, or as what a slow reader also makes of it, or refused."""

import json
import os
import shutil
import signal
import traceback
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from dlglc.errors import RecipeError
from faults.forks import run
from faults.judging import Silent
from faults.mutations import mutations
from faults.readers import READERS

LIMIT = 10  # seconds for one input
MEMORY = 2 << 30  # bytes that a reader of such small files may ask for
GOOD = ("handled", "refused")
CLASSES = (*GOOD, "silent", "traceback", "hang", "memory", "crash")


class Hang(BaseException):
    """A reader did not come back."""


def _stop(*_: object) -> None:
    raise Hang


def judge(name: str, path: Path, data: bytes) -> tuple[str, str]:
    """The class of what a reader does with some bytes, and a word on it."""
    reader = READERS[name]
    path.write_bytes(data)
    signal.signal(signal.SIGALRM, _stop)
    signal.alarm(LIMIT)
    try:
        reader.read(path, data)
        return "handled", ""
    except Hang:
        return "hang", ""
    except Silent as error:
        return "silent", str(error)
    except RecipeError as error:
        return ("refused", "") if len(str(error)) > 20 else ("silent", f"a message that says nothing: {error}")
    except MemoryError:
        return "memory", ""
    except reader.reasons as error:
        return ("refused", "") if str(error) else ("traceback", repr(error))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return "traceback", f"{type(error).__name__}: {str(error)[:150]} ({Path(where.filename).name}:{where.lineno})"
    finally:
        signal.alarm(0)


def mutated(name: str, count: int, folder: Path, number: int = 0) -> tuple[Counter[str], list[str]]:
    """Counts by class of `count` mutated inputs for a reader, and its failures in words.

    Args:
        folder: an empty one.
        number: of the random draws.
    """
    results = folder / "results.jsonl"

    def go() -> None:
        os.chdir(folder)
        (folder / "files").mkdir()
        path = READERS[name].make(folder / "files")
        original = path.read_bytes()
        kept = {file: file.read_bytes() for file in (folder / "files").rglob("*") if file.is_file()}
        with open(results, "a") as out:

            @seed(number)
            @settings(
                max_examples=count,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(mutations(original))
            def one(data: bytes) -> None:
                for file, content in kept.items():
                    if file != path and (not file.exists() or file.stat().st_size != len(content)):
                        file.parent.mkdir(parents=True, exist_ok=True)
                        file.write_bytes(content)
                out.write(json.dumps(["begun", data[:200].hex()]) + "\n")
                out.flush()
                out.write(json.dumps([*judge(name, path, data), data[:200].hex()]) + "\n")

            one()

    ended = run(go, folder, memory=MEMORY, patience=60 + count)
    lines = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    counts = Counter(line[0] for line in lines if line[0] != "begun")
    failures = [f"{name}: {line[0]}: {line[1]}: {line[2][:80]}" for line in lines if line[0] not in (*GOOD, "begun")]
    if ended.status or (lines and lines[-1][0] == "begun"):
        counts["crash"] += 1
        failures.append(f"{name}: ended with {ended.status}: {ended.text[-500:]} {lines[-1:]}")
    shutil.rmtree(folder / "files", ignore_errors=True)
    return counts, failures
