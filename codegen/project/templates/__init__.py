"""Templates of the exported project, one per file kind. ``@name@`` is replaced; everything else is the file as it is written."""

from codegen.rendering import Templates

render = Templates(__name__)
