"""Asks a Credence service whether a tool may be called. Standard library only.

`inspect_approver` has the approver for Inspect AI, `agents_guardrail` the guardrail for the OpenAI Agents SDK.
"""

from .service import Approvals, ApprovalsError, Verdict

__all__ = ["Approvals", "ApprovalsError", "Verdict"]
