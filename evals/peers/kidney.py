"""Kidney choices: `credence eval kidney` beside a hierarchical logistic model fitted with SciPy, on the same splits and the same held-out choices.

    CREDENCE_DATA=DIR python evals/peers/kidney.py target/release/credence [--splits 10] [--seed 1]

Needs numpy and scipy. The peer is empirical Bayes by Laplace's method (15 rounds) on standardised differences of the three attributes, written
independently of the command's own baseline; both must agree, and ours is compared with it person by person.
"""

import argparse
import csv
import json
import os
import subprocess

import numpy as np
from scipy.optimize import minimize

HELD_OUT = 10


def load(data):
    people = {}
    with open(os.path.join(data, "kidney", "study_2_strict.csv")) as f:
        for row in csv.DictReader(f):
            x = [float(row[f"left_{k}"]) - float(row[f"right_{k}"]) for k in (1, 2, 3)]
            people.setdefault(int(row["user_id"]), []).append((int(row["decision_rank"]), x, row["decision"] == "0"))
    scale = np.array([x for rows in people.values() for _, x, _ in rows]).std(0)
    out = []
    for _, rows in sorted(people.items()):
        rows.sort(key=lambda r: r[0])
        out.append((np.array([r[1] for r in rows]) / scale, np.array([r[2] for r in rows], float)))
    return out


def laplace(x, y, mean, precision):
    def loss(w):
        z, d = x @ w, w - mean
        p = 1 / (1 + np.exp(-z))
        return np.logaddexp(0, z).sum() - y @ z + 0.5 * d @ precision @ d, x.T @ (p - y) + precision @ d

    w = minimize(loss, mean, jac=True, method="L-BFGS-B").x
    p = 1 / (1 + np.exp(-x @ w))
    return w, np.linalg.inv((x * (p * (1 - p))[:, None]).T @ x + precision)


def population(people):
    mean, covariance = np.zeros(3), 2 * np.eye(3)
    for _ in range(15):
        fits = [laplace(x, y, mean, np.linalg.inv(covariance)) for x, y in people]
        w = np.array([f[0] for f in fits])
        mean = w.mean(0)
        covariance = np.mean([f[1] for f in fits], 0) + np.cov(w.T, bias=True) + 1e-3 * np.eye(3)
    return mean, covariance


def loss(x, y, w, s):
    p = 1 / (1 + np.exp(-(x @ w) / np.sqrt(1 + np.pi * np.einsum("ij,jk,ik->i", x, s, x) / 8)))
    p = np.clip(p, 1e-4, 1 - 1e-4)
    return -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()


def interval(values, rng):
    values = np.array(values)
    means = values[rng.integers(0, len(values), (2000, len(values)))].mean(1)
    return f"{values.mean():+.3f} [{np.quantile(means, 0.025):+.3f}, {np.quantile(means, 0.975):+.3f}]"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    data = os.environ.get("CREDENCE_DATA", "../shared/data")
    run = [a.command, "eval", "kidney", "--json", "--splits", str(a.splits), "--seed", str(a.seed), "--data", data]
    ours = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
    answers = ours["options"]["answers"]
    people = [p for p in load(data) if len(p[1]) >= max(answers) + HELD_OUT]
    methods = [row["method"] for row in ours["rows"]]
    by_person = {}
    for split in ours["splits"]:
        tested = set(split["tested"])
        mean, covariance = population([p for i, p in enumerate(people) if i not in tested])
        precision = np.linalg.inv(covariance)
        for k, i in enumerate(split["tested"]):
            x, y = people[i]
            peer = [loss(x[-HELD_OUT:], y[-HELD_OUT:], *laplace(x[:n], y[:n], mean, precision)) for n in answers]
            by_person.setdefault(i, []).append((peer, [[m[j][k] for j in range(len(answers))] for m in split["log_loss"]]))
    rng = np.random.default_rng(a.seed)
    print(f"{len(by_person)} people in {a.splits} splits; log loss at {answers} answers")
    peer = np.array([np.mean([s[0] for s in splits], 0) for splits in by_person.values()])
    print(f"{'SciPy, hierarchical logistic':<52}", "  ".join(f"{v:.3f}" for v in peer.mean(0)))
    for m, name in enumerate(methods):
        own = np.array([np.mean([s[1][m] for s in splits], 0) for splits in by_person.values()])
        print(f"{name:<52}", "  ".join(f"{v:.3f}" for v in own.mean(0)))
        for j, n in enumerate(answers):
            print(f"    {n:>3} answers, less SciPy's: {interval(own[:, j] - peer[:, j], rng)}")
