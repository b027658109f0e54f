"""Signs that clusters are sessions (rooms, microphones, recordings) and not speakers."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ..data.tables import read_table


class Agreement(NamedTuple):
    """How clusters and sessions fit, as shares of the utterances.

    Attributes:
        pure: utterances of the most frequent session of their cluster.
        whole: utterances in the most frequent cluster of their session.
        sessions: number of sessions.
    """

    pure: float
    whole: float
    sessions: int


class Pairs(NamedTuple):
    """Pairs of utterances of one speaker, and the share of them that are in one cluster.

    Attributes:
        same: share of the pairs of one session that are in one cluster.
        across: share of the pairs of two sessions that are in one cluster.
        number: of pairs of two sessions.
    """

    same: float
    across: float
    number: int


def sessions_of(data_dir: Path, ids: list[str]) -> list[str] | None:
    """The session of each utterance, or its recording if sessions are not known; None if both are not known."""
    for name in ("utt2sess", "utt2reco"):
        if (data_dir / name).exists():
            table = read_table(data_dir / name)
            return [table.get(utt, utt) for utt in ids]
    return None


def known_sessions(data_dir: Path, ids: list[str]) -> list[str] | None:
    """The session of each utterance. None if sessions are not known, or if nearly each utterance has its own."""
    sessions = sessions_of(data_dir, ids)
    return sessions if sessions and len(set(sessions)) <= len(ids) / 2 else None


def session_agreement(clusters: list[str], sessions: list[str]) -> Agreement:
    """Compare the clusters of utterances with their sessions. This needs no label."""
    both = Counter(zip(clusters, sessions))
    of_cluster: dict[str, int] = {}
    of_session: dict[str, int] = {}
    for (cluster, session), count in both.items():
        of_cluster[cluster] = max(count, of_cluster.get(cluster, 0))
        of_session[session] = max(count, of_session.get(session, 0))
    total = len(clusters)
    return Agreement(sum(of_cluster.values()) / total, sum(of_session.values()) / total, len(of_session))


def speaker_pairs(clusters: list[str], sessions: list[str], speakers: list[str]) -> Pairs | None:
    """Compare pairs of one speaker within a session and across sessions.

    Clusters that are speakers hold both kinds of pairs together. Clusters that are sessions separate the second kind.

    Returns:
        None if there are no pairs of one of the kinds.
    """
    within = pairs(zip(speakers, sessions))
    within_together = pairs(zip(speakers, sessions, clusters))
    across = pairs(speakers) - within
    across_together = pairs(zip(speakers, clusters)) - within_together
    return Pairs(within_together / within, across_together / across, across) if within and across else None


def pairs(groups: Iterable[object]) -> int:
    """Number of pairs within groups, given the group of each utterance."""
    return sum(count * (count - 1) // 2 for count in Counter(groups).values())
