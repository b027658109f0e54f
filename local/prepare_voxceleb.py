#!/usr/bin/env python3
"""VoxCeleb: VoxCeleb2's development set to train on, without labels, and VoxCeleb1 to evaluate (Nagrani et al. 2017,
Chung et al. 2018).

    prepare_voxceleb.py corpus CORPUS_DIR            stage 0: unpack the archives if need be, get the trial lists
    prepare_voxceleb.py data CORPUS_DIR OUT_DIR      stage 1: data directories

The audio cannot be downloaded without registration: put it, or links to it, under CORPUS_DIR, which is only read. Any
layout will do in which a file's path ends in SPEAKER/VIDEO/NUMBER.EXTENSION (id00012/21Uxsk56VDQ/00001.m4a), as .wav,
.flac or .m4a (decoded in stage 1 by FFmpeg's libraries: pip install av); where an utterance is there more than once,
the first of these. Archives are unpacked into WORK_DIR: vox1_dev_wav.zip, vox1_test_wav.zip and vox2_dev_aac.zip
(vox2_aac.zip), or the parts they come in (vox2_dev_aac_partaa …), which need not be joined. VoxCeleb1 is told from
VoxCeleb2 by its speakers' numbers, VoxCeleb2's test set from its development set by a folder `test` in the path, or by
vox2_meta.csv.

Reads   CORPUS_DIR and WORK_DIR: audio, vox2_meta.csv and trial lists (veri_test2.txt …) where they are there.
Writes  WORK_DIR/audio/, WORK_DIR/trials/ (stage 0)
        OUT_DIR/train: wav.scp, utt2spk and spk2utt with speaker = utterance (nothing is known of who speaks), the real
        speakers in utt2spk.truth, for reporting only; OUT_DIR/eval likewise, the utterances of VoxCeleb1 that stand in
        a trial list, with the lists: trials is the first of --lists, Vox1-O cleaned, and the others are
        trials_vox1_{o,e_cleaned,e,h_cleaned,h}.

Counts and lists are held to the published ones. What is missing is reported and is an error; with --partial the run
goes on with what there is, and figures are then not comparable. Without VoxCeleb1's development set, ask for the lists
that do without it: --lists o_cleaned o.

Example
    local/prepare_voxceleb.py data /corpora/voxceleb data/voxceleb/local
"""

import importlib.util
import shutil
from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.data.audio import NO_AV
from dlglc.data.download import digest_of, fetch, unzip
from dlglc.data.tables import read_trials
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
    parser.add_argument("--partial", action="store_true", help="go on with an incomplete corpus and unknown lists")
    parser.add_argument("--url", action="append", help="where the trial lists are (default: the site and its mirror)")
    args = parser.parse_args()
    if not args.corpus_dir.is_dir():
        raise RecipeError(
            f"{args.corpus_dir}: no such folder: register at {SITE}, put VoxCeleb there, or give its place"
        )
    if args.part == "corpus":
        get_corpus(args)
    elif args.out_dir is None:
        raise RecipeError("data: OUT_DIR is missing: prepare_voxceleb.py data CORPUS_DIR OUT_DIR")
    else:
        make_data(args)


def get_corpus(args) -> None:
    """Unpack what is there as archives only, and get the trial lists."""
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
                "again; --partial takes the list as it is"
            )
    log.info("%s: %d trial lists", args.work / "trials", len(args.lists))


def make_data(args) -> None:
    """Stage 1: the training set, the evaluation set, and its trial lists."""
    audio = find_audio(args.corpus_dir, args.work)
    check_counts(audio, args)
    speech = audio["vox2_dev"]
    if not speech:
        raise RecipeError(f"{args.corpus_dir}: not one utterance of VoxCeleb2's development set to train on")
    if any(path.endswith(".m4a") for path in speech.values()) and not importlib.util.find_spec("av"):
        raise RecipeError(f"{args.corpus_dir}: {NO_AV}: pip install av; or convert the files to 16 kHz mono WAV")
    write_unlabelled(args.out_dir / "train", speech)
    voices = audio["vox1_dev"] | audio["vox1_test"]
    tried: set[str] = set()
    for name in args.lists:
        trials = read_list(args, name)
        there = [trial for trial in trials if trial[0] in voices and trial[1] in voices]
        if len(there) < len(trials):
            gone = next(utt for trial in trials for utt in trial[:2] if utt not in voices)
            report_or_fail(
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
        raise RecipeError(f"{args.corpus_dir}: not one trial whose two sides are there: is VoxCeleb1 complete?")
    write_unlabelled(args.out_dir / "eval", {utt: voices[utt] for utt in tried})


def check_counts(audio: dict[str, dict[str, str]], args) -> None:
    """Report what is there of each set, and stop if it is not what was published."""
    needed = ["vox2_dev", "vox1_test"] + ["vox1_dev"] * any(name[0] in "eh" for name in args.lists)
    faults = []
    for name in needed:
        utts, expected = len(audio[name]), COUNTS[name]
        speakers = len({utt[:7] for utt in audio[name]})
        log.info("%s: %d of %d speakers, %d of %d utterances", name, speakers, expected[0], utts, expected[1])
        if (speakers, utts) != expected:
            more = utts > expected[1] or speakers > expected[0]
            hint = (
                "; is its test set among it? Put vox2_meta.csv into CORPUS_DIR" if more and name == "vox2_dev" else ""
            )
            faults.append(f"{name} has {speakers} speakers and {utts} utterances, published are {expected}{hint}")
    if faults:
        report_or_fail(args, f"{args.corpus_dir}: {'; '.join(faults)}. The audio is to be had at {SITE}")


def report_or_fail(args, fault: str) -> None:
    """What is missing stops the run, unless --partial says to go on."""
    if not args.partial:
        raise RecipeError(f"{fault}; --partial goes on with what there is")
    log.info("--partial: %s: figures are not comparable to published ones", fault)


def read_list(args, name: str) -> list[tuple[str, str, bool]]:
    """A published trial list with ids as they are here: id10270/x6uYqmx31kE/00001.wav is id10270-x6uYqmx31kE-00001."""
    file, expected, _ = LISTS[name]
    path = args.work / "trials" / file
    if not path.exists():
        raise RecipeError(f"{path}: no such trial list: run stage 0, prepare_voxceleb.py corpus {args.corpus_dir}")
    enrol, test, same = read_trials(path)
    if len(enrol) != expected:
        report_or_fail(args, f"{path}: {len(enrol)} trials, published are {expected}")
    return list(zip(map(utt_id, enrol), map(utt_id, test), same))


def utt_id(path: str) -> str:
    """Of a path as in the trial lists."""
    return path.rsplit(".", 1)[0].replace("/", "-")


def write_unlabelled(out_dir: Path, wav: dict[str, str]) -> None:
    """A data directory in which every utterance is its own speaker, line by line: there are a million."""
    utts = sorted(wav)
    write_lines(out_dir / "wav.scp", (f"{utt} {wav[utt]}" for utt in utts))
    for table in ("utt2spk", "spk2utt"):
        write_lines(out_dir / table, (f"{utt} {utt}" for utt in utts))
    write_lines(out_dir / "utt2spk.truth", (f"{utt} {utt[:7]}" for utt in utts))
    log.info("%s: %d utterances", out_dir, len(utts))


if __name__ == "__main__":
    console.run(main)
