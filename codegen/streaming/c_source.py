"""The C sources of a stream, as files of an exported project."""

from __future__ import annotations

from collections.abc import Callable

from codegen.c_text import C_TYPES
from codegen.features import FrontEnd
from codegen.ir import Graph
from codegen.rendering import prefixed
from codegen.streaming.stream import Stream
from codegen.streaming.task import Task
from codegen.streaming.templates import render


def stream_sources(stream: Stream, graph: Graph, name: str) -> dict[str, str]:
    """Path → text of ``include/<name>_stream.h`` and ``src/<name>_stream.c``, which need the own files of the network ``graph``
    beside them, and those of what makes its input and scores its output."""
    sound = isinstance(stream.source, FrontEnd)
    settings, task = stream.settings, stream.task
    names = {
        "m": name,
        "what": "sound" if sound else "a series",
        "sample": sample_type(stream),
        "value": C_TYPES[task.value_type],
        **task.c_texts(graph, name),
    }
    header = render(
        "stream.h",
        **names,
        noun=stream.source.noun,
        rows=_rows(stream),
        window=stream.rows,
        row_bytes=stream.row_bytes,
        hop=settings.hop,
        smoothing=settings.smoothing,
        threshold=settings.threshold,
        refractory=settings.refractory,
        threshold_type=C_TYPES[task.threshold_type],
        state_bytes=stream.state_bytes,
        state="    NN_features_state features;\n" if sound else "",
        members=field_members(task),
        per_sample="" if sound else ", of NN_WINDOW_CHANNELS values each, in the units of the data that the network learnt from",
    )
    source = render(
        "stream.c",
        **names,
        unknown=field_assignments(task, "stream", lambda name, _: str(task.unknown[name].flat[0])),
        start="    NN_features_start(&stream->features);\n" if sound else "",
        push=render("push_sound.c" if sound else "push_series.c"),
    )
    files = {f"include/{name}_stream.h": header, f"src/{name}_stream.c": source}
    return {path: prefixed(text, name) for path, text in files.items()}


def sample_type(stream: Stream) -> str:
    """C type of a sample's value."""
    return C_TYPES[stream.sample_type.name]


def field_members(task: Task) -> str:
    """Declarations of the task's fields."""
    fields = task.unknown
    lines = []
    for name in fields.dtype.names or ():
        count = "" if fields[name].ndim == 0 else f"[{fields[name].size}]"
        lines.append(f"    {C_TYPES[fields[name].dtype.name]} {name}{count};\n")
    return "".join(lines)


def field_assignments(task: Task, to: str, value: Callable[[str, str], str], indent: str = "    ") -> str:
    """Statements that give each of the task's fields a ``value``, by its name and an index in brackets, if it is an array; they are
    those of the structure that ``to`` points to."""
    lines = []
    for name in task.unknown.dtype.names or ():
        field = task.unknown[name]
        if field.ndim == 0:
            lines.append(f"{indent}{to}->{name} = {value(name, '')};\n")
        else:
            each = f"{to}->{name}[i] = {value(name, '[i]')};"
            lines.append(f"{indent}for (size_t i = 0; i < {field.size}; ++i) {{\n{indent}    {each}\n{indent}}}\n")
    return "".join(lines)


def _rows(stream: Stream) -> str:
    if isinstance(stream.source, FrontEnd):
        every = 1000 * stream.row_samples / stream.rate
        return f"A row is a column of the spectrogram, one each {every:g} ms; only new ones are computed."
    return "A row is a sample of all channels."
