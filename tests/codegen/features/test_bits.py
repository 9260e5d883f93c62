"""numpy, C on this machine with undefined behaviour trapped, and C on emulated cores give the same bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile
from feature_library import WARNINGS, FeatureLibrary, as_clips, library, recordings, write_sources
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from codegen.cores import CORES
from codegen.elf import read
from codegen.errors import UserError
from codegen.features import SpectrogramSettings, costs, emulate, features, log_mel, mfcc, normalized
from codegen.optimize import Optimize
from codegen.toolchain import ZigCompiler

ODD = {
    "log-mel 16 kHz": log_mel(16000),
    "log-mel 8 kHz": log_mel(8000),
    "mfcc 16 kHz": mfcc(16000),
    "mfcc of every band": mfcc(8000, 20, bands=20),
    "frame of 25 ms": log_mel(16000, frame=25, hop=10),
    "odd frame and hop": SpectrogramSettings(16000, 401, 163, 512, 32, 0, 8000),
    "odd frame as long as can be": SpectrogramSettings(8000, 255, 80, 256, 20, 60, 3999.5),
    "hop as long as the frame": SpectrogramSettings(8000, 256, 256, 256, 16, 0, 4000),
    "hop longer than the frame": SpectrogramSettings(8000, 200, 333, 256, 16, 0, 4000),
    "one band": SpectrogramSettings(16000, 512, 320, 512, 1, 0, 8000),
    "one bin": SpectrogramSettings(8000, 64, 32, 64, 1, 1200, 1300),
    "few bins": SpectrogramSettings(8000, 32, 16, 32, 7, 0, 4000),
    "much padding": SpectrogramSettings(8000, 33, 40, 256, 12, 0, 4000),
    "least frame": SpectrogramSettings(8000, 2, 1, 32, 3, 0, 4000),
    "longest transform": SpectrogramSettings(16000, 4096, 4096, 4096, 64, 20, 7600, coefficients=64, mean=(0.0,)),
    "fine steps": SpectrogramSettings(8000, 128, 64, 128, 10, 0, 4000, mean=(-500.0,), deviation=(1 / 16,)),
    "coarse steps": SpectrogramSettings(8000, 128, 64, 128, 10, 0, 4000, deviation=(16384.0,), zero_point=-7),
}


def extremes(samples: int) -> NDArray[np.int16]:
    """Clips at the borders of 16 bits."""
    n = np.arange(samples)
    rng = np.random.default_rng(0)
    impulse = np.where(n == samples // 2, -32768, 0)
    clips = [
        np.zeros(samples),
        np.full(samples, -32768),
        np.full(samples, 32767),
        np.where(n % 2, 32767, -32768),  # half the rate
        np.where(n // 2 % 2, 32767, -32768),
        np.where(n // 37 % 2, 32767, -32768),
        impulse,
        np.where(n % 64 == 63, 32767, 0),
        np.where(n < samples // 2, 0, 32767),
        rng.choice([-32768, 32767], samples),
        rng.integers(-1, 2, samples),
        np.round(32767 * np.sin(2 * np.pi * n / 16)),
        -32768 * (np.cos(2 * np.pi * n / 7) < 0),
    ]
    return np.array(clips).astype(np.int16)


@pytest.mark.parametrize("name", ODD)
def test_extreme_sounds_in_every_form(name: str) -> None:
    chosen = ODD[name]
    built = library(chosen)
    clips = extremes(chosen.frame + 3 * chosen.hop + chosen.hop // 2)
    expected = features(chosen, clips)[..., 0]
    for clip, wanted in zip(clips, expected, strict=True):
        assert (built.whole(clip) == wanted).all()
        assert (built.pushed(clip, range(0, len(clip), max(chosen.hop // 3, 1))) == wanted).all()


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m0plus"])
@pytest.mark.parametrize(
    ("name", "optimize", "piece"),
    [
        ("log-mel 16 kHz", "speed", 1000),
        ("mfcc of every band", "size", 0),
        ("odd frame and hop", "balanced", 0),
        ("hop longer than the frame", "balanced", 150),
        ("much padding", "size", 41),
        ("one bin", "speed", 7),
    ],
)
def test_emulated_cores_on_extreme_sounds(name: str, optimize: Optimize, piece: int, core: str) -> None:
    chosen = ODD[name]
    clips = extremes(chosen.frame + 2 * chosen.hop)
    assert (emulate(chosen, CORES[core], clips, optimize, piece=piece) == features(chosen, clips)).all()


@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m33", "cortex-m7"])
def test_other_cores(core: str) -> None:
    chosen = ODD["mfcc 16 kHz"]
    clips = extremes(chosen.frame + chosen.hop)
    assert (emulate(chosen, CORES[core], clips, "speed", piece=100) == features(chosen, clips)).all()


@pytest.mark.parametrize("kind", ["log-mel 8 kHz", "mfcc of every band"])
def test_recordings_on_host_and_cores(kind: str, shared_dir: Path) -> None:
    sounds = [sound for _, sound in recordings(shared_dir / "data" / "fsdd" / "fsdd.tar.xz", every=60)]
    assert len(sounds) == 50
    clips = as_clips(sounds, 5000)
    chosen = normalized(ODD[kind], clips)
    expected = features(chosen, clips)
    assert len(np.unique(expected)) > 200  # what is compared uses the range of int8
    built = library(chosen)
    for sound in sounds:
        assert (built.whole(sound) == features(chosen, sound[None])[0, ..., 0]).all()
    for core in ("cortex-m4", "cortex-m0plus"):
        assert (emulate(chosen, CORES[core], clips[::5], piece=chosen.hop) == expected[::5]).all()


samples = st.one_of(st.integers(-32768, 32767), st.sampled_from([-32768, -1, 0, 1, 32767]))


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_pieces_of_any_length_make_the_whole(data: st.DataObject) -> None:
    chosen = ODD[data.draw(st.sampled_from(["few bins", "much padding", "hop longer than the frame", "least frame", "one bin"]))]
    length = data.draw(st.integers(0, chosen.frame + 4 * chosen.hop))
    runs = data.draw(st.lists(st.tuples(samples, st.integers(1, 80)), min_size=1, max_size=20))
    sound = np.resize(np.concatenate([np.full(count, value, np.int16) for value, count in runs]), length)
    cuts = data.draw(st.lists(st.integers(0, length), max_size=12))
    built = library(chosen)
    whole = built.whole(sound)
    assert (built.pushed(sound, cuts) == whole).all()
    if length >= chosen.frame:
        assert (features(chosen, sound[None])[0, ..., 0] == whole).all()
    else:
        assert len(whole) == 0


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_any_settings(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    fft = 2 ** data.draw(st.integers(5, 12))
    rate = data.draw(st.sampled_from([8000, 16000]))
    high = data.draw(st.floats(rate / 8, rate / 2))
    bands = data.draw(st.integers(1, 64))
    try:
        chosen = SpectrogramSettings(
            rate=rate,
            frame=data.draw(st.integers(2, fft)),
            hop=data.draw(st.integers(1, 2 * fft)),
            fft=fft,
            bands=bands,
            low=data.draw(st.floats(0, high / 2)),
            high=high,
            coefficients=data.draw(st.integers(0, bands)),
            mean=(data.draw(st.floats(-100, 100)),),
            deviation=(data.draw(st.floats(0.25, 64)),),
            zero_point=data.draw(st.integers(-128, 127)),
        )
    except UserError:
        return  # more bands than bins
    built = FeatureLibrary(chosen, tmp_path_factory.mktemp("any"))
    clips = extremes(chosen.frame + 2 * chosen.hop)
    for clip, wanted in zip(clips, features(chosen, clips)[..., 0], strict=True):
        assert (built.whole(clip) == wanted).all()
        assert (built.pushed(clip, [len(clip) // 3, len(clip) // 2]) == wanted).all()


def test_costs_are_those_of_one_frame_not_of_a_second() -> None:
    for core in ("cortex-m4", "cortex-m0plus"):
        found = costs(log_mel(16000), CORES[core])
        assert (found.state, found.scratch) == (4 + 2 * 512, 4 * 512)
        assert 0 < found.stack <= 512
        assert found.ram == found.state + found.scratch + found.stack
        assert found.flash.total < 6000
        assert 10_000 < found.cycles < {"cortex-m4": 40_000, "cortex-m0plus": 125_000}[core]
    fewer = costs(log_mel(16000, bands=10), CORES["cortex-m4"])
    assert fewer.cycles < costs(log_mel(16000, bands=40), CORES["cortex-m4"]).cycles


@pytest.mark.parametrize(("core", "routines"), [("cortex-m4", set()), ("cortex-m0plus", {"__aeabi_llsr"})])
def test_streaming_needs_no_variables_and_no_library(core: str, routines: set[str], tmp_path: Path) -> None:
    write_sources(ODD["mfcc 16 kHz"], "kws", tmp_path)
    program = read(
        ZigCompiler().link(
            sorted((tmp_path / "src").glob("*.c")),
            include_dirs=[tmp_path / "include", tmp_path / "src"],
            core=CORES[core],
            optimize="balanced",
            roots=["kws_features_start", "kws_features_push"],
            output=tmp_path / "features.elf",
        )
    )
    assert program.static == 0
    assert {f.name.rpartition(".")[2] for f in program.functions if not f.name.startswith("kws_")} == routines


def test_sizes_are_the_compiler_s(tmp_path: Path) -> None:
    lines = []
    for number, chosen in enumerate(ODD.values()):
        name = f"sizes{number}"
        write_sources(chosen, name, tmp_path)
        lines.append(f'#include "{name}_features.h"')
        lines.append(f"extern int state{number}[sizeof({name}_features_state) == {chosen.state_bytes} ? 1 : -1];")
        lines.append(f"extern int scratch{number}[sizeof({name}_features_scratch) == {chosen.scratch_bytes} ? 1 : -1];")
    check = tmp_path / "check.c"
    check.write_text("\n".join(lines) + "\n")
    build_object(check, tmp_path)


def test_constants_go_where_the_build_says(tmp_path: Path) -> None:
    write_sources(ODD["mfcc 16 kHz"], "kws", tmp_path)
    section = '-DKWS_FEATURES_SECTION=__attribute__((section(".elsewhere")))'
    with build_object(tmp_path / "src" / "kws_features_tables.c", tmp_path, section).open("rb") as file:
        image = ELFFile(file)
        sizes = {s.name: s["sh_size"] for s in image.iter_sections()}
    assert sizes[".elsewhere"] > 3000
    assert sizes.get(".rodata", 0) == 0


def build_object(source: Path, directory: Path, *flags: str) -> Path:
    return ZigCompiler().build_host(
        [source],
        include_dirs=[directory / "include", directory / "src"],
        output=directory / "checked.o",
        flags=("-c", *WARNINGS, *flags),
    )
