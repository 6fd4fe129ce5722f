"""Files on disk: whole or not at all, and the last line read from the end."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whodid.errors import InvalidSetting
from whodid.export import files


def test_a_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    """While it is written nothing stands under its name."""
    path = tmp_path / "out.csv"
    with files.written_whole(path, replace=False) as out:
        out.write(b"half")
        assert not path.exists()
        out.write(b" and half")

    assert path.read_bytes() == b"half and half"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["out.csv"]


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    """Half an export is no export, and what was there before stays."""
    path = tmp_path / "out.csv"
    path.write_bytes(b"before")
    with pytest.raises(ZeroDivisionError), files.written_whole(path, replace=True) as out:
        out.write(b"half")
        raise ZeroDivisionError

    assert path.read_bytes() == b"before"
    assert [one.name for one in tmp_path.iterdir()] == ["out.csv"]


def test_an_existing_file_is_replaced_only_on_demand(tmp_path: Path) -> None:
    """A mistyped name costs nobody a file."""
    path = tmp_path / "out.csv"
    path.write_bytes(b"before")
    with pytest.raises(InvalidSetting, match="--force"), files.written_whole(path, replace=False):
        raise AssertionError
    with files.written_whole(path, replace=True) as out:
        out.write(b"after")

    assert path.read_bytes() == b"after"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error says what cannot be written and why."""
    with (
        pytest.raises(InvalidSetting, match="No such file or directory"),
        files.written_whole(tmp_path / "no" / "out.csv", replace=False),
    ):
        raise AssertionError


@given(
    st.lists(st.binary(max_size=40).map(lambda data: data.replace(b"\n", b"")), max_size=6),
    st.booleans(),
    st.integers(min_value=1, max_value=50),
)
def test_the_last_line_is_found_from_the_end(parts: list[bytes], closed: bool, step: int) -> None:
    """Whatever the size of the steps backwards, it is the line that reading forwards finds last."""
    data = b"\n".join(parts) + (b"\n" if closed else b"")
    file = io.BytesIO(data)
    lines = data.splitlines(keepends=True) if b"\r" not in data else io.BytesIO(data).readlines()
    before, files._STEP = files._STEP, step
    try:
        found = files.last_line(file)
    finally:
        files._STEP = before

    assert found == ((io.BytesIO(data).readlines() or [b""])[-1] if lines or not data else b"")
    assert b"".join(files.lines(file)) == data


def test_a_line_without_end_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile file of one endless line does not fill the memory."""
    monkeypatch.setattr(files, "MAX_LINE", 1_000)
    monkeypatch.setattr(files, "_STEP", 300)
    file = io.BytesIO(b"x" * 5_000)

    assert len(files.last_line(file)) <= 1_300
    assert [len(piece) for piece in files.lines(file)] == [1_000] * 5
