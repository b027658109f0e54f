"""Kaldi data directories and their tables: sorted UTF-8 text, one record per line, with the key first."""

import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import RecipeError
from ..files import write_lines


def place_of(table: Path, row: int, key: str) -> str:
    """The place of a record for a message, as file:line.

    For a part of a split table, this is the place in the whole table.

    Args:
        table: the table, e.g. data/x/split4utt/2/wav.scp, which is a part of data/x/wav.scp.
        row: row of the record in this table, from 0.
        key: key of the record.
    """
    pieces = re.fullmatch(r"split\d+(utt)?", table.parent.parent.name)
    whole = table.parents[2] / table.name if pieces else table
    if pieces and whole.exists():
        with open(whole, encoding="utf-8", errors="replace") as file:
            row = next((number for number, line in enumerate(file) if line.split(None, 1)[:1] == [key]), row)
        return f"{whole}:{row + 1}"
    return f"{table}:{row + 1}"


def read_table(path: str | Path) -> dict[str, str]:
    """Read `key value` lines into an ordered dict. A value may contain blanks (wav.scp, spk2utt).

    Args:
        path: the table.

    Raises:
        RecipeError: the file is missing or empty, a line has no value, or a key is duplicated or out of order.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such file: run the stage that writes it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot read it as UTF-8 text: {error}") from error
    table: dict[str, str] = {}
    previous = ""
    for number, line in enumerate(text.splitlines(), 1):
        key, value = (*line.split(None, 1), "", "")[:2]  # blanks or tabs, as published data directories have either
        value = value.strip()
        if not key or not value:
            raise RecipeError(f"{path}:{number}: expected 'key value', found {line!r}")
        if key <= previous:
            what = "stands twice" if key == previous else f"comes after '{previous}': the file is not sorted"
            raise RecipeError(f"{path}:{number}: '{key}' {what}; run utils/fix_data_dir.sh {path.parent}")
        table[key] = value
        previous = key
    if not table:
        raise RecipeError(f"{path}: the file is empty")
    return table


def write_table(path: str | Path, table: Mapping[str, object]) -> None:
    """Write a table sorted by key (by code point, as the C locale sorts). The file is complete or not there at all.

    Raises:
        RecipeError: a key is empty or has blanks in it, which no reader of the table could tell from the value.
    """
    blank = next((key for key in table if re.search(r"\s", key) or not key), None)
    if blank is not None:
        raise RecipeError(f"{path}: '{blank}' cannot be the key of a table: give it a name without blanks")
    write_lines(path, (f"{key} {table[key]}" for key in sorted(table)))


def write_data_dir(
    path: str | Path, wav: Mapping[str, object], utt2spk: Mapping[str, str], **tables: Mapping[str, object]
) -> None:
    """Write wav.scp, utt2spk, spk2utt, and further tables (utt2dur={…}) of a data directory."""
    path = Path(path)
    write_table(path / "wav.scp", wav)
    write_table(path / "utt2spk", utt2spk)
    write_table(path / "spk2utt", speaker_utterances(utt2spk))
    for name, table in tables.items():
        write_table(path / name, table)


def speaker_utterances(utt2spk: Mapping[str, str]) -> dict[str, str]:
    """The contents of spk2utt: speaker → utterances, sorted and separated by blanks."""
    groups: dict[str, list[str]] = {}
    for utt in sorted(utt2spk):
        groups.setdefault(utt2spk[utt], []).append(utt)
    return {speaker: " ".join(utts) for speaker, utts in groups.items()}


def write_unlabelled(
    path: str | Path, wav: Mapping[str, object], truth: Mapping[str, str], **tables: Mapping[str, object]
) -> None:
    """Write a data directory in which every utterance is its own speaker.

    Args:
        path: the data directory.
        wav: audio file of each utterance.
        truth: true speaker of each utterance. It goes to utt2spk.truth, which is for reports only.
        tables: further tables, e.g. utt2dur={…}.
    """
    own = {utt: utt for utt in wav}
    for name, table in {"wav.scp": wav, "utt2spk": own, "spk2utt": own, "utt2spk.truth": truth, **tables}.items():
        write_table(Path(path) / name, table)


def read_trials(path: str | Path) -> tuple[list[str], list[str], list[bool]]:
    """Read `enrol test target|nontarget` lines (also `1|0 enrol test`, VoxCeleb's form).

    Returns:
        Enrolment ids, test ids, and whether each trial is a target trial; all in the order of the file.

    Raises:
        RecipeError: the file is missing or empty, or a line has another form; by file and line.
    """
    path = Path(path)
    words = {"target": True, "nontarget": False, "1": True, "0": False}
    enrol, test, target = [], [], []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such trial list: check the path") from None
    for number, line in enumerate(lines, 1):
        parts = line.split()
        if len(parts) == 3 and parts[0] in ("0", "1") and parts[2] not in words:
            parts = [parts[1], parts[2], parts[0]]
        if len(parts) != 3 or parts[2] not in words:
            raise RecipeError(f"{path}:{number}: expected 'enrol test target|nontarget', found {line!r}")
        enrol.append(parts[0])
        test.append(parts[1])
        target.append(words[parts[2]])
    if not enrol:
        raise RecipeError(f"{path}: the trial list is empty")
    return enrol, test, target
