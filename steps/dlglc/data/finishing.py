"""Tables of a data directory for the utterances that packing made. An utterance has the values of its recording."""

import shutil
from pathlib import Path

from ..console import log
from ..errors import RecipeError
from ..files import write_lines
from .tables import read_table, speaker_utterances, write_table

OF_RECORDINGS = ("utt2spk.truth", "utt2sess")  # tables in which an utterance has the value of its recording
OF_FEATURES = ("feats.scp", "utt2num_frames")  # tables that a later stage makes
SOMETIMES = {  # lists that are made only if sessions are known
    *("trials_within", "trials_across", "trials_books"),
    *("trials_final", "trials_final_within", "trials_final_books"),
}


def finish_tables(local_dir: Path, out_dir: Path) -> None:
    """Write utt2spk, spk2utt and OF_RECORDINGS, and copy sess2book.

    Raises:
        RecipeError: a recording has no speaker.
    """
    reco = read_table(out_dir / "utt2reco")
    speakers = read_table(local_dir / "utt2spk")
    missing = next((name for name in reco.values() if name not in speakers), None)
    if missing is not None:
        raise RecipeError(f"{local_dir / 'utt2spk'}: no speaker of '{missing}': add a line for this recording")
    utt2spk = {utt: utt if speakers[name] == name else speakers[name] for utt, name in reco.items()}
    write_table(out_dir / "utt2spk", utt2spk)
    write_table(out_dir / "spk2utt", speaker_utterances(utt2spk))
    cut = any(utt != name for utt, name in reco.items())
    for table in OF_RECORDINGS:
        source, target = local_dir / table, out_dir / table
        target.unlink(missing_ok=True)
        if source.exists():
            values = read_table(source)
            write_table(target, {utt: values[name] for utt, name in reco.items() if name in values})
        elif table == "utt2sess" and cut:  # the utterances of a recording are a session
            write_table(target, reco)
    (out_dir / "sess2book").unlink(missing_ok=True)
    if (local_dir / "sess2book").exists():
        shutil.copy(local_dir / "sess2book", out_dir / "sess2book")
    for table in OF_FEATURES:  # of another set of utterances: the next stage makes them
        if (out_dir / table).exists() and list(read_table(out_dir / table)) != list(reco):
            (out_dir / table).unlink()


def finish_trials(local_dir: Path, out_dir: Path) -> None:
    """Copy the trial lists, without the trials of utterances that cannot be used.

    A list that has only target trials or only nontarget trials is left out, because it has no error rate. Other lists
    in OUT_DIR are kept.
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
    """If recordings were cut, write the same utterances as segments of the original files, in Kaldi's form."""
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
