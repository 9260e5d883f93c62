"""Distillation: what a student learns of its teacher, from the same examples in whatever form, always alike; a run's teacher is
trained once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from graph_weights import weights
from torch import nn
from torch.nn.functional import cross_entropy, softmax

from codegen.errors import UserError
from nas.datasets import Dataset, load_train, split_validation
from nas.executor import Outcome, SerialExecutor
from nas.inputs.spectrograms import FrontEnds, fitted, network_form
from nas.learning.distillation import Distillation, Teacher
from nas.learning.training import Inputs, Recipe, build_module, device, evaluate, train
from nas.progress import SilentProgress
from nas.run_directory import RunDirectory
from nas.study.preparation import Preparation, load_splits, prepare
from nas.study.settings import SearchSettings, read_run_settings
from nas.study.tasks import Lesson, train_and_quantize
from nas.study.teacher import find_lesson, read_teacher
from search_spaces import ImageSpace

pytestmark = pytest.mark.usefixtures("one_thread")
SPACE = ImageSpace((8, 8, 1), 10)
SMALL: dict[str, int | str] = {
    "stem_channels": 8, "stem_kernel": 3, "stem_stride": 2, "stages": 1, "stage1_block": "conv", "stage1_channels": 12,
    "stage1_depth": 1, "stage1_kernel": 3, "stage1_stride": 2, "head": "pool",
}  # fmt: skip


@pytest.fixture(scope="module")
def data() -> tuple[Dataset, Dataset]:
    return split_validation(load_train("digits"), 0.25, 0)


def wide() -> nn.Module:
    return build_module(SPACE, SPACE.resized(SPACE.from_params(SMALL), 2.0), 3)


def test_the_loss_is_that_of_the_labels_and_of_the_softened_outputs(data: tuple[Dataset, Dataset]) -> None:
    """By Hinton's formula: the cross-entropy with soft targets has the same gradient as the divergence from them."""
    few = data[0].subset(np.arange(40))
    examples = torch.arange(5, 17)
    y = torch.from_numpy(few.y)[examples].to(device())
    outputs = torch.randn(12, 10, generator=torch.Generator().manual_seed(0)).to(device()).requires_grad_()
    teacher = Teacher(wide(), few, Distillation(temperature=3.0, weight=0.25))
    labels = cross_entropy(outputs, y)
    (found,) = torch.autograd.grad(teacher.blend(labels, outputs, examples, None), outputs, retain_graph=True)
    logits = wide().to(device()).eval()(Inputs(few)[examples])
    loss = 0.75 * labels + 0.25 * 9.0 * cross_entropy(outputs / 3.0, softmax(logits / 3.0, 1))
    (expected,) = torch.autograd.grad(loss, outputs)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_a_varied_batch_is_what_the_teacher_sees(data: tuple[Dataset, Dataset]) -> None:
    module = wide()
    teacher = Teacher(module, data[0], Distillation())
    batch = torch.rand(6, 1, 8, 8).to(device())
    assert torch.equal(teacher.outputs(torch.arange(6), batch), module(batch))
    assert not torch.equal(teacher.outputs(torch.arange(6), None), module(batch))
    with pytest.raises(ValueError, match=r"\(8, 4, 1\)"):
        teacher.outputs(torch.arange(6), batch[..., :4])


def test_a_teacher_of_sounds_may_take_another_spectrogram(unpacked: Callable[[str], Path]) -> None:
    """Of the same variant of the same clip."""
    clips = load_train(str(unpacked("fsdd"))).subset(np.arange(24))
    choices = FrontEnds.of(clips).choices()
    forms = [network_form(clips, fitted(choices[at], clips), varied=True) for at in (0, -1)]
    assert forms[0].input_shape != forms[1].input_shape
    height, width, _ = forms[1].input_shape
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(height * width, 10))
    teacher = Teacher(module, forms[1], Distillation())
    places = Inputs(forms[0]).varied(torch.arange(24), torch.Generator().manual_seed(1))
    assert (places >= 24).any()
    torch.testing.assert_close(teacher.outputs(places, None), module(Inputs(forms[1])[places]))


def test_students_follow_their_teacher_and_repeat_to_the_bit(data: tuple[Dataset, Dataset]) -> None:
    """A teacher that takes every digit for the next one is believed as far as its weight goes."""
    wrong = [replace(part, y=(part.y + 1) % 10) for part in data]
    module = wide()
    train(module, wrong[0], None, Recipe(epochs=3), 3)
    assert evaluate(module, wrong[1]) > 0.6
    before = nn.utils.parameters_to_vector(module.parameters()).clone()

    def student(weight: float) -> nn.Module:
        trained = build_module(SPACE, SPACE.from_params(SMALL), 0)
        teacher = Teacher(module, data[0], Distillation(2.0, weight))
        train(trained, data[0], None, Recipe(epochs=3, augment=True), 0, teacher=teacher)
        return trained

    taught, again, doubting = student(1.0), student(1.0), student(0.0)
    assert torch.equal(*(nn.utils.parameters_to_vector(trained.parameters()) for trained in (taught, again)))
    assert torch.equal(before, nn.utils.parameters_to_vector(module.parameters()))
    assert evaluate(taught, wrong[1]) > evaluate(taught, data[1]) + 0.1
    assert evaluate(doubting, data[1]) > evaluate(doubting, wrong[1]) + 0.1


class Counting(SerialExecutor):
    """Counts what is submitted."""

    def __init__(self) -> None:
        super().__init__()
        self.submitted: list[str] = []

    def submit(self, function: Callable[..., Any], *arguments: Any) -> int:
        self.submitted.append(function.__name__)
        return super().submit(function, *arguments)


@pytest.fixture(scope="module")
def prepared(tried: Path) -> tuple[SearchSettings, Preparation]:
    short = Recipe(epochs=1)
    settings = replace(read_run_settings(RunDirectory.open(tried)), distill=True, finishing=short, quantization=short)
    return settings, prepare(settings)


def test_a_run_trains_its_teacher_once(unfinished: RunDirectory, prepared: tuple[SearchSettings, Preparation]) -> None:
    settings, preparation = prepared
    splits, executor = preparation.splits, Counting()
    networks = [SPACE.smallest(), SPACE.from_params(SMALL)]

    def lesson(settings: SearchSettings, preparation: Preparation) -> Lesson | None:
        return find_lesson(unfinished, settings, preparation, networks, executor, splits, SilentProgress())

    assert lesson(replace(settings, distill=False), preparation) is None
    assert read_teacher(unfinished) is None
    first = lesson(settings, preparation)
    assert executor.submitted == ["screen"]
    teacher = read_teacher(unfinished)
    assert first is not None
    assert teacher is not None
    assert SPACE.from_params(teacher["params"]) == SPACE.resized(networks[1], 2.0)  # of the larger one
    assert teacher["macs"] > 2 * preparation.macs(networks[1])
    assert 0.1 < teacher["validation"]["float"] < 1
    assert lesson(settings, preparation) == first  # as after a kill
    assert executor.submitted == ["screen"]
    made = [
        train_and_quantize(SPACE, SMALL, splits, settings.finishing, settings.quantization, 0, "digits", taught)
        for taught in (first, first, None)
    ]
    assert made[0].losses == made[1].losses != made[2].losses
    learnt = [weights(network.int8.graph) for network in made]
    assert learnt[0] == learnt[1] != learnt[2]


def test_finalists_do_without_a_teacher_that_fails(unfinished: RunDirectory, prepared: tuple[SearchSettings, Preparation]) -> None:
    settings, preparation = prepared

    class Failing(SerialExecutor):
        def wait(self) -> Outcome:
            return replace(super().wait(), value=None, error="MemoryError")

    splits, told = preparation.splits, list[str]()

    class Telling(SilentProgress):
        def message(self, text: str) -> None:
            told.append(text)

    found = find_lesson(unfinished, settings, preparation, [SPACE.smallest()], Failing(), splits, Telling())
    assert found is None
    assert told == ["finalists learn from the labels alone: the training of a teacher failed: MemoryError"]
    assert read_teacher(unfinished) == {"error": "MemoryError"}
    again = find_lesson(unfinished, settings, preparation, [SPACE.smallest()], Counting(), splits, SilentProgress())
    assert again is None  # a driver that was killed goes on as it began


def test_autoencoders_have_no_teacher(prepared: tuple[SearchSettings, Preparation], data_dir: Path) -> None:
    settings = replace(prepared[0], data=str(data_dir / "skab_valve" / "skab_windows.npz"))
    with pytest.raises(UserError, match="--distill: is of classifiers"):
        load_splits(settings)
    assert load_splits(replace(settings, distill=False))[0][0].train_set.normal is not None


@pytest.mark.parametrize(("weight", "temperature", "words"), [(1.5, 4.0, "weight = 1.5 is above 1"), (0.5, 0.0, "temperature")])
def test_what_makes_no_loss_is_refused(
    weight: float, temperature: float, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nas

    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"\[distillation\] {words}"):
        nas.search(distillation={"weight": weight, "temperature": temperature})
    assert not list(tmp_path.iterdir())
