"""`python -m pxed`: the same as the `pxed` command."""

from pxed.cli.main import main

if __name__ == "__main__":
    main()
