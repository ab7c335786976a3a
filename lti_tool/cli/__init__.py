"""The command line: one group a noun; data on standard output, talk on standard error; exit 0 done, 1 failed, 2 usage.

A group's module is imported only when the group is called, so that `--help` answers at once.
"""

import sys
from importlib import import_module
from typing import Any, ClassVar, NoReturn

import click

from kernel.errors import KaonaError

USAGE = 2


class LazyGroup(click.Group):
    """Knows each command's name and one line of help; imports its module when it is called."""

    commands_by_name: ClassVar[dict[str, tuple[str, str]]] = {
        "demo": ("lti_tool.cli.demo:demo", "Run the tool and a demo LMS with made-up people on this machine."),
        "test": ("lti_tool.cli.quality:test", "Run the tests on SQLite, PostgreSQL and in Chromium."),
        "check": ("lti_tool.cli.quality:check", "Check format, lint, types, import contracts, translations and links."),
        "bench": ("lti_tool.cli.quality:bench", "Measure the hot paths, each beside its baseline."),
        "serve": ("lti_tool.cli.processes:serve", "Run the web processes."),
        "worker": ("lti_tool.cli.processes:worker", "Run a background worker."),
        "all": ("lti_tool.cli.processes:all_in_one", "Run web processes and a worker in one process tree."),
        "db": ("lti_tool.cli.db:db", "The database's schema."),
        "tenant": ("lti_tool.cli.tenant:tenant", "Agencies."),
        "platform": ("lti_tool.cli.platform:platform", "Registered LMSs."),
        "framework": ("lti_tool.cli.content:framework", "Competency frameworks."),
        "items": ("lti_tool.cli.items:items", "The item bank and its test forms."),
        "admission": ("lti_tool.cli.admission:admission", "Who may begin the assessments that designers placed."),
        "lrs": ("lti_tool.cli.lrs:lrs", "The learning record store."),
        "forward": ("lti_tool.cli.forward:forward", "Statements on their way to other record stores and webhooks."),
        "people": ("lti_tool.cli.people:people", "What is kept of one person, handed out, renamed or erased."),
        "roster": ("lti_tool.cli.roster:roster", "Members of courses, as their platforms tell."),
        "score": ("lti_tool.cli.score:score", "Scores on their way to the LMS."),
        "roadmap": ("lti_tool.cli.roadmap:roadmap", "Evidence and attainment."),
        "admin": ("lti_tool.cli.admin:admin", "Rights of executives and administrators."),
        "doctor": ("lti_tool.cli.doctor:doctor", "What works, what does not, and the cure."),
    }

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  the signature is click's
        """Names in the order of use."""
        return list(self.commands_by_name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  the signature is click's
        """The command itself, its module imported now."""
        place = self.commands_by_name.get(cmd_name)
        if place is None:
            return None
        module, name = place[0].split(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  the signature is click's
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.commands_by_name.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option("0.1.0", prog_name="kaona")
def cli() -> None:
    """Kaona: assessment, learning paths and a development roadmap inside any LMS."""


def main(arguments: list[str] | None = None) -> Any:
    """Runs one command; a refusal becomes one plain sentence and exit code 1, wrong usage 2."""
    try:
        cli(args=arguments, prog_name="kaona", standalone_mode=False)
    except KaonaError as error:
        _refuse(error)
    except click.ClickException as error:
        error.show()
        sys.exit(USAGE if isinstance(error, click.UsageError) else 1)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(1)
    except Exception as error:
        if not (isinstance(error, OSError) and error.errno is not None) and not _is_of_the_database(error):
            raise
        from lti_tool.cli.faults import explained

        _refuse(explained(error))


def _refuse(error: KaonaError) -> NoReturn:
    click.echo(f"kaona: {error} [{error.code}]", err=True)
    sys.exit(USAGE if error.code == "settings_invalid" else 1)


def _is_of_the_database(error: Exception) -> bool:
    """Whether SQLAlchemy raised it, told without importing SQLAlchemy."""
    return any(each.__module__ == "sqlalchemy.exc" for each in type(error).__mro__)
