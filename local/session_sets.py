#!/usr/bin/env python3
"""Data directories of small real corpora with sessions, for the tables of docs/adapt.md.

    librispeech    CORPUS_DIR/train and CORPUS_DIR/eval as they are. Trials: across chapters, across books.
    msc            speakers with three or more utterances on each of two or more days are for evaluation, all others for
                   training. Trials: across days.
    pansori        half of the speakers for training, the other half for evaluation, by the digest of their names. Each
                   speaker has one session. Trials: within the session.

All target trials and nontarget trials are those of local/session_trials.py, of all evaluation speakers.

Reads   CORPUS_DIR/{wav.scp, utt2spk, utt2sess}, or the two folders of librispeech with sess2book and spk2gender too
Writes  DATA_DIR/train, DATA_DIR/eval: data directories without labels, as stage 1 leaves them; true speakers in
        utt2spk.truth, for reports only
        DATA_DIR/eval/trials, and for librispeech DATA_DIR/eval/trials_books

Example
    local/session_sets.py msc /corpora/msc data/msc
    ./run.sh --corpus folder --data data/msc --stage 2 --from campplus
"""

from collections import Counter
from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.data.tables import write_unlabelled
from dlglc.files import write_lines
from session_trials import Speech, is_final, nontargets, some_of_each_session, targets
from speech_sets import read_set, write_training_set

KINDS = {"librispeech": ("across", "books"), "msc": ("across",), "pansori": ("within",)}  # of the trials


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("corpus", choices=list(KINDS))
    parser.add_argument("corpus_dir", type=Path)
    parser.add_argument("data_dir", type=Path)
    args = parser.parse_args()
    if args.corpus == "librispeech":
        training, evaluation = (read_set(args.corpus_dir / part, args.corpus_dir) for part in ("train", "eval"))
    else:
        speech = read_set(args.corpus_dir, args.corpus_dir)
        chosen = speakers_of_days(speech) if args.corpus == "msc" else set(filter(is_final, speech.speakers.values()))
        training, evaluation = some_speakers(speech, chosen, False), some_speakers(speech, chosen, True)
    write_training_set(args.data_dir / "train", training)
    write_trials(args.data_dir / "eval", evaluation, KINDS[args.corpus])


def speakers_of_days(speech: Speech) -> set[str]:
    """The speakers with three or more utterances in each of two or more sessions."""
    sizes = Counter((speech.speakers[utt], session) for utt, session in speech.sessions.items())
    sessions = Counter(speaker for (speaker, _), size in sizes.items() if size >= 3)
    return {speaker for speaker, count in sessions.items() if count >= 2}


def some_speakers(speech: Speech, chosen: set[str], inside: bool) -> Speech:
    """The utterances of the chosen speakers, or those of all others."""
    utts = [utt for utt, speaker in speech.speakers.items() if (speaker in chosen) == inside]
    return speech._replace(
        **{name: {u: getattr(speech, name)[u] for u in utts} for name in ("wav", "speakers", "sessions")}
    )


def write_trials(out_dir: Path, speech: Speech, kinds: tuple[str, ...]) -> None:
    """Write an evaluation set and its trial lists. The first list is `trials`."""
    utts: dict[str, list[str]] = {}
    for utt in some_of_each_session(speech.sessions):
        utts.setdefault(speech.speakers[utt], []).append(utt)
    used = sorted(utt for group in utts.values() for utt in group)
    write_unlabelled(out_dir, {u: speech.wav[u] for u in used}, {u: speech.speakers[u] for u in used})
    different = list(nontargets(utts, speech.genders))
    for kind in kinds:
        same = [line for group in utts.values() for line in targets(group, speech, kind)]
        path = out_dir / ("trials" if kind == kinds[0] else f"trials_{kind}")
        write_lines(path, sorted(same + different))
        log.info("%s: %d target and %d nontarget trials of %d speakers", path, len(same), len(different), len(utts))


if __name__ == "__main__":
    console.run(main)
