"""Sets that the tiny networks answer well in part, and the command `check` asked about them."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from models.cli import main
from server.inference.manifest import Quality
from server.inference.values import Task

TEXTS = ("今天看球", "看新闻球", "机", "股股花园")
MARKED = ({"start": 0, "end": 2, "type": "per"}, {"start": 3, "end": 5, "type": "loc"})


def question(asked, context, answer):
    given = [{"question": asked, "answers": [{"text": answer, "answer_start": context.index(answer)}]}]
    return {"context": context, "qas": given}


ROWS = {
    Task.CLASSIFY: [
        {"text": text, "label": f"news_{label}"}
        for text, label in zip(TEXTS, ("sports", "sports", "tech", "sports"), strict=True)
    ],
    Task.PAIR: [
        {"text": "今天好", "text_pair": "同天好", "label": "1"},
        {"text": "同天好", "text_pair": "花", "label": "0"},
    ],
    Task.NER: [{"text": "张三去北京", "entities": MARKED}, {"text": "我们去公园", "entities": MARKED[:1]}],
    Task.QA: [question("去看花", "我们甲公园乙看花", "甲公园乙"), question("看花", "我们甲公园乙", "公园")],
}
"""What the tiny networks do not know stands among it, so that no figure is 1."""
TRUE = {Task.CLASSIFY: 0.75, Task.PAIR: 0.5, Task.NER: 0.8, Task.QA: (1 + 2 * 2 / 6) / 2}
METRICS = {Task.CLASSIFY: "accuracy", Task.PAIR: "accuracy", Task.NER: "micro F1", Task.QA: "F1"}


LEARNT = {task: {**rows[0], "text": "张三北京了"} for task, rows in ROWS.items()}
LEARNT[Task.QA] = question("看花", "甲公园乙了", "公园")


def write_sets(folder: Path) -> Path:
    """A set a task in `folder`, named after it, whose train shares no text with its dev split."""
    for task, rows in ROWS.items():
        (folder / task).mkdir()
        for name, part in (("dev", rows), ("train", [LEARNT[task]])):
            lines = "".join(json.dumps(row) + "\n" for row in part)
            if task is Task.QA:
                lines = json.dumps({"data": [{"paragraphs": part}]})
            path = folder / task / (f"{name}.json" if task is Task.QA else f"{name}.jsonl")
            path.write_text(lines, encoding="utf-8")
    return folder


def stated(task, **fields):
    usual = {"metric": METRICS[task], "value": TRUE[task], "split": f"{task} dev", "n": len(ROWS[task])}
    return Quality(**usual | fields)


def check(folder, data, *flags):
    return CliRunner().invoke(main, ["check", str(folder), "--data", str(data), *flags])
