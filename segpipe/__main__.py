"""`python -m segpipe`: the same as the command `segpipe`."""

from segpipe.cli import main

if __name__ == "__main__":
    main()
