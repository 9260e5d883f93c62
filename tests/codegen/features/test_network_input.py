"""A network that is trained on dequantised features takes the features' own bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from feature_library import as_clips, recordings
from torch import nn

from codegen.features import dequantized, ends, features, log_mel, normalized
from codegen.importers.torch_network import prepare, to_graph
from nas.learning.quantization import quantize_input


def test_bytes_of_features_are_the_input_of_the_exported_network(shared_dir: Path) -> None:
    clips = as_clips([sound for _, sound in recordings(shared_dir / "data/fsdd/fsdd.tar.xz", every=100)], 4000)
    for scale, zero_point in ((1 / 32, 0), (0.0271, -13)):
        chosen = normalized(replace(log_mel(8000, bands=10), scale=scale, zero_point=zero_point), clips)
        columns = features(chosen, clips)
        real = torch.from_numpy(dequantized(chosen, columns)).permute(0, 3, 1, 2)
        network = prepare(
            nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)).eval(),
            (*columns.shape[1:3], 1),
        )
        network.observe()
        with torch.no_grad():
            network.input_observer(torch.tensor(ends(chosen)))
            network(real)
        network.quantize()
        graph = to_graph(network, "digits")
        taken = graph[graph.inputs[0]]
        assert np.isclose(taken.scale, scale, rtol=1e-6)
        assert taken.zero_point == zero_point
        assert (quantize_input(graph, dequantized(chosen, columns)) == columns).all()
