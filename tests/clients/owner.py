"""The owner of a service's home, as the tests of agents' clients need one. CREDENCE_URL and OWNER_TOKEN say where."""

import json
import os
import threading
import time
import urllib.request

URL = os.environ["CREDENCE_URL"]


def call(method, path, body=None):
    headers = {"Authorization": f"Bearer {os.environ['OWNER_TOKEN']}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(URL + path, data, headers, method=method), timeout=30) as answer:
        return json.load(answer)


def approvals():
    return call("GET", "/api/v1/approvals")


def answers(said, within_s=60):
    """Answers the next open question, in a thread of its own; `join` it to be sure that there was one."""
    open_before = {question["number"] for question in approvals()["open"]}

    def run():
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            for question in approvals()["open"]:
                if question["number"] not in open_before:
                    body = {"answer": said, "shown_hash": question["shown_hash"]}
                    call("POST", f"/api/v1/approvals/questions/{question['number']}", body)
                    answered.append(question)
                    return
            time.sleep(0.05)

    answered = []
    thread = threading.Thread(target=run)
    thread.start()

    def join():
        thread.join()
        assert answered, f"nothing was asked within {within_s} s"
        return answered[0]

    return join
