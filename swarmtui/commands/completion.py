"""``swarmtui completion``: prints what a shell needs to complete our words."""

import click
from click.shell_completion import get_completion_class

from swarmtui import output

RECIPES = """\b
bash  eval "$(swarmtui completion bash)"               in ~/.bashrc
zsh   eval "$(swarmtui completion zsh)"                in ~/.zshrc
fish  swarmtui completion fish | source                in ~/.config/fish/config.fish"""


@click.command(epilog=RECIPES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion for a shell."""
    from swarmtui.cli import cli

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  # the three shells that click knows
    output.line(kind(cli, {}, "swarmtui", "_SWARMTUI_COMPLETE").source())
