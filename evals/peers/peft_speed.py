"""How fast PyTorch + PEFT trains the same LoRA on the same weights: tokens a second and peak memory.

    pip install torch peft transformers gguf
    python evals/peers/peft_speed.py MODEL.gguf [all|qv|top10] [steps] [predicted]

The weights are read from the GGUF file and dequantised, the configuration is built by hand: no hub is asked.
Only `llama` files with tied embeddings are known here. `predicted` keeps logits and loss to the last positions.
"""
import resource
import statistics
import sys
import time

import numpy as np
import torch
from gguf import GGUFReader, dequantize
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM


def load(path):
    reader = GGUFReader(path)
    field = lambda name: reader.fields["llama." + name].contents()
    heads, kv_heads = field("attention.head_count"), field("attention.head_count_kv")
    tensors = {t.name: np.array(dequantize(t.data, t.tensor_type)) for t in reader.tensors}
    config = LlamaConfig(
        vocab_size=tensors["token_embd.weight"].shape[0],
        hidden_size=field("embedding_length"),
        intermediate_size=field("feed_forward_length"),
        num_hidden_layers=field("block_count"),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        rms_norm_eps=field("attention.layer_norm_rms_epsilon"),
        rope_theta=field("rope.freq_base"),
        rope_parameters={"rope_type": "default", "rope_theta": field("rope.freq_base")},
        max_position_embeddings=field("context_length"),
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config).float()

    def unpermute(w, n):  # rows that turn together are neighbours in GGUF files and halves apart here
        return w.reshape(n, w.shape[0] // n // 2, 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)

    state = {
        "model.embed_tokens.weight": tensors["token_embd.weight"],
        "lm_head.weight": tensors["token_embd.weight"],
        "model.norm.weight": tensors["output_norm.weight"],
    }
    names = {
        "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
        "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    }
    for layer in range(config.num_hidden_layers):
        for ours, theirs in names.items():
            w = tensors[f"blk.{layer}.{ours}.weight"]
            w = unpermute(w, heads) if ours == "attn_q" else unpermute(w, kv_heads) if ours == "attn_k" else w
            state[f"model.layers.{layer}.{theirs}.weight"] = w
    model.load_state_dict({k: torch.from_numpy(np.ascontiguousarray(v)).float() for k, v in state.items()})
    return model


def main():
    path = sys.argv[1]
    what = sys.argv[2] if len(sys.argv) > 2 else "all"
    steps = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    predicted = int(sys.argv[4]) if len(sys.argv) > 4 else 128
    batch, length = 8, 128
    torch.manual_seed(1)
    model = load(path)
    layers = model.config.num_hidden_layers
    everything = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model = get_peft_model(model, LoraConfig(
        r=8, lora_alpha=16, lora_dropout=0.0,
        target_modules=["q_proj", "v_proj"] if what == "qv" else everything,
        layers_to_transform=list(range(layers - 10, layers)) if what == "top10" else None,
    ))
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-4)
    times, loss = [], None
    tokens = torch.randint(0, model.config.vocab_size, (batch, length))
    for step in range(steps):
        if what != "top10":
            tokens = torch.randint(0, model.config.vocab_size, (batch, length))
        start = time.perf_counter()
        logits = model(input_ids=tokens, logits_to_keep=min(predicted + 1, length)).logits[:, :-1]
        loss = torch.nn.functional.cross_entropy(
            logits.reshape(-1, logits.shape[-1]), tokens[:, -logits.shape[1]:].reshape(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        times.append(time.perf_counter() - start)
    steady = sorted(times[1:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    n = batch * length
    print(f"{what}: {batch} x {length} tokens, {predicted} predicted each: {n / statistics.median_high(steady):.0f} tokens/s"
          f" (best {n / steady[0]:.0f}), peak {peak / 1e6:.0f} MB, loss {loss.item():.3f}, torch {torch.__version__}")


if __name__ == "__main__":
    main()
