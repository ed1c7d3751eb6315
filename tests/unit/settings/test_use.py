"""A setting that nothing reads is a promise that nothing keeps."""

import ast
from pathlib import Path

import app
from app.settings import Settings


def attributes() -> set[str]:
    """Every attribute that is read anywhere but where the settings themselves are described."""
    root = Path(app.__file__).parent
    files = (path for path in root.rglob("*.py") if "settings" not in path.relative_to(root).parts)
    trees = (ast.parse(path.read_text()) for path in files)
    return {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def test_every_setting_is_read() -> None:
    # These two are read through properties of the settings.
    derived = {"database_direct_url", "kota_script_url"}
    assert set(Settings.model_fields) - derived - attributes() == set()
