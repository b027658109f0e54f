"""espeak-ng through ctypes: the library and its data come with the PyPI package espeakng-loader."""

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
    """The text of espeak-ng's own file of an English accent, e.g. "en-GB-scotland"."""
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
    """One started library. It keeps counters of its own (flutter, noise) that nothing resets but a new process.

    The library copies paths into buffers of about 160 bytes. Everything is therefore named relative to `folder`,
    which becomes the working directory of the process: a long path of a corpus or an environment does no harm.

    Args:
        folder: where the voice files are and where a link to espeak-ng's data is put.
    """

    def __init__(self, folder: Path):
        link = folder / "espeak-ng-data"
        with contextlib.suppress(FileExistsError):  # another process was first
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
        self._callback = CALLBACK(self._take)  # kept here: the library holds only its address
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
            voice: name of a voice file in the folder; read anew each time, so no setting leaks between utterances.
            rate: words per minute, 175 is normal.
            pitch: 0–100, 50 leaves the voice's own.
            pitch_range: 0–100, 50 leaves the voice's own.
            seed: of the noise in breath, which the library would otherwise take from the time of day.

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
    """Release of the library, e.g. "1.52.0"."""
    lib = ctypes.CDLL(_loader().get_library_path())
    lib.espeak_Info.restype = ctypes.c_char_p
    return lib.espeak_Info(None).decode().split()[0]
