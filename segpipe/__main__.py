"""`python -m segpipe`: the same as the command `segpipe`."""

from segpipe.cli import start

if __name__ == "__main__":
    start()
