"""A client of `credence serve`. Standard library only; one method for each thing that the API does for people and agents.

Members of the dictionaries are those of the service's own document (`/api/v1/openapi.json`); the service may add more.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict, cast

from ._native import CredenceError

Answer = Literal["once", "task", "always", "ask_me", "no", "never"]
"""What a person says to a call: yes (this once, in this task, always), yes but go on asking, no, never."""


class ServiceError(CredenceError):
    """The service could not be reached, or refused. `status` is the HTTP status and `code` the service's own, if it spoke."""

    def __init__(self, message: str, status: int | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Person(TypedDict):
    """Somebody who said something."""

    person: str
    evidence: int
    withdrawn: int


class Value(TypedDict):
    """A value relative to the person's average, with a 90% interval, now and before."""

    id: str
    name: str
    mean: float
    low: float
    high: float
    prior_mean: float
    prior_low: float
    prior_high: float
    probability_above: float
    rank: int
    sure: bool


class Call(TypedDict):
    """A call that an agent asked for, or made."""

    number: int
    tool: str
    arguments: dict[str, Any]
    task: str
    context: str
    shown_hash: str
    why: str


class Approvals(TypedDict):
    """An owner's approvals: `open` questions, and `acts` that passed, the latest first."""

    person: str
    tools: list[str]
    answers: int
    share_max: float
    is_certified: bool
    open: list[Call]
    acts: list[Call]


class Verdict(TypedDict):
    """What an agent is told: the verdict, its reasons, and the number of the act or of the question."""

    verdict: Literal["allow", "ask", "refuse"]
    explanation: dict[str, Any]
    act: int | None
    question: int | None
    shown_hash: str
    record: int | None


class Became(TypedDict):
    """What became of a question."""

    question: int
    is_open: bool
    answer: Literal["approved", "refused", "ask_me"] | None


class Client:
    """Speaks to one service as whoever the token is.

    `url` and `token` are read from `CREDENCE_URL` and `CREDENCE_TOKEN` where they are not given. Every method raises
    `ServiceError`, with the service's own words.
    """

    def __init__(self, url: str | None = None, token: str | None = None, *, timeout_s: float = 30.0) -> None:
        self.url = (url or os.environ.get("CREDENCE_URL", "")).rstrip("/")
        self._token = token or os.environ.get("CREDENCE_TOKEN", "")
        self._timeout_s = timeout_s
        if urllib.parse.urlsplit(self.url).scheme not in ("http", "https"):
            raise ServiceError(f"{self.url!r} is no address that begins with http:// or https://")

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    # People and values

    def people(self) -> list[Person]:
        """Everybody who said something. Owner and facilitators only."""
        people: list[Person] = []
        while True:
            page = cast("list[Person]", self.call("GET", "/api/v1/people", after=people[-1]["person"] if people else None))
            if not page:
                return people
            people.extend(page)

    def values(self, person: str | None = None, *, at: int | None = None, without: int | None = None) -> list[Value]:
        """What is believed of a person, at a record and without another if told."""
        sheet = self.call("GET", "/api/v1/values", person=person, at=at, without=without)
        return cast("list[Value]", sheet["values"]["values"])

    def log(self, *, person: str | None = None, kind: str | None = None, limit: int | None = None) -> list[dict[str, Any]]:
        """The latest records in words."""
        page = self.call("GET", "/api/v1/log", person=person, kind=kind, limit=limit)
        return cast("list[dict[str, Any]]", page["records"])

    def retract(self, record: int, reason: str) -> dict[str, Any]:
        """Withdraws what was said in a record."""
        return cast("dict[str, Any]", self.call("POST", f"/api/v1/log/{record}/retract", {"reason": reason}))

    # Sessions

    def sit_down(self, person: str | None = None) -> dict[str, Any]:
        """Begins a person's session, or goes on with it: its first turn, with a `question`."""
        body = {} if person is None else {"person": person}
        return cast("dict[str, Any]", self.call("POST", "/api/v1/sessions", body))

    def say(self, session: str, said: Mapping[str, Any], *, question: int | None = None) -> dict[str, Any]:
        """Says something in a session, such as `{"said": "choose", "index": 0}`. With `question` it may be sent twice."""
        body: dict[str, Any] = {"say": dict(said)}
        if question is not None:
            body["question"] = question
        return cast("dict[str, Any]", self.call("POST", f"/api/v1/sessions/{_coded(session)}/said", body))

    # Approvals

    def request(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        person: str | None = None,
        task: str = "",
        context: str = "",
        **stated: Any,
    ) -> Verdict:
        """May an agent make this call? What passes is recorded first. `stated`: reversible, affected, cost, outside."""
        asked = {"tool": tool, "arguments": dict(arguments), "task": task, "context": context, **stated}
        body: dict[str, Any] = {"request": asked}
        if person is not None:
            body["person"] = person
        return cast("Verdict", self.call("POST", "/api/v1/approvals/requests", body))

    def became(self, question: int, person: str | None = None) -> Became:
        """What became of a question that a request led to."""
        return cast("Became", self.call("GET", f"/api/v1/approvals/questions/{question}", person=person))

    def approvals(self, person: str | None = None) -> Approvals:
        """An owner's open questions and acts."""
        return cast("Approvals", self.call("GET", "/api/v1/approvals", person=person))

    def answer(self, call: Call, answer: Answer, *, person: str | None = None) -> Approvals:
        """Answers an open question, for exactly the call that was shown."""
        body: dict[str, Any] = {"answer": answer, "shown_hash": call["shown_hash"]}
        if person is not None:
            body["person"] = person
        return cast("Approvals", self.call("POST", f"/api/v1/approvals/questions/{call['number']}", body))

    def undo(self, act: int, person: str | None = None) -> Approvals:
        """Takes an act back: evidence that its owner would have refused it."""
        return cast("Approvals", self.call("POST", f"/api/v1/approvals/acts/{act}/undo", {}, person=person))

    # Experiments, tokens, health

    def experiments(self) -> list[dict[str, Any]]:
        """Runs of experiments and how far each is. Owner only."""
        return cast("list[dict[str, Any]]", self.call("GET", "/api/v1/experiments")["runs"])

    def report(self, run: str) -> str:
        """A run's report, as HTML."""
        return self._send("GET", f"/api/v1/experiments/{_coded(run)}/report", None).decode()

    def make_token(self, role: Literal["facilitator", "agent", "participant"], person: str | None = None) -> str:
        """A token for somebody else. Owner only."""
        body: dict[str, Any] = {"role": role}
        if person is not None:
            body["person"] = person
        return cast("str", self.call("POST", "/api/v1/tokens", body)["token"])

    def health(self) -> dict[str, Any]:
        """Whether the service is well, and the number of its last record. Needs no token."""
        return cast("dict[str, Any]", self.call("GET", "/health"))

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """Any other request: the JSON of the answer."""
        given = {name: value for name, value in query.items() if value is not None}
        if given:
            path += "?" + urllib.parse.urlencode(given)
        answer = self._send(method, path, body)
        try:
            return json.loads(answer) if answer else None
        except ValueError as error:
            raise ServiceError(f"{self.url}{path} did not answer in JSON") from error

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> bytes:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            data = None if body is None else json.dumps(body, allow_nan=False).encode()
            request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:
                return cast("bytes", answer.read())
        except urllib.error.HTTPError as error:
            problem = _problem(error)
            detail = problem.get("detail") or problem.get("title") or error.reason
            raise ServiceError(str(detail), error.code, problem.get("code")) from error
        except (OSError, ValueError, TypeError) as error:
            raise ServiceError(f"{self.url} could not be asked: {error}") from error


def _problem(error: urllib.error.HTTPError) -> dict[str, Any]:
    try:
        problem = json.load(error)
    except (OSError, ValueError):
        return {}
    return problem if isinstance(problem, dict) else {}


def _coded(part: str) -> str:
    return urllib.parse.quote(part, safe="")


__all__: Sequence[str] = [
    "Answer",
    "Approvals",
    "Became",
    "Call",
    "Client",
    "Person",
    "ServiceError",
    "Value",
    "Verdict",
]
