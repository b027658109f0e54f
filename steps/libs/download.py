"""Downloads that resume and check, and archives unpacked without trusting their paths."""

import hashlib
import os
import tarfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from .cli import RecipeError, log

BLOCK = 1 << 20


def fetch(urls: list[str], path: Path, sha256: str | None = None, size: int | None = None) -> Path:
    """Download the first reachable URL to `path`, continuing a partial `path`.part; a finished `path` is kept.

    Args:
        urls: mirrors, in the order of preference.
        path: where to.
        sha256: expected digest; None = unknown, then the digest found is logged so that it can be compared.
        size: expected length in bytes, where known.

    Raises:
        RecipeError: no mirror delivers, or what arrived has another size or digest (it is kept as .bad to look at).
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    failures = []
    for url in urls:
        try:
            _download(url, part)
            break
        except (OSError, urllib.error.URLError) as error:
            failures.append(f"{url}: {error}")
            log.info("%s", failures[-1])
    else:
        raise RecipeError(
            f"{path}: no mirror delivers it ({'; '.join(failures)}). Run the same command again to go on where it "
            "stopped, or fetch it by hand and give its folder with --corpus-dir"
        )
    digest, found = hashlib.sha256(), part.stat().st_size
    with open(part, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    if (size and found != size) or (sha256 and digest.hexdigest() != sha256.lower()):
        bad = path.with_name(path.name + ".bad")
        os.replace(part, bad)
        raise RecipeError(
            f"{bad}: {found} bytes with sha256 {digest.hexdigest()}, expected {size or 'any size'} and "
            f"{sha256 or 'any digest'}: damaged on the way, or another version; remove it and run again"
        )
    os.replace(part, path)
    log.info("%s: %d bytes, sha256 %s", path, found, digest.hexdigest())
    return path


def _download(url: str, part: Path) -> None:
    """Append what is missing of `url` to `part`."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # asked for bytes past the end: all of it is here already
            return
        raise
    with answer:
        if have and answer.status != 206:  # this server cannot continue: from the start
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        log.info("%s: from byte %d of %s", url, have, total or "unknown")
        done, started, said = have, time.monotonic(), time.monotonic()
        with open(part, "ab" if have else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                done += len(block)
                if time.monotonic() - said > 10:
                    said = time.monotonic()
                    rate = (done - have) / (said - started)
                    left = f"{(total - done) / rate:.0f} s left" if total else "size unknown"
                    log.info("%d MB, %.1f MB/s, %s", done >> 20, rate / 2**20, left)
        if total and done != total:
            raise OSError(f"the connection ended at byte {done} of {total}")


def unpack(archive: Path, out_dir: Path, strip: int = 0) -> None:
    """Unpack a tar archive into `out_dir`, all of it or nothing (a directory .tmp, then renamed).

    Args:
        strip: leading path components to drop from every member.

    Raises:
        RecipeError: damaged archive, or a member that would leave the directory.
    """
    part = out_dir.with_name(out_dir.name + ".tmp")
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                inside = member.name.split("/")[strip:]
                if inside and inside != [""]:
                    # The "data" filter refuses absolute paths, "..", devices and links that lead outside.
                    tar.extract(member.replace(name="/".join(inside)), part, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise RecipeError(f"{archive}: cannot unpack it: {error}; remove it and run again") from error
    out_dir.mkdir(parents=True, exist_ok=True)
    for item in part.iterdir():
        os.replace(item, out_dir / item.name)
    part.rmdir()
