"""The C sources of a stream, as files of an exported project."""

from __future__ import annotations

import numpy as np

from codegen.c_text import C_TYPES, comment_text, initializer
from codegen.features import FrontEnd
from codegen.rendering import prefixed
from codegen.streaming.reference import powers
from codegen.streaming.stream import Stream
from codegen.streaming.templates import render


def stream_sources(stream: Stream, output_scale: float, name: str) -> dict[str, str]:
    """Path → text of ``include/<name>_stream.h`` and ``src/<name>_stream.c``, which need the network's own files beside them, and
    those of what makes its input.

    :param output_scale: of the network's output.
    """
    sound = isinstance(stream.source, FrontEnd)
    settings, table = stream.settings, powers(output_scale).astype(np.uint16)
    names = {"m": name, "what": "sound" if sound else "a series", "sample": sample_type(stream)}
    header = render(
        "stream.h",
        **names,
        noun=stream.source.noun,
        rows=_rows(stream),
        classes=", ".join(f"{index} {comment_text(label)}" for index, label in enumerate(settings.classes)),
        window=stream.rows,
        row_bytes=stream.row_bytes,
        class_count=len(settings.classes),
        hop=settings.hop,
        smoothing=settings.smoothing,
        threshold=settings.threshold,
        refractory=settings.refractory,
        state_bytes=stream.state_bytes,
        state="    NN_features_state features;\n" if sound else "",
        per_sample="" if sound else ", of NN_WINDOW_CHANNELS values each, in the units of the data that the network learnt from",
    )
    source = render(
        "stream.c",
        **names,
        events=initializer(np.array(settings.is_event(), np.uint8)),
        powers=len(table),
        power_values=initializer(table),
        start="    NN_features_start(&stream->features);\n" if sound else "",
        push=render("push_sound.c" if sound else "push_series.c"),
    )
    files = {f"include/{name}_stream.h": header, f"src/{name}_stream.c": source}
    return {path: prefixed(text, name) for path, text in files.items()}


def sample_type(stream: Stream) -> str:
    """C type of a sample's value."""
    return C_TYPES[stream.sample_type.name]


def _rows(stream: Stream) -> str:
    if isinstance(stream.source, FrontEnd):
        every = 1000 * stream.row_samples / stream.rate
        return f"A row is a column of the spectrogram, one each {every:g} ms; only new ones are computed."
    return "A row is a sample of all channels."
