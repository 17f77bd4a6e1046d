"""`pxed completion`: lets a shell complete verbs and options with the Tab key."""

from __future__ import annotations

import click


@click.command
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Example:
      pxed completion bash > /etc/bash_completion.d/pxed
    """
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    assert script is not None  # noqa: S101 - click has the three
    click.echo(script(context.find_root().command, {}, "pxed", "_PXED_COMPLETE").source())
