"""Sets of utterances with speakers and sessions: read from Kaldi-style directories, written for training or trials."""

from pathlib import Path

from dlglc.console import log
from dlglc.data.tables import read_table, write_table, write_unlabelled
from dlglc.errors import RecipeError
from dlglc.files import write_lines
from session_trials import Speech, session_trials, some_of_each_session


def read_set(folder: Path, base: Path) -> Speech:
    """Read a Kaldi-style directory: wav.scp, utt2spk and, if they are there, utt2sess, sess2book, spk2gender.

    A directory that this recipe has written has its true speakers in utt2spk.truth.

    Args:
        folder: the directory.
        base: the folder that relative paths of wav.scp start from.

    Raises:
        RecipeError: a table is missing, or an utterance has no speaker or session.
    """
    wav = {utt: str((base / path).absolute()) for utt, path in read_table(folder / "wav.scp").items()}
    truth = "utt2spk.truth" if (folder / "utt2spk.truth").exists() else "utt2spk"
    tables = {"utt2sess": {}, "sess2book": {}, "spk2gender": {}, truth: read_table(folder / truth)}
    for name in tables:
        if (folder / name).exists():
            tables[name] = read_table(folder / name)
    for name in (truth, "utt2sess"):
        missing = sorted(wav.keys() - tables[name].keys()) if tables[name] else []
        if missing:
            raise RecipeError(f"{folder / name}: no line for '{missing[0]}' of wav.scp: add one")
    speakers, sessions = ({utt: table[utt] for utt in wav if table} for table in (tables[truth], tables["utt2sess"]))
    return Speech(wav, speakers, sessions, tables["sess2book"], tables["spk2gender"])


def write_training_set(out_dir: Path, speech: Speech) -> None:
    """Write a set for training, in which every utterance is its own speaker. True speakers are for reports only."""
    write_unlabelled(out_dir, speech.wav, speech.speakers)
    log.info("%s: %d utterances", out_dir, len(speech.wav))


def write_evaluation_set(out_dir: Path, speech: Speech) -> None:
    """Write the utterances that are tried, their sessions and books, and all trial lists (session_trials.py).

    Raises:
        RecipeError: no speaker has two sessions.
    """
    lists = session_trials(speech)
    if "trials" not in lists:
        raise RecipeError(f"{out_dir}: no trial across sessions can be made: no speaker of the set has two sessions")
    utts = some_of_each_session(speech.sessions)
    wav, speakers, sessions = ({utt: table[utt] for utt in utts} for table in speech[:3])
    write_unlabelled(out_dir, wav, speakers, utt2sess=sessions)
    books = {session: speech.books[session] for session in set(sessions.values()) if session in speech.books}
    if books:
        write_table(out_dir / "sess2book", books)
    for name, lines in lists.items():
        write_lines(out_dir / name, lines)
        log.info("%s: %d trials, %d of them target", out_dir / name, len(lines), sum(" target" in x for x in lines))
