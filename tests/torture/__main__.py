"""`python -m tests.torture [--seconds N] [--seed S] [scenario …]`: provoke faults, count losses.

Prints exact counts and every violated guarantee. If there is one, the exit code is 1 and the
folder with the runs is kept.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from tests.torture.result_table import result_table
from tests.torture.scenario_result import ScenarioResult
from tests.torture.scenarios import SCENARIOS, time_share, torture

SECONDS = 300.0


def main() -> int:
    """Run the named scenarios, or all of them; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=", ".join(SCENARIOS))
    parser.add_argument("--seconds", type=float, default=SECONDS, help="total time")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="repeats the same choices")
    options = parser.parse_args()
    if unknown := set(options.scenarios) - set(SCENARIOS):
        parser.error(f"unknown scenario: {', '.join(unknown)}; choose from {', '.join(SCENARIOS)}")
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    chosen = options.scenarios or list(SCENARIOS)
    results: dict[str, ScenarioResult] = {}
    for name in chosen:
        print(f"{name} …", file=sys.stderr, flush=True)
        seconds = time_share(name, options.seconds, chosen)
        results[name] = torture(name, options.seed, seconds, folder)
    print(result_table(results))
    print(f"seed {options.seed}")
    violations = [text for result in results.values() for text in result.violations]
    if violations:
        print(f"{len(violations)} violations; the runs are kept in {folder}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
