"""A bundle from the outputs of an experiment (steps/make_bundle.py)."""

import importlib.util
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array
from ..console import log
from ..data.arks import find_rows, read_embeddings
from ..data.audio import Recordings
from ..data.tables import read_table, read_trials
from ..encoders.models import Model, load_model
from ..errors import RecipeError
from ..extras.calibration import fit
from ..extras.intervals import trial_speakers, with_intervals
from ..provenance import Stamp, describe_code
from ..reports.records import read_stamp
from ..scoring.metrics import roc, summary
from ..scoring.plda import load_plda
from ..settings.schema import BackendSettings
from ..vectors import total_whitening
from .card import card_page, data_record, limits
from .container import ARRAYS, CARD, ONNX, PAGE, SPEECH, WEIGHTS, pack_arrays, write_bundle
from .decision import Decision, make_decision
from .engine import EncoderEngine
from .export import export_onnx, torch_embedding
from .scorer import Scorer, cohort_of
from .unlabelled import Training, unlabelled_decision

FEWEST_DIMENSIONS = 20  # of a PLDA that is preferred to AS-norm; it has at most as many as clusters, less one
CHECKED = 8  # training utterances whose embeddings by ONNX and by torch are compared
TOLERATED = 1e-4  # of their cosine distance


class Request(NamedTuple):
    """What a bundle is made of.

    Attributes:
        system: directory of the system, with model.pt, train/embedding.scp and clusters/utt2cluster.
        data: data directory of the experiment, with the sets train and, perhaps, eval.
        backend: plda, asnorm, cosine, or auto.
        most: members of the cohort.
        notes: sentences for the limits on the card.
        seed: of everything that is drawn.
        version: of dlg-lc.
    """

    system: Path
    data: Path
    backend: str
    most: int
    notes: list[str]
    seed: int
    version: str


def make_bundle(request: Request, settings: BackendSettings, path: Path) -> None:
    """Write a bundle, unless a finished one of the same inputs is there.

    Args:
        settings: of conf/backend.yaml.
        path: of the bundle.

    Raises:
        RecipeError: a file of the system is missing or does not fit to the others.
    """
    system, data = request.system, request.data
    stamp = stamp_of(request, settings, path)
    if stamp.reuse(path):
        return
    model = load_model(system / "model.pt")
    training = read_training(system)
    arrays, backend = backend_arrays(request, settings, training)
    scorer = Scorer(arrays=arrays, **backend)
    trials = data / "eval/trials"
    results = None
    if trials.exists() and (system / "eval/embedding.scp").exists():
        decision, results = labelled_decision(scorer, system, trials, settings, request.seed)
    else:
        decision = unlabelled_decision(scorer, training, settings, request.seed)
    network = export_onnx(model)
    record = data_record(data, int(training.clusters.max()) + 1)
    card = {
        "name": f"{data.name}-{system.name}",
        "version": request.version,
        "code": describe_code(),
        "dimension": training.embeddings.shape[1],
        "data": record,
        "encoder": model.encoder_settings.model_dump(),
        "features": model.fbank_settings.model_dump(exclude={"compression"}),
        "training": training_settings(system),
        "backend": backend,
        "decision": decision.record(),
        "results": results,
        "largest_cosine_distance_onnx_torch": check_parity(model, network, data),
        "limits": limits(record, is_published(system), results, request.notes),
    }
    parts = {
        ONNX: network,
        WEIGHTS: (system / "model.pt").read_bytes(),
        ARRAYS: pack_arrays({**arrays, **decision.arrays()}),
        CARD: (json.dumps(card, indent=1) + "\n").encode(),
        PAGE: card_page(card, decision).encode(),
        SPEECH: speech_network(),
    }
    name = write_bundle(path, parts)
    stamp.write()
    log.info("%s: %.1f MB, %s, threshold by %s, id %s", path, path.stat().st_size / 1e6, backend["backend"],
             decision.source, name)  # fmt: skip


def stamp_of(request: Request, settings: BackendSettings, path: Path) -> Stamp:
    """The record of a bundle's inputs."""
    system, data = request.system, request.data
    optional = [system / "plda.npz", system / "eval/embedding.scp", data / "eval/trials", data / "eval/utt2spk.truth"]
    inputs: list[Path | None] = [system / "model.pt", system / "train/embedding.scp", system / "clusters/utt2cluster"]
    asked = {"backend": request.backend, "most": request.most, "notes": request.notes, "seed": request.seed}
    made = {"version": request.version, "code": describe_code()}
    return Stamp(
        path.with_suffix(".json"),
        {"backend": settings, "asked": asked, "made": made},
        inputs + [file if file.exists() else None for file in optional],
        [path],
    )


def read_training(system: Path) -> Training:
    """Embeddings and clusters of the training set."""
    scp, table = system / "train/embedding.scp", system / "clusters/utt2cluster"
    ids, matrix = read_embeddings(scp)
    clusters = read_table(table)
    rows = find_rows(ids, list(clusters), scp, table)
    return Training(matrix[rows], np.unique(list(clusters.values()), return_inverse=True)[1])


def backend_arrays(
    request: Request, settings: BackendSettings, training: Training
) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays of the back-end, and its entry on the card.

    Back-end auto takes PLDA if it has at least FEWEST_DIMENSIONS dimensions, else cosine with AS-norm.
    """
    embeddings = training.embeddings
    arrays = {"mean": embeddings.mean(0), "cohort": cohort_of(*training, request.most)}
    if settings.whiten:
        arrays["white"] = total_whitening(embeddings, settings.whiten)
    file = request.system / "plda.npz"
    backend = request.backend
    plda = load_plda(file) if file.exists() or backend == "plda" else None
    if backend == "auto":
        backend = "plda" if plda is not None and len(plda.psi) >= FEWEST_DIMENSIONS else "asnorm"
    if backend == "plda":
        arrays |= {f"plda_{name}": array for name, array in vars(plda).items()}
    # top_n counts utterances. The cohort here has a mean for each cluster, and a fifth of these is near.
    top = min(settings.top_n, max(2, len(arrays["cohort"]) // 5))
    return arrays, {"backend": backend, "top": top, "exact": settings.plda_enrolment == "exact"}


def labelled_decision(
    scorer: Scorer, system: Path, trials: Path, settings: BackendSettings, seed: int
) -> tuple[Decision, dict[str, Any]]:
    """Thresholds and calibration from labelled trials, and the error rates on them."""
    enrol, test, kinds = read_trials(trials)
    scp = system / "eval/embedding.scp"
    ids, matrix = read_embeddings(scp)
    rows, columns = (find_rows(ids, names, scp, trials) for names in (enrol, test))
    scores, target = scorer.trials(scorer.represent(matrix), rows, columns), np.array(kinds)
    weights, offset = fit(scores[:, None], target, settings.calibration_prior, settings.calibration_ridge)
    decision = make_decision("labels", scores[~target], scores[target], (float(weights[0]), offset))
    curve = roc(scores, target)
    results: dict[str, Any] = {**summary(curve), "trials": str(trials), "speakers": None}
    truth = trials.with_name("utt2spk.truth")
    if truth.exists():
        speakers = trial_speakers(enrol, test, kinds, truth, trials)
        results = with_intervals(results, curve, None, speakers, ((0.01, 0.05), 1.0, 1.0), 1000, seed)
        results["speakers"] = len(np.unique(np.concatenate(speakers)))
    return decision, results


def check_parity(model: Model, network: bytes, data: Path) -> float:
    """The largest cosine distance between embeddings by ONNX and by torch, on some training utterances.

    Raises:
        RecipeError: it is larger than rounding explains.
    """
    engine = EncoderEngine(network)
    recordings = Recordings(data / "train", model.fbank.sample_rate)
    largest = 0.0
    for i in np.linspace(0, len(recordings) - 1, CHECKED).astype(int).tolist():
        waveform = recordings.read(i) / np.float32(32768)
        ours, theirs = engine.embed(waveform[None])[0], torch_embedding(model, waveform)
        largest = max(largest, 1 - float(ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)))
    if largest > TOLERATED:
        raise RecipeError(f"the ONNX network differs from model.pt by a cosine distance of {largest:.1e}: report this")
    return largest


def training_settings(system: Path) -> dict[str, Any]:
    """The settings that a system was trained with, from its record; empty if it brought its weights with it."""
    return read_stamp(system / "stamp.json", "settings")


def is_published(system: Path) -> bool:
    """True if an encoder that was not trained here is behind a system: it, or what it started from, has no record.

    Args:
        system: folder of the system. The paths in its record are those of run.sh, from the root of the recipe.
    """
    record = system / "stamp.json"
    if not record.exists():
        return True
    models = [Path(path) for path in read_stamp(record, "inputs") if Path(path).name == "model.pt"]
    starts = [model.parent if model.exists() else system.parent / model.parent.name for model in models]
    return any(map(is_published, starts))


def speech_network() -> bytes:
    """Silero VAD, from its package; the package itself is not imported."""
    found = importlib.util.find_spec("silero_vad")
    if found is None or found.origin is None:
        raise RecipeError("the Python package silero-vad is missing: `. ./path.sh` installs it")
    return (Path(found.origin).parent / "data/silero_vad_16k_sequence.onnx").read_bytes()
