"""Workers of one queue that import different modules, as in a deploy: a call comes to one that has its tool."""

from __future__ import annotations

from tests.e2e.conftest import HERE, ROOT
from threadrun.status import Outcome
from threadrun.testing import LocalStack


def test_a_call_comes_soon_to_the_worker_that_has_its_tool(tmp_path) -> None:
    (tmp_path / "new_tools.py").write_text(
        "from threadrun import tool\n\n@tool\ndef double(a: int) -> int:\n    return 2 * a\n"
    )
    env = {"E2E_EFFECTS_FILE": str(tmp_path / "effects")}
    with LocalStack(["handlers"], checkout=ROOT, paths=[HERE, tmp_path], env=env) as stack:
        stack.env["THREADRUN_TOOLS__MODULES"] = "new_tools"
        stack.start("tools")
        messages = [f'call double {{"a": {number}}}' for number in range(20)]
        runs = [stack.client.enqueue("asst_demo", messages=text, tools=["double"]) for text in messages]
        records = [run.wait(30) for run in runs]
        passed_on = stack.logs("tools", 0).count("tool.not_served_here")

    assert {record.outcome for record in records} == {Outcome.COMPLETED}
    assert {call.attempts for record in records for call in record.tool_calls} == {1}
    assert passed_on > 0
