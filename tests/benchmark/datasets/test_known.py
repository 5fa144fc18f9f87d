"""What is known of published datasets is found by name and by hash."""

import pytest

from benchmark.datasets.known import PUBLISHED, family, known_file, published


@pytest.mark.parametrize(
    ("name", "word"), [("mosi", "mosi"), ("MOSI_std", "mosi"), ("simsv2", "simsv2"), ("_", "")]
)
def test_a_dataset_is_known_by_the_first_word_of_its_name(name, word):
    assert family(name) == word
    assert (published(name).sizes != ()) == (word in PUBLISHED)


def test_a_file_is_known_by_the_beginning_of_its_hash():
    files = [pair for dataset in PUBLISHED.values() for pair in dataset.files.items()]
    for name, begin in files:
        assert known_file(begin + "0" * 52) == name
    assert known_file("0" * 64) == ""
    assert len({begin for _, begin in files}) == len(files) == 5


def test_every_name_in_the_table_is_a_word_that_can_be_found():
    assert all(family(name) == name for name in PUBLISHED)
