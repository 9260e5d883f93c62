import pytest

from codegen import elf
from codegen.cores import CORES
from codegen.toolchain import ZigCompiler
from cost_models.call_graph import CallGraph

SOURCE = """
#include <stdint.h>
#include <stddef.h>
#define ALONE __attribute__((noinline))
volatile uint8_t sink;
ALONE int leaf(int x) { volatile int here[50]; for (int i = 0; i < 50; ++i) here[i] = x; return here[x & 31]; }
ALONE int wide(int x) { volatile char here[5000]; here[x] = 1; here[x + 1] = 2; return here[0] + leaf(x); }
ALONE int chain(int x) { volatile int here[3]; here[0] = x; return here[0] + leaf(x) + leaf(x + 1); }
int root(int x) { return x > 3 ? chain(x) + 1 : wide(x) + 2; }
int other(int x) { return chain(x); }
int divide(long long x, long long y) { return (int)(x / y); }
"""


@pytest.fixture(scope="module", params=["cortex-m4", "cortex-m0plus"])
def calls(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> CallGraph:
    directory = tmp_path_factory.mktemp("calls")
    source = directory / "calls.c"
    source.write_text(SOURCE)
    output = ZigCompiler().link(
        [source],
        include_dirs=[],
        core=CORES[request.param],
        optimize="balanced",
        roots=["root", "other", "divide"],
        output=directory / "calls.elf",
    )
    return CallGraph(elf.read(output))


def test_frames_hold_the_locals(calls: CallGraph) -> None:
    leaf = calls.functions["leaf"].frame
    assert 200 <= leaf <= 232
    assert 12 <= calls.functions["chain"].frame <= 40


def test_depth_follows_the_deepest_chain(calls: CallGraph) -> None:
    leaf, wide, root = (calls.functions[name].frame for name in ("leaf", "wide", "root"))
    assert calls.depth("leaf") == leaf
    assert calls.depth("wide") == wide + leaf
    assert calls.depth("root") == root + wide + leaf >= 5000 + 200


def test_a_callee_that_never_runs_takes_no_stack(calls: CallGraph) -> None:
    leaf, wide, root = (calls.functions[name].frame for name in ("leaf", "wide", "root"))
    assert calls.depth("root", {"root", "wide"}) == root + wide
    assert calls.depth("root", {"root", "leaf"}) == root + (leaf if "leaf" in calls.functions["root"].calls else 0)
    assert calls.depth("wide", {"leaf"}) == wide + leaf


def test_a_tail_call_gives_its_frame_back(calls: CallGraph) -> None:
    own = 0 if calls.functions["other"].jumps else calls.functions["other"].frame  # Armv6-M has no branch that reaches far enough
    assert calls.depth("other") == calls.depth("chain") + own
    assert "leaf" in calls.reached("other")


def test_compiler_support_routines_are_callees(calls: CallGraph) -> None:
    assert any("ldiv" in name or "divdi" in name for name in calls.reached("divide"))
