"""The spine: a study's folder, its worker, its commands; the only place where merging, evaluation and surrogate meet.

What a script calls stands here; the folders hold what that is made of (CONTRIBUTING.md says what belongs where).
"""
