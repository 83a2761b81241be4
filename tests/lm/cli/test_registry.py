"""A command is a file and an entry of the registry: a toy is one through the registry alone."""

import json

import click
import pytest

from lm.architectures import ARCHITECTURES
from lm.base.settings import Config, setting
from lm.cli import main
from lm.cli.app import COMMANDS
from lm.cli.command import Call, command
from lm.cli.options import config_options, json_option
from lm.cli.printing import print_json, print_values
from lm.runs.presets import PRESETS
from tests.lm.cli.said import last_json, refused
from tests.lm.toys.architecture import BIGRAM
from tests.lm.toys.training import THRIFTY


class Greeting(Config):
    times: int = setting(1, "How often to greet.", ge=1, le=9)
    to_whom: str | None = setting(None, "Who is greeted.")


@command("greet", "Say hello.")
@config_options(Greeting)
@click.option("--loudly", is_flag=True)
@json_option
@click.pass_obj
def greet(call: Call, greeting: Greeting, loudly: bool, as_json: bool) -> None:
    text = f"hello {greeting.to_whom}" * greeting.times
    values = {"text": text.upper() if loudly else text, "folder": call.store.root.name}
    (print_json if as_json else print_values)(values)


@pytest.fixture(autouse=True)
def registered():
    with COMMANDS.including(greet):
        yield


def test_it_runs(say, home):
    values = {"text": "hello -xhello -x", "folder": home.name}
    argv = ["greet", "--to-whom", "-x", "--times", "2"]  # a value may begin with a dash
    assert say(*argv, "--json") == (0, json.dumps(values) + "\n", "")
    assert last_json(say(*argv, "--loudly", "--json")[1])["text"] == "HELLO -XHELLO -X"
    assert "hello -xhello -x" in say(*argv)[1]


def test_it_is_listed_and_explained(capsys):
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    for name in COMMANDS:
        assert f"\n  {name} " in listed
    assert "Say hello." in listed
    assert main(["greet", "-h"]) == 0
    explained = " ".join(capsys.readouterr().out.split())
    assert "--times TIMES How often to greet. A whole number from 1 to 9. Default: 1." in explained
    assert "--json" in explained
    assert "--runs-dir" in explained


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["greed"], "Did you mean greet?"),
        (["greet", "--tmies", "2"], "Did you mean --times?"),
        (["greet", "--times", "0"], "times must be a whole number from 1 to 9. Received: '0'."),
        (["greet", "--times"], "--times"),
        (["greet", "everybody"], "greet takes no further argument. Received: 'everybody'."),
    ],
)
def test_its_errors_are_one_sentence(say, argv, words):
    assert words in refused(say(*argv))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name, capsys):
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Usage: python -m lm {name} ")
    assert COMMANDS[name].help in text
    assert "--runs-dir DIR" in text


def test_help_names_what_is_registered_by_then(capsys):
    with ARCHITECTURES.including(BIGRAM), PRESETS.including(THRIFTY):
        named = list(ARCHITECTURES)
        with_d_embed = [name for name in named if "d_embed" in ARCHITECTURES[name].settings]
        assert main(["flops", "--help"]) == 0
        text = capsys.readouterr().out
    assert ", ".join(named) in text
    assert f"thrifty: {THRIFTY.help}" in " ".join(text.split())
    assert f"model.d_embed: a whole number from 1 to 4,096 ({', '.join(with_d_embed)})" in text
