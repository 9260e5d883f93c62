"""Spectrograms of sound in exact integers, once in numpy and once in C."""
