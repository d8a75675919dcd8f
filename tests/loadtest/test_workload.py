import json
import statistics

import pytest

from loadtest.errors import BadWorkload
from loadtest.workload import SAMPLE_FILES, SAMPLES, Task, calls_of, rows_of


def test_the_titles_are_many_different_and_of_a_title_s_length():
    titles = [row[0] for row in rows_of(Task.CLASSIFY)]
    assert len(titles) == len(set(titles)) == 500
    assert 20 <= statistics.fmean(map(len, titles)) <= 24
    assert max(map(len, titles)) <= 45


@pytest.mark.parametrize("task", list(Task))
def test_every_task_has_samples_and_requests(task):
    assert (SAMPLES / SAMPLE_FILES[task]).is_file()
    rows = rows_of(task)
    assert len(rows) >= 20
    calls = calls_of(task, rows, "some-model", seed=1)
    assert {call.path for call in calls} == {f"/v1/{task.value}"}
    asked = [json.loads(call.body) for call in calls]
    assert all(one["model"] == "some-model" for one in asked)
    assert sorted(tuple(value for key, value in one.items() if key != "model") for one in asked) == sorted(
        rows
    )


def test_the_seed_fixes_the_order():
    rows = rows_of(Task.CLASSIFY)
    assert calls_of(Task.CLASSIFY, rows, None, 1) == calls_of(Task.CLASSIFY, rows, None, 1)
    assert calls_of(Task.CLASSIFY, rows, None, 1) != calls_of(Task.CLASSIFY, rows, None, 2)


def test_the_user_s_files_and_folders_replace_the_samples(tmp_path):
    (tmp_path / "titles.txt").write_text("今天天气很好\n\n明天下雨\n", "utf-8")
    assert rows_of(Task.CLASSIFY, tmp_path) == [("今天天气很好",), ("明天下雨",)]
    lines = tmp_path / "dev.json"
    lines.write_text('{"label": "0", "sentence1": "借款额度", "sentence2": "额度多少"}\n', "utf-8")
    assert rows_of(Task.PAIR, lines) == [("借款额度", "额度多少")]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "holds no text"),
        (b'{"nothing": "here"}', "has no text"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_asked_is_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "texts.txt"
    path.write_bytes(content)
    with pytest.raises(BadWorkload, match=sentence):
        rows_of(Task.CLASSIFY, path)


def test_a_pair_must_have_both(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text("只有一句", "utf-8")
    with pytest.raises(BadWorkload, match="text and text_pair"):
        rows_of(Task.PAIR, tmp_path)
