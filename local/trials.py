"""Trial lists that depend on the ids and the seed only. Any program with SHA-256 can make the same list."""

import hashlib
from itertools import combinations


def draw_trials(
    utt2spk: dict[str, str], spk2gender: dict[str, str], per_speaker: int, seed: int, cross_gender: bool = True
) -> list[str]:
    """Draw target trials, nontarget trials of the same gender and, if asked for, of different genders.

    All pairs of utterances are ordered by the SHA-256 of "SEED ENROL TEST" (ENROL < TEST). For each speaker, there are
    three lists of pairs: of two utterances of the speaker (target), and those that the speaker enrols, with a test
    speaker of the same gender or of another gender (nontarget). The first `per_speaker` pairs of each list become
    trials. A list with fewer pairs is used completely.

    Args:
        utt2spk: speaker of each utterance.
        spk2gender: gender of each speaker.
        per_speaker: trials of each kind and speaker.
        seed: of the order.
        cross_gender: with trials of different genders.

    Returns:
        `enrol test target|nontarget` lines, sorted.
    """
    groups: dict[tuple[str, str], list[tuple[bytes, str, str]]] = {}
    for enrol, test in combinations(sorted(utt2spk), 2):
        a, b = utt2spk[enrol], utt2spk[test]
        kind = "target" if a == b else "same" if spk2gender[a] == spk2gender[b] else "cross"
        digest = hashlib.sha256(f"{seed} {enrol} {test}".encode()).digest()
        # The digest decides which of two speakers enrols, so that every speaker enrols.
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
