"""Handwritten digits, 1,797 grey images of 8x8 pixels, as packaged with scikit-learn.

Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998 (its test part).
"""

from __future__ import annotations

import numpy as np

from nas.datasets._base import Dataset


def load() -> tuple[Dataset, Dataset]:
    """Train (1,437 images) and test (360), a stratified split with seed 0."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    x = (pixels / 16).astype(np.float32).reshape(-1, 8, 8, 1)
    y = labels.astype(np.int64)
    classes = tuple(str(digit) for digit in range(10))
    whole = Dataset("digits", "image", (8, 8, 1), classes, x, y)
    train, test = train_test_split(np.arange(len(y)), test_size=0.2, stratify=y, random_state=0)
    return whole.subset(train), whole.subset(test)
