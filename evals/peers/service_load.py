"""Many participants at once: seconds from an answer to the next question, and what a kill leaves.

    cargo build --release --bin credence
    python3 evals/peers/service_load.py target/release/credence HOME --people 500 --seconds 60 [--think 5] [--kill-after 30]

HOME is a folder for a new home (it needs the default model's file in the cache, or the network). Standard library only. Everybody
joins by a link, keeps a connection of their own, and waits an exponential time with the mean --think before each answer. What is
measured begins when everybody has a question. With --kill-after the service is killed with SIGKILL in the middle and started again;
clients send what got no reply once more. At the end each person's answers are counted against those that the log has, and the log is
verified. This process and the service share the machine's cores; the processor time of both is told.
"""

import argparse
import asyncio
import json
import os
import random
import re
import resource
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


class Service:
    def __init__(self, command, home, port, stream):
        self.command, self.home, self.port, self.stream = command, home, port, stream
        self.up = asyncio.Event()
        self.cpu_before = 0.0

    async def start(self):
        arguments = [self.command, "--home", self.home, "serve", "--listen", f"127.0.0.1:{self.port}"]
        arguments += ["--stream", self.stream] if self.stream else []
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        line = await asyncio.get_running_loop().run_in_executor(None, self.process.stdout.readline)
        self.token = re.search(r"token=(\w+)", line).group(1)
        self.up.set()

    async def kill(self):
        self.up.clear()
        self.cpu_before += self.cpu()
        self.process.kill()
        self.process.wait()
        await self.start()

    def stop(self):
        began = time.monotonic()
        self.process.terminate()
        self.process.wait()
        return time.monotonic() - began

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mb(self, name):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(rf"{name}:\s+(\d+)", status.read()).group(1)) / 1024


class Client:
    """One connection, made again when it breaks. What gets no reply is sent again."""

    def __init__(self, service):
        self.service, self.cookie, self.streams, self.again = service, None, None, 0

    async def once(self, method, path, body, kind):
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.service.port, limit=1 << 20)
        reader, writer = self.streams
        cookie = f"Cookie: {self.cookie}\r\n" if self.cookie else f"Authorization: Bearer {self.service.token}\r\n"
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.service.port}\r\n{cookie}Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        status = int(head.split(" ", 2)[1])
        length = re.search(r"content-length: (\d+)", head, re.I)
        text = await reader.readexactly(int(length.group(1))) if length else b""
        cookie = re.search(r"set-cookie: (credence=\w+)", head, re.I)
        return status, text, cookie and cookie.group(1)

    async def send(self, method, path, body=b"", kind="application/json"):
        while True:
            await self.service.up.wait()
            try:
                status, text, cookie = await asyncio.wait_for(self.once(method, path, body, kind), 120)
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
                if self.streams:
                    self.streams[1].close()
                self.streams, self.again = None, self.again + 1
                await asyncio.sleep(0.1)
                continue
            if status in (200, 303):
                return text, cookie
            if status not in (429, 503):
                raise RuntimeError(f"{path}: {status} {text[:300]}")
            self.again += 1
            await asyncio.sleep(0.5)


def answer(question, rng):
    if question["kind"] == "choice":
        return {"said": "choose", "index": rng.randrange(2)}
    if question["kind"] == "portrait":
        return {"said": "rate", "level": rng.randrange(1, 7)}
    best, worst = rng.sample(range(4), 2)
    return {"said": "best_and_worst", "best": best, "worst": worst}


class Load:
    def __init__(self, args, service, link):
        self.args, self.service, self.link = args, service, link
        self.ready, self.measuring, self.over = 0, asyncio.Event(), False
        self.seconds, self.given, self.counted, self.again = [], 0, 0, 0

    async def person(self, n):
        rng = random.Random(self.args.seed * 100_000 + n)
        client = Client(self.service)
        await asyncio.sleep(rng.random() * self.args.ramp)
        client.cookie = "none=1"
        _, client.cookie = await client.send("POST", self.link, f"pseudonym=p{n}".encode(), "application/x-www-form-urlencoded")
        turn = json.loads((await client.send("POST", "/api/v1/sessions", b"{}"))[0])
        self.ready += 1
        given = 0
        while turn["question"] and not self.over:
            await asyncio.sleep(rng.expovariate(1 / self.args.think) if self.args.think else 0)
            if self.over:
                break
            body = json.dumps({"question": turn["question"]["number"], "say": answer(turn["question"], rng)}).encode()
            measured, began = self.measuring.is_set(), time.monotonic()
            turn = json.loads((await client.send("POST", f"/api/v1/sessions/{turn['session']}/said", body))[0])
            given += 1
            if measured:
                self.seconds.append(time.monotonic() - began)
        self.given += given
        self.counted += turn["answers"]
        self.again += client.again
        if client.streams:
            client.streams[1].close()


async def run(args):
    service = Service(args.command, args.home, args.port, args.stream)
    await service.start()
    owner = Client(service)
    empty = service.memory_mb("VmRSS")
    link = json.loads((await owner.send("POST", "/api/v1/join-links", b"{}"))[0])["link"]
    load = Load(args, service, "/join/" + link.rsplit("/", 1)[1])
    people = [asyncio.create_task(load.person(n)) for n in range(args.people)]
    while load.ready < args.people:
        await asyncio.sleep(0.1)
        for task in people:
            if task.done() and task.exception():
                raise task.exception()
    load.measuring.set()
    began, cpu, own = time.monotonic(), service.cpu(), time.process_time()
    if args.kill_after:
        await asyncio.sleep(args.kill_after)
        await service.kill()
        await asyncio.sleep(args.seconds - args.kill_after)
    else:
        await asyncio.sleep(args.seconds)
    took, answers = time.monotonic() - began, len(load.seconds)
    cpu, own = service.cpu_before + service.cpu() - cpu, time.process_time() - own
    load.over = True
    await asyncio.gather(*people)
    memory, peak = service.memory_mb("VmRSS"), service.memory_mb("VmHWM")
    stopping = service.stop()
    verified = subprocess.run([args.command, "--home", args.home + "/shard-1" * bool(args.stream), "evidence", "verify"], capture_output=True, text=True)
    seconds = sorted(load.seconds)
    at = lambda q: round(1e3 * seconds[min(len(seconds) - 1, int(q * len(seconds)))]) if seconds else None
    evidence = re.search(r"(\d+) of them evidence", verified.stdout)
    print(json.dumps({
        "people": args.people, "think_s": args.think, "seconds": round(took, 1), "answers": answers, "answers_a_second": round(answers / took, 1),
        "p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99), "service_cpu_ms_an_answer": round(1e3 * cpu / max(answers, 1), 1),
        "client_cpu_ms_an_answer": round(1e3 * own / max(answers, 1), 2), "rss_mb_empty": round(empty), "rss_mb": round(memory), "peak_mb": round(peak),
        "sent_again": load.again, "acknowledged": load.given, "counted_by_the_service": load.counted,
        "in_the_log": int(evidence.group(1)) if evidence else None, "stopping_s": round(stopping, 1),
        "verify": verified.stdout.strip() or verified.stderr.strip(),
    }))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command")
    parser.add_argument("home")
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--think", type=float, default=5.0)
    parser.add_argument("--ramp", type=float, default=20.0, help="seconds within which everybody joins")
    parser.add_argument("--kill-after", type=float)
    parser.add_argument("--port", type=int, default=7979)
    parser.add_argument("--stream", help="be a front end of the one shard on this NATS server (credence shard write runs already)")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 20_000), most))
    asyncio.run(run(args))


if __name__ == "__main__":
    main()
