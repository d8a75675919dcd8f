import json
import statistics

import pytest

from loadtest.errors import BadWorkload
from loadtest.workload import (
    SAMPLE_FILES,
    SAMPLES,
    Task,
    Workload,
    calls_of,
    read_articles,
    rows_of,
    texts_of,
)


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


def lengths(workload, seed=0):
    return [len(row[0]) for row in texts_of(Task.CLASSIFY, workload, None, seed)]


def test_workloads_differ_in_their_lengths():
    titles, paragraphs, mixed, long = map(lengths, Workload)
    assert max(titles) <= 45
    assert 0.25 < sum(length > 60 for length in paragraphs) / len(paragraphs) < 0.35
    assert max(paragraphs) < 130
    assert 1 <= sum(length > 400 for length in mixed) <= 5
    assert min(long) > 400
    assert len(paragraphs) == len(mixed) == len(long) == 500


def test_a_seed_fixes_the_mix():
    def mixed(seed):
        return texts_of(Task.NER, Workload.MIXED, None, seed)

    assert mixed(1) == mixed(1) != mixed(2)


def test_two_texts_have_no_such_mix():
    with pytest.raises(BadWorkload, match="pair takes two"):
        texts_of(Task.PAIR, Workload.MIXED, None, 0)


def test_articles_may_be_one_s_own(tmp_path):
    (tmp_path / "articles.txt").write_text("一\n二\n\n三\n", "utf-8")
    assert read_articles(tmp_path) == [["一", "二"], ["三"]]
    (tmp_path / "articles.txt").write_text("\n", "utf-8")
    with pytest.raises(BadWorkload, match="holds no text"):
        read_articles(tmp_path)
