"""Feed damaged and hostile ``.tflite`` files to the importer and the compiler.

Run it as ``python scripts/fuzz_tflite.py MODEL... [--seed N] [--files K] [--keep DIR]``. ``MODEL`` is a ``.tflite`` file or a ZIP
archive of them. Every damaged file must either be refused with one line that names it, or import as a graph that compiles or is
refused in the same way, within seconds. What is not is saved to ``--keep``; the exit status is then 1.
"""

from __future__ import annotations

import argparse
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from zipfile import ZipFile

from codegen.fuzzing.damaged_tflite import damaged, outcome

_MEBIBYTE = 1 << 20
_SECONDS = 60


def main() -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="folder for the files that fail")
    options = parser.parse_args()
    models = [content for path in options.models for content in _contents(path)]
    rng = random.Random(options.seed)
    outcomes: Counter[str] = Counter()
    slowest, failures = 0.0, 0
    signal.signal(signal.SIGALRM, _give_up)
    with tempfile.TemporaryDirectory(prefix="fuzz-tflite-") as scratch:
        file = Path(scratch) / "damaged.tflite"
        for number in range(options.files):
            kind, content = damaged(rng.choice(models), rng)
            file.write_bytes(content)
            started = time.perf_counter()
            signal.alarm(_SECONDS)
            try:
                found = outcome(file)
            except Exception as error:
                failures += 1
                options.keep.mkdir(parents=True, exist_ok=True)
                (options.keep / f"{number}.tflite").write_bytes(content)
                found = f"FAILED: {type(error).__name__}"
                print(f"file {number}, {kind}: {type(error).__name__}: {str(error)[:300]}", flush=True)
            signal.alarm(0)
            slowest = max(slowest, time.perf_counter() - started)
            outcomes[f"{kind}: {found}"] += 1
    for row, count in sorted(outcomes.items()):
        print(f"{count:7d}  {row}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // _MEBIBYTE
    print(f"{options.files} files, {failures} failed; slowest {slowest:.2f} s, peak memory {peak} MiB")
    return 1 if failures else 0


def _give_up(signal_number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"no end after {_SECONDS} s")


def _contents(path: Path) -> list[bytes]:
    if path.suffix != ".zip":
        return [path.read_bytes()]
    with ZipFile(path) as archive:
        return [archive.read(name) for name in sorted(archive.namelist()) if name.endswith(".tflite")]


if __name__ == "__main__":
    sys.exit(main())
