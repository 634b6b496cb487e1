"""Virtual environments of software that is compared with, from committed locks, kept between runs."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from components.cache import cache_folder, exclusive
from components.package_indexes import PackageIndexes, uv_environment


def peer_python(lock: Path) -> Path:
    """Return the Python of an environment with what `lock` pins; it is made when it is not in the user's cache.

    Raises:
        subprocess.CalledProcessError: it cannot be made; uv has said why.
    """
    version = "{}.{}".format(*sys.version_info[:2])
    known = hashlib.sha256(f"{version} {sys.base_prefix} {lock.read_text()}".encode()).hexdigest()
    folder = cache_folder(os.environ, "peers") / f"{lock.stem}-{known[:12]}"
    python = folder / "bin" / "python"
    with exclusive(folder.with_suffix(".lock")):
        complete = folder / "complete"
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            environ = uv_environment(PackageIndexes(), os.environ)
            uv = [sys.executable, "-m", "uv"]
            subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True, env=environ)
            install = [*uv, "pip", "install", "--quiet", "--require-hashes", "--compile-bytecode"]
            subprocess.run([*install, "--python", str(python), "--requirement", str(lock)], check=True, env=environ)
            complete.touch()
    return python
