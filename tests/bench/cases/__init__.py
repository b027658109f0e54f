"""What tests/bench/run.sh measures: the recipe's own functions beside those of other tools, on random data.

A case is a function without arguments. The first line of its docstring gives the size of its data. WeSpeaker and
3D-Speaker are on no package index. Their ways of doing the work (one call per trial, a loop over classes, one layer
after the other) are written out here from their published structure. They stand for the amount of work and are no
copies of the code of these tools.
"""

from .archives import crops, tables
from .clustering import clusters, clusters_full, mixture
from .encoding import dino, ecapa
from .features import fbank, loading
from .neighbours import neighbour
from .plda import plda_score, plda_train
from .trials import asnorm, cosine, rates

DEFAULT = (
    *(fbank, crops, tables, loading, cosine, asnorm, plda_train, plda_score),
    *(rates, mixture, clusters, ecapa, dino),
)
CASES = {case.__name__: case for case in DEFAULT}
EXTRA = {"clusters_full": clusters_full, "neighbour": neighbour}  # these load the machine for minutes
