"""``python -m devmentor_models.cli``: devmentor-db where its script is not installed."""

from devmentor_models.cli import main

main()
