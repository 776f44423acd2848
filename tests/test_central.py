"""The central side's files fit together, and with what agents and collector really do."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.collect.conftest import postgres  # noqa: F401  a fixture
from vqa_agent.collect import Store
from vqa_agent.config import load
from vqa_agent.publish.messages import Metrics
from vqa_agent.publish.topics import Topics

CENTRAL = Path(__file__).parents[1] / "packaging" / "central"
COMPOSE = yaml.safe_load((CENTRAL / "compose.yaml").read_text())
TELEGRAF = tomllib.loads((CENTRAL / "telegraf" / "telegraf.conf").read_text())
DASHBOARD = json.loads((CENTRAL / "grafana" / "dashboards" / "vqa-agent.json").read_text())
MADE_BEFORE_THE_START = {"certificates", "secrets"}

METRICS_TABLE = """CREATE TABLE metrics (time TIMESTAMPTZ, site TEXT, agent TEXT, cpu FLOAT8, budget FLOAT8,
    memory BIGINT, outbox BIGINT, oldest FLOAT8, seq BIGINT, settled BIGINT, refused BIGINT)"""
"""As Telegraf makes it from the fields that it is told to read."""


def fields() -> dict[str, str]:
    (consumer,) = TELEGRAF["inputs"]["mqtt_consumer"]
    return {field["path"]: field["type"] for field in consumer["json_v2"][0]["field"]}


def test_every_mounted_file_is_there() -> None:
    for name, service in COMPOSE["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                path = CENTRAL / source
                assert path.exists() or path.name in MADE_BEFORE_THE_START, f"{name}: {source}"
            else:
                assert source in COMPOSE["volumes"]


class _Compose(yaml.SafeLoader):
    """Reads Compose's own tags, too."""


_Compose.add_constructor("!override", yaml.SafeLoader.construct_yaml_seq)


def test_emqx_takes_mosquittos_place_with_files_that_are_there() -> None:
    services = yaml.load((CENTRAL / "emqx" / "compose.yaml").read_text(), _Compose)["services"]
    assert set(services) <= set(COMPOSE["services"])
    for volume in services["mosquitto"]["volumes"]:
        path = CENTRAL / volume.split(":")[0]
        assert path.exists() or path.name in MADE_BEFORE_THE_START or volume.split(":")[0] in COMPOSE["volumes"]


def test_emqx_has_the_rules_of_mosquitto() -> None:
    rules = set(re.findall(r'\{allow, (\S+|\{.+?\}), (\w+), \["(.+)"\]\}', (CENTRAL / "emqx" / "acl.conf").read_text()))
    user, expected = "", set()
    for line in (CENTRAL / "mosquitto" / "acl").read_text().splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "user":
            user = f'{{username, "{rest}"}}'
        elif kind in ("topic", "pattern"):
            access, topic = rest.split()
            who = "all" if kind == "pattern" else user
            expected.add((who, {"read": "subscribe", "write": "publish"}[access], topic.replace("%u", "${username}")))
    assert rules == expected


def test_every_secret_that_is_used_is_declared() -> None:
    used = {secret for service in COMPOSE["services"].values() for secret in service.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])


def test_the_collectors_configuration_loads() -> None:
    mqtt = load(CENTRAL / "collector" / "collector.toml", {}).mqtt
    assert mqtt.url == "mqtts://mosquitto:8883"


def test_telegraf_reads_what_agents_publish() -> None:
    (consumer,) = TELEGRAF["inputs"]["mqtt_consumer"]
    assert consumer["topics"] == [Topics("+", "+").metrics]
    assert set(fields()) <= set(Metrics.model_fields)
    assert all(re.search(rf"\b{name}\b", METRICS_TABLE) for name in fields())


def test_the_database_is_read_as_a_user_who_may_not_write() -> None:
    source = yaml.safe_load((CENTRAL / "grafana/provisioning/datasources/timescaledb.yaml").read_text())
    assert source["datasources"][0]["user"] == "grafana"


def queries() -> list[Any]:
    asked = [(panel["title"], panel["targets"][0]["rawSql"]) for panel in DASHBOARD["panels"]]
    asked += [(f"variable {each['name']}", each["query"]) for each in DASHBOARD["templating"]["list"]]
    return [pytest.param(sql, id=title) for title, sql in asked]


@pytest.fixture(scope="module")
def database(postgres: str) -> Any:  # noqa: F811
    import psycopg

    Store(postgres).close()
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS metrics")
        connection.execute(METRICS_TABLE)
        yield connection


@pytest.mark.parametrize("sql", queries())
def test_every_query_of_the_dashboard_runs_on_the_tables(sql: str, database: Any) -> None:
    sql = re.sub(r"\$\{\w+:regex\}", ".*", sql)
    sql = re.sub(r"\$__timeGroupAlias\((\w+), \$__interval\)", r"date_trunc('minute', \1) AS time", sql)
    sql = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 > now() - interval '6 hours'", sql)
    assert "$" not in sql.replace("$'", "'"), "a macro or variable that this test does not know"
    database.execute(sql).fetchall()
