import pytest
from click.testing import CliRunner

from service.corrections import CorrectionStore
from service.corrections.correction import NewCorrection
from service.corrections.labelling import NamedLabels
from service.corrections_command import corrections_group


@pytest.fixture
def run(sqlite_url):
    def run(*arguments, url=sqlite_url):
        return CliRunner(env={"ISSUE_ROUTER_CORRECTIONS_URL": url}).invoke(
            corrections_group, [str(a) for a in arguments]
        )

    return run


@pytest.fixture
def filled(sqlite_url, matrix):
    with CorrectionStore(sqlite_url) as store:
        for words in ("agents stuck", "no report from asha@example.com since\nmorning " + "x" * 99):
            store.record(NewCorrection(NamedLabels(issue_type="reports"), text=words, who="Asha"), matrix)


@pytest.mark.usefixtures("filled")
def test_list_shows_the_newest_first(run):
    result = run("list")
    assert result.exit_code == 0
    newest, oldest = result.output.splitlines()
    assert newest[18:].startswith("Asha  P3  Ozonetel  General  reports  no report from <email> since morning xxx")
    assert newest.endswith("x…")
    assert oldest.endswith("agents stuck")
    assert run("list", "--limit", 1).output.splitlines()[1] == "1 of 2 corrections; --limit shows more"


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("name", ["c.csv", "c.jsonl"])
def test_what_is_exported_can_be_imported_elsewhere_once(run, tmp_path, name):
    result = run("export", "-o", tmp_path / name)
    assert (result.exit_code, result.output) == (0, f"2 corrections written to {tmp_path / name}\n")
    elsewhere = f"sqlite:///{tmp_path}/elsewhere.sqlite3"
    for new in (2, 0):
        result = run("import", tmp_path / name, url=elsewhere)
        assert (result.exit_code, result.output) == (0, f"{new} new corrections from {tmp_path / name}\n")
    assert run("list", url=elsewhere).output == run("list").output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["export", "-o", "c.txt"], 1, "ends neither with .csv nor with .jsonl"),
        (["export"], 2, "Missing option '-o'"),
        (["import", "missing.csv"], 2, "does not exist"),
        (["list", "--limit", "0"], 2, "not in the range"),
    ],
)
def test_mistakes_are_explained(run, arguments, code, message):
    result = run(*arguments)
    assert result.exit_code == code
    assert message in result.output


def test_a_database_that_is_down_is_an_error(run):
    result = run("list", url="postgresql://postgres@127.0.0.1:1/test")
    assert result.exit_code == 1
    assert "the corrections' database postgresql+psycopg://postgres@127.0.0.1:1/test" in result.output
