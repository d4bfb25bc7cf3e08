"""The hidden rule of priors/training/tests/llama.rs as examples to train on: signs of living things are red, of made ones blue.

    python evals/peers/rule_examples.py MODEL.gguf > rule.jsonl

Unlike lessons of a population there is something to learn here that a short training finds, so it is what two trainers are
raced to (peft_time_to_loss.py). The model's GGUF file gives the tokens.
"""
import json
import os
import re
import sys

from transformers import AutoTokenizer

TEST = os.path.join(os.path.dirname(__file__), "../../priors/training/tests/llama.rs")


def words(name, text):
    written = re.search(rf'const {name}: &str = "(.*?)";', text, re.S).group(1)
    return re.sub(r"\\\n\s*", "", written)


def main():
    folder, file = os.path.split(sys.argv[1])
    tokeniser = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    text = open(TEST).read()
    tokens = lambda words: tokeniser(words, add_special_tokens=False)["input_ids"]
    (red,), (blue,) = tokens(" red"), tokens(" blue")
    for pair in zip(words("LIVING", text).split(), words("MADE", text).split()):
        for noun, p in zip(pair, (1.0, 0.0)):
            prompt = tokens(f"{words('PROMPT', text)} {noun} is")
            target = {"position": len(prompt) - 1, "distribution": [[red, p], [blue, 1.0 - p]], "among": "candidates",
                      "weight": 1.0}
            print(json.dumps({"tokens": prompt, "targets": [target]}))


if __name__ == "__main__":
    main()
