"""Templates of the C sources of streams, ``@name@`` as in the exported project's."""

from codegen.rendering import Templates

render = Templates(__name__)
