"""Templates of the C sources of an anomaly score, ``@name@`` as in the exported project's."""

from codegen.rendering import Templates

render = Templates(__name__)
