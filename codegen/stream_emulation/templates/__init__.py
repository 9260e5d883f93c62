"""Template of what runs a stream in the emulator, ``@name@`` as in the exported project's."""

from codegen.rendering import Templates

render = Templates(__name__)
