"""A folder of audio as it is: its files and their ids, and what its sub-folders and label files say."""

import hashlib
import os
import re
import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import RecipeError
from .decode import ENDINGS, AudioFile

SPECIAL = re.compile(r"[\s%\x00-\x1f\x7f-\x9f\ud800-\udfff]|--|^-|-$")  # what an id must not hold as it is
UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # what no line of a table can hold


@dataclass
class Found:
    """Audio files below a folder.

    Attributes:
        files: id to absolute path, sorted by id.
        strange: the same of files whose names no table can hold: a line end in it, or no UTF-8. See link_strange.
        closed: folders that cannot be opened.
        others: number of files that are left alone.
        endings: the commonest endings of those, for a message.
    """

    files: dict[str, str] = field(default_factory=dict)
    strange: dict[str, str] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)
    others: int = 0
    endings: str = ""

    def link_strange(self, folder: Path) -> None:
        """Add the files with strange names to the others, by links with names that a table can hold."""
        for utt, path in self.strange.items():
            folder.mkdir(parents=True, exist_ok=True)
            link = folder / (hashlib.sha256(utt.encode()).hexdigest()[:24] + os.path.splitext(path)[1].lower())
            link.unlink(missing_ok=True)
            link.symlink_to(path)
            self.files[utt] = str(link.absolute())
        self.files = dict(sorted(self.files.items()))

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
    """All files with an ending of audio, hidden ones left out, links followed."""
    found, other = Found(), Counter[str]()
    top = folder.resolve()
    seen: set[tuple[int, int]] = set()

    def note_closed(error: OSError) -> None:
        found.closed.append(str(error.filename))

    for directory, folders, names in os.walk(top, followlinks=True, onerror=note_closed):
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
            files = found.strange if UNSPEAKABLE.search(path) else found.files
            files[id_of(os.path.relpath(path, top))] = path
    found.files = dict(sorted(without_twins(found.files).items()))
    found.others = sum(other.values())
    found.endings = ", ".join(f".{ascii(ending)[1:-1]} {count}" for ending, count in other.most_common(5)) or "none"
    return found


def without_twins(files: dict[str, str]) -> dict[str, str]:
    """Files by id, without links to files that are among them anyway: nothing is trained on twice."""
    links = {utt: path for utt, path in files.items() if os.path.islink(path)}
    if not links:
        return files
    real = {os.path.realpath(path) for utt, path in files.items() if utt not in links}
    kept = {utt: path for utt, path in files.items() if utt not in links}
    for utt, path in links.items():
        target = os.path.realpath(path)
        if target not in real:
            real.add(target)
            kept[utt] = path
    return kept


def id_of(path: str) -> str:
    """The id of a path relative to the corpus: "a b/c.wav" is a%20b--c.wav. No other path has it."""

    def escape(letters: str) -> str:
        return "".join(f"%{byte:02X}" for byte in os.fsencode(letters))

    return "--".join(SPECIAL.sub(lambda found: escape(found[0]), part) for part in path.split(os.sep))


def session_of(utt: str) -> str:
    """The folder that a file lies in; the file itself where it lies right below the corpus."""
    folder, _, name = utt.rpartition("--")
    return folder or name


def speaker_of(utt: str, option: str = "--folders speaker") -> str:
    """The sub-folder right below the corpus.

    Raises:
        RecipeError: the file is in none.
    """
    speaker, mark, _ = utt.partition("--")
    if not mark:
        raise RecipeError(f"{utt}: {option}: this file is in no sub-folder: move it into that of its speaker")
    return speaker


def read_labels(path: Path, corpus_dir: Path, found: Found) -> dict[str, tuple[str, str]]:
    """Speaker and session of the files that a label file names.

    Args:
        path: `path speaker [session]` lines, tabs or blanks between; fields with blanks need tabs.

    Raises:
        RecipeError: a line of another form, a file that is not there, a label that stands twice.
    """
    labels: dict[str, tuple[str, str]] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot read these labels as UTF-8 text: {error}") from error
    composed = {unicodedata.normalize("NFC", utt): utt for utt in found.files}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        words = [word.strip() for word in (line.split("\t") if "\t" in line else line.split())]
        if len(words) not in (2, 3) or not all(words):
            raise RecipeError(
                f"{path}:{number}: expected 'path speaker [session]', with tabs between if a path has blanks, found "
                f"{line!r}"
            )
        utt = labelled_file(words[0], corpus_dir, composed)
        if utt is None:
            hint = "" if "\t" in line else " (a path with blanks needs tabs around it)"
            raise RecipeError(f"{path}:{number}: no audio file '{words[0]}' in {corpus_dir}: mend the path{hint}")
        if utt in labels:
            raise RecipeError(f"{path}:{number}: '{words[0]}' has a label further up already: keep one")
        labels[utt] = (id_of(words[1]), id_of(words[2]) if len(words) == 3 else utt)
    if not labels:
        raise RecipeError(f"{path}: no label in it: expected 'path speaker [session]' lines")
    return labels


def labelled_file(name: str, corpus_dir: Path, composed: dict[str, str]) -> str | None:
    """The id of the file that a label names by id, or by a path that is absolute or relative to the corpus.

    Letters with marks, and Hangul, have two spellings in Unicode; a Mac takes one for names and a keyboard gives the
    other.

    Args:
        composed: id of each file by its composed spelling (NFC).
    """
    ids = [name]
    for top in (corpus_dir.absolute(), corpus_dir.resolve()):
        ids.append(id_of(os.path.relpath(top / name, top)))
    return next((composed[utt] for utt in (unicodedata.normalize("NFC", utt) for utt in ids) if utt in composed), None)


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
    inside = {os.path.realpath(path): utt for utt, path in found.files.items()}
    labels = {}
    for utt, path in held.files.items():
        name = inside.get(os.path.realpath(path))
        if name is None:
            name = f"held-out--{utt}"
            if name in found.files:
                raise RecipeError(f"{path}: {found.files[name]} has the same id, '{name}': rename the folder held-out")
            found.files[name] = path
        session = session_of(utt)
        labels[name] = (speaker_of(utt, "--held-out"), session if "--" in session else utt)
    return labels
