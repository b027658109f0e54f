#!/usr/bin/env python3
"""speechocean762 (OpenSLR 101): 250 native speakers of Mandarin read English, half of them children; 16 kHz.

    prepare_speechocean762.py corpus CORPUS_DIR            stage 0: download (521 MB) and unpack
    prepare_speechocean762.py data CORPUS_DIR OUT_DIR      stage 1: data directories

Reads   CORPUS_DIR: the unpacked official archive (train/, test/, WAVE/), or a copy of it with train/ and eval/.
Writes  OUT_DIR/{train,eval}: wav.scp, utt2spk and spk2utt, in which every utterance is its own speaker, because
        training has no labels; utt2spk.truth with the true speakers, for reports only; and utt2sess.
        OUT_DIR/eval/trials

The two official halves have different speakers. One is for training, the other for evaluation. For each evaluation
speaker there are 100 target trials, and 100 nontarget trials with speakers of the same gender (local/trials.py).
Trials of different genders are too easy for a test of speaker verification.

Example
    local/prepare_speechocean762.py data /corpora/speechocean762 data/speechocean762/local
"""

from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.data.download import fetch, is_interrupted, unpack
from dlglc.data.tables import read_table, write_unlabelled
from dlglc.errors import RecipeError
from dlglc.files import write_lines
from openslr import urls
from trials import draw_trials

ARCHIVE = "101/speechocean762.tar.gz"  # at OpenSLR, which publishes no digest
SIZE = 520_810_923  # bytes; Kaldi's egs/gop_speechocean762 checks this
HALVES = {"train": ("train",), "eval": ("eval", "test")}  # set → names that its half can have
TRIALS_PER_SPEAKER = 100
TRIAL_SEED = 762


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("part", choices=["corpus", "data"])
    parser.add_argument("corpus_dir", type=Path)
    parser.add_argument("out_dir", type=Path, nargs="?")
    parser.add_argument("--url", action="append", help="mirror to download from (default: OpenSLR and its mirrors)")
    parser.add_argument("--sha256", help="checksum that the archive must have (default: not checked)")
    args = parser.parse_args()
    if args.part == "corpus":
        get_corpus(args.corpus_dir, args.url, args.sha256)
    elif args.out_dir is None:
        raise RecipeError("data: OUT_DIR is missing: prepare_speechocean762.py data CORPUS_DIR OUT_DIR")
    else:
        for name in HALVES:
            half = find_half(args.corpus_dir, name)
            prepare(args.corpus_dir, half, args.out_dir / name, with_trials=name == "eval")


def get_corpus(corpus_dir: Path, mirrors: list[str] | None, sha256: str | None) -> None:
    """Stage 0: download and unpack the archive, unless the corpus is there.

    Args:
        mirrors: where to download from; None = OpenSLR and its mirrors.
        sha256: checksum of the archive; None = unknown.
    """
    if is_interrupted(corpus_dir) or not has_half(corpus_dir, "train"):
        archive = corpus_dir.parent / "speechocean762.tar.gz"
        fetch(mirrors or urls(ARCHIVE), archive, sha256, None if mirrors else SIZE)
        unpack(archive, corpus_dir, strip=1)
    log.info("%s: corpus is there", corpus_dir)


def find_half(corpus_dir: Path, name: str) -> str:
    """The folder of the training set or of the evaluation set.

    Raises:
        RecipeError: the folder is missing.
    """
    half = next((half for half in HALVES[name] if has_half(corpus_dir, half)), None)
    if half is None:
        raise RecipeError(
            f"{corpus_dir}: no {' or '.join(HALVES[name])}/wav.scp: this is not speechocean762; run stage 0, "
            "or give the folder that has train/ with --corpus-dir"
        )
    return half


def has_half(corpus_dir: Path, half: str) -> bool:
    """True if this half of the corpus is there."""
    return (corpus_dir / half / "wav.scp").exists()


def prepare(corpus_dir: Path, half: str, out_dir: Path, with_trials: bool) -> None:
    """Stage 1: one half of the corpus as a data directory without labels, and its trials."""
    wav = {utt: str((corpus_dir / path).resolve()) for utt, path in read_table(corpus_dir / half / "wav.scp").items()}
    truth = read_table(corpus_dir / half / "utt2spk")
    missing = sorted(wav.keys() - truth.keys())
    if missing:
        raise RecipeError(f"{corpus_dir}/{half}/utt2spk: no speaker for '{missing[0]}' of wav.scp: add a line for it")
    truth = {utt: truth[utt] for utt in wav}
    write_unlabelled(out_dir, wav, truth, utt2sess=truth)  # each speaker was recorded in one session
    log.info("%s: %d utterances", out_dir, len(wav))
    if with_trials:
        genders = read_table(corpus_dir / half / "spk2gender")
        lines = draw_trials(truth, genders, TRIALS_PER_SPEAKER, TRIAL_SEED, cross_gender=False)
        write_lines(out_dir / "trials", lines)
        log.info("%s/trials: %d trials", out_dir, len(lines))


if __name__ == "__main__":
    console.run(main)
