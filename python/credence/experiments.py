"""What `credence eval run` left in a folder: its measurements as a table, and its report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ._native import CredenceError

if TYPE_CHECKING:
    import pandas
    import polars


class Experiment:
    """A folder such as `eval-first`. Measurements are Parquet, which polars and pandas read themselves."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise CredenceError(f"there is no experiment at {self.folder}")

    @property
    def parquet(self) -> Path:
        """The table: a row for each measurement of each run, the experiment's file in its metadata."""
        return self._there("results.parquet", "`credence eval run` writes it when all cells are done")

    @property
    def report(self) -> str:
        """The report, as an HTML page; `IPython.display.HTML(report)` shows it in a notebook."""
        return self._there("report.html", f"`credence eval report {self.folder}` writes it").read_text(encoding="utf-8")

    def polars(self) -> polars.DataFrame:
        """The table; polars must be installed."""
        import polars

        return polars.read_parquet(self.parquet)

    def pandas(self) -> pandas.DataFrame:
        """The table; pandas and pyarrow must be installed."""
        import pandas

        return pandas.read_parquet(self.parquet)

    def __repr__(self) -> str:
        return f"Experiment({str(self.folder)!r})"

    def _there(self, name: str, otherwise: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise CredenceError(f"there is no {path}: {otherwise}")
        return path
