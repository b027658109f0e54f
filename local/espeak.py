"""espeak-ng through ctypes. The PyPI package espeakng-loader has the library and its data."""

import contextlib
import ctypes
import os
from pathlib import Path

import numpy as np

from dlglc.errors import RecipeError

SYNCHRONOUS, UTF8, CHARACTERS = 2, 1, 1  # espeak_AUDIO_OUTPUT, espeakCHARS_UTF8, espeak_POSITION_TYPE
RATE, PITCH, RANGE = 1, 3, 4  # espeak_PARAMETER
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def language_file(accent: str) -> str:
    """The text of espeak-ng's voice file of an English accent, e.g. "en-GB-scotland"."""
    return (_data_dir() / "lang/gmw" / accent).read_text(encoding="utf-8")


def _loader():
    try:
        import espeakng_loader
    except ImportError:
        raise RecipeError(
            "the Python package espeakng-loader is missing: pip install -r requirements.txt, or source ./path.sh"
        ) from None
    return espeakng_loader


def _data_dir() -> Path:
    return Path(_loader().get_data_path())


class Espeak:
    """The started library. It has counters (for flutter and noise) that only a new process resets.

    The library copies paths into buffers of about 160 bytes. So `folder` becomes the working directory of the process,
    and all paths are relative to it. Then the path of the corpus and of the environment can be long.

    Args:
        folder: has the voice files. A link to espeak-ng's data is put there.
    """

    def __init__(self, folder: Path):
        link = folder / "espeak-ng-data"
        with contextlib.suppress(FileExistsError):  # another process has made it
            link.symlink_to(_data_dir(), target_is_directory=True)
        os.chdir(folder)
        self._lib = ctypes.CDLL(_loader().get_library_path())
        self._lib.espeak_Info.restype = ctypes.c_char_p
        self._lib.espeak_Synth.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ]
        self.rate = self._lib.espeak_Initialize(SYNCHRONOUS, 0, b".", 0)
        if self.rate <= 0:
            raise RecipeError(f"{folder}: espeak-ng does not start from {_data_dir()}: install espeakng-loader again")
        self._chunks: list[np.ndarray] = []
        self._callback = CALLBACK(self._take)  # kept, because the library has only its address
        self._lib.espeak_SetSynthCallback(self._callback)
        self._lib.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
        self._libc = ctypes.CDLL(None)

    def _take(self, samples, count, _events) -> int:
        if samples and count > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def say(self, voice: str, text: str, rate: float, pitch: float, pitch_range: float, seed: int) -> np.ndarray:
        """Speak `text`.

        Args:
            voice: name of a voice file in the folder. It is read each time, so that every utterance starts with the
                same settings.
            text: what to say.
            rate: words per minute; 175 is normal.
            pitch: 0 to 100; 50 is the pitch of the voice.
            pitch_range: 0 to 100; 50 is the range of the voice.
            seed: of the noise in breath. Without it, the library would use the time of day.

        Returns:
            int16 samples at self.rate.
        """
        self._chunks.clear()
        if self._lib.espeak_SetVoiceByFile(voice.encode()) != 0:
            raise RecipeError(f"{Path(voice).resolve()}: espeak-ng cannot read this voice file")
        for parameter, value in ((RATE, rate), (PITCH, pitch), (RANGE, pitch_range)):
            self._lib.espeak_SetParameter(parameter, int(value), 0)
        self._lib.espeak_ng_SetRandSeed(seed)
        self._libc.srand(seed)
        data = text.encode() + b"\0"
        status = self._lib.espeak_Synth(data, len(data), 0, CHARACTERS, 0, UTF8, None, None)
        if status != 0 or not self._chunks:
            raise RecipeError(f"espeak-ng spoke nothing (status {status}) for voice {voice}: {text!r}")
        return np.concatenate(self._chunks)


def version() -> str:
    """Version of the library, e.g. "1.52.0"."""
    lib = ctypes.CDLL(_loader().get_library_path())
    lib.espeak_Info.restype = ctypes.c_char_p
    return lib.espeak_Info(None).decode().split()[0]
