"""azure-ai-agents' `create_and_process` with automatic function calls, a thread for each run under way.

All settings are the library's own: it polls once a second, sleeping, whatever the server hints. One client is shared
by all threads, as its documentation allows.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from azure.ai.agents import AgentsClient
from azure.ai.agents.models import FunctionTool, MessageRole, ThreadMessageOptions, ToolSet
from azure.core.credentials import AzureKeyCredential, TokenCredential
from azure.core.pipeline.policies import AzureKeyCredentialPolicy

from benchmarks.driver import Ended, serve
from benchmarks.workload import Plan, answer_of

MAX_THREADS = 400
"""So many runs can be under way; more threads wait for the interpreter rather than for the server."""


def lookup(city: str) -> str:
    """Look up how many trams a city has.

    :param city: The city.
    """
    return answer_of(city)


def carry(client: AgentsClient, agent_id: str, plans: Sequence[Plan]) -> list[Ended]:
    """Carry each run in a thread, begun at its time."""
    start = time.monotonic()
    with ThreadPoolExecutor(MAX_THREADS) as threads:
        begun = []
        for plan in plans:
            time.sleep(max(0.0, start + plan.at_seconds - time.monotonic()))
            begun.append(threads.submit(_carry_one, client, agent_id, plan, time.time()))
        return [one.result() for one in begun]


def _carry_one(client: AgentsClient, agent_id: str, plan: Plan, began_at: float) -> Ended:
    asked = [ThreadMessageOptions(role=MessageRole.USER, content=plan.script)]
    thread = client.threads.create(messages=asked)
    run = client.runs.create_and_process(thread_id=thread.id, agent_id=agent_id)
    said = client.messages.get_last_message_text_by_role(thread.id, MessageRole.AGENT)
    return Ended(run.id, began_at, time.time(), said.text.value if said else "")


def main(server_url: str) -> None:
    """Serve with one client and one agent, as a service would that lives for long."""
    key = AzureKeyCredential("local")
    # The library sends tokens over https only; a key, as bearer, may go to a server on this machine.
    bearer = AzureKeyCredentialPolicy(key, "Authorization", prefix="Bearer")
    # With a policy of its own it never asks the credential for a token.
    with AgentsClient(server_url, cast("TokenCredential", key), authentication_policy=bearer) as client:
        toolset = ToolSet()
        toolset.add(FunctionTool({lookup}))
        client.enable_auto_function_calls(toolset)
        agent = client.create_agent(model="gpt-4o-mini", name="trams", toolset=toolset)
        serve(lambda plans: carry(client, agent.id, plans))


if __name__ == "__main__":
    main(sys.argv[1])
