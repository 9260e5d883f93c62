"""A network of your own: trained with torch as you like, quantised, compiled and checked on the emulated board.

    python examples/own_network.py --board rpi-pico

Your module may be made of what docs/api.md lists; the first layer that is not supported is named.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn

import nas


def trained_network(x: torch.Tensor, y: torch.Tensor, epochs: int) -> nn.Module:
    """A small convolutional network for images ``(N, 1, 8, 8)``."""
    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)),
    )
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(epochs):
        for indices in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x[indices]), y[indices]).backward()
            optimizer.step()
    return network.eval()


def main() -> None:
    """Train, see whether it fits, export, verify."""
    parser = argparse.ArgumentParser(description="From your own torch module to a C project.")
    parser.add_argument("--board", default="nucleo-l4r5zi", help="see nas.boards()")
    parser.add_argument("--budget", default="4KB", help="most RAM")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("runs/own_network"), help="directory for the C project")
    options = parser.parse_args()

    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    y = torch.tensor(digits.target)
    network = trained_network(x[:1500], y[:1500], options.epochs)

    predicted = nas.predict(network, x[:1], options.board, budget=options.budget)
    print(f"{predicted}\n")
    exported = nas.export(network, x[:500], options.board, budget=options.budget, out=options.out)
    print(exported)
    verified = nas.verify(exported, inputs=x[1500:].permute(0, 2, 3, 1).numpy())  # channels last, as the C project takes them
    print(f"\n{verified.inputs} test images: {'equal to the reference to the bit' if verified.bit_exact else 'DIFFERENT'}")


if __name__ == "__main__":
    main()
