"""The questions under which the report lists its studies."""

from __future__ import annotations

OTHER = "other"
# By the word in a study's file, in the order of the report.
TOPICS = {
    "initialisation": "How should the weights start?",
    "activations": "Which activation?",
    "losses": "Which loss?",
    "depth": "How deep, and how wide?",
    "rate": "Which batch size and learning rate?",
    "optimisers": "Which optimiser?",
    "data": "What do inputs and labels change?",
    "gradients": "Is the gradient right?",
    "reruns": "Does a published run happen again?",
    OTHER: "Other questions",
}
