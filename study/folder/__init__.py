"""What lies in a study's folder, and how it is written: study.yaml, the store of trials, the lock."""
