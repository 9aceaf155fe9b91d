"""Names of the variants, as the tables show them."""

PSYCOPG_AUTOCOMMIT = "psycopg, autocommit, no actor"
PSYCOPG = "psycopg, as an actor"
ORM_NO_ACTOR = "ORM session, no actor"
ORM = "ORM session, as an actor"
ALCHEMY = "advanced-alchemy, as an actor"
OURS = "devmentor-models"
OURS_READING = "devmentor-models, readonly=True"
