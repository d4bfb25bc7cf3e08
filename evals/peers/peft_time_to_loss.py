"""Time and memory to the same held-out loss: this project's trainer and PyTorch + PEFT, turn about, on the same examples.

    cargo build --release --workspace --example time_to_loss
    credence tune export DIR --everyone
    pip install torch peft transformers gguf
    taskset -c 0 python evals/peers/peft_time_to_loss.py target/release/examples/time_to_loss MODEL.gguf DIR/examples.jsonl \
        [epochs] [seeds] [threads]

Both train rank 8 on all projections of the top ten layers in batches of eight with AdamW, the same rates and clipping, and
hold the same examples out; each has its own start of A and its own order. PEFT computes logits at the targets only, as ours
does, which its users would have to write themselves. Looking at the held-out loss takes no time of either. The first target is the
worst of all runs' lowest losses, which all reach; the second is the median of them, which some do not.
"""
import json
import resource
import statistics
import subprocess
import sys
import time

import torch
from peft import LoraConfig, get_peft_model

from peft_speed import load

EVERY, BATCH, RATE, WARM_UP = 4, 8, 2e-3, 5


def batch_loss(model, examples):
    """Sum of weighted cross entropies among the words of each target, and the sum of weights."""
    length = max(len(e["tokens"]) for e in examples)
    tokens = torch.tensor([e["tokens"] + [0] * (length - len(e["tokens"])) for e in examples])
    hidden = model.base_model.model.model(input_ids=tokens).last_hidden_state
    head = model.base_model.model.lm_head.weight
    loss, weight = 0.0, 0.0
    for row, example in enumerate(examples):
        for target in example["targets"]:
            words = [token for token, _ in target["distribution"]]
            wanted = torch.tensor([p for _, p in target["distribution"]])
            ln_p = torch.log_softmax(head[words] @ hidden[row, target["position"]], 0)
            loss = loss - target["weight"] * (wanted * ln_p).sum()
            weight += target["weight"]
    return loss, weight


def held_out_loss(model, examples):
    with torch.no_grad():
        parts = [batch_loss(model, examples[i:i + BATCH]) for i in range(0, len(examples), BATCH)]
    return float(sum(loss for loss, _ in parts)) / sum(weight for _, weight in parts)


def rate(step, steps):
    if step < WARM_UP:
        return (step + 1) / (WARM_UP + 1)
    return 1 - (step - WARM_UP) / max(steps - WARM_UP, 1)


def peft(path, file, epochs, seed):
    examples = [json.loads(line) for line in open(file)]
    examples = [e for e in examples if all(t["among"] == "candidates" for t in e["targets"])]
    held_out = examples[::5]
    taught = [e for i, e in enumerate(examples) if i % 5]
    torch.manual_seed(seed)
    model = load(path)
    layers = model.config.num_hidden_layers
    model = get_peft_model(model, LoraConfig(
        r=8, lora_alpha=16, lora_dropout=0.0, layers_to_transform=list(range(layers - 10, layers)),
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]))
    trained = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0)
    steps = epochs * -(-len(taught) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate(step, steps))
    curve, seconds, step = [(0, 0.0, held_out_loss(model, held_out))], 0.0, 0
    for _ in range(epochs):
        order = torch.randperm(len(taught)).tolist()
        for first in range(0, len(order), BATCH):
            start = time.perf_counter()
            loss, weight = batch_loss(model, [taught[i] for i in order[first:first + BATCH]])
            (loss / weight).backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            seconds += time.perf_counter() - start
            step += 1
            if step % EVERY == 0:
                curve.append((step, seconds, held_out_loss(model, held_out)))
    for point in curve:
        print(*point)
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000)


def told(command):
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    curve = [(int(a), float(b), float(c)) for a, b, c in (line.split() for line in lines[:-1])]
    return curve, float(lines[-1].split()[1])


def main():
    if sys.argv[1] == "--peft":
        path, file, epochs, seed, threads = sys.argv[2:]
        torch.set_num_threads(int(threads))
        return peft(path, file, int(epochs), int(seed))
    binary, *data = sys.argv[1:4]
    epochs, seeds, threads = (int(n) for n in (sys.argv[4:] + ["1", "10", "1"][len(sys.argv) - 4:]))
    runs = {"ours": [], "PEFT": []}
    for seed in range(1, seeds + 1):
        settings = [*data, str(epochs), str(seed), str(threads)]
        runs["ours"].append(told([binary, *settings]))
        runs["PEFT"].append(told([sys.executable, __file__, "--peft", *settings]))
        for name in runs:
            curve, peak = runs[name][-1]
            print(f"seed {seed}, {name}, {peak:.0f} MB: " + "  ".join(f"{n}: {l:.4f} ({s:.1f} s)" for n, s, l in curve), flush=True)
    lowest = [min(loss for _, _, loss in curve) for name in runs for curve, _ in runs[name]]
    for target in (max(lowest), statistics.median(lowest)):
        for name, these in runs.items():
            times = sorted(next((s for _, s, loss in curve if loss <= target), float("inf")) for curve, _ in these)
            per_step = statistics.median(curve[-1][1] / curve[-1][0] for curve, _ in these)
            print(f"to {target:.4f}, {name}: median {statistics.median(times):.1f} s, 90th percentile"
                  f" {times[-(-9 * len(times) // 10) - 1]:.1f} s, reached by {sum(t < float('inf') for t in times)} of {len(times)};"
                  f" {per_step:.2f} s a step; peak {max(peak for _, peak in these):.0f} MB")
    for name, these in runs.items():
        last = [curve[-1][2] for curve, _ in these]
        print(f"{name}: held-out loss after the last step {statistics.mean(last):.4f}, sd {statistics.stdev(last):.4f}")


if __name__ == "__main__":
    main()
