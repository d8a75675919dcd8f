"""Stage `imitate`: the network learns what a fine-tuned teacher computes inside, on the train texts and more.

TinyBERT's task stage, its first step (Jiao et al. 2020, arXiv 1909.10351); the teacher runs beside the
student, since what all its layers compute of a million tokens is too much to keep.
"""

from __future__ import annotations

import torch

from models.finetune import checkpoint_folder, save_result
from models.imitation import Imitator, Terms, without_extra
from models.infer import load_network
from models.job import Job
from models.layout import encode
from models.lineage import sources
from models.loop import Run
from models.task_data import exam_of, split_of
from models.teachers import fitting_teacher
from models.unlabelled import spoken_on
from models.workspace import Trained, load_trained


def run(job: Job) -> Trained:
    """Imitate on the train texts, altered copies of them and raw texts; scored on the rows held out."""
    section, seed = job.imitate, job.recipe.seed
    torch.manual_seed(seed)
    start, split = load_trained(job.before("imitate")), split_of(job)
    taught = fitting_teacher(job, section.teacher, start, split, inside=True)
    teacher = load_network(taught).eval()
    network = load_network(start, section.training.dropout)
    tokenizer = start.tokenizer()
    texts = [row.asked for row in split.train] + spoken_on(job, section, split, tokenizer)
    encoded = encode(start.config, tokenizer, texts)
    rows = [example.ids.tolist() for one in encoded for example in one.examples]
    exam = exam_of(start.config, tokenizer, split.validation).ids
    learner = Imitator(network, teacher, start.config, (rows, exam), Terms(imitate=section.imitate))
    folder = checkpoint_folder(job, "imitate", section, start, rows, taught.record.made)
    done = Run(learner, section.training, folder, seed, job.console).train()
    seen = sources(job, section.texts, "texts on which the teacher was imitated, of")
    split = split.taught_with(*seen, *taught.record.data)
    return save_result(job, "imitate", start, without_extra(network), done, split)
