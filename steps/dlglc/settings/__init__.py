"""Settings: conf/<idea>.yaml holds each key's value and meaning, schema/ its type, range and choices."""

from .loading import Change, changes, load_settings, save_settings
from .options import add_settings_options, settings_of
from .schema import SCHEMAS, Settings

__all__ = [
    "SCHEMAS",
    "Change",
    "Settings",
    "add_settings_options",
    "changes",
    "load_settings",
    "save_settings",
    "settings_of",
]
