"""Form of conf/cluster.yaml and conf/backend.yaml."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from .sections import BelowOne, Clash, Count, CountOrNone, NotNegative, Positive, Settings, Share, TwoOrMore


class ClusterSettings(Settings):
    """conf/cluster.yaml."""

    idea: ClassVar[str] = "cluster"
    num_clusters: CountOrNone
    spherical: bool
    subtract_mean: bool
    whiten: Share
    wccn_passes: CountOrNone
    init: Literal["k-means++", "random"]
    restarts: Count
    max_iter: Count
    tolerance: BelowOne
    ahc_from: CountOrNone
    ahc_share: BelowOne
    ahc_ratio: Annotated[float, Field(ge=1)]
    stop_on_bad_sizes: bool

    @model_validator(mode="after")
    def _check(self) -> "ClusterSettings":
        if self.num_clusters == 1:
            raise Clash("num_clusters", "one cluster teaches nothing: give 2 or more, or 0 to have a number proposed")
        ways = {"ahc_from": self.ahc_from > 0, "ahc_share": self.ahc_share > 0, "ahc_ratio": self.ahc_ratio > 1}
        chosen = [key for key, on in ways.items() if on]
        if len(chosen) > 1:
            raise Clash(chosen[1], f"{chosen[0]} says the same in another way: set one of the two", chosen[0])
        if 0 < self.ahc_from <= self.num_clusters:
            raise Clash(
                "ahc_from",
                f"{self.ahc_from} centroids cannot be merged to {self.num_clusters} (num_clusters): raise it, or set 0",
                "num_clusters",
            )
        return self


class BackendSettings(Settings):
    """conf/backend.yaml."""

    idea: ClassVar[str] = "backend"
    whiten: Share
    cohort: Literal["utterances", "clusters"]
    top_n: CountOrNone
    plda_enrolment: Literal["exact", "average"]
    lda_dim: TwoOrMore
    min_class_size: Count
    iterations: Count
    adapt_within: Share
    adapt_between: Share
    adapt_mean: NotNegative
    calibration_prior: Annotated[float, Field(gt=0, lt=1)]
    calibration_ridge: Positive

    @model_validator(mode="after")
    def _check(self) -> "BackendSettings":
        if self.top_n == 1:
            raise Clash("top_n", "the score of one cohort member has no standard deviation: 2 or more, or 0 = all")
        if self.adapt_within + self.adapt_between > 1:
            raise Clash(
                "adapt_within",
                f"{self.adapt_within:g} and adapt_between {self.adapt_between:g} share out one excess of variance: "
                "lower one, at most 1 together",
                "adapt_between",
            )
        return self
