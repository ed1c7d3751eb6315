"""Files that hosts import, as lines of a batch."""

import json
from pathlib import Path

import pytest

from app.commands.import_files import UnreadableFile, read_file


def test_csv_cells_become_fields_and_sub_objects(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text(
        "ref,employer_ref,first_name,home_address.line1,metadata.team,nationality\ne1,acme,Ada,1 Street,blue,\n"
    )
    (line,) = read_file(path, "employee")
    assert line.number == 2
    assert json.loads(line.text) == {
        "kind": "employee",
        "ref": "e1",
        "record": {
            "employer_ref": "acme",
            "first_name": "Ada",
            "home_address": {"line1": "1 Street"},
            "metadata": {"team": "blue"},
        },
    }
    assert line.source == {
        "ref": "e1",
        "employer_ref": "acme",
        "first_name": "Ada",
        "home_address.line1": "1 Street",
        "metadata.team": "blue",
    }


def test_csv_with_more_cells_than_columns_or_a_field_twice_is_left_to_the_service(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("ref,contact,contact.name\ne1,plain,Pat,too,many\n")
    (line,) = read_file(path, "employer")
    assert json.loads(line.text)["record"] == {"contact": "plain", "surplus_cells": ["too", "many"]}


def test_csv_without_a_ref_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("name\nAda\n")
    with pytest.raises(UnreadableFile):
        list(read_file(path, "employee"))


def test_ndjson_lines_keep_their_numbers_and_what_is_no_object_is_sent_to_be_refused(tmp_path: Path) -> None:
    path = tmp_path / "people.ndjson"
    path.write_text('{"ref": "e1", "first_name": "Ada"}\n\nnot json\n')
    first, second = read_file(path, "employee")
    assert (first.number, json.loads(first.text)["record"]) == (1, {"first_name": "Ada"})
    assert (second.number, json.loads(second.text)["ref"], second.source) == (3, None, "not json")
