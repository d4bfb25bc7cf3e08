"""Logs from Python: golden logs replay to their digests, tables reach polars and pyarrow, and the command says the same."""

import json
import os
import subprocess
from pathlib import Path

import polars
import pyarrow
import pytest
from credence import Log, LogError, write_sample_log

GOLDEN = Path(__file__).parents[2] / "memory/tests/golden"


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*.jsonl")))
def test_golden_logs_replay_to_the_same_bits(name: str) -> None:
    log = Log(GOLDEN / name)
    replay = log.replay(verify=True)
    assert polars.DataFrame(replay.digests())["agrees"].all()
    records = polars.DataFrame(log.records())
    assert records["seq"].to_list() == list(range(1, replay.records + 1))
    lines = [json.loads(line) for line in (GOLDEN / name).read_text().splitlines()]
    assert records["kind"].to_list() == [line["kind"] for line in lines]
    assert [json.loads(payload) for payload in records["payload"]] == [line["payload"] for line in lines]
    left = {name for line in lines if line["kind"] == "PeopleLeft" for name in line["payload"]["people"]}
    assert set(records["person"].drop_nulls()) <= set(log.people()) | left | {None}


def test_a_golden_log_has_digests_to_compare() -> None:
    assert len(Log(GOLDEN / "format-1.jsonl").replay(verify=True).digests()) > 0


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return write_sample_log(tmp_path_factory.mktemp("log") / "log.jsonl", choices=120, people=3, values=4)


def test_tables_are_the_same_in_polars_and_pyarrow(sample: Log) -> None:
    replay = sample.replay()
    for table in [sample.records(), replay.values(), replay.predictions(), replay.people()]:
        arrow = pyarrow.table(table)
        frame = polars.DataFrame(table)
        assert frame.columns == arrow.column_names == table.columns
        assert frame.height == arrow.num_rows == len(table) > 0
        assert frame.to_dicts() == arrow.to_pylist()
        # A table can be taken more than once, and outlives nothing that it needs.
        assert table.to_polars().equals(frame) and table.to_pyarrow().equals(arrow)
        assert table.to_pandas().shape == frame.shape
    assert polars.DataFrame(sample.records()).schema["time"] == polars.Datetime("us", "UTC")


def test_an_untaken_stream_is_freed() -> None:
    log = Log(GOLDEN / "format-1.jsonl")
    for _ in range(3):
        log.records().__arrow_c_stream__()


def test_beliefs_of_a_replay_are_the_belief_itself(sample: Log) -> None:
    people = polars.DataFrame(sample.replay().people())
    for row in people.to_dicts():
        belief = sample.belief(row["person"])
        assert (belief.digest, belief.records) == (row["digest"], row["evidence"])
    trajectory = polars.DataFrame(sample.trajectory("person-0"))
    last = trajectory.filter(polars.col("record") == trajectory["record"].max())
    values = polars.DataFrame(sample.replay(person="person-0").values())
    assert last["value"].to_list() == values["value"].to_list()
    assert last["mean"].to_numpy() == pytest.approx(values["mean"].to_numpy(), abs=1e-12)


def test_a_replay_may_be_another(sample: Log) -> None:
    whole, flat = sample.replay(), sample.replay(prior="flat")
    assert whole.log_loss is not None and flat.left_out == 0
    assert sample.replay(without=["person:person-1"]).left_out == 40
    assert sample.replay(until="50").records == 50
    narrow = sample.replay(hypotheses="sigma=1.5 eps=0.1")
    assert narrow.people().to_polars()["digest"].to_list() != whole.people().to_polars()["digest"].to_list()


def test_what_cannot_be_read_is_said(tmp_path: Path, sample: Log) -> None:
    with pytest.raises(LogError, match="no evidence log"):
        Log(tmp_path)
    damaged = tmp_path / "log.jsonl"
    lines = (GOLDEN / "format-1.jsonl").read_bytes().splitlines(keepends=True)
    damaged.write_bytes(b"".join(lines[:3] + [lines[3].replace(b"a", b"b", 1)] + lines[4:]))
    for method in ["records", "replay", "people"]:
        with pytest.raises(LogError, match="record 4"):
            getattr(Log(damaged), method)()
    torn = tmp_path / "torn.jsonl"
    torn.write_bytes(b"".join(lines)[:-5])
    assert Log(torn).replay().is_torn and len(Log(torn).records()) == len(lines) - 1
    with pytest.raises(LogError, match="no person"):
        sample.belief("nobody")
    for wrong in [{"prior": "none"}, {"without": ["kind:Nothing"]}, {"until": "soon"}, {"hypotheses": "x=1"}]:
        with pytest.raises(LogError, match="expected"):
            sample.replay(**wrong)  # type: ignore[arg-type]


def test_sample_logs_depend_on_their_seed_only(tmp_path: Path) -> None:
    logs = [write_sample_log(tmp_path / f"{n}.jsonl", choices=5, people=1, seed=seed) for n, seed in enumerate([1, 1, 2])]
    first, again, other = (log.path.read_bytes() for log in logs)
    assert first == again != other


@pytest.mark.skipif("CREDENCE_COMMAND" not in os.environ, reason="CREDENCE_COMMAND names no command to compare with")
def test_the_command_says_the_same(sample: Log) -> None:
    said = subprocess.run(
        [os.environ["CREDENCE_COMMAND"], "replay", str(sample.path), "--json"], check=True, capture_output=True
    )
    command = json.loads(said.stdout)
    replay = sample.replay()
    values = polars.DataFrame(replay.values())
    digests = [(row["person"], row["digest"]) for row in polars.DataFrame(replay.people()).to_dicts()]
    assert digests == [(person["person"], person["digest"]) for person in command["people"]]
    for person in command["people"]:
        ours = values.filter(polars.col("person") == person["person"])
        theirs = person["values"]["values"]
        for column in ["mean", "low", "high", "probability_above"]:
            assert ours[column].to_list() == pytest.approx([value[column] for value in theirs], abs=1e-12), column
