"""Downloads that resume and are checked, and archives that are unpacked with a check of their paths."""

import bisect
import errno
import hashlib
import io
import lzma
import os
import shutil
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ..console import log, progress
from ..errors import RecipeError
from ..files import write_text

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 1 << 20


def fetch(urls: list[str], path: Path, digest: str | None = None, size: int | None = None) -> Path:
    """Download the first URL that can be reached. An existing `path` is kept, and a partial `path`.part is continued.

    Args:
        urls: mirrors, in the order of preference.
        path: the file to write.
        digest: expected SHA-256 or MD5 in hexadecimal (their lengths differ); None = unknown. The digest of the file is
            in the log in any case.
        size: expected size in bytes; None = unknown.

    Raises:
        RecipeError: no mirror delivers the file, or the file has another size or digest. Such a file is kept as .bad.
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
            f"{path}: no mirror delivers this file ({'; '.join(failures)}). Run the same command again to continue the "
            "download, or download the file yourself and give its folder with --corpus-dir"
        )
    found, length = digest_of(part, digest), part.stat().st_size
    if (size and length != size) or (digest and found != digest.lower()):
        bad = path.with_name(path.name + ".bad")
        os.replace(part, bad)
        raise RecipeError(
            f"{bad}: {length} bytes with {digest_kind(digest)} {found}, expected {size or 'any size'} and "
            f"{digest or 'any digest'}: the file is damaged or of another version; remove it and run again"
        )
    os.replace(part, path)
    log.info("%s: %d bytes, %s %s", path, length, digest_kind(digest), found)
    return path


def digest_kind(digest: str | None) -> str:
    """md5 or sha256, by the length of the digest; sha256 if there is none."""
    return "md5" if digest and len(digest) == 32 else "sha256"


def digest_of(path: Path, like: str | None = None) -> str:
    """Digest of a file in hexadecimal, of the same kind as the digest `like`."""
    digest = hashlib.new(digest_kind(like))
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _download(url: str, part: Path) -> None:
    """Append the missing bytes of `url` to `part`."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # the request was for bytes behind the end: the file is complete
            return
        raise
    with answer:
        if have and answer.status != 206:  # this server cannot continue a download: begin again
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        log.info("%s: from byte %d of %s", url, have, total or "unknown")
        done, started, logged = have, time.monotonic(), time.monotonic()
        with open(part, "ab" if have else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                done += len(block)
                if time.monotonic() - logged > 10:
                    logged = time.monotonic()
                    rate = (done - have) / (logged - started)
                    left = f"{(total - done) / rate:.0f} s left" if total else "size unknown"
                    log.info("%d MB, %.1f MB/s, %s", done >> 20, rate / 2**20, left)
        if total and done != total:
            raise OSError(f"the connection ended at byte {done} of {total}")


def unpack(archive: Path, out_dir: Path, strip: int = 0) -> None:
    """Unpack a tar archive into `out_dir`.

    All members are unpacked beside `out_dir` first. Their folder then becomes `out_dir`. If `out_dir` is there already,
    the members are moved into it one by one, and is_interrupted() is true until all of them are there.

    Args:
        archive: the tar file, compressed or not.
        out_dir: where the members go.
        strip: number of leading path components to remove from every member.

    Raises:
        RecipeError: the archive is damaged, a member would be written outside of the directory, or a folder of the
            archive is in `out_dir` already.
    """
    part = out_dir.with_name(out_dir.name + ".tmp")
    if not is_interrupted(out_dir):
        shutil.rmtree(part, ignore_errors=True)  # of a run that was stopped
        _unpack_all(archive, part, strip)
        if not out_dir.exists():
            os.replace(part, out_dir)
            return
        taken = next((item.name for item in part.iterdir() if (out_dir / item.name).is_dir()), None)
        if taken:
            raise RecipeError(f"{out_dir / taken}: already there: move it away, or give another folder")
        write_text(_mark(out_dir), "The folder .tmp beside this file is complete. Run the same command again.\n")
    for item in sorted(part.iterdir()) if part.exists() else []:
        os.replace(item, out_dir / item.name)
    shutil.rmtree(part, ignore_errors=True)
    _mark(out_dir).unlink()


def is_interrupted(out_dir: Path) -> bool:
    """True if unpack was stopped while it moved members into `out_dir`: some are missing there."""
    return _mark(out_dir).exists()


def _mark(out_dir: Path) -> Path:
    return out_dir.with_name(out_dir.name + ".unpacked")


def _unpack_all(archive: Path, part: Path, strip: int) -> None:
    """Unpack an archive into a new folder."""
    try:
        part.mkdir(parents=True)
        with tarfile.open(archive) as tar:
            for member in tar:
                inside = member.name.split("/")[strip:]
                if inside and inside != [""]:
                    # The "data" filter refuses absolute paths, "..", devices, and links to places outside.
                    tar.extract(member.replace(name="/".join(inside)), part, filter="data")
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as error:
        shutil.rmtree(part, ignore_errors=True)
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        remedy = "make room and run again" if full else "remove it and run again"
        raise RecipeError(f"{archive}: cannot unpack this archive: {error}; {remedy}") from error


class JoinedFiles(io.RawIOBase):
    """The parts of a file that was split, read as one file without a copy.

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

    def readinto(self, buffer: "WriteableBuffer") -> int:
        if self._at >= self._ends[-1]:
            return 0
        which = bisect.bisect_right(self._ends, self._at) - 1
        self._files[which].seek(self._at - self._ends[which])
        done = self._files[which].readinto(buffer)  # at most up to the end of this part; the caller asks again for more
        self._at += done
        return done

    def close(self) -> None:
        for file in self._files:
            file.close()
        super().close()


def unzip(parts: list[Path], out_dir: Path) -> None:
    """Unpack a zip archive, in one file or in parts, into `out_dir`.

    Files that are there with their full size are kept, so that an interrupted run can be continued. Every file is
    checked with the CRC-32 of the archive, and is complete or not there at all.

    Args:
        parts: the archive, or its parts in order.
        out_dir: where the members go.

    Raises:
        RecipeError: the archive is damaged or incomplete, a member would be written outside of the directory, or the
            disk is full.
    """
    names = str(parts[0]) if len(parts) == 1 else f"{parts[0]} … {parts[-1].name}"
    try:
        with zipfile.ZipFile(io.BufferedReader(JoinedFiles(parts), BLOCK)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            wanted = _missing_members(members, out_dir, names)
            room, need = shutil.disk_usage(_nearest_folder(out_dir)).free, sum(member.file_size for member, _ in wanted)
            if need > room:
                raise RecipeError(
                    f"{out_dir}: {need >> 30} GiB to unpack, {room >> 30} GiB free: free some space, or use a larger "
                    "disk"
                )
            log.info("%s: %d of %d files to unpack, %.1f GiB", names, len(wanted), len(members), need / 2**30)
            for member, path in progress(wanted, len(wanted), "files"):
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_name(path.name + ".tmp")
                with archive.open(member) as source, open(part, "wb") as target:
                    shutil.copyfileobj(source, target, BLOCK)
                os.replace(part, path)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        raise RecipeError(
            f"{names}: cannot unpack this archive: {error}; a part is missing, out of order or damaged: download it "
            "again"
        ) from error


def _missing_members(members: list[zipfile.ZipInfo], out_dir: Path, names: str) -> list[tuple[zipfile.ZipInfo, Path]]:
    """The members that are not in `out_dir` with their full size, and the path of each."""
    missing = []
    for member in members:
        inside = PurePosixPath(member.filename)
        if inside.is_absolute() or ".." in inside.parts:
            raise RecipeError(f"{names}: its member {member.filename} would leave {out_dir}: do not trust this archive")
        path = out_dir / inside
        if not (path.exists() and path.stat().st_size == member.file_size):
            missing.append((member, path))
    return missing


def _nearest_folder(path: Path) -> Path:
    """The path if it exists, else the nearest folder above it that exists."""
    return next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
