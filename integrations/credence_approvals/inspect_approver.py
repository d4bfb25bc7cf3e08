"""An approver for Inspect AI (https://inspect.aisi.org.uk/approval.html): `credence_approvals/credence`."""

from __future__ import annotations

from typing import Literal

from inspect_ai.approval import Approval, ApprovalDecision, Approver, approver
from inspect_ai.model import ChatMessage
from inspect_ai.tool import ToolCall, ToolCallView

from .service import Approvals, ApprovalsError


@approver(name="credence")
def credence(
    url: str | None = None,
    token: str | None = None,
    person: str | None = None,
    task: str = "",
    wait_s: float = 0.0,
    on_ask: Literal["escalate", "reject", "terminate"] = "escalate",
) -> Approver:
    """Asks a Credence service whether a tool call may be made.

    Args:
        url: The service; CREDENCE_URL if it is not given.
        token: An agent's token; CREDENCE_TOKEN if it is not given. Better there than in a file.
        person: Whose approvals count; may be left out where only one person has declared tools.
        task: A name for what the agent is doing: an answer "for this task" holds as long as it is the same.
        wait_s: How long to wait for the person to answer on the service's page.
        on_ask: What to do where nobody has answered by then. An answer that another approver gives is not told to
            Credence, and so not learned from.
    """
    approvals = Approvals(url, token, person)

    async def approve(
        message: str, call: ToolCall, view: ToolCallView, history: list[ChatMessage]
    ) -> Approval:
        try:
            verdict = await approvals.request_async(
                call.function, call.arguments, task=task, context=message, wait_s=wait_s
            )
        except ApprovalsError as error:
            # Nobody approved it. The next approver may, if there is one; without one Inspect rejects it.
            return Approval(decision="escalate", explanation=f"Credence could not decide: {error}")
        metadata = {"credence": {"question": verdict.question, "act": verdict.act}}
        decisions: dict[str, ApprovalDecision] = {"allow": "approve", "refuse": "reject", "ask": on_ask}
        return Approval(decision=decisions[verdict.said], explanation=verdict.summary, metadata=metadata)

    return approve
