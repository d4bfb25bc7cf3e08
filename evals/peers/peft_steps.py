"""The same training by PyTorch + PEFT, step for step: loss, gradient norm, and every trained tensor.

    cargo build --release --workspace --example training_steps
    credence tune export DIR --everyone
    target/release/examples/training_steps MODEL.gguf DIR/examples.jsonl SEED RUN
    python evals/peers/peft_steps.py MODEL.gguf DIR/examples.jsonl RUN [float32|float64] [steps]

RUN holds this project's start, order, losses and adapters. PEFT begins with that start and follows that order.
"""
import json
import sys

import numpy as np
import torch
from gguf import GGUFReader
from peft import LoraConfig, get_peft_model

from peft_speed import load
from peft_time_to_loss import RATE, batch_loss, held_out_loss, rate

LOOK = int(sys.argv[5]) if len(sys.argv) > 5 else 60
NAMES = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output",
         "gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down"}


def adapter(path, config):
    """This project's tensors by PEFT's names; rows of a turned head lie halves apart there."""
    tensors, named = {t.name: np.array(t.data) for t in GGUFReader(path).tensors}, {}
    for name, data in tensors.items():
        _, layer, module, _, which = name.split(".")
        heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}.get(module)
        if heads and which == "lora_b":
            data = data.reshape(heads, len(data) // heads // 2, 2, -1).swapaxes(1, 2).reshape(data.shape)
        named[layer, module, which[-1].upper()] = torch.from_numpy(data.copy())
    return named


def parameters(model):
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parts = name.split(".")
            yield (parts[parts.index("layers") + 1], NAMES[parts[-4]], parts[-3][-1]), parameter


def furthest(model, other):
    """The largest distance between two trained tensors, as a share of the other's length, and whose it is."""
    far = {}
    for key, mine in parameters(model):
        theirs = other[key].double()
        far[key] = float((mine.detach().double() - theirs).norm() / theirs.norm().clamp(min=1e-30))
    worst = max(far, key=far.get)
    return far[worst], ".".join(worst)


def main():
    path, file, run = sys.argv[1:4]
    torch.set_default_dtype(getattr(torch, sys.argv[4] if len(sys.argv) > 4 else "float64"))
    examples = [json.loads(line) for line in open(file)]
    examples = [e for e in examples if all(t["among"] == "candidates" for t in e["targets"])]
    held_out, taught = examples[::5], [e for i, e in enumerate(examples) if i % 5]
    ours = json.load(open(f"{run}/run.json"))
    model = load(path).to(torch.get_default_dtype())
    layers = model.config.num_hidden_layers
    model = get_peft_model(model, LoraConfig(
        r=8, lora_alpha=16, lora_dropout=0.0, layers_to_transform=list(range(layers - 10, layers)),
        target_modules=list(NAMES)), autocast_adapter_dtype=False)
    start = adapter(f"{run}/0.gguf", model.config)
    with torch.no_grad():
        for key, parameter in parameters(model):
            parameter.copy_(start[key])
    trained = [p for _, p in parameters(model)]
    optimiser = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0)
    steps = len(ours["batches"])
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate(step, steps))
    for step, said in enumerate(ours["steps"], 1):
        loss, weight = batch_loss(model, [taught[i] for i in ours["batches"][step - 1]])
        (loss / weight).backward()
        norm = float(torch.nn.utils.clip_grad_norm_(trained, 1.0))
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        if step in (1, 2, 5, 20, 60):
            theirs = adapter(f"{run}/{step}.gguf", model.config)
            far, worst = furthest(model, theirs)
            print(f"step {step}: loss {loss.item() / weight:.6f}, ours {said['loss']:.6f}; gradient norm {norm:.5f}, ours"
                  f" {said['gradient_norm']:.5f}; tensors differ by at most {far:.2e} of their length ({worst})", flush=True)
        if step == LOOK:
            lost = held_out_loss(model, held_out)
            with torch.no_grad():
                for key, parameter in parameters(model):
                    parameter.copy_(theirs[key])
            return print(f"held-out loss {lost:.5f}, with our tensors {held_out_loss(model, held_out):.5f}")


if __name__ == "__main__":
    main()
