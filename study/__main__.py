"""`python -m study`: the commands of a study, for people, scripts and hosts without a browser."""

from study.commands.terminal import main

if __name__ == "__main__":
    main()
