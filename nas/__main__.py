"""``python -m nas`` and the console script ``nas``."""

from __future__ import annotations


def main() -> None:
    """Run the command line; ends the process with the command's exit status."""
    from nas.cli import cli

    cli.main(prog_name="nas")


if __name__ == "__main__":
    main()
