"""Time and memory to the same held-out loss: this project's trainer, then PyTorch + PEFT, in one run on the same examples.

    cargo build --release --workspace --example time_to_loss
    credence tune export DIR --everyone
    pip install torch peft transformers gguf
    python evals/peers/peft_time_to_loss.py target/release/examples/time_to_loss MODEL.gguf DIR/examples.jsonl [epochs]

Both train rank 8 on all projections of the top ten layers in batches of eight with AdamW, the same rates and clipping, and
hold the same examples out; each has its own start of A and its own order. PEFT computes logits at the targets only, as ours
does, which its users would have to write themselves. The target is the worse of the two lowest losses.
"""
import json
import resource
import subprocess
import sys
import time

import torch
from peft import LoraConfig, get_peft_model

from peft_speed import load

EVERY, BATCH, RATE, WARM_UP = 20, 8, 2e-3, 5


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


def peft(path, file, epochs):
    examples = [json.loads(line) for line in open(file)]
    examples = [e for e in examples if all(t["among"] == "candidates" for t in e["targets"])]
    held_out = examples[::5]
    taught = [e for i, e in enumerate(examples) if i % 5]
    torch.manual_seed(1)
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
    return curve, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def ours(binary, path, file, epochs):
    said = subprocess.run([binary, path, file, str(epochs)], check=True, capture_output=True, text=True).stdout.splitlines()
    curve = [(int(a), float(b), float(c)) for a, b, c in (line.split() for line in said[:-1])]
    return curve, float(said[-1].split()[1])


def main():
    binary, path, file = sys.argv[1:4]
    epochs = int(sys.argv[4]) if len(sys.argv) > 4 else 3
    results = {"ours": ours(binary, path, file, epochs), "PEFT": peft(path, file, epochs)}
    target = max(min(loss for _, _, loss in curve) for curve, _ in results.values())
    print(f"held-out loss {results['ours'][0][0][2]:.4f} and {results['PEFT'][0][0][2]:.4f} before; target {target:.4f}")
    for name, (curve, peak) in results.items():
        step, seconds, _ = next(point for point in curve if point[2] <= target)
        print(f"{name}: {seconds:.0f} s and {step} steps to the target, lowest {min(l for _, _, l in curve):.4f}"
              f" of {curve[-1][0]} steps in {curve[-1][1]:.0f} s, peak {peak:.0f} MB")
        print("  " + "  ".join(f"{step}: {loss:.4f} ({seconds:.0f} s)" for step, seconds, loss in curve))


if __name__ == "__main__":
    main()
