"""Types, ranges and choices of every setting, and the settings that exclude each other.

A class here is the form of one file conf/<idea>.yaml, and its fields are the keys of that file. The values, and what
they mean, stand in the file. Settings arrive as frozen objects: `settings.gate.mode`.
"""

from .data import AugmentSettings, FbankSettings
from .dino import DinoSettings, EncoderSettings, HeadSettings, TemperatureSettings
from .rounds import AdaptSettings, CorrectionSettings, DlglcSettings, GateSettings
from .scoring import BackendSettings, ClusterSettings
from .sections import LARGEST, Clash, Section, Settings
from .training import OptimiserSettings, TrainingSettings

SCHEMAS: dict[str, type[Settings]] = {
    schema.idea: schema
    for schema in (FbankSettings, AugmentSettings, DinoSettings, ClusterSettings, DlglcSettings, BackendSettings)
}

__all__ = [
    "LARGEST",
    "SCHEMAS",
    "AdaptSettings",
    "AugmentSettings",
    "BackendSettings",
    "Clash",
    "ClusterSettings",
    "CorrectionSettings",
    "DinoSettings",
    "DlglcSettings",
    "EncoderSettings",
    "FbankSettings",
    "GateSettings",
    "HeadSettings",
    "OptimiserSettings",
    "Section",
    "Settings",
    "TemperatureSettings",
    "TrainingSettings",
]
