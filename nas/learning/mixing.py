"""Examples mixed in pairs, inputs and answers alike: mixup (H. Zhang, M. Cisse, Y. Dauphin, D. Lopez-Paz, "mixup: Beyond empirical
risk minimization", ICLR 2018, https://arxiv.org/abs/1710.09412), with shares drawn from all between 0 and 1 alike."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nas.datasets import Dataset
from nas.metrics import weighs_classes_equally


def suits_mixing(train_set: Dataset) -> bool:
    """Whether examples are mixed where a recipe varies them: those of series whose rare classes are drawn as often as the others,
    so that a network would see the same few again and again (``scripts/bench_augmentation.py``)."""
    return train_set.kind == "series" and train_set.normal is None and weighs_classes_equally(train_set.metric)


@dataclass(frozen=True, slots=True)
class Mixture:
    """Every example of a batch has ``share`` (0..1) of itself and the rest of its partner, at a place in ``partners`` ``(N,)``."""

    share: Tensor
    partners: Tensor

    @classmethod
    def drawn(cls, count: int, generator: torch.Generator) -> Mixture:
        """Of a batch of ``count`` examples; draws come from ``generator`` (on the CPU)."""
        return cls(torch.rand((), generator=generator), torch.randperm(count, generator=generator))

    def __call__(self, values: Tensor, of_partners: Tensor) -> Tensor:
        """Values of examples, or what counts for a batch as a whole, with those of their partners."""
        share = self.share.to(values.device)
        return share * values + (1 - share) * of_partners
