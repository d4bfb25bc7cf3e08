"""Cells of a convergence experiment beside a loop in APReL's style (Biyik, Talati and Sadigh 2022), in the same run.

    cargo build --release -p credence-evals --example experiment_speed
    python evals/peers/experiment_speed.py target/release/examples/experiment_speed [--people 3] [--questions 20]

Needs numpy. APReL itself is not on PyPI; this is its default loop written anew: after every answer 100 samples of a unit weight
vector by Metropolis-Hastings (200 steps of burn-in, every 20th kept), softmax choices, and the question of the greatest mutual
information among 24 candidate pairs (vectorised, which favours it). Both learn people of the same kind (5 weights, signal 5, pairs of
alternatives with normal features); reported are seconds a question on one core and held-out accuracy after the last.
"""

import argparse
import json
import os
import subprocess
import time

import numpy as np

D, POOL, SIGNAL = 5, 24, 5.0


def sample(rng, asked, said, burn_in=200, kept=100, thin=20, step=0.2):
    x, y = np.array(asked).reshape(-1, D), np.array(said)

    def ln_posterior(w):
        if w @ w > 1:
            return -np.inf
        return -np.logaddexp(0, -SIGNAL * np.where(y, x @ w, -(x @ w))).sum() if len(y) else 0.0

    w = np.zeros(D)
    ln, out = ln_posterior(w), []
    for i in range(burn_in + kept * thin):
        proposal = w + step * rng.normal(size=D)
        ln_proposal = ln_posterior(proposal)
        if np.log(rng.random()) < ln_proposal - ln:
            w, ln = proposal, ln_proposal
        if i >= burn_in and (i - burn_in) % thin == 0:
            out.append(w)
    return np.array(out)


def information(p):
    m = p.mean(0)
    h = lambda q: -(q * np.log2(q + 1e-12) + (1 - q) * np.log2(1 - q + 1e-12))
    return h(m) - h(p).mean(0)


def one(seed, questions):
    rng = np.random.default_rng(seed)
    w = rng.normal(size=D)
    w *= SIGNAL / np.linalg.norm(w)
    held_out = rng.normal(size=(500, D))
    asked, said, seconds = [], [], 0.0
    for _ in range(questions):
        pool = rng.normal(size=(POOL, D))
        start = time.perf_counter()
        samples = sample(rng, asked, said)
        gains = information(1 / (1 + np.exp(-SIGNAL * samples @ pool.T)))
        x = pool[np.argmax(gains)]
        seconds += time.perf_counter() - start
        asked.append(x)
        said.append(x @ w + rng.normal() > 0)
    mean = sample(rng, asked, said).mean(0)
    return seconds / questions, float(np.mean((held_out @ mean > 0) == (held_out @ w > 0)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("ours")
    parser.add_argument("--people", type=int, default=3)
    parser.add_argument("--questions", type=int, default=20)
    a = parser.parse_args()
    theirs = np.array([one(seed, a.questions) for seed in range(a.people)])
    print(f"APReL-style loop: {theirs[:, 0].mean():.3f} s a question, held-out accuracy {theirs[:, 1].mean():.3f} after {a.questions}")
    lines = subprocess.run([a.ours, "8"], check=True, capture_output=True, text=True, env={**os.environ, "RAYON_NUM_THREADS": "1"})
    for row in map(json.loads, lines.stdout.splitlines()):
        each = row["milliseconds_a_question_and_core"]
        ratio = 1e3 * theirs[:, 0].mean() / each
        print(f"{row['row']:<20} {row['learner']:<13} {row['cells_a_second']:8.1f} cells/s  {each:8.3f} ms a question  {ratio:7.0f} times")
