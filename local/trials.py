"""A fixed recipe for trial lists: a function of the ids and the seed alone, in any language that knows SHA-256."""

import hashlib
from itertools import combinations


def draw_trials(
    utt2spk: dict[str, str], spk2gender: dict[str, str], per_speaker: int, seed: int, cross_gender: bool = True
) -> list[str]:
    """Draw target, same-gender and, if asked for, cross-gender nontarget trials, equally many of each per speaker.

    All pairs of utterances are ordered by the SHA-256 of "SEED ENROL TEST" (ENROL < TEST). For each speaker, in
    order, the first `per_speaker` pairs within the speaker become targets, and of the pairs that the speaker enrols
    the first `per_speaker` with a speaker of the same gender and as many of the other become nontargets. Where there
    are fewer pairs, all are taken. The list is sorted by enrol and test id.

    Returns:
        `enrol test target|nontarget` lines.
    """
    groups: dict[tuple[str, str], list[tuple[bytes, str, str]]] = {}
    for enrol, test in combinations(sorted(utt2spk), 2):
        a, b = utt2spk[enrol], utt2spk[test]
        kind = "target" if a == b else "same" if spk2gender[a] == spk2gender[b] else "cross"
        digest = hashlib.sha256(f"{seed} {enrol} {test}".encode()).digest()
        # Every speaker enrols: of two speakers, the digest says whose utterance stands first.
        if kind != "target" and digest[0] % 2:
            enrol, test, a = test, enrol, b
        groups.setdefault((a, kind), []).append((digest, enrol, test))
    lines = []
    for (_, kind), pairs in groups.items():
        if kind == "cross" and not cross_gender:
            continue
        word = "target" if kind == "target" else "nontarget"
        lines += [f"{enrol} {test} {word}" for _, enrol, test in sorted(pairs)[:per_speaker]]
    return sorted(lines)
