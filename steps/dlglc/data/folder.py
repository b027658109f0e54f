"""A folder of audio files: ids of the files, meanings of sub-folders, label files."""

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
from .tables import BLANKS, GAP, NOT_IN_KEYS, read_lines

SPECIAL = re.compile(r"[\s%\x00-\x1f\x7f-\x9f\ud800-\udfff]|--|^-|-$")  # must be escaped in an id
UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # cannot be in a line of a table

LINKS = "links"  # name of the folder for links to files with strange names


@dataclass
class Found:
    """Audio files below a folder.

    Attributes:
        files: id → absolute path, sorted by id.
        strange: id → absolute path of files whose names cannot be in a table: they have a line end, or are not UTF-8.
        closed: folders that cannot be opened.
        others: number of files without an ending of audio.
        endings: the most frequent endings of these files, for a message.
    """

    files: dict[str, str] = field(default_factory=dict)
    strange: dict[str, str] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)
    others: int = 0
    endings: str = ""

    def link_strange(self, folder: Path) -> None:
        """Add the strange files to `files`, as links in `folder` whose names can be in a table."""
        for utt, path in self.strange.items():
            folder.mkdir(parents=True, exist_ok=True)
            link = folder / (hashlib.sha256(utt.encode()).hexdigest()[:24] + os.path.splitext(path)[1].lower())
            link.unlink(missing_ok=True)
            link.symlink_to(path)
            self.files[utt] = str(link.absolute())
        self.files = dict(sorted(self.files.items()))

    def split_channels(self, wav: dict[str, str]) -> tuple[dict[str, str], dict[str, int]]:
        """Make an id for each channel: id-ch1, id-ch2, … for files with several channels, else the id itself.

        Args:
            wav: id → path.

        Returns:
            New id → id of the file; and new id → channel (from 0), for files with several channels.
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
    """Number of channels of a file; 1 if the file cannot be read. Packing reports such files."""
    try:
        with AudioFile(path) as file:
            return file.format.channels
    except (ValueError, OSError):
        return 1


def find_audio(folder: Path) -> Found:
    """Find all files with an ending of audio. Links are followed, and hidden files are left out."""
    found, other = Found(), Counter[str]()
    top = folder.resolve()
    seen: set[tuple[int, int]] = set()

    def note_closed(error: OSError) -> None:
        found.closed.append(str(error.filename))

    for directory, folders, names in os.walk(top, followlinks=True, onerror=note_closed):
        status = os.stat(directory)
        if (status.st_dev, status.st_ino) in seen:  # a link to a folder above
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
    """Remove links to files that are there anyway, so that no file is used twice."""
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
    """The id of a path relative to the corpus: a%20b--c.wav for "a b/c.wav". Different paths have different ids."""

    def escape(letters: str) -> str:
        return "".join(f"%{byte:02X}" for byte in os.fsencode(letters))

    return "--".join(SPECIAL.sub(lambda found: escape(found[0]), part) for part in path.split(os.sep))


def shown_path(path: str) -> str:
    r"""A path to print. A link of Found.link_strange is replaced by its target; control characters are escaped."""
    if os.path.basename(os.path.dirname(path)) == LINKS and os.path.islink(path):
        path = os.readlink(path)
    return UNSPEAKABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), path)


def session_of(utt: str) -> str:
    """The session of a file: its folder, or the file itself if it is directly in the corpus folder."""
    folder, _, name = utt.rpartition("--")
    return folder or name


def speaker_of(utt: str, option: str = "--folders speaker") -> str:
    """The speaker of a file: the sub-folder of the corpus folder that has the file.

    Args:
        utt: id of the file.
        option: the option that needs speakers, for the message.

    Raises:
        RecipeError: the file is not in a sub-folder.
    """
    speaker, mark, _ = utt.partition("--")
    if not mark:
        raise RecipeError(f"{utt}: {option}: this file is in no sub-folder: move it into the sub-folder of its speaker")
    return speaker


def read_labels(path: Path, corpus_dir: Path, found: Found) -> dict[str, tuple[str, str]]:
    """Read a label file.

    Args:
        path: `path speaker [session]` lines. Fields are separated by blanks, or by tabs if a field has blanks.
        corpus_dir: the corpus.
        found: its files.

    Returns:
        Id → speaker and session.

    Raises:
        RecipeError: a line has another form, a file does not exist, or a file has two labels.
    """
    labels: dict[str, tuple[str, str]] = {}
    lines = read_lines(path, "no such label list: check --labels")
    composed = {unicodedata.normalize("NFC", utt): utt for utt in found.files}
    for number, line in enumerate(lines, 1):
        if number == 1:
            line = line.removeprefix("\ufeff")  # which some editors put in front of a text
        if not line.strip(BLANKS) or line.startswith("#"):
            continue
        fields = line.split("\t") if "\t" in line else GAP.split(line.strip(BLANKS))
        words = [word.strip(BLANKS) for word in fields]
        if len(words) not in (2, 3) or not all(words):
            raise RecipeError(
                f"{path}:{number}: expected 'path speaker [session]', with tabs between if a path has blanks, found "
                f"{line!r}"
            )
        if strange := next((c for word in words[1:] for c in word if c != " " and NOT_IN_KEYS.match(c)), ""):
            raise RecipeError(f"{path}:{number}: U+{ord(strange):04X} in {line[:200]!r}: take it out")
        utt = labelled_file(words[0], corpus_dir, composed)
        if utt is None:
            hint = "" if "\t" in line else " (a path with blanks needs tabs around it)"
            raise RecipeError(f"{path}:{number}: no audio file '{words[0]}' in {corpus_dir}: correct the path{hint}")
        if utt in labels:
            raise RecipeError(f"{path}:{number}: '{words[0]}' has a label on an earlier line: keep one of the two")
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
    """Speaker and session of the files of a held-out folder. Files that are not in `found` are added to it.

    Args:
        folder: has one sub-folder per speaker. A folder in the folder of a speaker is a session.
        found: files of the corpus.

    Returns:
        Id → speaker and session.

    Raises:
        RecipeError: the folder does not exist, or has no audio files.
    """
    if not folder.is_dir():
        raise RecipeError(f"{folder}: no such folder: --held-out needs a folder with a sub-folder for each speaker")
    held = find_audio(folder)
    if not held.files:
        raise RecipeError(f"{folder}: no audio in it: --held-out needs a folder with a sub-folder for each speaker")
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
