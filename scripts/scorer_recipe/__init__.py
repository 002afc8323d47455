"""How the scorer of the verdict is trained and tested; run by scripts/train_scorer."""
