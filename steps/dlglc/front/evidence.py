"""The number of voices by the evidence of PLDA's model, over the cuts of a tree."""

import math

import numpy as np

from ..arrays import Array

# Settled on speakers of speechocean762 and training speakers of LibriSpeech (docs/using-a-model.md).
COMMON = 0.5  # variance of what all recordings have in common, in units of the variance between voices
SPREAD = 1.5  # variance within a voice, in units of that in the training set: other recordings vary more
WEIGHT = 0.5  # of the evidence of recordings. Recordings of one day say less than independent ones
OF_WINDOWS = 0.3  # the same for windows within a recording, which overlap by half
NEW_VOICE = 1.0  # concentration of the Chinese restaurant process, the prior of the partition


class Evidence:
    """The logarithm of the evidence of a partition of recordings into voices, kept up to date while voices are joined.

    A vector is u = c + y + e in each dimension. All recordings share c ~ N(0, COMMON psi): language, room, microphone.
    Those of a voice share y ~ N(0, psi). Each has e ~ N(0, SPREAD). The means, c and y are integrated out, so a voice
    more has to pay for itself (Brümmer and de Villiers, "The speaker partitioning problem", Odyssey 2010; c is added).

    Args:
        vectors: (N, d) from Plda.transform. Each is a voice of its own at first.
        psi: (d,) variances between voices, where those within voices are 1.
        weight: of the evidence against the prior.
    """

    def __init__(self, vectors: Array, psi: Array, weight: float):
        self.weight = weight
        self.psi = np.maximum(np.asarray(psi, dtype=np.float64), 1e-9)
        self.sums = {row: vector for row, vector in enumerate(np.asarray(vectors, dtype=np.float64))}
        self.sizes = dict.fromkeys(self.sums, 1)
        self.count = len(self.sums)
        self.squares = sum(vector @ vector for vector in self.sums.values()) / SPREAD
        self.own, self.pull = 0.0, np.zeros(len(self.psi))
        self.precision = 1 / (COMMON * self.psi)
        self.prior = 0.0
        for row in self.sums:
            self._count(row, 1)

    def _count(self, voice: int, sign: int) -> None:
        """Add (sign 1) or take away (-1) the terms of a voice."""
        size = self.sizes[voice]
        mean = self.sums[voice] / size
        variance = self.psi + SPREAD / size
        self.own -= sign * 0.5 * float(np.sum(np.log(variance * size) + mean**2 / variance))
        self.own += sign * 0.5 * size * float(mean @ mean) / SPREAD  # with `squares`: the spread about the mean
        self.pull += sign * mean / variance
        self.precision += sign / variance
        self.prior += sign * (math.log(NEW_VOICE) + math.lgamma(size))

    def join(self, first: int, second: int, name: int) -> None:
        """Make one voice of two, under a new name."""
        for voice in (first, second):
            self._count(voice, -1)
        self.sums[name] = self.sums.pop(first) + self.sums.pop(second)
        self.sizes[name] = self.sizes.pop(first) + self.sizes.pop(second)
        self._count(name, 1)

    @property
    def value(self) -> float:
        """The logarithm of evidence and prior, but for a constant."""
        spread = -0.5 * (self.squares + len(self.psi) * (self.count - len(self.sizes)) * math.log(SPREAD))
        common = 0.5 * float(np.sum(self.pull**2 / self.precision - np.log(self.precision)))
        return float(self.weight * (self.own + spread + common) + self.prior)


def likeliest_cut(vectors: Array, psi: Array, merges: list[tuple[int, int]], weight: float = WEIGHT) -> int:
    """The number of merges of a tree after which the evidence is highest.

    Args:
        vectors, psi, weight: see Evidence.
        merges: both parts of each node; node N + i is made by merge i.
    """
    evidence = Evidence(vectors, psi, weight)
    best, best_at = evidence.value, 0
    for number, (first, second) in enumerate(merges, 1):
        evidence.join(first, second, len(vectors) + number - 1)
        if evidence.value > best:
            best, best_at = evidence.value, number
    return best_at
