"""Who may see and change what, said a second time in plain Python, to compare the database with."""
