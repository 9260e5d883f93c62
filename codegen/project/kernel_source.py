"""The layers' functions and the micro-kernels they call, as files of the project."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import resources

from codegen.project.templates import render
from codegen.rendering import prefixed

_WIDTH = 120
_SIBLING = re.compile(r'^\s*#\s*include\s+"([^"]+)\.h"[^\n]*\n', re.MULTILINE)
_LICENCE = re.compile(r"^\s*/\*\s*SPDX-License-Identifier:[^*]*\*/\s*\n")


def _micro_header(name: str, seen: set[str]) -> str:
    """The text of one micro-kernel header, the headers it includes in place of their include lines, each once."""
    if name in seen:
        return ""
    seen.add(name)
    text = resources.files("codegen.kernels").joinpath("micro", f"{name}.h").read_text(encoding="utf-8")
    return _SIBLING.sub(lambda match: _micro_header(match[1], seen), _LICENCE.sub("", text))


def micro_header(model: str, headers: Sequence[str]) -> str:
    """``src/<m>_micro.h``: the micro-kernel headers one after the other, with the model's prefix."""
    seen: set[str] = set()
    texts = [text.strip() for header in headers if (text := _micro_header(header, seen))]
    return render("micro.h", m=model, M=model.upper(), headers=prefixed("\n\n".join(texts), model))


def _laid_out(function: str) -> str:
    """``function`` in this project's layout, its parameters on a line each where they do not fit on one."""
    signature, brace, body = function.strip().partition("{")
    signature = " ".join(signature.split())
    if len(signature) > _WIDTH:
        signature = signature.replace("(", "(\n    ", 1).replace(", ", ",\n    ")
    indented = re.sub("^ +", lambda match: 2 * match[0], body, flags=re.MULTILINE)  # TVM indents by two
    return f"{signature}\n{brace}{indented}"


def prototypes(model: str, functions: Mapping[str, str]) -> str:
    """``src/<m>_kernels.h``: the declaration of every layer function."""
    declarations = [_laid_out(prefixed(text, model)).partition("\n{")[0] + ";" for text in functions.values()]
    return render("kernels.h", m=model, M=model.upper(), prototypes="\n\n".join(declarations))


def kernels(model: str, shared: Mapping[str, str], functions: Mapping[str, str], *, micro: bool) -> str:
    """``src/<m>_kernels.c``: the ``shared`` functions and the layers'; ``micro`` says whether they call micro-kernels."""
    return render(
        "kernels.c",
        m=model,
        M=model.upper(),
        micro_include=f'#include "{model}_micro.h"\n' if micro else "",
        functions="\n\n".join(_laid_out(prefixed(text, model)) for text in (*shared.values(), *functions.values())),
    )
