"""Trials of speakers who come back in other sessions. They depend on the ids only, so everybody makes the same lists.

The order of everything is that of SHA-256 digests, as in trials.py.
"""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import combinations, combinations_with_replacement
from typing import NamedTuple

SEED = 12  # LibriSpeech's number at OpenSLR
TARGETS = 100  # most target trials of a speaker in a list
NONTARGETS = 40  # most nontarget trials of a pair of speakers
PER_SESSION = 10  # utterances of a session that are tried
KINDS = {"across": "", "within": "_within", "books": "_books"}  # kind of the target trials → end of the list's name


class Speech(NamedTuple):
    """A set of utterances and what is known of them.

    Attributes:
        wav: audio file of each utterance.
        speakers: true speaker of each utterance.
        sessions: session of each utterance; empty = unknown.
        books: book of each session. The sessions of a book have often one microphone and room. Empty = unknown.
        genders: of each speaker; empty = unknown.
    """

    wav: dict[str, str]
    speakers: dict[str, str]
    sessions: dict[str, str]
    books: dict[str, str]
    genders: dict[str, str]


def digest(*words: str) -> bytes:
    """SHA-256 of the seed and the words, with blanks between them."""
    return hashlib.sha256(" ".join((str(SEED), *words)).encode()).digest()


def is_final(speaker: str) -> bool:
    """True for the half of the speakers that is kept for the end: the first byte of their digest is odd."""
    return digest(speaker)[0] % 2 == 1


def some_of_each_session(sessions: dict[str, str]) -> list[str]:
    """The utterances that are tried: the first PER_SESSION of each session, in the order of their digests."""
    members: dict[str, list[str]] = {}
    for utt in sorted(sessions, key=digest):
        members.setdefault(sessions[utt], []).append(utt)
    return sorted(utt for utts in members.values() for utt in utts[:PER_SESSION])


def session_trials(speech: Speech) -> dict[str, list[str]]:
    """All trial lists of a set whose sessions are known.

    The target trials of `trials` are across sessions, those of `trials_within` within a session, and those of
    `trials_books` across books. All lists have the same nontarget trials: pairs of speakers of the same gender. The
    speakers of `trials_final`, `trials_final_within` and `trials_final_books` are in no other list.

    Returns:
        `enrol test target|nontarget` lines of each list, sorted. A list without target trials is left out.
    """
    lists = {}
    for half in (False, True):
        utts: dict[str, list[str]] = {}
        for utt in some_of_each_session(speech.sessions):
            if is_final(speech.speakers[utt]) == half:
                utts.setdefault(speech.speakers[utt], []).append(utt)
        different = list(nontargets(utts, speech.genders))
        for kind, end in KINDS.items():
            same = [line for group in utts.values() for line in targets(group, speech, kind)]
            if same and different:
                lists[f"trials{'_final' * half}{end}"] = sorted(same + different)
    return lists


def targets(utts: list[str], speech: Speech, kind: str) -> list[str]:
    """Target trials of one speaker. Pairs of sessions take turns, so that none has many more trials than another.

    Args:
        utts: of the speaker.
        speech: the whole set.
        kind: a key of KINDS.
    """
    members: dict[str, list[str]] = {}
    for utt in utts:
        members.setdefault(speech.sessions[utt], []).append(utt)
    ranked = []
    for a, b in combinations_with_replacement(sorted(members), 2):
        if kind_matches(kind, a, b, speech.books):
            pairs = combinations(members[a], 2) if a == b else ((x, y) for x in members[a] for y in members[b])
            ranked += list(enumerate(by_digest(pairs)))
    ranked.sort(key=lambda item: (item[0], digest(*item[1])))
    return [f"{x} {y} target" for _, (x, y) in ranked[:TARGETS]]


def kind_matches(kind: str, a: str, b: str, books: dict[str, str]) -> bool:
    """True if a pair of sessions (a session with itself, too) belongs to a kind of target trials."""
    if kind == "within":
        return a == b
    if kind == "across":
        return a != b
    return a in books and b in books and books[a] != books[b]


def nontargets(utts: dict[str, list[str]], genders: dict[str, str]) -> Iterator[str]:
    """Nontarget trials: the same number for every pair of speakers of the same gender."""
    for a, b in combinations(sorted(utts), 2):
        if genders.get(a) == genders.get(b):
            pairs = by_digest((x, y) for x in utts[a] for y in utts[b])
            yield from (f"{x} {y} nontarget" for x, y in pairs[:NONTARGETS])


def by_digest(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pairs in the order of their digests. The digest also decides which of the two enrols."""
    keyed = sorted((digest(x, y), x, y) for x, y in pairs)
    return [(y, x) if key[0] % 2 else (x, y) for key, x, y in keyed]
