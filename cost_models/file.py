"""Cost-model files: versioned JSON with a checksum over everything else in it."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

from codegen.boards import Board
from codegen.cores import CORES
from codegen.errors import UserError
from cost_models.card import Card
from cost_models.intervals import Conformal
from cost_models.model import CostModel
from cost_models.parts import Parts

FORMAT = 5
DEFAULT_OPTIMIZE = "balanced"


def save(model: CostModel, path: Path) -> Path:
    """Write ``model`` to ``path`` in one step; the same model always gives the same bytes. Returns ``path``."""
    content = _to_json(model)
    content["checksum"] = _checksum(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(_text(content))
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def find_cost_model(board: Board, optimize: str, file: Path | None = None) -> CostModel:
    """The model for a board and level: the one in ``file``, or without it the shipped one of the board's core.

    :raises UserError: as :func:`load_cost_model` does; and if the file's model is for another core or level.
    """
    if file is None:
        return load_cost_model(board.core, optimize=optimize)
    model = load_cost_model(file)
    if model.core != board.core:
        raise UserError(f"--model {file}: is for {model.core}, but {board.name} has a {board.core}")
    if model.optimize != optimize:
        raise UserError(f"--model {file}: was calibrated for --optimize {model.optimize}, not {optimize}")
    return model


def load_cost_model(source: str | Path, *, optimize: str = DEFAULT_OPTIMIZE) -> CostModel:
    """The shipped model of a core (``cortex-m4``), or the model in a file (a path).

    :raises UserError: if the core has no shipped model for ``optimize``, or the file cannot be read, is not a cost model, is of
        another format, was cut short or was edited.
    """
    if source in CORES:
        shipped = resources.files("cost_models").joinpath("data", f"{source}-{optimize}.json")
        if not shipped.is_file():
            raise UserError(
                f"core {source}: no cost model for --optimize {optimize} comes with this version; "
                f"make one with 'nas calibrate --board BOARD --optimize {optimize} --out FILE' and give it with --model FILE"
            )
        return _parse(shipped.read_text(encoding="utf-8"), shipped.name)
    path = Path(source)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise UserError(f"cost model {path}: cannot be read ({reason}); give a file that 'nas calibrate' wrote") from None
    return _parse(text, str(path))


def _text(content: dict[str, Any]) -> str:
    """JSON with a line for each entry of the two outer levels: short enough to keep, open enough to read and to compare."""
    lines = []
    for key in sorted(content):
        value = content[key]
        if isinstance(value, dict):
            inner = ",\n  ".join(f"{json.dumps(name)}: {json.dumps(value[name], sort_keys=True)}" for name in sorted(value))
            lines.append(f"{json.dumps(key)}: {{\n  {inner}\n }}")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
    return "{\n " + ",\n ".join(lines) + "\n}\n"


def _checksum(content: dict[str, Any]) -> str:
    body = {key: value for key, value in content.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _parse(text: str, where: str) -> CostModel:
    remedy = "make it anew with 'nas calibrate'"
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"cost model {where}: cut short or not JSON (line {error.lineno}); {remedy}") from None
    if not isinstance(content, dict) or "format" not in content or "checksum" not in content:
        raise UserError(f"cost model {where}: not a cost model; {remedy}")
    if content["format"] != FORMAT:
        newer = isinstance(content["format"], int) and content["format"] > FORMAT
        advice = "update this program or calibrate again" if newer else remedy
        raise UserError(f"cost model {where}: is of format {content['format']!r}, this version reads format {FORMAT}; {advice}")
    if content["checksum"] != _checksum(content):
        raise UserError(f"cost model {where}: was edited or damaged after it was written (checksum differs); {remedy}")
    return _from_json(content)


def _to_json(model: CostModel) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "core": model.core,
        "board": model.board,
        "optimize": model.optimize,
        "compiler": model.compiler,
        "kernel_library": model.kernel_library,
        "samples": model.samples,
        "seed": model.seed,
        **model.parts.to_json(),
        "residuals": {
            "cycles": list(model.cycles_scores.scores),
            "reads": list(model.reads_scores.scores),
            "flash": list(model.flash_scores.scores),
        },
        "card": model.card.to_json(),
    }


def _from_json(content: dict[str, Any]) -> CostModel:
    return CostModel(
        core=content["core"],
        board=content["board"],
        optimize=content["optimize"],
        compiler=content["compiler"],
        kernel_library=content["kernel_library"],
        samples=content["samples"],
        seed=content["seed"],
        parts=Parts.from_json(content),
        cycles_scores=Conformal(tuple(content["residuals"]["cycles"])),
        reads_scores=Conformal(tuple(content["residuals"]["reads"])),
        flash_scores=Conformal(tuple(content["residuals"]["flash"])),
        card=Card.from_json(content["card"]),
    )
