"""A folder of audio as it is: its files and their ids, and what its sub-folders and label files say."""

import os
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ..console import log
from ..errors import RecipeError
from .decode import ENDINGS, AudioFile

SPECIAL = re.compile(r"[\s%\x00-\x1f\x7f]|--")  # what an id must not hold as it is
TABLE = re.compile(r"\||:\d+$")  # path endings that a table takes for a command or a place in an ark


@dataclass
class Found:
    """Audio files below a folder.

    Attributes:
        files: id to absolute path, sorted by id.
        others: number of files that are left alone.
        endings: the commonest endings of those, for a message.
    """

    files: dict[str, str] = field(default_factory=dict)
    others: int = 0
    endings: str = ""

    def split_channels(self, wav: dict[str, str]) -> tuple[dict[str, str], dict[str, int]]:
        """Ids of single channels: id-ch1, id-ch2, … of files with several, the id itself of the others.

        Returns:
            the file's id of each new id, and the channel (from 0) where there are several.
        """
        with ThreadPoolExecutor(8) as pool:
            counts = dict(zip(wav, pool.map(count_channels, wav.values())))
        origin: dict[str, str] = {}
        channels: dict[str, int] = {}
        for utt, count in counts.items():
            names = [utt] if count < 2 else [f"{utt}-ch{channel + 1}" for channel in range(count)]
            origin |= dict.fromkeys(names, utt)
            channels |= {name: channel for channel, name in enumerate(names) if count > 1}
        return origin, channels


def count_channels(path: str) -> int:
    """Channels of a file; 1 where it cannot be read, which packing then says."""
    try:
        with AudioFile(path) as file:
            return file.format.channels
    except (ValueError, OSError):
        return 1


def find_audio(folder: Path) -> Found:
    """All files with an ending of audio, hidden ones left out, links followed.

    Raises:
        RecipeError: file names that no table can hold.
    """
    found, other = Found(), Counter[str]()
    top = folder.resolve()
    seen: set[tuple[int, int]] = set()
    strange = []
    for directory, folders, names in os.walk(top, followlinks=True):
        status = os.stat(directory)
        if (status.st_dev, status.st_ino) in seen:  # a link that leads back up
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            ending = os.path.splitext(name)[1].lower().lstrip(".")
            if name.startswith("."):
                continue
            if ending not in ENDINGS:
                other[ending or "none"] += 1
                continue
            path = os.path.join(directory, name)
            if not path.isprintable() or TABLE.search(path) or not is_text(path):
                strange.append(path)
                continue
            found.files[id_of(os.path.relpath(path, top))] = path
    if strange:
        log.info(
            "%d files have names that no table can hold and are left out, e.g. %r: rename them",
            len(strange),
            strange[0],
        )
    found.files = dict(sorted(found.files.items()))
    found.others = sum(other.values())
    found.endings = ", ".join(f".{ending} {count}" for ending, count in other.most_common(5)) or "none"
    return found


def is_text(path: str) -> bool:
    """True if a name is valid UTF-8."""
    try:
        path.encode()
        return True
    except UnicodeEncodeError:
        return False


def id_of(path: str) -> str:
    """The id of a path relative to the corpus: "a b/c.wav" is a%20b--c.wav."""
    parts = path.split(os.sep)
    return "--".join(SPECIAL.sub(lambda m: "".join(f"%{byte:02X}" for byte in m[0].encode()), part) for part in parts)


def session_of(utt: str) -> str:
    """The folder that a file lies in; the file itself where it lies right below the corpus."""
    folder, _, name = utt.rpartition("--")
    return folder or name


def speaker_of(utt: str) -> str:
    """The sub-folder right below the corpus.

    Raises:
        RecipeError: the file is in none.
    """
    speaker, mark, _ = utt.partition("--")
    if not mark:
        raise RecipeError(f"{utt}: --folders speaker: this file is in no sub-folder: move it, or use another meaning")
    return speaker


def read_labels(path: Path, corpus_dir: Path, found: Found) -> dict[str, tuple[str, str]]:
    """Speaker and session of the files that a label file names.

    Args:
        path: `path speaker [session]` lines, tabs or blanks between; a path with blanks needs tabs.

    Raises:
        RecipeError: a line of another form, a file that is not there, a label that stands twice.
    """
    labels: dict[str, tuple[str, str]] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise RecipeError(f"{path}: cannot read these labels: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        words = [word.strip() for word in (line.split("\t") if "\t" in line else line.split())]
        if len(words) not in (2, 3) or any(re.search(r"\s", word) for word in words[1:]):
            raise RecipeError(f"{path}:{number}: expected 'path speaker [session]', found {line!r}")
        name = words[0] if os.path.isabs(words[0]) else str(corpus_dir.resolve() / words[0])
        utt = next(
            (u for u in (words[0], id_of(os.path.relpath(name, corpus_dir.resolve()))) if u in found.files), None
        )
        if utt is None:
            raise RecipeError(f"{path}:{number}: no audio file '{words[0]}' in {corpus_dir}: mend the path")
        if utt in labels:
            raise RecipeError(f"{path}:{number}: '{words[0]}' has a label further up already: keep one")
        labels[utt] = (words[1], words[2] if len(words) == 3 else utt)
    if not labels:
        raise RecipeError(f"{path}: no label in it: expected 'path speaker [session]' lines")
    return labels


def evaluation_of(folder: Path, found: Found) -> dict[str, tuple[str, str]]:
    """Speaker and session of the files of a held-out folder, one sub-folder per person; its files join `found`.

    A folder below a person's is a session.

    Raises:
        RecipeError: no such folder, or no audio in it.
    """
    if not folder.is_dir():
        raise RecipeError(f"{folder}: no such folder: --held-out takes one with a sub-folder for each person")
    held = find_audio(folder)
    if not held.files:
        raise RecipeError(f"{folder}: no audio in it: --held-out takes a folder with a sub-folder for each person")
    inside = {path: utt for utt, path in found.files.items()}
    labels = {}
    for utt, path in held.files.items():
        name = inside.get(path, f"held-out--{utt}")
        found.files[name] = path
        session = session_of(utt)
        labels[name] = (speaker_of(utt), session if "--" in session else utt)
    return labels
