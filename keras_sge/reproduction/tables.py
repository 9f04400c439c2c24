"""The paper's tables by name."""

from __future__ import annotations

from dataclasses import dataclass

from edge.errors import InputError
from keras_sge.reproduction import table1, table2, table3
from keras_sge.reproduction.row import Row


@dataclass(frozen=True)
class Table:
    """A table: its title and its rows; the first is what latency is relative to."""

    title: str
    rows: tuple[Row, ...]

    def chosen(self, names: tuple[str, ...]) -> tuple[Row, ...]:
        """The rows of these names, in the table's order, all for none; with them the rows that they are made of.

        Raises:
            InputError: a name that is none of the table's.
        """
        known = {row.name: row for row in self.rows}
        for name in names:
            if name not in known:
                raise InputError(f"this table has no row {name!r}. Its rows: {'; '.join(known)}.")
        wanted = set(names or known)
        wanted |= {known[name].of for name in wanted} - {None}
        return tuple(row for row in self.rows if row.name in wanted)


TABLES = {
    "table1": Table("Table 1: temporal modules", table1.ROWS),
    "table2": Table("Table 2: placement of the Squeezed GRU", table2.ROWS),
    "table3": Table("Table 3: placement of the entropy map, with the Squeezed GRU on Conv-13", table3.ROWS),
}
