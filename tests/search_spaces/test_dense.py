"""The dense spaces: their general promises, and what is special to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from search_space_conformance import SearchSpaceConformance

from codegen.errors import UserError
from codegen.importers.torch_network import prepare, to_graph
from codegen.ir import total_macs
from nas.learning.quantization import int8_outputs
from search_spaces import AutoencoderSpace, Choice, DenseSpace, SpectrogramInput


class TestClassifier(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> DenseSpace:
        return DenseSpace((8, 8, 1), 10)


class TestSpectra(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> AutoencoderSpace:
        return AutoencoderSpace((1, 1, 640))


class TestSpectrograms(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> AutoencoderSpace:
        return AutoencoderSpace(SpectrogramInput(bands=10, hop=32, frames=12))


class TestWindows(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> AutoencoderSpace:
        return AutoencoderSpace((1, 60, 8))


def test_the_anomaly_detector_of_mlperf_tiny_is_what_one_draws_by_hand() -> None:
    """640-128-128-128-128-8-128-128-128-128-640, see MODEL.md of the reference network; narrower, the code stays."""
    space = AutoencoderSpace((1, 1, 640))
    widest, *_, narrowest = map(space.graph, space.hand_designed())
    assert [widest[op.output].size for op in widest.ops] == [128, 128, 128, 128, 8, 128, 128, 128, 128, 640]
    assert total_macs(widest) == 264_192
    assert [narrowest[op.output].size for op in narrowest.ops] == [8] * 9 + [640]


def test_a_hand_designed_classifier_has_three_layers_of_one_width() -> None:
    space = DenseSpace((1, 1, 40), 3)
    widths = [tuple(width for _, width in design.network[1:]) for design in space.hand_designed()]
    assert widths == [(width,) * 3 for width in reversed(space.choices()["layer1_width"])]
    assert max(space.hand_designed().values()) == 256 / 500


def test_the_output_is_a_map_of_the_input_and_row_by_row_what_torch_gives() -> None:
    space = AutoencoderSpace((3, 4, 2))
    architecture = space.from_params({"layers": 1, "layer1_width": 16, "code": 8, "decoder": "mirrored"})
    module = space.module(architecture).eval()
    network = prepare(module, (3, 4, 2)).eval()
    network.observe()
    x = torch.rand(200, 2, 3, 4)
    with torch.no_grad():
        network(x)
        expected = module(x).numpy()
    graph = to_graph(network, "network")
    assert graph[graph.outputs[0]].shape == graph["input"].shape == (1, 3, 4, 2)
    output = graph[graph.outputs[0]]
    real = (int8_outputs(graph, x.permute(0, 2, 3, 1).numpy()).astype(np.float32) - output.zero_point) * output.scale
    assert np.abs(real.reshape(-1, 3, 4, 2) - expected.transpose(0, 2, 3, 1)).max() < 6 * output.scale


def test_a_direct_decoder_has_no_layers_of_its_own() -> None:
    space = AutoencoderSpace((1, 1, 64))
    values: dict[str, Choice] = {"layers": 2, "layer1_width": 32, "layer2_width": 16, "code": 4}
    mirrored, direct = (space.graph(space.from_params({**values, "decoder": d})) for d in ("mirrored", "direct"))
    assert [op.name for op in direct.ops] == ["encoder1", "encoder2", "bottleneck", "reconstruction"]
    assert [op.name for op in mirrored.ops] == [
        "encoder1", "encoder2", "bottleneck", "decoder1", "decoder2", "reconstruction",
    ]  # fmt: skip
    assert mirrored["decoder1"].size == 16


def test_a_new_layer_is_as_wide_as_the_one_before_it() -> None:
    space = DenseSpace((1, 1, 40), 3)
    parent = space.from_params({"layers": 1, "layer1_width": 48})
    rng = np.random.default_rng(0)
    grown = [c for c in (space.mutate(parent, rng) for _ in range(100)) if space.params(c)["layers"] == 2]
    assert grown
    assert all(space.params(c)["layer2_width"] == 48 for c in grown)


def test_without_layers_the_classifier_is_linear_and_the_smallest_has_fewest_weights() -> None:
    for elements, layers in ((16, 0), (640, 1)):
        space = DenseSpace((1, 1, elements), 10)
        assert space.params(space.smallest())["layers"] == layers
        linear = space.graph(space.from_params({"layers": 0}))
        assert [op.kind for op in linear.ops] == ["FullyConnected"]
        assert total_macs(space.graph(space.smallest())) <= total_macs(linear)


def test_bad_shapes_are_refused() -> None:
    with pytest.raises(UserError, match="no elements"):
        AutoencoderSpace((1, 0, 4))
    with pytest.raises(UserError, match="at least 2 classes"):
        DenseSpace((1, 1, 8), 1)


@pytest.mark.slow
def test_an_autoencoder_learns_what_is_normal(shared_dir: Path) -> None:
    """On a valve's sensors: the error is a fraction of the signal, and larger for anomalies."""
    stored = np.load(shared_dir / "data" / "skab_valve" / "skab_windows.npz")
    mean, spread = stored["x_train"].mean((0, 1)), stored["x_train"].std((0, 1))
    normal, mixed = (
        torch.from_numpy(((stored[name] - mean) / spread).astype(np.float32)).permute(0, 2, 1)[:, :, None]
        for name in ("x_train", "x_test")
    )
    space = AutoencoderSpace((1, 60, 8))
    torch.manual_seed(0)
    module = space.module(space.from_params({"layers": 1, "layer1_width": 64, "code": 16, "decoder": "mirrored"}))
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
    for _ in range(15):
        for batch in normal[torch.randperm(len(normal))].split(64):
            optimizer.zero_grad()
            loss = (module(batch) - batch).square().mean()
            loss.backward()
            optimizer.step()
    module.eval()
    with torch.no_grad():
        learned, unseen = ((module(x) - x).square().mean((1, 2, 3)).numpy() for x in (normal, mixed))
    assert learned.mean() < 0.5  # 1 without a model
    assert unseen[stored["y_test"] == 1].mean() > unseen[stored["y_test"] == 0].mean()
