#!/usr/bin/env python3
"""Wraps paragraphs and list items of the pages at 100 columns: `scripts/wrap-docs.py`. Tables, code, headings, transcripts and
paragraphs that fit stay as they are; no word changes."""

import glob
import os
import re
import textwrap

WIDTH = 100
LIST = re.compile(r"^(\s*)([-*+]|\d+[.)])(\s+)")
# What a line may not begin with unless it begins a block of its own.
SPECIAL = re.compile(r"^\s*([-*+]\s|\d+[.)]\s|#|>|\||```|\[[^\]]+\]:|<)")


def wrapped(text, first, rest):
    lines = textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
    out = lines[:1]
    for line in lines[1:]:
        if SPECIAL.match(line):
            out[-1] += " " + line.strip()
        else:
            out.append(line)
    return out


def page(lines):
    out, at, fenced = [], 0, False
    while at < len(lines):
        line = lines[at]
        fence = line.lstrip().startswith("```")
        fenced ^= fence
        item = LIST.match(line)
        as_it_is = fenced or fence or not line.strip()
        as_it_is |= not item and bool(SPECIAL.match(line) or line.startswith("    "))
        if as_it_is:
            out.append(line)
            at += 1
            continue
        first = item[0] if item else re.match(r"\s*", line)[0]
        end = at + 1
        while end < len(lines) and lines[end].strip() and not SPECIAL.match(lines[end]):
            if not item and lines[end].startswith("    "):
                break
            end += 1
        block = lines[at:end]
        hard_break = any(l.endswith(("  ", "\\")) for l in block)
        if any(len(l) > WIDTH for l in block) and not hard_break:
            text = " ".join(" ".join([block[0][len(first) :]] + block[1:]).split())
            block = wrapped(text, first, " " * len(first))
        out += block
        at = end
    return out


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    for path in sorted(glob.glob("*.md") + glob.glob("docs/**/*.md", recursive=True) + ["memory/belief/README.md"]):
        with open(path, encoding="utf-8") as file:
            before = file.read()
        after = "\n".join(page(before.split("\n")))
        assert before.split() == after.split(), path
        if before != after:
            with open(path, "w", encoding="utf-8") as file:
                file.write(after)
            print(path)


main()
