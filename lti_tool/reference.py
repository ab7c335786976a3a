"""The reference pages that are made from the code: `python -m lti_tool.reference` writes them, a test compares them."""

from pathlib import Path
from typing import Any

import click

from lti_tool.cli import cli
from lti_tool.settings import PREFIX, Settings

DOCS = Path(__file__).parents[1] / "docs"


def settings_page() -> str:
    """`docs/settings.md`, from the settings class."""
    lines = [
        "# Settings",
        "",
        f"Every setting is an environment variable with the prefix `{PREFIX}`. With none set, the tool runs on loopback with SQLite.",
        "All faults are told together at the start, each with its cure; a name that is not in this table is a fault too.",
        "",
        "| variable | default | meaning |",
        "| --- | --- | --- |",
    ]
    for name, field in Settings.model_fields.items():
        default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        default = str(default).lower() if isinstance(default, bool) else default
        lines.append(f"| `{PREFIX}{name.upper()}` | {f'`{default}`' if default not in ('', None) else '-'} | {field.description} |")
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    """`docs/commands.md`, from the commands themselves."""
    lines = [
        "# Commands",
        "",
        "`./kaona COMMAND`; exit 0 done, 1 failed, 2 usage. `--json` stands on every read. Secrets are read from a file or standard",
        "input, never from an argument.",
    ]
    context = click.Context(cli, info_name="kaona")
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        lines += ["", f"## {name}", "", *_described(command, f"kaona {name}")]
    return "\n".join(lines) + "\n"


def _described(command: click.Command, path: str) -> list[str]:
    if isinstance(command, click.Group):
        lines = [str(command.help or "").strip()]
        for name, child in command.commands.items():
            lines += ["", *_described(child, f"{path} {name}")]
        return lines
    lines = [f"`{path}{_arguments(command)}`", "", str(command.help or "").strip()]
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option) and not parameter.hidden]
    if options:
        lines += ["", "| option | meaning |", "| --- | --- |"]
        lines += [f"| `{_option(option)}` | {option.help or ''}{' Required.' if option.required else ''} |" for option in options]
    return lines


def _arguments(command: click.Command) -> str:
    context = click.Context(command)
    return "".join(f" {each.make_metavar(context)}" for each in command.params if isinstance(each, click.Argument))


def _option(option: click.Option) -> str:
    value: Any = "" if option.is_flag else f" {option.make_metavar(click.Context(click.Command('x')))}"
    return f"{option.opts[-1]}{value}".replace("|", "\\|")


if __name__ == "__main__":
    (DOCS / "settings.md").write_text(settings_page())
    (DOCS / "commands.md").write_text(commands_page())
