"""Finding scripted phrases in recognised Vietnamese speech."""
