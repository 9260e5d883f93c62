"""A person's own torch modules in int8: how well they agree, and what is said where they cannot be."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from codegen import reference
from codegen.errors import UserError
from codegen.ir import FullyConnected
from nas.learning.post_training import MOST_EXAMPLES, quantize_module, read_calibration
from nas.learning.quantization import quantize_input


class Recordings(nn.Module):
    """Along a line, with everything that layers of series are written with."""

    def __init__(self) -> None:
        super().__init__()
        self.pad = nn.ZeroPad1d((2, 1))
        self.stem = nn.Conv1d(3, 8, 5, stride=2)
        self.norm = nn.BatchNorm1d(8)
        self.blocks = nn.Sequential(nn.Conv1d(8, 8, 3, padding=2, dilation=2, groups=8), nn.ReLU6(), nn.MaxPool1d(2))
        self.classifier = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.norm(self.stem(self.pad(x))))
        x = x + functional.relu(self.blocks[0](x))
        x = functional.avg_pool1d(functional.max_pool1d(x, 3, stride=2, padding=1), 2)
        return self.classifier(x.mean(-1))  # type: ignore[no-any-return]


class Images(nn.Module):
    """Pooling as functions."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 6, 3, padding="same")
        self.second = nn.Conv2d(6, 3, 3, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(functional.relu(self.first(x)), (2, 1))
        return self.second(functional.avg_pool2d(x, kernel_size=2))  # type: ignore[no-any-return]


MODULES: dict[str, tuple[type[nn.Module], tuple[int, ...], tuple[int, ...]]] = {
    "series": (Recordings, (3, 61), (1, 1, 61, 3)),
    "image": (Images, (2, 12, 9), (1, 12, 9, 2)),
    "vector": (lambda: nn.Sequential(nn.Linear(10, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4)), (10,), (1, 10)),  # type: ignore[dict-item]
    "flattened": (lambda: nn.Sequential(nn.Conv1d(2, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(90, 7)), (2, 20), (1, 1, 20, 2)),  # type: ignore[dict-item]
}


@pytest.fixture(autouse=True)
def _fixed_weights() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        yield


def channels_last(x: torch.Tensor) -> torch.Tensor:
    return x if x.ndim == 2 else x.movedim(1, -1)


@pytest.mark.parametrize("name", MODULES)
def test_the_integer_network_says_what_the_module_says(name: str) -> None:
    make, shape, taken = MODULES[name]
    module, x = make().train(), torch.randn(200, *shape)
    module(x)  # gives batch normalisation its statistics
    made = quantize_module(module, x, name)
    assert module.training
    assert made.graph[made.graph.inputs[0]].shape == taken
    output = made.graph[made.graph.outputs[0]]
    with torch.no_grad():
        wanted = channels_last(module.eval()(x)).numpy()
    inputs = quantize_input(made.graph, channels_last(x).reshape(200, *taken[1:]).numpy())
    assert np.array_equal(made.inputs, inputs[np.arange(16) * 200 // 16])
    stored = reference.run(made.graph, {made.graph.inputs[0]: inputs})[output.name]
    error = (stored.astype(np.float64) - output.zero_point) * output.scale - wanted
    noise = 10 * math.log10(np.square(wanted).sum() / np.square(error).sum())
    agreement = made.agreement
    assert agreement.examples == 200
    assert agreement.sqnr_db > 25
    assert agreement.sqnr_db == pytest.approx(noise, abs=0.01)
    assert [layer.name for layer in agreement.layers] == [op.name for op in made.graph.ops]
    assert agreement.layers[-1].sqnr_db == pytest.approx(agreement.sqnr_db, abs=0.5)
    assert agreement.worst.own_sqnr_db == min(layer.own_sqnr_db for layer in agreement.layers)
    assert agreement.same_answer is not None
    assert agreement.same_answer > 0.9


def test_a_layer_alone_is_a_network() -> None:
    made = quantize_module(nn.Linear(4, 2), torch.rand(20, 4), "m")
    assert [op.kind for op in made.graph.ops] == ["FullyConnected"]


def test_weights_of_wide_layers_take_four_bits() -> None:
    module, x = nn.Sequential(nn.Linear(32, 48), nn.ReLU(), nn.Linear(48, 4)), torch.randn(200, 32)
    eight, four = quantize_module(module, x, "m"), quantize_module(module, x, "m", 4)
    wide, narrow = (op.weight for op in four.graph.ops if isinstance(op, FullyConnected))
    assert (four.graph[wide].dtype, four.graph[narrow].dtype) == ("int4", "int8")
    values = four.graph[wide].data
    assert values is not None
    assert np.unique(values).tolist() == list(range(-7, 8))
    assert eight.graph[wide].dtype == "int8"
    assert 14 < four.agreement.sqnr_db < eight.agreement.sqnr_db - 6


def test_a_layer_that_int8_does_not_suit_is_named() -> None:
    module = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    x = torch.rand(200, 6)
    good = quantize_module(module, x, "m").agreement
    with torch.no_grad():
        module[2].weight[0] *= 3000  # type: ignore[index,operator]
        module[4].weight[:, 0] /= 3000  # type: ignore[index,operator]
    bad = quantize_module(module, x, "m").agreement
    assert bad.worst.name in ("layer_2", "layer_4")
    assert bad.worst.operator == "FullyConnected"
    assert bad.sqnr_db < good.sqnr_db - 10
    assert "worst" in repr(bad)
    assert "layers=" not in repr(bad)
    assert set(bad.to_json()) == {"examples", "sqnr_db", "same_answer", "worst", "layers"}


def test_calibration_data_in_every_form_is_the_same_data() -> None:
    x = torch.rand(70, 4)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, torch.zeros(70)), batch_size=32)
    mapped = x.numpy().copy()
    mapped.flags.writeable = False
    for form in (x, mapped, x.double(), x.numpy(), x.numpy().astype(np.float64), loader, list(x.split(9)), (x[:1], x[1:])):
        assert torch.equal(read_calibration(form), x)
    endless = (torch.rand(1000, 4) for _ in iter(int, 1))
    assert MOST_EXAMPLES <= len(read_calibration(endless)) < MOST_EXAMPLES + 1000


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "NoneType is no array"),
        ("x.npy", "str is no array"),
        ([], "holds no batches"),
        ([1.0], "inputs are a float"),
        (torch.zeros(3, 4, dtype=torch.int8), "inputs are of torch.int8; give float32"),
        (np.zeros((3, 4), np.uint8), "inputs are of uint8; give float32"),
        (torch.zeros(4), r"of shape \(4,\)"),
        (torch.zeros(0, 4), r"of shape \(0, 4\)"),
        (torch.full((3, 4), math.nan), "not finite"),
        ([torch.zeros(2, 4), torch.zeros(2, 5)], "different shapes"),
        (torch.zeros(3, 5), r"does not take inputs of shape \(N, 5\): .*shapes cannot be multiplied"),
    ],
)
def test_bad_calibration_data(data: object, words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        quantize_module(nn.Linear(4, 2), data, "m")
    assert "\n" not in str(error.value)


class Gate(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.silu(x)


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        (nn.GELU(), "GELU 'tail.1' of the network: it has no int8 form here; use ReLU, ReLU6, LeakyReLU or Hardswish"),
        (nn.LogSoftmax(1), "LogSoftmax 'tail.1' of the network: .*; leave the logarithm off"),
        (Gate(), "operation 'silu' of Gate 'tail.1' of the network: .*; use ReLU"),
        (nn.Upsample(scale_factor=2), "Upsample 'tail.1' of the network: .*; supported are Conv1d and Conv2d"),
        (nn.GroupNorm(2, 4), "GroupNorm 'tail.1'.*; use BatchNorm"),
    ],
)
def test_the_first_operation_that_is_not_supported_is_named_with_what_to_write(tail: nn.Module, words: str) -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(1, 4, 3)
            self.tail = nn.Sequential(nn.Identity(), tail, nn.SELU())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.tail(self.stem(x))  # type: ignore[no-any-return]

    with pytest.raises(UserError, match=words):
        quantize_module(Network(), torch.rand(8, 1, 6, 6), "m")
