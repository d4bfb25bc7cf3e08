"""Fits the same linear probes with scikit-learn and with this crate, on the same planted data in one run.

    pip install numpy scikit-learn
    cargo build --release -p credence-glass --example probe_peer
    python glass/peers/probe_sklearn.py target/release/examples/probe_peer [threads]

The crate draws the data and chooses the folds over topics; scikit-learn gets both. Compared are the weights of the fit on
all examples, the scores of held-out topics, and the area within folds. Time is that of the nested cross-validation with
one kind and one penalty, of the processor and not by the clock: 5 outer folds with 4 inner ones each, 5 more to calibrate on, and the fit on everything, 31 fits.
The crate's time has its bag of words, intervals and hash in it; scikit-learn's has the fits alone.
"""

import json
import os
import subprocess
import sys
import time

THREADS = sys.argv[2] if len(sys.argv) > 2 else "1"
for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"]:
    os.environ[name] = THREADS

import numpy
import sklearn
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

SIZES = [(64, 12, 24), (576, 12, 24), (960, 15, 40)]  # width, topics, examples of each
WAYS = [("logistic", 1.0), ("logistic", 0.01), ("ridge", 0.1), ("mean-difference", 0.3)]


def estimator(kind, penalty, n):
    if kind == "logistic":  # mean loss and penalty / 2 here, C times the summed loss and 1 / 2 there
        return LogisticRegression(C=1 / (penalty * n), tol=1e-8, max_iter=10_000)
    if kind == "ridge":
        return Ridge(alpha=penalty * n)
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage=penalty)


def fit(kind, penalty, rows, labels):
    scaler = StandardScaler().fit(rows)
    target = 2.0 * labels - 1 if kind == "ridge" else labels
    model = estimator(kind, penalty, len(rows)).fit(scaler.transform(rows), target)
    weights, intercept = numpy.ravel(model.coef_), float(numpy.ravel(model.intercept_)[0])
    return lambda x: scaler.transform(x) @ weights + intercept, weights


def main():
    print(f"scikit-learn {sklearn.__version__}, numpy {numpy.__version__}, {THREADS} thread(s)\n")
    print("| kind | penalty | width | examples | weights differ by | held-out scores differ by | AUROC here | there "
          "| seconds here | there | ratio |")
    print("|" + "---|" * 11)
    for width, topics, each in SIZES:
        for kind, penalty in WAYS:
            command = [sys.argv[1], kind, str(penalty), str(width), str(topics), str(each), "1"]
            ours = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            rows = numpy.array(ours["rows"], dtype=numpy.float32).astype(numpy.float64)
            labels, folds = numpy.array(ours["labels"], dtype=int), numpy.array(ours["folds"])
            start = time.process_time()
            scores = numpy.zeros(len(rows))
            for fold in range(5):
                train = folds != fold
                inner = numpy.arange(train.sum()) % 4
                for held in range(4):
                    fit(kind, penalty, rows[train][inner != held], labels[train][inner != held])
                scores[~train] = fit(kind, penalty, rows[train], labels[train])[0](rows[~train])
            for fold in range(5):
                fit(kind, penalty, rows[folds != fold], labels[folds != fold])
            weights = fit(kind, penalty, rows, labels)[1]
            seconds = time.process_time() - start
            pairs, area = 0, 0.0
            for fold in range(5):
                here = folds == fold
                count = labels[here].sum() * (1 - labels[here]).sum()
                area += count * roc_auc_score(labels[here], scores[here])
                pairs += count
            scale = numpy.abs(weights).max()
            apart = numpy.abs(weights - numpy.array(ours["weights"])).max() / scale
            held = numpy.abs(scores - numpy.array(ours["held_out_scores"])).max() / scores.std()
            print(f"| {kind} | {penalty} | {width} | {len(rows)} | {apart:.1e} | {held:.1e} | {ours['auroc']:.4f} "
                  f"| {area / pairs:.4f} | {ours['seconds']:.2f} | {seconds:.2f} | {seconds / ours['seconds']:.1f} |")


if __name__ == "__main__":
    main()
