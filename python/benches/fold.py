"""Folding a log from Python beside `credence replay`: wall seconds of each, and their ratio with an interval.

    python python/benches/fold.py COMMAND [--choices 20000] [--people 20] [--hypotheses 12] [--rounds 9]

Both read the same log (seed 1), fold everybody and work out their values; the command also prints them as JSON. The command is
timed as a process of its own, Python without its start. Rounds alternate which goes first. The interval is the central 95% of 10,000
bootstrap means of the ratio (seed 1).
"""

import argparse
import json
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import credence


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("--choices", type=int, default=20_000)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--hypotheses", type=int, default=12, choices=[1, 12, 48])
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = credence.write_sample_log(
            Path(folder) / "log.jsonl",
            choices=options.choices,
            people=options.people,
            alternatives=1000,
            values=18,
            hypotheses=options.hypotheses,
        )
        said: list[bytes] = []

        def by_command() -> None:
            run = [options.command, "replay", str(log.path), "--json"]
            said.append(subprocess.run(run, check=True, capture_output=True).stdout)

        def by_python() -> None:
            replay = log.replay()
            replay.values(), replay.predictions(), replay.people()

        by_command(), by_python()  # once each, so that the file is in memory
        pairs = []
        for number in range(options.rounds):
            order = [by_command, by_python] if number % 2 else [by_python, by_command]
            took = {work: seconds(work) for work in order}
            pairs.append((took[by_python], took[by_command]))
        # Both did the same.
        theirs = [person["digest"] for person in json.loads(said[-1])["people"]]
        ours = log.replay().people().to_polars()["digest"].to_list()
        assert ours == theirs, "the beliefs differ"
        size = log.path.stat().st_size / 1e6
    ratios = [python / command for python, command in pairs]
    rng = random.Random(1)
    means = sorted(statistics.fmean(rng.choices(ratios, k=len(ratios))) for _ in range(10_000))
    print(f"{options.choices} choices of {options.people} people, {options.hypotheses} hypotheses, {size:.1f} MB")
    print(f"Python  {statistics.fmean(p for p, _ in pairs):.3f} s (mean of {len(pairs)})")
    print(f"command {statistics.fmean(c for _, c in pairs):.3f} s")
    print(f"ratio   {statistics.fmean(ratios):.3f} [{means[249]:.3f}, {means[9749]:.3f}]")


if __name__ == "__main__":
    main()
