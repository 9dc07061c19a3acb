"""`python -m benchmarks`: measure, compare with the targets, write RESULTS.md."""

import argparse
import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import report
from benchmarks.installation import Cairn, DoesNotRun
from benchmarks.measuring import generator
from benchmarks.trial import Trial, conduct, opened

SIZES = (600, 10_000)
GROWN = (14_043, 112_347, 898_779)
RESULTS = Path(__file__).with_name("RESULTS.md")
_LONGEST_RUN = {False: 900.0, True: 5400.0}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure an installation against its targets."
    )
    parser.add_argument(
        "--sizes",
        type=lambda text: [int(part) for part in text.split(",")],
        default=list(SIZES),
        help="key results of the organizations, separated by commas",
    )
    parser.add_argument(
        "--grown",
        action="store_true",
        help=f"also at {', '.join(f'{size:,}' for size in GROWN)} key results, for the growth",
    )
    parser.add_argument("--strict", action="store_true", help="exit 1 when a target is missed")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the file to write")
    return parser.parse_args()


async def _run(sizes: list[int], trial: Trial, longest: float) -> None:
    with tempfile.TemporaryDirectory(prefix="cairn-bench-") as folder, generator() as loads:
        cairn = Cairn(Path(folder))
        try:
            async with asyncio.timeout(longest):
                cairn.start()
                await cairn.wait_until_open()
                async with opened(cairn, loads, _say) as bench:
                    await conduct(bench, sizes, trial)
        finally:
            cairn.stop()


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    """Exit 0 when all was measured; 1 when what is stored is wrong or, if strict, a miss."""
    arguments = _arguments()
    sizes = [*arguments.sizes, *(GROWN if arguments.grown else ())]
    trial, began = Trial(datetime.now(UTC)), time.perf_counter()
    try:
        asyncio.run(_run(sizes, trial, _LONGEST_RUN[arguments.grown]))
    except (DoesNotRun, TimeoutError) as fault:
        print(f"Not measured: {fault or 'it took too long'}", file=sys.stderr)
        return 1
    verdicts = report.verdicts(trial)
    arguments.results.write_text(report.document(trial, verdicts), encoding="utf-8")
    for verdict in verdicts:
        _say(verdict.line)
    _say(f"Written to {arguments.results} after {time.perf_counter() - began:.0f} s.")
    is_wrong = any(verdict.must_hold and not verdict.is_met for verdict in verdicts)
    is_missed = any(not verdict.is_met for verdict in verdicts)
    return int(is_wrong or (arguments.strict and is_missed))


if __name__ == "__main__":
    sys.exit(main())
