"""What tests/bench/run.sh measures: the recipe's own functions beside the peers', on drawn data of the stated size.

WeSpeaker and 3D-Speaker are on no package index: their forms (per-trial calls, a loop over classes, layers one by one)
are written out here from their published structure, for the work alone, not as copies of their code.
"""

import importlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import kaldiio
import numpy as np
import torch
from layers import layer_by_layer
from libs import archive, backend, gmm, kmeans, metrics, plda

from bench import ROOT, THREADS, Timed, clock, compare
from dlglc.data.augment import Augmenter
from dlglc.data.crops import Crops, FeatureCrops, Views
from dlglc.data.fbank import Fbank
from dlglc.data.tables import write_data_dir
from dlglc.dino.head import DinoHead
from dlglc.dino.loss import dino_loss, teacher_probabilities
from dlglc.encoders.ecapa_tdnn import EcapaTdnn

WORK = ROOT / "exp/bench"
WIDTHS = {"C=512": ((80, 512), 300), "C=96, stride 2": ((80, 96, 128, 0, 8, 64, 2), 200)}


def peer(module: str):
    """A peer's module, or None where it is absent."""
    try:
        return importlib.import_module(module)
    except (ImportError, OSError):
        return None


def given(module, run):
    """The contestant, where its module is there."""
    return run if module else None


def folder() -> Path:
    """A new folder on the repository's disk, to be removed by the case."""
    WORK.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=WORK))


def fbank():
    """80 log-mel energies of 20 utterances of 8 s, one by one"""
    rng = np.random.default_rng(0)
    waves = [torch.from_numpy((2000 * rng.standard_normal(128000)).astype(np.int16)) for _ in range(20)]
    ours = Fbank(load_config("fbank"))
    ta, knf, af = peer("torchaudio.compliance.kaldi"), peer("kaldi_native_fbank"), peer("asrfront.sensevoice")

    def torchaudio():
        for wave in waves:
            ta.fbank(wave.float()[None], num_mel_bins=80)

    def native():
        options = knf.FbankOptions()
        options.frame_opts.dither, options.mel_opts.num_bins = 0, 80
        for wave in waves:
            extractor = knf.OnlineFbank(options)
            extractor.accept_waveform(16000, wave.float().tolist())
            extractor.input_finished()
            np.stack([extractor.get_frame(i) for i in range(extractor.num_frames_ready)])

    def asrfront():
        for wave in waves:
            af.fbank_raw(wave.numpy())

    peers = {
        "torchaudio.compliance.kaldi": (given(ta, torchaudio), 2, 1),
        "kaldi-native-fbank": (given(knf, native), None, 1),
        "asrfront (C)": (given(af, asrfront), None, 1),
    }
    compare("fbank 80, 160 s of audio", lambda: [ours(wave[None]) for wave in waves], peers)


def crops():
    """Random crops of 300 frames from an ark of 100k utterances of 4 to 11.6 s, warm and cold"""
    rng, count = np.random.default_rng(0), 100_000
    frames, drawn = rng.integers(400, 1160, count), rng.permutation(count)[:2000]
    for name, method in (("16 bit", 3), ("float32", None)):
        top = folder()
        try:
            sparse_ark(top, frames, np.sort(drawn), method)
            crops_of(top, drawn.reshape(-1, 50), name)
        finally:
            shutil.rmtree(top)


def crops_of(top: Path, batches: np.ndarray, name: str):
    """Read crops in batches of utterances."""
    feats = FeatureCrops(top, Fbank(load_config("fbank")), [(1, 3.0)], 0)
    rng = np.random.default_rng(0)

    def ours():
        for rows in batches:
            feats.batch(0, rows)

    def theirs():
        for rows in batches:
            out = np.empty((len(rows), 300, 80), dtype=np.float32)
            for at, row in enumerate(rows):
                matrix = kaldiio.load_mat(feats.where[row])
                start = int(rng.random() * (len(matrix) - 299))
                out[at] = matrix[start : start + 300]

    def cold(run):
        def timed():
            file = os.open(top / "feats.ark", os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)
            before = time.monotonic()
            run()
            return Timed(time.monotonic() - before)

        return timed

    compare(f"2,000 crops of 300 frames, {name} ark, warm", ours, {"kaldiio": (theirs, 4, 1)})
    compare(f"… {name}, cold, wall clock", cold(ours), {"kaldiio": (cold(theirs), 4, 1)}, fork=False)


def sparse_ark(top: Path, frames: np.ndarray, stored: np.ndarray, method) -> None:
    """An ark and scp of len(frames) utterances, of which only those `stored` are written: the rest are holes."""
    rng = np.random.default_rng(1)
    wanted, at, lines = set(stored.tolist()), 0, []
    with open(top / "feats.ark", "wb") as ark:
        for row, count in enumerate(frames.tolist()):
            size = 22 + 160 * count if method else 15 + 320 * count
            if row in wanted:
                buffer = io.BytesIO()
                matrix = rng.standard_normal((count, 80), dtype=np.float32)
                kaldiio.matio.write_array(buffer, matrix, compression_method=method)
                ark.seek(at + 8)
                ark.write(b"\0B" + buffer.getvalue().removeprefix(b"\0B"))
            lines.append(f"u{row:06d} {top}/feats.ark:{at + 8}\n")
            at += 8 + size
        ark.truncate(at)
        ark.flush()
        os.fsync(ark.fileno())
    (top / "feats.scp").write_text("".join(lines))


def cosine():
    """580k trials over 145k x 192 embeddings"""
    from sklearn.metrics.pairwise import cosine_similarity

    rng = np.random.default_rng(0)
    x = rng.standard_normal((145_000, 192), dtype=np.float32)
    rows, columns = rng.integers(len(x), size=(2, 580_000))
    pairs = list(zip(rows.tolist(), columns.tolist()))
    unit = backend.unit_length(x)

    def ours():
        unit = backend.unit_length(x)
        backend.dot_trials(unit, unit, rows, columns)

    def sklearn():
        for i, j in pairs[:2000]:
            cosine_similarity(x[i].reshape(1, -1), x[j].reshape(1, -1))[0][0]

    def numpy():
        for i, j in pairs[:20_000]:
            np.dot(unit[i], unit[j])

    def gather():
        for start in range(0, len(rows), 4096):
            unit[rows[start : start + 4096]]
            unit[columns[start : start + 4096]]

    peers = {
        "fetching both vectors of each trial alone": (gather, None, 1),
        "scikit-learn a trial (as WeSpeaker, 3D-Speaker)": (sklearn, 500, 290),
        "numpy dot a trial, lengths given": (numpy, 10, 29),
    }
    compare("cosine, 580k trials of 145k × 192", ours, peers)


def asnorm():
    """AS-norm statistics, cohort 20k x 192, top 300, for 16k of 145k rows"""
    rng = np.random.default_rng(0)
    x = backend.unit_length(rng.standard_normal((16_384, 192), dtype=np.float32))
    cohort = backend.unit_length(rng.standard_normal((20_000, 192), dtype=np.float32))

    def product():
        for start in range(0, len(x), 1024):
            x[start : start + 1024] @ cohort.T

    def partition():
        for start in range(0, len(x), 1024):
            scores = x[start : start + 1024] @ cohort.T
            best = np.partition(scores, 20_000 - 300, axis=1)[:, 20_000 - 300 :]
            best.mean(1), best.std(1)

    def sort():
        for start in range(0, len(x), 1024):
            best = np.sort(x[start : start + 1024] @ cohort.T, axis=1)[:, ::-1][:, :300]
            best.mean(1), best.std(1)

    peers = {
        "its matrix product alone (goal: within 1.2 ×)": (product, 1 / 1.2, 1),
        "product and np.partition": (partition, None, 1),
        "product and sort (as WeSpeaker)": (sort, None, 1),
    }
    compare("AS-norm, 16,384 rows × 20k, top 300", lambda: backend.cohort_statistics(x, cohort, 300), peers)


def plda_train():
    """PLDA on 100k x 192, 5k classes, 10 EM iterations"""
    rng = np.random.default_rng(0)
    labels = rng.integers(5000, size=100_000)
    speakers = rng.standard_normal((5000, 192)) @ np.diag(np.linspace(2, 0.1, 192))
    x = speakers[labels] + rng.standard_normal((100_000, 192))
    x -= x.mean(0)
    small = labels < 400
    theirs = two_covariance_by_class(x[small] - x[small].mean(0), labels[small], 3)
    ours = plda.fit_two_covariance(x[small] - x[small].mean(0), labels[small], 3)
    difference = max(np.abs(a - b).max() / np.abs(a).max() for a, b in zip(theirs, ours))
    sb = peer("speechbrain.processing.PLDA_LDA")

    def speechbrain():
        names = np.array([f"{label:04d}" for label in labels])
        segments = np.array([f"{i:06d}" for i in range(len(x))])
        none = np.array([None] * len(x))
        statistics = sb.StatObject_SB(names, segments, none, none, np.ones((len(x), 1)), x.copy())
        model = sb.PLDA(rank_f=192, nb_iter=1)
        before = clock()
        model.plda(statistics)
        return Timed(clock() - before)

    peers = {
        f"a loop over classes (as WeSpeaker); same B and W to {difference:.0e}": (
            lambda: two_covariance_by_class(x, labels, 1),
            15,
            10,
        ),
        "SpeechBrain's PLDA, rank 192, 1 iteration and its sums": (given(sb, speechbrain), None, 1),
    }
    compare("PLDA, 100k × 192, 5k classes, 10 iterations", lambda: plda.fit_two_covariance(x, labels, 10), peers, 3)


def two_covariance_by_class(x: np.ndarray, labels: np.ndarray, iterations: int) -> tuple[np.ndarray, np.ndarray]:
    """EM of the two-covariance model with the posterior of each class inverted by itself: B and W."""
    _, labels = np.unique(labels, return_inverse=True)
    order = np.argsort(labels, kind="stable")
    classes = np.split(x[order], np.flatnonzero(np.diff(labels[order])) + 1)
    means = np.stack([c.mean(0) for c in classes])
    within = sum((c - m).T @ (c - m) for c, m in zip(classes, means)) / len(x)
    within += 1e-6 * np.trace(x.T @ x) / x.size * np.eye(x.shape[1])
    between = means.T @ means / len(classes)
    scatter = x.T @ x
    for _ in range(iterations):
        precision_w, precision_b = np.linalg.inv(within), np.linalg.inv(between)
        second, cross, inside = 0, 0, 0
        for c, mean in zip(classes, means):
            n = len(c)
            covariance = np.linalg.inv(precision_b + n * precision_w)
            y = covariance @ (precision_w @ (n * mean))
            moment = np.outer(y, y) + covariance
            second = second + moment
            cross = cross + np.outer(y, n * mean)
            inside = inside + n * moment
        between = second / len(classes)
        within = (scatter - cross - cross.T + inside) / len(x)
    return between, within


def plda_score():
    """PLDA log-likelihood ratios: 580k trials of 145k, and a list of VoxCeleb1-O's size"""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(500), 10)
    x = rng.standard_normal((500, 192))[labels] + rng.standard_normal((5000, 192))
    model, _ = plda.train_plda(x, labels, 192, 2, 2)
    u = model.transform(rng.standard_normal((145_000, 192)))
    rows, columns = rng.integers(len(u), size=(2, 580_000))
    pairs = list(zip(rows.tolist(), columns.tolist()))[:20_000]
    total, between = np.diag(1 + model.psi), np.diag(model.psi)
    d = len(model.psi)
    joint = np.linalg.inv(np.block([[total, between], [between, total]]))
    alone = np.linalg.inv(total)
    square, cross = alone - joint[:d, :d], joint[:d, d:]

    def ours():
        left, right = model.sides(u, u)
        backend.dot_trials(left, right, rows, columns)

    def a_trial():
        for i, j in pairs:
            a, b = u[i], u[j]
            0.5 * (a @ square @ a + b @ square @ b) - a @ cross @ b

    peers = {"the quadratic form a trial": (a_trial, 10, 29)}
    compare("PLDA ratios, 580k trials of 145k × 192", ours, peers)

    sb = peer("speechbrain.processing.PLDA_LDA")
    few = u[:4708]
    rows, columns = rng.integers(4708, size=(2, 37_611))

    if sb:
        names, none = np.array([f"{i:04d}" for i in range(4708)]), np.array([None] * 4708)
        side = sb.StatObject_SB(names, names, none, none, np.ones((4708, 1)), few)
        trials = sb.Ndx(models=names, testsegs=names)

    def speechbrain():
        scores = sb.fast_PLDA_scoring(
            side, side, trials, np.zeros(d), np.diag(np.sqrt(model.psi)), np.eye(d), check_missing=False
        )
        scores.scoremat[rows, columns]

    def ours_few():
        left, right = model.sides(few, few)
        backend.dot_trials(left, right, rows, columns)

    peers = {"SpeechBrain's fast_PLDA_scoring, all pairs, its index given": (given(sb, speechbrain), None, 1)}
    compare("PLDA ratios, 37,611 trials of 4,708", ours_few, peers, 3)


def rates():
    """EER and minDCF of 580k scores"""
    from sklearn.metrics import roc_curve

    rng = np.random.default_rng(0)
    target = rng.random(580_000) < 0.5
    scores = (rng.standard_normal(580_000) + 2.5 * target).astype(np.float32)

    def sklearn():
        p_fa, p_hit, _ = roc_curve(target, scores)
        p_miss = 1 - p_hit
        p_miss[np.nanargmin(np.abs(p_miss - p_fa))]
        [(p * p_miss + (1 - p) * p_fa).min() / min(p, 1 - p) for p in (0.01, 0.05)]

    def loop():
        order = sorted(range(len(scores)), key=listed.__getitem__)
        miss, false_alarms, misses, rejected = [], [], 0, 0
        for i in order:
            misses += flags[i]
            rejected += not flags[i]
            miss.append(misses)
            false_alarms.append(rejected)
        miss = [m / targets for m in miss]
        false_alarms = [1 - r / (len(scores) - targets) for r in false_alarms]
        next(m for m, f in zip(miss, false_alarms) if m >= f)
        for p in (0.01, 0.05):
            min(p * m + (1 - p) * f for m, f in zip(miss, false_alarms))

    listed, flags, targets = scores.tolist(), target.tolist(), int(target.sum())
    peers = {"scikit-learn roc_curve": (sklearn, 5, 1), "a Python loop over thresholds": (loop, None, 1)}
    compare("EER, minDCF at 0.01 and 0.05, 580k scores", lambda: metrics.summary(metrics.roc(scores, target)), peers)


def mixture():
    """Two Gaussians on 1.09 M log-losses"""
    from sklearn.mixture import GaussianMixture

    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(-2, 1, 800_000), rng.normal(2, 0.8, 292_009)]).astype(np.float32)
    exact = GaussianMixture(2, tol=1e-8, random_state=0).fit(x[:, None].astype(np.float64))
    found = gmm.fit_mixture(x)
    difference = np.abs(found.means - np.sort(exact.means_.ravel())).max()

    def sklearn():
        GaussianMixture(2, random_state=0).fit(x[:, None])

    peers = {f"scikit-learn GaussianMixture; same means to {difference:.0e}": (sklearn, 50, 1)}
    compare("mixture of 1,092,009 log-losses", lambda: gmm.fit_mixture(x), peers)


def clusters():
    """k-means of 100k x 192, K = 1000, 6 assignments from the same start"""
    from sklearn.cluster import KMeans, MiniBatchKMeans

    rng = np.random.default_rng(0)
    x = speaker_like(100_000, 3000, rng)
    start = x[np.sort(rng.choice(len(x), 1000, replace=False))]
    faiss = peer("faiss")
    reached = {}

    def ours():
        found = kmeans.kmeans(x, 1000, spherical=False, init=start, max_iter=6, tolerance=0.0)
        reached["ours"] = found.objective

    def sklearn():
        # Five updates, then the labels of the last centroids: six assignments.
        model = KMeans(1000, init=start, n_init=1, max_iter=5, tol=0.0, algorithm="lloyd").fit(x)
        reached["scikit-learn Lloyd"] = model.inertia_ / len(x)

    def batches():
        model = MiniBatchKMeans(1000, init=start, n_init=1, max_iter=6, batch_size=10_000, tol=0.0).fit(x)
        reached["scikit-learn MiniBatch"] = model.inertia_ / len(x)

    def of_faiss():
        faiss.omp_set_num_threads(THREADS)
        model = faiss.Kmeans(192, 1000, niter=5, max_points_per_centroid=10**6)
        model.train(x, init_centroids=start)
        squares, _ = model.index.search(x, 1)
        reached["faiss-cpu"] = float(squares.mean())

    def product():
        for first in range(0, len(x), 1024):
            x[first : first + 1024] @ start.T

    for run in (ours, sklearn, batches, *([of_faiss] if faiss else [])):
        run()
    label = "k-means 100k × 192, K = 1000, 6 assignments, "
    peers = {
        f"{name}, objective {reached.get(name, float('nan')):.3f}": (run, goal, 1)
        for name, run, goal in (
            ("faiss-cpu", given(faiss, of_faiss), 1),
            ("scikit-learn Lloyd", sklearn, 1),
            ("scikit-learn MiniBatch", batches, None),
        )
    }
    peers["its six matrix products alone (goal: 80 %)"] = (product, 0.8, 6)
    compare(f"{label}objective {reached['ours']:.3f}", ours, peers)


def speaker_like(count: int, speakers: int, rng) -> np.ndarray:
    """Vectors of (count, 192) around `speakers` centres, less and less spread from the first dimension to the last."""
    scale = np.linspace(2, 0.2, 192, dtype=np.float32)
    centres = rng.standard_normal((speakers, 192), dtype=np.float32) * scale
    return centres[rng.integers(speakers, size=count)] + rng.standard_normal((count, 192), dtype=np.float32) * scale


def clusters_full():
    """k-means of 1.09 M x 192, K = 7,500, 2 assignments: peak memory"""
    x = speaker_like(1_092_009, 5994, np.random.default_rng(0))

    def product():
        for first in range(0, 16_384, 1024):
            x[first : first + 1024] @ x[:7500].T

    def ours():
        kmeans.kmeans(x, 7500, init="random", max_iter=2, tolerance=0.0)

    peers = {"its matrix products alone (goal: 80 %)": (product, 0.8, 2 * len(x) / 16_384)}
    compare("k-means 1,092,009 × 192, K = 7,500, 2 assignments", ours, peers, 1)


def encoder_step(model, forward, feats):
    """A forward and backward pass."""

    def run():
        model.zero_grad(set_to_none=True)
        embeddings = forward(model, feats)
        (embeddings * embeddings.detach().roll(1, 0)).sum().backward()

    return run


def encoders(width: str) -> tuple:
    """Ours, the layer-by-layer form and SpeechBrain's (or None) on a batch of 32."""
    (options, frames), sb = WIDTHS[width], peer("speechbrain.lobes.models.ECAPA_TDNN")
    torch.manual_seed(0)
    model, feats = EcapaTdnn(*options), torch.randn(32, frames, 80)
    theirs = None
    if sb and width == "C=512":
        other = sb.ECAPA_TDNN(80, lin_neurons=192, attention_channels=128, channels=[512] * 4 + [1536])
        theirs = encoder_step(other, lambda m, x: m(x), feats)
    return encoder_step(model, EcapaTdnn.forward, feats), encoder_step(model, layer_by_layer, feats), theirs


def ecapa():
    """ECAPA-TDNN forward and backward, batch 32, in the recipe's environment and with malloc as it comes"""
    for width, (_, frames) in WIDTHS.items():
        ours, layers, speechbrain = encoders(width)
        peers = {"layer by layer (as WeSpeaker, 3D-Speaker)": (layers, 1.25, 1)}
        if width == "C=512":
            peers["SpeechBrain"] = (speechbrain, 1.25, 1)
        with Elsewhere(width) as as_it_comes:
            peers["layer by layer, malloc as it comes"] = (as_it_comes, 2, 1)
            compare(f"ECAPA-TDNN {width}, 32 × {frames} frames, fwd + bwd", ours, peers)


class Elsewhere:
    """The layer-by-layer form in a process whose environment has no word on malloc; call it for one Timed step."""

    forks = False

    def __init__(self, width: str):
        code = (
            "import sys; sys.path.insert(0, sys.argv[1])\n"
            "import torch\n"
            "from bench import THREADS, clock\n"
            "from cases import encoders\n"
            "torch.set_num_threads(THREADS)\n"
            "_, run, _ = encoders(sys.argv[2]); run()\n"
            "for _ in sys.stdin:\n"
            "    before = clock(); run(); print(clock() - before, flush=True)\n"
        )
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(Path(__file__).parent), width],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __enter__(self):
        return self

    def __call__(self) -> Timed:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return Timed(float(self.process.stdout.readline()))

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


def dino():
    """A DINO step on features: 2 long and 4 short crops of 32 utterances, C = 96, stride 2"""
    torch.manual_seed(0)
    options, _ = WIDTHS["C=96, stride 2"]
    encoder, head = EcapaTdnn(*options), DinoHead(128, 512, 128, 512)
    crops = [torch.randn(32, frames, 80) for frames in (200, 200, 100, 100, 100, 100)]
    centre = torch.zeros(512)

    def step(groups, teachers):
        for module in (encoder, head):
            module.zero_grad(set_to_none=True)
        student = head(torch.cat([encoder(group) for group in groups])).unflatten(0, (6, 32))
        with torch.no_grad():
            teacher = head(torch.cat([encoder(group) for group in teachers])).unflatten(0, (2, 32))
        dino_loss(student, teacher_probabilities(teacher, centre, 0.04), 0.1).backward()

    def ours():
        step([torch.cat(crops[:2]), torch.cat(crops[2:])], [torch.cat(crops[:2])])

    def layered(forward):
        def run():
            for module in (encoder, head):
                module.zero_grad(set_to_none=True)
            student = head(torch.cat([forward(encoder, crop) for crop in crops])).unflatten(0, (6, 32))
            with torch.no_grad():
                teacher = head(torch.cat([forward(encoder, crop) for crop in crops[:2]])).unflatten(0, (2, 32))
            dino_loss(student, teacher_probabilities(teacher, centre, 0.04), 0.1).backward()

        return run

    peers = {
        "crop by crop": (layered(EcapaTdnn.forward), None, 1),
        "crop by crop and layer by layer": (layered(layer_by_layer), None, 1),
    }
    compare("DINO step, 32 × (2 × 2 s + 4 × 1 s), C = 96", ours, peers, 9)


def loading():
    """Augmented 3 s crops of 256 WAV files, to filter bank energies"""
    import soundfile
    from scipy.signal import convolve

    rng, top = np.random.default_rng(0), folder()
    try:

        def data_dir(name, count, seconds, kinds, decay=None):
            wav = {}
            for i in range(count):
                samples = rng.standard_normal(int(16000 * seconds))
                if decay:
                    samples *= np.exp(-np.arange(len(samples)) / decay)
                    samples[0] = 8
                wav[f"{name}{i:04d}"] = str(top / f"{name}{i:04d}.wav")
                soundfile.write(wav[f"{name}{i:04d}"], (1500 * samples).astype(np.int16), 16000)
            write_data_dir(top / name, wav, {utt: kinds or utt for utt in wav})
            return list(wav.values())

        waves, noises = data_dir("utt", 256, 8.0, None), data_dir("noise", 32, 5.0, "noise")
        responses = data_dir("rir", 32, 0.5, None, 1200)
        extractor = Fbank(load_config("fbank"))
        augmenter = Augmenter(load_config("augment"), top / "noise", top / "rir", 16000)
        source = Crops(top / "utt", extractor, [(1, 3.0)], augmenter, 0)
        views = Views(extractor, augmenter)
        rows = np.arange(256).reshape(-1, 64)
        ta = peer("torchaudio.compliance.kaldi")

        def ours():
            for part in rows:
                views(source.batch(0, part), 0)

        def an_utterance():
            for path in waves:
                wave = soundfile.read(path, dtype="float32")[0]
                start = int(rng.integers(len(wave) - 48240))
                wave = wave[start : start + 48240]
                if rng.random() < 0.5:
                    response = soundfile.read(responses[rng.integers(32)], dtype="float32")[0]
                    wave = convolve(wave, response, "full")[: len(wave)]
                else:
                    noise = soundfile.read(noises[rng.integers(32)], dtype="float32")[0][:48240]
                    gain = np.sqrt((wave**2).mean() / (noise**2).mean() * 10 ** (-rng.uniform(0, 15) / 10))
                    wave = wave + gain * noise
                ta.fbank(torch.from_numpy(32768 * wave)[None], num_mel_bins=80)

        peers = {"whole files, an utterance at a time, torchaudio (as WeSpeaker)": (given(ta, an_utterance), None, 1)}
        compare("256 augmented 3 s crops to fbank", ours, peers)
    finally:
        shutil.rmtree(top)


def tables():
    """Embeddings from ark: 100k x 192"""
    top = folder()
    try:
        x = np.random.default_rng(0).standard_normal((100_000, 192), dtype=np.float32)
        scp = archive.write_embeddings(top, [f"u{i:06d}" for i in range(len(x))], x)

        def theirs():
            np.stack(list(kaldiio.load_scp(str(scp)).values()))

        compare("embeddings from ark, 100k × 192", lambda: archive.read_embeddings(scp), {"kaldiio": (theirs, None, 1)})
    finally:
        shutil.rmtree(top)


DEFAULT = (fbank, crops, tables, loading, cosine, asnorm, plda_train, plda_score, rates, mixture, clusters, ecapa, dino)
CASES = {run.__name__: run for run in DEFAULT}
EXTRA = {"clusters_full": clusters_full}
