"""The real data that benchmarks search: files below one folder of all data, and the limits of a search of each."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cost_models import Limits
from nas.units import parse_count, parse_size

ALL_DATA = Path(os.environ.get("NAS_SHARED_DIR", Path(__file__).resolve().parents[2] / "shared")) / "data"
"""Where the folder of all data is unless an option says otherwise."""


@dataclass(frozen=True, slots=True)
class RealData:
    """A file below the folder of all data (of an archive ``inside`` is learnt), and limits as ``nas search`` takes them."""

    file: str
    inside: str = ""
    budget: str | None = None
    flash: str | None = None
    macs: str | None = None

    @property
    def options(self) -> dict[str, str]:
        """The limits that there are by the names of the search's options."""
        named = {"budget": self.budget, "flash": self.flash, "macs": self.macs}
        return {name: text for name, text in named.items() if text is not None}

    @property
    def limits(self) -> Limits:
        """The limits as the search reads them."""
        return Limits(
            ram=None if self.budget is None else parse_size(self.budget),
            flash=None if self.flash is None else parse_size(self.flash),
            macs=None if self.macs is None else parse_count(self.macs),
        )

    def path(self, all_data: Path, work: Path) -> Path:
        """What is to be learnt: the file, or what is ``inside`` of it, an archive, which is unpacked in the folder ``work``."""
        if not self.inside:
            return all_data / self.file
        unpack(all_data / self.file, work)
        return work / self.inside


def unpack(archive: Path, folder: Path) -> None:
    """Everything in the tar file ``archive``, into ``folder``."""
    with tarfile.open(archive) as file:
        file.extraction_filter = getattr(tarfile, "data_filter", None)  # which Python 3.11 has from 3.11.4 on
        file.extractall(folder)


REAL_DATA: Mapping[str, RealData] = {
    "keywords": RealData(
        "kws_speech_commands/speech_commands_v2_sub.tar.xz", "speech_commands_v2_sub", budget="24KB", flash="64KB", macs="2.7M"
    ),
    "digits spoken": RealData("fsdd/fsdd.tar.xz", "fsdd", budget="16KB", flash="40KB"),
    "digits spoken, 32 KB": RealData("fsdd/fsdd.tar.xz", "fsdd", budget="16KB", flash="35KB"),  # features take 3 of them
    "activities": RealData("har_smartphone_hapt/hapt_har6.npz", budget="10.8KB", flash="19.3KB"),
    "activities, CSV": RealData("har_csv_folder/har_csv_folder.tar.xz", "har_csv_folder", budget="10.8KB", flash="19.3KB"),
    "clothes": RealData("fashion_mnist_15k/fashion_mnist_15k3k.npz", budget="32KB", flash="64KB", macs="12.5M"),
    "CIFAR-10": RealData("cifar10/cifar10_20k5k.npz", budget="64KB", flash="96KB", macs="12.5M"),
    "CIFAR-10, PNG": RealData("cifar10_png_folder/cifar10_png_folder.tar", "cifar10_png_folder", budget="64KB", macs="3M"),
    "heartbeats": RealData("ecg_mitbih/mitbih_aami4_interpatient.npz", budget="10KB", flash="32KB"),
    "valve, anomalies": RealData("skab_valve/skab_windows.npz", budget="8KB", flash="64KB"),
    "GunPoint": RealData("ucr_small/GunPoint.npz", budget="8KB", flash="32KB"),
    "ItalyPowerDemand": RealData("ucr_small/ItalyPowerDemand.npz", budget="8KB", flash="32KB"),
    "BasicMotions": RealData("ucr_small/BasicMotions.npz", budget="8KB", flash="32KB"),
}
