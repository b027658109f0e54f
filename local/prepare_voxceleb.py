#!/usr/bin/env python3
"""VoxCeleb: the development set of VoxCeleb2 for training without labels, VoxCeleb1 for evaluation (Nagrani et al.
2017, Chung et al. 2018).

    prepare_voxceleb.py corpus CORPUS_DIR            stage 0: unpack the archives if necessary, get the trial lists
    prepare_voxceleb.py data CORPUS_DIR OUT_DIR      stage 1: data directories

The audio needs a registration, so this script cannot download it. Put the audio, or links to it, under CORPUS_DIR.
CORPUS_DIR is only read.

Audio files can be in any folders if their paths end in SPEAKER/VIDEO/NUMBER.EXTENSION, for example
id00012/21Uxsk56VDQ/00001.m4a. The extension is .wav, .flac or .m4a. Stage 1 decodes .m4a with the libraries of FFmpeg
(pip install av). If an utterance is there more than once, .wav is preferred to .flac, and .flac to .m4a.

Archives are unpacked into WORK_DIR: vox1_dev_wav.zip, vox1_test_wav.zip and vox2_dev_aac.zip (vox2_aac.zip), or their
parts (vox2_dev_aac_partaa …), which need not be joined.

The numbers of the speakers tell VoxCeleb1 from VoxCeleb2. A folder `test` in the path, or vox2_meta.csv, tells the test
set of VoxCeleb2 from its development set.

Reads   CORPUS_DIR and WORK_DIR: audio; if they are there, vox2_meta.csv and trial lists (veri_test2.txt …).
Writes  stage 0: WORK_DIR/audio/, WORK_DIR/trials/
        stage 1: OUT_DIR/{train,eval}: wav.scp, utt2spk and spk2utt, in which every utterance is its own speaker,
        because training has no labels; utt2spk.truth with the true speakers, for reports only; and utt2sess. eval has
        the utterances of VoxCeleb1 that are in a trial list.
        OUT_DIR/eval/trials, the first list of --lists (Vox1-O cleaned by default), and
        OUT_DIR/eval/trials_vox1_{o,e_cleaned,e,h_cleaned,h}

The numbers of speakers and utterances, and the lists, must be the published ones. Otherwise there is an error, which
says what is missing. With --partial the script only warns; the results can then not be compared with published ones.
Without the development set of VoxCeleb1, use the lists that do not need it: --lists o_cleaned o.

Example
    local/prepare_voxceleb.py data /corpora/voxceleb data/voxceleb/local
"""

import argparse
import importlib.util
import shutil
from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.data.download import digest_of, fetch, unzip
from dlglc.data.tables import read_trials, write_unlabelled
from dlglc.errors import RecipeError
from dlglc.files import write_lines
from voxceleb import COUNTS, LISTS, MIRRORS, SITE, find_archive, find_audio, find_file


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("part", choices=["corpus", "data"])
    parser.add_argument("corpus_dir", type=Path)
    parser.add_argument("out_dir", type=Path, nargs="?")
    parser.add_argument(
        "--work", metavar="WORK_DIR", type=Path, default=Path("data/voxceleb/corpus"), help="(default: %(default)s)"
    )
    parser.add_argument("--lists", nargs="+", choices=LISTS, default=list(LISTS), help="trial lists (default: all)")
    parser.add_argument("--partial", action="store_true", help="accept an incomplete corpus and unknown lists")
    parser.add_argument("--url", action="append", help="where the trial lists are (default: the site and its mirror)")
    args = parser.parse_args()
    if not args.corpus_dir.is_dir():
        raise RecipeError(
            f"{args.corpus_dir}: no such folder: register at {SITE} and put VoxCeleb there, or give its folder"
        )
    if args.part == "corpus":
        get_corpus(args)
    elif args.out_dir is None:
        raise RecipeError("data: OUT_DIR is missing: prepare_voxceleb.py data CORPUS_DIR OUT_DIR")
    else:
        make_data(args)


def get_corpus(args: argparse.Namespace) -> None:
    """Stage 0: unpack the sets that are there as archives only, and get the trial lists."""
    audio = find_audio(args.corpus_dir, args.work)
    for name, (_, expected) in COUNTS.items():
        if len(audio[name]) < expected and (parts := find_archive(args.corpus_dir, name, args.partial)):
            unzip(parts, args.work / "audio" / name)
            audio = find_audio(args.corpus_dir, args.work)
    check_counts(audio, args)
    for name in args.lists:
        file, _, digest = LISTS[name]
        target = args.work / "trials" / file
        here = find_file(args.corpus_dir, file)
        if here and here != target and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(here, target)
        fetch([f"{url}/{file}" for url in args.url or MIRRORS], target, None if args.partial else digest)
        if not args.partial and digest_of(target, digest) != digest:
            raise RecipeError(
                f"{target}: its MD5 is not the published {digest}: remove it{f' and {here}' if here else ''} and run "
                "again; --partial accepts the list"
            )
    log.info("%s: %d trial lists", args.work / "trials", len(args.lists))


def make_data(args: argparse.Namespace) -> None:
    """Stage 1: write the training set, the evaluation set, and its trial lists."""
    audio = find_audio(args.corpus_dir, args.work)
    check_counts(audio, args)
    speech = audio["vox2_dev"]
    if not speech:
        raise RecipeError(f"{args.corpus_dir}: no utterance of VoxCeleb2's development set: training needs it")
    if any(path.endswith(".m4a") for path in speech.values()) and not importlib.util.find_spec("av"):
        raise RecipeError(
            f"{args.corpus_dir}: m4a needs the Python package av (FFmpeg's libraries): pip install av; or convert the "
            "files to 16 kHz mono WAV"
        )
    write_set(args.out_dir / "train", speech)
    voices = audio["vox1_dev"] | audio["vox1_test"]
    tried: set[str] = set()
    for name in args.lists:
        trials = read_list(args, name)
        there = [trial for trial in trials if trial[0] in voices and trial[1] in voices]
        if len(there) < len(trials):
            gone = next(utt for trial in trials for utt in trial[:2] if utt not in voices)
            fail_unless_partial(
                args,
                f"{LISTS[name][0]}: {len(trials) - len(there)} of {len(trials)} trials without audio, e.g. {gone}: "
                "complete VoxCeleb1, or leave the list out with --lists",
            )
        path = args.out_dir / "eval" / ("trials" if name == args.lists[0] else f"trials_vox1_{name}")
        if there:
            write_lines(path, (f"{a} {b} {'target' if same else 'nontarget'}" for a, b, same in there))
            log.info("%s: %d trials of %s", path, len(there), LISTS[name][0])
        tried.update(utt for trial in there for utt in trial[:2])
    if not tried:
        raise RecipeError(f"{args.corpus_dir}: no trial has both its utterances there: is VoxCeleb1 complete?")
    write_set(args.out_dir / "eval", {utt: voices[utt] for utt in tried})


def check_counts(audio: dict[str, dict[str, str]], args: argparse.Namespace) -> None:
    """Report the numbers of speakers and utterances of each set. They must be the published ones."""
    needed = ["vox2_dev", "vox1_test"] + ["vox1_dev"] * any(name[0] in "eh" for name in args.lists)
    faults = []
    for name in needed:
        utts, expected = len(audio[name]), COUNTS[name]
        speakers = len({utt[:7] for utt in audio[name]})
        log.info("%s: %d of %d speakers, %d of %d utterances", name, speakers, expected[0], utts, expected[1])
        if (speakers, utts) != expected:
            more = utts > expected[1] or speakers > expected[0]
            hint = (
                "; is the test set among them? Put vox2_meta.csv into CORPUS_DIR" if more and name == "vox2_dev" else ""
            )
            faults.append(f"{name} has {speakers} speakers and {utts} utterances, published are {expected}{hint}")
    if faults:
        fail_unless_partial(args, f"{args.corpus_dir}: {'; '.join(faults)}. Get the audio at {SITE}")


def fail_unless_partial(args: argparse.Namespace, fault: str) -> None:
    """Stop because of an incomplete corpus. With --partial, only warn.

    Raises:
        RecipeError: there is no --partial.
    """
    if not args.partial:
        raise RecipeError(f"{fault}; --partial accepts an incomplete corpus")
    log.info("--partial: %s: the results cannot be compared with published ones", fault)


def read_list(args: argparse.Namespace, name: str) -> list[tuple[str, str, bool]]:
    """Read a published trial list: enrolment id, test id, and whether the trial is a target trial."""
    file, expected, _ = LISTS[name]
    path = args.work / "trials" / file
    if not path.exists():
        raise RecipeError(f"{path}: no such trial list: run stage 0, prepare_voxceleb.py corpus {args.corpus_dir}")
    enrol, test, same = read_trials(path)
    if len(enrol) != expected:
        fail_unless_partial(args, f"{path}: {len(enrol)} trials, published are {expected}")
    return list(zip(map(utt_id, enrol), map(utt_id, test), same))


def utt_id(path: str) -> str:
    """The id of a path in a trial list: id10270-x6uYqmx31kE-00001 for id10270/x6uYqmx31kE/00001.wav."""
    return path.rsplit(".", 1)[0].replace("/", "-")


def write_set(out_dir: Path, wav: dict[str, str]) -> None:
    """Write a data directory without labels. The true speaker is the beginning of an utterance's id.

    A video is a session.
    """
    sessions = {utt: utt.rpartition("-")[0] for utt in wav}
    write_unlabelled(out_dir, wav, {utt: utt[:7] for utt in wav}, utt2sess=sessions)
    log.info("%s: %d utterances", out_dir, len(wav))


if __name__ == "__main__":
    console.run(main)
