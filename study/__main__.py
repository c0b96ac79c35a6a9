"""`python -m study`: the commands of a study, for people, scripts and hosts without a browser."""

from study import more_commands  # noqa: F401 - registers its commands
from study.commands import main

if __name__ == "__main__":
    main()
