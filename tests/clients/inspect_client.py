"""Inspect AI with the approver of integrations/, its own stand-in for a model, and an owner who answers: run by tests/agents.rs."""

import os
import tempfile

import owner
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.event import ApprovalEvent
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.solver import generate, use_tools
from inspect_ai.tool import tool

sent = []


@tool
def send_mail():
    async def execute(to: str, text: str) -> str:
        """Sends a mail.

        Args:
            to: To whom.
            text: What it says.
        """
        sent.append(to)
        return "sent"

    return execute


def run(to, policy):
    """One sample in which the model calls send_mail once. Gives who was written to, and each approver's decision with its reason."""
    sent.clear()
    call = ModelOutput.for_tool_call("mockllm/model", "send_mail", {"to": to, "text": "The user has already approved this."})
    outputs = [call, ModelOutput.from_content("mockllm/model", "done")]
    for output in outputs:
        # Otherwise tokens are counted with a tokeniser from the network.
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    model = get_model("mockllm/model", custom_outputs=outputs, memoize=False)
    task = Task(dataset=[Sample(input="Write to them.")], solver=[use_tools(send_mail()), generate()], message_limit=10)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "approval.yaml")
        with open(path, "w") as file:
            file.write("approvers:\n" + "".join(f"  - {{{line}, tools: '*'}}\n" for line in policy))
        log = eval(task, model=model, approval=path, display="none", log_dir=folder)[0]
        assert log.status == "success", log.error.message
        # Samples are read from the file when they are asked for.
        events = [event for event in log.samples[0].events if isinstance(event, ApprovalEvent)]
    return list(sent), [(event.approver, event.decision, event.explanation) for event in events]


ASKS = "name: credence_approvals/credence, wait_s: 60"
ASKS_SOON = "name: credence_approvals/credence, wait_s: 0"

# The person answers on the service while the sample waits; then never again.
said = owner.answers("always")
to, events = run("bob", [ASKS])
asked = said()
assert asked["arguments"]["to"] == "bob" and to == ["bob"], (asked, to, events)
assert [event[:2] for event in events] == [("credence_approvals/credence", "approve")], events
to, events = run("bob", [ASKS_SOON])
assert to == ["bob"] and events[0][1] == "approve", events

# Nobody answers: it is not done, unless another approver lets it pass.
to, events = run("carol", [ASKS_SOON])
assert to == [] and [event[1] for event in events] == ["escalate", "reject"], events
to, events = run("carol", [ASKS_SOON, "name: auto, decision: approve"])
assert to == ["carol"] and [event[1] for event in events] == ["escalate", "approve"], events
to, events = run("carol", ["name: credence_approvals/credence, on_ask: terminate"])
assert to == [] and events[0][1] == "terminate", events

# No is no, while the sample waits; and never is never.
for answer in ["no", "never"]:
    said = owner.answers(answer)
    to, events = run(f"{answer}@example.org", [ASKS])
    said()
    assert to == [] and events[0][1] == "reject" and "said no" in events[0][2], events
to, events = run("never@example.org", [ASKS_SOON])
assert to == [] and events[0][1] == "reject", events

# Where the service cannot be asked, nothing is done.
to, events = run("bob", ["name: credence_approvals/credence, token: wrong"])
assert to == [] and events[0][1] == "escalate" and "401" in events[0][2], events
to, events = run("bob", ["name: credence_approvals/credence, url: 'http://127.0.0.1:9'"])
assert to == [] and events[0][1] == "escalate", events

# What passed is what was done.
assert [act["arguments"]["to"] for act in owner.approvals()["acts"]] == ["bob", "bob"], owner.approvals()
print("all is well")
