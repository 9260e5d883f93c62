"""One CSV file with a column of labels: a vector a line, or with a time column a long recording whose label changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from codegen.errors import UserError
from nas.datasets.decoded import Facts, Writer
from nas.datasets.delimited import LABELS, MORE_LABELS
from nas.datasets.listing import File
from nas.datasets.readers._base import Reader
from nas.datasets.readers.recordings import Recording, pieces, read_recording


class TableReader(Reader):
    """Lines of a table. Columns named like a subject or a recording are groups; the time column makes it a series."""

    name = "table"
    suffixes = frozenset({".csv", ".tsv"})

    def files(self) -> Sequence[File]:
        return [file for file in self.listing.files if file.suffix in self.suffixes]

    def decode(self, writer: Writer) -> Facts:
        files = self.files()
        if len(files) != 1:
            raise UserError(f"{self.listing.root}: --format table reads one CSV file, there are {len(files)}")
        path = files[0].path
        try:
            table = read_recording(self.content(files[0]), (*LABELS, *MORE_LABELS), guess_label=True)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from None
        except ValueError as error:
            raise UserError(f"{path}: {error}") from None
        if table.labels is None:
            raise UserError(f"{path}: no column of labels; name it 'label' or 'class'")
        if table.unread:
            writer.note(f"columns without numbers are left aside: {', '.join(table.unread)}")
        if (table.label_name or "").lower() not in (*LABELS, *MORE_LABELS):
            writer.note(f"labels are taken to be in the column {table.label_name!r}")
        facts = Facts("vector", channels=table.channels, group_kind=table.group_kind)
        return self._series(table, facts, writer) if table.timed else self._vectors(table, facts, writer)

    @staticmethod
    def _vectors(table: Recording, facts: Facts, writer: Writer) -> Facts:
        assert table.labels is not None
        for i, (values, label) in enumerate(zip(table.values.astype(np.float32), table.labels, strict=True)):
            name = f"line {i + 1} of the data"
            if table.damaged_lines[i]:
                writer.skip(name, "a missing or damaged number, or a wrong count of columns")
            elif not label:
                writer.skip(name, "no label")
            else:
                writer.add(values[None], label, name, group=table.groups[i] if table.groups else None)
        return facts

    @staticmethod
    def _series(table: Recording, facts: Facts, writer: Writer) -> Facts:
        if table.damaged:
            writer.note(f"{table.damaged} lines hold a missing or damaged number or a wrong count of columns; no window spans them")
        if table.unlabelled:
            writer.note(f"{table.unlabelled} lines without a label are left out")
        for number, piece in enumerate(pieces(table)):
            group = piece.group or f"piece {number + 1}"
            writer.add(piece.values.astype(np.float32), piece.label or "", f"piece {number + 1}", group=group)
        return replace(facts, kind="series", rate=table.rate, windows=True, group_kind=facts.group_kind or "recording")
