"""The client: what it sends, and how the service's refusals arrive. The third notebook runs it against a real service."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from credence import Client, CredenceError, Experiment, ServiceError


class Stand(BaseHTTPRequestHandler):
    """Answers every request with what was asked, or with the next answer of `answers`."""

    answers: list[tuple[int, bytes]] = []

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        asked = {"method": self.command, "path": self.path, "token": self.headers.get("Authorization"), "body": body}
        status, answer = self.answers.pop(0) if self.answers else (200, json.dumps(asked).encode())
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture()
def url() -> Iterator[str]:
    Stand.answers = []
    server = HTTPServer(("127.0.0.1", 0), Stand)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_requests_are_as_the_service_has_them(url: str) -> None:
    client = Client(url + "/", "secret")
    asked = client.call("GET", "/api/v1/values", person="ada & bob", at=None)
    assert (asked["path"], asked["token"]) == ("/api/v1/values?person=ada+%26+bob", "Bearer secret")
    sent = client.say("a/b", {"said": "skip"}, question=3)
    assert (sent["method"], sent["path"]) == ("POST", "/api/v1/sessions/a%2Fb/said")
    assert json.loads(sent["body"]) == {"say": {"said": "skip"}, "question": 3}
    assert "secret" not in repr(client)


def test_pages_of_people_are_read_to_the_end(url: str) -> None:
    page = [{"person": "ada", "evidence": 1, "withdrawn": 0}]
    Stand.answers = [(200, json.dumps(page).encode()), (200, b"[]")]
    assert [person["person"] for person in Client(url, "t").people()] == ["ada"]


def test_refusals_arrive_in_the_services_words(url: str) -> None:
    problem = {"title": "No", "detail": "an agent sees nobody's data", "code": "forbidden"}
    Stand.answers = [(403, json.dumps(problem).encode()), (502, b"<html>"), (200, b"<html>")]
    client = Client(url, "t")
    with pytest.raises(ServiceError, match="sees nobody's data") as refused:
        client.approvals()
    assert (refused.value.status, refused.value.code) == (403, "forbidden")
    with pytest.raises(ServiceError) as broken:
        client.approvals()
    assert broken.value.status == 502
    with pytest.raises(ServiceError, match="JSON"):
        client.approvals()


def test_where_nobody_is_there_it_says_so() -> None:
    with pytest.raises(ServiceError, match="could not be asked"):
        Client("http://127.0.0.1:9", "t", timeout_s=2).health()
    with pytest.raises(ServiceError, match="http"):
        Client("file:///etc", "t")


@pytest.mark.skipif("CREDENCE_EXPERIMENT" not in os.environ, reason="CREDENCE_EXPERIMENT names no folder")
def test_an_experiment_is_read() -> None:
    experiment = Experiment(os.environ["CREDENCE_EXPERIMENT"])
    table = experiment.polars()
    assert table.height > 0 and {"answers", "excess_nats", "learner"} <= set(table.columns)
    assert experiment.pandas().shape == table.shape
    assert experiment.report.lower().startswith("<!doctype html")


def test_a_folder_that_is_no_experiment_says_what_writes_it(tmp_path: os.PathLike[str]) -> None:
    with pytest.raises(CredenceError, match="eval run"):
        _ = Experiment(tmp_path).parquet
    with pytest.raises(CredenceError, match="eval report"):
        _ = Experiment(tmp_path).report
