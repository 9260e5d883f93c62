"""The exported C project: templates, and the writer that fills them in."""

from codegen.project.report import Project, ProjectLayer, read_project, stream_of
from codegen.project.writer import write_project

__all__ = ["Project", "ProjectLayer", "read_project", "stream_of", "write_project"]
