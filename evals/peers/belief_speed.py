"""Credence's belief engine beside choix EP and BoTorch's PairwiseGP, on the same answers in the same run.

    cargo build --release -p credence-memory --example belief_speed
    python evals/peers/belief_speed.py target/release/examples/belief_speed [--items 50] [--answers 500] [--repeats 5]

Needs numpy, scipy and choix; botorch is compared with where it is installed. A person's utilities are drawn, pairs of items are
answered with logistic noise, and every package refits the same answers. Reported: seconds for a refit (the best of the repeats),
for one answered question (refit or update, then choosing among all pairs), and the log loss of fresh answers. APReL is not
compared.
"""

import argparse
import json
import subprocess
import tempfile
import time
import warnings

import numpy as np

warnings.filterwarnings("ignore")


def simulate(items, answers, test, seed):
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=items)

    def ask(count):
        pairs = []
        for _ in range(count):
            i, j = rng.choice(items, 2, replace=False)
            pairs.append((i, j) if rng.random() < 1 / (1 + np.exp(theta[j] - theta[i])) else (j, i))
        return [(int(i), int(j)) for i, j in pairs]

    return ask(answers), ask(test)


def log_loss(p):
    return float(-np.mean(np.log(np.clip(p, 1e-12, 1))))


def choix_ep(items, train, test):
    import choix

    start = time.perf_counter()
    mean, covariance = choix.ep_pairwise(items, train, 1.0)
    refit = time.perf_counter() - start
    start = time.perf_counter()
    variances = np.diag(covariance)
    spread = variances[:, None] + variances[None, :] - 2 * covariance
    gap = mean[:, None] - mean[None, :]
    np.argmax(spread / (1 + gap**2))  # any rule that looks at every pair
    choose = time.perf_counter() - start
    i, j = np.array(test).T
    scale = np.sqrt(1 + np.pi * spread[i, j] / 8)
    return refit, refit + choose, log_loss(1 / (1 + np.exp(-gap[i, j] / scale)))


def pairwise_gp(items, train, test):
    import torch
    from botorch.fit import fit_gpytorch_mll
    from botorch.models.pairwise_gp import PairwiseGP, PairwiseLaplaceMarginalLogLikelihood

    start = time.perf_counter()
    points = torch.eye(items, dtype=torch.double)
    model = PairwiseGP(points, torch.tensor(train))
    fit_gpytorch_mll(PairwiseLaplaceMarginalLogLikelihood(model.likelihood, model))
    refit = time.perf_counter() - start
    with torch.no_grad():
        posterior = model.posterior(points)
        mean, covariance = posterior.mean.squeeze().numpy(), posterior.mvn.covariance_matrix.numpy()
    from scipy.stats import norm

    i, j = np.array(test).T
    spread = covariance[i, i] + covariance[j, j] - 2 * covariance[i, j]
    return refit, None, log_loss(norm.cdf((mean[i] - mean[j]) / np.sqrt(2 + spread)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--items", type=int, default=50)
    parser.add_argument("--answers", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    rows = {"credence": [], "choix EP": [], "BoTorch PairwiseGP": []}
    for seed in range(options.repeats):
        train, test = simulate(options.items, options.answers, 2000, seed)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"dimension": options.items, "train": train, "test": test}, file)
            file.flush()
            out = json.loads(subprocess.check_output([options.binary, "file", file.name]))
        rows["credence"].append((out["refit_s"], out["answered_question_s"], out["log_loss"]))
        rows["choix EP"].append(choix_ep(options.items, train, test))
        try:
            rows["BoTorch PairwiseGP"].append(pairwise_gp(options.items, train, test))
        except ImportError:
            pass
    print(f"{options.items} items, {options.answers} answers, seeds 0 to {options.repeats - 1}")
    print("| package | refit, ms | answered question, ms | log loss | log loss less ours |\n|---|---|---|---|---|")
    ours = np.array([r[2] for r in rows["credence"]])
    for name, results in rows.items():
        if not results:
            print(f"| {name} | not installed | | | |")
            continue
        refit = 1e3 * min(r[0] for r in results)
        each = [r[1] for r in results if r[1] is not None]
        losses = np.array([r[2] for r in results])
        paired = losses - ours
        half = 1.96 * paired.std(ddof=1) / np.sqrt(len(paired)) if len(paired) > 1 else float("nan")
        print(
            f"| {name} | {refit:.2f} | {1e3 * min(each):.3f} | {losses.mean():.4f} | {paired.mean():+.4f} ± {half:.4f} |"
            if each
            else f"| {name} | {refit:.2f} | - | {losses.mean():.4f} | {paired.mean():+.4f} ± {half:.4f} |"
        )


if __name__ == "__main__":
    main()
