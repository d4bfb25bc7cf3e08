#!/usr/bin/env python3
"""How long a resident two-way decision takes: over HTTP, over MCP by HTTP, and over MCP by standard input and output.

    python3 scripts/decision_time.py target/release/credence --number 40 --answers 60 --seed 1

A home of its own is begun; somebody invented answers questions at random. Each situation is new to the home and, by a number from the
clock in it, to the cache of readings; each decision is asked twice. The first decision of a process, which loads the model, is
told apart. Only the standard library is used. Times are of the client's clock.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import time
import urllib.request

WHO = ["My neighbour", "A colleague", "My sister", "The landlord", "A customer", "An old friend", "The coach", "A stranger on the train"]
DID = [
    "has left a wallet with a lot of money on our table", "asks me to sign for hours that nobody worked",
    "wants to know what I really think of the new plan", "has promised the same flat to two families",
    "is about to miss the last ferry of the day", "borrowed the car and brought it back with a scratch",
    "asks for the list of everybody who complained", "has forgotten to send the bill for a large order",
]
WHEN = ["this morning", "just before the holidays", "while the others are away", "on the day of the inspection", "late in the evening"]
WHERE = ["at the shop", "in the village hall", "by the harbour", "in our stairwell", "at the clinic"]
ACTS = [
    "tell everybody concerned the truth", "keep quiet about it", "ask them what they would like best", "do it the usual way",
    "help at once, whatever it costs", "wait until somebody asks", "write it down for the owner", "take the cheaper way",
]


def situations(seed):
    """Situations that differ, with two acts each, without end."""
    draw = random.Random(seed)
    number = time.time_ns() // 1_000_000_000 % 1_000_000
    while True:
        number += 1
        situation = f"{draw.choice(WHO)} {draw.choice(DID)} {draw.choice(WHEN)} {draw.choice(WHERE)}. It is number {number} of the list."
        yield situation, draw.sample(ACTS, 2)


def quantile(times, q):
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def bootstrap(times, seed):
    """95% interval of the median."""
    draw = random.Random(seed)
    medians = sorted(quantile(draw.choices(times, k=len(times)), 0.5) for _ in range(2000))
    return medians[50], medians[1949]


class Http:
    """`POST /api/v1/decisions`."""

    def __init__(self, address):
        self.base, self.token = address.split("/open?token=")

    def post(self, path, body, headers=()):
        request = urllib.request.Request(self.base + path, json.dumps(body).encode(), method="POST")
        request.add_header("authorization", f"Bearer {self.token}")
        request.add_header("content-type", "application/json")
        for name, value in headers:
            request.add_header(name, value)
        return urllib.request.urlopen(request, timeout=120)

    def decide(self, situation, alternatives):
        with self.post("/api/v1/decisions", {"situation": situation, "alternatives": alternatives}) as answer:
            return json.load(answer)["verdict"]


class McpHttp(Http):
    """The tool `decide` at `/mcp`."""

    def __init__(self, address):
        super().__init__(address)
        self.headers = [("accept", "application/json, text/event-stream")]
        about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "time", "version": "1"}}
        with self.post("/mcp", {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": about}, self.headers) as answer:
            self.headers.append(("mcp-session-id", answer.headers["mcp-session-id"]))
            answer.read()
        self.post("/mcp", {"jsonrpc": "2.0", "method": "notifications/initialized"}, self.headers).close()

    def decide(self, situation, alternatives):
        params = {"name": "decide", "arguments": {"situation": situation, "alternatives": alternatives}}
        with self.post("/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, self.headers) as answer:
            lines = [line[5:] for line in answer.read().decode().splitlines() if line.startswith("data:") and line[5:].strip()]
        return json.loads(lines[-1])["result"]["structuredContent"]["verdict"]


class McpStdio:
    """The tool `decide` of `credence mcp`."""

    def __init__(self, process):
        self.process = process
        about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "time", "version": "1"}}
        self.call("initialize", about)
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def send(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def call(self, method, params):
        self.send({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        while True:
            message = json.loads(self.process.stdout.readline())
            if message.get("id") == 1:
                return message["result"]

    def decide(self, situation, alternatives):
        params = {"name": "decide", "arguments": {"situation": situation, "alternatives": alternatives}}
        return self.call("tools/call", params)["structuredContent"]["verdict"]


def measure(name, client, source, number, seed):
    first = time.monotonic()
    client.decide(*next(source))
    loading = time.monotonic() - first
    new, again, verdicts = [], [], {}
    for _ in range(number):
        asked = next(source)
        for times in (new, again):
            start = time.monotonic()
            verdict = client.decide(*asked)
            times.append(time.monotonic() - start)
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
    for kind, times in (("new", new), ("repeated", again)):
        low, high = bootstrap(times, seed)
        row = f"{1000 * quantile(times, 0.5):.0f} [{1000 * low:.0f}, {1000 * high:.0f}] | {1000 * quantile(times, 0.95):.0f} | {1000 * max(times):.0f}"
        print(f"| {name} | {kind} | {row} |", flush=True)
    print(f"  ({name}: the first took {loading:.2f} s; verdicts {verdicts})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("credence", help="the program")
    parser.add_argument("--number", type=int, default=40)
    parser.add_argument("--answers", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp())
    environment = {**os.environ, "CREDENCE_HOME": str(folder / "home")}
    program = str(pathlib.Path(options.credence).resolve())
    try:
        draw = random.Random(options.seed)
        (folder / "answers.txt").write_text("\n".join(draw.choice("12") for _ in range(options.answers)) + "\n")
        arguments = ["session", "--person", "ada", "--kinds", "choice", "--answers", str(folder / "answers.txt"), "--seed", str(options.seed)]
        subprocess.run([program, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)
        source = situations(options.seed)
        print("| way | decision | median [95%] ms | 95th ms | longest ms |\n|---|---|---|---|---|")
        serve = [program, "serve", "--listen", "127.0.0.1:0", "--agents-of", "ada"]
        with subprocess.Popen(serve, env=environment, stdout=subprocess.PIPE, text=True) as service:
            try:
                address = service.stdout.readline().split()[1]
                measure("HTTP", Http(address), source, options.number, options.seed)
                measure("MCP, HTTP", McpHttp(address), source, options.number, options.seed)
            finally:
                service.terminate()
        mcp = [program, "mcp", "--person", "ada"]
        with subprocess.Popen(mcp, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                measure("MCP, stdio", McpStdio(process), source, options.number, options.seed)
            finally:
                process.stdin.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
