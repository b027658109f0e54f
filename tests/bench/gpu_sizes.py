"""How large everything is that tests/bench/gpu.sh measures."""

from dataclasses import dataclass

from measure import ROOT

WORK = ROOT / "exp/bench/gpu"
VOXCELEB2 = 1_092_009  # utterances
SECONDS = 8  # of a recording
CROPPED = 2 * 3.0 + 4 * 2.0  # seconds of DINO's crops of an utterance; stage II has one crop of 3 s


@dataclass
class Size:
    """One size of the measurement.

    Attributes:
        recordings: different recordings in the ark.
        batch: utterances of an update.
        utterances: trainer: utterances of an epoch, and of an epoch crop by crop.
        embedded: whole utterances whose embeddings are extracted.
        classes: clusters of stage II.
        points: (N, D, K) of each k-means.
        encoder: settings of DINO's encoder. Stage II takes its model.
        head: settings of DINO's head.
        half: precision of the measurements that are not in float32.
        goals: trainer: longest epoch of VoxCeleb2, for the table.
    """

    recordings: int
    batch: int
    utterances: dict[str, tuple[int, int]]
    embedded: int
    classes: int
    points: list[tuple[int, int, int]]
    encoder: list[str]
    head: list[str]
    half: str
    goals: dict[str, str]


FULL = Size(
    recordings=4096,
    batch=256,
    utterances={"dino": (32_768, 4096), "dlglc": (65_536, 16_384)},
    embedded=16_384,
    classes=7500,
    points=[(VOXCELEB2, 192, 7500), (VOXCELEB2, 512, 7500)],
    encoder=["encoder.channels=512"],
    head=["head.outputs=65536"],
    half="bfloat16",
    goals={"dino": "≤ 15 min", "dlglc": "≤ 5 min"},
)
SMALL = Size(
    recordings=256,
    batch=32,
    utterances={"dino": (64, 64), "dlglc": (256, 256)},
    embedded=64,
    classes=50,
    points=[(20_000, 192, 200)],
    encoder=["encoder.channels=64", "encoder.aggregate=192"],
    head=["head.outputs=1024", "head.hidden=256", "head.bottleneck=64"],
    half="float32",
    goals={"dino": "", "dlglc": ""},
)
