"""Native code of this package: C files built for this machine once per version, kept in the cache, loaded by ctypes."""

from __future__ import annotations

import ctypes
import hashlib
import os
from functools import cache
from pathlib import Path

from codegen.cache import cache_dir


@cache
def load_native(source: Path) -> ctypes.CDLL:
    """The shared library made of one C file. Several processes may ask for it at once.

    :raises codegen.toolchain.CompileError: if the compiler is missing or refuses the file.
    """
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    path = cache_dir() / f"{source.stem}-{digest}-{os.uname().machine if hasattr(os, 'uname') else os.name}.so"
    if not path.exists():
        from codegen.toolchain import ZigCompiler

        ZigCompiler().build_host([source], output=path, flags=("-shared", "-fPIC"))
    return ctypes.CDLL(str(path.resolve()))
