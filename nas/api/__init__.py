"""What ``import nas`` offers: the command line's jobs as functions, and small objects with what came of them."""

from codegen.boards import Board
from codegen.errors import UserError
from codegen.measurement import Verification
from cost_models.prediction import Interval
from nas.api._boards import boards
from nas.api._export import Export, export, export_file
from nas.api._prediction import Prediction, predict
from nas.api._run import Result, Run, Trial, load_run
from nas.api._search import resume, search
from nas.api._stream import Decision, Stream, open_stream, verify_stream
from nas.api._verify import answers, verify
from nas.inputs.recordings import Answer

__all__ = [
    "Answer",
    "Board",
    "Decision",
    "Export",
    "Interval",
    "Prediction",
    "Result",
    "Run",
    "Stream",
    "Trial",
    "UserError",
    "Verification",
    "answers",
    "boards",
    "export",
    "export_file",
    "load_run",
    "open_stream",
    "predict",
    "resume",
    "search",
    "verify",
    "verify_stream",
]
