"""Many participants at once: seconds from an answer to the next question, and what a kill leaves.

    cargo build --release --bin credence
    python3 evals/peers/service_load.py target/release/credence HOME --people 100 --answers 10 --think 5 [--kill-after 20]

HOME is a folder for a new home (it needs the default model's file in the cache, or the network). Standard library only. Each
person waits an exponential time with the mean --think before each answer. With --kill-after the service is killed once with SIGKILL and
started again; clients send what got no reply once more. At the end the log is verified and its answers are counted.
"""

import argparse
import http.client
import json
import random
import re
import subprocess
import threading
import time


class Service:
    def __init__(self, command, home, port):
        self.command, self.home, self.port = command, home, port
        self.ready = threading.Event()
        self.start()

    def start(self):
        arguments = [self.command, "--home", self.home, "serve", "--listen", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        self.token = re.search(r"token=(\w+)", self.process.stdout.readline()).group(1)
        self.ready.set()

    def kill(self):
        self.ready.clear()
        self.process.kill()
        self.process.wait()
        self.start()

    def rss_mb(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) / 1024


def post(service, path, body):
    """Sends until there is an answer: what got no reply is sent again."""
    while True:
        service.ready.wait()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=120)
            headers = {"Authorization": f"Bearer {service.token}", "Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
            connection.close()
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
            continue
        if response.status == 200:
            return json.loads(text)
        if response.status not in (401, 429, 503):
            raise RuntimeError(f"{path}: {response.status} {text[:300]}")
        time.sleep(0.2)


def person(service, n, args, seconds, lock):
    rng = random.Random(args.seed * 100_000 + n)
    time.sleep(rng.random() * args.think)
    turn = post(service, "/api/v1/sittings", {"person": f"p{n}"})
    while turn["answers"] < args.answers and turn["question"]:
        kind = turn["question"]["kind"]
        say = {"said": "choose", "index": rng.randrange(2)} if kind == "choice" else None
        if kind == "portrait":
            say = {"said": "rate", "level": rng.randrange(1, 7)}
        elif kind == "best_and_worst":
            best, worst = rng.sample(range(4), 2)
            say = {"said": "best_and_worst", "best": best, "worst": worst}
        time.sleep(rng.expovariate(1 / args.think) if args.think else 0)
        began = time.monotonic()
        body = {"question": turn["question"]["number"], "say": say}
        turn = post(service, f"/api/v1/sittings/{turn['sitting']}/said", body)
        with lock:
            seconds.append(time.monotonic() - began)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command")
    parser.add_argument("home")
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--answers", type=int, default=10)
    parser.add_argument("--think", type=float, default=5.0)
    parser.add_argument("--kill-after", type=float)
    parser.add_argument("--port", type=int, default=7979)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    service = Service(args.command, args.home, args.port)
    empty = service.rss_mb()
    seconds, lock = [], threading.Lock()
    threads = [threading.Thread(target=person, args=(service, n, args, seconds, lock)) for n in range(args.people)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    if args.kill_after:
        time.sleep(args.kill_after)
        service.kill()
    for thread in threads:
        thread.join()
    took, memory = time.monotonic() - began, service.rss_mb()
    service.process.terminate()
    service.process.wait()
    verified = subprocess.run([args.command, "--home", args.home, "evidence", "verify"], capture_output=True, text=True)
    seconds.sort()
    at = lambda q: round(seconds[min(len(seconds) - 1, int(q * len(seconds)))], 3)
    print(json.dumps({
        "people": args.people, "answers": len(seconds), "seconds": round(took, 1), "p50": at(0.5), "p90": at(0.9), "p99": at(0.99),
        "rss_mb_empty": round(empty), "rss_mb": round(memory), "verify": verified.stdout.strip() or verified.stderr.strip(),
    }))


if __name__ == "__main__":
    main()
