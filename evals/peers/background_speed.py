"""How much training beside a session delays the next question: a session with it and one without, turn about.

    cargo build --release
    python evals/peers/background_speed.py target/release/credence [--rounds 2] [--answers 40] [--think 1]

A person with some answers in the log sits down again for 25 questions, each answered after `--think` seconds; every second
session trains beside itself. Each begins with the same log. Reported are the milliseconds from an answer to the next question.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

POLICY = """[policy]
background = true
nats_min = -1e9
answers_min = 1
rest_seconds_min = 0
load_max = 1e9
"""
QUESTIONS = 25


def sit(credence, home, answers, think, seed):
    """One session; the delays from each answer to the next question, in milliseconds."""
    command = [credence, "session", "--json", "--home", str(home), "--person", "ada", "--seed", str(seed),
               "--questions-max", str(answers)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    said, delays = None, []
    for line in child.stdout:
        if json.loads(line)["shown"] != "question":
            continue
        if said is not None:
            delays.append(1e3 * (time.monotonic() - said))
        time.sleep(think)
        said = time.monotonic()
        # Any fixed rule will do: the work is the same whatever is chosen.
        print(json.dumps({"said": "choose", "index": len(delays) % 2}), file=child.stdin, flush=True)
    child.wait()
    return delays


def trained(home):
    """Whether a trainer was at work beside the session."""
    return any((home / "training").glob("generation-*"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("credence")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--answers", type=int, default=40)
    parser.add_argument("--think", type=float, default=1.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        first = pathlib.Path(folder) / "first"
        sit(args.credence, first, args.answers, 0.0, 0)
        delays = {"without": [], "beside": []}
        for r in range(args.rounds):
            for which in ("without", "beside") if r % 2 == 0 else ("beside", "without"):
                home = pathlib.Path(folder) / f"{which}-{r}"
                shutil.copytree(first, home)
                if which == "beside":
                    (home / "tune.toml").write_text(POLICY)
                delays[which] += sit(args.credence, home, QUESTIONS, args.think, r + 1)
                if which == "beside" and not trained(home):
                    raise SystemExit("nothing was trained beside the session")
        for which, ms in delays.items():
            print(f"{which:<8} median {statistics.median(ms):5.0f} ms, mean {statistics.mean(ms):5.0f}, "
                  f"slowest {max(ms):5.0f}, {len(ms)} questions")
        ratio = statistics.median(delays["beside"]) / statistics.median(delays["without"])
        print(f"median beside / without: {ratio:.2f} (at most 1.2 is meant)")


if __name__ == "__main__":
    main()
