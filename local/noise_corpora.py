#!/usr/bin/env python3
"""Download the corpora that most recipes use for augmentation: MUSAN (OpenSLR 17) and RIRS_NOISES (OpenSLR 28).

    noise_corpora.py musan DIR     11.1 GB: music, speech and noise (Snyder et al., arXiv 1510.08484)
    noise_corpora.py rirs DIR      1.3 GB: simulated rooms (Ko et al., ICASSP 2017)

An interrupted download is continued. Size and MD5 are checked. A corpus that is there already is kept.
local/make_noise.py then makes data directories: make_noise.py --musan DIR --rirs-noises DIR OUT_DIR

Writes  the archive beside DIR, and its contents in DIR

Example
    local/noise_corpora.py musan /corpora/musan
"""

from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.data.download import fetch, unpack, unzip
from dlglc.errors import RecipeError
from openslr import urls

# Path at OpenSLR, bytes, MD5. OpenSLR publishes neither of the two; the recipes of 3D-Speaker and clovaai check these.
ARCHIVES = {
    "musan": ("17/musan.tar.gz", 11_086_114_085, "0c472d4fc0c5141eca47ad1ffeb2a7df"),
    "rirs": ("28/rirs_noises.zip", 1_311_166_223, "e6f48e257286e05de56413b4779d8ffb"),
}
KINDS = {"noise": 930, "music": 660, "speech": 426}  # clips of MUSAN
ROOMS, RESPONSES = 600, 100  # RIRS_NOISES: simulated rooms (200 of each of three sizes), and responses of each room


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("corpus", choices=ARCHIVES)
    parser.add_argument("out_dir", metavar="DIR", type=Path)
    parser.add_argument("--url", action="append", help="mirror to download from (default: OpenSLR and its mirrors)")
    parser.add_argument("--digest", help="MD5 or SHA-256 of another release of the archive (default: the known MD5)")
    args = parser.parse_args()
    place, size, digest = ARCHIVES[args.corpus]
    archive = args.out_dir.parent / Path(place).name
    if args.out_dir.exists() and not archive.exists():
        log.info("%s: already there", args.out_dir)
        return
    fetch(args.url or urls(place), archive, args.digest or digest, None if args.digest else size)
    if archive.suffix == ".zip":
        unzip([archive], args.out_dir)
    elif not args.out_dir.exists():
        unpack(archive, args.out_dir, strip=1)
    log.info("%s: unpacked; %s is no longer needed", args.out_dir, archive)


def musan_clips(folder: Path) -> dict[str, Path]:
    """The recordings of MUSAN. An id begins with its kind (music-fma-0000).

    A kind that is not complete is reported in the log.

    Raises:
        RecipeError: a kind is missing.
    """
    top = (folder / "musan" if (folder / "musan").is_dir() else folder).absolute()
    clips: dict[str, Path] = {}
    for kind, expected in KINDS.items():
        found = {path.stem: path for path in sorted((top / kind).glob("*/*.wav")) if path.stem.startswith(f"{kind}-")}
        if not found:
            raise RecipeError(
                f"{top}: no {kind}/*/{kind}-*.wav: this is not MUSAN; local/noise_corpora.py downloads it"
            )
        if len(found) != expected:
            log.info("%s/%s: %d clips, MUSAN has %d", top, kind, len(found), expected)
        clips |= found
    return clips


def simulated_rooms(folder: Path, per_room: int) -> dict[str, Path]:
    """Impulse responses of the simulated rooms of RIRS_NOISES.

    An incomplete set is reported in the log.

    Args:
        folder: RIRS_NOISES.
        per_room: number of responses of each room, at regular steps in the list of its files.

    Raises:
        RecipeError: there are no responses.
    """
    top = (folder / "RIRS_NOISES" if (folder / "RIRS_NOISES").is_dir() else folder).absolute()
    rooms = sorted((top / "simulated_rirs").glob("*room/Room*"))
    rirs, found = {}, 0
    for room in rooms:
        paths = sorted(room.glob("*.wav"))
        found += len(paths)
        step = max(1, len(paths) // per_room)
        rirs |= {f"rir-{room.parent.name}-{path.stem}": path for path in paths[::step][:per_room]}
    if not rirs:
        raise RecipeError(
            f"{top}: no simulated_rirs/*room/Room*/*.wav: this is not RIRS_NOISES; local/noise_corpora.py downloads it"
        )
    if (len(rooms), found) != (ROOMS, ROOMS * RESPONSES):
        log.info("%s: %d rooms, %d responses; RIRS_NOISES has %d, %d", top, len(rooms), found, ROOMS, ROOMS * RESPONSES)
    return rirs


if __name__ == "__main__":
    console.run(main)
