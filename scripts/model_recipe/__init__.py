"""Builds the demonstration speech model from synthetic Vietnamese, without Kaldi's tools.

The steps are text, speech, training, export, graph, evaluation; `__main__` runs them.
Everything it trains on is written by the project or made by a synthesiser, so the model's
error rates hold for synthetic speech only.
"""
