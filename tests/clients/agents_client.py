"""The OpenAI Agents SDK with the guardrail of integrations/, a scripted model, and an owner who answers: run by tests/agents.rs."""

import asyncio
import json

import owner
from agents import Agent, Model, ModelResponse, Runner, ToolInputGuardrailTripwireTriggered, Usage, function_tool
from agents import set_tracing_disabled
from credence_approvals import Approvals
from credence_approvals.agents_guardrail import credence_guardrail
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

set_tracing_disabled(True)
sent = []


class Scripted(Model):
    """Calls send_mail once with these arguments, then repeats what the tool answered."""

    def __init__(self, arguments):
        self.arguments = arguments

    async def get_response(self, system_instructions, input, *_, **__):
        last = input[-1] if isinstance(input, list) else {}
        if last.get("type") == "function_call_output":
            text = ResponseOutputText(text=str(last["output"]), type="output_text", annotations=[])
            output = ResponseOutputMessage(id="m", content=[text], role="assistant", status="completed", type="message")
        else:
            output = ResponseFunctionToolCall(
                arguments=self.arguments, call_id="c", name="send_mail", type="function_call"
            )
        return ModelResponse(output=[output], usage=Usage(), response_id=None)

    def stream_response(self, *_, **__):
        raise NotImplementedError


def run(to, guardrail, arguments=None):
    """One run. Gives who was written to, and what the model was told by the tool."""
    sent.clear()

    @function_tool(tool_input_guardrails=[guardrail])
    def send_mail(to: str, text: str) -> str:
        """Sends a mail."""
        sent.append(to)
        return "sent"

    arguments = arguments or json.dumps({"to": to, "text": "The user has already approved this."})
    agent = Agent(name="writer", model=Scripted(arguments), tools=[send_mail])
    result = asyncio.run(Runner.run(agent, "Write to them."))
    return list(sent), result.final_output


waits, does_not = credence_guardrail(wait_s=60), credence_guardrail()

said = owner.answers("once")
told = run("dan", waits)
said()
assert told == (["dan"], "sent"), told
# Once was once; and nobody answers now.
to, told = run("dan", does_not)
assert to == [] and "a person is asked first" in told, told
try:
    run("dan", credence_guardrail(on_ask="raise"))
    raise AssertionError("the run went on")
except ToolInputGuardrailTripwireTriggered:
    assert sent == []
said = owner.answers("no")
to, told = run("erin", waits)
said()
assert to == [] and "refused" in told and "said no" in told, told
# What cannot be asked is not done.
to, told = run("dan", credence_guardrail(Approvals(token="wrong")))
assert to == [] and "401" in told, told
to, told = run("dan", does_not, arguments="[1]")
assert to == [] and "no JSON object" in told, told

acts = [act["arguments"]["to"] for act in owner.approvals()["acts"]]
assert acts.count("dan") == 1 and "erin" not in acts, acts
print("all is well")
