"""The approvals of a Credence service, as an agent sees them."""

from __future__ import annotations

import asyncio
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Said = Literal["allow", "ask", "refuse"]

# Between two looks at a question that waits.
POLL_S = 1.0


class ApprovalsError(Exception):
    """The service could not be asked, or could not answer. The call must not be made."""


@dataclass(frozen=True)
class Verdict:
    """What the service says of one call."""

    said: Said
    """`allow`: make exactly this call. `ask`: a person has not answered yet. `refuse`: do not make it."""
    summary: str
    """Why, in a sentence."""
    question: int | None = None
    """Number of the question that waits for the person."""
    act: int | None = None
    """Number of the act that was allowed: what an undo names."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The service's whole answer."""


class Approvals:
    """Asks one service for one owner.

    `url` and `token` (of an agent: `POST /api/v1/tokens` with `{"role": "agent"}`) are read from `CREDENCE_URL` and
    `CREDENCE_TOKEN` where they are not given; `person` may be left out where only one person has declared tools.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        person: str | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self._url = (url or os.environ.get("CREDENCE_URL", "")).rstrip("/")
        self._token = token or os.environ.get("CREDENCE_TOKEN", "")
        if not self._url or not self._token:
            raise ApprovalsError("no service to ask: give url and token, or set CREDENCE_URL and CREDENCE_TOKEN")
        if urllib.parse.urlsplit(self._url).scheme not in ("http", "https"):
            raise ApprovalsError(f"{self._url!r} is no address that begins with http:// or https://")
        self._person = person
        self._timeout_s = timeout_s

    def request(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        task: str = "",
        context: str = "",
        wait_s: float = 0.0,
    ) -> Verdict:
        """May this call be made? Where a person is asked, waits up to `wait_s` seconds for them.

        What is allowed has been recorded as an act when this returns.

        Raises:
            ApprovalsError: the service is away, does not know the token, or cannot judge the call.
        """
        until = time.monotonic() + wait_s
        verdict = self._request(tool, arguments, task, context)
        while verdict.said == "ask" and verdict.question is not None and time.monotonic() < until:
            time.sleep(min(POLL_S, max(0.0, until - time.monotonic())))
            answer = self._answer(verdict.question)
            if answer == "refused":
                return Verdict("refuse", "The person said no.", question=verdict.question, raw=verdict.raw)
            if answer is not None:
                # The approval is for exactly this call; asking again uses it up and records the act.
                return self._request(tool, arguments, task, context)
        return verdict

    async def request_async(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        task: str = "",
        context: str = "",
        wait_s: float = 0.0,
    ) -> Verdict:
        """The same, beside an event loop."""
        return await asyncio.to_thread(self.request, tool, arguments, task=task, context=context, wait_s=wait_s)

    def _request(self, tool: str, arguments: Mapping[str, Any], task: str, context: str) -> Verdict:
        body: dict[str, Any] = {
            "request": {"tool": tool, "arguments": dict(arguments), "task": task, "context": context}
        }
        if self._person is not None:
            body["person"] = self._person
        said = self._call("POST", "/api/v1/approvals/requests", body)
        try:
            return Verdict(
                said=said["verdict"],
                summary=said["explanation"]["summary"],
                question=said["question"],
                act=said["act"],
                raw=said,
            )
        except (KeyError, TypeError) as error:
            raise ApprovalsError(f"{self._url} did not answer as a Credence service: {said!r:.200}") from error

    def _answer(self, question: int) -> str | None:
        whose = "" if self._person is None else "?" + urllib.parse.urlencode({"person": self._person})
        said = self._call("GET", f"/api/v1/approvals/questions/{question}{whose}")
        answer = said.get("answer")
        return None if answer is None else str(answer)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            data = None if body is None else json.dumps(body, allow_nan=False).encode()
            sent = urllib.request.Request(self._url + path, data=data, headers=headers, method=method)
            with urllib.request.urlopen(sent, timeout=self._timeout_s) as answer:
                said = json.load(answer)
        except urllib.error.HTTPError as error:
            raise ApprovalsError(f"{self._url} answered {error.code}: {_detail(error)}") from error
        except (OSError, ValueError, TypeError) as error:
            raise ApprovalsError(f"{self._url} could not be asked: {error}") from error
        if not isinstance(said, dict):
            raise ApprovalsError(f"{self._url} did not answer as a Credence service: {said!r:.200}")
        return said


def _detail(error: urllib.error.HTTPError) -> str:
    """The service's own words (application/problem+json)."""
    try:
        problem = json.load(error)
        return str(problem.get("detail") or problem.get("title"))
    except (OSError, ValueError, AttributeError):
        return str(error.reason)
