"""`python -m linegate`: the same as the command `linegate`."""

from linegate.cli.main import main

if __name__ == "__main__":
    main()
