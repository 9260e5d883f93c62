"""Templates of the C sources of features, ``@name@`` as in the exported project's."""
