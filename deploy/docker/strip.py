"""Takes out of a base image all that no service needs: shells, package managers, compilers' helpers, documents, pip. Runs last, as root.

What is kept is Python with its standard library, the shared libraries, the certificates and the time zones. The last thing that goes is what
could start anything else.
"""

import os
import shutil
import sys
from pathlib import Path

ROOT = Path("/")
GONE = (
    *("boot", "home", "media", "mnt", "opt", "root", "srv", "strip.py"),
    *(
        "usr/share/doc",
        "usr/share/man",
        "usr/share/info",
        "usr/share/locale",
        "usr/share/bug",
        "usr/share/lintian",
        "usr/share/perl5",
    ),
    *("usr/share/python-wheels", "usr/share/gcc", "usr/share/common-licenses", "usr/include", "usr/games", "usr/src"),
    *(
        "usr/lib/apt",
        "usr/lib/dpkg",
        "usr/lib/systemd",
        "usr/lib/gcc",
        "usr/lib/udev",
        "usr/lib/init",
        "usr/lib/git-core",
    ),
    *(
        "var/lib/apt",
        "var/lib/dpkg",
        "var/cache",
        "var/log",
        "etc/apt",
        "etc/dpkg",
        "etc/alternatives",
        "etc/init.d",
        "etc/cron.d",
    ),
)
UNUSED = ("ensurepip", "idlelib", "lib2to3", "tkinter", "turtledemo", "test", "pydoc_data", "__phello__")
KEPT_PROGRAMS = ("python3", "python3.", "ldconfig")
PROGRAMS = ("usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin", "bin", "sbin")
USER = "heaters:x:65532:65532:heaters:/tmp:/nonexistent\n"


def strip() -> None:
    """Do it."""
    for name in GONE:
        _remove(ROOT / name)
    for lib in (*ROOT.glob("usr/lib/python3*"), *ROOT.glob("usr/local/lib/python3*")):
        for name in UNUSED:
            _remove(lib / name)
        for packages in (*lib.glob("site-packages/*"), *lib.glob("dist-packages/*")):
            _remove(packages)
    for perl in ROOT.glob("usr/lib/*/perl*"):
        _remove(perl)
    with Path("/etc/passwd").open("a") as passwd, Path("/etc/group").open("a") as group:
        passwd.write(USER)
        group.write("heaters:x:65532:\n")
    for folder, mode in (("/tmp", 0o1777), ("/cache", 0o755), ("/var/tmp", 0o1777)):  # noqa: S108 - the image's own
        Path(folder).mkdir(parents=True, exist_ok=True)
        os.chmod(folder, mode)
    os.chown("/cache", 65532, 65532)
    for found in _files_with_rights():
        found.chmod(found.stat().st_mode & 0o1777)
    interpreter = {Path(sys.executable).resolve(), Path(sys.executable)}
    for folder in PROGRAMS:
        directory = ROOT / folder
        if directory.is_symlink() or not directory.is_dir():
            continue
        for program in list(directory.iterdir()):
            if not program.name.startswith(KEPT_PROGRAMS) and program not in interpreter:
                _remove(program)


def _files_with_rights() -> list[Path]:
    """Programs that would run as somebody else: none may stay."""
    found = []
    for folder in ("usr", "etc", "var"):
        for path in (ROOT / folder).rglob("*"):
            if not path.is_symlink() and path.is_file() and path.stat().st_mode & 0o6000:
                found.append(path)
    return found


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)


if __name__ == "__main__":
    strip()
