"""A guardrail for function tools of the OpenAI Agents SDK (https://openai.github.io/openai-agents-python/guardrails/)."""

from __future__ import annotations

import json
from typing import Any, Literal

from agents import ToolGuardrailFunctionOutput, ToolInputGuardrail, ToolInputGuardrailData

from .service import Approvals, ApprovalsError


def credence_guardrail(
    approvals: Approvals | None = None,
    *,
    task: str = "",
    wait_s: float = 0.0,
    on_ask: Literal["reject", "raise"] = "reject",
) -> ToolInputGuardrail[Any]:
    """Lets a function tool run only if a Credence service allows exactly this call.

        @function_tool(tool_input_guardrails=[credence_guardrail()])
        def send_mail(to: str, text: str) -> str: ...

    Args:
        approvals: The service; made from CREDENCE_URL and CREDENCE_TOKEN if it is not given.
        task: A name for what the agent is doing: an answer "for this task" holds as long as it is the same.
        wait_s: How long to wait for the person to answer on the service's page.
        on_ask: What to do where nobody has answered by then, or the service is away: tell the model that the call
            was not made ("reject"), or end the run with ToolInputGuardrailTripwireTriggered ("raise").
    """
    service = approvals if approvals is not None else Approvals()

    def not_decided(message: str, about: dict[str, Any]) -> ToolGuardrailFunctionOutput:
        if on_ask == "raise":
            return ToolGuardrailFunctionOutput.raise_exception(about)
        return ToolGuardrailFunctionOutput.reject_content(message, about)

    async def guard(data: ToolInputGuardrailData) -> ToolGuardrailFunctionOutput:
        call = data.context
        try:
            arguments = json.loads(call.tool_arguments or "{}")
        except ValueError:
            arguments = None
        if not isinstance(arguments, dict):
            return ToolGuardrailFunctionOutput.reject_content("The arguments are no JSON object.")
        try:
            verdict = await service.request_async(call.tool_name, arguments, task=task, wait_s=wait_s)
        except ApprovalsError as error:
            message = f"The call was not made: nobody could be asked whether it may be ({error})."
            return not_decided(message, {"error": str(error)})
        about = {
            "verdict": verdict.said,
            "summary": verdict.summary,
            "question": verdict.question,
            "act": verdict.act,
        }
        if verdict.said == "allow":
            return ToolGuardrailFunctionOutput.allow(about)
        if verdict.said == "refuse":
            return ToolGuardrailFunctionOutput.reject_content(f"The call was refused: {verdict.summary}", about)
        message = f"The call was not made: a person is asked first. {verdict.summary} Do something else meanwhile."
        return not_decided(message, about)

    return ToolInputGuardrail(guardrail_function=guard, name="credence")
