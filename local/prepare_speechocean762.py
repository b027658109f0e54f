#!/usr/bin/env python3
"""speechocean762 (OpenSLR 101): 250 native Mandarin speakers reading English, half of them children, 16 kHz.

    prepare_speechocean762.py corpus CORPUS_DIR            stage 0: download (521 MB, resumable, checked) and unpack
    prepare_speechocean762.py data CORPUS_DIR OUT_DIR      stage 1: data directories

Reads   CORPUS_DIR: the official archive unpacked (train/, test/, WAVE/), or a copy of it with train/ and eval/.
Writes  OUT_DIR/{train,eval}: wav.scp, utt2spk and spk2utt with speaker = utterance (nothing is known of who
        speaks), the real speakers in utt2spk.truth, for reporting only; OUT_DIR/eval/trials.

The official halves are speaker-disjoint; train is for training, the other for evaluation. The trial list is a fixed
recipe (local/trials.py): for each evaluation speaker 100 target trials and 100 nontarget trials with speakers of the
same sex: telling a man from a woman is not speaker verification.

Example
    local/prepare_speechocean762.py data /corpora/speechocean762 data/speechocean762/local
"""

from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.data.download import fetch, unpack
from dlglc.data.tables import read_table, write_data_dir
from dlglc.errors import RecipeError
from dlglc.files import write_text
from trials import draw_trials

MIRRORS = ("www.openslr.org", "openslr.trmal.net", "openslr.magicdatatech.com")
URLS = [f"https://{host}/resources/101/speechocean762.tar.gz" for host in MIRRORS]
SIZE = 520_810_923  # bytes, as Kaldi's egs/gop_speechocean762 checks; OpenSLR publishes no digest
TRIALS_PER_SPEAKER = 100
TRIAL_SEED = 762


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("part", choices=["corpus", "data"])
    parser.add_argument("corpus_dir", type=Path)
    parser.add_argument("out_dir", type=Path, nargs="?")
    parser.add_argument("--url", action="append", help="mirror to download from (default: OpenSLR's own)")
    parser.add_argument("--sha256", help="checksum of the archive, where you know it: a different one is an error")
    args = parser.parse_args()
    if args.part == "corpus":
        if not has_half(args.corpus_dir, "train"):
            archive = fetch(
                args.url or URLS,
                args.corpus_dir.parent / "speechocean762.tar.gz",
                args.sha256,
                None if args.url else SIZE,
            )
            unpack(archive, args.corpus_dir, strip=1)
        log.info("%s: corpus is there", args.corpus_dir)
        return
    if args.out_dir is None:
        raise RecipeError("data: OUT_DIR is missing: prepare_speechocean762.py data CORPUS_DIR OUT_DIR")
    for name, halves in (("train", ("train",)), ("eval", ("eval", "test"))):
        half = next((h for h in halves if has_half(args.corpus_dir, h)), None)
        if half is None:
            raise RecipeError(
                f"{args.corpus_dir}: no {' or '.join(halves)}/wav.scp: this is not speechocean762; run stage 0, "
                "or give the folder that holds train/ with --corpus-dir"
            )
        prepare(args.corpus_dir, half, args.out_dir / name, with_trials=name == "eval")


def has_half(corpus_dir: Path, half: str) -> bool:
    """True if this half of the corpus is there."""
    return (corpus_dir / half / "wav.scp").exists()


def prepare(corpus_dir: Path, half: str, out_dir: Path, with_trials: bool) -> None:
    """One half as an unlabelled data directory."""
    wav = {utt: str((corpus_dir / path).resolve()) for utt, path in read_table(corpus_dir / half / "wav.scp").items()}
    truth = read_table(corpus_dir / half / "utt2spk")
    missing = sorted(wav.keys() - truth.keys())
    if missing:
        raise RecipeError(f"{corpus_dir}/{half}/utt2spk: no speaker for '{missing[0]}' of wav.scp")
    truth = {utt: truth[utt] for utt in wav}
    tables = {"utt2spk.truth": truth}
    write_data_dir(out_dir, wav, {utt: utt for utt in wav}, **tables)
    log.info("%s: %d utterances", out_dir, len(wav))
    if with_trials:
        sex = read_table(corpus_dir / half / "spk2gender")
        lines = draw_trials(truth, sex, TRIALS_PER_SPEAKER, TRIAL_SEED, cross_gender=False)
        write_text(out_dir / "trials", "\n".join(lines) + "\n")
        log.info("%s/trials: %d trials", out_dir, len(lines))


if __name__ == "__main__":
    console.run(main)
