"""Downloads that resume and check, and archives unpacked without trusting their paths."""

import bisect
import hashlib
import io
import os
import shutil
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path, PurePosixPath

from ..console import log, progress
from ..errors import RecipeError

BLOCK = 1 << 20


def fetch(urls: list[str], path: Path, digest: str | None = None, size: int | None = None) -> Path:
    """Download the first reachable URL to `path`, continuing a partial `path`.part; a finished `path` is kept.

    Args:
        urls: mirrors, in the order of preference.
        path: where to.
        digest: expected SHA-256, or MD5 where only that is published (told apart by their length); None = unknown,
            then the SHA-256 found is logged so that it can be compared.
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
    found, length = digest_of(part, digest), part.stat().st_size
    if (size and length != size) or (digest and found != digest.lower()):
        bad = path.with_name(path.name + ".bad")
        os.replace(part, bad)
        raise RecipeError(
            f"{bad}: {length} bytes with {kind_of(digest)} {found}, expected {size or 'any size'} and "
            f"{digest or 'any digest'}: damaged on the way, or another version; remove it and run again"
        )
    os.replace(part, path)
    log.info("%s: %d bytes, %s %s", path, length, kind_of(digest), found)
    return path


def kind_of(digest: str | None) -> str:
    """md5 or sha256, by the length of a digest; sha256 where none is known."""
    return "md5" if digest and len(digest) == 32 else "sha256"


def digest_of(path: Path, like: str | None = None) -> str:
    """Digest of a file's contents in hexadecimal, of the kind that `like` is."""
    digest = hashlib.new(kind_of(like))
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


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


class Joined(io.RawIOBase):
    """Files that were cut from one, read as that one; nothing is copied.

    Args:
        parts: the files in order.
    """

    def __init__(self, parts: list[Path]):
        self._files = [open(part, "rb") for part in parts]  # noqa: SIM115  # closed by close()
        self._ends = [0]
        for part in parts:
            self._ends.append(self._ends[-1] + part.stat().st_size)
        self._at = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._ends[-1])[whence]
        return self._at

    def readinto(self, buffer) -> int:
        if self._at >= self._ends[-1]:
            return 0
        which = bisect.bisect_right(self._ends, self._at) - 1
        self._files[which].seek(self._at - self._ends[which])
        done = self._files[which].readinto(buffer)  # up to the part's end; whoever wants more asks again
        self._at += done
        return done

    def close(self) -> None:
        for file in self._files:
            file.close()
        super().close()


def unzip(parts: list[Path], out_dir: Path) -> None:
    """Unpack a zip, whole or in parts, into `out_dir`; files that are there in full size are kept.

    Every file is held to the archive's CRC-32 and appears whole or not at all, so an interrupted run goes on.

    Raises:
        RecipeError: a damaged or incomplete archive, a member that would leave the directory, too little room.
    """
    names = parts[0] if len(parts) == 1 else f"{parts[0]} … {parts[-1].name}"
    try:
        with zipfile.ZipFile(io.BufferedReader(Joined(parts), BLOCK)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            wanted = []
            for member in members:
                inside = PurePosixPath(member.filename)
                if inside.is_absolute() or ".." in inside.parts:
                    raise RecipeError(f"{names}: its member {member.filename} would leave {out_dir}: do not trust it")
                path = out_dir / inside
                if not (path.exists() and path.stat().st_size == member.file_size):
                    wanted.append((member, path))
            room, need = shutil.disk_usage(_existing(out_dir)).free, sum(member.file_size for member, _ in wanted)
            if need > room:
                raise RecipeError(
                    f"{out_dir}: {need >> 30} GiB to unpack, {room >> 30} GiB free: make room, or name a larger disk"
                )
            log.info("%s: %d of %d files to unpack, %.1f GiB", names, len(wanted), len(members), need / 2**30)
            for member, path in progress(wanted, len(wanted), "files"):
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_name(path.name + ".tmp")
                with archive.open(member) as source, open(part, "wb") as target:
                    shutil.copyfileobj(source, target, BLOCK)
                os.replace(part, path)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise RecipeError(
            f"{names}: cannot unpack it: {error}; a part is missing, out of order or damaged: fetch it again"
        ) from error


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
