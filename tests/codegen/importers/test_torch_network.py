"""Import of torch networks: any supported module gives a graph that computes what the module does; the rest is refused by name."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from codegen import reference
from codegen.errors import UserError
from codegen.importers.torch_network import QuantizedNetwork, prepare, to_graph
from codegen.ir import Graph, Padding
from codegen.requantize import multipliers, round_half_away

Shape = tuple[int, int, int]


def randomize(module: nn.Module, seed: int = 0) -> nn.Module:
    """Weights and statistics that make every part of the network matter."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, (nn.BatchNorm2d, nn.BatchNorm1d)):
            assert part.running_mean is not None
            assert part.running_var is not None
            part.running_mean.copy_(torch.randn(part.num_features, generator=generator) * 0.2)
            part.running_var.copy_(torch.rand(part.num_features, generator=generator) + 0.5)
            if part.affine:
                nn.init.uniform_(part.weight, 0.5, 1.5, generator=generator)
                nn.init.normal_(part.bias, 0, 0.3, generator=generator)
        elif isinstance(part, (nn.Conv2d, nn.Linear)):
            nn.init.normal_(part.weight, 0, (2 / part.weight[0].numel()) ** 0.5, generator=generator)
            if part.bias is not None:
                nn.init.normal_(part.bias, 0, 0.2, generator=generator)
    return module.eval()


def observed(module: nn.Module, shape: Shape, seed: int = 0) -> tuple[QuantizedNetwork, torch.Tensor]:
    """The prepared network with its ranges over random inputs (N, C, H, W) in -1..2, and these inputs."""
    torch.manual_seed(seed)
    x = torch.rand(64, shape[2], shape[0], shape[1]) * 3 - 1
    network = prepare(module, shape).eval()
    network.observe()
    with torch.no_grad():
        network(x)
    network.quantize()
    return network, x


def integers(graph: Graph, x: torch.Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
    """Outputs of the numpy reference, channels first again."""
    source = graph[graph.inputs[0]]
    q = round_half_away(x.permute(0, 2, 3, 1).numpy() / np.float32(source.scale)) + source.zero_point
    y = reference.run(graph, {source.name: np.clip(q, -128, 127).astype(np.int8)})[graph.outputs[0]]
    return y.transpose(0, 3, 1, 2) if y.ndim == 4 else y


class ResidualNetwork(nn.Module):
    """A bit of everything that torch users write: functional calls, shared values, method calls."""

    def __init__(self) -> None:
        super().__init__()
        self.pad = nn.ZeroPad2d((0, 1, 0, 1))
        self.stem = nn.Conv2d(3, 8, 3, stride=2)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 16, 3, padding=1, groups=8, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(16)
        self.project = nn.Conv2d(16, 8, 1)
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.norm(self.stem(self.pad(x))))
        y = functional.relu6(self.depthwise_norm(self.depthwise(x)))
        x = torch.relu(x + self.project(y))
        x = functional.adaptive_avg_pool2d(x, 1)
        return self.classifier(self.dropout(x.view(x.size(0), -1)))


class SharedBeforeRelu(nn.Module):
    """An activation that cannot be fused: what it reads is read once more."""

    def __init__(self, act: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1)
        self.act = act

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        return y + self.act(y)  # type: ignore[no-any-return]


class Gated(nn.Module):
    """Channels weighed by what ``gate`` makes of them (J. Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018)."""

    def __init__(self, gate: nn.Module) -> None:
        super().__init__()
        self.gate = gate
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.gate(x) * x)  # type: ignore[no-any-return]


def convolution(**settings: object) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 6, **settings), nn.BatchNorm2d(6), nn.ReLU())  # type: ignore[arg-type]


NETWORKS: dict[str, tuple[nn.Module, Shape]] = {
    "residual": (ResidualNetwork(), (11, 8, 3)),
    "conv": (convolution(kernel_size=3, padding=1), (9, 6, 3)),
    "conv_stride_even": (convolution(kernel_size=3, stride=2, padding=1), (8, 8, 3)),
    "conv_5x3_stride_2x1": (convolution(kernel_size=(5, 3), stride=(2, 1), padding=(2, 1)), (10, 7, 3)),
    "conv_same_4x4": (convolution(kernel_size=4, padding="same"), (6, 7, 3)),
    "conv_dilated": (convolution(kernel_size=3, dilation=2, padding=2), (9, 9, 3)),
    "conv_unused_rows": (convolution(kernel_size=2, stride=3), (10, 12, 3)),
    "relu6": (nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU6(), nn.Conv2d(4, 4, 1), nn.ReLU6()), (7, 7, 2)),
    "depthwise_multiplier": (nn.Sequential(nn.Conv2d(4, 12, 3, groups=4, padding=1), nn.ReLU()), (5, 6, 4)),
    "flatten": (nn.Sequential(nn.Conv2d(1, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 4 * 3, 7)), (6, 5, 1)),
    "dense": (
        nn.Sequential(nn.Flatten(), nn.Linear(24, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 3)),
        (4, 3, 2),
    ),
    "reconstruction": (
        nn.Sequential(nn.Flatten(), nn.Linear(24, 8), nn.ReLU(), nn.Linear(8, 24), nn.Unflatten(1, (2, 4, 3))),
        (4, 3, 2),
    ),
    "vector_to_map": (
        nn.Sequential(
            nn.Flatten(),
            nn.Linear(24, 60, bias=False),
            nn.BatchNorm1d(60),
            nn.Unflatten(1, (5, 4, 3)),
            nn.ReLU(),
            nn.Conv2d(5, 4, 2),
            nn.Flatten(),
            nn.Linear(24, 20),
            nn.Unflatten(1, (2, 2, 5)),
            nn.Flatten(),
            nn.Linear(20, 3),
        ),
        (4, 3, 2),
    ),
    "average_pool": (nn.Sequential(nn.Conv2d(1, 4, 3), nn.AvgPool2d(2), nn.ReLU(), nn.Conv2d(4, 3, 2)), (9, 8, 1)),
    "average_pool_padded": (
        nn.Sequential(nn.Conv2d(1, 4, 1), nn.AvgPool2d(3, 2, padding=1, count_include_pad=False), nn.Conv2d(4, 3, 1)),
        (8, 7, 1),
    ),
    "max_pool": (nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1), nn.Conv2d(4, 3, 1)), (9, 8, 1)),
    "relu_first": (nn.Sequential(nn.ReLU(), nn.Conv2d(2, 4, 3), nn.Sigmoid(), nn.ReLU6()), (7, 6, 2)),
    "shared_before_relu": (SharedBeforeRelu(nn.ReLU()), (6, 6, 2)),
    "shared_before_relu6": (SharedBeforeRelu(nn.ReLU6()), (6, 6, 2)),
    "leaky_relu": (nn.Sequential(nn.Conv2d(2, 4, 3), nn.LeakyReLU(0.1), nn.Conv2d(4, 3, 1)), (7, 6, 2)),
    "hard_swish": (nn.Sequential(nn.Conv2d(2, 4, 3), nn.Hardswish(), nn.Conv2d(4, 3, 1)), (7, 6, 2)),
    "tanh": (nn.Sequential(nn.Conv2d(2, 4, 3), nn.Tanh(), nn.Flatten(), nn.Sigmoid(), nn.Linear(80, 3)), (7, 6, 2)),
    "softmax": (nn.Sequential(nn.Conv2d(2, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Softmax(dim=-1)), (7, 6, 2)),
    "gate": (
        Gated(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 2, 1), nn.ReLU(), nn.Conv2d(2, 4, 1), nn.Sigmoid())),
        (6, 5, 4),
    ),
    "global_pool": (
        nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
        (9, 8, 1),
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_folding_does_not_change_the_float_network(name: str) -> None:
    module, shape = NETWORKS[name]
    randomize(module)
    network = prepare(module, shape).eval()
    x = torch.randn(5, shape[2], shape[0], shape[1])
    with torch.no_grad():
        torch.testing.assert_close(network(x), module(x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_fake_quantized_network_is_the_integer_network(name: str) -> None:
    module, shape = NETWORKS[name]
    network, x = observed(randomize(module), shape)
    graph = to_graph(network, name)
    output = graph[graph.outputs[0]]
    with torch.no_grad():
        real = network(x).numpy()
    difference = np.abs(integers(graph, x) - (np.rint(real / np.float32(output.scale)) + output.zero_point))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.005


@pytest.mark.parametrize("name", NETWORKS)
def test_integers_are_close_to_the_float_network(name: str) -> None:
    module, shape = NETWORKS[name]
    network, x = observed(randomize(module), shape)
    graph = to_graph(network, name)
    output = graph[graph.outputs[0]]
    with torch.no_grad():
        real = module(x).numpy()
    error = np.abs((integers(graph, x).astype(np.float32) - output.zero_point) * output.scale - real)
    assert error.mean() < 0.02 * np.abs(real).max()


@pytest.mark.parametrize("name", NETWORKS)
def test_quantization_follows_the_specification(name: str) -> None:
    module, shape = NETWORKS[name]
    network, _ = observed(randomize(module), shape)
    graph = to_graph(network, name)
    for op in graph.ops:
        if op.parameters:
            weight, bias = (graph[p] for p in op.parameters)
            assert weight.data is not None
            assert weight.quantization is not None
            assert bias.quantization is not None
            axis = weight.quantization.axis
            assert axis is not None
            assert len(weight.quantization.scale) == weight.shape[axis] == bias.shape[0]
            assert (weight.quantization.zero_point, bias.quantization.zero_point) == (0, 0)
            others = tuple(i for i in range(weight.data.ndim) if i != axis)
            assert np.all(np.abs(weight.data.astype(int)).max(axis=others) == 127)
            source = np.float32(graph[op.inputs[0]].scale)
            expected = source * np.array(weight.quantization.scale, dtype=np.float32)
            np.testing.assert_array_equal(np.array(bias.quantization.scale, dtype=np.float32), expected)
            _, exponents = multipliers(op, graph)
            assert exponents.max() <= -1
        if op.kind in ("AveragePool2D", "MaxPool2D"):
            assert graph[op.inputs[0]].quantization == graph[op.output].quantization
        zero_point = graph[op.output].zero_point
        assert -128 <= zero_point <= 127


def test_wide_layers_have_four_bits_on_request() -> None:
    """The network in float arithmetic stays the integer network; a layer of few weights and a depthwise one keep eight bits."""
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8), nn.ReLU(), nn.Conv2d(8, 40, 1), nn.ReLU(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(160, 7),
    )  # fmt: skip
    shape = (9, 8, 3)
    torch.manual_seed(0)
    x = torch.rand(64, shape[2], shape[0], shape[1]) * 3 - 1
    network = prepare(randomize(module), shape, 4).eval()
    network.observe()
    with torch.no_grad():
        network(x)
    network.quantize()
    graph = to_graph(network, "short")
    weights = [graph[op.parameters[0]] for op in graph.ops if op.parameters]
    assert [w.dtype for w in weights] == ["int8", "int8", "int4", "int4"]
    for weight in weights:
        assert weight.data is not None
        assert int(np.abs(weight.data.astype(int)).max()) == (7 if weight.dtype == "int4" else 127)
    output = graph[graph.outputs[0]]
    with torch.no_grad():
        real = network(x).numpy()
    difference = np.abs(integers(graph, x) - (np.rint(real / np.float32(output.scale)) + output.zero_point))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.005


def test_padding_is_what_the_windows_reach() -> None:
    graph = to_graph(observed(convolution(kernel_size=3, stride=2, padding=1), (8, 8, 3))[0], "n")
    assert graph.ops[0].padding == Padding(1, 0, 1, 0)  # type: ignore[attr-defined]
    graph = to_graph(observed(randomize(ResidualNetwork()), (11, 8, 3))[0], "n")
    assert graph.ops[0].padding == Padding(0, 0, 0, 1)  # type: ignore[attr-defined]


def test_operators_are_named_after_their_modules() -> None:
    graph = to_graph(observed(randomize(ResidualNetwork()), (11, 8, 3))[0], "n")
    assert [op.name for op in graph.ops] == ["stem", "depthwise", "project", "add", "pool", "classifier"]
    assert [op.kind for op in graph.ops] == ["Conv2D", "DepthwiseConv2D", "Conv2D", "Add", "AveragePool2D", "FullyConnected"]


def test_a_module_used_twice_gives_two_operators() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(2, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(self.layer(x))  # type: ignore[no-any-return]

    assert [op.name for op in to_graph(observed(Twice(), (4, 4, 2))[0], "n").ops] == ["layer", "layer_1"]


def test_dead_channels_and_layers_stay_in_the_domain_of_the_requantisation() -> None:
    module = randomize(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 1), nn.ReLU(), nn.Conv2d(3, 2, 1)))
    with torch.no_grad():
        module[0].weight[1] = 0  # type: ignore[index,union-attr]
        module[0].bias[2] = 1e4  # type: ignore[index,union-attr]
        module[0].weight[2] *= 1e-6  # type: ignore[index,union-attr]
        module[2].weight.zero_()  # type: ignore[union-attr,operator]
        module[2].bias.fill_(-1)  # type: ignore[union-attr,operator]
    network, x = observed(module, (6, 6, 1))
    graph = to_graph(network, "n")
    with torch.no_grad():
        real = network(x).numpy()
    output = graph[graph.outputs[0]]
    assert np.abs(integers(graph, x) - (np.rint(real / np.float32(output.scale)) + output.zero_point)).max() <= 1
    for op in graph.ops:
        _, exponents = multipliers(op, graph)
        assert exponents.max() <= -1


def test_gradients_reach_every_weight_and_training_on_the_grid_helps() -> None:
    module = randomize(ResidualNetwork())
    network, x = observed(module, (11, 8, 3))
    y = torch.arange(len(x)) % 4
    before = functional.cross_entropy(network(x), y)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    network.quantize(observing=True)
    for _ in range(60):
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(x), y)
        loss.backward()
        assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in network.parameters())
        optimizer.step()
    network.quantize()
    after = functional.cross_entropy(network(x), y)
    assert after < 0.7 * before
    graph = to_graph(network, "n")
    with torch.no_grad():
        assert (integers(graph, x).argmax(1) == network(x).numpy().argmax(1)).mean() > 0.98


def test_fixed_ranges_stay() -> None:
    network, x = observed(randomize(ResidualNetwork()), (11, 8, 3))
    before = to_graph(network, "n")
    with torch.no_grad():
        network(100 * x)
    assert all(t.quantization == to_graph(network, "n")[t.name].quantization for t in before.tensors.values())


def test_ranges_are_needed() -> None:
    with pytest.raises(UserError, match="has seen no data"):
        to_graph(prepare(nn.Sequential(nn.Conv2d(1, 2, 3)), (5, 5, 1)), "n")


class Multiply(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2


class DividedPool(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.avg_pool2d(x, 2, 2, 0, False, True, 3)


class Branch(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


REFUSED: dict[str, tuple[nn.Module, str]] = {
    "gelu": (nn.Sequential(nn.Conv2d(2, 2, 1), nn.GELU()), "cannot import GELU '1'"),
    "function": (nn.Sequential(nn.Conv2d(2, 2, 1), Multiply()), "cannot import operation 'mul'"),
    "gate_of_another_shape": (
        Gated(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 6))),
        "multiplies values of the shapes",
    ),
    "softmax_of_a_map": (nn.Sequential(nn.Conv2d(2, 2, 1), nn.Softmax(1)), "is not over the numbers of a vector"),
    "negative_slope": (nn.Sequential(nn.Conv2d(2, 2, 1), nn.LeakyReLU(-0.5)), "has the negative slope -0.5"),
    "groups": (nn.Sequential(nn.Conv2d(2, 4, 1), nn.Conv2d(4, 4, 1, groups=2)), "Conv2d '1' of the network: it has 2 groups"),
    "reflect": (nn.Sequential(nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect")), "pads with 'reflect'"),
    "norm_first": (nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 4, 3)), "BatchNorm2d '0'.* does not directly follow"),
    "norm_after_relu": (nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)), "BatchNorm2d '2'"),
    "norm_of_other_channels": (
        nn.Sequential(nn.Conv2d(2, 1, 1), nn.Flatten(), nn.BatchNorm1d(36)),
        "BatchNorm1d '2'.* does not normalise the channels of the layer before it",
    ),
    "branch": (Branch(), "cannot be traced"),
    "pool_divisor": (nn.Sequential(nn.Conv2d(2, 4, 1), nn.AvgPool2d(2, divisor_override=1)), "has a divisor of its own"),
    "function_divisor": (DividedPool(), "has a divisor of its own"),
    "pool_counts_padding": (nn.Sequential(nn.Conv2d(2, 4, 1), nn.AvgPool2d(2, padding=1)), "count_include_pad=False"),
    "adaptive_2": (nn.Sequential(nn.Conv2d(2, 4, 1), nn.AdaptiveAvgPool2d(2)), "only 1 is supported"),
    "pad_before_pool": (nn.Sequential(nn.Conv2d(2, 4, 1), nn.ZeroPad2d(1), nn.MaxPool2d(2)), "not followed by a convolution"),
    "map_of_another_map": (
        nn.Sequential(nn.Conv2d(2, 4, 1), nn.Flatten(), nn.Unflatten(1, (2, 12, 6))),
        "only flattening everything and a linear layer's output as a map",
    ),
    "linear_on_map": (nn.Sequential(nn.Conv2d(2, 4, 1), nn.Linear(6, 3)), "flatten the map before it"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_first_unsupported_operation_is_named(name: str) -> None:
    module, message = REFUSED[name]
    with pytest.raises(UserError, match=message):
        prepare(module, (6, 6, 2))


def test_a_flattened_map_cannot_be_the_output() -> None:
    network, _ = observed(nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten()), (6, 6, 1))
    with pytest.raises(UserError, match="end it in a layer"):
        to_graph(network, "n")


def test_layers_may_be_called_what_graph_modules_call_their_own() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.code = nn.Conv2d(1, 4, 3)
            self.graph = nn.ReLU()
            self.forward_hooks = nn.Linear(4 * 6 * 6, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.forward_hooks(self.graph(self.code(x)).flatten(1))

    network = prepare(Named(), (8, 8, 1))
    network.eval()
    with torch.no_grad():
        assert network(torch.rand(2, 1, 8, 8)).shape == (2, 3)
