"""Templates of the C sources of streams, ``@name@`` as in the exported project's."""
