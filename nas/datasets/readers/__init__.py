"""One reader for each form that people keep data in, chosen by looking at the path."""

from __future__ import annotations

from collections import Counter

from codegen.errors import UserError
from nas.datasets.listing import Listing
from nas.datasets.readers._base import Reader
from nas.datasets.readers.audio import AudioReader
from nas.datasets.readers.images import ImageReader
from nas.datasets.readers.npz import NpzReader
from nas.datasets.readers.recordings import RecordingReader
from nas.datasets.readers.table import TableReader
from nas.datasets.readers.ucr import PAIR, UcrReader
from nas.datasets.reading import Reading

READERS: tuple[type[Reader], ...] = (ImageReader, AudioReader, RecordingReader, TableReader, NpzReader, UcrReader)
ARCHIVES = (".tar", ".xz", ".gz", ".tgz", ".zip", ".7z", ".bz2")
MIXED = 0.2
"""Part of the commonest kind of file from which on another kind makes it unclear what the data is."""


def find_reader(listing: Listing, reading: Reading) -> Reader:
    """The reader for what lies at the path, or the one that ``reading.format`` names.

    :raises UserError: if there is nothing that can be read, or it is unclear what.
    """
    by_name = {reader.name: reader for reader in READERS}
    if reading.format is not None:
        if reading.format not in by_name:
            raise UserError(f"--format {reading.format}: no such format; one of {', '.join(by_name)}")
        chosen = by_name[reading.format](listing, reading)
        if not any(file.suffix in chosen.suffixes for file in listing.files):
            raise UserError(f"{listing.root}: no {' or '.join(sorted(chosen.suffixes))} file for --format {reading.format}")
        return chosen
    return _choose(listing)(listing, reading)


def _choose(listing: Listing) -> type[Reader]:
    root = listing.root
    counts: Counter[type[Reader]] = Counter()
    tables = [file for file in listing.files if file.suffix in (".csv", ".tsv")]
    for reader in (ImageReader, AudioReader, NpzReader):
        counts[reader] = sum(file.suffix in reader.suffixes for file in listing.files)
    series = [file for file in listing.files if file.suffix == ".ts" or (file.suffix == ".tsv" and PAIR.match(file.path.stem))]
    counts[UcrReader] = len(series)
    if len(tables) == 1 and tables[0].name.count("/") == 0:
        counts[TableReader] = 1 - len(set(tables) & set(series))
    else:
        counts[RecordingReader] = len(set(tables) - set(series))
    (first, most), *others = counts.most_common()
    if not most:
        archive = next((file.name for file in listing.files if file.suffix in ARCHIVES), None)
        if archive is not None:
            raise UserError(f"{root}: archives are not read; unpack {archive} and give the folder")
        what = "the folder is empty" if not listing.files else "nothing in it is an image, WAV, CSV, .npz, .ts or .tsv file"
        raise UserError(f"{root}: {what}; see docs/data.md for the forms that are read")
    if others and others[0][1] >= MIXED * most:
        rival, count = others[0]
        raise UserError(f"{root}: holds {most} files for '{first.name}' and {count} for '{rival.name}'; choose with --format")
    return first
