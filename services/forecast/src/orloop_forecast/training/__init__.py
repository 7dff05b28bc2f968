"""Cases drawn from published numbers, the models fitted on them, and how good they are. Not used when serving."""
