"""Credence's belief engine beside choix EP, BoTorch's PairwiseGP and a Metropolis-Hastings sampler, on the same answers in one run.

    cargo build --release -p credence-belief --example belief_speed
    python evals/peers/belief_speed.py target/release/examples/belief_speed [--items 50] [--answers 500] [--repeats 5]

Needs numpy, scipy, choix and botorch; what is not installed is said and left out. For every seed a person's utilities are drawn,
pairs of items are answered with logistic noise, and every package refits the same answers on one thread, one after the other.
Reported, as medians over the seeds: milliseconds for a refit, and for one answered question, which is what a package needs between
an answer and the next question: bring its belief up to date (a refit, except for Credence, which updates) and score all pairs of
items. Log loss is of 2,000 fresh answers, with the paired difference from ours and its 95% interval over seeds.

The sampler stands for APReL, which is in no package index: as there, each answer samples the posterior anew with the whole data
set (200 steps of burn-in, then 100 samples, 20 steps apart, normal proposals of standard deviation .05), and pairs are scored by
mutual information over the samples. Unlike there, a step's likelihood is one numpy product instead of a loop over answers, and
the prior is the true one instead of the uniform ball: both in its favour. It has not converged by then, so it stands a second time
with a step tuned to the problem and as many steps as bring its log loss within .001 of exact (1,000 of burn-in, 100 samples, 100
apart).

Two ratios are printed: the fastest of the others over ours, and the fastest of those whose mean log loss is within .001 of ours.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
import warnings

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):  # an odd setting of the machine must not slow a peer
    os.environ.pop(name, None)

import numpy as np  # noqa: E402
from scipy.stats import norm, t  # noqa: E402

warnings.filterwarnings("ignore")


AS_GOOD = 0.001


class NotInstalled(Exception):
    pass


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


def all_pairs(items):
    return np.array([(i, j) for i in range(items) for j in range(i)])


def credence(items, train, test, binary):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"dimension": items, "train": train, "test": test}, file)
        file.flush()
        out = json.loads(subprocess.check_output([binary, "file", file.name]))
    return out["refit_s"], out["answered_question_s"], out["log_loss"]


def choix_ep(items, train, test):
    try:
        import choix
    except ImportError as error:
        raise NotInstalled("choix") from error
    start = time.perf_counter()
    mean, covariance = choix.ep_pairwise(items, train, 1.0)
    refit = time.perf_counter() - start
    start = time.perf_counter()
    variances = np.diag(covariance)
    spread = variances[:, None] + variances[None, :] - 2 * covariance
    gap = mean[:, None] - mean[None, :]
    np.argmax(spread / (1 + gap**2))  # choix has no rule of its own: the cheapest that looks at every pair
    choose = time.perf_counter() - start
    i, j = np.array(test).T
    scale = np.sqrt(1 + np.pi * spread[i, j] / 8)
    return refit, refit + choose, log_loss(1 / (1 + np.exp(-gap[i, j] / scale)))


def pairwise_gp(items, train, test):
    try:
        import torch
        from botorch.acquisition.preference import AnalyticExpectedUtilityOfBestOption
        from botorch.fit import fit_gpytorch_mll
        from botorch.models.pairwise_gp import PairwiseGP, PairwiseLaplaceMarginalLogLikelihood
    except ImportError as error:
        raise NotInstalled("botorch") from error
    torch.set_num_threads(1)
    points = torch.eye(items, dtype=torch.double)
    start = time.perf_counter()
    model = PairwiseGP(points, torch.tensor(train))
    fit_gpytorch_mll(PairwiseLaplaceMarginalLogLikelihood(model.likelihood, model))
    model.eval()
    refit = time.perf_counter() - start
    start = time.perf_counter()
    with torch.no_grad():
        AnalyticExpectedUtilityOfBestOption(pref_model=model)(points[torch.tensor(all_pairs(items))]).argmax()
    choose = time.perf_counter() - start
    with torch.no_grad():
        posterior = model.posterior(points)
        mean, covariance = posterior.mean.squeeze().numpy(), posterior.mvn.covariance_matrix.numpy()
    i, j = np.array(test).T
    spread = covariance[i, i] + covariance[j, j] - 2 * covariance[i, j]
    return refit, refit + choose, log_loss(norm.cdf((mean[i] - mean[j]) / np.sqrt(2 + spread)))


def metropolis(items, train, test, burn_in=200, samples=100, thin=20, step=0.05):
    rng = np.random.default_rng(0)
    first, second = np.array(train).T

    def ln_density(w):
        return -0.5 * w @ w - np.logaddexp(0, w[second] - w[first]).sum()

    start = time.perf_counter()
    w = np.zeros(items)
    ln_p = ln_density(w)
    kept = []
    for k in range(burn_in + samples * thin):
        proposal = w + step * rng.normal(size=items)
        ln_q = ln_density(proposal)
        if np.log(rng.random()) < ln_q - ln_p:
            w, ln_p = proposal, ln_q
        if k >= burn_in and (k - burn_in) % thin == 0:
            kept.append(w)
    kept = np.array(kept)
    refit = time.perf_counter() - start
    start = time.perf_counter()
    i, j = all_pairs(items).T
    p = 1 / (1 + np.exp(kept[:, j] - kept[:, i]))
    entropy = lambda p: -(p * np.log(np.clip(p, 1e-12, 1)) + (1 - p) * np.log(np.clip(1 - p, 1e-12, 1)))  # noqa: E731
    np.argmax(entropy(p.mean(0)) - entropy(p).mean(0))
    choose = time.perf_counter() - start
    i, j = np.array(test).T
    return refit, refit + choose, log_loss((1 / (1 + np.exp(kept[:, j] - kept[:, i]))).mean(0))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", help="target/release/examples/belief_speed")
    parser.add_argument("--items", type=int, default=50)
    parser.add_argument("--answers", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    packages = {
        "Credence, one hypothesis": lambda *data: credence(*data, options.binary),
        "choix EP": choix_ep,
        "BoTorch PairwiseGP": pairwise_gp,
        "Metropolis-Hastings as in APReL": metropolis,
        "Metropolis-Hastings, tuned, longer": lambda *data: metropolis(*data, burn_in=1000, thin=100, step=0.13),
    }
    rows = {name: [] for name in packages}
    absent = {}
    for seed in range(options.repeats):
        train, test = simulate(options.items, options.answers, 2000, seed)
        for name, run in packages.items():
            if name in absent:
                continue
            try:
                rows[name].append(run(options.items, train, test))
            except NotInstalled as error:
                absent[name] = str(error)
    print(f"{options.items} items, {options.answers} answers, seeds 0 to {options.repeats - 1}, load {os.getloadavg()[0]:.1f}")
    print("| package | refit, ms | answered question, ms | log loss | less ours (95%) |\n|---|---|---|---|---|")
    ours, *others = rows
    medians, as_good = {}, []
    for name, results in rows.items():
        if name in absent:
            print(f"| {name} | {absent[name]} is not installed | | | |")
            continue
        results = np.array(results)
        medians[name] = 1e3 * np.median(results[:, :2], axis=0)
        paired = results[:, 2] - np.array(rows[ours])[:, 2]
        n = len(paired)
        half = t.ppf(0.975, n - 1) * paired.std(ddof=1) / np.sqrt(n) if n > 1 else float("nan")
        less = "" if name == ours else f"{paired.mean():+.4f} ({paired.mean() - half:+.4f} to {paired.mean() + half:+.4f})"
        refit, each = medians[name]
        print(f"| {name} | {refit:.2f} | {each:.3f} | {results[:, 2].mean():.4f} | {less} |")
        if name != ours and paired.mean() <= AS_GOOD:
            as_good.append(name)
    measured = [name for name in others if name in medians]
    for what, names in [("the fastest", measured), (f"the fastest within {AS_GOOD} of our log loss", as_good)]:
        if names:
            refit, each = np.min([medians[name] for name in names], axis=0) / medians[ours]
            print(f"| {what}, times ours | {refit:.0f} | {each:.0f} | | |")


if __name__ == "__main__":
    main()
