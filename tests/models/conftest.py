"""Tiny networks learn fastest on one thread: on a busy machine two mostly wait for each other."""

import os
import sys

os.environ["OMP_NUM_THREADS"] = "1"  # for the commands that tests run, and for torch if it is still to come
if "torch" in sys.modules:
    sys.modules["torch"].set_num_threads(1)
