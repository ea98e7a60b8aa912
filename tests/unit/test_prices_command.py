"""`retraining prices` against AWS's Price List, played by a server on this machine, and reports reckoned by its table.

The excerpts have the form that the AWS Billing user guide documents, usage types as bills have them, and the prices of a
bill of Europe (Ireland) that AWS's samples publish (aws-samples/sagemaker-ssh-helper, Sample_Costs.md, December 2023).
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ops.price_list import prices_of
from orchestration.domain.prices import packaged_prices, read_prices
from tests.unit.commands import commands_in, retraining, signed_in
from tests.unit.fakes import World
from tests.unit.history import promoted

LISTS = Path(__file__).parent / "price_lists"
IRELAND = "/offers/v1.0/aws/{}/current/eu-west-1/index.json"


def excerpt(service: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((LISTS / f"{service}.json").read_text(encoding="utf-8"))
    return found


class PriceList(ThreadingHTTPServer):
    """AWS's Price List: what lies at a path, or the status that is answered instead."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.longer = 0
        self.lies: dict[str, bytes | int] = {
            IRELAND.format(service): json.dumps(excerpt(service)).encode()
            for service in ("AmazonSageMaker", "AmazonStates")
        }


class Answers(BaseHTTPRequestHandler):
    """Its answers."""

    server: PriceList

    def do_GET(self) -> None:
        """Answer with what lies there, 403 where nothing does, as S3 has it."""
        found = self.server.lies.get(self.path, 403)
        self.send_response(found if isinstance(found, int) else 200)
        if self.server.longer:
            self.send_header("Content-Length", str(10 * self.server.longer))
        self.end_headers()
        self.wfile.write(b"" if isinstance(found, int) else found)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PriceList]:
    """The Price List, and an empty folder to write to."""
    monkeypatch.chdir(tmp_path)
    server = PriceList()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    monkeypatch.setattr("ops.price_list.PRICE_LIST", f"http://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.usefixtures("aws")
def test_the_table_of_a_region_is_written_and_names_the_report_it_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert retraining("prices", "--region", "eu-west-1") == 0
    printed = capsys.readouterr().out
    assert "5 prices of EU (Ireland) of 2023-12-15" in printed
    assert "More than one price, so left out: ml.g5.xlarge for training." in printed
    assert commands_in(printed) == [
        "retraining report --run '<run>' --prices prices.json --stack retraining --region eu-west-1"
    ]
    table = json.loads(Path("prices.json").read_text(encoding="utf-8"))
    assert table == {
        "schema_version": 1,
        "region": "eu-west-1",
        "location": "EU (Ireland)",
        "date": "2023-12-15",
        "source": "the Price List of AWS, version 20231215000000",
        "transition": 0.000025,
        "hourly": {
            "hosting": {"ml.g4dn.xlarge": 0.821, "ml.m5.xlarge": 0.257},
            "processing": {"ml.m5.xlarge": 0.257},
            "training": {"ml.g4dn.xlarge": 0.822, "ml.m5.xlarge": 0.257},
        },
    }
    assert not isinstance(read_prices(table), str)


@pytest.mark.usefixtures("aws")
def test_a_program_reads_the_table_and_no_file_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    assert retraining("prices", "--region", "eu-west-1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["location"] == "EU (Ireland)"
    assert not Path("prices.json").exists()


@pytest.mark.parametrize(
    ("change", "region", "status", "said"),
    [
        ({}, "eu-west-9", 1, "AWS has no Price List of SageMaker in eu-west-9"),
        ({}, "cn-north-1", 2, "Prices of China are in CNY"),
        ({}, "eu west 1", 2, "eu west 1 is no Region"),
        ({}, "../../eu-west-1", 2, "is no Region"),
        ({"AmazonSageMaker": 503}, "eu-west-1", 3, "answered 503"),
        ({"AmazonSageMaker": b"<html>"}, "eu-west-1", 1, "is no Price List of AmazonSageMaker"),
        ({"AmazonSageMaker": b"[" * 100_000}, "eu-west-1", 1, "is no Price List of AmazonSageMaker"),
        ({"AmazonSageMaker": b'{"offerCode": "AmazonEC2"}'}, "eu-west-1", 1, "is no Price List of AmazonSageMaker"),
        ({"AmazonSageMaker": b'{"offerCode": "AmazonSageMaker"}'}, "eu-west-1", 1, "names no price of an instance"),
    ],
)
def test_a_list_that_gives_no_table_says_why(
    change: dict[str, Any], region: str, status: int, said: str, aws: PriceList, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.lies |= {IRELAND.format(service): answer for service, answer in change.items()}
    assert retraining("prices", "--region", region) == status
    assert said in " ".join(capsys.readouterr().err.split())
    assert not Path("prices.json").exists()


def test_a_list_that_is_not_reached_is_3(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("ops.price_list.PRICE_LIST", "http://127.0.0.1:9")
    assert retraining("prices", "--region", "eu-west-1") == 3
    assert "was not reached" in capsys.readouterr().err


def test_a_list_that_is_cut_off_is_3(aws: PriceList, capsys: pytest.CaptureFixture[str]) -> None:
    aws.longer = len(next(body for body in aws.lies.values() if isinstance(body, bytes)))
    assert retraining("prices", "--region", "eu-west-1") == 3
    assert "was cut off after" in " ".join(capsys.readouterr().err.split())
    assert not Path("prices.json").exists()


def test_an_answer_that_is_no_http_is_3(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def cut(*_: Any, **__: Any) -> None:
        raise http.client.IncompleteRead(b"{")

    monkeypatch.setattr("ops.price_list.urllib.request.urlopen", cut)
    assert retraining("prices", "--region", "eu-west-1") == 3
    assert "was not reached" in capsys.readouterr().err


@pytest.mark.parametrize("usd", ["-0.257", "1e300"])
def test_what_can_be_no_price_is_in_no_table(usd: str) -> None:
    lists = json.loads(json.dumps(excerpt("AmazonSageMaker")).replace('"USD": "0.2570000000"', f'"USD": "{usd}"'))
    assert lists != excerpt("AmazonSageMaker")
    found = prices_of("eu-west-1", lists, None)
    assert found is not None
    assert not isinstance(read_prices(found[0].as_record()), str)
    assert "ml.m5.xlarge" not in found[0].hourly["training"]


def test_a_region_without_a_list_of_transitions_has_no_price_of_them(
    aws: PriceList, capsys: pytest.CaptureFixture[str]
) -> None:
    del aws.lies[IRELAND.format("AmazonStates")]
    assert retraining("prices", "--region", "eu-west-1") == 0
    assert "State transitions have no one price" in capsys.readouterr().out
    assert json.loads(Path("prices.json").read_text(encoding="utf-8"))["transition"] is None


def test_a_list_without_date_and_version_has_none() -> None:
    whole = excerpt("AmazonSageMaker")
    found = prices_of("eu-west-1", {name: whole[name] for name in ("products", "terms")}, None)
    assert found is not None
    assert (found[0].source, found[0].date) == ("the Price List of AWS", "no date")


@pytest.mark.parametrize("junk", [None, 7, [], {"a": []}, {"sku": {"attributes": 3}}])
def test_no_content_of_a_list_raises(junk: Any) -> None:
    whole = excerpt("AmazonSageMaker")
    assert prices_of("eu-west-1", {**whole, "products": junk}, whole) is None
    assert prices_of("eu-west-1", {**whole, "terms": {"OnDemand": junk}}, None) is None


# Reports by a table.


def test_a_run_is_reckoned_by_the_prices_that_are_given(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    promoted(world)
    signed_in(world, monkeypatch)
    monkeypatch.chdir(tmp_path)
    table = packaged_prices().as_record()
    table |= {"date": "2027-01-01", "source": "our own list", "hourly": {"hosting": {"ml.m5.large": 1.0}}}
    Path("prices.json").write_text(json.dumps(table), encoding="utf-8")
    assert retraining("report", "--run", "run-1") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "endpoint fraud-prod, baking: 1 x ml.m5.large, 0.5167 instance hours: 0.059417 USD" in said
    assert "training: not known: The team's own state machine trained" in said
    assert "Price: at least 0.059842 USD. State transitions without retries: 17, 0.000425 USD." in said
    assert retraining("report", "--run", "run-1", "--prices", "prices.json") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "0.5167 instance hours: 0.516667 USD" in said
    assert "Prices: US East (N. Virginia), 2027-01-01, by our own list." in said
    assert "our own list" in Path("report-run-run-1.html").read_text(encoding="utf-8")
    assert retraining("report", "--run", "run-1", "--prices", "prices.json", "--json") == 0
    assert json.loads(capsys.readouterr().out)["price"]["total_usd"] == pytest.approx(0.517092)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (None, "prices.json cannot be read (No such file or directory)."),
        ("[1]", "prices.json is no JSON object."),
        ("{}", "prices.json is no table of prices of version 1."),
    ],
)
def test_what_is_no_table_is_a_wrong_call(
    body: str | None,
    said: str,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    promoted(world)
    signed_in(world, monkeypatch)
    monkeypatch.chdir(tmp_path)
    if body is not None:
        Path("prices.json").write_text(body, encoding="utf-8")
    assert retraining("report", "--run", "run-1", "--prices", "prices.json") == 2
    assert said in capsys.readouterr().err


def test_prices_are_for_the_report_of_a_run(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in(world, monkeypatch)
    assert retraining("report", "--prices", "prices.json") == 2
    assert "name it with --run" in capsys.readouterr().err


def test_a_report_that_the_loop_did_not_write_is_shown_and_its_price_is_not_told(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    promoted(world)
    signed_in(world, monkeypatch)
    monkeypatch.chdir(tmp_path)
    uri = world.bucket.uri("evidence/fraud/run-1/report.json")
    for record in ({"schema_version": 1, "kind": "report"}, {"schema_version": 2, "price": 7, "phases": 8}):
        world.bucket.objects[uri] = json.dumps(record).encode()
        assert retraining("report", "--run", "run-1") == 0
        assert "USD" not in capsys.readouterr().out
