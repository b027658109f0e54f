"""Whether clusters are sessions or speakers, counted by hand."""

import pytest

from dlglc.data.tables import write_table
from dlglc.reports.session_signs import known_sessions, pairs, session_agreement, sessions_of, speaker_pairs

SPEAKERS = ["a"] * 4 + ["b"] * 4
SESSIONS = ["a1", "a1", "a2", "a2", "b1", "b1", "b2", "b2"]


def test_pairs():
    assert pairs("aaabbc") == 3 + 1
    assert pairs([]) == 0


def test_clusters_that_are_speakers_hold_sessions_together():
    assert speaker_pairs(SPEAKERS, SESSIONS, SPEAKERS) == (1.0, 1.0, 8)
    assert session_agreement(SPEAKERS, SESSIONS) == (0.5, 1.0, 4)


def test_clusters_that_are_sessions_hold_no_pair_of_two_sessions():
    assert speaker_pairs(SESSIONS, SESSIONS, SPEAKERS) == (1.0, 0.0, 8)
    assert session_agreement(SESSIONS, SESSIONS) == (1.0, 1.0, 4)


def test_clusters_in_between():
    clusters = ["1", "1", "1", "2", "3", "4", "5", "5"]
    # Within sessions: a1 yes, a2 no, b1 no, b2 yes. Across: of four pairs of a, two are in cluster 1; of b none.
    assert speaker_pairs(clusters, SESSIONS, SPEAKERS) == (0.5, 0.25, 8)
    assert session_agreement(clusters, SESSIONS) == pytest.approx((7 / 8, 6 / 8, 4))


def test_one_session_for_each_speaker_says_nothing():
    assert speaker_pairs(SPEAKERS, SPEAKERS, SPEAKERS) is None


def test_sessions_are_known_unless_each_utterance_has_its_own(tmp_path):
    ids = [f"u{number}" for number in range(8)]
    assert known_sessions(tmp_path, ids) is None
    write_table(tmp_path / "utt2reco", {utt: utt for utt in ids})
    assert known_sessions(tmp_path, ids) is None
    write_table(tmp_path / "utt2sess", dict(zip(ids, SESSIONS)))
    assert known_sessions(tmp_path, ids) == SESSIONS


def test_sessions_are_better_known_than_recordings(tmp_path):
    assert sessions_of(tmp_path, ["u0"]) is None
    write_table(tmp_path / "utt2reco", {"u0": "r0", "u7": "r7"})
    assert sessions_of(tmp_path, ["u0", "u7", "new"]) == ["r0", "r7", "new"]
    write_table(tmp_path / "utt2sess", {"u0": "monday"})
    assert sessions_of(tmp_path, ["u0", "u7"]) == ["monday", "u7"]
