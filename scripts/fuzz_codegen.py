"""Compare the generated C with the numpy reference on random graphs: on this machine under sanitizers and on emulated cores.

Run it as ``python scripts/fuzz_codegen.py [--seed N] [--graphs K] [--only I] [--core CORE ...] [--out FILE] [--keep DIR]``.
``--only I`` repeats graph ``I`` of a seed. ``--out`` writes what was covered as JSON. A difference prints the smallest stretch of
operators that fails and saves it to ``--keep``; the exit status is then 1. ``--self-test`` seeds bugs into a copy of the sources,
one at a time, and shows that each is found.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from codegen.cores import CORES, find_core
from codegen.fuzzing.campaign import run_campaign, save_failure
from codegen.fuzzing.host import description
from codegen.fuzzing.seeded_bugs import SEEDED_BUGS, graphs_until_found


def main() -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--graphs", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="number of the first graph")
    parser.add_argument("--only", type=int, help="number of the one graph to run")
    parser.add_argument("--core", action="append", choices=list(CORES), help="default: every core")
    parser.add_argument("--stop-at", type=int, default=10, help="stop after that many failures")
    parser.add_argument("--out", type=Path, help="JSON file of what was covered")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="folder for the graphs that fail")
    parser.add_argument("--self-test", action="store_true", help="show that seeded bugs are found, each within --graphs graphs")
    options = parser.parse_args()
    if options.self_test:
        return self_test(options.seed, options.graphs)
    cores = [find_core(name).name for name in options.core or CORES]
    numbers = range(options.first, options.first + options.graphs) if options.only is None else [options.only]
    started = time.monotonic()
    print(f"host: {description()}; cores: {', '.join(cores)}", flush=True)
    campaign = run_campaign(
        options.seed, numbers, cores=cores, stop_at=options.stop_at, report=lambda line: print(line, flush=True)
    )
    for failure in campaign.failures:
        print(f"saved {save_failure(failure, options.seed, options.keep)}")
    print(campaign.coverage.text())
    seconds = time.monotonic() - started
    print(f"seed {options.seed}: {campaign.checked} graphs checked in {seconds:.0f} s, {len(campaign.failures)} differ")
    if options.out is not None:
        content = {
            "seed": options.seed,
            "kinds": campaign.kinds,
            "graphs": campaign.checked,
            "differ": [failure.number for failure in campaign.failures],
            "host": description(),
            "coverage": campaign.coverage.tables(),
        }
        options.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 1 if campaign.failures else 0


def self_test(seed: int, most: int) -> int:
    """Fuzz one copy of the sources for each seeded bug; exit status 1 if one is not found within ``most`` graphs."""
    missed = 0
    for bug in SEEDED_BUGS:
        graphs = graphs_until_found(bug, seed, most)
        missed += graphs is None
        print(f"{bug.name}: {'NOT FOUND' if graphs is None else f'found by graph {graphs}'} ({bug.file})", flush=True)
    print(f"{len(SEEDED_BUGS) - missed} of {len(SEEDED_BUGS)} seeded bugs found within {most} graphs each")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
