"""VoxCeleb as it was published (numbers, archives, trial lists), and its files on the disk."""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dlglc.console import log, progress
from dlglc.data.download import digest_of
from dlglc.errors import RecipeError

# Speakers and utterances. Nagrani et al. (Interspeech 2017; the split for verification), Chung et al. (2018).
COUNTS = {"vox2_dev": (5994, 1_092_009), "vox1_dev": (1211, 148_642), "vox1_test": (40, 4_874)}
# Names of the archives, and MD5 of each part and ("") of the whole. The site gives them to registered users. Public
# recipes have them too (voxceleb_trainer of clovaai, PaddleSpeech).
ARCHIVES = {
    "vox2_dev": (
        ("vox2_dev_aac", "vox2_aac"),
        {
            "aa": "da070494c573e5c0564b1d11c3b20577",
            "ab": "17fe6dab2b32b48abaf1676429cdd06f",
            "ac": "1de58e086c5edf63625af1cb6d831528",
            "ad": "5a043eb03e15c5a918ee6a52aad477f9",
            "ae": "cea401b624983e2d0b2a87fb5d59aa60",
            "af": "fc886d9ba90ab88e7880ee98effd6ae9",
            "ag": "d160ecc3f6ee3eed54d55349531cb42e",
            "ah": "6b84a81b9af72a9d9eecbb3b1f602e65",
            "": "bbc063c46078a602ca71605645c2a402",
        },
    ),
    "vox1_dev": (
        ("vox1_dev_wav",),
        {
            "aa": "e395d020928bc15670b570a21695ed96",
            "ab": "bbfaaccefab65d82b21903e81a8a8020",
            "ac": "017d579a2a96a077f40042ec33e51512",
            "ad": "7bb1e9f70fddc7a678fa998ea8b3ba19",
            "": "ae63e55b951748cc486645f532ba230b",
        },
    ),
    "vox1_test": (("vox1_test_wav",), {"": "185fdc63c3c739954633d50379a3d102"}),
}
# Name of the list → file on the site, number of trials (from the site), MD5 (from the recipe of PaddleSpeech).
LISTS = {
    "o_cleaned": ("veri_test2.txt", 37_611, "b73110731c9223c1461fe49cb48dddfc"),
    "o": ("veri_test.txt", 37_720, "29fc7cc1c5d59f0816dc15d6e8be60f7"),
    "e_cleaned": ("list_test_all2.txt", 579_818, "a53e059deb562ffcfc092bf5d90d9f3a"),
    "e": ("list_test_all.txt", 581_480, "b9ecf7aa49d4b656aa927a8092844e4a"),
    "h_cleaned": ("list_test_hard2.txt", 550_894, "857790e09d579a68eb2e339a090343c8"),
    "h": ("list_test_hard.txt", 552_536, "21c341b6b2168eea2634df0fb4b8fff1"),
}
MIRRORS = ["https://www.robots.ox.ac.uk/~vgg/data/voxceleb/meta", "https://mm.kaist.ac.kr/datasets/voxceleb/meta"]
SITE = "https://mm.kaist.ac.kr/datasets/voxceleb"  # the registration for the audio is there
SPEAKER = re.compile(r"id\d{5}")
FORMATS = (".wav", ".flac", ".m4a")
DEPTH = 6  # most folders between CORPUS_DIR and the speakers


def find_audio(corpus_dir: Path, work: Path) -> dict[str, dict[str, str]]:
    """Find the utterances under both folders.

    Returns:
        For each set (vox2_dev, vox1_dev, vox1_test, vox2_test) the path of each utterance id.

    Raises:
        RecipeError: a folder cannot be read.
    """
    sets: dict[str, dict[str, str]] = {name: {} for name in (*COUNTS, "vox2_test")}
    tests = vox2_test_speakers(corpus_dir)
    try:
        folders = [
            (folder, str(root))
            for root in {corpus_dir.absolute(), work.absolute()}
            if root.is_dir()
            for folder in speaker_folders(str(root), DEPTH)
        ]
        with ThreadPoolExecutor(32) as pool:  # a shared file system answers many requests as fast as one
            found = pool.map(lambda job: utterances(job[0]), folders)
            for (folder, root), paths in progress(zip(folders, found), len(folders), "speakers"):
                name = set_of(os.path.basename(folder), folder[len(root) :].lower().split("/"), tests)
                for utt, path in paths:
                    if is_better(path, sets[name].get(utt)):
                        sets[name][utt] = path
    except OSError as error:
        raise RecipeError(f"{error.filename}: {error.strerror}: correct its permissions, or remove it") from error
    if sets["vox2_test"]:
        log.info("VoxCeleb2's test set (%d utterances) is left out", len(sets["vox2_test"]))
    return sets


def speaker_folders(top: str, depth: int) -> list[str]:
    """All folders idNNNNN under `top`, sorted. depth is the number of further levels to search."""
    with os.scandir(top) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir())
    folders = [f"{top}/{name}" for name in names if SPEAKER.fullmatch(name)]
    if not folders and depth:
        for name in names:
            folders += speaker_folders(f"{top}/{name}", depth - 1)
    return folders


def utterances(folder: str) -> list[tuple[str, str]]:
    """Id and path of each audio file in the folder of a speaker."""
    speaker, found = os.path.basename(folder), []
    with os.scandir(folder) as entries:
        videos = [entry.name for entry in entries if entry.is_dir()]
    for video in videos:
        with os.scandir(f"{folder}/{video}") as entries:
            for entry in entries:
                stem, ending = os.path.splitext(entry.name)
                if ending in FORMATS:
                    found.append((f"{speaker}-{video}-{stem}", f"{folder}/{video}/{entry.name}"))
    return found


def is_better(path: str, than: str | None) -> bool:
    """True if a path is preferred to another path of the same utterance (None = there is no other)."""
    return than is None or rank(path) < rank(than)


def rank(path: str) -> tuple[int, str]:
    """Sorting key of the paths of one utterance: the best format first."""
    return FORMATS.index(os.path.splitext(path)[1]), path


def set_of(speaker: str, folders: list[str], vox2_tests: set[str]) -> str:
    """The set of a speaker.

    The speakers of VoxCeleb1 have the numbers 10001 to 11251. Its test set has 10270 to 10309.

    Args:
        speaker: idNNNNN.
        folders: the folders above the speaker, in small letters.
        vox2_tests: speakers of VoxCeleb2's test set.
    """
    number = int(speaker[2:])
    if number > 10000:
        return "vox1_test" if 10270 <= number <= 10309 else "vox1_dev"
    return "vox2_test" if speaker in vox2_tests or "test" in folders else "vox2_dev"


def vox2_test_speakers(corpus_dir: Path) -> set[str]:
    """Speakers of VoxCeleb2's test set from vox2_meta.csv (`id, VGGFace2 id, gender, set`). Empty without the file."""
    meta = find_file(corpus_dir, "vox2_meta.csv")
    rows = (
        (line.replace("\t", ",").split(",") for line in meta.read_text(encoding="utf-8-sig").splitlines())
        if meta
        else ()
    )
    return {row[0].strip() for row in rows if row[-1].strip() == "test"}


def find_file(corpus_dir: Path, pattern: str) -> Path | None:
    """The first file whose name matches the pattern, in CORPUS_DIR or at most two folders deeper."""
    return next(
        (p for glob in (pattern, f"*/{pattern}", f"*/*/{pattern}") for p in sorted(corpus_dir.glob(glob))), None
    )


def find_archive(corpus_dir: Path, name: str, partial: bool) -> list[Path]:
    """The zip archive of a set, or all of its parts in order; empty if there is none.

    Raises:
        RecipeError: a checksum is wrong, or a part is missing. With `partial`, neither is checked.
    """
    stems, digests = ARCHIVES[name]
    for stem in stems:
        whole = find_file(corpus_dir, f"{stem}.zip")
        parts = [whole] if whole else []
        if not whole and (first := find_file(corpus_dir, f"{stem}_partaa")):
            parts = sorted(first.parent.glob(f"{stem}_parta?"))
        for path in parts:
            expected = digests.get("" if whole else path.name[-2:])
            log.info("%s: computing its checksum", path)
            if not partial and digest_of(path, expected) != expected:
                raise RecipeError(
                    f"{path}: its MD5 is not the published {expected}: download it again; if your source splits the "
                    "archive in another way, unpack it yourself, or pass --partial (then only the zip's own checksums "
                    "are checked)"
                )
        there = {part.name[-2:] for part in parts}
        missing = [] if whole else [ending for ending in digests if ending and ending not in there]
        if parts and missing and not partial:
            raise RecipeError(
                f"{parts[0].parent}: {stem}_part{missing[0]} is missing: all parts are needed, download it"
            )
        if parts:
            return parts
    return []
