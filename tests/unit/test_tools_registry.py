"""Which handlers a worker finds, and which names are refused."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest

from threadrun.errors import ToolDefinitionError, ToolModuleError
from threadrun.testing.tool_calls import call_tool
from threadrun.tools import ToolRegistry, tool
from threadrun.tools.registry import default_registry

HEADER = "from __future__ import annotations\nfrom threadrun.tools import tool\n"


def source(*names: str, result: str = "") -> str:
    return HEADER + "".join(
        f"\n@tool\ndef {name}() -> str:\n    return {(result or name)!r}\n" for name in names
    )


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write modules into a folder on the import path; forget them afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def write_module(path: str, text: str) -> None:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        importlib.invalidate_caches()

    yield write_module
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_a_registry_holds_exactly_the_tools_of_the_modules_it_loads(write):
    write("shop.py", source("buy", "sell"))
    write("other.py", source("lend"))
    importlib.import_module("other")
    registry = ToolRegistry.load(["shop"])
    assert registry.names() == ("buy", "sell")
    assert default_registry.names() == ("buy", "lend", "sell")
    assert [found.name for found in registry] == ["buy", "sell"]
    assert len(registry) == 2
    assert "buy" in registry
    assert "lend" not in registry
    assert registry.get("lend") is None
    assert call_tool(registry.get("buy")).output == "buy"


def test_a_module_brings_the_tools_that_it_imports(write):
    write("shop.py", source("buy", "sell"))
    write("mine.py", source("lend") + "from shop import buy\n")
    assert ToolRegistry.load(["mine"]).names() == ("buy", "lend")


def test_a_package_brings_the_tools_of_the_submodules_that_it_imports(write):
    write("app/__init__.py", "")
    write("app/tools/__init__.py", "from . import shop\n")
    write("app/tools/shop.py", source("buy"))
    write("app/tools/unused.py", source("sell"))
    write("app/toolsmith.py", source("forge"))
    importlib.import_module("app.toolsmith")
    assert ToolRegistry.load(["app.tools"]).names() == ("buy",)


def test_a_tool_of_two_loaded_modules_counts_once(write):
    write("shop.py", source("buy"))
    write("mine.py", "from shop import buy\n")
    assert ToolRegistry.load(["shop", "mine", "shop"]).names() == ("buy",)


def test_tools_made_inside_a_function_of_the_module_are_found(write):
    write("made.py", HEADER + "def make():\n    @tool\n    def inner() -> str:\n        return 'x'\nmake()\n")
    assert ToolRegistry.load(["made"]).names() == ("inner",)


def test_lazy_proxies_in_a_module_are_left_asleep(write):
    write(
        "lazy.py",
        source("buy") + "class Lazy:\n    def __getattribute__(self, name):\n"
        "        raise RuntimeError('woken')\nproxy = Lazy()\n",
    )
    assert ToolRegistry.load(["lazy"]).names() == ("buy",)


def test_the_queues_of_all_tools_are_listed_once():
    registry = ToolRegistry()
    for name, queue in [("a", "slow"), ("b", "tools"), ("c", "slow")]:
        registry.add(tool(name=name, queue=queue)(lambda: None).tool)
    assert registry.queues() == ("slow", "tools")


def test_loading_no_module_gives_an_empty_registry():
    assert list(ToolRegistry.load([])) == []


def test_a_single_name_is_taken_as_one_module(write):
    write("shop.py", source("buy"))
    assert ToolRegistry.load("shop").names() == ("buy",)


def test_a_module_that_does_not_exist_is_named_with_the_remedy(write):
    write("app/__init__.py", "")
    with pytest.raises(
        ToolModuleError, match=r"no module app\.tolls; correct THREADRUN_TOOLS__MODULES"
    ) as refused:
        ToolRegistry.load(["app.tolls"])
    assert isinstance(refused.value.__cause__, ModuleNotFoundError)


def test_a_missing_dependency_of_a_module_is_told_apart(write):
    write("shop.py", "import surely_not_installed\n")
    with pytest.raises(
        ToolModuleError, match=r"'shop' gives no tools: its import failed .*surely_not_installed.*install"
    ):
        ToolRegistry.load(["shop"])


def test_a_module_that_raises_is_named_without_repeating_its_text(write):
    write("shop.py", "raise KeyError('sk-secret')\n")
    with pytest.raises(
        ToolModuleError, match=r"its import raised KeyError in <module> \(\S+shop\.py:1\); correct it"
    ) as refused:
        ToolRegistry.load(["shop"])
    assert "sk-secret" not in str(refused.value)
    assert isinstance(refused.value.__cause__, KeyError)


def test_an_import_that_fails_deep_down_names_the_modules_own_line_and_the_one_that_raised(write):
    lines = ["def step(left):", "    if left: step(left - 1)", "    1 / 0", "step(30)", ""]
    write("deep.py", "\n".join(lines))
    write("shop.py", "\nimport deep\n")
    with pytest.raises(ToolModuleError) as refused:
        ToolRegistry.load(["shop"])
    places = refused.value.reason.partition(" in ")[2].partition(";")[0].split(", ")
    assert [place.rpartition("/")[2] for place in places] == [
        "shop.py:2)", "deep.py:4)", "deep.py:2)", "deep.py:2)", "deep.py:2)", "deep.py:3)",
    ]  # fmt: skip


def test_a_module_that_cannot_be_parsed_names_the_line_without_repeating_it(write):
    write("shop.py", "x = 1\nsecret = = 2\n")
    with pytest.raises(ToolModuleError, match=r"SyntaxError in \S+shop\.py:2; correct it") as refused:
        ToolRegistry.load(["shop"])
    assert "secret" not in str(refused.value)


def test_a_failed_import_of_a_name_is_placed_too(write):
    write("other.py", "")
    write("shop.py", "\nfrom other import nothing\n")
    with pytest.raises(ToolModuleError, match=r"cannot import name .* in <module> \(\S+shop\.py:2\)"):
        ToolRegistry.load(["shop"])


def test_a_script_that_exits_on_import_does_not_take_the_worker_with_it(write):
    write("script.py", "import sys\nsys.exit(0)\n")
    with pytest.raises(ToolModuleError, match="'script' gives no tools: its import raised SystemExit"):
        ToolRegistry.load(["script"])


@pytest.mark.parametrize("name", ["", ".relative", "with space"])
def test_a_name_that_is_no_module_name_is_refused(name):
    with pytest.raises(ToolModuleError):
        ToolRegistry.load([name])


def test_a_module_with_an_unfit_tool_says_what_is_wrong_with_it(write):
    write("shop.py", HEADER + "@tool\ndef buy(what): ...\n")
    told = r"registered: shop\.buy \(\S+shop\.py:3\): parameter what has no annotation"
    with pytest.raises(ToolDefinitionError, match=told):
        ToolRegistry.load(["shop"])


def test_a_module_without_tools_is_refused(write):
    write("empty.py", "x = 1\n")
    with pytest.raises(ToolModuleError, match="defines and imports none"):
        ToolRegistry.load(["empty"])


def test_a_name_from_two_functions_is_refused_at_import_naming_both(write):
    write("shop.py", source("buy"))
    write("store.py", source("buy"))
    importlib.import_module("shop")
    with pytest.raises(
        ToolDefinitionError, match=r"taken by shop\.buy .*shop\.py:\d+.*rename store\.buy .*store\.py"
    ):
        importlib.import_module("store")


def test_a_name_given_twice_in_one_module_is_refused(write):
    write("shop.py", source("buy", "buy"))
    with pytest.raises(ToolDefinitionError, match="the name is taken"):
        importlib.import_module("shop")


def test_a_reloaded_module_replaces_its_tools(write):
    write("shop.py", source("buy", result="old"))
    module = importlib.import_module("shop")
    write("shop.py", source("buy", result="something new").replace("@tool", "\n@tool"))
    importlib.reload(module)
    assert call_tool(ToolRegistry.load(["shop"]).get("buy")).output == "something new"


def test_a_module_imported_afresh_replaces_its_tools(write):
    write("shop.py", source("buy", "sell"))
    importlib.import_module("shop")
    del sys.modules["shop"]
    write("shop.py", "\n\n" + source("buy"))
    assert ToolRegistry.load(["shop"]).names() == ("buy",), "sell is gone with the old module"


def test_a_module_whose_first_import_failed_can_be_imported_again(write):
    write("shop.py", source("buy") + "raise RuntimeError\n")
    with pytest.raises(ToolModuleError):
        ToolRegistry.load(["shop"])
    write("shop.py", "\n" + source("buy"))
    assert ToolRegistry.load(["shop"]).names() == ("buy",)


def test_a_factory_may_define_its_tool_again():
    def make(answer: str) -> Any:
        @tool
        def ask() -> str:
            return answer

        return ask

    make("first")
    make("second")
    assert call_tool(default_registry.get("ask")).output == "second"


def test_a_function_may_be_offered_under_two_names():
    def ask() -> str:
        return "yes"

    tool(name="ask")(ask)
    tool(name="inquire")(ask)
    assert default_registry.names() == ("ask", "inquire")
