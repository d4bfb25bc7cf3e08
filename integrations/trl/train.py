"""Trains an adapter with TRL and PEFT on what `credence tune export` wrote, for `credence tune import`.

    pip install trl peft transformers gguf
    python train.py MODEL.gguf DIR ADAPTER [steps]

MODEL.gguf is the file that Credence uses, so that the adapter belongs to these weights; DIR the exported folder; ADAPTER a
new folder for PEFT's two files. Direct preference optimisation on `preference.jsonl`: a row counts by its `weight`, and the
worse word is preferred with the probability that the label leaves it, by drawing (TRL has no soft labels).
"""
import json
import os
import random
import sys

from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer


def rows(path, seed=1):
    draw = random.Random(seed)
    with open(path) as lines:
        for row in map(json.loads, lines):
            if draw.random() >= row["weight"]:
                continue
            pair = (row["chosen"], row["rejected"]) if draw.random() < row["probability"] else (row["rejected"], row["chosen"])
            yield {"prompt": row["prompt"], "chosen": pair[0], "rejected": pair[1]}


def main():
    model_file, data, out = sys.argv[1:4]
    steps = int(sys.argv[4]) if len(sys.argv) > 4 else -1
    folder, name = os.path.split(os.path.abspath(model_file))
    read = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype="float32")
    # The weights are plain numbers now; a model that remembers its file's form is refused by the trainer.
    if hasattr(read.config, "quantization_config"):
        del read.config.quantization_config
    model = AutoModelForCausalLM.from_config(read.config)
    model.load_state_dict(read.state_dict())
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    settings = DPOConfig(
        output_dir=out + ".work", max_steps=steps, num_train_epochs=1, per_device_train_batch_size=8, learning_rate=1e-4,
        gradient_checkpointing=False,
        logging_steps=1, save_strategy="no", report_to="none", seed=1, use_cpu=True, bf16=False)
    lora = LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM", target_modules=[
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"])
    trainer = DPOTrainer(model=model, args=settings, processing_class=tokenizer, peft_config=lora,
                         train_dataset=Dataset.from_list(list(rows(os.path.join(data, "preference.jsonl")))))
    trainer.train()
    trainer.save_model(out)


if __name__ == "__main__":
    main()
