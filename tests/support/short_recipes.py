"""Recipes for searches of which a test wants the end rather than the accuracy."""

SHORT = """
[screening]
epochs = 1

[finishing]
epochs = 2

[quantization]
epochs = 1
"""
"""Sections of a configuration file; what stands before them may be any."""
