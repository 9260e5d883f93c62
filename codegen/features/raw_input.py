"""Windows of series, vectors and images as they were recorded: normalised and quantised on the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from codegen.c_text import C_TYPES, initializer, shape_text
from codegen.errors import UserError
from codegen.features.area import MOST_SIDE
from codegen.features.fixed_point import Channels, channels, quantized
from codegen.features.preprocessing import Preprocessing, one_array
from codegen.features.templates import render
from codegen.ir import Graph
from codegen.rendering import prefixed
from codegen.samples import quantize

Form = Literal["window", "values", "image"]
"""Of series, vectors and images."""
RawType = Literal["float32", "int16", "uint8"]
_PLURAL = {"window": "samples", "values": "values", "image": "pixels"}


@dataclass(frozen=True, slots=True)
class RawInput(Preprocessing):
    """A ``form`` of data, a window of a series, a vector of values or an image, of ``shape`` ``(H, W, C)``, in recorded units.

    Channel by channel it becomes ``(raw - offset) * gain``, quantised with ``scale`` and ``zero_point`` of the network's input, in
    integers (:mod:`codegen.features.fixed_point`); ``offset`` and ``gain`` have one value, or one for each channel. Where all
    channels of bytes share one, a table holds ``quantize((raw - offset) * gain)`` of each byte.
    """

    form: Form
    dtype: RawType
    shape: tuple[int, int, int]
    offset: tuple[float, ...]
    gain: tuple[float, ...]
    scale: float
    zero_point: int

    operator: ClassVar[str] = "Normalization"

    def __post_init__(self) -> None:
        if self.form not in get_args(Form) or self.dtype not in get_args(RawType):
            raise UserError(f"raw input: {self.form!r} of {self.dtype!r} is not known; search or export anew")
        for name in ("offset", "gain"):
            values = getattr(self, name)
            if len(values) not in (1, self.shape[-1]) or not np.isfinite(np.array(values, np.float32)).all():
                raise UserError(f"raw input: {name} has {len(values)} values; it must have one, or {self.shape[-1]}, all finite")

    @property
    def noun(self) -> str:
        return self.form

    @property
    def function(self) -> str:
        """``quantize_window`` and so on."""
        return f"quantize_{self.noun}"

    @property
    def raw_type(self) -> np.dtype[Any]:
        return np.dtype(self.dtype)

    @property
    def raw_size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def of_a_sample(self) -> RawInput:
        """The same for samples of a series one by one, ``(n, channels)``."""
        return replace(self, shape=(1, 1, self.shape[-1]))

    def arena_bytes(self, network: int) -> int:
        return max(network, self.raw_size)

    def __call__(self, raw: NDArray[Any]) -> NDArray[np.int8]:
        examples = self.fit(raw, "raw input").reshape(-1, *self.shape)
        if self._by_table:
            stored: NDArray[np.int8] = self._table[examples]
            return stored
        return quantized(self._channels, examples)

    def fit(self, raw: Any, what: str) -> NDArray[Any]:
        array = one_array(raw, what)
        if array.dtype != self.raw_type:
            raise UserError(f"{what}: the array is {array.dtype}, {_PLURAL[self.noun]} are {self.dtype}")
        if array.ndim and array.size and array.size == len(array) * self.raw_size:
            return array.reshape(-1, self.raw_size)
        if array.size == self.raw_size:
            return array.reshape(1, -1)
        raise UserError(f"{what}: the array has the shape {list(array.shape)}, should be {['n', *self.shape]}".replace("'", ""))

    @property
    def _channels(self) -> Channels:
        offset, gain = np.broadcast_arrays(*(np.array(v, np.float32).astype(np.float64) for v in (self.offset, self.gain)))
        scale = float(np.float32(self.scale))
        return channels(offset, gain, scale, self.zero_point, real=self.dtype == "float32")

    @property
    def takes_pixels(self) -> bool:
        """Whether other sizes and colours than the network's can be brought to it."""
        return self.form == "image" and self._by_table and self.shape[-1] in (1, 3)

    @property
    def _by_table(self) -> bool:
        return self.dtype == "uint8" and len(self.offset) == len(self.gain) == 1

    @property
    def _table(self) -> NDArray[np.int8]:
        """What each byte becomes, int8 ``(256,)``."""
        real = (np.arange(256, dtype=np.float32) - np.float32(self.offset[0])) * np.float32(self.gain[0])
        return quantize(real, self.scale, self.zero_point)

    def check(self, graph: Graph) -> None:
        tensor = graph[graph.inputs[0]]
        if (len(graph.inputs), tensor.dtype, tensor.shape[1:]) != (1, "int8", self.shape):
            raise UserError(f"raw input: of shape {list(self.shape)}, the network takes {tensor.dtype} {list(tensor.shape[1:])}")
        if (np.float32(tensor.scale), tensor.zero_point) != (np.float32(self.scale), self.zero_point):
            raise UserError(
                f"raw input: scale {self.scale:g} and zero point {self.zero_point}, the network's input has "
                f"{tensor.scale:g} and {tensor.zero_point}"
            )

    def typical(self) -> NDArray[Any]:
        noise: NDArray[Any] = np.random.default_rng(0).normal(size=self.shape) / np.array(self.gain) + np.array(self.offset)
        if self.dtype != "float32":
            limits = np.iinfo(self.dtype)
            noise = np.clip(noise, limits.min, limits.max)
        return noise.astype(self.raw_type).reshape(-1)

    def sources(self, name: str, input_offset: int, arena_bytes: int) -> dict[str, str]:
        common = {"m": name, "noun": self.noun, "NOUN": self.noun.upper(), "type": C_TYPES[self.dtype]}
        windows, channels = self.form == "window", self.shape[-1]
        header = render(
            "raw.h",
            **common,
            plural=_PLURAL[self.noun],
            size=self.raw_size,
            shape=shape_text(self.shape),
            sample=render("raw_sample.h", type=common["type"], channels=channels) if windows else "",
            pixels=render("pixels.h", most_side=MOST_SIDE) if self.takes_pixels else "",
        )
        sample = render("raw_sample.c", type=common["type"]) if windows else ""
        quantizing = {**common, "sample": sample}
        files = {
            f"include/{name}_{self.noun}.h": header,
            f"src/{name}_{self.noun}.c": self._bytes_source(quantizing) if self._by_table else self._fixed_source(quantizing),
            f"src/{name}_run_{self.noun}.c": render("run_raw.c", **common),
        }
        if self.takes_pixels:
            sides = dict(zip(("height", "width", "channels"), self.shape, strict=True))
            files[f"src/{name}_run_pixels.c"] = render("pixels.c", m=name, most_side=MOST_SIDE, **sides)
        return {path: prefixed(text, name) for path, text in files.items()}

    def _fixed_source(self, common: Mapping[str, str]) -> str:
        found, real = self._channels, self.dtype == "float32"
        rows = zip(found.exponent, found.centre, found.limit, found.multiplier, found.bias, strict=True)
        return render(
            "raw_fixed.c",
            **common,
            channels=len(found.centre),
            constants="\n".join(f"    {{ {', '.join(map(str, row))} }}," for row in rows),
            fixed=render("raw_float.c") if real else "",
            steps="NN_fixed(number, channel)" if real else "number",
            shift=found.shift,
        )

    def _bytes_source(self, common: Mapping[str, str]) -> str:
        if np.array_equal(self._table, np.arange(-128, 128)):
            return render("raw_bytes.c", **common)
        return render("raw_table.c", **common, table=initializer(self._table.reshape(16, 16)))

    @property
    def rule(self) -> str:
        """What is done to the numbers, in a sentence or two."""
        if self._by_table:
            return "Each byte becomes what the network's input holds for it, mostly itself less 128."
        return (
            "Each channel is brought to mean 0 and deviation 1 as the data was, and quantised, by shifts and a multiplication of "
            "32 bits: no floating-point arithmetic is needed. Python computes the same bits."
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "form": self.form,
            "dtype": self.dtype,
            "shape": list(self.shape),
            "offset": list(self.offset),
            "gain": list(self.gain),
            "scale": self.scale,
            "zero_point": self.zero_point,
        }


def raw_input_from_json(value: Mapping[str, Any]) -> RawInput:
    """The input that :meth:`RawInput.to_json` wrote.

    :raises UserError: if it is damaged.
    """
    try:
        h, w, c = (int(side) for side in value["shape"])
        offset, gain = (tuple(float(number) for number in value[key]) for key in ("offset", "gain"))
        return RawInput(value["form"], value["dtype"], (h, w, c), offset, gain, float(value["scale"]), int(value["zero_point"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"raw input: is damaged ({type(error).__name__}: {error}); search or export anew") from None
