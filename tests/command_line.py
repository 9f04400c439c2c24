"""What tests of `sge` ask of every command."""

from keras_sge.cli.main import main


def refused(capsys, *arguments):
    """The one line on stderr of an `sge` command that must fail with exit code 2."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("sge: error: ")
    return lines[0]


def files(folder):
    """All there is below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
