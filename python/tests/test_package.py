"""The package as a whole: its documentation's example, its types, its version."""

import doctest
from importlib.metadata import version
from pathlib import Path

import credence


def test_the_example_of_the_documentation_holds() -> None:
    found = doctest.testmod(credence)
    assert found.attempted > 0 and found.failed == 0


def test_the_package_is_typed_and_says_its_version() -> None:
    folder = Path(credence.__file__).parent
    assert (folder / "py.typed").exists() and (folder / "_native.pyi").exists()
    assert credence.__version__ == version("credence")
    assert all(hasattr(credence, name) for name in credence.__all__)


def test_the_stubs_name_what_there_is() -> None:
    from credence import _native

    stubs = (Path(credence.__file__).parent / "_native.pyi").read_text(encoding="utf-8")
    for name, thing in vars(_native).items():
        if isinstance(thing, type) and not name.startswith("_"):
            assert f"class {name}" in stubs
            for member in vars(thing):
                special = member.startswith("__") or issubclass(thing, Exception)
                assert special or f"def {member}(" in stubs, f"{name}.{member} has no stub"
