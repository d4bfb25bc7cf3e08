"""Drives an MCP server of Credence with the official Python client, and says what did not hold.

    pip install mcp==2.3.0
    python mcp/peers/python_client.py [--mode auto|legacy] [--answer accept|decline|cancel|none] [--choose VALUE] \
        [--person NAME] (--http URL | -- COMMAND [ARGUMENT...])

Starts COMMAND over standard input and output, or speaks to URL with the token in CREDENCE_TOKEN; lists tools and resources, calls every tool, answers what the server
asks the person, and sends what it must refuse. Prints one JSON report. Exit code: 0 if all holds, 1 if something does
not, 2 if the command line is wrong.

Over HTTP an agent reads no log, so that is checked instead. `--mode auto` speaks 2026-07-28 if the server does; `legacy` begins with the handshake. `--answer none` declares no
elicitation. The client itself checks structured results against the tools' output schemas.
"""

import argparse
import asyncio
import json
import os
import sys
from typing import Any

import mcp_types as types
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from mcp.shared.exceptions import MCPError

TOOLS = {"decide", "explain", "get_values", "propose_question", "report_outcome", "request_approval"}

POEM = {
    "situation": "A friend asks what you think of her first poem, which is weak.",
    "alternatives": ["say kindly where it is weak", "praise it and leave it at that"],
}
MAIL = {
    "tool": "send_mail",
    "arguments": {"to": "bo@example.org", "text": "Hello"},
    "task": "invitations",
    "context": "Bo is invited.",
    "reversible": "no",
    "affected": "others",
    "outside": True,
}


class Peer:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.problems: list[str] = []
        self.calls: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []

    def holds(self, condition: bool, otherwise: str) -> None:
        if not condition:
            self.problems.append(otherwise)

    async def answer(self, _: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        schema = params.requested_schema
        fields = schema["properties"]
        self.holds(list(fields) == ["answer"], f"a form with other fields than one choice: {list(fields)}")
        field = fields["answer"]
        values = field.get("enum") or [option["const"] for option in field.get("oneOf", [])]
        self.holds(bool(values), f"a field that can be typed into: {field}")
        self.asked.append({"message": params.message, "values": values, "answered": self.options.answer})
        if self.options.answer != "accept":
            return types.ElicitResult(action=self.options.answer)
        chosen = self.options.choose if self.options.choose in values else values[0]
        return types.ElicitResult(action="accept", content={"answer": chosen})

    async def call(self, client: Client, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The structured result of a call; nothing if the tool failed."""
        try:
            result = await client.call_tool(tool, arguments)
        except Exception as error:  # What the client refuses is what is looked for.
            self.problems.append(f"{tool}: {type(error).__name__}: {error}")
            return {}
        words = " ".join(block.text for block in result.content if isinstance(block, types.TextContent))
        entry = {"tool": tool, "arguments": arguments, "is_error": bool(result.is_error)}
        entry["result"] = words if result.is_error else result.structured_content
        self.calls.append(entry)
        if result.is_error or not isinstance(result.structured_content, dict):
            return {}
        return result.structured_content

    async def fails(self, client: Client, tool: str, arguments: dict[str, Any], word: str) -> None:
        """The tool must fail in words that contain `word`."""
        before = len(self.calls)
        await self.call(client, tool, arguments)
        made = self.calls[before:]
        ok = bool(made) and made[0]["is_error"] and word in str(made[0]["result"])
        self.holds(ok, f"{tool} with {arguments} did not fail with {word!r}: {made}")

    async def run(self) -> dict[str, Any]:
        command = self.options.command
        if self.options.http:
            headers = {"Authorization": f"Bearer {os.environ['CREDENCE_TOKEN']}"}
            server = streamable_http_client(self.options.http, http_client=create_mcp_http_client(headers))
        else:
            server = StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ))
        callback = None if self.options.answer == "none" else self.answer
        name = types.Implementation(name="python-peer", version="1")
        async with Client(
            server, mode=self.options.mode, elicitation_callback=callback, client_info=name, read_timeout_seconds=120
        ) as client:
            tools = (await client.list_tools()).tools
            names = {tool.name for tool in tools}
            self.holds(names >= TOOLS, f"missing tools: {sorted(TOOLS - names)}")
            for tool in tools:
                self.holds(bool(tool.description), f"{tool.name} has no description")
                self.holds(tool.output_schema is not None, f"{tool.name} has no output schema")
                self.holds(tool.annotations is not None, f"{tool.name} has no annotations")
            await self.call_all(client)
            await self.send_what_is_wrong(client)
            resources = await self.read_all(client)
            info = client.server_info
            return {
                "protocol": client.protocol_version,
                "server": info.model_dump(exclude_none=True) if info else None,
                "tools": sorted(names),
                "resources": resources,
                "calls": self.calls,
                "asked": self.asked,
                "problems": self.problems,
            }

    async def call_all(self, client: Client) -> None:
        person = {"person": self.options.person} if self.options.person else {}
        decision = await self.call(client, "decide", {**POEM, **person})
        verdict = decision.get("verdict")
        self.holds(verdict in ("act", "ask", "defer"), f"decide gave the verdict {verdict!r}")
        self.holds(verdict != "act" or decision.get("chosen") in (0, 1), f"act names no alternative: {decision}")
        approval = await self.call(client, "request_approval", MAIL)
        verdict = approval.get("verdict")
        expected = {"decline": "refuse", "cancel": "ask", "none": "ask"}.get(self.options.answer)
        asked = any("send_mail" in question["message"] for question in self.asked)
        self.holds(verdict in ("allow", "ask", "refuse"), f"request_approval gave the verdict {verdict!r}")
        if expected and (asked or expected == "ask"):
            self.holds(verdict == expected, f"request_approval gave {verdict!r} and not {expected!r}")
        if asked and self.options.answer == "accept" and self.options.choose in ("once", "task", "always", "ask_again"):
            self.holds(verdict == "allow", f"the person approved and the verdict is {verdict!r}")
        record = approval.get("record")
        if record is None:
            record = decision.get("record")
        if record is not None:
            report = {"record": record, "outcome": "done", "observed": "It went through."}
            await self.call(client, "report_outcome", report)
            await self.call(client, "explain", {"record": record})
        await self.call(client, "propose_question", {"situation": "At work.", "alternatives": ["tell", "keep quiet"]})
        await self.call(client, "get_values", person)
        await self.call(client, "explain", {"value": "Honesty", **person})
        failed = [entry["tool"] for entry in self.calls if entry["is_error"]]
        self.holds(not failed, f"failed: {failed}")

    async def send_what_is_wrong(self, client: Client) -> None:
        await self.fails(client, "decide", {"situation": "x", "alternatives": ["a"]}, "alternatives")
        await self.fails(client, "request_approval", {"tool": "t", "arguments": "{}"}, "JSON object")
        await self.fails(client, "request_approval", {"tool": "t", "arguments": {}, "approved": True}, "unknown field")
        await self.fails(client, "report_outcome", {"record": 10**9, "outcome": "done"}, "record")
        try:
            await client.call_tool("approve_everything", {})
            self.problems.append("an unknown tool is no error of the protocol")
        except MCPError as error:
            self.holds(error.error.code == -32602, f"an unknown tool has code {error.error.code}")

    async def read_all(self, client: Client) -> list[str]:
        uris = [str(resource.uri) for resource in (await client.list_resources()).resources]
        self.holds("credence://log" in uris, f"the log is not listed: {uris}")
        logs = [uri for uri in uris if uri == "credence://log"] + ["credence://log?from=0&limit=1", "credence://log/1"]
        others = [uri for uri in uris if uri not in logs]
        for uri in others if self.options.http else [*others, *logs]:
            contents = (await client.read_resource(uri)).contents
            try:
                json.loads(contents[0].text)
            except (AttributeError, IndexError, ValueError) as error:
                self.problems.append(f"{uri} is no JSON: {error}")
        for uri in ["credence://log/999999999", *(logs if self.options.http else [])]:
            try:
                await client.read_resource(uri)
                self.problems.append(f"{uri} can be read")
            except MCPError:
                pass
        return uris


def main() -> int:
    parser = argparse.ArgumentParser(description="Drives an MCP server of Credence with the official Python client.")
    parser.add_argument("--mode", choices=["auto", "legacy"], default="auto")
    parser.add_argument("--answer", choices=["accept", "decline", "cancel", "none"], default="accept")
    parser.add_argument("--choose", default="once", help="the option to choose, if there is such a one")
    parser.add_argument("--person", help="whose values; the owner's if it is not given")
    parser.add_argument("--http", metavar="URL", help="a server that runs, instead of a command")
    parser.add_argument("command", nargs="*", help="the server, after --")
    options = parser.parse_args()
    if bool(options.http) == bool(options.command):
        parser.error("give a command after --, or --http URL")
    peer = Peer(options)
    report = asyncio.run(peer.run())
    print(json.dumps(report, indent=2, ensure_ascii=False))
    return 1 if peer.problems else 0


if __name__ == "__main__":
    sys.exit(main())
