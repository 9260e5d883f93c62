"""Class folders of PNG and JPEG images, by Pillow."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from codegen.features.area import MOST_SIDE, fit_area
from nas.datasets.decoded import Facts, Writer
from nas.datasets.readers._base import ClassFolderReader, Example

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST_SIDE = 96
"""Pixels that the longer side is brought down to: what networks for microcontrollers look at."""
MOST_PIXELS = 100_000_000
"""Larger images are taken for damaged or hostile."""
GREY = frozenset({"1", "L", "LA", "I", "I;16", "I;16B", "F"})


class ImageReader(ClassFolderReader):
    """Images of one size: the commonest, made smaller where its longer side is above :data:`LARGEST_SIDE`. Others are cut to its
    proportions around the centre and resized. Grey if all are grey."""

    name = "images"
    what = "images"
    suffixes = frozenset({".png", ".jpg", ".jpeg"})

    def parameters(self) -> str:
        return f"{self.reading.size or ''} by area"

    def decode(self, writer: Writer) -> Facts:
        size = self.reading.image_size()
        examples, facts = self.examples(writer)
        found = {example.file.name: self._form_of(example, writer) for example in examples}
        forms = {name: form for name, form in found.items() if form is not None}
        examples = [example for example in examples if example.file.name in forms]
        if not examples:
            raise UserError(f"{self.listing.root}: no readable PNG or JPEG image in a class folder")
        sizes = Counter(form for form, _ in forms.values())
        size = size or _goal(sizes)
        grey = all(is_grey for _, is_grey in forms.values())
        if not grey and any(is_grey for _, is_grey in forms.values()):
            writer.note(f"{sum(is_grey for _, is_grey in forms.values())} grey images among coloured ones are read as coloured")
        other = sum(count for form, count in sizes.items() if form != size)
        if other:
            writer.note(f"{other} images of other sizes are cut to the proportions of {size[0]}x{size[1]} and resized")
        for example in examples:
            self._add(example, size, grey, writer)
        return replace(facts, kind="image", channels=("grey",) if grey else ("red", "green", "blue"), unit=1 / 255)

    def _add(self, example: Example, size: tuple[int, int], grey: bool, writer: Writer) -> None:
        try:
            pixels = _pixels(self.content(example.file), size, grey)
        except _DAMAGED as error:
            writer.skip(example.file.name, _reason(error))
            return
        writer.add(pixels, example.label, example.file.name, example.part, example.group)

    def _form_of(self, example: Example, writer: Writer) -> tuple[tuple[int, int], bool] | None:
        """(height, width) as it is shown, and whether it is grey; the pixels are not decoded."""
        try:
            with _open(self.content(example.file)) as image:
                turned = image.getexif().get(0x0112, 1) >= 5  # EXIF orientation: a quarter turn
                width, height = image.size
                return (width, height) if turned else (height, width), image.mode in GREY
        except _DAMAGED as error:
            writer.skip(example.file.name, _reason(error))
            return None


def read_image(path: Path, size: tuple[int, int], *, grey: bool) -> NDArray[np.uint8]:
    """The image in a file as a data set of that ``(height, width)`` has it: uint8 ``(H, W, C)``.

    :raises UserError: if there is no such file, or it is no image that can be read.
    """
    try:
        return _pixels(path.read_bytes(), size, grey)
    except _DAMAGED as error:
        raise UserError(f"{path}: {_reason(error)}; a PNG or JPEG image is needed") from None


_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, ZeroDivisionError, MemoryError, OverflowError)
"""What Pillow raises for files that are not what they should be."""


def _reason(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be read ({error.strerror})"
    if "cannot identify" in text:
        return "not a PNG or JPEG image, or damaged"
    return text if text.startswith(("empty", "larger")) else "damaged image"


def _open(content: bytes) -> Image:
    from PIL import Image

    if not content:
        raise ValueError("empty file")
    image = Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
    if image.width * image.height > MOST_PIXELS:
        raise ValueError(f"larger than {MOST_PIXELS:,} pixels")
    return image


def _pixels(content: bytes, size: tuple[int, int], grey: bool) -> NDArray[np.uint8]:
    """uint8 ``(H, W, C)`` of ``size``."""
    from PIL import Image, ImageOps

    with _open(content) as opened:
        image: Any = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I"):  # 16 bits a pixel
            image = Image.fromarray((np.asarray(image, np.int64).clip(0, 65535) >> 8).astype(np.uint8))
        image = image.convert("L" if grey else "RGB")
        if (image.height, image.width) != size:
            image = image.reduce(-(-max(image.size) // MOST_SIDE))
        pixels = np.asarray(image, np.uint8).reshape(image.height, image.width, 1 if grey else 3)
        return fit_area(pixels, size)


def _goal(sizes: Counter[tuple[int, int]]) -> tuple[int, int]:
    """The commonest size (of equally common ones the smallest), its longer side at most :data:`LARGEST_SIDE`."""
    height, width = min(sizes, key=lambda form: (-sizes[form], form))
    factor = min(1.0, LARGEST_SIDE / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))
