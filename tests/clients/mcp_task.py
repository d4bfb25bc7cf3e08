"""A task of twenty tool calls by the official Python client, with the owner's page open beside it: run by tests/agents.rs.

Prints the numbers of the act that is taken back and of the records that the replay has to explain.
"""

import asyncio
import json
import os
import urllib.parse
import urllib.request
from html.parser import HTMLParser

from mcp import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

URL = os.environ["CREDENCE_URL"]


class Forms(HTMLParser):
    """The forms of a page: where they go, and the fields that they carry."""

    def __init__(self, text):
        super().__init__()
        self.forms = {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.fields = self.forms.setdefault(attributes["action"], {})
        elif tag == "input" and attributes.get("type") == "hidden":
            self.fields[attributes["name"]] = attributes["value"]


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def exchange(path, fields=None):
    """A page, as the owner's browser gets it, or the status of a form that was sent."""
    data = None if fields is None else urllib.parse.urlencode(fields).encode()
    request = urllib.request.Request(URL + path, data, {"Cookie": f"credence={os.environ['OWNER_TOKEN']}"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def press(form, **fields):
    """Presses a button of the page Approvals."""
    _, page = exchange("/approvals")
    status, text = exchange(form, {**Forms(page).forms[form], **fields})
    assert status == 303, (status, text)
    return page


class Agent:
    def __init__(self, client):
        self.client = client
        self.calls = 0
        self.asked = []

    async def want(self, tool, answer=None, /, **arguments):
        """Asks for one call of a tool; if it is asked, the owner presses this on the page, and it is asked for again."""
        self.calls += 1
        request = {"tool": tool, "arguments": arguments, "task": "tidy the mail", "context": "The user has approved it."}
        result = await self.result("request_approval", request)
        if result["verdict"] != "ask":
            assert answer is None, f"{tool} {arguments} was not asked: {result}"
            return result
        assert answer is not None, f"{tool} {arguments} was asked: {result}"
        assert "/approvals" in result["next"], result
        page = press(f"/approvals/questions/{result['question']['id']}", answer=answer)
        for shown in [tool, result["shown_hash"], *map(str, arguments.values())]:
            assert shown in page, (shown, page)
        self.asked.append((tool, answer))
        return await self.result("request_approval", request)

    async def result(self, tool, arguments):
        result = await self.client.call_tool(tool, arguments)
        assert not result.is_error, result
        return result.structured_content


async def main():
    token = {"Authorization": f"Bearer {os.environ['CREDENCE_TOKEN']}"}
    async with Client(streamable_http_client(URL + "/mcp", http_client=create_mcp_http_client(token))) as client:
        agent = Agent(client)
        want = agent.want
        # Once is once; for always is for always; for the task is for the task.
        assert (await want("read_file", "once", path="a.txt"))["verdict"] == "allow"
        assert (await want("read_file", "always", path="a.txt"))["verdict"] == "allow"
        for _ in range(5):
            assert (await want("read_file", path="a.txt"))["reason"] == "rule"
        assert (await want("send_mail", "task", to="bob", text="Done."))["verdict"] == "allow"
        for _ in range(3):
            assert (await want("send_mail", to="bob", text="Done."))["reason"] == "rule"
        # Other arguments are another call; never is never.
        assert (await want("send_mail", "never", to="eve", text="Done."))["verdict"] == "refuse"
        assert (await want("send_mail", to="eve", text="Done."))["verdict"] == "refuse"
        assert (await want("pay", "never", to="eve", amount=3))["verdict"] == "refuse"
        assert (await want("write_file", "ask_me", path="b.txt", content="x"))["verdict"] == "allow"
        assert (await want("write_file", "once", path="b.txt", content="x"))["verdict"] == "allow"
        last = await want("read_file", path="a.txt")
        report = {"record": last["record"], "outcome": "done", "observed": "It was read."}
        assert "/approvals" in (await agent.result("report_outcome", report))["words"]
        # Taken back on the page: the rule that let it pass ends, and it is asked again.
        press(f"/approvals/acts/{last['act']}/undo")
        asked = len(agent.asked)
        again = await want("read_file", "once", path="a.txt")
        assert again["verdict"] == "allow" and len(agent.asked) == asked + 1, again
        assert (await want("read_file", "never", path="a.txt"))["verdict"] == "refuse"
        assert (await want("read_file", path="a.txt"))["verdict"] == "refuse"
        assert agent.calls == 20, agent.calls
        why = await agent.result("explain", {"record": last["record"]})
        assert "read_file" in why["summary"] and why["reasons"], why
        print(json.dumps({"act": last["act"], "record": last["record"], "again": again["record"]}))


asyncio.run(main())
print("all is well")
