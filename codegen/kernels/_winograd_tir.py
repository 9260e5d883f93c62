"""The TIR of Winograd's inner product over micro/winograd_dot.h.

For each output pixel: gather its window (scratch) unless the input is the window, sum the surplus within it; for blocks of four
output channels: products (stack), requantise, store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codegen.kernels._gather_tir import gather_pixel
from codegen.kernels._parts import Part
from codegen.kernels._tir import allocate, call, loops
from codegen.tvm_build import SCRATCH_SCOPE, annotate

if TYPE_CHECKING:
    import tvm

    from codegen.kernels._winograd import WinogradSpec

_CONSTANTS = ("weights", "bias", "multiplier", "shift")


def winograd_prim_func(spec: WinogradSpec) -> tvm.tirx.PrimFunc:
    """The scheduled function ``x, weights, bias, multiplier, shift, y``."""
    from tvm import s_tir
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("main")
        computation = _Computation(spec)
        with T.sblock("root"):
            computation.body()
    schedule = s_tir.Schedule(ib.get())
    scope = "global" if spec.direct else SCRATCH_SCOPE
    for part in spec.channel_parts:
        dot = f"dot_{part.size}"
        *_, group, channel = schedule.get_loops(f"store_{part.size}")
        schedule.compute_at(dot, group, preserve_unit_loops=True)
        schedule.decompose_reduction(dot, schedule.get_loops(dot)[-2])
        schedule.tensorize(schedule.get_loops(f"{dot}_update")[-2], _intrinsic(part.size, spec.depth, scope))
        schedule.unroll(schedule.get_loops(f"{dot}_init")[-1])
        schedule.unroll(channel)
    return annotate(schedule.mod["main"], _CONSTANTS)


class _Computation:
    """The stages before scheduling, written into the function that is being built."""

    def __init__(self, spec: WinogradSpec) -> None:
        from tvm.tirx.script import builder as T

        window = spec.window
        self.spec = spec
        self.x = T.arg("x", T.buffer((window.height * window.width * window.channels,), "int8"))
        self.weights = T.arg("weights", T.buffer((spec.filters * spec.depth,), "uint8"))
        self.bias = T.arg("bias", T.buffer((spec.filters,), "int32"))
        self.multiplier = T.arg("multiplier", T.buffer((spec.filters,), "int32"))
        self.shift = T.arg("shift", T.buffer((spec.filters,), "int8"))
        self.y = T.arg("y", T.buffer((window.pixels * spec.filters,), "int8"))

    def body(self) -> None:
        """All loops."""
        from tvm.tirx.script import builder as T

        spec, window = self.spec, self.spec.window
        surplus = allocate("surplus", (1,), "int32")
        sums = {part: allocate("sums", (part.blocks, part.size), "int32") for part in spec.channel_parts}
        patch = self.x if spec.direct else allocate("patch", (spec.depth,), "int8", SCRATCH_SCOPE)
        with loops(pixel=window.pixels) as (pixel,):
            if not spec.direct:
                gather_pixel(window, spec.zero_point, self.x, patch, pixel)
                if window.depth % 2:
                    with T.sblock("fill_up"):
                        T.buffer_store(patch, 0, [window.depth])
            with T.sblock("surplus"):
                T.reads(patch[0 : spec.depth])
                T.writes(surplus[0])
                call("winograd_surplus", T.address_of(surplus[0]), T.address_of(patch[0]), spec.depth)
            for part in spec.channel_parts:
                self._dot(patch, surplus, sums[part], part)
                self._store(pixel, sums[part], part)

    def _dot(self, patch: Any, surplus: Any, sums: Any, part: Part) -> None:
        from tvm.tirx.script import builder as T

        with loops(group=part.blocks, channel=part.size, pair=self.spec.depth // 2) as inner, T.sblock(f"dot_{part.size}"):
            g, c, j = T.axis.remap("SSR", list(inner))
            start = (part.start + g * part.size) * self.spec.depth
            channel = c if part.size > 1 else 0
            at = start + j * (2 * part.size) + channel * 2
            T.reads(patch[j * 2 : j * 2 + 2], self.weights[at : at + 2])
            T.writes(sums[g, c])
            with T.init():
                bias = self.bias[part.start + g * part.size + c]
                # Only the finished sum is known to fit into 32 bits; until then it wraps.
                T.buffer_store(sums, T.cast(T.cast(bias, "uint32") - T.cast(surplus[0], "uint32"), "int32"), [g, c])
            T.buffer_store(sums, sums[g, c] + _product(patch, self.weights, start, part.size, channel, j), [g, c])

    def _store(self, pixel: Any, sums: Any, part: Part) -> None:
        from tvm.tirx.script import builder as T

        with loops(group=part.blocks, channel=part.size) as inner, T.sblock(f"store_{part.size}"):
            p = T.axis.spatial(self.spec.window.pixels, pixel)
            g, c = T.axis.remap("SS", list(inner))
            filter_ = part.start + g * part.size + c
            T.reads(sums[g, c])
            T.writes(self.y[p * self.spec.filters + filter_])
            result = self.spec.requantization.call(sums[g, c], self.multiplier[filter_], self.shift[filter_])
            T.buffer_store(self.y, result, [p * self.spec.filters + filter_])


def _product(x: Any, weights: Any, start: Any, size: int, channel: Any, pair: Any) -> Any:
    """Winograd's product of one pair of cells and ``channel`` of a block of ``size`` channels whose weights begin at ``start``."""
    from tvm.tirx.script import builder as T

    at = start + pair * (2 * size) + channel * 2
    first = T.cast(x[pair * 2], "int32") + T.cast(weights[at + 1], "int32")
    return first * (T.cast(x[pair * 2 + 1], "int32") + T.cast(weights[at], "int32"))


def _intrinsic(size: int, depth: int, scope: str) -> str:
    """Name of the products of one block of channels as a tensor intrinsic, registered if it is not yet; ``scope`` is the cells'."""
    from tvm.s_tir import TensorIntrin

    name = f"codegen.winograd_dot_{size}x{depth}.{scope}"
    if TensorIntrin.get(name, allow_missing=True) is None:
        description = _dot_function(size, depth, scope, implementation=False)
        TensorIntrin.register(name, description, _dot_function(size, depth, scope, implementation=True))
    return name


def _dot_function(size: int, depth: int, scope: str, *, implementation: bool) -> Any:
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("dot")
        x = T.arg("x", T.buffer((depth,), "int8", scope=scope, offset_factor=1))
        weights = T.arg("weights", T.buffer((size * depth,), "uint8", offset_factor=1))
        sums = T.arg("sums", T.buffer((1, size), "int32", offset_factor=1))
        with T.sblock("root"):
            T.reads(sums[0:1, 0:size], x[0:depth], weights[0 : size * depth])
            T.writes(sums[0:1, 0:size])
            if implementation:
                pointers = (T.address_of(sums[0, 0]), T.address_of(x[0]), T.address_of(weights[0]))
                call(f"winograd_dot_{size}", *pointers, depth)
            else:
                with loops(channel=size, pair=depth // 2) as (channel, pair), T.sblock("dot"):
                    # TVM drops the block's axes of extent 1 from the computation before it compares the two.
                    c = T.axis.spatial(size, channel) if size > 1 else 0
                    j = T.axis.reduce(depth // 2, pair) if depth > 2 else 0
                    T.buffer_store(sums, sums[0, c] + _product(x, weights, 0, size, c, j), [0, c])
    return ib.get()
