"""Stage `theseus`: a teacher's layers are replaced at random by the student's, until none is left.

BERT-of-Theseus (Xu et al. 2020, arXiv 2002.02925): only the task's loss is learnt, by the new layers alone.
Each of them stands for a run of the teacher's; where it is drawn, it takes that run's place in the step.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.errors import MakeError
from models.finetune import Fitting, checkpoint_folder, save_result
from models.infer import load_network
from models.job import Job
from models.loop import Run
from models.network import Encoder, Layer
from models.task_data import exam_of, examples_of, split_of
from models.teachers import fitting_teacher
from models.workspace import Trained, load_trained


class Ship(Encoder):
    """A student with its predecessor's embedding and head, whose layers stand in for it by a rising chance.

    Only the student's layers learn. While it is not training the student runs alone.
    """

    def __init__(self, student: Encoder, predecessor: Encoder, first: float) -> None:
        nn.Module.__init__(self)
        self.shape, self.dropout = student.shape, student.dropout
        self.embed, self.layers, self.head = predecessor.embed, student.layers, predecessor.head
        for kept in (self.embed, self.head):
            kept.requires_grad_(False)
        self.runs = _runs(predecessor.stack(), self.shape.layers)
        self.first, self.rising = first, 1
        # In the state, so that a resumed run goes on with the chance it had.
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    def hidden(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Last states [rows, width, hidden], as `Encoder.hidden`; in training each layer is drawn anew."""
        visible = mask[:, None, None, :].bool()
        hidden: Tensor = self.embed(ids)
        for new, old, drawn in zip(self.stack(), self.runs, self._drawn(), strict=True):
            for layer in [new] if drawn else old:
                hidden = layer(hidden, visible)
        return hidden

    def _drawn(self) -> list[bool]:
        """Which of the student's layers take part: at least one, for a step without any teaches nothing."""
        if not self.training:
            return [True] * self.shape.layers
        chance = min(1.0, self.first + (1 - self.first) * int(self.step) / self.rising)
        self.step += 1
        drawn = torch.rand(self.shape.layers) < chance
        drawn[torch.randint(self.shape.layers, ())] |= not drawn.any()
        found: list[bool] = drawn.tolist()
        return found


def _runs(layers: list[Layer], count: int) -> list[list[Layer]]:
    """The predecessor's layers in `count` runs, frozen; in a plain list they are no part of the ship."""
    size = len(layers) // count
    for layer in layers:
        layer.requires_grad_(False).eval()
    return [layers[at : at + size] for at in range(0, len(layers), size)]


def run(job: Job) -> Trained:
    """Replace layer by layer; the network that comes out has the teacher's embedding and head."""
    section, seed = job.theseus, job.recipe.seed
    torch.manual_seed(seed)
    start, split = load_trained(job.before("theseus")), split_of(job)
    teacher = fitting_teacher(job, section.teacher, start, split, inside=True)
    _check(start, teacher)
    student, predecessor = load_network(start, section.training.dropout), load_network(teacher)
    tokenizer = start.tokenizer()
    examples = examples_of(start.config, tokenizer, split.train)
    exam = exam_of(start.config, tokenizer, split.validation)
    ship = Ship(student, predecessor, section.replace)
    learner = Fitting(ship, examples, exam, section.training.smoothing)
    folder = checkpoint_folder(job, "theseus", section, start, split.train, teacher.record.made)
    running = Run(learner, section.training, folder, seed, job.console)
    ship.rising = max(1, round(section.rising * running.total))
    done = running.train()
    del ship.step
    return save_result(job, "theseus", start, ship, done, split.taught_with(*teacher.record.data))


def _check(start: Trained, teacher: Trained) -> None:
    """MakeError where one cannot stand in for the other."""
    mine, other = start.config.shape, teacher.config.shape
    if mine.hidden != other.hidden or mine.embedded != other.embedded or other.layers % mine.layers:
        raise MakeError(
            f"[theseus] takes a teacher of the student's width ({mine.hidden}) and a multiple of its "
            f"{mine.layers} layers; this one has {other.hidden} and {other.layers}."
        )
