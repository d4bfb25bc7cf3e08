"""Times one training step of a top-k sparse autoencoder in PyTorch and in this crate, on the same CPU in one run.

    pip install torch
    cargo build --release -p credence-glass --example autoencoder_speed
    python glass/peers/sae_torch.py target/release/examples/autoencoder_speed [threads]

Both do the same: untied encoder and decoder, k positive entries a row, mean squared error, the decoder's gradient
projected, Adam, decoder rows scaled to length 1. No revival of dead entries. The two are timed in turn, three times, and
the medians are printed. Gathering a batch from the matrix of states is part of both.
"""

import json
import os
import statistics
import subprocess
import sys
import time

import torch

SIZES = [(64, 128, 4, 256, 300), (256, 2048, 16, 256, 60), (768, 8192, 32, 256, 12)]  # dimension, width, k, batch, steps
WARM_UP = 3


def steps_per_second(dimension, width, k, batch, steps):
    torch.manual_seed(0)
    states = torch.randn(8 * batch, dimension)
    decoder = torch.nn.functional.normalize(torch.randn(width, dimension), dim=1)
    encoder = decoder.clone().requires_grad_()
    decoder.requires_grad_()
    encoder_bias = torch.zeros(width, requires_grad=True)
    decoder_bias = states.mean(0).clone().requires_grad_()
    adam = torch.optim.Adam([encoder, decoder, encoder_bias, decoder_bias], lr=2e-3)
    order = torch.randperm(len(states))
    for step in range(steps + WARM_UP):
        if step == WARM_UP:
            start = time.perf_counter()
        first = step % 8 * batch
        x = states[order[first:first + batch]]
        pre = (x - decoder_bias) @ encoder.T + encoder_bias
        values, entries = pre.topk(k, dim=1)
        code = torch.zeros_like(pre).scatter(1, entries, values.relu())
        loss = (code @ decoder + decoder_bias - x).pow(2).sum(1).mean() / dimension
        adam.zero_grad()
        loss.backward()
        with torch.no_grad():
            decoder.grad -= (decoder.grad * decoder).sum(1, keepdim=True) * decoder
        adam.step()
        with torch.no_grad():
            decoder /= decoder.norm(dim=1, keepdim=True)
    return steps / (time.perf_counter() - start)


def main():
    binary = sys.argv[1]
    threads = sys.argv[2] if len(sys.argv) > 2 else "1"
    torch.set_num_threads(int(threads))
    environment = dict(os.environ, RAYON_NUM_THREADS=threads)
    print(f"torch {torch.__version__}, {threads} thread(s)")
    print("| dimension | width | k | batch | PyTorch, steps/s | this crate, steps/s | ratio |")
    print("|---|---|---|---|---|---|---|")
    for size in SIZES:
        theirs, ours = [], []
        for _ in range(3):
            theirs.append(steps_per_second(*size))
            command = [binary, *map(str, size)]
            out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
            ours.append(json.loads(out)["steps_per_second"])
        a, b = statistics.median(theirs), statistics.median(ours)
        print(f"| {' | '.join(map(str, size[:4]))} | {a:.1f} | {b:.1f} | {b / a:.2f} |")


if __name__ == "__main__":
    main()
