"""Numpy archives: ``x_train``, ``y_train``, ``x_test``, ``y_test``, and what else the names say."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from lzma import LZMAError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from nas.datasets._base import Kind
from nas.datasets.decoded import NO_PART, TEST, TRAIN, VALIDATION, Facts, Writer
from nas.datasets.decoded import PARTS as PART_NAMES
from nas.datasets.delimited import class_name
from nas.datasets.groups import group_column
from nas.datasets.listing import File
from nas.datasets.readers._base import Reader

PARTS = {"": NO_PART, "_train": TRAIN, "_validation": VALIDATION, "_valid": VALIDATION, "_val": VALIDATION, "_test": TEST}
RATES = ("fs_hz", "fs", "rate", "rate_hz", "sample_rate", "sampling_rate", "sr")
AUDIO_RATE = 4_000
"""Samples a second from which on an array of one channel is sound."""


class NpzReader(Reader):
    """Arrays ``x<part>`` and ``y<part>`` with the part ``_train``, ``_val``, ``_test`` or none. ``y`` holds indices into
    ``class_names``, or labels. ``<group><part>`` (subject, speaker, record, file, …) keeps examples together;
    ``channel_names`` and ``fs_hz`` make arrays of three axes a series, integers of 8 bits are images without them."""

    name = "npz"
    suffixes = frozenset({".npz"})

    def files(self) -> Sequence[File]:
        return [file for file in self.listing.files if file.suffix in self.suffixes]

    def parameters(self) -> str:
        return self.reading.kind or ""

    def decode(self, writer: Writer) -> Facts:
        files = self.files()
        if len(files) != 1:
            listed = ", ".join(file.name for file in files[:8])
            raise UserError(f"{self.listing.root}: holds {len(files)} .npz files; give the path of one: {listed}")
        self._path = files[0].path
        arrays = self._arrays(files[0])
        parts = [suffix for suffix in PARTS if f"x{suffix}" in arrays]
        if not parts or any(f"y{suffix}" not in arrays for suffix in parts):
            raise UserError(f"{self._path}: needs arrays x_train and y_train (or x and y); it holds {', '.join(arrays) or 'none'}")
        rate = next((float(arrays[name]) for name in RATES if name in arrays and arrays[name].size == 1), None)
        names = tuple(map(str, arrays["channel_names"])) if "channel_names" in arrays else ()
        kind = self.reading.kind or self._kind(arrays[f"x{parts[0]}"], names, rate)
        classes = self._classes(arrays, parts)
        group_kind = next(
            (found for name in arrays if name.endswith(parts[0]) and (found := group_column(name.removesuffix(parts[0])))), None
        )
        channels: tuple[str, ...] = ()
        floats = self._any_floats(arrays, parts)
        for suffix in parts:
            x = self._stored(arrays[f"x{suffix}"], kind, floats, f"x{suffix}")
            if channels and x.shape[-1] != len(channels):
                raise UserError(f"{self._path}: x{suffix} has {x.shape[-1]} channels, x{parts[0]} has {len(channels)}")
            channels = names if len(names) == x.shape[-1] else tuple(f"channel {i + 1}" for i in range(x.shape[-1]))
            labels = self._labels(arrays[f"y{suffix}"], len(x), classes, f"y{suffix}")
            groups = self._groups(arrays, group_kind, suffix, len(x))
            bad = ~np.isfinite(x.reshape(len(x), -1)).all(1) if x.dtype.kind == "f" else np.zeros(len(x), bool)
            part = PARTS[suffix] if len(parts) > 1 else NO_PART
            for i in range(len(x)):
                if bad[i]:
                    writer.skip(f"x{suffix}[{i}]", "holds NaN or infinity")
                else:
                    writer.add(x[i], labels[i], f"x{suffix}[{i}]", part, groups[i] if groups else None)
        if kind == "image":
            channels = ("grey",) if len(channels) == 1 else ("red", "green", "blue") if len(channels) == 3 else channels
        bytes_ = all(arrays[f"x{suffix}"].dtype == np.uint8 for suffix in parts)
        unit = 1 / 255 if kind == "image" and bytes_ else 1 / 32768 if kind == "audio" else None
        given = dict.fromkeys(PART_NAMES, "the arrays' names") if len(parts) > 1 else {}
        return Facts(kind, classes, channels, rate, unit, False, group_kind, given)

    def _arrays(self, file: File) -> dict[str, NDArray[Any]]:
        try:
            with np.load(io.BytesIO(self.content(file)), allow_pickle=False) as archive:
                if not hasattr(archive, "files"):
                    raise ValueError
                return {name: archive[name] for name in archive.files}
        except OSError as error:
            raise UserError(f"{self._path}: cannot be read ({error.strerror or error})") from None
        except MemoryError:
            raise UserError(f"{self._path}: its arrays do not fit into memory") from None
        except (
            ValueError,
            EOFError,
            KeyError,
            zipfile.BadZipFile,
            zlib.error,
            LZMAError,
            NotImplementedError,
            TypeError,
            AttributeError,
        ):
            raise UserError(f"{self._path}: damaged, or holds objects instead of numbers") from None

    def _kind(self, x: NDArray[Any], channel_names: tuple[str, ...], rate: float | None) -> Kind:
        audio = rate is not None and rate >= AUDIO_RATE
        if x.ndim == 4:
            return "series" if 1 in x.shape[1:3] and x.shape[-1] not in (1, 3) else "image"
        if x.ndim == 3:
            image = x.dtype == np.uint8 and not channel_names and rate is None
            return "image" if image else "audio" if audio and x.shape[-1] == 1 else "series"
        return "audio" if audio else "series" if rate is not None else "vector"

    def _any_floats(self, arrays: Mapping[str, NDArray[Any]], parts: Sequence[str]) -> bool:
        small = (np.dtype(np.uint8), np.dtype(np.int8), np.dtype(np.int16), np.dtype(bool))
        kinds = {arrays[f"x{suffix}"].dtype for suffix in parts}
        return any(dtype not in small for dtype in kinds) or len(kinds) > 1

    def _stored(self, x: NDArray[Any], kind: Kind, floats: bool, name: str) -> NDArray[Any]:
        """``x`` as ``(N, rows, …)`` of a type that is stored, see :class:`nas.datasets.decoded.Decoded`."""
        if x.dtype.kind not in "uifb":
            raise UserError(f"{self._path}: {name} holds {x.dtype}, should hold numbers")
        if len(x) == 0 or x.size == 0:
            raise UserError(f"{self._path}: {name} is empty ({x.shape})")
        forms = {"image": (3, 4), "series": (2, 3, 4), "audio": (2, 3), "vector": (2, 3, 4)}
        if x.ndim not in forms[kind]:
            raise UserError(f"{self._path}: {name} has the shape {x.shape}, which is no {kind}; --kind says what else it is")
        if kind == "vector":
            x = x.reshape(len(x), 1, -1)
        elif kind == "series" and x.ndim == 4:
            x = x.reshape(len(x), -1, x.shape[-1])
        elif x.ndim == 2 or (kind == "image" and x.ndim == 3):
            x = x[..., None]
        if kind == "audio":
            return np.rint(np.clip(x * 32767, -32768, 32767)).astype(np.int16) if x.dtype.kind == "f" else x.astype(np.int16)
        if floats:
            return x.astype(np.float32)
        return x.astype(np.uint8) if x.dtype in (np.uint8, bool) else x.astype(np.int16)

    def _classes(self, arrays: Mapping[str, NDArray[Any]], parts: Sequence[str]) -> tuple[str, ...] | None:
        if "class_names" not in arrays:
            return None
        names = tuple(str(name).strip() for name in arrays["class_names"].ravel())
        if len(set(names)) != len(names):
            raise UserError(f"{self._path}: class_names holds a name twice")
        return names if all(arrays[f"y{suffix}"].dtype.kind in "uib" for suffix in parts) else None

    def _labels(self, y: NDArray[Any], count: int, classes: tuple[str, ...] | None, name: str) -> list[str]:
        if y.shape not in ((count,), (count, 1)):
            raise UserError(f"{self._path}: {name} has the shape {y.shape}, should be ({count},)")
        y = y.ravel()
        if classes is None:
            return [class_name(str(value)) for value in y.tolist()]
        wrong = (y.astype(np.int64) < 0) | (y.astype(np.int64) >= len(classes))
        if wrong.any():
            raise UserError(f"{self._path}: {name} holds {y[wrong][0]}, class_names has {len(classes)} names")
        return [classes[int(value)] for value in y.tolist()]

    def _groups(self, arrays: Mapping[str, NDArray[Any]], kind: str | None, suffix: str, count: int) -> list[str] | None:
        if kind is None:
            return None
        name = next((n for n in arrays if n.endswith(suffix) and group_column(n.removesuffix(suffix)) == kind), None)
        if name is None or arrays[name].shape != (count,):
            raise UserError(f"{self._path}: {kind}{suffix} should hold one {kind} for each of the {count} examples")
        values = [class_name(str(value)) for value in arrays[name].tolist()]
        titles = arrays.get(f"{kind}_names")
        if titles is None or not all(value.isdigit() and int(value) < len(titles) for value in values):
            return values
        return [str(titles[int(value)]) for value in values]
