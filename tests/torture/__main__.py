"""`python -m tests.torture [--seconds N] [--seed S] [scenario …]`: break everything, lose nothing.

Prints what was done in true counts, and every promise that was broken; if there is any, the
exit code is 1 and the folder with the run is kept.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from tests.torture.scenarios import SCENARIOS, share, torture
from tests.torture.table import table
from tests.torture.tally import Tally

SECONDS = 300.0


def main() -> int:
    """Run the scenarios that are named, or all; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=", ".join(SCENARIOS))
    parser.add_argument("--seconds", type=float, default=SECONDS, help="time for all together")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="repeats the same choices")
    options = parser.parse_args()
    if unknown := set(options.scenarios) - set(SCENARIOS):
        parser.error(f"there is no scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    chosen = options.scenarios or list(SCENARIOS)
    tallies: dict[str, Tally] = {}
    for name in chosen:
        print(f"{name} …", file=sys.stderr, flush=True)
        tallies[name] = torture(name, options.seed, share(name, options.seconds, chosen), folder)
    print(table(tallies))
    print(f"seed {options.seed}")
    broken = [text for tally in tallies.values() for text in tally.broken]
    if broken:
        print(f"{len(broken)} promises broken; the runs are kept in {folder}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
