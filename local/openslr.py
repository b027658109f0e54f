"""Where OpenSLR's files are."""

MIRRORS = ("www.openslr.org", "openslr.trmal.net", "openslr.magicdatatech.com")


def urls(path: str) -> list[str]:
    """The URLs of a file on all mirrors.

    Args:
        path: number of the resource and name of the file, e.g. 17/musan.tar.gz.
    """
    return [f"https://{host}/resources/{path}" for host in MIRRORS]
