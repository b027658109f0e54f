"""Kaldi data directories and their tables: sorted UTF-8 text, one record per line, with the key first.

A line ends at a line feed, and nowhere else. Fields are separated by blanks and tabs. Other characters that look like a
blank or a line end (no-break space, U+0085, U+2028) may be in the path of a file, but in no key.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import RecipeError
from ..files import write_lines

BLANKS = " \t\r\v\f"  # that may stand around a record
GAP = re.compile("[ \t]+")
NOT_IN_KEYS = re.compile(r"[\s\x00-\x1f\x7f\ufeff]")


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


def read_lines(path: Path, missing: str) -> list[str]:
    """The lines of a text file, without their line feeds.

    Args:
        path: the file.
        missing: what to say if it does not exist.

    Raises:
        RecipeError: the file cannot be read, is not UTF-8, or has a zero byte in it.
    """
    try:
        if path.exists() and not path.is_file():  # reading a device or a pipe may never end
            raise RecipeError(f"{path}: a folder or a device, not a file: check the path")
        data = path.read_bytes()
        text = data.decode()
    except FileNotFoundError:
        raise RecipeError(f"{path}: {missing}") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RecipeError(f"{path}:{line}: not UTF-8 text: convert it, e.g. iconv -f LATIN1 -t UTF-8") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        reason = getattr(error, "strerror", None) or error
        raise RecipeError(f"{path}: cannot read it: {reason}: check the path and its permissions") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise RecipeError(f"{path}:{line}: a zero byte: not a text file, or damaged: make it again")
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def read_fields(path: Path, missing: str) -> list[list[str]]:
    """The lines of a text file as lists of fields.

    Raises:
        RecipeError: as read_lines; a field would have a character in it that no key of a table can have.
    """
    lines = read_lines(path, missing)
    for number, line in enumerate(lines, 1):
        if not line.isascii() or not line.isprintable():
            found = next((c for c in line.strip(BLANKS) if c not in " \t" and NOT_IN_KEYS.match(c)), None)
            if found:
                raise RecipeError(
                    f"{path}:{number}: U+{ord(found):04X} in {line[:200]!r}: take it out, or put a blank or tab there"
                )
    return [line.split() for line in lines]


def read_table(path: str | Path) -> dict[str, str]:
    """Read `key value` lines into an ordered dict. A value may contain blanks (wav.scp, spk2utt).

    Args:
        path: the table.

    Raises:
        RecipeError: the file is missing or empty, a line has no value, or a key is duplicated or out of order.
    """
    path = Path(path)
    table: dict[str, str] = {}
    previous = ""
    for number, line in enumerate(read_lines(path, "no such file: run the stage that writes it"), 1):
        key, value = (*GAP.split(line.strip(BLANKS), maxsplit=1), "", "")[:2]
        if not key or not value:
            raise RecipeError(f"{path}:{number}: expected 'key value', found {line[:200]!r}")
        if found := NOT_IN_KEYS.search(key):
            raise RecipeError(f"{path}:{number}: {key[:200]!r} cannot be a key: take U+{ord(found[0]):04X} out of it")
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
    for number, parts in enumerate(read_fields(path, "no such trial list: check the path"), 1):
        if len(parts) == 3 and parts[0] in ("0", "1") and parts[2] not in words:
            parts = [parts[1], parts[2], parts[0]]
        if len(parts) != 3 or parts[2] not in words:
            found = " ".join(parts)[:200]
            raise RecipeError(f"{path}:{number}: expected 'enrol test target|nontarget', found {found!r}")
        enrol.append(parts[0])
        test.append(parts[1])
        target.append(words[parts[2]])
    if not enrol:
        raise RecipeError(f"{path}: the trial list is empty")
    return enrol, test, target
