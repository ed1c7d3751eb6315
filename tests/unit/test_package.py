from importlib.metadata import entry_points


def test_the_command_is_installed_under_its_name() -> None:
    scripts = entry_points(group="console_scripts", name="kota-bff")
    assert [script.value for script in scripts] == ["app.cli:main"]
