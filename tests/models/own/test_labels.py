import json

import pytest

from models.errors import MakeError
from models.own.labels import read_labels, read_tags


def labels(source):
    return [(each.label, each.name) for each in read_labels(str(source))]


def test_labels_from_the_argument():
    assert labels("体育,财经，科技") == [("体育", "体育"), ("财经", "财经"), ("科技", "科技")]


def test_a_list_may_be_longer_than_the_name_of_a_file():
    kinds = ["address", "book", "company", "game", "government", "movie", "name", "organization", "position"]
    tags = ["O", *(f"{place}-{kind}" for kind in kinds for place in "BIES")]
    assert read_tags(",".join(tags))[0] == tuple(tags)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("l.txt", "a\t甲\nb\n\n", [("a", "甲"), ("b", "b")]),
        ("l.json", '["a", "b"]', [("a", "a"), ("b", "b")]),
        ("l.json", '[{"label": "a", "name": "甲"}, {"label": "b"}]', [("a", "甲"), ("b", "b")]),
        ("l.json", '{"1": "b", "0": "a"}', [("a", "a"), ("b", "b")]),
        ("config.json", '{"id2label": {"0": "a", "1": "b"}, "layers": 4}', [("a", "a"), ("b", "b")]),
        ("l.json", '{"b": 1, "a": 0}', [("a", "a"), ("b", "b")]),
        (
            "l.json",
            json.dumps({"id2label": {str(i): f"l{i}" for i in range(12)}}),
            [(f"l{i}",) * 2 for i in range(12)],
        ),
    ],
)
def test_labels_from_a_file(tmp_path, name, content, expected):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert labels(path) == expected


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("l.json", '{"0": "a", "2": "b"}', "not numbered from 0 to 1"),
        ("l.json", "{", "cannot be read"),
        ("l.json", "[1]", "neither text nor"),
        ("l.json", "{}", "holds no labels"),
        ("l.txt", "a\na\n", "given twice"),
        ("l.txt", "", "empty"),
    ],
)
def test_other_files_are_refused(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(MakeError, match=said):
        read_labels(str(path))


@pytest.mark.parametrize(
    ("source", "said"), [("a,,b", "empty"), ("a,a", "twice"), ("no.json", "There is no file")]
)
def test_other_arguments_are_refused(source, said):
    with pytest.raises(MakeError, match=said):
        read_labels(source)


def test_tags_come_in_our_letters():
    tags, kinds = read_tags("O,B_PER,M_PER,E_PER,S_PER,B-LOC,I-LOC,L-LOC,U-LOC")
    assert tags == ("O", "B-PER", "I-PER", "E-PER", "S-PER", "B-LOC", "I-LOC", "E-LOC", "S-LOC")
    assert [kind.label for kind in kinds] == ["PER", "LOC"]


@pytest.mark.parametrize(
    ("source", "said"), [("B-PER,I-PER", "tag O"), ("O,PER", "neither O"), ("O,M-A,I-A", "twice")]
)
def test_other_tags_are_refused(source, said):
    with pytest.raises(MakeError, match=said):
        read_tags(source)
