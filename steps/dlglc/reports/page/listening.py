"""The part of the page to listen to: confusions of the last system, and utterances of its clusters, as short clips."""

import base64
import io
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile

from ...arrays import Array
from ...data.audio import Recordings
from ...data.tables import read_trials
from ...errors import RecipeError
from ..records import BACKENDS, systems_of
from ..truth import true_speakers
from .blocks import Block, Clip, Clips, Section
from .scores import Scored, threshold_of

RATE = 16000
SECONDS = 3.0  # of a clip, from the middle of the recording


class Audio:
    """Clips of a data directory.

    Args:
        data_dir: with wav.scp.
        most: clips that are made; further ones have no audio, so that the page stays small.
    """

    def __init__(self, data_dir: Path, most: int):
        self.recordings = Recordings(data_dir, RATE, probe=False)
        self.rows = {utt: row for row, utt in enumerate(self.recordings.ids)}
        self.left = most

    def clip(self, utt: str, detail: str = "") -> Clip:
        """The middle of an utterance; without audio if the recording is gone, or was left in another form."""
        if utt not in self.rows or self.left <= 0:
            return Clip(utt, detail, "")
        self.left -= 1
        try:
            samples = self.recordings.read(self.rows[utt])
        except RecipeError:
            return Clip(utt, detail, "")
        first = max(0, (len(samples) - int(SECONDS * RATE)) // 2)
        return Clip(utt, detail, data_uri(samples[first : first + int(SECONDS * RATE)]))


def data_uri(samples: Array) -> str:
    """int16 samples as Ogg Opus in a data URI: about 2 kB a second."""
    buffer = io.BytesIO()
    loudest = max(1, int(np.abs(samples.astype(np.int32)).max()))
    sound = samples * np.float32(0.7 / loudest)  # quiet recordings can be heard, too
    with soundfile.SoundFile(buffer, "w", RATE, 1, subtype="OPUS", format="OGG", compression_level=0.95) as file:
        file.write(sound)
    return f"data:audio/ogg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def listening_section(exp_dir: Path, data: Path | None, scored: list[Scored], most: int) -> Section:
    """The worst errors on the trials; without trials, utterances of the largest clusters.

    Args:
        exp_dir: directory of the experiment.
        data: its data directory.
        scored: from scores.read_scored.
        most: clips at most; 0 = a page without audio.
    """
    blocks: list[Block] = []
    if data and scored and (data / "eval/wav.scp").exists():
        best = min((one for one in scored if one.system == scored[-1].system), key=lambda one: equal_errors(one))
        audio = Audio(data / "eval", most)
        blocks += confusions(best, data / "eval/trials", true_speakers(data, "eval"), audio)
    elif data and (data / "train/wav.scp").exists():
        lists = [path for system in systems_of(exp_dir) if (path := system / "clusters/listen.txt").exists()]
        blocks += cluster_clips(lists[-1], Audio(data / "train", most)) if lists else []
    return Section("listen", "To listen to", blocks)


def equal_errors(one: Scored) -> float:
    """The EER of a back-end, to find the best one for the report."""
    missed, rejected = one.curve.counts()
    return float(np.maximum(missed / missed[-1], 1 - rejected / rejected[-1]).min())


def confusions(one: Scored, trials: Path, names: dict[str, str], audio: Audio, each: int = 3) -> list[Block]:
    """Nontarget trials with the highest scores, and target trials with the lowest.

    A speaker stands in one trial of each kind only: else the page shows the same pair again and again.

    Args:
        one: the scores.
        trials: the trial list.
        names: speaker of each utterance, as far as they are known.
        audio: makes the clips.
        each: trials of each kind.
    """
    enrol, test, target = read_trials(trials)
    order, scores, threshold = one.curve.order, one.curve.scores, threshold_of(one.curve)
    kinds = {
        "Different speakers: the highest scores": (False, range(len(order) - 1, -1, -1)),
        "One speaker: the lowest scores": (True, range(len(order))),
    }
    blocks: list[Block] = []
    for title, (kind, places) in kinds.items():
        groups: list[tuple[str, list[Clip]]] = []
        used: set[str] = set()
        for place in places:
            trial = int(order[place])
            pair = enrol[trial], test[trial]
            speakers = {names.get(utt, utt) for utt in pair}
            if target[trial] != kind or used & speakers:
                continue
            used |= speakers
            clips = [audio.clip(utt, f"speaker {names[utt]}" if utt in names else "") for utt in pair]
            error = "an error" if (scores[place] >= threshold) != kind else "no error"
            groups.append((f"Score {scores[place]:.3g}: {error} at the threshold of the EER, {threshold:.3g}", clips))
            if len(groups) == each:
                break
        if groups:
            blocks.append(Clips(f"{title} by {one.system} and {BACKENDS[one.backend]}", groups))
    return blocks


def cluster_clips(listen: Path, audio: Audio, each: int = 4) -> list[Block]:
    """The central utterance, a middle one and the farthest of the largest clusters."""
    lines = [line.split() for line in listen.read_text(encoding="utf-8").splitlines()]
    members = Counter(cluster for cluster, *_ in lines)
    groups = []
    for cluster in list(members)[:each]:
        clips = [audio.clip(utt, place) for name, utt, place in lines if name == cluster]
        groups.append((f"Cluster {cluster}", clips))
    title = f"The largest clusters of {listen.parents[1].name}: all recordings of one should be of one voice"
    return [Clips(title, groups)] if groups else []
