"""TIR functions come out as C99 that any compiler takes, with scratch lifted to a parameter."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codegen.kernels import MICRO
from codegen.toolchain import ZigCompiler
from codegen.tvm_build import PREFIX, SCRATCH_SCOPE, BuildError, annotate, build_c, scratch_bytes

WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wcast-align", "-Werror")


def smoothing(rows: int, width: int, scope: str = SCRATCH_SCOPE) -> Any:
    """Per row: prefix sums into one buffer, differences of them into another, then ``y = clip(bias + difference)``."""
    from tvm import tirx
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T  # noqa: N812

    from codegen.kernels._tir import allocate, loops

    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("main")
        x = T.arg("x", T.buffer((rows, width), "int8"))
        bias = T.arg("bias", T.buffer((width,), "int32"))
        y = T.arg("y", T.buffer((rows, width), "int8"))
        with T.sblock("root"):
            sums = allocate("sums", (rows, width), "int32", scope)
            wide = allocate("wide", (rows, width), "int16", scope)
            with loops(row=rows) as (row,):
                with loops(column=width) as (column,), T.sblock("sums"):
                    r, c = T.axis.remap("SS", [row, column])
                    T.reads(x[r, c], sums[r, 0:width])
                    T.writes(sums[r, c])
                    before = tirx.if_then_else(c > 0, sums[r, tirx.max(c - 1, 0)], 0)
                    T.buffer_store(sums, before + T.cast(x[r, c], "int32"), [r, c])
                with loops(column=width) as (column,), T.sblock("wide"):
                    r, c = T.axis.remap("SS", [row, column])
                    T.reads(sums[r, 0:width])
                    T.writes(wide[r, c])
                    T.buffer_store(wide, T.cast(sums[r, c] - sums[r, tirx.max(c - 2, 0)], "int16"), [r, c])
                with loops(column=width) as (column,), T.sblock("clip"):
                    r, c = T.axis.remap("SS", [row, column])
                    T.reads(wide[r, c], bias[c])
                    T.writes(y[r, c])
                    total = T.cast(wide[r, c], "int32") + bias[c]
                    T.buffer_store(y, T.cast(tirx.max(-128, tirx.min(127, total)), "int8"), [r, c])
    return annotate(ib.get(), ["bias"])


def test_function_computes_with_the_callers_scratch(tmp_path: Path) -> None:
    func = smoothing(5, 50)
    assert scratch_bytes(func) == 50 * 4 + 50 * 2  # one row of each: rows are never alive together
    text = build_c({"smoothing": func})["smoothing"]
    source = tmp_path / "f.c"
    prototype = text[: text.index("{")].strip() + ";"
    source.write_text(f"#include <stdint.h>\n{prototype}\n{text}")
    library = ZigCompiler().build_host([source], include_dirs=[], output=tmp_path / "f.so", flags=("-shared", "-fPIC", *WARNINGS))
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (5, 50)).astype(np.int8)
    bias = rng.integers(-50, 50, 50).astype(np.int32)
    scratch, y = np.zeros(50 * 6 + 4, np.int8), np.zeros((5, 50), np.int8)
    function = ctypes.CDLL(str(library)).NN_smoothing
    function(*(ctypes.c_void_p(a.ctypes.data) for a in (x, bias, scratch, y)))
    sums = x.astype(np.int64).cumsum(axis=1)
    earlier = sums[:, np.maximum(np.arange(50) - 2, 0)]
    np.testing.assert_array_equal(y, np.clip(sums - earlier + bias, -128, 127))
    assert not scratch[300:].any()


def test_signature_says_what_is_written_and_what_may_overlap() -> None:
    text = build_c({"smoothing": smoothing(5, 50)})["smoothing"]
    signature = " ".join(text[: text.index("{")].split())
    assert signature == "void NN_smoothing(const int8_t *x, const int32_t *restrict bias, void *restrict scratch, int8_t *y)"


def test_text_is_of_the_function_alone() -> None:
    funcs = {"a": smoothing(3, 40), "b": smoothing(4, 30)}
    together = build_c(funcs)
    for name, func in funcs.items():
        text = together[name]
        assert build_c({name: func})[name] == text
        assert text.startswith(f"void {PREFIX}{name}(")
        assert not re.search(r"TVM|tvm|#|extern|return", text)
    assert build_c({}) == {}


def test_equal_functions_give_equal_text() -> None:
    texts = build_c({"a": smoothing(3, 40), "b": smoothing(3, 40)})
    assert texts["a"].replace("NN_a", "NN_b") == texts["b"]


def test_large_stack_buffers_are_refused() -> None:
    with pytest.raises(BuildError, match="'sums' puts 400 bytes on the stack"):
        build_c({"f": smoothing(2, 100, scope="global")})


def test_a_parameter_that_nothing_reads_gives_no_warning(tmp_path: Path) -> None:
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T  # noqa: N812

    from codegen.kernels._tir import loops

    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("main")
        T.arg("x", T.buffer((4,), "int8"))
        y = T.arg("y", T.buffer((4,), "int8"))
        with T.sblock("root"), loops(element=4) as (element,), T.sblock("fill"):
            i = T.axis.spatial(4, element)
            T.reads()
            T.writes(y[i])
            T.buffer_store(y, 7, [i])
    source = tmp_path / "fill.c"
    source.write_text("#include <stdint.h>\n" + build_c({"fill": ib.get()})["fill"].replace("void NN_", "static void NN_"))
    with source.open("a") as file:
        file.write("void use(int8_t *y);\nvoid use(int8_t *y)\n{\n    NN_fill(y, y);\n}\n")
    ZigCompiler().build_host([source], output=tmp_path / "fill.so", flags=("-shared", "-fPIC", *WARNINGS))


def scaling() -> Any:
    """``y = scale * x`` over ``count`` elements, both numbers of the caller's."""
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T  # noqa: N812

    from codegen.kernels._tir import loops, unknown_extent

    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("main")
        x, y = T.arg("x", unknown_extent("int8")), T.arg("y", unknown_extent("int8"))
        count, scale = T.arg("count", T.int32()), T.arg("scale", T.int32())
        with T.sblock("root"), loops(element=count) as (element,), T.sblock("scale"):
            i = T.axis.spatial(count, element)
            T.reads(x[i])
            T.writes(y[i])
            T.buffer_store(y, T.cast(T.cast(x[i], "int32") * scale, "int8"), [i])
    return ib.get()


def calling(size: int) -> Any:
    """Hands ``size`` elements to the shared function."""
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T  # noqa: N812

    from codegen.kernels._tir import call

    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("main")
        x, y = T.arg("x", T.buffer((size,), "int8")), T.arg("y", T.buffer((size,), "int8"))
        with T.sblock("root"), T.sblock("scale"):
            T.reads(x[0:size])
            T.writes(y[0:size])
            call("scaling", T.address_of(x[0]), T.address_of(y[0]), size, 3)
    return ib.get()


def test_functions_of_any_size_share_one_that_takes_numbers(tmp_path: Path) -> None:
    texts = build_c({"few": calling(5), "many": calling(40)}, {"scaling": scaling()})
    assert next(iter(texts)) == "scaling"
    signature = " ".join(texts["scaling"].partition("{")[0].split())
    assert signature == "NN_SHARED void NN_scaling(const int8_t *x, int8_t *y, int32_t count, int32_t scale)"
    prototypes = [texts[name].partition("{")[0].strip() + ";" for name in ("few", "many")]
    source = tmp_path / "f.c"
    source.write_text("\n".join(['#include "linkage.h"', "#include <stdint.h>", *prototypes, *texts.values()]))
    flags = ("-shared", "-fPIC", *WARNINGS)
    library = ctypes.CDLL(str(ZigCompiler().build_host([source], include_dirs=[MICRO], output=tmp_path / "f.so", flags=flags)))
    for function, size in ((library.NN_few, 5), (library.NN_many, 40)):
        x, y = np.arange(size, dtype=np.int8), np.zeros(size + 1, np.int8)
        function(*(ctypes.c_void_p(a.ctypes.data) for a in (x, y)))
        np.testing.assert_array_equal(y, [*(3 * x), 0])
