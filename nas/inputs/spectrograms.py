"""Sounds as their networks see them: which spectrograms a search may choose from, fitted to the training clips, computed once.

What is computed is kept in the cache under the hash of the clips and the settings, so every trial and every resumed search finds it
there.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.cache import cache_dir
from codegen.errors import UserError
from codegen.features import FrontEnd, Preprocessing, SpectrogramSettings, normalized
from codegen.features.settings import LEAST_FFT
from nas.datasets import Dataset, Normalization
from nas.evenly_spaced import evenly_spaced
from nas.files import write_atomically
from nas.learning.augmentation import SoundAugmentation
from search_spaces import Architecture, SearchSpace, SpectrogramInput

VERSION = 1
"""Of what is in the cache."""
BANDS = (10, 20, 32, 40)
HOPS = (16, 20, 32)
FRAME = 32
"""Milliseconds, as hops are."""
LEAST_FRAMES = 4
MOST_RECONSTRUCTED = 640
"""Values of a spectrogram that an autoencoder gives back, as many as the anomaly detector of MLPerf Tiny takes."""
LOW = 20.0
"""Hz, where the lowest triangle begins; the highest ends at half the rate."""
MOST_FITTED = 2_000
"""Clips that mean and deviation are taken of at most, at equal distances: more would not change them."""
VARIANTS = 7
"""Varied copies of each training clip, from which trainings draw beside the clip itself."""
MOST_VARIED = 40_000
"""Varied clips in all, beyond one copy of each: they take time and memory, and large data needs them less."""


@dataclasses.dataclass(frozen=True)
class FrontEnds:
    """The log-mel spectrograms that suit sounds of ``samples`` samples at ``rate`` Hz.

    Frames have 32 ms, hops 16 to 32; there are 10 to 40 bands, as far as the rate has a frequency for each.
    """

    rate: int
    samples: int

    @staticmethod
    def of(dataset: Dataset) -> FrontEnds:
        """Those for the clips of ``dataset``.

        :raises UserError: if they are no mono sound of 16 bits, or their rate is not known.
        """
        samples = clips(dataset).shape[1]
        if not dataset.rate or dataset.rate < 1:
            raise UserError(f"data set {dataset.name}: its rate is not known; spectrograms need it")
        return FrontEnds(round(dataset.rate), samples)

    def choices(self) -> tuple[SpectrogramInput, ...]:
        """What a search may choose from.

        :raises UserError: if the sounds are too short for any, or their rate is too high.
        """
        found = []
        for hop in HOPS:
            for bands in BANDS:
                settings = _settings(self.rate, bands, hop)
                if settings is not None and (frames := settings.frames(self.samples)) >= LEAST_FRAMES:
                    found.append(SpectrogramInput(bands, hop, frames))
        if not found and _settings(self.rate, BANDS[0], HOPS[0]) is None:
            raise UserError(
                f"sounds of {self.rate} Hz: spectrograms are for 1,000 to 128,000 Hz; resample them, 16000 Hz suit speech"
            )
        if not found:
            raise UserError(
                f"sounds of {1000 * self.samples / self.rate:.0f} ms are too short for spectrograms; "
                f"'--window {round(self.rate / 2)}' takes half a second"
            )
        return tuple(found)

    def reconstructed(self) -> SpectrogramInput:
        """The one for autoencoders: that of most values, :data:`MOST_RECONSTRUCTED` at most.

        :raises UserError: as :meth:`choices` does.
        """
        found = sorted(self.choices(), key=lambda taken: (taken.frames * taken.bands, taken.bands))
        return next((taken for taken in reversed(found) if taken.frames * taken.bands <= MOST_RECONSTRUCTED), found[0])

    def __call__(self, taken: object) -> FrontEnd:
        """What makes the :class:`SpectrogramInput` ``taken``, not fitted to any recordings."""
        if not isinstance(taken, SpectrogramInput):
            raise TypeError(f"networks of sounds take spectrograms, not {taken}")
        settings = _settings(self.rate, taken.bands, taken.hop)
        if settings is None or settings.frames(self.samples) != taken.frames:
            raise UserError(
                f"sounds of {self.samples} samples have no spectrogram of {taken.frames} frames and {taken.bands} bands"
            )
        return FrontEnd(settings, taken.frames)


@lru_cache(maxsize=256)
def _settings(rate: int, bands: int, hop: int) -> SpectrogramSettings | None:
    """Unfitted ones, lengths in milliseconds rounded to samples; None where a band would hold no frequency."""
    length, step = (max(2, round(rate * milliseconds / 1000)) for milliseconds in (FRAME, hop))
    transform = max(LEAST_FFT, 1 << (length - 1).bit_length())
    try:
        return SpectrogramSettings(rate, length, step, transform, bands, LOW, rate / 2)
    except UserError:
        return None


def fitted(taken: SpectrogramInput, train_set: Dataset) -> FrontEnd:
    """The spectrogram ``taken``, its columns of mean 0 and deviation 1 over the clips of ``train_set``; from the cache if known."""
    front_end, sounds = FrontEnds.of(train_set)(taken), clips(train_set)

    def fit() -> NDArray[Any]:
        settings = normalized(front_end.settings, sounds[evenly_spaced(len(sounds), MOST_FITTED)])
        return np.array([settings.mean, settings.deviation])

    mean, deviation = _cached(_key("fit", sounds, front_end.settings), fit).tolist()
    settings = dataclasses.replace(front_end.settings, mean=tuple(mean), deviation=tuple(deviation))
    return FrontEnd(settings, front_end.frames)


def network_form(dataset: Dataset, front_end: Preprocessing | None, *, varied: bool = False) -> Dataset:
    """``dataset`` as a network in training sees it: int8 spectrograms in the place of clips and, if ``varied``, those of varied
    clips beside them (:attr:`Dataset.variants`); from the cache if known. What is no sound it sees as it is, in real numbers."""
    if not isinstance(front_end, FrontEnd):
        return dataset
    settings, sounds = front_end.settings, clips(dataset)
    stored = _cached(_key("features", sounds, settings), lambda: front_end(sounds))
    variants = None
    if varied:
        augmentation, copies = SoundAugmentation(), max(1, min(VARIANTS, MOST_VARIED // len(sounds)))

        def vary() -> NDArray[Any]:
            rngs = np.random.default_rng(0).spawn(copies)
            return np.stack([front_end(augmentation(sounds, settings.rate, rng)) for rng in rngs])

        variants = _cached(_key(f"variants {copies} {augmentation}", sounds, settings), vary)
    grid = Normalization(np.array([settings.zero_point], np.float32), np.array([settings.scale], np.float32))
    return dataclasses.replace(dataset, input_shape=front_end.shape, stored=stored, normalization=grid, variants=variants)


@dataclasses.dataclass(frozen=True)
class NetworkData:
    """What an architecture is trained and validated on, and what makes it of sounds (None for other data)."""

    train_set: Dataset
    validation: Dataset
    front_end: FrontEnd | None


def network_data(
    space: SearchSpace, architecture: Architecture, train_set: Dataset, validation: Dataset, *, varied: bool
) -> NetworkData:
    """The data in the form that ``architecture`` asks for; ``varied`` clips are for trainings that augment, of classifiers: a
    detector of anomalies is not to learn what is none of the normal sounds."""
    taken = space.input(architecture)
    if not isinstance(taken, SpectrogramInput):
        return NetworkData(train_set, validation, None)
    front_end = fitted(taken, train_set)
    varied = varied and train_set.normal is None
    return NetworkData(network_form(train_set, front_end, varied=varied), network_form(validation, front_end), front_end)


def clips(dataset: Dataset) -> NDArray[np.int16]:
    """The clips of ``dataset``, int16 ``(N, samples)``.

    :raises UserError: if it has no mono sound of 16 bits.
    """
    stored: NDArray[np.int16] = dataset.stored
    if dataset.kind != "audio" or stored.dtype != np.int16 or stored.shape[1:] != (1, stored.shape[2], 1):
        channels = stored.shape[-1]
        raise UserError(
            f"data set {dataset.name}: {stored.dtype} sounds of {channels} channel(s); searches take mono sounds of 16 bits, "
            "such as folders of WAV become"
        )
    return stored[:, 0, :, 0]


def _key(what: str, sounds: NDArray[np.int16], settings: SpectrogramSettings) -> str:
    digest = hashlib.blake2b(json.dumps([VERSION, what, sounds.shape, settings.to_json()]).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(sounds).data)
    return digest.hexdigest()


def _cached(key: str, compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    path = cache_dir() / "features" / f"{key}.npy"
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
        return array
    except (OSError, ValueError, EOFError):  # absent, or damaged
        array = compute()
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, buffer.getvalue())
    buffer.seek(0)
    # As it will come from the cache: of another layout in memory torch takes other kernels, whose sums round otherwise.
    loaded: NDArray[Any] = np.load(buffer, allow_pickle=False)
    return loaded
