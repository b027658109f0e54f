"""Good tables, arks, settings and records, and judges of how bad ones are read."""

import contextlib
import json
from pathlib import Path

import numpy as np

from dlglc import provenance
from dlglc.data.arks import read_embeddings, write_embeddings
from dlglc.data.audio import Recordings, packed_wav
from dlglc.data.columns import read_columns
from dlglc.data.tables import read_table, read_trials, write_table
from dlglc.extras import calibration
from dlglc.provenance import Stamp
from dlglc.reports.records import read_lines
from dlglc.scoring.scores import read_scores
from dlglc.settings import load_settings
from dlglc.settings.schema import ClusterSettings, DlglcSettings
from dlglc.training.progress import Metrics
from faults import references
from faults.judging import Silent, agree

IDS = [f"u{i}" for i in range(6)]
RATE = 16000


# --- text -------------------------------------------------------------------------------------------------------------


def make_table(folder: Path) -> Path:
    write_table(folder / "wav.scp", {f"spk{i}-é{i}": f"/some where/{i}.wav" for i in range(8)})
    return folder / "wav.scp"


def make_ascii_table(folder: Path) -> Path:
    write_table(folder / "utt2spk", {f"spk{i}-{i}": f"s{i % 3}" for i in range(8)})
    return folder / "utt2spk"


def judge_table(path: Path, data: bytes) -> None:
    table = list(read_table(path).items())
    keys, values = read_columns(path)
    agree(list(zip(keys, values)), lambda: table)
    agree(table, lambda: references.table(data))


def judge_columns(path: Path, data: bytes) -> None:
    keys, values = read_columns(path)
    agree(list(zip(keys, values)), lambda: references.table(data))


def make_trials(folder: Path) -> Path:
    (folder / "trials").write_text(
        "".join(f"{a} {b} {'target' if a == 'u0' else 'nontarget'}\n" for a in IDS for b in IDS)
    )
    return folder / "trials"


def judge_trials(path: Path, data: bytes) -> None:
    agree(list(zip(*read_trials(path))), lambda: references.trials(data))


def make_scores(folder: Path) -> Path:
    (folder / "scores").write_text("".join(f"{a} {b} {i - 2.25:.6f}\n" for i, a in enumerate(IDS) for b in IDS))
    return folder / "scores"


def judge_scores(path: Path, data: bytes) -> None:
    enrol, test = [a for a in IDS for _ in IDS], IDS * len(IDS)
    found = read_scores(path, enrol, test, path.with_name("trials")).tolist()
    known: dict[tuple[str, str], float] = {}
    with contextlib.suppress(ValueError):
        known = references.scores(data)
    expected = [known.get(pair, "no score") for pair in zip(enrol, test)]
    agree([str(value) for value in found], lambda: [str(value) for value in expected])


def make_numbers(folder: Path) -> Path:
    make_ark(folder)
    return folder / "utt2num_samples"


def judge_recordings(path: Path, data: bytes) -> None:
    """Whatever the tables say: a recording is read as it was packed, or refused."""
    recordings = Recordings(path.parent)
    agree(list(recordings.ids), lambda: IDS)
    for i in range(len(IDS)):
        for start, num in ((0, None), (100, 400)):
            expected = sound(i)[start:][:num]
            if not np.array_equal(recordings.read(i, start, num), expected):
                damaged = getattr(provenance, "damages", lambda *_: [])(path.with_name("packed.json"), True)
                if not damaged:
                    raise Silent(f"other samples of {IDS[i]} from {start}")


# --- arks -------------------------------------------------------------------------------------------------------------


def sound(i: int) -> np.ndarray:
    return (1000 * np.random.default_rng(i).standard_normal(600 + 50 * i)).astype(np.int16)


def stamped(path: Path, outputs: list[Path]) -> None:
    """The record beside outputs; version 0.2 does not know the outputs."""
    try:
        Stamp(path, {}, [], outputs).write()
    except TypeError:
        Stamp(path, {}, []).write()


def make_ark(folder: Path) -> Path:
    where, ark = {}, folder / "wav.ark"
    with open(ark, "wb") as file:
        for i, utt in enumerate(IDS):
            file.write(f"{utt} ".encode())
            where[utt] = f"{ark}:{file.tell()}"
            file.write(packed_wav(sound(i), RATE))
    write_table(folder / "wav.scp", where)
    write_table(folder / "utt2num_samples", {utt: 600 + 50 * i for i, utt in enumerate(IDS)})
    stamped(folder / "packed.json", [ark])
    return ark


def make_scp(folder: Path) -> Path:
    make_ark(folder)
    return folder / "wav.scp"


VECTORS = np.random.default_rng(0).standard_normal((6, 16)).astype(np.float32)


def make_embeddings(folder: Path) -> Path:
    write_embeddings(folder, IDS, VECTORS)
    stamped(folder / "embedding.json", [folder / "embedding.ark", folder / "embedding.scp"])
    return folder / "embedding.ark"


def judge_embeddings(path: Path, data: bytes) -> None:
    ids, found = read_embeddings(path.with_name("embedding.scp"))
    agree((ids, found.tobytes()), lambda: (IDS, VECTORS.tobytes()))


def make_embedding_scp(folder: Path) -> Path:
    make_embeddings(folder)
    return folder / "embedding.scp"


def judge_foreign_embeddings(path: Path, data: bytes) -> None:
    """Without a record, values cannot be judged: only that there is one finite vector for each id."""
    ids, found = read_embeddings(path.with_name("embedding.scp"))
    if len(found) != len(ids) or not np.isfinite(found).all():
        raise Silent("vectors that are none")


def make_foreign_embeddings(folder: Path) -> Path:
    write_embeddings(folder, IDS, VECTORS)
    return folder / "embedding.ark"


# --- settings and records ---------------------------------------------------------------------------------------------


def make_settings(folder: Path) -> Path:
    (folder / "dlglc.yaml").write_text("epochs: 20\noptimiser:\n  lr: 1e-3\ngate:\n  mode: dynamic\n  from_epoch: 3\n")
    return folder / "dlglc.yaml"


def judge_settings(path: Path, data: bytes) -> None:
    """Every accepted value is in its range; a file in another encoding is never taken."""
    settings = load_settings(DlglcSettings, path)
    DlglcSettings.model_validate(settings.model_dump())
    data.decode("utf-8-sig")
    load_settings(ClusterSettings, None, [])


def make_stamp(folder: Path) -> Path:
    (folder / "out").write_text("what was made")
    Stamp(folder / "stamp.json", {"seed": 0, "a": {"b": 1.5}}, [folder / "out"]).write()
    return folder / "stamp.json"


def judge_stamp(path: Path, data: bytes) -> None:
    """A record counts as that of other settings only if it is the whole record of these."""
    stamp = Stamp(path, {"seed": 0, "a": {"b": 1.5}}, [path.with_name("out")])
    stamp.differences()
    provenance.changed_inputs(path)
    if stamp.matches():
        found = json.loads(data)
        agree({k: found[k] for k in ("settings", "inputs")}, lambda: stamp.record)


def make_metrics(folder: Path) -> Path:
    lines = (json.dumps({"epoch": i, "loss": 1.5 / i, "seconds": 1.0}) for i in range(1, 5))
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "metrics.jsonl"


def judge_metrics(path: Path, data: bytes) -> None:
    Metrics(path.parent, 3)
    read_lines(path)


def make_calibration(folder: Path) -> Path:
    calibration.save(folder / "cal.json", calibration.Calibration(0.05, ["cosine"], [], [2.5], -1.0))
    return folder / "cal.json"


def judge_calibration(path: Path, data: bytes) -> None:
    out = calibration.load(path).apply(np.ones((2, 1)))
    if not np.isfinite(out).all():
        raise Silent("a calibration that gives no numbers")
