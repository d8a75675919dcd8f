"""The table of models: what each can do, how large it is and how long it takes, all measured in one run."""
