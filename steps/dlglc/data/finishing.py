"""Tables of a data directory for the utterances that packing left; cut ones inherit what is known of the recording."""

import shutil
from pathlib import Path

from ..console import log
from ..errors import RecipeError
from ..files import write_lines
from .tables import read_table, write_table

OF_RECORDINGS = ("utt2spk.truth", "utt2sess")  # tables whose value an utterance takes from its recording
SOMETIMES = {"trials_within", "trials_across"}  # lists that are made where sessions are known


def finish_tables(local_dir: Path, out_dir: Path) -> None:
    """Write utt2spk, spk2utt and what else is known of the recordings.

    Raises:
        RecipeError: a recording without a speaker.
    """
    reco = read_table(out_dir / "utt2reco")
    speakers = read_table(local_dir / "utt2spk")
    missing = next((name for name in reco.values() if name not in speakers), None)
    if missing is not None:
        raise RecipeError(f"{local_dir / 'utt2spk'}: no speaker of '{missing}': give every recording one, its own id")
    utt2spk = {utt: utt if speakers[name] == name else speakers[name] for utt, name in reco.items()}
    write_table(out_dir / "utt2spk", utt2spk)
    write_table(out_dir / "spk2utt", grouped(utt2spk))
    cut = any(utt != name for utt, name in reco.items())
    for table in OF_RECORDINGS:
        source, target = local_dir / table, out_dir / table
        target.unlink(missing_ok=True)
        if source.exists():
            values = read_table(source)
            write_table(target, {utt: values[name] for utt, name in reco.items() if name in values})
        elif table == "utt2sess" and cut:  # a recording that was cut is the session of its utterances
            write_table(target, reco)


def finish_trials(local_dir: Path, out_dir: Path) -> None:
    """Copy the trial lists, without trials of utterances that cannot be used.

    A list without a target trial, or without a nontarget trial, has no error rate: it is left out. Lists that somebody
    has put into OUT_DIR stay there.
    """
    there = read_table(out_dir / "wav.scp")
    sources = {path.name: path for path in sorted(local_dir.glob("trials*"))}
    for name in SOMETIMES - sources.keys():
        (out_dir / name).unlink(missing_ok=True)
    for name, path in sources.items():
        lines = path.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if sum(word in there for word in line.split()) == 2]
        if len(kept) < len(lines):
            log.info("%s: %d of %d trials are left", out_dir / name, len(kept), len(lines))
        kinds = {word for line in kept for word in line.split() if word in ("target", "nontarget")}
        if kept and len(kinds) != 1:
            write_lines(out_dir / name, kept)
        else:
            (out_dir / name).unlink(missing_ok=True)
            log.info("%s: left out: an error rate needs target and nontarget trials", out_dir / name)


def write_original(local_dir: Path, out_dir: Path) -> None:
    """Where recordings were cut: the same utterances as segments of the original files, in Kaldi's form."""
    folder = out_dir / "original"
    shutil.rmtree(folder, ignore_errors=True)
    if not (out_dir / "utt2segment").stat().st_size:
        return
    segments = read_table(out_dir / "utt2segment")
    where = read_table(local_dir / "wav.scp")
    used = sorted({line.split()[0] for line in segments.values()})
    write_table(folder / "wav.scp", {name: where[name] for name in used})
    write_table(folder / "segments", segments)
    write_table(folder / "utt2spk", {utt: utt for utt in segments})
    write_table(folder / "spk2utt", {utt: utt for utt in segments})


def grouped(utt2spk: dict[str, str]) -> dict[str, str]:
    """spk2utt of utt2spk."""
    groups: dict[str, list[str]] = {}
    for utt in sorted(utt2spk):
        groups.setdefault(utt2spk[utt], []).append(utt)
    return {speaker: " ".join(utts) for speaker, utts in groups.items()}
